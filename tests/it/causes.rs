//! The reason why a request had no answer: the operator's record and log have it; the guest gets only one general error.

use std::net::{IpAddr, TcpListener};

use run::RunOrder;
use serde_json::{Value, json};
use tests::apps::App;
use tests::asks;
use tests::certs::Authority;
use tests::host::{TestHost, loopback};
use tests::names::{Answer, NameServer};
use tests::program::Program;
use tests::seen::{answered, lines};
use tests::server::{Server, Step, response};
use vocabulary::{HttpFault, Scheme};

/// The guest's answer to its one request, and the fault and detail on the record.
async fn told(host: &TestHost, order: RunOrder) -> (Value, Option<HttpFault>, String) {
    let report = host.run(order).await;
    let records = host.records(report.run);
    let answered = answered(&records).next().expect("one was asked").clone();
    (lines(&report)[0]["answer"].clone(), answered.how.http().and_then(|http| http.fault), answered.detail.to_string())
}

/// A port on which nobody listens.
fn nobody() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_record_tells_apart_what_a_guest_can_not() {
    let (host, authority) = (TestHost::new(), Authority::new());
    let names = NameServer::saying(|_, _| Answer::nobody()).await;
    let expired = authority.certifies("127.0.0.1", true);
    let Some(nginx) = App::nginx_tls("", &[("a", b"alpha")], &expired) else { return };

    let port = nobody();
    let mut refused = host.order("get", &[&format!("http://127.0.0.1:{port}/")]);
    loopback(&mut refused.grants, port, &["GET"], &["/**"]);

    let mut unresolved = host.order("get", &["http://no-such.test:80/"]);
    loopback(&mut unresolved.grants, 80, &["GET"], &["/**"]);
    unresolved.grants.http[0].host = "no-such.test".parse().unwrap();
    unresolved.network.resolvers = vec![names.address];

    let mut over = host.order("get", &[&format!("https://127.0.0.1:{}/a", nginx.port())]);
    loopback(&mut over.grants, nginx.port(), &["GET"], &["/**"]);
    over.grants.http[0].scheme = Scheme::Https;
    over.network.roots.push(authority.root());

    let mut guest_saw = Vec::new();
    for (order, cause) in [
        (refused, vec!["127.0.0.1", "onnection refused"]),
        (unresolved, vec!["the name does not resolve"]),
        (over, vec!["TLS", "certificate expired"]),
    ] {
        let (saw, fault, detail) = told(&host, order).await;
        assert_eq!(fault, Some(HttpFault::Unreachable), "{detail}");
        assert!(cause.iter().all(|word| detail.contains(word)), "{detail}");
        guest_saw.push(saw);
    }
    // The guest sees the same error for all of them.
    assert!(guest_saw.iter().all(|saw| *saw == guest_saw[0]), "{guest_saw:?}");
    assert!(nginx.stop_unasked().is_empty());

    // A server that does not answer: the detail says how long the host waited.
    let silent = Server::doing(vec![Step::Hang]).await;
    let ns = |ms: u64| (ms * 1_000_000).to_string();
    let mut late = host.order("sets_timeouts", &[&silent.url("/"), &ns(10_000), &ns(50), &ns(10_000)]);
    loopback(&mut late.grants, silent.port(), &["GET", "POST"], &["/**"]);
    let (_, fault, detail) = told(&host, late).await;
    assert_eq!((fault, detail.as_str()), (Some(HttpFault::TimedOut), "no response within 50 ms"));

    // The control: a request with an answer has no cause.
    let server = Server::doing(vec![Step::Say(response(200, b"ok"))]).await;
    let mut fine = host.order("get", &[&server.url("/")]);
    loopback(&mut fine.grants, server.port(), &["GET"], &["/**"]);
    let (_, fault, detail) = told(&host, fine).await;
    assert_eq!((fault, detail.as_str()), (None, ""));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_record_refuses_says_so_once() {
    let host = TestHost::new();
    let names = NameServer::answering(|_| vec![IpAddr::from([10, 0, 0, 1])]).await;
    let mut order = host.order("get", &["http://inside.test:80/"]);
    loopback(&mut order.grants, 80, &["GET"], &["/**"]);
    order.grants.http[0].host = "inside.test".parse().unwrap();
    order.network.resolvers = vec![names.address];
    let (_, fault, detail) = told(&host, order).await;
    assert_eq!((fault, detail.as_str()), (Some(HttpFault::Denied), ""), "the reason of the refusal is enough");
}

/// The lines that the program logs to standard error.
fn logged(said: &str) -> Vec<Value> {
    said.lines().filter_map(|line| serde_json::from_str(line).ok()).filter(|line: &Value| line["level"].is_string()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_log_follows_a_request_and_holds_neither_values_nor_queries() {
    const VALUE: &str = "canary-7d20a1c9f4be";
    let server = Server::answering(|_, _| vec![Step::Say(response(200, b"ok"))]).await;
    let program = Program::new(&asks::config(server.port(), "kind = \"bearer\""));
    asks::set(&program, "key", VALUE);
    let request = json!({ "url": server.url("/x?token=sesame-4711\u{1b}[31m") }).to_string();
    let request = request.replace("\\u001b[31m", "");
    let words = ["run", "asks", "--trust", "--", &request];
    let run = |first: &[&str]| {
        let output = tokio::task::block_in_place(|| program.command(&[], &[first, words.as_slice()].concat()).output().unwrap());
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    let said = run(&["--log", "trace", "--log-format", "json"]);
    let log = logged(&said);
    let of = |message: &str| log.iter().filter(|line| line["message"] == message).collect::<Vec<_>>();
    for message in ["opened", "permitted", "ready to be sent", "connected", "answered", "settled", "closed"] {
        assert_eq!(of(message).len(), 1, "{message}: {said}");
    }
    let permitted = of("permitted")[0];
    assert_eq!((&permitted["rule"], &permitted["credential"]), (&json!("http[0]"), &json!("key")), "{permitted}");
    // Events of an operation are in its span, which is in the span of its run.
    let spans: Vec<&str> = of("connected")[0]["spans"].as_array().unwrap().iter().map(|span| span["name"].as_str().unwrap()).collect();
    assert_eq!(spans, ["run", "operation", "dial"]);
    for secret in [VALUE, "sesame-4711"] {
        assert!(!said.contains(secret), "{secret}: {said}");
    }
    // As text, set by the environment, and off, which is the default.
    let text = run(&["--log", "info"]);
    assert!(text.contains("permitted") && !text.contains("connected"), "{text}");
    let silent = run(&[]);
    assert!(!silent.contains("permitted"), "{silent}");
    let env = |level: &str| {
        let mut command = program.command(&[], &words);
        let output = tokio::task::block_in_place(|| command.env("BAILIWICK_LOG", level).output().unwrap());
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    assert!(env("info").1.contains("permitted"));
    let (code, wrong) = env("loud");
    assert_eq!(code, Some(2), "{wrong}");
    assert!(wrong.contains("`BAILIWICK_LOG` is `loud`; it must be one of off, error, warn, info, debug, trace"), "{wrong}");
}

#[test]
fn show_says_why_a_request_had_no_answer() {
    let program = Program::new(&asks::config(nobody(), "kind = \"bearer\""));
    asks::set(&program, "key", "canary-7d20a1c9f4be");
    let port = program.config();
    let text = std::fs::read_to_string(port).unwrap();
    let port = text.lines().find_map(|line| line.strip_prefix("port = ")).unwrap();
    let ran = asks::asks(&program, &[], &[json!({ "url": format!("http://127.0.0.1:{port}/") })]);
    let run = ran.report["run"].as_str().unwrap();
    let shown = program.run(&["show", run]);
    let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
    assert!(shown.contains("onnection refused"), "{shown}");
}
