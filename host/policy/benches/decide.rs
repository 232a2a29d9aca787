//! Compares a decision on 100 rules, of which the last one covers the request, with a decision on a single rule. Both have a credential and
//! two environments. Compares an act under 1,000 policies, of which 20 concern the agent, with one under a single policy.
//!
//! `cargo bench -p policy --bench decide`
#![expect(clippy::print_stdout, clippy::unwrap_used, clippy::disallowed_methods, reason = "a measurement, run by hand")]

use std::collections::BTreeSet;
use std::hint::black_box;
use std::time::Instant;

use policy::{DecisionCache, Facts, PolicyAgent, PolicyFacts, PolicySet, Verdict, decide};
use vocabulary::{
    Act, Ask, Binding, Decision, Digest, Grants, Header, HttpAsk, HttpGrant, HttpTarget, HttpTimeouts, Method, Placement, PolicyFile,
    PolicyRules, Principal, Scheme, Source,
};

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

/// Policies of which 20 concern the agent `a`, and the others another one each.
fn policies(count: usize) -> (PolicySet, PolicyRules) {
    let own = count.min(20);
    let text = (0..count).map(|n| {
        let agent = if n < own { "a".to_owned() } else { format!("b{n}") };
        let when = format!("context.request.path like \"/other/{n}/*\" && context.run.acts > {n}");
        match n {
            0 => format!("@id(\"p{n}\") permit (principal == Agent::\"{agent}\", action in Action::\"http\", resource);\n"),
            _ => {
                format!("@id(\"p{n}\") forbid (principal == Agent::\"{agent}\", action in Action::\"http\", resource) when {{ {when} }};\n")
            }
        }
    });
    let text: String = text.collect();
    let file = PolicyFile { digest: Digest::of(text.as_bytes()), path: "a.cedar".into(), text };
    let rules = PolicyRules { files: vec![file], ..PolicyRules::default() };
    (PolicySet::load(&rules.files, &rules.people).unwrap(), rules)
}

/// Microseconds of an act under so many policies: the first time, and when the same was decided before.
fn under(count: usize, http: &HttpAsk) -> (f64, f64) {
    let (set, rules) = policies(count);
    let started_by = Principal::new(1, Some("somebody"));
    let policies = set.for_agent(&rules, &PolicyAgent { digest: Digest::of(b"x"), name: "a", started_by: &started_by });
    let (grants, approved, act) = (grants(1), BTreeSet::new(), Act::Http(http.clone()));
    let facts = PolicyFacts { acts: 1, now_unix_s: 1_800_000_000, ..PolicyFacts::default() };
    let cache = DecisionCache::default();
    let first = median(TIMES / 100, || policies.decide(&grants, &facts, (&act, Some("key")), &approved));
    let again = median(TIMES, || policies.decide_cached(&cache, (&grants, &facts), (&act, Some("key")), &approved));
    (first, again)
}

/// The median of several rounds, in microseconds each time.
fn median(times: u32, decide: impl Fn() -> Verdict) -> f64 {
    let round = |_| {
        let began = Instant::now();
        for _ in 0..times {
            assert!(matches!(black_box(decide()), Verdict::Permit(_)));
        }
        began.elapsed().as_secs_f64() * 1e6 / f64::from(times)
    };
    let mut taken: Vec<f64> = (0..ROUNDS).map(round).collect();
    taken.sort_by(f64::total_cmp);
    taken.swap_remove(ROUNDS / 2)
}

fn main() {
    let http = HttpAsk {
        method: Method::new("GET").unwrap(),
        target: HttpTarget::parse(Scheme::Https, "inventory.example.com", "/api/v1/items/4711").unwrap(),
        headers: ["accept", "user-agent", "x-request-id"]
            .map(|name| Header { name: name.to_owned(), value: b"something".to_vec() })
            .to_vec(),
        body: bytes::Bytes::new(),
        timeouts: HttpTimeouts::default(),
    };
    let ask = Ask::Http(http.clone());
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
    let ((thousand, again), (single, _)) = (under(1000, &http), under(1, &http));
    println!(
        "an act under 1,000 policies, 20 of them for its agent: {thousand:.1} µs, {:.1}× of one under a single policy ({single:.1} µs); at most 25 µs",
        thousand / single
    );
    println!("the same act once more: {:.0} ns; at most 250 ns", again * 1e3);
}
