//! Redirects: the host follows none, and a request with which the guest follows one is judged like any other request.

use std::sync::Arc;

use serde_json::json;
use tests::names::Answer;
use tests::server::{Heard, Server, Step, response};
use vocabulary::{HttpGrant, Scheme};

use super::drive::{Came, Witnesses, assert_each, grant};
use super::table::{self, request, rows};

const CODES: [u16; 5] = [301, 302, 303, 307, 308];

fn elsewhere(code: u16, headers: &[(&str, &str)]) -> Vec<Step> {
    let lines: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    vec![Step::Say(format!("HTTP/1.1 {code} Elsewhere\r\n{lines}content-length: 0\r\n\r\n").into_bytes())]
}

/// Answers `/public/CODE/N` with a redirect to the n-th row, and every other request with 200.
fn redirects(locations: &[String], heard: &Heard) -> Vec<Step> {
    let mut words = heard.path.split('/').skip(2);
    let code = words.next().and_then(|code| code.parse().ok());
    let location = words.next().and_then(|n| locations.get(n.parse::<usize>().ok()?));
    match (code, location) {
        (Some(code), Some(location)) => {
            let port = heard.head.lines().find_map(|line| line.strip_prefix("host: 127.0.0.1:")).unwrap_or_default();
            elsewhere(code, &[("location", &location.replace("PORT", port))])
        }
        _ => vec![Step::Say(response(200, b"there"))],
    }
}

/// A grant of GET beneath `/public`.
fn granted(port: u16) -> HttpGrant {
    HttpGrant { paths: vec!["/public/**".parse().unwrap()], ..grant(Scheme::Http, "127.0.0.1", Some(port)) }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_redirect_is_followed_and_whoever_follows_one_is_judged_again() {
    let rows = rows(table::REDIRECTS, "redirects");
    let locations: Arc<Vec<String>> = Arc::new(rows.iter().map(|row| row.input.clone()).collect());
    let server = Server::answering(move |_, heard| redirects(&locations, heard)).await;
    let all = Witnesses::new(|_, _| Answer::nobody(), server).await;
    let mut asks = Vec::new();
    for code in CODES {
        for n in 0..rows.len() {
            let mut ask = request("http", &format!("127.0.0.1:{}", all.port()), &format!("/public/{code}/{n}"));
            ask["follow"] = json!(1);
            asks.push(ask);
        }
    }
    let driven = all.drive(vec![granted(all.port())], &asks);
    // Two records each: of the first request, and of the guest's next request.
    assert_eq!((driven.came.len(), driven.said.len()), (2 * asks.len(), 2 * asks.len()));
    let pairs: Vec<&[Came]> = driven.came.chunks(2).collect();
    assert!(pairs.iter().all(|pair| pair[0].word == "permit"));
    let each = || rows.iter().cycle().zip(&pairs);
    assert_each(each().map(|(row, pair)| (row.input.as_str(), row.verdict.as_str(), &pair[1])));
    for (said, code) in driven.said.chunks(2 * rows.len()).zip(CODES) {
        assert!(said.iter().step_by(2).all(|first| first["answer"]["status"] == code), "the guest sees the answer as it came");
    }
    let permitted = rows.iter().filter(|row| row.verdict == "permit").count();
    assert!(permitted > 0);
    assert_eq!(all.server.heard().len(), CODES.len() * (rows.len() + permitted));
    assert!(all.server.heard().iter().all(|heard| heard.path.starts_with("/public/")));
    assert_eq!(all.names.asked(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_hop_to_another_host_address_or_scheme_is_refused_and_recorded() {
    let other = Server::doing(vec![Step::Say(response(200, b"other"))]).await;
    let last = other.url("/public/");
    // Eleven redirects within the grant, and one to the outside.
    let chain = move |_, heard: &Heard| {
        let hop: usize = heard.path.rsplit('/').next().unwrap().parse().unwrap();
        let next = format!("/public/{}", hop + 1);
        elsewhere(302, &[("location", if hop < 11 { &next } else { &last })])
    };
    let all = Witnesses::new(|_, _| Answer::nobody(), Server::answering(chain).await).await;
    let authority = format!("127.0.0.1:{}", all.port());
    let mut ask = request("http", &authority, "/public/0");
    ask["follow"] = json!(50);
    let alone = request("http", &authority, "/public/5");
    let driven = all.drive(vec![granted(all.port())], &[ask, alone]);
    let words: Vec<_> = driven.came.iter().map(|came| came.word.as_str()).collect();
    let expected: Vec<_> = std::iter::repeat_n("permit", 12).chain(["port-not-granted", "permit"]).collect();
    assert_eq!(words, expected, "a record for each hop; the last is refused");
    // A guest that does not follow redirects gets the redirect as the answer.
    assert_eq!(driven.said.last().unwrap()["answer"]["status"], 302);
    let heard: Vec<_> = all.server.heard().into_iter().map(|heard| heard.path).collect();
    let hops: Vec<_> = (0..12).chain([5]).map(|hop| format!("/public/{hop}")).collect();
    assert_eq!(heard, hops);
    assert_eq!(other.counts().accepted, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_other_word_of_an_answer_leads_anybody_elsewhere() {
    let other = Server::doing(vec![Step::Say(response(200, b"other"))]).await;
    let (url, port) = (other.url("/"), other.port());
    let said = move |nth: usize, _: &Heard| match nth {
        0 => elsewhere(200, &[("refresh", &format!("0; url={url}"))]),
        1 => elsewhere(200, &[("alt-svc", &format!("http/1.1=\"127.0.0.1:{port}\"; ma=86400, h2=\"127.0.0.1:{port}\""))]),
        2 => elsewhere(200, &[("content-location", &url), ("link", &format!("<{url}>; rel=preload"))]),
        3 => {
            let hints = format!("HTTP/1.1 103 Early Hints\r\nlink: <{url}>; rel=preload\r\n\r\n");
            [vec![Step::Say(hints.into_bytes())], elsewhere(200, &[])].concat()
        }
        4 => elsewhere(305, &[("location", &url)]),
        5 => elsewhere(300, &[("location", &url)]),
        6 => elsewhere(421, &[("location", &url)]),
        7 => elsewhere(401, &[("www-authenticate", "Basic realm=x")]),
        8 => elsewhere(407, &[("proxy-authenticate", "Basic realm=x")]),
        9 => elsewhere(503, &[("retry-after", "0"), ("location", &url)]),
        _ => vec![Step::Say(response(200, b"last"))],
    };
    let all = Witnesses::new(|_, _| Answer::nobody(), Server::answering(said).await).await;
    let asks = vec![request("http", &format!("127.0.0.1:{}", all.port()), "/public/"); 11];
    // The other server is granted as well; it receives no request only because the guest sends none.
    let driven = all.drive(vec![granted(all.port()), grant(Scheme::Http, "127.0.0.1", Some(other.port()))], &asks);
    assert_eq!(driven.came.len(), asks.len());
    assert!(driven.came.iter().all(|came| came.word == "permit"), "{:?}", driven.came);
    let statuses: Vec<_> = driven.said.iter().map(|said| said["answer"]["status"].as_u64().unwrap()).collect();
    assert_eq!(statuses, [200, 200, 200, 200, 305, 300, 421, 401, 407, 503, 200]);
    assert_eq!((all.server.heard().len(), other.counts().accepted), (asks.len(), 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_credential_is_not_taken_along_to_where_a_redirect_leads() {
    const VALUE: &str = "canary-of-the-first-server";
    let other = Server::doing(vec![Step::Say(response(200, b"other"))]).await;
    let next = other.url("/public/");
    let server = Server::answering(move |_, _| elsewhere(307, &[("location", &next)])).await;
    let all = Witnesses::new(|_, _| Answer::nobody(), server).await;
    // Both servers are granted, and the binding covers both, but only one grant names the credential, so it is sent only with that one.
    let program = all.program(vec![granted(all.port()), granted(other.port())]);
    let file = program.folder().join("value");
    std::fs::write(&file, VALUE).unwrap();
    let config = std::fs::read_to_string(program.config()).unwrap().replacen("methods =", "credential = \"key\"\nmethods =", 1);
    let binding = "kind = \"header\"\nheader = \"x-api-key\"\ntemplate = \"{}\"\nhosts = [\"127.0.0.1\"]\nscheme = \"http\"";
    let source = format!("file:{}", file.display());
    std::fs::write(program.config(), format!("{config}\n[credentials.key]\n{binding}\nsource = {source:?}\n")).unwrap();
    let mut ask = request("http", &format!("127.0.0.1:{}", all.port()), "/public/");
    ask["follow"] = json!(1);
    let driven = all.drive_in(&program, &[ask]);
    assert_eq!(driven.came.iter().map(|came| came.word.as_str()).collect::<Vec<_>>(), ["permit", "permit"]);
    let (first, second) = (all.server.heard(), other.heard());
    assert!(first[0].has_header(&format!("x-api-key: {VALUE}")), "{}", first[0].head);
    assert!(!second[0].head.contains("x-api-key") && !second[0].head.contains(VALUE), "{}", second[0].head);
}
