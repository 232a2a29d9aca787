//! Agents made with the SDK for Python, built by componentize-py: each part of the SDK once, and the table of packages.

use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use run::RunOrder;
use serde_json::{Value, json};
use tests::guests::componentize_py;
use tests::host::{TestHost, bailiwick, loopback};
use tests::python_agents::python_agent;
use tests::seen::{answered, asked, codes, log_lines};
use tests::server::{CHUNKED, Server, Step, chunk, only, response};
use tests::tools::{may_install, missing, root};
use tokio::sync::Semaphore;
use vocabulary::record::AnswerClass;
use vocabulary::{Outcome, SafeText, Severity};

use crate::claims::said;
use crate::ending::{done, ended};

fn order(host: &TestHost, input: &Value) -> Option<RunOrder> {
    let mut order = host.order_of("sdk_in_every_way", &std::fs::read(python_agent("sdk_in_every_way")?).unwrap(), &[]);
    order.input = input.to_string();
    Some(order)
}

fn failed(outcome: &Outcome) -> (&str, &str) {
    match outcome {
        Outcome::Failed { code, message } => (code.as_str(), message.as_str()),
        other => panic!("{other:?}"),
    }
}

/// The server for the agent. It answers requests for `/open/many` only once three of them have arrived.
async fn answers_every_way() -> Server {
    let (three, many) = (Arc::new(Semaphore::new(0)), AtomicUsize::new(0));
    let stream: Vec<Vec<u8>> =
        [vec![CHUNKED.to_vec()], b"abcd".iter().map(|letter| chunk(&[*letter; 1000])).collect(), vec![chunk(b"")]].concat();
    Server::answering(move |_, heard| match heard.path.as_str() {
        "/open/got?word=a+b&page=2" => vec![Step::Say(b"HTTP/1.1 200 OK\r\nx-said: one\r\ncontent-length: 5\r\n\r\nhello".to_vec())],
        "/open/posted" => vec![Step::Say(response(201, b"{\"id\":7}"))],
        "/open/large" => vec![Step::Say(response(200, heard.body.len().to_string().as_bytes()))],
        "/open/stream" => stream.iter().map(|piece| Step::Say(piece.clone())).collect(),
        "/open/late" => vec![Step::Hang],
        path if path.starts_with("/open/many/") => {
            if many.fetch_add(1, Ordering::Relaxed) == 2 {
                three.add_permits(10);
            }
            vec![Step::Until(Arc::clone(&three)), Step::Say(response(200, path.as_bytes()))]
        }
        _ => vec![Step::Say(response(404, b"no such thing"))],
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_way_of_the_python_sdk_to_ask_is_answered_and_on_the_record() {
    let (host, server) = (TestHost::new(), answers_every_way().await);
    let headers = json!([{ "name": "x-asked", "value": "by an agent" }]);
    let input = json!({ "way": "ask", "base": server.url("/open"), "refused": server.url("/secret"), "headers": headers });
    let Some(mut order) = order(&host, &input) else { return };
    order.limits.concurrent = 4;
    loopback(&mut order.grants, server.port(), &["GET", "POST", "PUT"], &["/open/**"]);
    let report = done(&host, order).await;

    // The agent's view.
    let mut seen = report.claims.output.clone().unwrap();
    let late = seen["seen"]["late"].take();
    assert!(late.as_str().is_some_and(|late| late.to_ascii_lowercase().ends_with("timeout")), "{late}");
    let no_credentials = "`auth`: credentials belong to the host: it adds what the operator configured for this destination, \
                          and an agent holds none";
    let expected = json!({
        "seen": {
            "got": "200 True one hello",
            "posted": "201 7",
            "large": "300000",
            "missing": "the answer's status is 404 404",
            "streamed": "True 4000",
            "begun": "10",
            "late": null,
            "refused": "http-refused None True",
            "auth": no_credentials,
            "many": "0 1 2 3 4 5 6 7 8 9",
            "some": "Refused Timeout",
        },
        "total": 0,
    });
    assert_eq!(seen, expected);

    // The server's view.
    let heard = server.heard();
    let got = only(&heard, "/open/got?word=a+b&page=2");
    assert!(got.method == "GET" && got.body.is_empty() && got.has_header("x-asked: by an agent"), "{got:?}");
    let posted = only(&heard, "/open/posted");
    assert!(posted.method == "POST" && posted.has_header("content-type: application/json"), "{posted:?}");
    assert_eq!(serde_json::from_slice::<Value>(&posted.body).unwrap(), json!({ "name": "a thing", "count": 3 }));
    let large: Vec<u8> = (0..300_000_u32).map(|n| (n % 251) as u8).collect();
    assert!(only(&heard, "/open/large").body == large, "it came as it was written");
    for n in 0..10 {
        assert!(only(&heard, &format!("/open/many/{n}")).has_header("x-asked: by a session"));
    }
    assert!(heard.iter().all(|heard| heard.path != "/secret"), "refused requests never arrived: {heard:?}");

    // The record.
    let records = host.records(report.run);
    let told = log_lines(&records);
    for line in ["GET /open/got?word&page 200 5", "POST /open/posted 201 8", "PUT /open/large 200 6", "GET /open/stream 200 4000"] {
        assert!(told.iter().any(|told| told == line), "`{line}` is not among {told:?}");
    }
    assert_eq!(asked(&records).count(), 18);
    let unanswered: Vec<_> = answered(&records).filter(|answered| answered.class() != AnswerClass::Response).collect();
    assert!(unanswered.len() <= 2, "only the late requests: {unanswered:?}");
    // `gather` would have eight requests in flight. Those that found no room are refused on the record, and were sent again.
    let (for_room, others): (Vec<_>, Vec<_>) = codes(&records).into_iter().partition(|code| *code == "over-limit");
    assert!(!for_room.is_empty() && for_room.len() < 10, "{for_room:?}");
    assert_eq!(others, ["path-not-granted", "path-not-granted"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn claims_and_log_lines_of_a_python_agent_arrive() {
    let host = TestHost::new();
    let Some(order) = order(&host, &json!({ "way": "claim" })) else { return };
    let report = done(&host, order).await;
    let finding = &report.claims.findings[0];
    assert_eq!(report.claims.findings.len(), 1, "the refused finding is not counted");
    assert_eq!((finding.rule.as_str(), finding.severity, finding.title.as_str()), ("a-rule", Severity::High, "a finding"));
    let output = report.claims.output.as_ref().unwrap();
    assert_eq!(output["seen"], json!({ "refused": "malformed True" }), "a hint, since the interface is ours");
    let said = said(&host, report.run);
    let said: Vec<_> = said.iter().map(SafeText::as_str).collect();
    assert_eq!(said.len(), 2, "a log record is one line, and a debug record is left out: {said:?}");
    assert!(said[0].starts_with("INFO every-way: a line") && said[0].ends_with("and no second"), "{said:?}");
    assert_eq!(said[1], "printed");
    let progress = host.records(report.run).into_iter().any(|record| match record {
        vocabulary::record::Record::Said(said) => said.claims.iter().any(|claim| matches!(claim, vocabulary::Claim::Progress(_))),
        _ => false,
    });
    assert!(progress, "the progress is on the record");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_python_agent_fails_in_its_own_words_or_with_file_and_line() {
    let host = TestHost::new();
    let Some(order_fails) = order(&host, &json!({ "way": "fail" })) else { return };
    let report = ended(&host, order_fails).await;
    assert_eq!(failed(&report.outcome), ("of-its-own", "my words"));

    let source = std::fs::read_to_string(root().join("tests/guests/python-agents/sdk_in_every_way/app.py")).unwrap();
    let line = 1 + source.lines().position(|line| line.contains("raise ValueError(\"some text\")")).unwrap();
    let report = ended(&host, order(&host, &json!({ "way": "raise" })).unwrap()).await;
    assert_eq!(failed(&report.outcome), ("raised", format!("app.py:{line}: ValueError: some text").as_str()));
    let said = said(&host, report.run);
    assert!(said.iter().any(|said| said.as_str().contains("Traceback")), "the whole traceback is recorded: {said:?}");

    let refused = json!({ "way": "uncaught", "refused": "http://127.0.0.1:1/secret" });
    let report = ended(&host, order(&host, &refused).unwrap()).await;
    let (code, message) = failed(&report.outcome);
    assert_eq!(code, "http-refused");
    assert!(message.starts_with("app.py:") && message.ends_with("Refused: the host refused the request"), "{message}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn input_that_does_not_fit_a_python_agent_is_its_failure_and_says_where() {
    let host = TestHost::new();
    let Some(order_misfits) = order(&host, &json!({ "way": "sum", "counts": { "a": 1, "b": "two" } })) else { return };
    let report = ended(&host, order_misfits).await;
    assert_eq!(failed(&report.outcome), ("bad-input", "`/counts/b`: \"two\" is not a whole number"));
    let report = ended(&host, order(&host, &json!({ "way": "sum", "kount": 7 })).unwrap()).await;
    assert_eq!(failed(&report.outcome).0, "bad-input");
    // The control: the same with valid input.
    let report = done(&host, order(&host, &json!({ "way": "sum", "counts": { "a": 1, "b": 2.0 } })).unwrap()).await;
    assert_eq!(report.claims.output, Some(json!({ "seen": {}, "total": 3 })));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_can_not_work_in_a_python_agent_names_what_does() {
    let host = TestHost::new();
    let Some(order) = order(&host, &json!({ "way": "imports" })) else { return };
    let report = done(&host, order).await;
    let seen = &report.claims.output.as_ref().unwrap()["seen"];
    for (what, words) in [
        ("requests", "use `bailiwick.http`"),
        ("late", "import it at the top of a module"),
        ("connects", "use `bailiwick.http`"),
        ("starts", "an agent starts no programs"),
    ] {
        assert!(seen[what].as_str().is_some_and(|said| said.contains(words)), "{what}: {seen}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_python_agent_tells_its_schemas_and_they_hold() {
    let host = TestHost::new();
    let Some(order) = order(&host, &json!({ "$schema": "bailiwick:schemas" })) else { return };
    let report = done(&host, order).await;
    let schemas = report.claims.output.as_ref().unwrap();
    for side in ["input", "output"] {
        assert_eq!(schemas[side]["$schema"], json!("https://json-schema.org/draft/2020-12/schema"));
        assert_eq!(schemas[side]["additionalProperties"], json!(false));
    }
    assert_eq!(schemas["input"]["description"], json!("What it is asked to do."));
    assert_eq!(schemas["input"]["properties"]["base"]["description"], json!("Where the server is."));
    assert_eq!((&schemas["input"]["required"], &schemas["output"]["required"]), (&json!(["way"]), &json!(["seen", "total"])));
    let input = jsonschema::validator_for(&schemas["input"]).unwrap();
    assert!(input.is_valid(&json!({ "way": "sum", "counts": { "a": 1 }, "headers": [{ "name": "n" }] })));
    for misfit in [json!({}), json!({ "way": "other" }), json!({ "way": "sum", "headers": [{}] }), json!({ "way": "sum", "kount": 7 })] {
        assert!(!input.is_valid(&misfit), "{misfit}");
    }
}

#[test]
fn the_python_sdk_passes_its_own_tests() {
    let mut command = Command::new("python3");
    command.args(["-m", "unittest", "-q"]).current_dir(root().join("sdk/python")).env("PYTHONDONTWRITEBYTECODE", "1");
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn the_table_of_python_packages_is_what_the_sandbox_says() {
    let Some(componentize) = componentize_py() else { return };
    if !may_install() {
        missing("the packages of `sdk/python/packages.py`");
        return;
    }
    let bin = componentize.parent().unwrap();
    let path = std::env::join_paths([bin.to_owned()].into_iter().chain(std::env::split_paths(&std::env::var_os("PATH").unwrap()))).unwrap();
    let mut command = Command::new(bin.join("python"));
    command.arg(root().join("sdk/python/packages.py")).arg("--check").arg("--program").arg(bailiwick()).env("PATH", path);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
