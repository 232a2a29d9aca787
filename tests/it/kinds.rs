//! The three kinds of guest, really built: Rust with the SDK, a plain `fn main`, Python.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};
use tests::guests::{javascript_guest, python_guest};
use tests::host::{TestHost, loopback, mount};
use tests::seen::{answered, asked, codes, log_lines, most_under_way};
use tests::server::{CHUNKED, Server, Step, chunk, only, response};
use tokio::sync::Semaphore;
use vocabulary::record::AnswerClass;
use vocabulary::{Digest, Outcome, Severity};

use crate::ending::{done, ended, lines};

fn tree() -> tempfile::TempDir {
    let tree = tempfile::tempdir().expect("a folder");
    std::fs::create_dir(tree.path().join("b")).expect("a folder");
    std::fs::write(tree.path().join("a.txt"), "alpha\n").expect("a file");
    std::fs::write(tree.path().join("b/c.txt"), "gamma gamma\n").expect("a file");
    tree
}

fn sha256(bytes: &[u8]) -> String {
    Digest::of(bytes).hex()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plain_main_reads_its_input_and_its_files() {
    let host = TestHost::new();
    let mut order = host.order("reads_stdin", &[]);
    order.input = "some words".to_owned();
    let seen = lines(&done(&host, order).await);
    assert_eq!(seen, [json!({ "bytes": 10, "sha256": sha256(b"some words"), "begin": "some words" })]);

    let tree = tree();
    let mut order = host.order("reads_files", &["/src"]);
    mount(&mut order, "/src", tree.path());
    let seen = lines(&done(&host, order).await);
    assert!(seen.iter().any(|line| line["sha256"] == json!(sha256(b"gamma gamma\n"))), "{seen:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_agent_of_the_sdk_answers_in_json_and_its_claims_are_kept_apart() {
    let host = TestHost::new();
    let mut order = host.order("asks_through_sdk", &[]);
    order.input = json!({ "urls": ["http://a.test/x"] }).to_string();
    let report = done(&host, order).await;
    let output = report.claims.output.as_ref().unwrap();
    assert_eq!((&output["answers"][0]["url"], &output["answers"][0]["status"]), (&json!("http://a.test/x"), &json!(0)));
    let finding = &report.claims.findings[0];
    assert_eq!((finding.rule.as_str(), finding.severity, finding.title.as_str()), ("asked", Severity::Info, "http://a.test/x answered 0"));
    let said = crate::claims::said(&host, report.run);
    assert!(said.iter().any(|line| line.as_str().contains("1 to ask")), "{said:?}");
    assert!(!report.evidence.http_granted);
}

/// The steps of a body in pieces; after the first piece, the server waits for another request.
fn pieces(turn: &Arc<Semaphore>) -> Vec<Step> {
    let mut steps = vec![Step::Say(CHUNKED.to_vec())];
    for letter in *b"abcd" {
        steps.push(Step::Say(chunk(&[letter; 1000])));
        if letter == b'a' {
            steps.push(Step::Until(Arc::clone(turn)));
        }
    }
    steps.push(Step::Say(chunk(b"")));
    steps
}

/// The server for the agent `asks_in_every_way`. It answers requests for `/open/many` only once four of them have arrived.
async fn answers_every_way() -> Server {
    let (turn, four) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
    let many = AtomicUsize::new(0);
    Server::answering(move |_, heard| match heard.path.as_str() {
        "/open/got?page=2&word=a%20b" => vec![Step::Say(b"HTTP/1.1 200 OK\r\nx-said: one\r\ncontent-length: 5\r\n\r\nhello".to_vec())],
        "/open/posted" => vec![Step::Say(response(201, b"{\"id\":7}"))],
        "/open/large" => vec![Step::Say(response(200, heard.body.len().to_string().as_bytes()))],
        "/open/stream" => pieces(&turn),
        "/open/between" => {
            turn.add_permits(1);
            vec![Step::Say(response(200, b"ok"))]
        }
        "/open/late" => vec![Step::Hang],
        path if path.starts_with("/open/many/") => {
            if many.fetch_add(1, Ordering::Relaxed) == 3 {
                four.add_permits(10);
            }
            vec![Step::Until(Arc::clone(&four)), Step::Say(response(200, path.as_bytes()))]
        }
        _ => vec![Step::Say(response(404, b"no such thing"))],
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_way_of_the_sdk_to_ask_is_answered_and_on_the_record() {
    let (host, server) = (TestHost::new(), answers_every_way().await);
    let mut order = host.order("asks_in_every_way", &[]);
    order.input = json!({ "base": server.url("/open"), "refused": server.url("/secret") }).to_string();
    order.limits.concurrent = 4;
    loopback(&mut order.grants, server.port(), &["GET", "POST"], &["/open/**"]);
    let report = done(&host, order).await;

    // The agent's view.
    let mut seen = report.claims.output.clone().unwrap();
    let late = seen["late"].take();
    assert!(late.as_str().is_some_and(|late| late.starts_with("http-timeout: ")), "{late}");
    let (pieces, largest) = (seen["streamed"]["pieces"].take(), seen["streamed"]["largest"].take());
    assert!(pieces.as_u64() >= Some(6) && largest.as_u64() <= Some(700), "{pieces} pieces of up to {largest}");
    let many: Vec<String> = (0..10).map(|n| format!("/open/many/{n}")).collect();
    let text: String = ["a", "b", "c", "d"].map(|letter| letter.repeat(1000)).concat();
    let expected = json!({
        "got": { "status": 200, "said": "one", "text": "hello" },
        "posted": { "id": 7 },
        "taken": "300000",
        "streamed": { "pieces": null, "largest": null, "text": text },
        "many": many,
        "late": null,
        "missing": "http-status: the answer's status is 404",
        "refused": "http-refused: the host refused the request",
    });
    assert_eq!(seen, expected);

    // The server's view.
    let heard = server.heard();
    let got = only(&heard, "/open/got?page=2&word=a%20b");
    assert!(got.method == "GET" && got.body.is_empty() && got.has_header("x-asked: by an agent"), "{got:?}");
    let posted = only(&heard, "/open/posted");
    assert!(posted.method == "POST" && posted.has_header("content-type: application/json"), "{posted:?}");
    assert_eq!(serde_json::from_slice::<Value>(&posted.body).unwrap(), json!({ "name": "a thing", "count": 3 }));
    let large: Vec<u8> = (0..300_000_u32).map(|n| (n % 251) as u8).collect();
    assert!(only(&heard, "/open/large").body == large, "it came as it was written");
    for path in many.iter().map(String::as_str).chain(["/open/stream", "/open/between", "/open/missing"]) {
        assert_eq!(only(&heard, path).method, "GET");
    }
    // The late request may be given up before it is sent; the refused one never arrives.
    let in_time = heard.iter().filter(|heard| heard.path != "/open/late").count();
    assert_eq!(in_time, 16, "{heard:?}");

    // The record: each of these requests, and the reasons why the others were not sent.
    let records = host.records(report.run);
    assert_eq!(asked(&records).count(), in_time + 1);
    let told = log_lines(&records);
    for line in ["GET /open/got?page&word 200 5", "POST /open/posted 201 8", "POST /open/large 200 6", "GET /open/stream 200 4000"] {
        assert!(told.iter().any(|told| told == line), "`{line}` is not among {told:?}");
    }
    let unanswered: Vec<_> = answered(&records).filter(|answered| answered.class() != AnswerClass::Response).collect();
    assert_eq!(unanswered.len(), 1, "only the late request: {unanswered:?}");
    // `all` would have ten requests in flight. Those that found no room are refused on the record, and were sent again.
    assert_eq!(most_under_way(&records), 4);
    let (for_room, others): (Vec<_>, Vec<_>) = codes(&records).into_iter().partition(|code| *code == "over-limit");
    assert!(for_room.len() < 10, "{for_room:?}");
    assert_eq!(others, ["path-not-granted"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn input_that_an_agent_can_not_read_is_its_failure() {
    let host = TestHost::new();
    let mut order = host.order("asks_through_sdk", &[]);
    order.input = json!({ "urls": 7 }).to_string();
    let report = ended(&host, order).await;
    assert!(matches!(&report.outcome, Outcome::Failed { code, .. } if code.as_str() == "bad-input"), "{:?}", report.outcome);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn input_that_is_not_json_or_not_of_the_schema_starts_nothing() {
    let host = TestHost::new();
    let mut order = host.order("asks_through_sdk", &[]);
    order.input = "{\"urls\": [".to_owned();
    let err = crate::ending::not_started(&host, order).await;
    assert_eq!(err.exit(), 2);
    assert!(err.chain().starts_with("the input is not JSON"), "{}", err.chain());

    let mut order = host.order("asks_through_sdk", &[]);
    order.input_schema = Some(json!({ "type": "object", "properties": { "urls": { "type": "array" } } }));
    order.input = json!({ "urls": 7 }).to_string();
    let err = crate::ending::not_started(&host, order).await;
    assert_eq!(err.exit(), 2);
    assert!(err.chain().contains("`/urls`"), "{}", err.chain());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn output_that_breaks_its_own_schema_is_a_claim_like_any_other() {
    let host = TestHost::new();
    let report = done(&host, host.order("bad_output", &[])).await;
    assert_eq!(report.claims.output, Some(json!({ "count": "3 or so" })));
}

fn python(host: &TestHost, name: &str, input: &Value) -> Option<run::RunOrder> {
    let component = std::fs::read(python_guest(name)?).expect("it was built");
    let mut order = host.order_of(name, &component, &[]);
    order.input = input.to_string();
    Some(order)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_python_agent_works_fails_and_raises() {
    let host = TestHost::new();
    let Some(order) = python(&host, "plain", &json!({ "a": 1 })) else { return };
    let report = done(&host, order).await;
    assert_eq!(report.claims.output.as_ref().unwrap()["input"], json!({ "a": 1 }));
    assert_eq!(report.claims.findings.len(), 1);
    let said = crate::claims::said(&host, report.run);
    assert_eq!(said.iter().map(vocabulary::SafeText::as_str).collect::<Vec<_>>(), ["on standard output", "on standard error"]);

    let report = ended(&host, python(&host, "plain", &json!({ "fail": "my words" })).unwrap()).await;
    match &report.outcome {
        Outcome::Failed { code, message } => assert_eq!((code.as_str(), message.as_str()), ("of-its-own", "my words")),
        other => panic!("{other:?}"),
    }

    let report = ended(&host, python(&host, "plain", &json!({ "raise": "some text" })).unwrap()).await;
    assert!(matches!(report.outcome, Outcome::Trapped { .. }), "{:?}", report.outcome);
    let said = crate::claims::said(&host, report.run);
    let said = said.iter().map(vocabulary::SafeText::as_str).collect::<Vec<_>>().join("\n");
    assert!(said.contains("plain.py") && said.contains("some text"), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_python_agent_walks_its_mount() {
    let host = TestHost::new();
    let tree = tree();
    let Some(mut order) = python(&host, "reads_tree", &json!({ "folder": "/src" })) else { return };
    mount(&mut order, "/src", tree.path());
    let report = done(&host, order).await;
    assert_eq!(
        report.claims.output,
        Some(json!({ "files": [
            { "path": "/src/a.txt", "bytes": 6, "sha256": sha256(b"alpha\n") },
            { "path": "/src/b/c.txt", "bytes": 12, "sha256": sha256(b"gamma gamma\n") },
        ] }))
    );
    let touched: Vec<_> = report.evidence.touched.files.iter().map(|file| file.path.as_str()).collect();
    assert!(touched.contains(&"/src/b/c.txt"), "{touched:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_python_agent_asks_three_times_at_once() {
    let host = TestHost::new();
    let port = crate::limits::server(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\nconnection: close\r\n\r\nhello".to_vec());
    let Some(mut order) = python(&host, "three_in_flight", &json!({ "base": format!("http://127.0.0.1:{port}") })) else { return };
    loopback(&mut order.grants, port, &["GET"], &["/**"]);
    let report = done(&host, order).await;
    let seen = report.claims.output.as_ref().unwrap()["seen"].as_array().unwrap();
    assert_eq!(seen.iter().filter(|seen| seen.as_str().unwrap().contains("e5x")).count(), 4, "{seen:?}");
    assert_eq!(report.evidence.touched.http.iter().map(|http| http.asked).sum::<u64>(), 4);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_javascript_agent_fetches_what_is_granted_and_is_refused_the_rest() {
    let host = TestHost::new();
    let Some(component) = javascript_guest("fetches") else { return };
    let component = std::fs::read(component).unwrap();
    let port = crate::limits::server(b"HTTP/1.1 200 OK\r\nx-said: one\r\ncontent-length: 5\r\nconnection: close\r\n\r\nhello".to_vec());
    let mut order = host.order_of("fetches", &component, &[]);
    loopback(&mut order.grants, port, &["GET"], &["/open/**"]);
    let url = |path: &str| format!("http://127.0.0.1:{port}{path}");
    order.input = json!({ "urls": [url("/open/1"), url("/shut"), url("/open/2")] }).to_string();
    let report = done(&host, order.clone()).await;
    let answer = json!({ "status": 200, "said": "one", "text": "hello" });
    assert_eq!(report.claims.output, Some(json!([answer, { "error": "TypeError" }, answer])));
    assert_eq!(report.claims.findings.len(), 2);
    let touched = &report.evidence.touched;
    assert_eq!((touched.http.len(), touched.refused.len()), (2, 1), "{touched:?}");
    assert!(touched.refused[0].resource.http().unwrap().path.as_str().ends_with("/shut"));

    order.input = json!({ "urls": [] }).to_string();
    let report = ended(&host, order).await;
    assert!(matches!(&report.outcome, Outcome::Failed { code, .. } if code.as_str() == "nothing-to-do"), "{:?}", report.outcome);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_that_is_read_in_small_pieces_is_the_whole_body() {
    let host = TestHost::new();
    let port = crate::limits::server(format!("HTTP/1.1 200 OK\r\ncontent-length: 3000\r\n\r\n{}", "b".repeat(3000)).into_bytes());
    let mut order = host.order("streams_slowly", &[&format!("http://127.0.0.1:{port}/"), "700"]);
    loopback(&mut order.grants, port, &["GET"], &["/**"]);
    let seen = lines(&done(&host, order).await);
    assert!(seen.iter().all(|line| line["chunk"].as_u64().unwrap_or(0) <= 700), "{seen:?}");
    assert_eq!(seen.last(), Some(&json!({ "end": 3000 })));
}
