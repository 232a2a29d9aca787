//! Compares a decision on 100 rules, of which the last one covers the request, with a decision on a single rule. Both have a credential and
//! two environments.
//!
//! `cargo bench -p policy --bench decide`
#![expect(clippy::print_stdout, clippy::unwrap_used, clippy::disallowed_methods, reason = "a measurement, run by hand")]

use std::hint::black_box;
use std::time::Instant;

use policy::{Facts, decide};
use vocabulary::{Ask, Binding, Decision, Grants, Header, HttpAsk, HttpGrant, HttpTarget, HttpTimeouts, Method, Placement, Scheme, Source};

const TIMES: u32 = 100_000;
const ROUNDS: usize = 7;

fn grants(rules: usize) -> Grants {
    let grant = |n: usize| HttpGrant {
        addresses: Vec::new(),
        credential: Some("key".to_owned()),
        // All rules but the last differ only in the path, which is checked last.
        headers: Vec::new(),
        host: "*.example.com".parse().unwrap(),
        methods: vec![Method::new("GET").unwrap()],
        paths: vec![if n + 1 == rules { "/api/**" } else { "/other/**/end" }.parse().unwrap()],
        port: None,
        scheme: Scheme::Https,
        until: None,
        within: vocabulary::HttpBounds::default(),
    };
    let binding = Binding::new("key", vec!["*.example.com".parse().unwrap()], Placement::Bearer, Source::Local);
    Grants { http: (0..rules).map(grant).collect(), credentials: vec![binding], ..Grants::default() }
}

fn main() {
    let ask = Ask::Http(HttpAsk {
        method: Method::new("GET").unwrap(),
        target: HttpTarget::parse(Scheme::Https, "inventory.example.com", "/api/v1/items/4711").unwrap(),
        headers: ["accept", "user-agent", "x-request-id"]
            .map(|name| Header { name: name.to_owned(), value: b"something".to_vec() })
            .to_vec(),
        body: bytes::Bytes::new(),
        timeouts: HttpTimeouts::default(),
    });
    let facts = Facts { now_unix_s: 1_800_000_000, ..Facts::default() };
    let each = |rules: usize| {
        let grants = grants(rules);
        let mut taken: Vec<f64> = (0..ROUNDS)
            .map(|_| {
                let began = Instant::now();
                for _ in 0..TIMES {
                    assert!(matches!(black_box(decide(black_box(&grants), &facts, &ask)), Decision::Permit(_)));
                }
                began.elapsed().as_secs_f64() * 1e6 / f64::from(TIMES)
            })
            .collect();
        taken.sort_by(f64::total_cmp);
        taken.swap_remove(ROUNDS / 2)
    };
    let (many, one) = (each(100), each(1));
    println!("a decision on 100 rules: {many:.2} µs, {:.1}× of one on a single rule ({one:.2} µs); at most 2 µs", many / one);
}
