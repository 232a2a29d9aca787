//! Holes that were found in credential brokers, in their filters and in their records.

use std::collections::BTreeSet;
use std::net::IpAddr;

use serde_json::{Value, json};
use tests::host::{TestHost, loopback, mount};
use tests::names::NameServer;
use tests::seen::{answered, asked, codes, faults, lines, received};
use tests::server::{CHUNKED, Server, Step, chunk};
use vocabulary::record::Asked;
use vocabulary::{HttpFault, HttpGrant, Method, Placement, Scheme};

use super::{VALUE, asking, reasons, request, well, with_credential};
use crate::ending::done;

/// A name of the attacker that resolves to an address of the private network, without a permission for it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_private_address_is_not_dialled_unless_it_is_listed() {
    let host = TestHost::new();
    let server = well().await;
    let names = NameServer::answering(|_| vec![IpAddr::from([127, 0, 0, 1])]).await;
    for (listed, expected) in [(None, vec!["address-not-granted"]), (Some("127.0.0.1/32"), Vec::new())] {
        let mut order = host.order("get", &[&format!("http://inside.test:{}/", server.port())]);
        order.network.resolvers = vec![names.address];
        loopback(&mut order.grants, server.port(), &["GET"], &["/**"]);
        order.grants.http[0].host = "inside.test".parse().unwrap();
        order.grants.http[0].addresses = listed.into_iter().map(|net| net.parse().unwrap()).collect();
        let report = done(&host, order).await;
        assert_eq!(reasons(&host.records(report.run)), expected);
        assert_eq!(server.counts().accepted, usize::from(listed.is_some()));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_no_grant_covers_is_refused_and_not_forwarded() {
    let host = TestHost::new();
    let server = well().await;
    let urls = [server.url("/secret"), server.url("/public/a"), format!("http://127.0.0.2:{}/public/a", server.port())];
    let mut order = host.order("get", &urls.iter().map(String::as_str).collect::<Vec<_>>());
    let report = done(&host, order.clone()).await;
    assert_eq!(reasons(&host.records(report.run)), ["nothing-granted"; 3]);
    assert_eq!(server.counts().accepted, 0);
    loopback(&mut order.grants, server.port(), &["GET"], &["/public/**"]);
    let report = done(&host, order).await;
    assert_eq!(reasons(&host.records(report.run)), ["path-not-granted", "host-not-granted"]);
    assert_eq!(server.heard().iter().map(|heard| heard.path.as_str()).collect::<Vec<_>>(), ["/public/a"]);
}

/// The record has as many requests as were asked, and as many as the server received: none is left out because there are many.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_ten_thousand_asks_at_once_each_is_on_the_record() {
    const ASKS: usize = 10_000;
    let host = TestHost::new();
    let server = well().await;
    for granted in [false, true] {
        let mut order = host.order("many_gets", &[&server.url("/public"), &ASKS.to_string(), "500"]);
        order.limits.concurrent = 1000;
        order.limits.handles = 100_000;
        if granted {
            loopback(&mut order.grants, server.port(), &["GET"], &["/public/*"]);
        }
        let records = host.records(done(&host, order).await.run);
        if !granted {
            // Similar refusals are counted after the first hundred, and the count includes all of them.
            assert_eq!((codes(&records).len(), asked(&records).count(), server.counts().accepted), (ASKS, 0, 0));
            continue;
        }
        let resources: BTreeSet<_> = asked(&records).map(|asked| asked.ask.resource.to_string()).collect();
        let heard: BTreeSet<_> = server.heard().into_iter().map(|heard| format!("GET {}", server.url(&heard.path))).collect();
        assert_eq!((asked(&records).count(), answered(&records).count(), received(&records).count()), (ASKS, ASKS, ASKS));
        assert!(resources.len() == ASKS && resources == heard, "{} and {}", resources.len(), heard.len());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_record_has_method_path_the_names_of_a_query_and_a_digest_of_all() {
    let host = TestHost::new();
    let server = well().await;
    let asks = ["/a?page=2&token=hidden-1", "/a?page=2&token=hidden-2", "/b"].map(|path| request(&server, path));
    let mut asks = asks.to_vec();
    for body in ["one", "other"] {
        let mut ask = request(&server, "/b");
        (ask["method"], ask["body"]) = (json!("POST"), json!(body));
        asks.push(ask);
    }
    let mut order = asking(&host, &asks);
    loopback(&mut order.grants, server.port(), &["GET", "POST"], &["/**"]);
    let records = host.records(done(&host, order).await.run);
    let asked: Vec<&Asked> = asked(&records).collect();
    let resources: Vec<_> = asked.iter().map(|asked| asked.ask.resource.to_string()).collect();
    let line = |method: &str, path: &str| format!("{method} {}", server.url(path));
    let query = line("GET", "/a?page&token");
    assert_eq!(resources, [query.clone(), query, line("GET", "/b"), line("POST", "/b"), line("POST", "/b")]);
    let digests: BTreeSet<_> = asked.iter().map(|asked| asked.params.to_string()).collect();
    assert_eq!(digests.len(), asks.len(), "the digest covers what the line leaves out");
}

/// A credential's value that the guest has obtained, in a part of a multipart form, and after more bytes than any filter buffers.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn parts_of_a_body_are_looked_at_like_all_of_it() {
    let asks = |server: &Server, found: &str| -> Vec<Value> {
        let multipart = format!(
            "--cut\r\ncontent-disposition: form-data; name=\"file\"; filename=\"a\"\r\ncontent-type: application/octet-stream\r\n\r\n{found}\r\n--cut--\r\n"
        );
        let mut ask = request(server, "/other");
        (ask["method"], ask["body"]) = (json!("POST"), json!(multipart));
        ask["headers"] = json!([["content-type", "multipart/form-data; boundary=cut"]]);
        vec![ask]
    };
    held_back("multipart", asks).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_secret_behind_padding_is_found_like_any_other() {
    let asks = |server: &Server, found: &str| -> Vec<Value> {
        let padded = |bytes: usize| {
            let mut ask = request(server, "/other");
            (ask["method"], ask["body"]) = (json!("POST"), json!(format!("{}{found}", "x".repeat(bytes))));
            ask
        };
        [(16 << 10) - 9, 16 << 10, (64 << 10) - 9, (1 << 20) - 9, (1 << 20) + 1, 2 << 20].map(padded).to_vec()
    };
    held_back("padding", asks).await;
}

/// Checks that each request is sent with stars in place of the part with the value, with the same length, and unchanged if it has other
/// text there.
async fn held_back(what: &str, asks: impl Fn(&Server, &str) -> Vec<Value>) {
    let host = TestHost::new();
    let server = well().await;
    let run = async |found: &str| {
        let asks = asks(&server, found);
        let mut order = asking(&host, &asks);
        with_credential(&host, &mut order, &server, "/in", Placement::Bearer);
        order.limits.value_hits = 1000;
        let records = host.records(done(&host, order).await.run);
        let met = records.iter().filter(|record| matches!(record, vocabulary::record::Record::ValueMet(_))).count();
        (reasons(&records), met, asks.len())
    };
    let length = |heard: &tests::server::Heard| (heard.head.len(), heard.body.len());
    let (refused, met, count) = run(VALUE).await;
    assert_eq!((refused, met, server.counts().heard), (Vec::new(), count, count), "{what}");
    let (refused, met, count) = run(&"y".repeat(VALUE.len())).await;
    assert_eq!((refused, met, server.counts().heard), (Vec::new(), 0, 2 * count), "{what}");
    let heard = server.heard();
    let (starred, plain) = heard.split_at(count);
    for (starred, plain) in starred.iter().zip(plain) {
        let sent = [starred.head.as_bytes(), &starred.body].concat();
        assert!(!sent.windows(VALUE.len()).any(|window| window == VALUE.as_bytes()), "{what}: {starred:?}");
        assert!(sent.windows(8).any(|window| window == b"********"), "{what}: {starred:?}");
        assert_eq!(length(starred), length(plain), "{what}: lengths reveal nothing");
    }
}

/// The bytes of every file of the record.
fn record_of(host: &TestHost) -> Vec<(String, Vec<u8>)> {
    let files = std::fs::read_dir(host.place().home.join("journal")).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = files.map(|path| (path.display().to_string(), std::fs::read(path).unwrap())).collect();
    files.sort();
    files
}

/// The record lies beside the mount, links lead to it, and the guest tries every write.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_guest_reads_the_record_changes_it_or_makes_it_begin_anew() {
    let host = TestHost::new();
    let tree = host.folder.path().join("tree");
    std::fs::create_dir(&tree).unwrap();
    std::os::unix::fs::symlink("../home/journal", tree.join("link")).unwrap();
    std::os::unix::fs::symlink(host.place().home, tree.join("whole")).unwrap();
    let first = done(&host, host.order("get", &["http://first.test/"])).await;
    let before: Vec<usize> = host.records(first.run).iter().map(|record| record.to_bytes().len()).collect();
    let mut order = host.order("escapes_mount", &["link", "link/.", "whole", "whole/journal", "../home/journal", "link/../../home"]);
    mount(&mut order, "/src", &tree);
    let report = done(&host, order).await;
    let opened = lines(&report).iter().filter(|line| ["open", "follow", "directory"].iter().any(|way| line[way]["ok"].is_object())).count();
    assert_eq!((lines(&report).len(), opened), (6, 0), "{:?}", lines(&report));
    let names: Vec<String> = record_of(&host).into_iter().map(|(name, _)| name).collect();
    let mut order = host.order("floods_log", &["20000", "64"]);
    order.limits.log_bytes = 8 << 20;
    let _ = host.run(order).await;
    let now = record_of(&host);
    assert!(names.iter().all(|name| now.iter().any(|(there, bytes)| there == name && !bytes.is_empty())), "{names:?}");
    let after: Vec<usize> = host.records(first.run).iter().map(|record| record.to_bytes().len()).collect();
    assert_eq!(after, before, "the earlier records are still there");
}

/// `ssrf` checks the same for each of its runs; this test is only about proxies, with the variables in every spelling.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn proxies_that_the_environment_names_are_not_used() {
    let (server, proxy) = (well().await, Server::doing(vec![Step::Close]).await);
    let grant = |port: u16| HttpGrant {
        addresses: Vec::new(),
        credential: None,
        headers: Vec::new(),
        host: "127.0.0.1".parse().unwrap(),
        methods: vec![Method::new("GET").unwrap()],
        paths: vec!["/**".parse().unwrap()],
        port: Some(port),
        scheme: Scheme::Http,
        until: None,
        within: vocabulary::HttpBounds::default(),
    };
    let grants = vocabulary::Grants { http: vec![grant(server.port()), grant(proxy.port())], ..vocabulary::Grants::default() };
    let program = tests::program::Program::new(&tests::program::config("get", &tests::guests::guest("get"), &grants));
    let mut command = program.command(&[], &["run", "get", "--trust", "--json", "--", &server.url("/a")]);
    for name in ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "FTP_PROXY", "http_proxy", "https_proxy", "all_proxy", "SOCKS_PROXY"] {
        command.env(name, proxy.url(""));
    }
    assert!(command.output().unwrap().status.success());
    assert_eq!((server.heard().len(), proxy.counts().accepted), (1, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_guest_sends_no_authorization_cookie_or_key_of_its_own() {
    let host = TestHost::new();
    let server = well().await;
    let names = ["authorization", "Cookie", "cookie2", "Proxy-Authorization", "x-api-key", "X-Api-Key", "x_api_key", "X-API_KEY"];
    let asks = names.map(|name| {
        let mut ask = request(&server, "/in");
        ask["headers"] = json!([[name, "mine"]]);
        ask
    });
    let mut order = asking(&host, &asks);
    let key = Placement::Header { name: "x-api-key".to_owned(), before: String::new(), after: String::new() };
    with_credential(&host, &mut order, &server, "/in", key);
    order.grants.http.truncate(1);
    let report = done(&host, order).await;
    assert_eq!(reasons(&host.records(report.run)), ["header-not-yours"; 8]);
    assert_eq!(server.counts().accepted, 0);
}

/// With default limits.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_has_an_end_though_nobody_set_one() {
    let host = TestHost::new();
    let server = Server::doing(vec![Step::Say(CHUNKED.to_vec()), Step::Flood(chunk(&[b'x'; 64 << 10]))]).await;
    let mut order = host.order("get", &[&server.url("/")]);
    loopback(&mut order.grants, server.port(), &["GET"], &["/**"]);
    let report = done(&host, order).await;
    assert_eq!(faults(&host.records(report.run)), [HttpFault::BodyTooLarge]);
}

/// Names from a hosts file, and a literal that a resolver would be asked for.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn names_are_looked_up_by_the_host_itself_and_literals_by_nobody() {
    let host = TestHost::new();
    let server = well().await;
    let names = NameServer::answering(|_| Vec::new()).await;
    let known = ["ip6-localhost", "localhost.localdomain"];
    let urls = known.iter().chain(["127.0.0.1"].iter()).map(|name| format!("http://{name}:{}/", server.port()));
    let mut order = host.order("get", &urls.collect::<Vec<_>>().iter().map(String::as_str).collect::<Vec<_>>());
    order.network.resolvers = vec![names.address];
    loopback(&mut order.grants, server.port(), &["GET"], &["/**"]);
    for name in known {
        let addresses = vec!["127.0.0.0/8".parse().unwrap()];
        order.grants.http.push(HttpGrant { host: name.parse().unwrap(), addresses, ..order.grants.http[0].clone() });
    }
    let report = done(&host, order).await;
    let statuses: Vec<_> = lines(&report).iter().map(|line| line["answer"]["status"].as_u64()).collect();
    assert_eq!(statuses, [None, None, Some(200)]);
    assert_eq!(server.heard().len(), 1);
    let asked: BTreeSet<String> = names.asked().into_iter().collect();
    assert_eq!(asked, known.map(str::to_owned).into(), "each name as it is, and no address");
}
