//! Counts never understate: a request that may or may not have been sent counts as sent and unknown in every view, until a person has
//! said what became of it.

use serde_json::{Value, json};
use tests::program::Program;
use tests::server::{Server, Step, response};

use crate::settling::CutOff;

fn document(program: &Program, args: &[&str]) -> Value {
    let output = program.run(args);
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{args:?}: {output:?}"))
}

/// The counts of `audit touched`: asked, sent, answered, failed, unknown and settled. The sums of the rows must equal the totals.
fn counts(cut: &CutOff) -> [u64; 6] {
    let all = ["asked", "sent", "answered", "failed", "unknown", "said"];
    let document = document(&cut.program, &["audit", "touched", &cut.run, "--json"]);
    let sum = |name: &str| document["http"].as_array().unwrap().iter().map(|row| row[name].as_u64().unwrap()).sum::<u64>();
    let totals = all.map(|name| document["totals"][name].as_u64().unwrap());
    assert_eq!(all.map(sum), totals, "{document}");
    totals
}

/// The counts of `ps`: asked, sent and answered.
fn open(cut: &CutOff) -> Vec<[u64; 3]> {
    let rows = document(&cut.program, &["ps", "--json"]);
    let row = |row: &Value| ["asked", "sent", "answered"].map(|name| row[name].as_u64().unwrap());
    rows.as_array().unwrap().iter().map(row).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_without_an_end_counts_as_sent_and_unknown_until_a_person_has_settled_it() {
    let cut = CutOff::two_posts().await;
    assert_eq!((counts(&cut), open(&cut)), ([2, 2, 0, 0, 2, 0], vec![[2, 2, 0]]));
    let table = cut.says(&["audit", "touched", &cut.run]).1;
    assert!(table.contains("1 0 1 0 0 1"), "asked, refused, sent, answered, failed, unknown: {table}");
    // Settling one request does not affect the other, and the settlement counts.
    assert_eq!(cut.says(&["stop", &cut.run, "--settle", "did", "--op", "1"]).0, 8);
    assert_eq!((counts(&cut), open(&cut)), ([2, 2, 0, 0, 1, 1], vec![[2, 2, 0]]));
    assert_eq!(cut.says(&["stop", &cut.run, "--settle", "did-not", "--op", "2"]).0, 0);
    assert_eq!((counts(&cut), open(&cut)), ([2, 1, 0, 1, 0, 1], vec![]));
    assert!(cut.says(&["audit", "touched", &cut.run]).1.contains("settled as happened×1"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_that_is_closed_without_a_word_keeps_what_is_unknown() {
    let cut = CutOff::two_posts().await;
    // Each attempt with an unknown outcome stays unknown, although a later attempt was answered.
    assert_eq!(cut.says(&["resume", &cut.run, "--settle", "did-not", "--op", "1,2"]).0, 0);
    assert_eq!(counts(&cut), [4, 2, 2, 2, 0, 0], "two attempts that did not happen, and two that were answered");

    let server = Server::answering(|number, _| if number == 0 { vec![Step::Hang] } else { vec![Step::Say(response(200, b"x"))] }).await;
    let url = server.url("/");
    let cut = CutOff::new("get", server, |_| {}, "durable = true", &[&url], 1).await;
    assert_eq!((counts(&cut), open(&cut)), ([1, 1, 0, 0, 1, 0], vec![[1, 1, 0]]));
    assert_eq!(cut.says(&["resume", &cut.run]).0, 0);
    assert_eq!(counts(&cut), [2, 2, 1, 0, 1, 0], "a request that may be repeated has one attempt with an unknown outcome");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn runs_are_compared_by_what_may_have_been_sent() {
    let cut = CutOff::two_posts().await;
    let other = CutOff::two_posts().await;
    let differences = document(&cut.program, &["audit", "diff", &cut.run, &cut.run, "--json"])["differences"].clone();
    assert_eq!(differences, json!([]), "the control");
    assert_eq!(other.says(&["stop", &other.run, "--settle", "did-not", "--all"]).0, 0);
    // Compare two homes by the output of each.
    let request = |cut: &CutOff| {
        let empty = cut.program.run(&["run", "guest", "--trust", "--durable", "--", "http://127.0.0.1:9"]);
        assert!(!empty.stdout.is_empty() || !empty.stderr.is_empty());
        let all = document(&cut.program, &["audit", "diff", &cut.run, "latest", "--json"])["differences"].clone();
        let all: Vec<Value> =
            all.as_array().unwrap().iter().filter(|one| one["what"] == "request" && !one["first"].is_null()).cloned().collect();
        all.iter().map(|one| one["first"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert!(request(&cut).iter().all(|words| words.contains("1 sent") && words.contains("1 unknown")), "{:?}", request(&cut));
    assert!(request(&other).iter().all(|words| words.contains("0 sent") && words.contains("1 failed, 0 unknown")), "{:?}", request(&other));
}
