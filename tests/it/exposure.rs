//! The agent `exposure-probe` and real servers, each configured badly and well: planted faults are found, a good server has no finding
//! above low, and the agent's requests are those in the server's own log.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use run::{Rebuilding, RunReport};
use serde_json::{Value, json};
use tests::apps::App;
use tests::certs::Authority;
use tests::host::{TestHost, loopback};
use tests::names::NameServer;
use tests::program::agent;
use tests::seen::{codes, log_lines, refused};
use tests::server::{CHUNKED, Server, Step, chunk};
use vocabulary::record::Record;
use vocabulary::{Finding, Outcome, Severity};

/// A password in every planted file. No report and no record may repeat it.
const SECRET: &str = "correct-horse-battery";

/// A host that only the test's own name server knows.
const NAME: &str = "shop.test";

/// All faults that a file server can have at the same time.
const NGINX_BADLY: &str = r#"
        add_header Set-Cookie "session=abc; Path=/";
        add_header Access-Control-Allow-Origin $http_origin;
        add_header Access-Control-Allow-Credentials true;
        location /uploads/ { autoindex on; }
        location = /nginx_status { stub_status; }
"#;

const NGINX_WELL: &str = r#"
        server_tokens off;
        add_header Content-Security-Policy "default-src 'self'; frame-ancestors 'none'" always;
        add_header X-Content-Type-Options nosniff always;
        add_header Referrer-Policy no-referrer always;
        add_header Set-Cookie "session=abc; Path=/; Secure; HttpOnly; SameSite=Lax";
        location ~ /\. { return 404; }
        location ~ (~|\.(bak|old|sql|zip|gz))$ { return 404; }
        location = /nginx_status { stub_status; deny all; }
"#;

/// The configuration of a single-page application: every unknown path returns the page.
const NGINX_ONE_PAGE: &str = r#"
        server_tokens off;
        add_header Content-Security-Policy "default-src 'self'; frame-ancestors 'none'" always;
        add_header X-Content-Type-Options nosniff always;
        add_header Referrer-Policy no-referrer always;
        location / { try_files $uri /index.html; }
"#;

/// Headers that make sense only over TLS.
const TLS_BESIDES: &str = r#"        add_header Strict-Transport-Security "max-age=31536000" always;
"#;

const FLASK_BADLY: &str = r##"
from flask import Flask, jsonify, make_response, request

app = Flask(__name__)


@app.get("/")
def index():
    page = make_response(f"<html><title>Orders</title>Order {int(request.args.get('id', '7'))}</html>")
    page.set_cookie("session", "correct-horse-battery")
    page.headers["Access-Control-Allow-Origin"] = request.headers.get("Origin", "*")
    return page


@app.get("/openapi.json")
def description():
    return jsonify(openapi="3.1.0", info={"title": "Orders", "version": "1"}, paths={"/": {"get": {}}})


@app.get("/metrics")
def metrics():
    return "# HELP orders Orders.\n# TYPE orders counter\norders 7\n", {"content-type": "text/plain"}


@app.get("/.env")
def env():
    return "APP_SECRET=correct-horse-battery\nDEBUG=1\n", {"content-type": "text/plain"}
"##;

/// The same application with checked input and correct headers, and without extra pages.
const FLASK_WELL: &str = r#"
from flask import Flask, make_response, request

app = Flask(__name__)


@app.get("/")
def index():
    number = request.args.get("id", 7, type=int)
    page = make_response(f"<html><title>Orders</title>Order {number}</html>")
    page.set_cookie("session", "abc", secure=True, httponly=True, samesite="Lax")
    return page


@app.after_request
def headers(page):
    page.headers["Content-Security-Policy"] = "default-src 'self'; frame-ancestors 'none'"
    page.headers["X-Content-Type-Options"] = "nosniff"
    page.headers["Referrer-Policy"] = "no-referrer"
    return page
"#;

fn planted() -> Vec<(&'static str, Vec<u8>)> {
    let text = |text: &str| text.replace("SECRET", SECRET).into_bytes();
    vec![
        ("index.html", text("<html><title>Shop</title>Welcome.</html>")),
        (".git/HEAD", text("ref: refs/heads/main\n")),
        (".git/config", text("[core]\n\trepositoryformatversion = 0\n[remote \"origin\"]\n\turl = https://shop:SECRET@git.test/shop\n")),
        (".env", text("APP_KEY=SECRET\nDB_PASSWORD=SECRET\n")),
        (".DS_Store", b"\0\0\0\x01Bud1\0\0\x10\0".to_vec()),
        ("config.php~", text("<?php $password = 'SECRET';\n")),
        ("backup.zip", [b"PK\x03\x04".to_vec(), vec![7; 100_000]].concat()),
        ("dump.sql", text("-- MySQL dump 10.13\nINSERT INTO users VALUES ('SECRET');\n")),
        ("uploads/invoice.pdf", text("%PDF")),
    ]
}

/// Probes one server with a grant of these paths.
async fn probe_within(host: &TestHost, port: u16, paths: &[&str], more: &Value) -> (RunReport, Vec<Record>) {
    let wasm = std::fs::read(agent("exposure-probe")).unwrap();
    let mut order = host.order_of("exposure-probe", &wasm, &[]);
    let mut input = json!({ "targets": [format!("http://127.0.0.1:{port}/")], "per-second": 0 });
    input.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    order.input = input.to_string();
    loopback(&mut order.grants, port, &["GET"], paths);
    let report = host.run(order).await;
    assert_eq!(report.outcome, Outcome::Done, "{report:?}");
    let records = host.records(report.run);
    (report, records)
}

/// The same with everything granted.
async fn probe(host: &TestHost, app: &App, more: &Value) -> (RunReport, Vec<Record>) {
    probe_within(host, app.port(), &["/**"], more).await
}

/// Probes the server of this name, with the scheme of the URL. Everything at this port is granted, and this certificate authority is
/// trusted.
async fn probe_named(host: &TestHost, url: &str, port: u16, root: &[u8]) -> (RunReport, Vec<Record>) {
    let names = NameServer::answering(|name| if name == NAME { vec![Ipv4Addr::LOCALHOST.into()] } else { Vec::new() }).await;
    let wasm = std::fs::read(agent("exposure-probe")).unwrap();
    let mut order = host.order_of("exposure-probe", &wasm, &[]);
    order.input = json!({ "targets": [format!("{url}:{port}/")], "per-second": 0 }).to_string();
    order.network = run::NetworkOrder { resolvers: vec![names.address], roots: vec![root.to_vec()] };
    loopback(&mut order.grants, port, &["GET"], &["/**"]);
    let grant = order.grants.http.last_mut().unwrap();
    grant.scheme = if url.starts_with("https:") { vocabulary::Scheme::Https } else { vocabulary::Scheme::Http };
    grant.host = NAME.parse().unwrap();
    grant.addresses = vec!["127.0.0.1/32".parse().unwrap()];
    let report = host.run(order).await;
    assert_eq!(report.outcome, Outcome::Done, "{report:?}");
    let records = host.records(report.run);
    (report, records)
}

fn rules(findings: &[Finding]) -> BTreeSet<&str> {
    findings.iter().map(|finding| finding.rule.as_str()).collect()
}

/// The agent's output for its one target.
fn target(report: &RunReport) -> Value {
    report.claims.output.as_ref().unwrap()["targets"][0].clone()
}

/// Checks that neither the report nor the record repeats the password.
fn assert_secret_stays(host: &TestHost, report: &RunReport) {
    assert!(!serde_json::to_string(&json!({ "claims": report.claims, "evidence": report.evidence })).unwrap().contains(SECRET));
    let reader = journal::Reader::open(&host.place().home).unwrap();
    for record in reader.of_run(report.run) {
        let body = String::from_utf8(record.unwrap().body).unwrap();
        assert!(!body.contains(SECRET), "{body}");
    }
}

/// A line of a server's log without the values in its query, which the record does not have.
fn without_values(line: &str) -> String {
    let mut words: Vec<String> = line.split(' ').map(str::to_owned).collect();
    if let Some((path, query)) = words[1].split_once('?') {
        let names: Vec<_> = query.split('&').map(|pair| pair.split('=').next().unwrap_or_default()).collect();
        words[1] = format!("{path}?{}", names.join("&"));
    }
    words.join(" ")
}

/// Checks that the record, the server's log, `touched` and the agent's own count agree, and that all requests were GET.
fn assert_recorded(report: &RunReport, records: &[Record], log: &[String]) {
    let sorted = |mut lines: Vec<String>| {
        lines.sort();
        lines
    };
    let log = sorted(log.iter().map(|line| without_values(line)).collect());
    assert_eq!(sorted(log_lines(records)), log);
    assert!(log.iter().all(|line| line.starts_with("GET /")));
    assert_eq!((refused(records).count(), codes(records).len()), (0, 0));
    let count = log.len() as u64;
    assert_eq!(report.evidence.touched.http.iter().map(|line| line.asked).sum::<u64>(), count);
    assert_eq!(report.claims.output.as_ref().unwrap()["asked"], json!(count));
}

async fn assert_rebuilt(host: &TestHost, report: &RunReport) {
    let rebuilt = host.house.rebuild(&Rebuilding { run: report.run, with: None }).await.unwrap();
    assert!(rebuilt.divergence.is_none(), "{:?}", rebuilt.divergence);
}

/// Files by their name beneath the root of a server.
fn borrowed<'a>(files: &'a [(&'static str, Vec<u8>)]) -> Vec<(&'static str, &'a [u8])> {
    files.iter().map(|(name, content)| (*name, content.as_slice())).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_fault_of_a_badly_set_up_nginx_is_found_and_its_log_is_the_record() {
    let files = planted();
    let Some(app) = App::nginx(NGINX_BADLY, &borrowed(&files)) else { return };
    let host = TestHost::new();
    let (report, records) = probe(&host, &app, &json!({})).await;
    let expected = [
        "backup-archive",
        "content-security-policy",
        "content-type-options",
        "cookie-http-only",
        "cookie-same-site",
        "cors-with-credentials",
        "database-dump",
        "directory-listing",
        "ds-store",
        "env-file",
        "frame-options",
        "git-folder",
        "nginx-status",
        "referrer-policy",
        "source-backup",
        "version-header",
    ];
    assert_eq!(rules(&report.claims.findings), BTreeSet::from(expected));
    assert_eq!((&target(&report)["soft_404"], &target(&report)["undecided"]), (&json!(false), &json!({})));
    let severity: BTreeMap<_, _> = report.claims.findings.iter().map(|finding| (finding.rule.as_str(), finding.severity)).collect();
    assert_eq!(
        (severity["env-file"], severity["git-folder"], severity["nginx-status"]),
        (Severity::Critical, Severity::High, Severity::Low)
    );
    let env = report.claims.findings.iter().find(|finding| finding.rule.as_str() == "env-file").unwrap();
    assert_eq!(env.excerpt.as_ref().unwrap().as_str(), "/.env: sets APP_KEY, DB_PASSWORD");
    assert_eq!(env.location.as_ref().unwrap().uri.as_str(), app.url("/.env"));
    assert_eq!(env.taxa.iter().map(vocabulary::SafeText::as_str).collect::<Vec<_>>(), ["cwe:CWE-538"]);
    assert_secret_stays(&host, &report);
    assert_rebuilt(&host, &report).await;
    assert_recorded(&report, &records, &app.stop());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_at_a_time_the_log_of_nginx_is_the_record_in_its_order() {
    let files = planted();
    let Some(app) = App::nginx(NGINX_BADLY, &borrowed(&files)) else { return };
    let host = TestHost::new();
    let (report, records) = probe(&host, &app, &json!({ "in-flight": 1, "groups": ["vcs", "secrets", "backups"] })).await;
    assert_eq!(
        rules(&report.claims.findings),
        BTreeSet::from(["backup-archive", "database-dump", "env-file", "git-folder", "source-backup"])
    );
    assert_eq!(log_lines(&records), app.stop());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_files_behind_a_well_set_up_nginx_are_no_finding() {
    let files = planted();
    let Some(app) = App::nginx(NGINX_WELL, &borrowed(&files)) else { return };
    let host = TestHost::new();
    let (report, records) = probe(&host, &app, &json!({})).await;
    assert_eq!(report.claims.findings, []);
    assert_eq!((&target(&report)["soft_404"], &target(&report)["undecided"]), (&json!(false), &json!({})));
    assert_recorded(&report, &records, &app.stop());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn over_tls_what_only_tls_can_have_wrong_is_found_and_what_is_well_is_no_finding() {
    let (files, authority) = (planted(), Authority::new());
    let certified = authority.certifies(NAME, false);
    let well = format!("{NGINX_WELL}{TLS_BESIDES}");
    for (server, expected) in [(NGINX_BADLY, vec!["cookie-secure", "hsts"]), (&*well, Vec::new())] {
        let Some(app) = App::nginx_tls(server, &borrowed(&files), &certified) else { return };
        let host = TestHost::new();
        let (report, records) = probe_named(&host, &format!("https://{NAME}"), app.port(), &authority.root()).await;
        let found = rules(&report.claims.findings);
        assert!(expected.iter().all(|rule| found.contains(rule)), "{found:?}");
        assert_eq!(found.is_empty(), expected.is_empty(), "{found:?}");
        assert_eq!((&target(&report)["soft_404"], &target(&report)["undecided"]), (&json!(false), &json!({})));
        assert_secret_stays(&host, &report);
        assert_recorded(&report, &records, &app.stop());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clear_text_is_a_finding_unless_it_leads_to_tls() {
    let files = planted();
    let leads_on = "        server_tokens off;\n        location / { return 301 https://$host/; }\n";
    for (server, is_found) in [(NGINX_WELL, true), (leads_on, false)] {
        let Some(app) = App::nginx(server, &borrowed(&files)) else { return };
        let host = TestHost::new();
        let (report, _) = probe_named(&host, &format!("http://{NAME}"), app.port(), &Authority::new().root()).await;
        let expected = if is_found { BTreeSet::from(["tls-redirect"]) } else { BTreeSet::new() };
        assert_eq!(rules(&report.claims.findings), expected);
    }
}

/// Nothing is asked of a server without a valid certificate, and all checks of it are undecided.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn behind_a_certificate_that_does_not_hold_nothing_is_asked_and_nothing_is_found() {
    let (files, authority) = (planted(), Authority::new());
    let cases = [Authority::new().certifies(NAME, false), authority.certifies("other.test", false), authority.certifies(NAME, true)];
    for certified in cases {
        let Some(app) = App::nginx_tls(NGINX_BADLY, &borrowed(&files), &certified) else { return };
        let host = TestHost::new();
        let (report, _) = probe_named(&host, &format!("https://{NAME}"), app.port(), &authority.root()).await;
        assert_eq!(report.claims.findings, []);
        let undecided = target(&report)["undecided"].as_object().unwrap().keys().cloned().collect::<Vec<_>>();
        assert_eq!(undecided, ["unreachable"]);
        let touched = &report.evidence.touched.http;
        assert!(!touched.is_empty() && touched.iter().all(|http| http.statuses.is_empty() && http.failed > 0), "{report:?}");
        // The server was reached: nginx logs its client's TLS alert about the certificate.
        let said = app.said();
        assert!(said.contains("SSL_do_handshake() failed") || said.contains("alert"), "{said}");
        assert_eq!(app.stop_unasked(), Vec::<String>::new());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_application_that_answers_every_path_with_its_page_is_said_to_and_has_no_finding() {
    let files = planted();
    let Some(app) = App::nginx(NGINX_ONE_PAGE, &borrowed(&files[..1])) else { return };
    let host = TestHost::new();
    let (report, records) = probe(&host, &app, &json!({})).await;
    assert_eq!(report.claims.findings, []);
    assert_eq!(target(&report)["soft_404"], json!(true));
    drop(records);
    // A file that exists still stands out.
    let Some(app) = App::nginx(NGINX_ONE_PAGE, &borrowed(&files)) else { return };
    let (report, _) = probe(&host, &app, &json!({ "groups": ["vcs", "secrets"] })).await;
    assert_eq!(rules(&report.claims.findings), BTreeSet::from(["env-file", "git-folder"]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_fault_of_an_application_with_its_debugger_on_is_found() {
    let Some(app) = App::flask(FLASK_BADLY, true) else { return };
    let host = TestHost::new();
    let (report, records) = probe(&host, &app, &json!({})).await;
    let expected = [
        "content-security-policy",
        "content-type-options",
        "cookie-http-only",
        "cookie-same-site",
        "cors-reflects-origin",
        "debug-page",
        "env-file",
        "frame-options",
        "openapi-description",
        "prometheus-metrics",
        "referrer-policy",
        "version-header",
        "werkzeug-console",
    ];
    assert_eq!(rules(&report.claims.findings), BTreeSet::from(expected), "{}", app.said());
    assert_eq!(target(&report)["undecided"], json!({}));
    assert_secret_stays(&host, &report);
    assert_rebuilt(&host, &report).await;
    assert_recorded(&report, &records, &app.stop());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_application_that_is_well_set_up_has_nothing_above_low() {
    let Some(app) = App::flask(FLASK_WELL, false) else { return };
    let host = TestHost::new();
    let (report, records) = probe(&host, &app, &json!({})).await;
    let above: Vec<_> = report.claims.findings.iter().filter(|finding| finding.severity > Severity::Low).collect();
    assert!(above.is_empty(), "{above:?}");
    assert_eq!(report.claims.findings, []);
    assert_eq!((&target(&report)["soft_404"], &target(&report)["undecided"]), (&json!(false), &json!({})));
    assert_recorded(&report, &records, &app.stop());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_granted_is_not_asked_for_and_is_said() {
    let files = planted();
    let Some(app) = App::nginx(NGINX_BADLY, &borrowed(&files)) else { return };
    let host = TestHost::new();
    let (report, records) = probe_within(&host, app.port(), &["/.git/**"], &json!({ "groups": ["vcs", "secrets"] })).await;
    // The files exist, but no random path beside them is granted: nothing can be confirmed, so nothing is reported.
    assert_eq!(report.claims.findings, []);
    let undecided = target(&report)["undecided"].clone();
    assert_eq!(undecided["unconfirmed"], json!(["git-folder"]));
    assert!(undecided["refused"].as_array().unwrap().contains(&json!("env-file")), "{undecided}");
    assert_eq!(target(&report)["refused"], json!(codes(&records).len()));
    let log = app.stop();
    assert!(log.iter().all(|line| line.starts_with("GET /.git/")), "{log:?}");
    assert_eq!(log_lines(&records).len(), log.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn servers_that_send_on_for_ever_flood_or_fall_silent_end_in_a_word_of_their_own() {
    let host = TestHost::new();
    let secrets = json!({ "groups": ["secrets"], "timeout-ms": 500 });
    let sends_on = |path: &str| format!("HTTP/1.1 302 Found\r\nlocation: {}/a/\r\ncontent-length: 0\r\n\r\n", path.trim_end_matches('/'));
    let server = Server::answering(move |_, heard| vec![Step::Say(sends_on(&heard.path).into_bytes())]).await;
    let (report, _) = probe_within(&host, server.port(), &["/**"], &secrets).await;
    assert_eq!(target(&report)["undecided"], json!({ "redirect-loop": ["credential-file", "env-file"] }));
    assert_eq!(target(&report)["asked"], json!(server.heard().len()));

    // The agent reads the body up to its bound, and then closes the connection.
    let flood = vec![Step::Say(CHUNKED.to_vec()), Step::Flood(chunk(&b"A_KEY=1\n".repeat(1000)))];
    let server = Server::doing(flood).await;
    let (report, _) = probe_within(&host, server.port(), &["/**"], &json!({ "groups": ["secrets"] })).await;
    assert_eq!(report.claims.findings, []);
    assert_eq!(target(&report)["undecided"], json!({ "soft-404": ["env-file"] }));

    // Each request has its time-out, and after a few time-outs the target is given up.
    let server = Server::doing(vec![Step::Say(CHUNKED.to_vec()), Step::Hang]).await;
    let (report, _) = probe_within(&host, server.port(), &["/**"], &secrets).await;
    assert_eq!(target(&report)["undecided"], json!({ "timed-out": ["credential-file", "env-file"] }));
    assert!(server.heard().len() < 10, "{}", server.heard().len());
}
