//! Requests of an agent to a real nginx, whose log must agree with the record.

use std::net::IpAddr;

use run::{RunOrder, RunReport};
use tests::apps::App;
use tests::host::{TestHost, loopback};
use tests::names::NameServer;
use tests::seen::{answered, asked, codes, lines, log_lines, refused};
use tests::server::{Server, Step, response};
use vocabulary::Outcome;
use vocabulary::record::{AnswerClass, Record};

/// Runs an order that must succeed; returns its report and its records.
async fn done(host: &TestHost, order: RunOrder) -> (RunReport, Vec<Record>) {
    let report = host.run(order).await;
    assert_eq!(report.outcome, Outcome::Done, "{report:?}");
    let records = host.records(report.run);
    (report, records)
}

/// A line of nginx's log without the values in its query, which the record does not have.
fn without_values(line: &str) -> String {
    let mut words: Vec<String> = line.split(' ').map(str::to_owned).collect();
    if let Some((path, query)) = words[1].split_once('?') {
        let names: Vec<_> = query.split('&').map(|pair| pair.split('=').next().unwrap_or_default()).collect();
        words[1] = format!("{path}?{}", names.join("&"));
    }
    words.join(" ")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_log_of_nginx_and_the_record_agree_line_by_line() {
    let large = vec![b'x'; 300_000];
    let files: Vec<String> = (0..20).map(|n| n.to_string()).collect();
    let mut all: Vec<(&str, &[u8])> = vec![("a", b"alpha"), ("large", &large)];
    all.extend(files.iter().map(|name| (name.as_str(), &large[..name.parse::<usize>().unwrap() * 1000])));
    let Some(nginx) = App::nginx_public(&all) else { return };
    let host = TestHost::new();
    let (mut recorded, mut touched) = (Vec::new(), Vec::new());

    let paths = ["/public/a", "/public/large", "/public/missing", "/public/a?page=2&token=abc", "/public/a", "/public/moved"];
    let urls: Vec<String> = paths.iter().map(|path| nginx.url(path)).collect();
    let urls: Vec<&str> = urls.iter().map(String::as_str).collect();
    let base = nginx.url("/public");
    for (guest, args) in [("get", urls.as_slice()), ("post", &[&nginx.url("/posted"), "a body"]), ("many_gets", &[&base, "20", "5"])] {
        let mut order = host.order(guest, args);
        loopback(&mut order.grants, nginx.port(), &["GET", "POST"], &["/public/**", "/posted"]);
        let (report, records) = done(&host, order).await;
        recorded.push(log_lines(&records));
        touched.extend(report.evidence.touched.http);
        assert!(report.evidence.touched.refused.is_empty());
    }
    let port = nginx.port();
    let log: Vec<String> = nginx.stop().iter().map(|line| without_values(line)).collect();

    let (in_turn, at_once) = log.split_at(paths.len() + 1);
    assert_eq!(in_turn, [recorded[0].clone(), recorded[1].clone()].concat());
    let sorted = |lines: &[String]| {
        let mut lines = lines.to_vec();
        lines.sort();
        lines
    };
    // With several in flight the order may differ, but the requests are the same.
    assert_eq!(sorted(at_once), sorted(&recorded[2]));
    assert_eq!(at_once.len(), 20);

    // `touched` is the sum of the same lines.
    for line in &touched {
        let http = line.resource.http().unwrap();
        let (method, path, query) = (&http.method, &http.path, http.query.as_ref());
        let path = query.map_or_else(|| path.to_string(), |query| format!("{path}?{query}"));
        assert!(http.is_at(&format!("127.0.0.1:{port}")), "{http}");
        let seen: Vec<_> = log.iter().filter(|seen| seen.starts_with(&format!("{method} {path} "))).collect();
        let bytes: u64 = seen.iter().map(|seen| seen.rsplit(' ').next().unwrap().parse::<u64>().unwrap()).sum();
        assert_eq!((line.asked, line.bytes, line.failed, line.unknown), (seen.len() as u64, bytes, 0, 0), "{line:?}");
        assert_eq!(line.statuses.values().sum::<u64>(), line.asked);
        assert_eq!(line.peers, [format!("127.0.0.1:{port}")]);
    }
    assert_eq!(touched.iter().map(|line| line.asked).sum::<u64>(), log.len() as u64);
}

/// Checks that all asks of these guests are refused, each with one record, and that only `/public/a` ever reached nginx.
async fn all_refused(cases: &[(&str, Vec<String>, usize)], paths: &[&str]) -> Vec<(String, String)> {
    let Some(nginx) = App::nginx_public(&[("a", b"alpha")]) else { return Vec::new() };
    let host = TestHost::new();
    let mut all = Vec::new();
    for (guest, args, asks) in cases {
        let args: Vec<String> = args.iter().map(|arg| arg.replace("PORT", &nginx.port().to_string())).collect();
        let mut order = host.order(guest, &args.iter().map(String::as_str).collect::<Vec<_>>());
        loopback(&mut order.grants, nginx.port(), &["GET"], paths);
        let (report, records) = done(&host, order).await;
        assert_eq!(asked(&records).count(), 0, "{guest} {args:?}: {:?}", log_lines(&records));
        assert_eq!(refused(&records).count(), *asks, "{guest} {args:?}: {:?}", codes(&records));
        assert_eq!(report.evidence.touched.totals.refusals, *asks as u64);
        assert_eq!(lines(&report).iter().filter(|line| line["answer"]["status"].is_number()).count(), 0, "{guest} {args:?}");
        all.extend(refused(&records).map(|refused| (refused.ask.resource.to_string(), refused.reason.code().to_owned())));
    }
    // The control: a granted request reaches nginx.
    let mut order = host.order("get", &[&nginx.url("/public/a")]);
    loopback(&mut order.grants, nginx.port(), &["GET"], paths);
    let (_, records) = done(&host, order).await;
    assert_eq!(log_lines(&records), ["GET /public/a 200 5"]);
    assert_eq!(nginx.stop(), ["GET /public/a 200 5"]);
    all
}

fn owned(args: &[&str]) -> Vec<String> {
    args.iter().map(|arg| (*arg).to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn methods_paths_and_ports_that_are_not_granted_never_reach_the_server() {
    let url = "http://127.0.0.1:PORT/public/a";
    let mut cases: Vec<(&str, Vec<String>, usize)> =
        ["POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS", "CONNECT", "TRACE", "PURGE", "get", "GET /secret", "G\r\nET"]
            .iter()
            .map(|method| ("post", owned(&[url, "body", method]), 1))
            .collect();
    let paths = [
        "/secret",
        "/",
        "/publicity",
        "/PUBLIC/a",
        "/public/../secret",
        "/public/%2e%2e/secret",
        "/public/.%2E/secret",
        "/public/..;/secret",
        "/public/%252e%252e/secret",
        "/public%2f..%2fsecret",
        "/public/..%5csecret",
        "/public/./a",
        "//public/a",
        "/public//a",
        "/public/a%00",
        "/public/a#b",
        "/public/\\..\\secret",
        "?/public/a",
    ];
    cases.push(("get", paths.iter().map(|path| format!("http://127.0.0.1:PORT{path}")).collect(), paths.len()));
    cases.push(("get", owned(&["https://127.0.0.1:PORT/public/a", "ftp://127.0.0.1:PORT/public/a", "http://127.0.0.1/public/a"]), 3));
    all_refused(&cases, &["/public/**"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn other_spellings_of_a_host_never_reach_the_server() {
    let hosts = [
        "-",
        "localhost:PORT",
        "localhost.:PORT",
        "127.1:PORT",
        "127.0.1:PORT",
        "0x7f.1:PORT",
        "0x7f000001:PORT",
        "2130706433:PORT",
        "0177.0.0.1:PORT",
        "127.0.0.01:PORT",
        "127.0.0.1.:PORT",
        "127.0.0.1.nip.test:PORT",
        "0:PORT",
        "0.0.0.0:PORT",
        "[::]:PORT",
        "[::1]:PORT",
        "[::ffff:127.0.0.1]:PORT",
        "[::127.0.0.1]:PORT",
        "[64:ff9b::7f00:1]:PORT",
        "[::1%25lo]:PORT",
        "127.0.0.1:PORT@evil.test",
        "good@127.0.0.1:PORT",
        "good:pass@127.0.0.1:PORT",
        "127.0.0.1:PORT/x",
        "127.0.0.1\\@evil.test:PORT",
        "127.0.0.1:PORT#",
        "127.0.0.1:PORT?",
        " 127.0.0.1:PORT",
        "127.0.0.1 :PORT",
        "127.0.0.1\t:PORT",
        "127.0.0.1:PORT\r\nx: y",
        "127.0.0.1%00:PORT",
        "127。0。0。1:PORT",
        "１２７.0.0.1:PORT",
        "127.0.0.1:0PORT",
        "127.0.0.1:+PORT",
        "127.0.0.1:PORT:PORT",
        "127.0.0.1:",
        "127.0.0.1:65537",
        "https:127.0.0.1:PORT",
        "127.0.0.2:PORT",
    ];
    let all = all_refused(&[("asks_odd_hosts", owned(&hosts), hosts.len())], &["/**"]).await;
    let codes: std::collections::BTreeSet<_> = all.iter().map(|(_, code)| code.as_str()).collect();
    let expected = ["host-not-granted", "malformed", "port-not-granted", "scheme-not-granted"];
    assert!(codes.iter().all(|code| expected.contains(code)), "{codes:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn headers_that_are_the_hosts_never_reach_the_server() {
    let headers = [
        "authorization: Bearer x",
        "AUTHORIZATION: Basic x",
        "cookie: a=b",
        "Cookie2: a=b",
        "proxy-authorization: Basic x",
        "proxy-connection: keep-alive",
        "Proxy-Anything: x",
        "host: evil.test",
        "Host: 127.0.0.1",
        "connection: close",
        "keep-alive: timeout=5",
        "transfer-encoding: chunked",
        "Transfer-Encoding: identity",
        "te: trailers",
        "trailer: x",
        "upgrade: h2c",
        "http2-settings: AAMAAABkAAQAoAAAAAIAAAAA",
        "expect: 100-continue",
        "via: 1.1 x",
        "forwarded: for=127.0.0.1",
        "x-forwarded-for: 127.0.0.1",
        "x-real-ip: 127.0.0.1",
        "content-length: 5",
        "content-length: +0",
        "content-length: 00",
        "content-length: 0|content-length: 0",
        "content-length: 0|transfer-encoding: chunked",
        "x-fine: yes|authorization: Bearer x",
        "bailiwick-run: x",
    ];
    let mut args = vec!["http://127.0.0.1:PORT/public/a".to_owned()];
    args.extend(owned(&headers));
    let all = all_refused(&[("sets_forbidden_headers", args, headers.len())], &["/public/**"]).await;
    assert!(all.iter().all(|(_, code)| code == "header-not-yours"), "{all:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn grants_that_lead_to_a_metadata_service_start_nothing() {
    let host = TestHost::new();
    let hosts = [
        "169.254.169.254",
        "169.254.170.2",
        "100.100.100.200",
        "168.63.129.16",
        "192.0.0.192",
        "[fd00:ec2::254]",
        "[fd00:c1::a9fe:a9fe]",
        "[::ffff:169.254.169.254]",
        "[64:ff9b::a9fe:a9fe]",
        "[2002:a9fe:a9fe::1]",
        "metadata.google.internal",
        "metadata",
        "instance-data.ec2.internal",
    ];
    let mut order = host.order("asks_odd_hosts", &hosts);
    loopback(&mut order.grants, 80, &["GET"], &["/**"]);
    let template = order.grants.http.remove(0);
    let granted = |host: &str, addresses: Vec<&str>| {
        let addresses = addresses.into_iter().map(|net| net.parse().unwrap()).collect();
        vocabulary::HttpGrant { host: host.parse().unwrap(), addresses, ..template.clone() }
    };
    let wide = ["0.0.0.0/0", "::/0", "169.254.0.0/16", "64:ff9b::/96"].map(|net| granted("a.test", vec![net]));
    for grant in hosts.map(|host| granted(host, Vec::new())).into_iter().chain(wide) {
        let mut order = order.clone();
        order.grants.http.push(grant.clone());
        let Err(err) = host.house.start(order, run::own_principal()).await else { panic!("{grant:?}") };
        assert_eq!(err.exit(), 2, "{}", err.chain());
        assert!(matches!(err, run::RunError::Grant(_)), "{}", err.chain());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn metadata_services_are_never_asked_whatever_is_granted() {
    let names = NameServer::answering(|_| vec![IpAddr::from([169, 254, 169, 254])]).await;
    let host = TestHost::new();
    let hosts = ["metadata.google.internal", "instance-data.ec2.internal"];
    let mut order = host.order("asks_odd_hosts", &hosts);
    order.network.resolvers = vec![names.address];
    loopback(&mut order.grants, 80, &["GET"], &["/**"]);
    let template = order.grants.http.remove(0);
    for granted in ["*.google.internal", "*.ec2.internal"] {
        let addresses = vec!["169.254.160.0/21".parse().unwrap()];
        order.grants.http.push(vocabulary::HttpGrant { host: granted.parse().unwrap(), addresses, ..template.clone() });
    }
    let (_, records) = done(&host, order).await;
    assert_eq!(codes(&records), vec!["address-never"; hosts.len()]);
    assert_eq!(refused(&records).count(), hosts.len());
    assert_eq!(asked(&records).count(), 0);
    assert!(names.asked().is_empty(), "{:?}", names.asked());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_is_looked_up_only_where_it_is_granted_and_every_address_of_it_is_judged() {
    let names = NameServer::answering(|name| match name {
        "local.test" | "listed.test" => vec![IpAddr::from([127, 0, 0, 1])],
        "mixed.test" => vec![IpAddr::from([127, 0, 0, 1]), IpAddr::from([10, 0, 0, 1])],
        "meta.test" => vec![IpAddr::from([169, 254, 169, 254])],
        _ => Vec::new(),
    })
    .await;
    let server = Server::doing(vec![Step::Say(response(200, b"hello"))]).await;
    let host = TestHost::new();
    let asks = ["local.test", "mixed.test", "meta.test", "ungranted.test", "listed.test"];
    let args: Vec<String> = asks.iter().map(|name| format!("http://{name}:{}/", server.port())).collect();
    let mut order = host.order("get", &args.iter().map(String::as_str).collect::<Vec<_>>());
    order.network.resolvers = vec![names.address];
    loopback(&mut order.grants, server.port(), &["GET"], &["/**"]);
    let template = order.grants.http.remove(0);
    for (name, listed) in [
        ("local.test", None),
        ("mixed.test", Some("127.0.0.0/8")),
        ("meta.test", Some("169.254.160.0/21")),
        ("listed.test", Some("127.0.0.1/32")),
    ] {
        let addresses = listed.into_iter().map(|net| net.parse().unwrap()).collect();
        order.grants.http.push(vocabulary::HttpGrant { host: name.parse().unwrap(), addresses, ..template.clone() });
    }
    let (report, records) = done(&host, order).await;
    let outcomes: Vec<_> =
        answered(&records).map(|answered| (answered.class(), answered.reason.as_ref().map(vocabulary::Reason::code))).collect();
    let bad = |code| (AnswerClass::RefusedAddress, Some(code));
    assert_eq!(outcomes, [bad("address-not-granted"), bad("address-not-granted"), bad("address-never"), (AnswerClass::Response, None)]);
    assert_eq!(codes(&records), ["host-not-granted"]);
    assert_eq!(report.evidence.touched.totals.refusals, 4);
    assert!(!names.asked().iter().any(|name| name.contains("ungranted")), "{:?}", names.asked());
    assert_eq!((server.counts().accepted, server.heard().len()), (1, 1));
    // The guest can't tell which of them exist: it gets the same error for all.
    let told: Vec<_> = lines(&report).iter().map(|line| line["answer"]["err"].as_str().map(str::to_owned)).collect();
    assert_eq!(told[0], told[1]);
    assert_eq!(told[0], told[2]);
    assert_eq!(told[4], None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redirect_is_shown_and_not_followed() {
    let Some(nginx) = App::nginx_public(&[]) else { return };
    let host = TestHost::new();
    let mut order = host.order("get", &[&nginx.url("/public/moved")]);
    loopback(&mut order.grants, nginx.port(), &["GET"], &["/**"]);
    let (report, _) = done(&host, order).await;
    assert_eq!(lines(&report)[0]["answer"]["status"], 302);
    let log = nginx.stop();
    assert_eq!(log.len(), 1, "{log:?}");
    assert!(log[0].starts_with("GET /public/moved 302 "), "{log:?}");
}
