//! Servers send back a credential's value in unusual places and forms. Through the whole host, no part of it reaches the guest or the
//! record.

use run::{RunOrder, RunReport};
use tests::host::{TestHost, loopback, printed};
use tests::seen::lines;
use tests::server::{CHUNKED, Server, Step, chunk};
use vault::{Local, Secret};
use vocabulary::record::Record;
use vocabulary::{Binding, Placement, Scheme, Source};

use crate::ending::done;

const CANARY: &str = "Canary.8f3aQ_z~k7-Xy";

/// A run with a credential whose server gives this answer.
async fn run(answer: &[u8]) -> (TestHost, RunReport) {
    let host = TestHost::new();
    Local::new(&host.place().home)
        .set_for("inventory", Secret::new(CANARY.as_bytes().to_vec()).unwrap(), &tests::asks::loopback(), 1)
        .unwrap();
    let server = Server::doing(vec![Step::Say(answer.to_vec())]).await;
    let mut order: RunOrder = host.order("get", &[&server.url("/a")]);
    loopback(&mut order.grants, server.port(), &["GET"], &["/**"]);
    order.grants.http[0].credential = Some("inventory".to_owned());
    let hosts = vec!["127.0.0.1".parse().unwrap()];
    order.grants.credentials.push(Binding { scheme: Scheme::Http, ..Binding::new("inventory", hosts, Placement::Bearer, Source::Local) });
    let report = done(&host, order).await;
    (host, report)
}

/// Checks that the guest got none of these parts, and returns how many values were removed.
fn redactions(host: &TestHost, report: &RunReport, parts: &[&str]) -> u64 {
    let reader = journal::Reader::open(&host.place().home).unwrap();
    for leaf in gate::leaves(&reader, report.run) {
        let payloads = leaf.unwrap().payloads;
        for part in parts {
            let is_there = |payload: &[u8]| payload.to_ascii_lowercase().windows(part.len()).any(|window| window == part.as_bytes());
            assert!(!payloads.iter().any(|payload| is_there(payload)), "{part}");
        }
    }
    host.records(report.run).iter().map(|record| if let Record::Received(received) = record { received.redactions } else { 0 }).sum()
}

fn plain(head: &str, body: &[u8]) -> Vec<u8> {
    [format!("HTTP/1.1 200 OK\r\n{head}content-length: {}\r\n\r\n", body.len()).as_bytes(), body].concat()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_value_in_names_of_fields_or_in_pieces_over_an_answer_reaches_nobody() {
    let lower = CANARY.to_ascii_lowercase();
    let (one, two) = CANARY.split_at(9);
    let (one_lower, two_lower) = lower.split_at(9);
    let trailers = |body: &str, trailers: &str| [CHUNKED, &chunk(body.as_bytes()), format!("0\r\n{trailers}\r\n").as_bytes()].concat();
    let answers: [(Vec<u8>, &[&str]); 6] = [
        (plain(&format!("{CANARY}: 1\r\n"), b"ok"), &[&lower]),
        (plain(&format!("x-a: {one}\r\ndate: today\r\nx-b: {two}\r\n"), b"ok"), &[one_lower, two_lower]),
        (plain(&format!("x-a: {one}\r\n"), two.as_bytes()), &[one_lower, two_lower]),
        (trailers(one, &format!("x-a: {two}\r\n")), &[one_lower, two_lower]),
        (trailers("ok", &format!("x-a: {one}\r\nx-b: {two}\r\n")), &[one_lower, two_lower]),
        (trailers("ok", &format!("{CANARY}: 1\r\n")), &[&lower]),
    ];
    for (answer, parts) in answers {
        let (host, report) = run(&answer).await;
        assert_eq!(lines(&report)[0]["answer"]["status"], 200, "{}", printed(&report));
        assert!(redactions(&host, &report, parts) > 0, "{}", String::from_utf8_lossy(&answer));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_that_is_packed_without_saying_so_ends_where_a_value_is_in_it_and_passes_where_none_is() {
    for (body, holds) in [(HOLDS, true), (HOLDS_NONE, false)] {
        let body: Vec<u8> = (0..body.len()).step_by(2).map(|at| u8::from_str_radix(&body[at..at + 2], 16).unwrap()).collect();
        for head in ["", "content-type: text/plain\r\n", "content-encoding: identity\r\n"] {
            let (host, report) = run(&plain(head, &body)).await;
            // An answer this short is searched before its head is shown.
            assert_eq!(lines(&report)[0]["answer"]["err"] == "ErrorCode::HttpProtocolError", holds, "{}", printed(&report));
            assert_eq!(redactions(&host, &report, &[]) > 0, holds, "{}", printed(&report));
        }
    }
}

/// A request for a part of an answer, in another character set, compressed: returns the headers that the server received, in lower case.
async fn heard_of(with_credential: bool) -> Vec<String> {
    let (host, server) = (TestHost::new(), Server::doing(vec![Step::Say(plain("", b"ok"))]).await);
    let headers =
        [("range", "bytes=2-5"), ("if-range", "\"v1\""), ("accept-charset", "utf-16"), ("accept-encoding", "gzip"), ("prefer", "a=1")];
    let asked = serde_json::json!({ "url": server.url("/a"), "headers": headers });
    let mut order: RunOrder = host.order("sends_each", &[&asked.to_string()]);
    loopback(&mut order.grants, server.port(), &["GET"], &["/**"]);
    if with_credential {
        let value = Secret::new(CANARY.as_bytes().to_vec()).unwrap();
        Local::new(&host.place().home).set_for("inventory", value, &tests::asks::loopback(), 1).unwrap();
        order.grants.http[0].credential = Some("inventory".to_owned());
        let hosts = vec!["127.0.0.1".parse().unwrap()];
        let binding = Binding::new("inventory", hosts, Placement::Bearer, Source::Local);
        order.grants.credentials.push(Binding { scheme: Scheme::Http, ..binding });
    }
    let report = done(&host, order).await;
    assert_eq!(lines(&report)[0]["answer"]["status"], 200, "{}", printed(&report));
    let heard = server.heard();
    let names = ["range", "if-range", "accept-charset", "accept-encoding", "prefer", "authorization"];
    let head = heard[0].head.lines().map(str::to_ascii_lowercase);
    let mut told: Vec<String> = head.filter(|line| names.iter().any(|name| line.starts_with(&format!("{name}:")))).collect();
    told.sort();
    told
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_guest_can_not_ask_for_a_slice_or_another_character_set_under_a_credential() {
    let authorization = format!("authorization: bearer {}", CANARY.to_ascii_lowercase());
    assert_eq!(heard_of(true).await, ["accept-encoding: identity", &authorization, "prefer: a=1"]);
    let all = ["accept-charset: utf-16", "accept-encoding: gzip", "if-range: \"v1\"", "prefer: a=1", "range: bytes=2-5"];
    assert_eq!(heard_of(false).await, all, "without one, they arrive");
}

/// An object with the value in it twice, compressed by Python's gzip.
const HOLDS: &str = "1f8b0800000000000203ab56ca4bcc4d55b252cacc2b4bcd2bc92faa54d2512ac9cf4ecd038a3927e6251655ea59a4192706c657d5659beb4680a413d31333714ad70200f31f869a52000000";
/// The same with a different value.
const HOLDS_NONE: &str =
    "1f8b0800000000000203ab56ca4bcc4d55b252cacc2b4bcd2bc92faa54d2512ac9cf4ecd038ae5a72924e6e59764a416010513d31333d1046b01fd2b29d13e000000";
