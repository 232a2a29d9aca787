//! Credentials: what is sent with a request, what never comes back, and what is refused. The values are canaries: the tests look for them
//! wherever a value could have been left.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use run::{RunOrder, RunReport};
use serde_json::{Value, json};
use tests::apps::App;
use tests::certs::Authority;
use tests::host::{TestHost, loopback, place, printed};
use tests::program::Program;
use tests::seen::{lines, refused};
use tests::server::{Heard, Server, Step, response};
use vault::{Local, Secret};
use vocabulary::record::Record;
use vocabulary::{Binding, Outcome, Placement, Reason, Scheme, Source};

use crate::child;
use crate::ending::done;

/// A value with characters that some encodings change, and that does not occur by chance.
const CANARY: &str = "canary/8f3a+Q~z\"k&7";

/// Sets a value that may be sent to servers of tests, and to places that some bindings name but requests never reach.
fn set(host: &TestHost, name: &str, value: &str) -> Local {
    let vault = Local::new(&host.place().home);
    let destinations = [tests::asks::loopback(), vec!["http://*.example.com:*".parse().unwrap()]].concat();
    vault.set_for(name, Secret::new(value.as_bytes().to_vec()).unwrap(), &destinations, 1).unwrap();
    vault
}

fn bound(name: &str, placement: Placement) -> Binding {
    let hosts = vec!["127.0.0.1".parse().unwrap()];
    Binding { scheme: Scheme::Http, ..Binding::new(name, hosts, placement, Source::Local) }
}

/// An order for the guest `get` with these URLs, and a grant with the credential.
fn order(host: &TestHost, port: u16, urls: &[&str], binding: Binding) -> RunOrder {
    let mut order = host.order("get", urls);
    loopback(&mut order.grants, port, &["GET"], &["/**"]);
    order.grants.http[0].credential = Some(binding.name.clone());
    order.grants.credentials.push(binding);
    order
}

fn hex(text: &str) -> String {
    text.bytes().map(|byte| format!("{byte:02x}")).collect()
}

fn percent(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    text.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

/// All forms in which the value could be recognised.
fn forms() -> Vec<String> {
    let forms = vec![CANARY.to_owned(), hex(CANARY), percent(CANARY), STANDARD.encode(CANARY), URL_SAFE.encode(CANARY)];
    // In base 64 with a user name; letters that depend on neighbouring bytes are left out.
    let basic = STANDARD.encode(format!("alice:{CANARY}"));
    // As JSON, and as JSON within JSON: the report and the output of a command have both.
    let quoted = |text: &str| text.replace('\\', "\\\\").replace('"', "\\\"");
    forms.into_iter().chain([basic[8..28].to_owned(), quoted(CANARY), quoted(&quoted(CANARY))]).collect()
}

#[track_caller]
fn assert_nowhere(where_: &str, bytes: &[u8]) {
    for form in forms() {
        assert!(!tests::tools::contains(bytes, form.as_bytes()), "`{form}` is in {where_}");
    }
}

/// Asserts that the value is neither in the report, nor in any file of the home, nor in the opened payloads beside the record.
fn assert_nowhere_in(host: &TestHost, report: &RunReport) {
    assert_nowhere("the report", &serde_json::to_vec(report).unwrap());
    let mut folders = vec![host.place().home, host.place().state];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap()) {
            match entry.file_type().unwrap() {
                kind if kind.is_dir() => folders.push(entry.path()),
                kind if kind.is_file() => assert_nowhere(&entry.path().display().to_string(), &std::fs::read(entry.path()).unwrap()),
                _ => {}
            }
        }
    }
    let reader = journal::Reader::open(&host.place().home).unwrap();
    for leaf in gate::leaves(&reader, report.run) {
        let leaf = leaf.unwrap();
        assert_nowhere("a record", &leaf.body);
        leaf.payloads.iter().for_each(|payload| assert_nowhere("a payload", payload));
    }
}

/// Repeats the received credential in every form, in headers and in a body in pieces of seven bytes.
fn echo(heard: &Heard) -> Vec<Step> {
    let sent = [heard.head.as_str(), &heard.path].concat();
    let all = [
        sent.clone(),
        CANARY.to_owned(),
        hex(CANARY),
        percent(CANARY),
        STANDARD.encode(CANARY),
        format!("x{}", STANDARD.encode(format!("alice:{CANARY}"))),
    ];
    let body = all.join("\n");
    let line = |name: &str, value: &str| format!("{name}: {value}\r\n");
    let head = [
        "HTTP/1.1 200 OK\r\n".to_owned(),
        line("x-raw", CANARY),
        line("x-hex", &hex(CANARY)),
        line("location", &format!("http://127.0.0.1/?t={}", percent(CANARY))),
        line("content-length", &body.len().to_string()),
        "\r\n".to_owned(),
    ];
    let pieces = body.as_bytes().chunks(7).map(|piece| Step::Say(piece.to_vec()));
    std::iter::once(Step::Say(head.concat().into_bytes())).chain(pieces).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_placement_reaches_the_server_and_comes_back_to_nobody() {
    let placements = [
        (Placement::Bearer, format!("authorization: Bearer {CANARY}")),
        (Placement::Basic { user: "alice".to_owned() }, format!("authorization: Basic {}", STANDARD.encode(format!("alice:{CANARY}")))),
        (
            Placement::Header { name: "x-api-key".to_owned(), before: "Token ".to_owned(), after: ";v=1".to_owned() },
            format!("x-api-key: Token {CANARY};v=1"),
        ),
        (Placement::Query { name: "key".to_owned() }, format!("GET /a?page=2&key={} HTTP/1.1", percent(CANARY))),
    ];
    for (placement, expected) in placements {
        let host = TestHost::new();
        let _ = set(&host, "inventory", CANARY);
        let server = Server::answering(|_, heard| echo(heard)).await;
        let url = server.url("/a?page=2");
        let report = done(&host, order(&host, server.port(), &[&url], bound("inventory", placement.clone()))).await;
        let heard = server.heard();
        assert!(heard[0].head.lines().any(|line| line.eq_ignore_ascii_case(&expected)), "{expected} is not in {}", heard[0].head);
        assert!(heard[0].has_header("accept-encoding: identity"));
        assert_eq!(lines(&report)[0]["answer"]["status"], 200);
        assert!(printed(&report).contains("********"), "{}", printed(&report));
        assert_eq!(report.evidence.touched.credentials, ["inventory"]);
        assert_nowhere_in(&host, &report);
        let received = host.records(report.run).into_iter().find_map(|record| match record {
            Record::Received(received) => Some(received),
            _ => None,
        });
        let received = received.unwrap();
        assert!(received.redactions >= 8 && received.whole, "{received:?}");
    }
}

/// The reasons why asks of a run were refused; the run must succeed.
async fn reasons(host: &TestHost, order: RunOrder) -> Vec<Reason> {
    let report = done(host, order).await;
    assert_nowhere_in(host, &report);
    let records = host.records(report.run);
    let late = records.iter().filter_map(|record| match record {
        Record::Answered(answered) => answered.reason.clone(),
        _ => None,
    });
    refused(&records).map(|refused| refused.reason.clone()).chain(late).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_bound_not_set_over_or_spoken_for_is_refused_and_nothing_is_sent() {
    let host = TestHost::new();
    let _ = set(&host, "inventory", CANARY);
    let server = Server::doing(vec![Step::Say(response(200, b"ok"))]).await;
    let (url, query) = (server.url("/a"), server.url("/a?K%65y=mine"));
    let of = |urls: &[&str], change: &dyn Fn(&mut Binding)| {
        let mut binding = bound("inventory", Placement::Query { name: "key".to_owned() });
        change(&mut binding);
        order(&host, server.port(), urls, binding)
    };
    let code = |reasons: Vec<Reason>| reasons.iter().map(Reason::code).collect::<Vec<_>>();
    let elsewhere = of(&[&url], &|binding| binding.hosts = vec!["*.example.com".parse().unwrap()]);
    assert_eq!(code(reasons(&host, elsewhere).await), ["credential-not-bound"]);
    let over = of(&[&url], &|binding| binding.until = Some("2020-01-01".parse().unwrap()));
    assert_eq!(code(reasons(&host, over).await), ["credential-expired"]);
    assert_eq!(code(reasons(&host, of(&[&query], &|_| {})).await), ["header-not-yours"]);
    let secure = of(&[&url], &|binding| binding.scheme = Scheme::Https);
    assert_eq!(code(reasons(&host, secure).await), ["credential-not-bound"], "in clear text only if the binding says so");
    let mut unnamed = of(&[&url], &|_| {});
    unnamed.grants.credentials.clear();
    assert_eq!(code(reasons(&host, unnamed).await), ["credential-not-bound"]);
    let mut unset = of(&[&url], &|binding| binding.name = "other".to_owned());
    unset.grants.http[0].credential = Some("other".to_owned());
    assert_eq!(code(reasons(&host, unset).await), ["credential-unavailable"]);
    let gone = of(&[&url], &|binding| binding.source = Source::File("/nonexistent/token".into()));
    assert_eq!(code(reasons(&host, gone).await), ["credential-unavailable"]);
    assert_eq!(server.heard().len(), 0);
    // The control: without the change, nothing is refused.
    assert_eq!(code(reasons(&host, of(&[&url], &|_| {})).await), Vec::<&str>::new());
    assert_eq!(server.heard().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_revoked_while_a_run_goes_on_is_refused_with_its_next_ask() {
    let host = TestHost::new();
    let vault = set(&host, "inventory", CANARY);
    let server = Server::answering(move |_, _| {
        vault.revoke("inventory").unwrap();
        vec![Step::Say(response(200, CANARY.as_bytes()))]
    })
    .await;
    let (one, other) = (server.url("/1"), server.url("/2"));
    let order = order(&host, server.port(), &[&one, &other], bound("inventory", Placement::Bearer));
    let reasons = reasons(&host, order).await;
    assert!(matches!(reasons.as_slice(), [Reason::CredentialUnavailable(name)] if name.as_str() == "inventory"), "{reasons:?}");
    assert_eq!(server.heard().iter().map(|heard| heard.path.as_str()).collect::<Vec<_>>(), ["/1"]);
}

/// A compressed answer can't be searched.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_packed_answer_to_a_request_with_a_credential_is_not_shown() {
    let host = TestHost::new();
    let _ = set(&host, "inventory", CANARY);
    let server = Server::answering(|_, _| {
        vec![Step::Say(
            format!("HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: {}\r\n\r\n{CANARY}", CANARY.len()).into_bytes(),
        )]
    })
    .await;
    let report = done(&host, order(&host, server.port(), &[&server.url("/a")], bound("inventory", Placement::Bearer))).await;
    assert!(lines(&report)[0]["answer"]["err"].is_string(), "{}", printed(&report));
    assert_nowhere_in(&host, &report);
}

/// A stream that began before a credential was used, and a request without the credential: their answers are starred if another answer
/// shows the value.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_is_looked_through_for_what_another_request_took_along() {
    let host = TestHost::new();
    let _ = set(&host, "inventory", CANARY);
    let server = Server::answering(|_, _| vec![Step::Say(response(200, CANARY.as_bytes()))]).await;
    let (open, shut) = (server.url("/open"), server.url("/a"));
    let mut order = order(&host, server.port(), &[&open, &shut, &open], bound("inventory", Placement::Bearer));
    order.grants.http[0].paths = vec!["/a".parse().unwrap()];
    let mut without = order.grants.http[0].clone();
    (without.credential, without.paths) = (None, vec!["/open".parse().unwrap()]);
    order.grants.http.push(without);
    let report = done(&host, order).await;
    assert_eq!(lines(&report).iter().filter(|line| line["answer"]["body"] == "*".repeat(CANARY.len())).count(), 3, "{}", printed(&report));
    let sent: Vec<bool> = server.heard().iter().map(|heard| heard.head.contains(CANARY)).collect();
    assert_eq!(sent, [false, true, false], "it is sent only where it is granted");
    assert_nowhere_in(&host, &report);
}

/// Partial answers can't be searched either.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slice_is_not_asked_for_and_not_shown() {
    let host = TestHost::new();
    let _ = set(&host, "inventory", CANARY);
    let server = Server::doing(vec![Step::Say(response(206, CANARY.as_bytes()))]).await;
    let report = done(&host, order(&host, server.port(), &[&server.url("/a")], bound("inventory", Placement::Bearer))).await;
    assert!(lines(&report)[0]["answer"]["err"].is_string(), "{}", printed(&report));
}

/// Without a credential, at a host where no value of the home may be sent, answers are not searched, and the guest gets a compressed
/// answer as it is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_without_a_credential_is_given_what_came() {
    let host = TestHost::new();
    // A value that may not go to this server can't come back from it.
    let elsewhere = ["https://api.example.com".parse().unwrap()];
    Local::new(&host.place().home).set_for("inventory", Secret::new(CANARY.as_bytes().to_vec()).unwrap(), &elsewhere, 1).unwrap();
    let server = Server::doing(vec![Step::Say(response(200, CANARY.as_bytes()))]).await;
    let mut order = host.order("get", &[&server.url("/a")]);
    loopback(&mut order.grants, server.port(), &["GET"], &["/**"]);
    let report = done(&host, order).await;
    assert_eq!(lines(&report)[0]["answer"]["body"], CANARY);
    assert_eq!(report.evidence.touched.credentials, Vec::<String>::new());
}

fn config(port: u16, more: &str) -> String {
    let wasm = tests::guests::guest("get").display().to_string();
    format!(
        "[agents.get]\ncomponent = {wasm:?}\n[[agents.get.http]]\nhost = \"127.0.0.1\"\nport = {port}\nmethods = [\"GET\"]\npaths = [\"/**\"]\n\
         credential = \"inventory\"\n[network]\nroots = [\"ca.pem\"]\n[credentials.inventory]\nkind = \"bearer\"\nhosts = [\"127.0.0.1\"]\n{more}"
    )
}

/// The whole path as a user takes it: a value from standard input, and a real server over TLS that requires the value.
#[test]
fn a_program_is_let_in_by_a_server_with_a_value_that_it_never_sees() {
    let authority = Authority::new();
    let value = "canary-5c1de0b7a94f";
    let server = format!(
        "        if ($http_authorization != \"Bearer {value}\") {{ return 401; }}\n        location / {{ return 200 \"in: $http_authorization\"; }}"
    );
    let Some(app) = App::nginx_tls(&server, &[], &authority.certifies("127.0.0.1", false)) else { return };
    let program = Program::new(&config(app.port(), ""));
    std::fs::write(program.folder().join("here/ca.pem"), authority.root()).unwrap();
    let with_stdin = |args: &[&str], stdin: &str| {
        let file = program.folder().join("stdin");
        std::fs::write(&file, stdin).unwrap();
        program.command(&[], args).stdin(std::fs::File::open(&file).unwrap()).output().unwrap()
    };
    let url = format!("https://127.0.0.1:{}/", app.port());
    let run = || program.run(&["run", "get", "--trust", "--json", "--", &url]);
    let status = |output: &std::process::Output| -> Value {
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        serde_json::from_str::<Value>(report["claims"]["output"].as_str().unwrap()).unwrap()["answer"].clone()
    };
    assert!(status(&run())["err"].is_string(), "nothing was set");
    let place = format!("https://127.0.0.1:{}", app.port());
    let unsaid = with_stdin(&["credentials", "set", "inventory"], value);
    // The program wraps lines at the width of a terminal.
    let said = String::from_utf8(unsaid.stderr).unwrap().split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(unsaid.status.code() == Some(2) && said.contains("--for https://HOST") && !said.contains(value), "{said}");
    assert_eq!(with_stdin(&["credentials", "set", "--weak", "inventory", "--for", &place], &format!("{value}\n")).status.code(), Some(0));
    let output = run();
    let answer = status(&output);
    assert_eq!((&answer["status"], &answer["body"]), (&json!(200), &json!(format!("in: Bearer {}", "*".repeat(value.len())))), "{answer}");
    for args in [&["credentials", "ls"][..], &["credentials", "ls", "--json"], &["audit", "show", "--json"], &["check"]] {
        let output = program.run(args);
        assert_eq!(output.status.code(), Some(0), "{args:?}");
        let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        assert!(said.contains("inventory") && !said.contains(value), "{said}");
    }
    for (args, stdin, code) in [
        (&["credentials", "set", "Bad"][..], "long-enough", 2),
        (&["credentials", "set", "x", "--for", "https://a.test"], "short", 2),
        (&["credentials", "set", "x", "--for", "https://a.test"], "correct-horse", 2),
        (&["credentials", "rotate", "inventory"], "20261129", 2),
        (&["credentials", "set", "x", "--weak", "--for", "https://a.test"], "correct-horse", 0),
        (&["credentials", "set", "x", "--for", "https://a.test"], "8f3a51d0c27e4b96a1f0d93b5c6e7781", 0),
        (&["credentials", "set", "x", "--for", "https://a.test"], "with\nline ends", 2),
        (&["credentials", "set", "x", "as-an-argument"], "", 2),
        (&["credentials", "set", "x", "--for", "a.test"], "long-enough", 2),
        (&["credentials", "revoke", "nobody"], "", 2),
        (&["credentials", "revoke", "No Body"], "", 2),
        (&["credentials", "revoke", "inventory"], "", 0),
    ] {
        assert_eq!(with_stdin(args, stdin).status.code(), Some(code), "{args:?} {stdin}");
    }
    assert!(status(&run())["err"].is_string(), "it was revoked");
    assert_eq!(app.stop().len(), 1, "only the request with the value was sent");
}

#[test]
fn a_binding_that_can_not_be_meant_is_an_error_and_what_it_allows_is_shown_before_it_is_trusted() {
    let check = |more: &str| {
        let program = Program::new(&config(1, more));
        std::fs::write(program.folder().join("here/ca.pem"), "").unwrap();
        let output = program.run(&["check"]);
        (output.status.code(), String::from_utf8([output.stdout, output.stderr].concat()).unwrap())
    };
    let (code, said) = check("source = \"file:token\"\nuntil = \"2030-01-01\"\n");
    assert_eq!(code, Some(0), "{said}");
    assert!(
        said.contains("with the credential inventory")
            && said.contains("credential inventory from the file")
            && said.contains("as bearer to 127.0.0.1"),
        "{said}"
    );
    for more in [
        "source = \"env:\"\n",
        "source = \"password\"\n",
        "user = \"alice\"\n",
        "template = \"{}\"\n",
        "value = \"in the file\"\n",
        "[credentials.other]\nkind = \"basic\"\nhosts = [\"a.test\"]\nuser = \"a:b\"\n",
        "[credentials.other]\nkind = \"header\"\nhosts = [\"a.test\"]\nheader = \"host\"\n",
        "[credentials.other]\nkind = \"header\"\nhosts = [\"a.test\"]\nheader = \"x-key\"\ntemplate = \"{} {}\"\n",
        "[credentials.other]\nkind = \"header\"\nhosts = [\"a.test\"]\nheader = \"x-key\"\ntemplate = \"none\"\n",
        "[credentials.other]\nkind = \"query\"\nhosts = [\"a.test\"]\nquery = \"a&b\"\n",
        "[credentials.other]\nkind = \"bearer\"\nhosts = []\n",
        "[credentials.other]\nkind = \"bearer\"\nhosts = [\"*.com\"]\nrotate-every = \"30d\"\n",
        "[credentials.Other]\nkind = \"bearer\"\nhosts = [\"a.test\"]\n",
    ] {
        let (code, said) = check(more);
        assert_eq!(code, Some(2), "{more}\n{said}");
        assert!(said.contains("bailiwick.toml"), "{said}");
    }
    let (code, said) = check("source = \"file:secrets/token\"\n[[agents.get.files]]\nguest = \"/src\"\nhost = \".\"\nmode = \"read\"\n");
    assert!(code == Some(2) && said.contains("which no agent may read"), "{said}");
    let page = std::fs::read_to_string(tests::tools::root().join("docs/credentials.md")).unwrap();
    let examples: Vec<&str> = page.split("```toml\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    assert_eq!(examples.len(), 2);
    for example in examples {
        let program = Program::new(example);
        for name in ["inventory-report", "rotator"] {
            std::fs::copy(tests::guests::guest("get"), program.folder().join(format!("here/{name}.wasm"))).unwrap();
        }
        let output = program.run(&["check"]);
        assert_eq!(output.status.code(), Some(0), "the page's own configuration is valid: {}", String::from_utf8_lossy(&output.stderr));
    }
    let (code, said) = check("[credentials.unused]\nkind = \"bearer\"\nhosts = [\"a.test\"]\n");
    assert!(code == Some(0) && !said.contains("unused"), "{said}");
    let unknown = Program::new(&config(1, "").replace("credential = \"inventory\"", "credential = \"stock\"")).run(&["check"]);
    assert_eq!(unknown.status.code(), Some(2));
}

/// A rebuild of a run from its record has the same stars.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_with_a_credential_is_rebuilt_identically() {
    let host = TestHost::new();
    let _ = set(&host, "inventory", CANARY);
    let server = Server::answering(|_, heard| echo(heard)).await;
    let report = done(&host, order(&host, server.port(), &[&server.url("/a")], bound("inventory", Placement::Bearer))).await;
    assert_eq!(report.outcome, Outcome::Done);
    let rebuilt = host.house.rebuild(&run::Rebuilding { run: report.run, with: None }).await.unwrap();
    assert!(rebuilt.divergence.is_none(), "{:?}", rebuilt.divergence);
}

/// The process dies after the credential was sent. Answers to later requests without it are still searched for it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_that_goes_on_after_a_crash_is_shown_nothing_either() {
    let server = Server::answering(|number, heard| match number {
        0 => vec![Step::Say(response(200, b"in"))],
        1 => vec![Step::Hang],
        _ => vec![Step::Say(response(200, format!("{}: {CANARY}", heard.path).as_bytes()))],
    })
    .await;
    let folder = tempfile::tempdir().unwrap();
    let place = place(folder.path());
    Local::new(&place.home).set_for("inventory", Secret::new(CANARY.as_bytes().to_vec()).unwrap(), &tests::asks::loopback(), 1).unwrap();
    let wasm = std::fs::read(tests::guests::guest("get")).unwrap();
    let mut order = TestHost::order_in(&place, "get", &wasm, &[&server.url("/a"), &server.url("/open")]);
    for path in ["/a", "/open"] {
        loopback(&mut order.grants, server.port(), &["GET"], &[path]);
    }
    order.grants.http[0].credential = Some("inventory".to_owned());
    order.grants.credentials.push(bound("inventory", Placement::Bearer));
    let mut child = child::start(folder.path(), &order);
    server.until(|counts| counts.heard == 2).await;
    let (house, report) = child::killed_and_resumed(&mut child, &place).await;
    assert_eq!(report.outcome, Outcome::Done, "{report:?}");
    assert_eq!(lines(&report)[1]["answer"]["body"], format!("/open: {}", "*".repeat(CANARY.len())));
    assert_eq!(server.heard().iter().filter(|heard| heard.head.contains(CANARY)).count(), 1);
    house.close().unwrap();
}
