//! Whole rotations with a made-up host and a made-up tracker.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test fails by panicking")]

mod places;
mod readme;

use crate::host::Credentials;
use crate::work::{Output, work};
use bailiwick_sdk::credentials::{Identified, Rotated, Tried};
use bailiwick_sdk::http::{Error, HeaderMap, Request, Response, StatusCode};
use bailiwick_sdk::{Failure, Refusal, RefusalCode, testing};
use serde_json::{Value, json};
use std::cell::RefCell;
use std::io::Write as _;
use std::rc::Rc;

const LEAKED: &str = "amqp-pass_7c1f09";

fn refusal(code: RefusalCode) -> Refusal {
    Refusal { code, hint: "no".to_owned() }
}

/// A host with the credentials `billing`, whose value is [`LEAKED`], and `billing-sandbox`. It notes what it is asked.
struct Made {
    asked: Vec<String>,
    /// The step and the credential that are refused, and how.
    refuses: Option<(&'static str, RefusalCode)>,
    /// Whether targets accept new values.
    accepts: bool,
    /// Whether targets refuse old values.
    forgets: bool,
}

impl Made {
    fn new() -> Self {
        Self { asked: Vec::new(), refuses: None, accepts: true, forgets: true }
    }

    fn refusing(step: &'static str, code: RefusalCode) -> Self {
        Self { refuses: Some((step, code)), ..Self::new() }
    }

    fn ask(&mut self, step: &str, name: &str) -> Result<(), Refusal> {
        let asked = format!("{step} {name}");
        let refused = self.refuses.filter(|(refused, _)| *refused == asked).map(|(_, code)| code);
        self.asked.push(asked);
        refused.map_or(Ok(()), |code| Err(refusal(code)))
    }
}

impl Credentials for Made {
    fn identify(&mut self, value: &str) -> Result<Option<Identified>, Refusal> {
        self.ask("identify", "*")?;
        Ok((value == LEAKED).then(|| Identified { name: "billing".to_owned(), version: 1 }))
    }

    fn create(&mut self, name: &str) -> Result<u64, Refusal> {
        self.ask("create", name).map(|()| 2)
    }

    fn set(&mut self, name: &str) -> Result<Tried, Refusal> {
        self.ask("set", name).map(|()| Tried { accepted: true, status: Some(204) })
    }

    fn test(&mut self, name: &str) -> Result<Tried, Refusal> {
        let status = if self.accepts { 200 } else { 401 };
        self.ask("test", name).map(|()| Tried { accepted: self.accepts, status: Some(status) })
    }

    fn finish(&mut self, name: &str) -> Result<Rotated, Refusal> {
        let status = if self.forgets { 401 } else { 200 };
        self.ask("finish", name).map(|()| Rotated { version: 2, old_refused: self.forgets, status: Some(status) })
    }
}

/// What the tracker was asked, with the body of each write.
type Asked = Rc<RefCell<Vec<(String, Value)>>>;

/// A tracker that behaves like Roundup. `open` is the id of a ticket that it has already.
fn tracker(open: Option<&'static str>) -> Asked {
    let asked = Asked::default();
    let (heard, mut made) = (Rc::clone(&asked), 0);
    testing::answer_http(move |request: &Request| {
        let (method, uri) = (request.method().as_str(), request.uri().to_string());
        let body: Value = serde_json::from_slice(request.body()).unwrap_or_default();
        heard.borrow_mut().push((format!("{method} {uri}"), body));
        let has = |headers: &HeaderMap, name: &str, value: &str| headers.get(name).is_some_and(|there| there == value);
        let may = has(request.headers(), "x-requested-with", "rest") && has(request.headers(), "origin", "http://tracker.test:80");
        if method != "GET" && !may {
            return Ok(Response::new(StatusCode::BAD_REQUEST, "{}"));
        }
        let answer = match method {
            "GET" if uri.contains("issue?") => {
                let closed = json!({ "id": "3", "status": { "name": "resolved" } });
                let open = open.map(|id| json!({ "id": id, "status": { "name": "unread" } }));
                let all: Vec<Value> = [Some(closed), open].into_iter().flatten().collect();
                json!({ "collection": all })
            }
            "GET" => json!({ "attributes": { "messages": [{ "id": "1" }] }, "@etag": "\"tag\"" }),
            "PATCH" if !has(request.headers(), "if-match", "\"tag\"") => return Ok(Response::new(StatusCode::PRECONDITION_FAILED, "{}")),
            "PATCH" => json!({}),
            _ => {
                made += 1;
                json!({ "id": made.to_string() })
            }
        };
        Ok(Response::new(StatusCode::OK, json!({ "data": answer }).to_string()))
    });
    asked
}

/// A file with the leak in its second line, and the input that names it.
fn input(line: &str) -> (tempfile::NamedTempFile, Value) {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    writeln!(file, "# settings\n{line}").unwrap();
    let location = json!({ "uri": file.path(), "line": 2, "column": 1 });
    let finding = json!({ "rule": "database-login", "severity": "high", "location": location, "excerpt": "amqp://… (55 characters)" });
    let tracker = json!({ "url": "http://tracker.test:80/demo/", "login": "bot" });
    (file, json!({ "finding": finding, "stand-ins": { "billing": "billing-sandbox" }, "tracker": tracker }))
}

fn worked(host: &mut Made, input: &Value) -> Result<Output, Failure> {
    work(&serde_json::from_value(input.clone()).unwrap(), host)
}

fn leak() -> (tempfile::NamedTempFile, Value) {
    input(&format!("BROKER=amqp://billing:{LEAKED}@broker.test/production"))
}

const SANDBOX: [&str; 4] = ["create billing-sandbox", "set billing-sandbox", "test billing-sandbox", "finish billing-sandbox"];
const PRODUCTION: [&str; 4] = ["create billing", "set billing", "test billing", "finish billing"];

#[test]
fn the_sandbox_comes_first_and_the_ticket_is_closed_when_both_old_values_are_dead() {
    let (asked, mut host, (_file, input)) = (tracker(None), Made::new(), leak());
    let output = worked(&mut host, &input).unwrap();
    assert_eq!((output.credential.as_deref(), output.done), (Some("billing"), true));
    assert_eq!(host.asked, [&["identify *"][..], &SANDBOX, &PRODUCTION].concat());
    assert_eq!(testing::take_findings(), []);
    let ticket = output.ticket.unwrap();
    assert_eq!((ticket.id.as_str(), ticket.closed), ("2", true), "the first id is that of the message");
    let asked = asked.borrow();
    let calls: Vec<&str> = asked.iter().map(|(call, _)| call.strip_prefix("http://").map_or(call.as_str(), |call| call)).collect();
    assert!(
        calls[0].starts_with("GET http://tracker.test:80/demo/rest/data/issue?title:=Rotate%20billing%3A%20leaked%20at%20%2F"),
        "{calls:?}"
    );
    assert_eq!(
        calls[1..4],
        [
            "POST http://tracker.test:80/demo/rest/data/msg",
            "POST http://tracker.test:80/demo/rest/data/issue",
            "GET http://tracker.test:80/demo/rest/data/issue/2?@fields=messages"
        ]
    );
    let closed = &asked.last().unwrap().1;
    assert_eq!(closed, &json!({ "messages": ["1", "3"], "status": "resolved" }));
    let told = asked[4].1["content"].as_str().unwrap();
    assert!(told.contains("production: billing was rotated, version 2; the old value was refused (401)"), "{told}");
}

#[test]
fn no_message_and_no_output_has_the_leaked_value() {
    let (asked, mut host, (_file, input)) = (tracker(None), Made::new(), leak());
    let output = serde_json::to_string(&worked(&mut host, &input).unwrap()).unwrap();
    let all = format!("{output}{:?}{:?}", asked.borrow(), testing::take_log());
    assert!(!all.contains(LEAKED) && all.contains("billing"), "{all}");
}

#[test]
fn production_is_left_alone_unless_the_sandbox_proved_it() {
    let refused = |step, code| Made::refusing(step, code);
    for (mut host, last) in [
        (refused("create billing-sandbox", RefusalCode::NotGranted), "create billing-sandbox"),
        (refused("set billing-sandbox", RefusalCode::NotGranted), "set billing-sandbox"),
        (refused("finish billing-sandbox", RefusalCode::Malformed), "finish billing-sandbox"),
        (Made { accepts: false, ..Made::new() }, "test billing-sandbox"),
        (Made { forgets: false, ..Made::new() }, "finish billing-sandbox"),
    ] {
        let (asked, (_file, input)) = (tracker(None), leak());
        let output = worked(&mut host, &input).unwrap();
        assert_eq!((output.done, output.rotations.len(), host.asked.last().map(String::as_str)), (false, 1, Some(last)));
        let asked = asked.borrow();
        assert!(asked.last().unwrap().1.get("status").is_none(), "the ticket stays open: {asked:?}");
        assert_eq!(testing::take_findings()[0].rule, "not-rotated");
    }
}

#[test]
fn what_people_refused_leaves_the_ticket_open_and_says_so() {
    let (_asked, mut host, (_file, input)) = (tracker(None), Made::refusing("set billing", RefusalCode::NotGranted), leak());
    let output = worked(&mut host, &input).unwrap();
    assert_eq!(output.rotations[1].stopped.as_deref(), Some("the host refused to set the new value (`not-granted`)"));
    assert_eq!((output.done, output.ticket.unwrap().closed), (false, false));
    assert_eq!(testing::take_findings()[0].rule, "not-rotated");
}

#[test]
fn an_answer_that_was_lost_is_settled_by_the_test_of_the_new_value() {
    let (_asked, mut host, (_file, input)) = (tracker(None), Made::refusing("set billing", RefusalCode::Malformed), leak());
    let output = worked(&mut host, &input).unwrap();
    assert!(output.done && output.rotations[1].set.is_none(), "{output:?}");
}

#[test]
fn a_ticket_that_is_open_already_is_used() {
    let (asked, mut host, (_file, input)) = (tracker(Some("9")), Made::new(), leak());
    assert_eq!(worked(&mut host, &input).unwrap().ticket.unwrap().id, "9");
    assert!(asked.borrow().iter().all(|(call, _)| !call.starts_with("POST") || call.ends_with("/msg")), "{asked:?}");
}

#[test]
fn what_leaked_in_the_sandbox_is_rotated_there_only() {
    let (_asked, mut host, (_file, mut input)) = (tracker(None), Made::new(), leak());
    input["stand-ins"] = json!({ "other": "billing" });
    let output = worked(&mut host, &input).unwrap();
    assert_eq!(host.asked[1..], PRODUCTION, "the names are those of the only rotation");
    assert_eq!((output.done, output.rotations[0].stage), (true, crate::Stage::Sandbox));
}

#[test]
fn a_value_that_nobody_knows_opens_no_ticket() {
    let (asked, mut host, (_file, input)) = (tracker(None), Made::new(), input("TOKEN=another-value-4411"));
    assert_eq!(worked(&mut host, &input).unwrap(), Output::default());
    assert_eq!((asked.borrow().len(), testing::take_findings()[0].rule.as_str()), (0, "unknown-value"));
}

#[test]
fn bad_input_and_a_credential_without_a_stand_in_are_failures_before_anything_is_sent() {
    let (_file, good) = leak();
    let with = |pointer: &str, value: Value| {
        let mut input = good.clone();
        *input.pointer_mut(pointer).unwrap_or_else(|| panic!("{pointer}")) = value;
        input
    };
    for (input, code) in [
        (with("/stand-ins", json!({})), "no-stand-in"),
        (with("/stand-ins", json!({ "billing": "billing" })), Failure::BAD_INPUT),
        (with("/finding/location/line", json!(0)), Failure::BAD_INPUT),
        (with("/finding/location/line", json!(70)), "unreadable"),
        (with("/finding/location/uri", json!("/src/../etc/passwd")), Failure::BAD_INPUT),
        (with("/finding/rule", json!("a\nb")), Failure::BAD_INPUT),
        (with("/tracker/login", json!("")), Failure::BAD_INPUT),
        (with("/tracker/url", json!("ftp://tracker.test/")), Failure::BAD_INPUT),
        (with("/tracker/url", json!("https://user:word@tracker.test/")), Failure::BAD_INPUT),
        (with("/tracker/url", json!("https:///demo")), Failure::BAD_INPUT),
    ] {
        let asked = tracker(None);
        let failure = worked(&mut Made::new(), &input).unwrap_err();
        assert_eq!((failure.code.as_str(), asked.borrow().len()), (code, 0), "{failure}");
    }
}

#[test]
fn a_tracker_that_refuses_ends_the_run_before_any_value_is_changed() {
    let mut host = Made::new();
    let (_file, input) = leak();
    testing::answer_http(|_| Ok(Response::new(StatusCode::UNAUTHORIZED, "{}")));
    let failure = worked(&mut host, &input).unwrap_err();
    assert!(failure.code == "http-status" && failure.message.contains("look for a ticket"), "{failure}");
    testing::answer_http(|_| Err(Error::Refused));
    assert_eq!(worked(&mut host, &input).unwrap_err().code, "http-refused");
    assert!(host.asked.iter().all(|asked| asked == "identify *"), "{:?}", host.asked);
}
