//! Holes that were found in other agent hosts.

use serde_json::json;
use tests::dice::Dice;
use tests::host::{TestHost, loopback};
use tests::seen::{answered, asked, codes, lines, received};
use tests::server::{Server, Step};
use vocabulary::{Outcome, Placement};

use super::{VALUE, asking, well, with_credential};
use crate::ending::done;

/// A token-like text with this many letters.
fn token(dice: &Dice, front: &str, letters: &[u8], count: usize) -> String {
    let letter = |_| char::from(letters[usize::try_from(dice.roll(letters.len() as u64)).unwrap()]);
    front.chars().chain((0..count).map(letter)).collect()
}

/// Thousands of texts that look exactly like secrets, in every usual shape, but are none of the home's values.
fn looks_secret() -> String {
    const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    const URL_SAFE: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    const BASE64: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const UPPER: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    const HEX: &[u8] = b"0123456789abcdef";
    let dice = Dice::new(7);
    let of = |front: &str, letters: &[u8], count: usize| token(&dice, front, letters, count);
    let mut text = String::new();
    for n in 0..600 {
        let lines = [
            of(concat!("gh", "p_"), LETTERS, 36),
            of(concat!("github", "_pat_"), LETTERS, 82),
            format!("{} {}", of(concat!("AK", "IA"), UPPER, 16), of("", BASE64, 40)),
            [of(concat!("ey", "J"), URL_SAFE, 33), of(concat!("ey", "J"), URL_SAFE, 90), of("", URL_SAFE, 43)].join("."),
            of(concat!("xo", "xb-"), b"0123456789", 12),
            of(concat!("sk_", "live_"), LETTERS, 24),
            of("sha256:", HEX, 64),
            format!("password: \"{}\", authorization: Bearer {}", of("", URL_SAFE, 20), of("", BASE64, 64)),
            format!("https://user:{}@host.test/?api_key={}%2F", of("", LETTERS, 16), of("", HEX, 32)),
            format!("{}BEGIN {} KEY-----\n{}\n", "-----", "PRIVATE", of("", BASE64, 64)),
            // Similar to our value, but different.
            format!("canary-{} {} {}", of("", HEX, 12), &VALUE[..VALUE.len() - 1], "*".repeat(n % 30)),
        ];
        text.push_str(&lines.join("\n"));
    }
    text
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_only_looks_like_secrets_passes_unharmed_in_a_run_with_credentials() {
    let host = TestHost::new();
    let text = looks_secret();
    assert!(text.len() > 300_000 && !text.contains(VALUE));
    let (head, pieces) = text.split_at(2000);
    let mut steps =
        vec![Step::Say(format!("HTTP/1.1 200 OK\r\nx-seen: {}\r\ncontent-length: {}\r\n\r\n{head}", &text[..40], text.len()).into_bytes())];
    steps.extend(pieces.as_bytes().chunks(4099).map(|piece| Step::Say(piece.to_vec())));
    let server = Server::doing(steps).await;
    let mut order = host.order("get", &[&server.url("/in")]);
    with_credential(&host, &mut order, &server, "/in", Placement::Bearer);
    let report = done(&host, order).await;
    assert!(server.heard()[0].has_header(&format!("authorization: Bearer {VALUE}")));
    let answer = lines(&report).swap_remove(0)["answer"].take();
    let digest = vocabulary::Digest::of(text.as_bytes()).to_string();
    assert_eq!(Some(answer["sha256"].as_str().unwrap()), digest.strip_prefix("sha256:"), "byte for byte");
    assert!(answer["headers"].as_array().unwrap().contains(&json!(["x-seen", &text[..40]])), "{answer}");
    let records = host.records(report.run);
    assert_eq!(received(&records).map(|received| (received.redactions, received.whole)).collect::<Vec<_>>(), [(0, true)]);
}

/// Each run has all of its records in order, and together they are one log that verifies.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn agents_that_contend_for_the_head_of_the_log_lose_nothing() {
    const ASKS: usize = 1500;
    let host = TestHost::new();
    let server = well().await;
    let order = |name: &str| {
        let mut order = host.order("many_gets", &[&server.url(&format!("/{name}")), &ASKS.to_string(), "16"]);
        loopback(&mut order.grants, server.port(), &["GET"], &["/**"]);
        order
    };
    let (one, other) = tokio::join!(host.run(order("one")), host.run(order("other")));
    for (report, name) in [(&one, "one"), (&other, "other")] {
        assert_eq!(report.outcome, Outcome::Done, "{name}");
        let records = host.records(report.run);
        let own = format!("GET {}", server.url(&format!("/{name}/")));
        assert!(asked(&records).all(|asked| asked.ask.resource.to_string().starts_with(&own)), "{name}");
        assert_eq!((asked(&records).count(), answered(&records).count(), received(&records).count()), (ASKS, ASKS, ASKS), "{name}");
    }
    host.house.close().unwrap();
    let (mut ledger, mut faults) = (gate::Ledger::new(), Vec::new());
    let check = &mut |leaf: &journal::Leaf<'_>| faults.extend(ledger.fold(leaf.run, leaf.seq, leaf.body).err());
    let report = journal::verify(&host.place().home, None, None, check);
    assert!(report.holds() && faults.is_empty(), "{report:?} {faults:?}");
}

/// A mebibyte in each name that is looked up and in each body: refusals are on the record, but do not fill it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_refusals_with_megabyte_strings_stays_small() {
    const TIMES: usize = 300;
    let host = TestHost::new();
    let ask = json!({ "scheme": "http", "authority": "a.test", "longer": 1 << 20, "times": TIMES });
    let report = done(&host, asking(&host, &[ask])).await;
    assert_eq!(lines(&report)[0]["refused"], 2 * TIMES);
    let records = host.records(report.run);
    assert_eq!((codes(&records).len(), asked(&records).count()), (2 * TIMES, 0));
    let sizes: Vec<_> = records.iter().map(|record| record.to_bytes().len()).collect();
    // The longest records have the names of many similar refusals.
    assert!(sizes.iter().all(|size| *size < 64 << 10) && sizes.iter().sum::<usize>() < 1 << 20, "{sizes:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_calls_of_the_host_are_served_and_leave_nothing() {
    let host = TestHost::new();
    for which in ["resolution", "wall", "fields", "check-write", "environment", "poll", "ready"] {
        let mut order = host.order("calls_host_many_times", &["10000", which]);
        order.limits.handles = 100;
        let report = done(&host, order).await;
        assert_eq!(lines(&report), [json!({ "calls": 10_000, "which": which })]);
        assert!(host.records(report.run).len() < 50, "{which}: {}", host.records(report.run).len());
    }
}

/// Ten mebibytes compressed to ten kilobytes: the host does not decompress it, neither without a credential nor with one, in which case
/// a compressed answer is not shown at all.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_decompression_bomb_is_not_unpacked() {
    let bomb = deflated_zeros(10 << 20);
    for (encoding, path) in [("gzip", "/in"), ("gzip", "/out"), ("x-gzip", "/in"), ("deflate", "/in"), ("br", "/in"), ("gzip, gzip", "/in")]
    {
        // From a server to which a value of the home may go, no compressed answer is accepted in any run.
        let host = TestHost::new();
        let head = format!("HTTP/1.1 200 OK\r\ncontent-encoding: {encoding}\r\ncontent-length: {}\r\n\r\n", bomb.len());
        let server = Server::doing(vec![Step::Say([head.as_bytes(), &bomb].concat())]).await;
        let mut order = host.order("get", &[&server.url(path)]);
        match path {
            "/in" => with_credential(&host, &mut order, &server, "/in", Placement::Bearer),
            _ => loopback(&mut order.grants, server.port(), &["GET"], &["/**"]),
        }
        let report = done(&host, order).await;
        let answer = &lines(&report)[0]["answer"];
        match path {
            "/in" => assert!(answer["err"].is_string(), "{encoding}: {answer}"),
            _ => assert_eq!(answer["bytes"], bomb.len(), "{encoding}: {answer}"),
        }
    }
}

/// A gzip file written by hand (RFC 1951 and 1952) whose only block repeats a zero, 258 times per code. Each repetition takes 13 bits.
fn deflated_zeros(bytes: usize) -> Vec<u8> {
    let mut bits: Vec<bool> = Vec::new();
    // The last block, with fixed codes, and a literal zero.
    bits.extend([true, true, false]);
    bits.extend([false, false, true, true, false, false, false, false]);
    // Length 258 is code 285, eight bits; distance 1 is code 0, five bits.
    for _ in 0..bytes / 258 {
        bits.extend([true, true, false, false, false, true, false, true]);
        bits.extend([false; 5]);
    }
    bits.extend([false; 7]);
    let packed = bits.chunks(8).map(|eight| eight.iter().enumerate().map(|(n, bit)| u8::from(*bit) << n).sum::<u8>());
    [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255].into_iter().chain(packed).chain([0; 8]).collect()
}
