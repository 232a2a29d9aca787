//! The corpus of server-side request forgery: every row is tried through every way out, with the real program. Each is refused with one
//! record, and nothing is sent. Rows that are just outside of the refused range pass the decision. The rows are data: `ssrf/*.txt`.

mod drive;
mod follow;
mod names;
mod patterns;
mod table;

use serde_json::json;
use tests::server::{Server, Step, response};
use vocabulary::{HttpGrant, Scheme};

use drive::{Came, Witnesses, assert_each, grant};
use table::{Row, header, request, rows};

/// The grants that `authorities.txt` describes.
fn granted() -> Vec<HttpGrant> {
    let mut ended = grant(Scheme::Http, "old.test", None);
    ended.until = Some("2020-12-31".parse().unwrap());
    vec![
        grant(Scheme::Https, "*.example.com", None),
        grant(Scheme::Https, "good.com", None),
        grant(Scheme::Https, "xn--jv8h.example.org", None),
        grant(Scheme::Http, "127.0.0.9", Some(8080)),
        grant(Scheme::Http, "[fd12::9]", Some(8080)),
        grant(Scheme::Http, "plain.test", None),
        grant(Scheme::Https, "*.google.internal", None),
        ended,
    ]
}

/// Tries each authority of a section: as it is, over HTTP with the port of a listening server, and as a name to look up.
async fn authorities(section: &str) {
    let all = Witnesses::closed().await;
    let (mut asks, mut expected) = (Vec::new(), Vec::new());
    for Row { input, verdict } in rows(table::AUTHORITIES, section) {
        let (scheme, authority) = input.split_once(' ').unwrap();
        // Granted authorities outside of this machine are only tested in `policy`, with the same rows, because nothing may be sent there.
        if !(verdict == "permit" && authority.starts_with("[fd12:")) {
            asks.push(request(scheme, authority, "/"));
            expected.push(verdict);
        }
        asks.push(request("http", &format!("{authority}:{}", all.port()), "/"));
        expected.push("refused".to_owned());
        asks.push(json!({ "resolve": authority }));
        expected.push("not-served".to_owned());
    }
    for kind in ["tcp", "udp"] {
        asks.push(json!({ "socket": kind }));
        expected.push("not-served".to_owned());
    }
    let driven = all.drive(granted(), &asks);
    assert_eq!((driven.came.len(), driven.said.len()), (asks.len(), asks.len()), "each has its one record");
    let asks: Vec<String> = asks.iter().map(ToString::to_string).collect();
    assert_each(asks.iter().zip(&expected).zip(&driven.came).map(|((ask, expected), came)| (ask.as_str(), expected.as_str(), came)));
    assert_eq!(all.server.counts().accepted, 0);
}

/// Makes a test for each section, and the list of sections.
macro_rules! each_section {
    ($($test:ident $section:literal,)+) => {
        const SECTIONS: &[&str] = &[$($section),+];
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                authorities($section).await;
            }
        )+
    };
}

each_section! {
    loopback_as_text_reaches_nobody "loopback",
    addresses_as_other_numbers_reach_nobody "numbers",
    hosts_that_must_fail_to_parse_reach_nobody "whatwg",
    letters_that_look_like_others_reach_nobody "unicode",
    ipv4_inside_ipv6_reaches_nobody "wrapped",
    metadata_services_are_never_asked_by_address_or_by_name "metadata",
    what_parsers_disagree_on_reaches_nobody "parsers",
    an_authority_said_apart_from_its_path_is_one_host_or_none "apart",
    a_suffix_covers_what_is_beneath_it_and_nothing_beside_it "suffixes",
    a_port_is_a_number_that_is_granted "ports",
    a_literal_is_granted_as_itself "literals",
}

#[test]
fn every_section_of_the_corpus_is_driven() {
    let one = |file| table::sections(file);
    assert_eq!(one(table::AUTHORITIES), SECTIONS);
    assert_eq!(one(table::ADDRESSES), ["ranges", "metadata"]);
    assert_eq!(one(table::DNS), ["dns", "rebinding"]);
    assert_eq!(one(table::PATTERNS), ["hosts", "forms"]);
    let others = [table::HEADERS, table::NETWORKS, table::PATHS, table::REDIRECTS, table::SCHEMES].map(one);
    assert_eq!(others.concat(), ["headers", "networks", "paths", "redirects", "schemes"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn schemes_that_are_not_granted_reach_nobody() {
    let all = Witnesses::closed().await;
    let rows = rows(table::SCHEMES, "schemes");
    let ask = |row: &Row| {
        let mut words = row.input.split(' ');
        let mut next = || words.next().unwrap();
        request(next(), next(), next())
    };
    let driven = all.drive(granted(), &rows.iter().map(ask).collect::<Vec<_>>());
    assert_rows(&rows, &driven.came);
    assert_eq!(all.server.counts().accepted, 0);
}

#[track_caller]
fn assert_rows(rows: &[Row], came: &[Came]) {
    assert_eq!(came.len(), rows.len(), "each has its one record");
    assert_each(rows.iter().zip(came).map(|(row, came)| (row.input.as_str(), row.verdict.as_str(), came)));
}

/// Witnesses with a server that answers every request.
async fn answering() -> Witnesses {
    Witnesses::new(|_, _| tests::names::Answer::nobody(), Server::doing(vec![Step::Say(response(200, b"heard"))]).await).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_judged_of_a_path_is_what_is_sent() {
    let all = answering().await;
    let mut rows = rows(table::PATHS, "paths");
    for (length, verdict) in [(4096, "permit"), (4097, "malformed")] {
        rows.push(Row { input: format!("/public/{}", "a".repeat(length - "/public/".len())), verdict: verdict.to_owned() });
    }
    let authority = format!("127.0.0.1:{}", all.port());
    let asks: Vec<_> = rows.iter().map(|row| request("http", &authority, &row.input)).collect();
    let mut granted = grant(Scheme::Http, "127.0.0.1", Some(all.port()));
    granted.paths = ["/public/**", "/api/*/read"].map(|path| path.parse().unwrap()).to_vec();
    let driven = all.drive(vec![granted], &asks);
    assert_rows(&rows, &driven.came);
    let permitted: Vec<_> = rows.iter().filter(|row| row.verdict == "permit").map(|row| row.input.clone()).collect();
    let heard: Vec<_> = all.server.heard().into_iter().map(|heard| heard.path).collect();
    assert_eq!(heard, permitted, "byte for byte, and no other requests");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn header_fields_that_are_the_hosts_reach_nobody() {
    let all = answering().await;
    let mut asks = Vec::new();
    // The guest gets an error when it sets an invalid field, and has nothing to send.
    let (never, rows): (Vec<_>, Vec<_>) = rows(table::HEADERS, "headers").into_iter().partition(|row| row.verdict == "malformed");
    for row in never.iter().chain(&rows) {
        let mut ask = request("http", &format!("127.0.0.1:{}", all.port()), "/");
        (ask["headers"], ask["body"]) = (json!([header(&row.input)]), json!("12345"));
        asks.push(ask);
    }
    let driven = all.drive(vec![grant(Scheme::Http, "127.0.0.1", Some(all.port()))], &asks);
    assert!(driven.said[..never.len()].iter().all(|said| said["untaken"] == "headers"), "{:?}", &driven.said[..never.len()]);
    assert!(driven.said[never.len()..].iter().all(|said| said["untaken"].is_null()));
    assert_rows(&rows, &driven.came);
    assert_eq!(all.server.heard().len(), rows.iter().filter(|row| row.verdict == "permit").count());
    assert!(all.server.heard().iter().all(|heard| heard.body == b"12345" && heard.has_header("content-length: 5")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn proxies_search_lists_and_sockets_of_the_hosts_surroundings_are_not_used() {
    let listed = |name: &str, _| match name {
        "api.test" | "short" => tests::names::Answer { addresses: vec!["127.0.0.1".parse().unwrap()], ..Default::default() },
        _ => tests::names::Answer::nobody(),
    };
    let all = Witnesses::new(listed, Server::doing(vec![Step::Say(response(200, b"heard"))]).await).await;
    let grants: Vec<_> = ["api.test", "short", "gone"]
        .map(|name| HttpGrant { addresses: vec!["127.0.0.1/32".parse().unwrap()], ..grant(Scheme::Http, name, Some(all.port())) })
        .into_iter()
        .chain([grant(Scheme::Http, "127.0.0.1", Some(all.port()))])
        .collect();
    let program = all.program(grants);
    let socket = program.place().home.join("control.sock").display().to_string();
    let at = |host: &str| request("http", &format!("{host}:{}", all.port()), "/");
    let asks = [
        at("127.0.0.1"),
        at("api.test"),
        at("short"),
        at("gone"),
        request("http", &format!("unix:{socket}"), "/"),
        request("http", &socket, "/"),
        request("http", &socket.replace('/', "%2F"), "/"),
        request("http+unix", &socket.replace('/', "%2F"), "/"),
    ];
    // `Witnesses::hold` checks for every run that the proxy was not used and that names were looked up unchanged.
    let came = all.drive_in(&program, &asks).came;
    let words: Vec<_> = came.iter().map(|came| came.word.as_str()).collect();
    assert_eq!(words, ["permit", "permit", "permit", "unreachable", "malformed", "malformed", "malformed", "malformed"]);
    let mut asked = all.names.asked();
    asked.dedup();
    asked.sort();
    asked.dedup();
    assert_eq!(asked, ["api.test", "gone", "short"]);
    assert_eq!(all.server.heard().len(), 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_that_is_not_granted_is_never_looked_up() {
    let loopback = |_: &str, _| tests::names::Answer { addresses: vec!["127.0.0.1".parse().unwrap()], ..Default::default() };
    let all = Witnesses::new(loopback, Server::doing(vec![Step::Close]).await).await;
    let hosts =
        ["c2VjcmV0.evil.test", "x.c2VjcmV0.evil.test.", "C2VJCMV0.EVIL.TEST", "api.test.evil.test", "xapi.test", "localhost", "evil"];
    let mut asks = Vec::new();
    for host in hosts {
        for scheme in ["http", "https", "ftp", "ws"] {
            asks.push(request(scheme, host, "/"));
            asks.push(request(scheme, &format!("{host}:{}", all.port()), "/"));
        }
        asks.push(json!({ "resolve": host }));
    }
    // The host is granted, but the scheme, port, method, path or header is not, so the name is not looked up.
    let api = format!("api.test:{}", all.port());
    asks.extend([request("https", &api, "/"), request("http", "api.test", "/"), request("http", &api, "/secret")]);
    for (key, value) in [("method", json!("POST")), ("headers", json!([["host", "evil.test"]]))] {
        let mut ask = request("http", &api, "/public/");
        ask[key] = value;
        asks.push(ask);
    }
    let mut granted = grant(Scheme::Http, "api.test", Some(all.port()));
    granted.paths = vec!["/public/**".parse().unwrap()];
    let came = all.drive(vec![granted.clone()], &asks).came;
    assert_eq!(came.len(), asks.len());
    assert!(came.iter().all(|came| came.refused && !came.intended), "{came:?}");
    assert_eq!((all.names.asked(), all.server.counts().accepted), (Vec::new(), 0));
    // The control: a granted request looks the name up.
    let came = all.drive(vec![granted], &[request("http", &api, "/public/")]).came;
    assert_eq!(came[0].word, "address-not-granted(loopback)");
    assert_eq!(all.names.asked(), ["api.test", "api.test"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_user_a_host_a_credential_a_line_end_or_a_second_length_is_refused() {
    let all = answering().await;
    let authority = format!("127.0.0.1:{}", all.port());
    let with = |headers: serde_json::Value| {
        let mut ask = request("http", &authority, "/");
        (ask["headers"], ask["body"]) = (headers, json!("12345"));
        ask
    };
    let mut asks: Vec<_> = ["good@", "good:word@", "@", ":@", "good%40", "127.0.0.1@"]
        .map(|user| (request("http", &format!("{user}{authority}"), "/"), "malformed"))
        .to_vec();
    asks.extend([
        (with(json!([["host", authority]])), "header-not-yours(host)"),
        (with(json!([["Host", "evil.test"]])), "header-not-yours(host)"),
        (with(json!([["authorization", "Bearer mine"]])), "header-not-yours(authorization)"),
        (with(json!([["Authorization", ""]])), "header-not-yours(authorization)"),
        (with(json!([["content-length", "5"], ["content-length", "5"]])), "header-not-yours(content-length)"),
        (with(json!([["content-length", "5"], ["Content-Length", "50"]])), "header-not-yours(content-length)"),
        (with(json!([["content-length", "5"], ["transfer-encoding", "chunked"]])), "header-not-yours(transfer-encoding)"),
        (request("http", &format!("{authority}\r\nx: y"), "/"), "malformed"),
        (request("http", &authority, "/ HTTP/1.1\r\nx: y\r\n\r\nGET /"), "malformed"),
        (with(json!([["x-fine", "yes"], ["content-length", "5"]])), "permit"),
    ]);
    let (broken, line_ends) = (asks.len(), ["x\r\ny: z", "x\ny", "x\r", "x\0"]);
    let mut all_asks: Vec<_> = asks.iter().map(|(ask, _)| ask.clone()).collect();
    all_asks.extend(line_ends.map(|value| with(json!([["x-fine", value]]))));
    all_asks.extend(line_ends.map(|name| with(json!([[name, "fine"]]))));
    let driven = all.drive(vec![grant(Scheme::Http, "127.0.0.1", Some(all.port()))], &all_asks);
    assert_eq!(driven.came.len(), asks.len());
    let shown: Vec<_> = asks.iter().map(|(ask, _)| ask.to_string()).collect();
    assert_each(shown.iter().zip(&asks).zip(&driven.came).map(|((shown, (_, expected)), came)| (shown.as_str(), *expected, came)));
    assert!(driven.said[broken..].iter().all(|said| said["untaken"] == "headers"), "{:?}", &driven.said[broken..]);
    assert_eq!(all.server.heard().len(), 1);
}
