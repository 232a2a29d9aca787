//! The tables of the README agree with the code.

use crate::check::{self, Group};
use crate::why::Why;

const README: &str = include_str!("../../README.md");

/// The cells of each row of the table that begins with this heading.
fn rows(heading: &str) -> Vec<Vec<String>> {
    let lines = README.lines().skip_while(|line| !line.starts_with(heading)).skip(2).take_while(|line| line.starts_with('|'));
    lines.map(|line| line.trim_matches('|').split('|').map(|cell| cell.trim().trim_matches('`').to_owned()).collect()).collect()
}

/// The string that a value has as JSON.
fn word(value: impl serde::Serialize) -> String {
    serde_json::to_value(value).unwrap().as_str().unwrap().to_owned()
}

#[test]
fn the_table_of_checks_is_the_code_s() {
    let documented: Vec<_> = rows("| check |").into_iter().map(|row| row[..4].to_vec()).collect();
    let code: Vec<_> =
        check::all().map(|check| vec![check.id.to_owned(), word(check.group), word(check.severity), check.cwe.to_owned()]).collect();
    assert_eq!(documented, code);
}

#[test]
fn every_reason_for_leaving_something_open_is_explained() {
    let documented: Vec<_> = rows("| reason |").into_iter().map(|row| row[0].clone()).collect();
    assert_eq!(documented, Why::ALL.map(|why| why.word().to_owned()));
}

#[test]
fn every_group_has_a_check_and_every_check_an_id_of_its_own() {
    let groups: std::collections::BTreeSet<_> = check::all().map(|check| check.group).collect();
    assert_eq!(groups.into_iter().collect::<Vec<_>>(), Group::ALL);
    let mut ids: Vec<_> = check::all().map(|check| check.id).collect();
    ids.sort_unstable();
    assert!(ids.windows(2).all(|pair| pair[0] != pair[1]));
}

#[test]
fn the_defaults_in_the_table_of_inputs_are_the_code_s() {
    let schemas = bailiwick_sdk::testing::run(crate::run, &serde_json::json!({"$schema": "bailiwick:schemas"})).unwrap();
    let properties = schemas["input"]["properties"].as_object().unwrap();
    let documented = rows("| key |");
    assert_eq!(documented.len(), properties.len());
    for row in documented {
        let default = &properties[&row[0]]["default"];
        match row[1].as_str() {
            "required" => assert!(default.is_null(), "{}", row[0]),
            "all" => assert_eq!(default.as_array().map(Vec::len), Some(Group::ALL.len())),
            number => assert_eq!(default.to_string(), number, "{}", row[0]),
        }
    }
}
