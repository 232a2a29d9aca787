//! The holes that were seen in other hosts and brokers: each has a test here or elsewhere that is named after it, and what crosses rooms
//! is tested here. `a3_N` are those of credential brokers and their filters, `lN` those of hosts of agents; `b3` is the corpus in `ssrf.rs`.

mod brokers;
mod hosts;

use std::collections::BTreeSet;
use std::path::Path;

use run::RunOrder;
use serde_json::{Value, json};
use tests::host::{TestHost, loopback};
use tests::seen::{answered, refused};
use tests::server::{Server, Step, response};
use tests::tools;
use vault::{Local, Secret};
use vocabulary::record::Record;
use vocabulary::{Binding, Placement, Reason, Scheme, Source};

/// Each with what was seen.
const HOLES: &[(&str, &str)] = &[
    ("a3_1", "patterns without anchors, ports split at the first colon, a region for a service, private addresses dialled"),
    ("a3_2", "what no rule covers is forwarded, records are dropped and say little, bodies of several parts are not looked at"),
    ("a3_3", "only the beginning of a body is looked at"),
    ("a3_4", "the record lies where the agent can reach it"),
    ("a3_5", "few encodings are taken out, a failing record changes nothing, proxies and odd ranges are used"),
    ("a3_6", "own credentials in headers, long time-outs, answers without end, the resolver of the system"),
    ("b3", "requests forged from the inside"),
    ("l1", "a name is looked up before it is judged"),
    ("l2", "a redirect leads elsewhere"),
    ("l3", "a name, or another spelling, leads elsewhere"),
    ("l4", "users, hosts, credentials, line ends and lengths of the guest's own"),
    ("l5", "a form of a pattern that nothing matches"),
    ("l6", "an answer brings the value back"),
    ("l7", "harmless text is taken for a secret"),
    ("l8", "a placeholder leaves as it is"),
    ("l9", "a parameter changes what stands around it"),
    ("l10", "an effect without a record"),
    ("l11", "a record that was cut, bent or made anew"),
    ("l12", "two that contend for the head of the log, and floods of what is refused"),
    ("l15", "what never ends, grows or is too much"),
    ("l18", "a key of a configuration that has no effect"),
];

/// Names of tests in the sources, and the file of each.
pub(crate) fn tests_of_the_sources() -> BTreeSet<(String, String)> {
    let mut found = BTreeSet::new();
    let mut folders = ["host", "tests/it"].map(|folder| tools::root().join(folder)).to_vec();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap()) {
            let path = entry.path();
            if entry.file_type().unwrap().is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                found.extend(tests_of(&path));
            }
        }
    }
    found
}

/// A function that the line of its attribute says is a test; and those that a macro of `ssrf.rs` makes, a line each.
fn tests_of(file: &Path) -> Vec<(String, String)> {
    let text = std::fs::read_to_string(file).unwrap();
    let mut lines = text.lines().map(str::trim).peekable();
    let mut found = Vec::new();
    while let Some(line) = lines.next() {
        let mut next = || lines.peek().copied().unwrap_or_default();
        let name = if line.starts_with("#[test]") || line.starts_with("#[tokio::test") {
            next().trim_start_matches("async ").strip_prefix("fn ").and_then(|rest| rest.split('(').next())
        } else {
            line.strip_suffix("\",").and_then(|line| line.split_once(" \"")).map(|(name, _)| name).filter(|name| name.starts_with("b3_"))
        };
        found.extend(name.map(|name| (name.to_owned(), file.display().to_string())));
    }
    found
}

#[test]
fn every_hole_has_a_test_named_after_it() {
    let tests = tests_of_the_sources();
    let is_shown = |id: &str| tests.iter().any(|(name, _)| name.strip_prefix(id).is_some_and(|rest| rest.starts_with('_')));
    let open: Vec<_> = HOLES.iter().filter(|(id, _)| !is_shown(id)).collect();
    assert!(open.is_empty(), "no test is named after {open:?}");
    assert!(!is_shown("l") && !is_shown("z9"), "an id is whole");
    let ids: BTreeSet<_> = HOLES.iter().map(|(id, _)| id).collect();
    assert_eq!(ids.len(), HOLES.len());
}

const VALUE: &str = "canary-5c1de0b7a94f";

/// A guest that asks for each of these.
fn asking(host: &TestHost, asks: &[Value]) -> RunOrder {
    let mut order = host.order("asks_listed", &[]);
    order.input = asks.iter().map(Value::to_string).collect::<Vec<_>>().join("\n");
    order
}

fn request(server: &Server, path: &str) -> Value {
    json!({ "scheme": "http", "authority": format!("127.0.0.1:{}", server.port()), "path": path })
}

/// Grants all of a server, with a credential that is sent with requests to `path`.
fn with_credential(host: &TestHost, order: &mut RunOrder, server: &Server, path: &str, placement: Placement) {
    Local::new(&host.place().home)
        .set_for("inventory", Secret::new(VALUE.as_bytes().to_vec()).unwrap(), &tests::asks::loopback(), 1)
        .unwrap();
    let hosts = vec!["127.0.0.1".parse().unwrap()];
    order.grants.credentials.push(Binding { scheme: Scheme::Http, ..Binding::new("inventory", hosts, placement, Source::Local) });
    loopback(order, server.port(), &["GET", "POST"], &[path]);
    order.grants.http[0].credential = Some("inventory".to_owned());
    loopback(order, server.port(), &["GET", "POST"], &["/**"]);
}

async fn well() -> Server {
    Server::doing(vec![Step::Say(response(200, b"ok"))]).await
}

/// Why asks were refused, at once or on their way.
fn reasons(records: &[Record]) -> Vec<&'static str> {
    let late = answered(records).filter_map(|answered| answered.reason.as_ref().map(Reason::code));
    refused(records).map(|refused| refused.reason.code()).chain(late).collect()
}
