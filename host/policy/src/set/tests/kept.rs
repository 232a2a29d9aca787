//! Decisions that are kept, and what policies read.

use super::*;

#[test]
fn only_conditions_that_name_a_body_look_into_bodies() {
    let text = request("POST", "https://one.test/", &[("content-type", "text/plain")], "x");
    let of = |condition: &str| {
        let forbids =
            format!(r#"@id("no") @why("body, body_kind, operations") forbid (principal, action, resource) when {{ {condition} }};"#);
        let policies = agent(&format!(r#"@id("all") permit (principal, action, resource); {forbids}"#));
        answer(&policies, &proved(&[]), &text, &[])
    };
    let guarded = |condition: &str| format!("context has request && {condition}");
    assert_eq!(of(&guarded(r#"context.request.path == "/body""#)), "permit: all", "a text");
    assert_eq!(of(&guarded("context.request.body_bytes > 100")), "permit: all", "another attribute");
    assert_eq!(of(&guarded(r#"context.request.body_kind == "json""#)), "permit: all", "it says which kinds it means");
    for looks in
        [r#"context.request.body.hasTag("a")"#, r#"context.request["body"].hasTag("a")"#, r#"context.request.operations.contains("x")"#]
    {
        assert_eq!(of(&guarded(looks)), "malformed: ", "{looks}");
    }
}

#[test]
fn a_decision_is_kept_for_equal_requests_and_equal_facts_that_policies_read() {
    let grants = grants();
    let cached = |forbid: &str, second: &PolicyFacts, act: &Act| {
        let policies = agent(&format!(r#"@id("all") permit (principal, action, resource); {forbid}"#));
        let cache = DecisionCache::default();
        let get = request("GET", "https://one.test/a", &[], "");
        for (facts, act) in [(&PolicyFacts::default(), &get), (second, act)] {
            let kept = policies.decide_cached(&cache, (&grants, facts), asked(act), &BTreeSet::new());
            assert_eq!(kept, policies.decide(&grants, facts, asked(act), &BTreeSet::new()), "{forbid}");
        }
        cache.hits()
    };
    let get = || request("GET", "https://one.test/a", &[], "");
    let later =
        PolicyFacts { acts: 5, calls_left: 7, now_unix_s: 1_900_000_000, proved: ["one".to_owned()].into(), ..PolicyFacts::default() };
    let no = |when: &str| format!(r#"@id("no") forbid (principal, action in Action::"http", resource) when {{ {when} }};"#);
    assert_eq!(cached("", &later, &get()), 1, "no policy reads what has changed");
    assert_eq!(cached(&no(r#"context.run.id == "x""#), &later, &get()), 1);
    for reads in [
        "context.run.acts > 3",
        "context.run.calls_left > 3",
        r#"context.now > datetime("2029-01-01")"#,
        r#"context.run.proved.contains("sandbox")"#,
        r#"context.run.proved_credentials.contains("one")"#,
        r#"context.run has "acts" && context.run == {id: "", acts: 5, calls_left: 7, proved: ["sandbox"], proved_credentials: ["one"], rolls_back: false}"#,
        r#"[context.run].contains({id: "", acts: 5, calls_left: 7, proved: ["sandbox"], proved_credentials: ["one"], rolls_back: false})"#,
    ] {
        assert_eq!(cached(&no(reads), &later, &get()), 0, "{reads}");
    }
    for other in [
        request("GET", "https://one.test/b", &[], ""),
        request("GET", "https://one.test/a?x", &[], ""),
        request("GET", "https://two.test/a", &[], ""),
        request("POST", "https://one.test/a", &[], ""),
        request("GET", "https://one.test/a", &[("x", "y")], ""),
        request("GET", "https://one.test/a", &[], "b"),
    ] {
        assert_eq!(cached("", &PolicyFacts::default(), &other), 0, "{other:?}");
    }
    let policies = agent(r#"@id("all") permit (principal, action, resource);"#);
    for (act, kept) in [
        (rotate("one"), 0),
        (request("POST", "https://one.test/a", &[], &"x".repeat(9000)), 0),
        (request("POST", "https://one.test/a", &[], "x"), 1),
    ] {
        let cache = DecisionCache::default();
        policies.decide_cached(&cache, (&grants, &later), asked(&act), &BTreeSet::new());
        assert_eq!(cache.len(), kept, "what may hold a value is not kept, nor is what is large: {act:?}");
    }
}
