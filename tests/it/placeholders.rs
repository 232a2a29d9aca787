//! Placeholders: a program that requires a token gets a placeholder, which is of no use elsewhere. Only in a request of its own
//! credential, the host replaces it with the value.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use tests::apps::App;
use tests::asks::{asks, assert_nowhere, config, granted, run, set};
use tests::certs::Authority;
use tests::host::{TestHost, loopback, place};
use tests::program::Program;
use tests::python_agents::python_agent;
use tests::server::{Server, Step, response};
use vocabulary::record::Record;
use vocabulary::{Binding, Outcome, Placement, Scheme, Source};

use crate::child;

const VALUE: &str = "canary-0d9be1c24f7a86e3";

/// A server that accepts only the real value at `/inventory`, and every request at `/open`.
fn service(authority: &Authority) -> Option<App> {
    let server = format!(
        "        location /inventory {{ if ($http_authorization != \"Bearer {VALUE}\") {{ return 401 'out'; }} return 200 'in'; }}
        location /open {{ return 200 'open'; }}"
    );
    App::nginx_tls(&server, &[], &authority.certifies("127.0.0.1", false))
}

/// The configuration: the agent may ask `/inventory` of one server with the credential, and `/open` there and on another server without it.
fn insisting(component: &str, port: u16, other: u16) -> String {
    let https = |text: String| text.replace("scheme = \"http\"\n", "");
    let grants = [
        https(granted("insists", port, "/inventory/**", Some("inventory"))),
        https(granted("insists", port, "/inventory", Some("inventory"))),
        https(granted("insists", port, "/open", None)),
        granted("insists", other, "/open", None),
    ];
    format!(
        "[agents.insists]\ncomponent = {component:?}\nenv = {{ API_TOKEN = {{ placeholder = \"inventory\" }}, REGION = \"north\" }}\n{}\n\
         [network]\nroots = [\"ca.pem\"]\n[credentials.inventory]\nkind = \"bearer\"\nhosts = [\"127.0.0.1\"]\nport = {port}\n",
        grants.concat()
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_insists_on_a_token_is_let_in_with_a_stand_in_and_only_where_its_credential_goes() {
    let Some(component) = python_agent("insists_on_a_token") else { return };
    let authority = Authority::new();
    let Some(app) = service(&authority) else { return };
    let other = Server::doing(vec![Step::Say(response(200, b"open"))]).await;
    let program = Program::new(&insisting(&component.display().to_string(), app.port(), other.port()));
    std::fs::write(program.folder().join("here/ca.pem"), authority.root()).unwrap();
    set(&program, "inventory", VALUE);
    let misplaced = ["path-without", "host-without", "header", "scheme", "twice", "base64", "query", "path", "percent", "upper"];
    // In a body a placeholder is ordinary text, with which no server lets anybody in.
    let quoted = ["body", "json", "both"];
    let ways: Vec<&str> = ["use"].into_iter().chain(misplaced).chain(quoted).chain(["plain", "use"]).collect();
    let input = json!({ "base": format!("https://127.0.0.1:{}", app.port()), "other": other.url(""), "ways": ways });
    let ran = tokio::task::block_in_place(|| run(&program, &["insists", "--trust", "--json", "--input", &input.to_string()]));
    let output = &ran.report["claims"]["output"];
    let seen: BTreeMap<String, String> = serde_json::from_value(output["seen"].clone()).unwrap_or_else(|err| panic!("{err}: {ran:?}"));
    assert_eq!((seen["use"].as_str(), seen["plain"].as_str()), ("200 in", "200 in"));
    for way in misplaced {
        assert_eq!(seen[way], "refused", "{way}");
    }
    for way in quoted {
        assert_eq!(seen[way], "200 in", "{way}");
    }
    let counted = |record: &Record| matches!(record, Record::Asked(asked) if asked.ask.placeholders == 1);
    assert_eq!(ran.records.iter().filter(|record| counted(record)).count(), 3, "the record counts them");
    assert_eq!(ran.refused(), [const { "placeholder-misplaced" }; 10]);
    let token = output["token"].as_str().unwrap();
    assert!(token.starts_with("bwkph") && token.len() > 20, "{token}");
    assert_eq!(output["variables"], json!([format!("API_TOKEN={token}"), "REGION=north"]), "no other variables of the host");
    assert_nowhere(&program, &ran, VALUE);
    let heard = app.stop();
    assert_eq!(heard.iter().filter(|line| line.starts_with("GET /inventory")).count(), 3, "{heard:?}");
    assert!(heard.iter().all(|line| !line.contains(token)) && heard.len() == 6, "{heard:?}");
    assert_eq!(other.heard().len(), 0);
}

/// The same without an SDK, and each run has its own placeholder.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_sends_its_stand_in_and_the_value_arrives() {
    let server = Server::answering(|_, heard| vec![Step::Say(response(200, heard.head.as_bytes()))]).await;
    for (key, name, value, line) in [
        ("kind = \"bearer\"", "authorization", "Bearer ${API_TOKEN}", format!("authorization: Bearer {VALUE}")),
        ("kind = \"header\"\nheader = \"x-api-key\"\ntemplate = \"k={}\"", "x-api-key", "k=${API_TOKEN}", format!("x-api-key: k={VALUE}")),
    ] {
        let text = config(server.port(), key).replace("[[agents", "env = { API_TOKEN = { placeholder = \"key\" } }\n[[agents");
        let program = Program::new(&text);
        set(&program, "key", VALUE);
        let request = json!({ "url": server.url("/"), "headers": [[name, value], ["x-digest", "${sha256:API_TOKEN}"]] });
        let twice: Vec<_> = (0..2).map(|_| tokio::task::block_in_place(|| asks(&program, &[], std::slice::from_ref(&request)))).collect();
        for ran in &twice {
            assert_eq!(ran.told().len(), 1, "{ran:?}");
            assert!(ran.told()[0].1.contains(&line.replace(VALUE, &"*".repeat(VALUE.len()))), "{:?}", ran.told());
            assert_nowhere(&program, ran, VALUE);
        }
        let heard = server.heard();
        let last: Vec<_> = heard.iter().rev().take(2).collect();
        assert!(last.iter().all(|heard| heard.has_header(&line) && !heard.head.contains("bwkph")), "{last:?}");
        assert_ne!(digest(&last[0].head), digest(&last[1].head));
    }
}

fn digest(head: &str) -> &str {
    head.lines().find_map(|line| line.strip_prefix("x-digest: ")).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_that_goes_on_after_a_crash_has_the_same_stand_in() {
    let server = Server::answering(|number, _| match number {
        1 => vec![Step::Hang],
        _ => vec![Step::Say(response(200, b"in"))],
    })
    .await;
    let folder = tempfile::tempdir().unwrap();
    let place = place(folder.path());
    vault::Local::new(&place.home)
        .set_for("key", vault::Secret::new(VALUE.as_bytes().to_vec()).unwrap(), &tests::asks::loopback(), 1)
        .unwrap();
    let wasm = std::fs::read(tests::guests::guest("sends_each")).unwrap();
    let request = |path: &str| -> Value {
        json!({ "url": server.url(path), "headers": [["authorization", "Bearer ${API_TOKEN}"], ["x-digest", "${sha256:API_TOKEN}"]] })
    };
    let (one, other) = (request("/1").to_string(), request("/2").to_string());
    let mut order = TestHost::order_in(&place, "sends_each", &wasm, &[&one, &other]);
    loopback(&mut order.grants, server.port(), &["GET"], &["/**"]);
    order.grants.http[0].credential = Some("key".to_owned());
    order.grants.http[0].headers = vec!["x-digest".to_owned()];
    let hosts = vec!["127.0.0.1".parse().unwrap()];
    order.grants.credentials.push(Binding { scheme: Scheme::Http, ..Binding::new("key", hosts, Placement::Bearer, Source::Local) });
    order.grants.placeholders.insert("API_TOKEN".to_owned(), "key".to_owned());
    let mut child = child::start(folder.path(), &order);
    server.until(|counts| counts.heard == 2).await;
    let (house, report) = child::killed_and_resumed(&mut child, &place).await;
    assert_eq!(report.outcome, Outcome::Done, "{report:?}");
    let heard = server.heard();
    assert_eq!(heard.iter().map(|heard| heard.path.as_str()).collect::<Vec<_>>(), ["/1", "/2", "/2"]);
    assert!(heard.iter().all(|heard| heard.has_header(&format!("authorization: Bearer {VALUE}"))), "{heard:?}");
    let first = &heard[0];
    assert!(heard.iter().all(|heard| digest(&heard.head) == digest(&first.head)), "{heard:?}");
    let again = tests::host::records(&place.home, report.run);
    assert!(again.iter().any(|record| matches!(record, Record::Asked(asked) if asked.again)));
    house.close().unwrap();
}
