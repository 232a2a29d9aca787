//! Patterns in a grant: which forms are accepted and refused when it is read, and what each form covers.

use tests::guests::guest;
use tests::program::Program;
use vocabulary::{HttpGrant, Method, Scheme};

use super::drive::{Witnesses, grant};
use super::table::{self, Row, request, rows};

/// Checks a configuration with each row in a grant; the exit code of `check` says which rows are accepted.
fn assert_read(rows: &[Row], taken: &str, lines: impl Fn(&str) -> String) {
    let component = guest("asks_listed").display().to_string();
    let program = Program::new("");
    let mut wrong = Vec::new();
    for row in rows {
        let text = format!(
            "[agents.asks]\ncomponent = {component:?}\n[[agents.asks.http]]\nmethods = [\"GET\"]\npaths = [\"/**\"]\n{}\n",
            lines(&row.input)
        );
        std::fs::write(program.config(), text).unwrap();
        let checked = program.run(&["check"]);
        let said = String::from_utf8_lossy(&checked.stderr).into_owned();
        let is_so = match checked.status.code() {
            Some(0) => row.verdict == taken,
            Some(2) => row.verdict != taken && said.contains("http[0]"),
            _ => false,
        };
        if !is_so {
            wrong.push(format!("{row:?} ended with {:?}: {said}", checked.status.code()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn hosts_that_nobody_can_mean_are_refused_when_the_configuration_is_read() {
    assert_read(&rows(table::PATTERNS, "hosts"), "taken", |host| format!("host = {host:?}"));
}

#[test]
fn networks_that_hold_too_much_are_refused_when_the_configuration_is_read() {
    assert_read(&rows(table::NETWORKS, "networks"), "good", |net| format!("host = \"good.test\"\naddresses = [{net:?}]"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_form_of_a_pattern_covers_what_it_says_and_nothing_beside_it() {
    let all = Witnesses::closed().await;
    let rows = rows(table::PATTERNS, "forms");
    let (mut grants, mut asks) = (Vec::new(), Vec::new());
    // Each row has its own port, so that no other grant covers it.
    for (row, port) in rows.iter().zip(40_001..) {
        let words: Vec<_> = row.input.split(' ').collect();
        let [host, method, path, asked_host, asked_method, asked_path] = words[..] else { panic!("{row:?}") };
        let (methods, paths) = (vec![Method::new(method).unwrap()], vec![path.parse().unwrap()]);
        grants.push(HttpGrant { methods, paths, ..grant(Scheme::Http, host, Some(port)) });
        let mut ask = request("http", &format!("{asked_host}:{port}"), asked_path);
        ask["method"] = asked_method.into();
        asks.push(ask);
    }
    let came = all.drive(grants, &asks).came;
    assert_eq!(came.len(), rows.len());
    let wrong = rows.iter().zip(&came).filter(|(row, came)| (row.verdict == "yes") != came.intended);
    assert_eq!(wrong.map(|(row, came)| format!("{row:?} came to {came:?}")).collect::<Vec<_>>(), Vec::<String>::new());
    // Each form needs rows of both kinds.
    let form = |row: &Row| row.input.split(' ').take(3).map(str::to_owned).collect::<Vec<_>>();
    for row in &rows {
        let verdict = |verdict| rows.iter().any(|other| form(other) == form(row) && other.verdict == verdict);
        assert!(verdict("no") || form(row)[2] == "/**", "no row shows what {row:?} excludes");
        assert!(verdict("yes"), "no row shows what {row:?} covers");
    }
}
