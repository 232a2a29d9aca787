//! Policies: what they permit, hold back and refuse, and what can't be loaded.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use vocabulary::{
    Act, Binding, CredentialAsk, CredentialStep, Digest, Environment, Grants, Header, HttpAsk, HttpTimeouts, Method, Person, Placement,
    PolicyFile, PolicyRules, Principal, Reason, Source,
};

use super::*;

const CHANGES: &str = r#"
@id("rotators-may-rotate")
permit (principal in AgentGroup::"rotators", action in Action::"credential", resource);

@id("tickets")
permit (principal, action in Action::"http", resource in Env::"sandbox");

@id("production-needs-the-board")
@approval("change-board") @quorum("2") @decide_within("4h") @use_within("15m")
@why("production changes only under change management")
forbid (principal, action in Action::"mutate", resource in Env::"production")
unless { context.approvals.contains("change-board") };

@id("sandbox-first")
forbid (principal, action == Action::"credential.set", resource in Env::"production")
unless { context.run.proved.contains("sandbox") };
"#;

fn file(text: &str) -> PolicyFile {
    PolicyFile { digest: Digest::of(text.as_bytes()), path: "policy/a.cedar".into(), text: text.to_owned() }
}

fn board() -> BTreeMap<String, Person> {
    let member = || Person { groups: vec!["change-board".to_owned()], ..Person::default() };
    ["alice", "bob", "carol"].into_iter().map(|name| (name.to_owned(), member())).collect()
}

fn rules(text: &str) -> PolicyRules {
    PolicyRules { files: vec![file(text)], groups: vec!["rotators".to_owned()], owner: Some("team".to_owned()), people: board() }
}

fn agent(text: &str) -> AgentPolicies {
    let rules = rules(text);
    let set = PolicySet::load(&rules.files, &rules.people).unwrap();
    let started_by = Principal::new(1000, Some("dave"));
    set.for_agent(&rules, &PolicyAgent { digest: Digest::of(b"x"), name: "rotate", started_by: &started_by })
}

fn faults(text: &str) -> Vec<String> {
    PolicySet::load(&[file(text)], &board()).unwrap_err().iter().map(ToString::to_string).collect()
}

/// `one` is in the sandbox, `two` is not. Both are rotated at the host of their name.
fn grants() -> Grants {
    let binding = |name: &str| {
        let hosts = vec![format!("{name}.test").parse().unwrap()];
        let environment = Some(if name == "one" { "sandbox" } else { "production" }.to_owned());
        Binding { environment, ..Binding::new(name, hosts, Placement::Bearer, Source::Local) }
    };
    let sandbox: Environment =
        serde_json::from_value(serde_json::json!({ "name": "sandbox", "places": [{ "host": "one.test" }] })).unwrap();
    Grants { credentials: ["one", "two"].into_iter().map(binding).collect(), environments: vec![sandbox], ..Grants::default() }
}

fn rotate(name: &str) -> Act {
    Act::Credential(CredentialAsk { name: name.to_owned(), step: CredentialStep::Set })
}

fn request(method: &str, url: &str, headers: &[(&str, &str)], body: &str) -> Act {
    let header = |(name, value): &(&str, &str)| Header { name: (*name).to_owned(), value: value.as_bytes().to_vec() };
    Act::Http(HttpAsk {
        method: Method::new(method).unwrap(),
        target: url.parse().unwrap(),
        headers: headers.iter().map(header).collect(),
        body: Bytes::copy_from_slice(body.as_bytes()),
        timeouts: HttpTimeouts::default(),
    })
}

/// The answer in a word, with the policies that determined it.
fn answer(policies: &AgentPolicies, facts: &PolicyFacts, act: &Act, approved: &[&str]) -> String {
    let approved: BTreeSet<String> = approved.iter().map(|group| (*group).to_owned()).collect();
    let (word, basis) = match policies.decide(&grants(), facts, (act, None), &approved) {
        Verdict::Permit(basis) => ("permit".to_owned(), basis),
        Verdict::Hold(basis, needs) => {
            let groups: Vec<String> = needs.groups.iter().map(|need| format!("{} of {}", need.quorum, need.group)).collect();
            (format!("hold for {}", groups.join(", ")), basis)
        }
        Verdict::Refuse(basis, reason) => (reason.code().to_owned(), basis),
    };
    let policies: Vec<String> = basis.policies.iter().map(ToString::to_string).collect();
    format!("{word}: {}", policies.join(", "))
}

fn proved(names: &[&str]) -> PolicyFacts {
    PolicyFacts { now_unix_s: 1_800_000_000, proved: names.iter().map(|name| (*name).to_owned()).collect(), ..PolicyFacts::default() }
}

#[test]
fn the_schema_is_read_and_an_empty_set_of_policies_is_not() {
    schema::schema().unwrap();
    assert!(faults("// nothing").iter().any(|fault| fault.contains("there is no policy")), "{:?}", faults("// nothing"));
}

#[test]
fn production_waits_for_the_board_only_if_its_yes_would_be_enough() {
    let (policies, two) = (agent(CHANGES), rotate("two"));
    let of = |facts: &PolicyFacts, approved: &[&str]| answer(&policies, facts, &two, approved);
    assert_eq!(of(&proved(&[]), &[]), "policy-forbids: production-needs-the-board, sandbox-first", "nobody is asked in vain");
    assert_eq!(of(&proved(&["one"]), &[]), "hold for 2 of change-board: production-needs-the-board");
    assert_eq!(of(&proved(&["one"]), &["change-board"]), "permit: rotators-may-rotate");
    assert_eq!(of(&proved(&[]), &["change-board"]), "policy-forbids: sandbox-first", "no approval lifts a rule without `@approval`");
    assert_eq!(of(&proved(&["one"]), &["another"]), "hold for 2 of change-board: production-needs-the-board");
    assert_eq!(answer(&policies, &proved(&[]), &rotate("one"), &[]), "permit: rotators-may-rotate", "the control");
}

#[test]
fn what_no_policy_permits_is_refused_and_never_held_back() {
    let policies = agent(CHANGES);
    let elsewhere = request("POST", "https://two.test/x", &[], "");
    // No policy permits requests to production, so the board is not asked either.
    assert_eq!(answer(&policies, &proved(&["one"]), &elsewhere, &[]), "policy-forbids: production-needs-the-board");
    let read = request("GET", "https://two.test/x", &[], "");
    assert_eq!(answer(&policies, &proved(&[]), &read, &[]), "policy-permits-nothing: ");
    assert_eq!(answer(&policies, &proved(&[]), &request("GET", "https://one.test/x", &[], ""), &[]), "permit: tickets", "the control");
}

#[test]
fn a_policy_that_fails_refuses_even_though_another_one_permits() {
    let failing = r#"@id("all") permit (principal, action, resource);
@id("fails") forbid (principal, action, resource) when { 9223372036854775807 + context.run.acts > 0 };"#;
    let policies = agent(failing);
    let facts = PolicyFacts { acts: 1, ..proved(&[]) };
    assert_eq!(answer(&policies, &facts, &rotate("one"), &[]), "policy-fails: ");
    let control = PolicyFacts { acts: 0, ..proved(&[]) };
    assert_eq!(answer(&policies, &control, &rotate("one"), &[]), "policy-forbids: fails");
}

#[test]
fn two_posts_to_one_path_are_told_apart_by_what_they_say() {
    let by_body = r#"@id("all") permit (principal, action, resource);
@id("form") forbid (principal, action, resource is Endpoint) when {
  context has request && context.request.body.hasTag("Action") && context.request.body.getTag("Action").contains("DeleteUser") };
@id("json") forbid (principal, action == Action::"http.write", resource) when {
  context.request.body.hasTag("user.state") && context.request.body.getTag("user.state").contains("off") };
@id("target") forbid (principal, action == Action::"http.write", resource) when { context.request.operations.contains("Kms.DisableKey") };
@id("query") forbid (principal, action == Action::"http.read", resource) when {
  context.request.query.hasTag("force") && context.request.query.getTag("force").contains("yes") };
@id("segment") forbid (principal, action == Action::"http.read", resource) when {
  context.request.segments.hasTag("2") && context.request.segments.getTag("2").contains("admin") };"#;
    let policies = agent(by_body);
    let form = [("content-type", "application/x-www-form-urlencoded")];
    let json = [("content-type", "application/json; charset=utf-8")];
    let of = |act: Act| answer(&policies, &proved(&[]), &act, &[]);
    let post = |headers: &[(&str, &str)], body: &str| of(request("POST", "https://one.test/", headers, body));
    assert_eq!(post(&form, "Action=ListUsers"), "permit: all");
    assert_eq!(post(&form, "Action=DeleteUser"), "policy-forbids: form");
    assert_eq!(post(&form, "x=1&Action=Delete%55ser"), "policy-forbids: form", "values are decoded");
    assert_eq!(post(&json, r#"{"user":{"state":"on"}}"#), "permit: all");
    assert_eq!(post(&json, r#"{"user":{"state":"off"}}"#), "policy-forbids: json");
    assert_eq!(post(&json, r#"{"user":[{"state":"on"},{"state":"o\u0066f"}]}"#), "policy-forbids: json", "each item of a list counts");
    assert_eq!(post(&[], r#" {"user":{"state":"off"}}"#), "policy-forbids: json", "JSON without its type is read as such");
    assert_eq!(post(&[("x-amz-target", "Kms.ListKeys")], ""), "permit: all");
    assert_eq!(post(&[("x-amz-target", "Kms.DisableKey")], ""), "policy-forbids: target");
    assert_eq!(of(request("GET", "https://one.test/a?force=no", &[], "")), "permit: all");
    assert_eq!(of(request("GET", "https://one.test/a?for%63e=y%65s", &[], "")), "policy-forbids: query");
    assert_eq!(of(request("GET", "https://one.test/a/admin", &[], "")), "policy-forbids: segment");
}

/// Everything is permitted, and one policy looks into bodies.
const READS: &str = r#"@id("all") permit (principal, action, resource);
@id("no") forbid (principal, action == Action::"http.write", resource) when {
  context.request.body.hasTag("action") && context.request.body.getTag("action").contains("drop") };"#;

#[test]
fn a_body_that_servers_read_in_two_ways_is_refused_if_policies_look_into_bodies() {
    let (policies, blind) = (agent(READS), agent(r#"@id("all") permit (principal, action, resource);"#));
    let json = ("content-type", "application/json");
    let form = ("content-type", "application/x-www-form-urlencoded");
    let mut unclear: Vec<(Vec<(&str, &str)>, String)> = [
        r#"{"a":1,"a":2}"#,
        r#"{"a":1,"A":2}"#,
        r#"{"x":{"a":1,"\u0061":2}}"#,
        r#"{"a.b":1}"#,
        r#"{"":1}"#,
        r#"{"a":1"#,
        "{'a':1}",
        r#"{"a":1} {"a":2}"#,
        "\u{feff}{}",
    ]
    .into_iter()
    .map(|body| (vec![json], body.to_owned()))
    .collect();
    let long = "k".repeat(600);
    unclear.extend([
        (vec![json], format!("{}1{}", "[".repeat(40), "]".repeat(40))),
        (vec![json], format!("[{}[]]", "[],".repeat(5000))),
        (vec![json], format!("{{\"{long}\":{{\"{long}\":1}}}}")),
        (vec![json, json], "{}".to_owned()),
        (vec![form], r#"{"a":"&action=drop&b="}"#.to_owned()),
        (vec![("content-type", "application/x-www-form-urlencoded,x")], "action=drop".to_owned()),
        (vec![("content-type", "multipart/form-data; boundary=x")], "--x".to_owned()),
        (vec![("content-type", "text/plain")], "action".to_owned()),
        (vec![json, ("content-encoding", "gzip")], "{}".to_owned()),
        (vec![json, ("content_encoding", "gzip")], "{}".to_owned()),
    ]);
    for (headers, body) in &unclear {
        let act = request("POST", "https://one.test/", headers, body);
        assert_eq!(answer(&policies, &proved(&[]), &act, &[]), "malformed: ", "{headers:?} {body}");
        assert_eq!(answer(&blind, &proved(&[]), &act, &[]), "permit: all", "nobody looks: {headers:?} {body}");
    }
    for (headers, body) in [
        (vec![form], "action=drop"),
        (vec![form], "a=1;action=drop"),
        (vec![form], "ACTION%5B%5D=drop"),
        (vec![form], "+action=drop"),
        (vec![], "action=drop"),
        (vec![json], r#"{"Action":"drop"}"#),
        (vec![json], r#"[{"action":["x","drop"]}]"#),
    ] {
        let act = request("POST", "https://one.test/", &headers, body);
        assert_eq!(answer(&policies, &proved(&[]), &act, &[]), "policy-forbids: no", "{body}");
    }
    let act = request("POST", "https://one.test/", &[json], r#"{"a":[1,2,{"b":null,"c":{}}]}"#);
    assert_eq!(answer(&policies, &proved(&[]), &act, &[]), "permit: all", "the control");
    // Policies that say which kinds of bodies they mean decide about the others too.
    let kinds =
        agent(&READS.replace("context.request.body.hasTag", "context.request.body_kind == \"form\" && context.request.body.hasTag"));
    let text = request("POST", "https://one.test/", &[("content-type", "text/plain")], "x");
    assert_eq!(answer(&kinds, &proved(&[]), &text, &[]), "permit: all");
}

#[test]
fn what_is_bound_to_no_environment_is_in_production() {
    let policies = agent(
        r#"@id("all") permit (principal, action, resource);
@id("production") forbid (principal, action, resource in Env::"production");"#,
    );
    let unbound = |name: &str| Act::Credential(CredentialAsk { name: name.to_owned(), step: CredentialStep::Create });
    assert_eq!(answer(&policies, &proved(&[]), &unbound("unknown"), &[]), "policy-forbids: production");
    assert_eq!(answer(&policies, &proved(&[]), &unbound("one"), &[]), "permit: all", "the control");
}

#[test]
fn an_account_that_is_nobodys_is_not_the_person_of_that_name() {
    let by = r#"@id("all") permit (principal, action, resource);
@id("board") forbid (principal, action, resource) unless { principal.started_by in PersonGroup::"change-board" };"#;
    let mut rules = rules(by);
    rules.people.get_mut("alice").unwrap().user = Some("asmith".to_owned());
    let set = PolicySet::load(&rules.files, &rules.people).unwrap();
    let of = |account: Option<&str>| {
        let started_by = Principal::new(1, account);
        let policies = set.for_agent(&rules, &PolicyAgent { digest: Digest::of(b"x"), name: "rotate", started_by: &started_by });
        answer(&policies, &proved(&[]), &rotate("one"), &[])
    };
    assert_eq!(of(Some("asmith")), "permit: all", "the control");
    assert_eq!(of(Some("alice")), "policy-forbids: board");
    assert_eq!(of(None), "policy-forbids: board");
}

#[test]
fn the_union_of_several_demands_is_what_people_are_asked_for() {
    let several = r#"@id("all") permit (principal, action, resource);
@id("a") @approval("change-board") @quorum("1") @decide_within("4h") @use_within("2h")
forbid (principal, action, resource) unless { context.approvals.contains("change-board") };
@id("b") @approval("change-board") @quorum("3") @decide_within("1h")
forbid (principal, action, resource) unless { context.approvals.contains("change-board") };"#;
    let policies = agent(several);
    let Verdict::Hold(basis, needs) = policies.decide(&grants(), &proved(&[]), (&rotate("one"), None), &BTreeSet::new()) else {
        panic!("it is held back")
    };
    assert_eq!((needs.decide_within_s, needs.use_within_s, needs.groups[0].quorum, basis.policies.len()), (3600, 3600, 3, 2));
}

#[test]
fn an_approval_that_would_not_lift_its_rule_asks_nobody() {
    let useless = r#"@id("all") permit (principal, action, resource);
@id("never") @approval("change-board") forbid (principal, action, resource);"#;
    assert_eq!(answer(&agent(useless), &proved(&[]), &rotate("one"), &[]), "policy-forbids: never");
}

#[test]
fn each_fault_of_a_policy_is_told_with_its_line() {
    let permit = "permit (principal, action, resource);";
    for (text, line, what) in [
        (permit.to_owned(), 1, "has no `@id`"),
        (format!("\n\n@id(\"A b\") {permit}"), 3, "lower-case"),
        (format!("@id(\"a\") {permit}\n@id(\"a\") {permit}"), 2, "is used twice: also in policy/a.cedar:1"),
        (format!("@id(\"a\")\n@whyy(\"x\") {permit}"), 1, "`@whyy` is not an annotation here"),
        (format!("@id(\"a\") @tell(\"x\") {permit}"), 1, "not part of this version"),
        (format!("@id(\"a\") @approval(\"change-board\") {permit}"), 1, "belongs to a `forbid`"),
        (format!("@id(\"a\") @quorum(\"2\") {permit}"), 1, "belong to an `@approval`"),
        ("@id(\"a\") @approval(\"nobody\") forbid (principal, action, resource);".to_owned(), 1, "`[people]` has 0 in it"),
        ("@id(\"a\") @approval(\"change-board\") @quorum(\"4\") forbid (principal, action, resource);".to_owned(), 1, "has 3 in it"),
        ("@id(\"a\") @approval(\"change-board\") @quorum(\"0\") forbid (principal, action, resource);".to_owned(), 1, "a number from 1"),
        ("@id(\"a\") @approval(\"change-board\") @decide_within(\"1w\") forbid (principal, action, resource);".to_owned(), 1, "`4h`"),
        ("@id(\"a\") @approval(\"change-board\") @use_within(\"31d\") forbid (principal, action, resource);".to_owned(), 1, "30 days"),
        ("@id(\"a\") permit (principal, action, resource)\nwhen { context.nothing };".to_owned(), 2, "nothing"),
        ("@id(\"a\") permit (principal, action == Action::\"http.raed\", resource);".to_owned(), 1, "http.raed"),
        ("@id(\"a\") permit (principal == Agent::\"x\",\n action resource);".to_owned(), 2, "unexpected"),
        ("@id(\"a\") permit (principal == ?principal, action, resource);".to_owned(), 1, "template"),
        ("@id(\"a\") permit (principal, action, resource)\nwhen { principal is Env };".to_owned(), 1, "impossible"),
        ("@id(\"a\") permit (principal is Person, action, resource);".to_owned(), 1, ""),
    ] {
        let faults = faults(&text);
        let found = faults.iter().any(|fault| fault.starts_with(&format!("policy/a.cedar:{line}: ")) && fault.contains(what));
        assert!(found, "{text}\n{faults:#?}");
    }
    let both = faults(&format!("{permit}\n@id(\"b\") @x(\"\") {permit}"));
    assert_eq!(both.len(), 2, "all faults are told at once: {both:#?}");
}

#[test]
fn who_started_the_run_and_which_component_it_is_can_be_asked() {
    let by = r#"@id("all") permit (principal, action, resource);
@id("starter") forbid (principal, action, resource) when { principal.started_by in PersonGroup::"change-board" };
@id("named") forbid (principal == Agent::"rotate", action == Action::"credential.test", resource);
@id("other") forbid (principal == Agent::"another", action, resource);"#;
    let policies = agent(by);
    assert_eq!(answer(&policies, &proved(&[]), &rotate("one"), &[]), "permit: all");
    let test = Act::Credential(CredentialAsk { name: "one".to_owned(), step: CredentialStep::Test });
    assert_eq!(answer(&policies, &proved(&[]), &test, &[]), "policy-forbids: named");
    let (rules, alice) = (rules(by), Principal::new(1, Some("alice")));
    let set = PolicySet::load(&rules.files, &rules.people).unwrap();
    let started = set.for_agent(&rules, &PolicyAgent { digest: Digest::of(b"x"), name: "rotate", started_by: &alice });
    assert_eq!(answer(&started, &proved(&[]), &rotate("one"), &[]), "policy-forbids: starter");
}

#[test]
fn grants_without_their_policies_refuse_everything() {
    let grants = Grants {
        may: [("one".to_owned(), vec![vocabulary::May::Identify])].into_iter().collect(),
        policy: Some(rules(CHANGES)),
        ..grants()
    };
    let act = Act::Credential(CredentialAsk { name: "*".to_owned(), step: CredentialStep::Identify(Bytes::new()) });
    let decided = |grants: &Grants| crate::decide_act(grants, None, (crate::Facts::default(), &[]), &act).unwrap().decision;
    assert!(matches!(decided(&grants), vocabulary::Decision::Refuse(Reason::PolicyFails(_))));
    let control = Grants { policy: None, ..grants };
    assert!(matches!(decided(&control), vocabulary::Decision::Permit(_)));
}

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
            let kept = policies.decide_cached(&cache, (&grants, facts), (act, None), &BTreeSet::new());
            assert_eq!(kept, policies.decide(&grants, facts, (act, None), &BTreeSet::new()), "{forbid}");
        }
        cache.hits()
    };
    let get = || request("GET", "https://one.test/a", &[], "");
    let later = PolicyFacts { acts: 5, calls_left: 7, now_unix_s: 1_900_000_000, proved: ["one".to_owned()].into(), run: None };
    let no = |when: &str| format!(r#"@id("no") forbid (principal, action in Action::"http", resource) when {{ {when} }};"#);
    assert_eq!(cached("", &later, &get()), 1, "no policy reads what has changed");
    assert_eq!(cached(&no(r#"context.run.id == "x""#), &later, &get()), 1);
    for reads in [
        "context.run.acts > 3",
        "context.run.calls_left > 3",
        r#"context.now > datetime("2029-01-01")"#,
        r#"context.run.proved.contains("sandbox")"#,
        r#"context.run has "acts" && context.run == {id: "", acts: 5, calls_left: 7, proved: ["sandbox"]}"#,
        r#"[context.run].contains({id: "", acts: 5, calls_left: 7, proved: ["sandbox"]})"#,
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
        policies.decide_cached(&cache, (&grants, &later), (&act, None), &BTreeSet::new());
        assert_eq!(cache.len(), kept, "what may hold a value is not kept, nor is what is large: {act:?}");
    }
}
