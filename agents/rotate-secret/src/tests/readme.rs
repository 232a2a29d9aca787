//! The table of inputs in the README is the code's.

#[test]
fn every_key_of_the_input_is_in_the_table_and_no_other() {
    let schemas = bailiwick_sdk::testing::run(crate::run, &serde_json::json!({"$schema": "bailiwick:schemas"})).unwrap();
    let properties = schemas["input"]["properties"].as_object().unwrap();
    let readme = include_str!("../../README.md");
    let rows = readme.lines().skip_while(|line| !line.starts_with("| key |")).skip(2).take_while(|line| line.starts_with('|'));
    let mut documented: Vec<&str> = rows.filter_map(|row| row.split('`').nth(1)).collect();
    documented.sort_unstable();
    assert_eq!(documented, properties.keys().map(String::as_str).collect::<Vec<_>>());
}
