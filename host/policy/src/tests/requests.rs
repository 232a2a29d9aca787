//! Ports, queries, bodies, and what reads.

use std::collections::{BTreeMap, BTreeSet};

use vocabulary::{
    Act, Ask, CredentialAsk, CredentialStep, Decision, Engagement, FieldRules, FieldValue, Grants, GroupNeed, Header, HttpAsk, HttpBounds,
    HttpGrant, May, Method, Person, PolicyRules, Principal, ReadRule, Scheme, Tier,
};

use super::{NOW, ask, grant, http, judged};
use crate::{DecidedAct, DecisionCache, PolicyAgent, PolicyFacts, PolicySet, Under, decide_act};

fn rules(may: &[(&str, &[FieldValue])], must: &[(&str, &[FieldValue])]) -> FieldRules {
    let named = |fields: &[(&str, &[FieldValue])]| fields.iter().map(|(name, values)| ((*name).to_owned(), values.to_vec())).collect();
    FieldRules { may: named(may), must: named(must) }
}

fn text(text: &str) -> FieldValue {
    FieldValue::Text(text.to_owned())
}

fn posting(within: HttpBounds) -> HttpGrant {
    let methods = ["GET", "POST"].map(|method| Method::new(method).unwrap()).to_vec();
    HttpGrant { methods, within, ..grant(Scheme::Https, "api.test", None) }
}

fn post(path: &str, headers: &[(&str, &str)], body: &[u8]) -> HttpAsk {
    let header = |(name, value): &(&str, &str)| Header { name: (*name).to_owned(), value: value.as_bytes().to_vec() };
    HttpAsk {
        method: Method::new("POST").unwrap(),
        headers: headers.iter().map(header).collect(),
        body: bytes::Bytes::copy_from_slice(body),
        ..http(ask(Scheme::Https, "api.test", path))
    }
}

#[test]
fn a_grant_may_cover_several_ports_and_no_other() {
    let ports = ["443", "8000-8100"].map(|ports| ports.parse().unwrap()).to_vec();
    let grants = Grants { http: vec![posting(HttpBounds { ports, ..HttpBounds::default() })], ..Grants::default() };
    for (authority, expected) in [
        ("api.test", "permit"),
        ("api.test:8000", "permit"),
        ("api.test:8100", "permit"),
        ("api.test:7999", "port-not-granted"),
        ("api.test:8101", "port-not-granted"),
        ("api.test:80", "port-not-granted"),
    ] {
        assert_eq!(judged(&grants, &ask(Scheme::Https, authority, "/")), expected, "{authority}");
    }
}

#[test]
fn a_query_holds_what_its_grant_names_and_nothing_else() {
    let query = rules(&[("page", &[FieldValue::Number(1), FieldValue::Number(2)])], &[("Action", &[text("List*"), text("Get")])]);
    let grants = Grants { http: vec![posting(HttpBounds { query: Some(query), ..HttpBounds::default() })], ..Grants::default() };
    for (path, expected) in [
        ("/?Action=Get", "permit"),
        ("/?Action=ListUsers&page=2", "permit"),
        ("/?%41ction=%47et", "permit"),
        ("/", "query-not-granted"),
        ("/?page=1", "query-not-granted"),
        ("/?Action=Get2", "query-not-granted"),
        ("/?Action=Delete", "query-not-granted"),
        ("/?Action=get", "query-not-granted"),
        ("/?Action=Get&page=3", "query-not-granted"),
        ("/?Action=Get&page=01", "query-not-granted"),
        ("/?Action=Get&other=1", "query-not-granted"),
        ("/?Action=Get&other", "query-not-granted"),
        // The same name twice, also in another spelling: servers differ in which one they take.
        ("/?Action=Get&Action=Delete", "query-not-granted"),
        ("/?Action=Get&Action=Get", "query-not-granted"),
        ("/?Action=Get&action=Delete", "query-not-granted"),
        ("/?Action=Get&%41ction=Delete", "query-not-granted"),
        ("/?Action=Get&Action[]=Delete", "query-not-granted"),
        // Two readings: a separator for some servers, a double escape, an escape that is none, a text that is not UTF-8.
        ("/?Action=Get;Action=Delete", "query-not-granted"),
        ("/?Action=Get&page=1;x", "query-not-granted"),
        ("/?%2541ction=Get", "query-not-granted"),
        ("/?Action=Get&page=%C0%B1", "query-not-granted"),
        ("/?Action=Get%00", "query-not-granted"),
    ] {
        assert_eq!(judged(&grants, &ask(Scheme::Https, "api.test", path)), expected, "{path}");
    }
}

const JSON: &[(&str, &str)] = &[("content-type", "application/json")];
const FORM: &[(&str, &str)] = &[("content-type", "application/x-www-form-urlencoded")];

fn in_body(body: FieldRules) -> Grants {
    Grants { http: vec![posting(HttpBounds { body: Some(body), ..HttpBounds::default() })], ..Grants::default() }
}

#[test]
fn a_body_holds_what_its_grant_names_and_nothing_else() {
    let any: &[FieldValue] = &[text("*")];
    let may: &[(&str, &[FieldValue])] =
        &[("user.name", any), ("tags[]", &[text("a"), text("b")]), ("admin", &[FieldValue::Bool(false)]), ("n", &[FieldValue::Number(1)])];
    let grants = in_body(rules(may, &[("op", &[text("close")])]));
    for (body, fits) in [
        (r#"{"op":"close"}"#, true),
        (r#"{"op":"close","user":{"name":null},"tags":["a","b"],"admin":false,"n":1}"#, true),
        (r#"{"op":"close","user":{},"tags":[]}"#, true),
        (r#"{"\u006fp":"close"}"#, true),
        ("{}", false),
        (r#"{"op":"open"}"#, false),
        (r#"{"op":["close"]}"#, false),
        (r#"{"op":{"close":1}}"#, false),
        (r#"{"op":"close","other":1}"#, false),
        (r#"{"op":"close","other":{}}"#, false),
        (r#"{"op":"close","other":[]}"#, false),
        (r#"{"op":"close","user":{"id":1}}"#, false),
        (r#"{"op":"close","user":"x"}"#, false),
        (r#"{"op":"close","tags":"a"}"#, false),
        (r#"{"op":"close","tags":["a","c"]}"#, false),
        // What is written alike and is not: a text is not a truth value, and not a number.
        (r#"{"op":"close","admin":"false"}"#, false),
        (r#"{"op":"close","admin":true}"#, false),
        (r#"{"op":"close","n":"1"}"#, false),
        (r#"{"op":"close","n":1.0}"#, false),
        (r#"{"op":"close","n":1e0}"#, false),
        // The same name twice, in any spelling, and names that look like others.
        (r#"{"op":"close","op":"close"}"#, false),
        (r#"{"op":"open","op":"close"}"#, false),
        (r#"{"op":"close","\u006fp":"open"}"#, false),
        (r#"{"op":"close","OP":"open"}"#, false),
        (r#"{"op":"close","user.name":"x"}"#, false),
        (r#"{"op":"close","user":{"name":"a","Name":"b"}}"#, false),
        ("{\"op\":\"close\",\"\u{43e}p\":\"open\"}", false),
        ("{\"\u{43e}p\":\"close\"}", false),
        ("{\"op\":\"cl\u{43e}se\"}", false),
        (r#"{"op":"close"} {"op":"open"}"#, false),
        (r#"{"op":"close""#, false),
        (r#"[{"op":"close"}]"#, false),
        (r#""close""#, false),
        ("op=close", false),
        ("", false),
    ] {
        let expected = if fits { "permit" } else { "body-not-granted" };
        assert_eq!(judged(&grants, &Ask::Http(post("/", JSON, body.as_bytes()))), expected, "{body}");
    }
    for (body, fits) in [
        ("op=close", true),
        ("op=close&n=1&admin=false", true),
        ("op=close&op=close", false),
        ("op=close&OP=open", false),
        ("op=close;op=open", false),
        ("op=close&n=%", false),
        ("op=close&x=1", false),
        ("x", false),
    ] {
        let expected = if fits { "permit" } else { "body-not-granted" };
        assert_eq!(judged(&grants, &Ask::Http(post("/", FORM, body.as_bytes()))), expected, "{body}");
    }
}

#[test]
fn a_body_that_can_be_read_in_two_ways_is_in_no_grant_with_rules_about_it() {
    let grants = in_body(rules(&[], &[("op", &[text("close")])]));
    let plain = Grants { http: vec![posting(HttpBounds::default())], ..Grants::default() };
    let body = br#"{"op":"close"}"#;
    for (headers, fits) in [
        (JSON, true),
        (&[("content-type", "application/vnd.x+json; charset=UTF-8")], true),
        (&[], false),
        (&[("content-type", "text/plain")], false),
        (&[("content-type", "application/json; charset=utf-16")], false),
        (&[("content-type", "application/json; charset=utf-7; charset=utf-8")], false),
        (&[("content-type", "application/x-www-form-urlencoded")], false),
        (&[("content-type", "multipart/form-data; boundary=x")], false),
        (&[("content-type", "application/json"), ("content-type", "application/json")], false),
        (&[("content-type", "application/json"), ("content_type", "text/plain")], false),
        (&[("content-type", "application/json"), ("content-encoding", "gzip")], false),
        (&[("content-type", "application/json"), ("content-encoding", "identity")], true),
    ] as [(&[(&str, &str)], bool); 12]
    {
        let ask = Ask::Http(post("/", headers, body));
        assert_eq!(judged(&grants, &ask), if fits { "permit" } else { "body-not-granted" }, "{headers:?}");
        assert_ne!(judged(&plain, &ask), "body-not-granted", "the control: {headers:?}");
    }
    assert_eq!(judged(&grants, &Ask::Http(post("/", JSON, b"\xff\xfe{\0\"\0o\0p\0"))), "body-not-granted");
    let deep = [r#"{"op":"#.repeat(40), "1".to_owned(), "}".repeat(40)].concat();
    assert_eq!(judged(&grants, &Ask::Http(post("/", JSON, deep.as_bytes()))), "body-not-granted");
}

/// One grant for each of two bodies, each with what it may do.
#[test]
fn the_first_grant_whose_rules_cover_the_body_is_the_one_that_counts() {
    let of = |op: &str| HttpBounds { body: Some(rules(&[], &[("op", &[text(op)])])), ..HttpBounds::default() };
    let grants = Grants { http: vec![posting(of("list")), posting(of("close"))], ..Grants::default() };
    let rule = |op: &str| match crate::decide(&grants, &NOW, &Ask::Http(post("/", FORM, format!("op={op}").as_bytes()))) {
        Decision::Permit(bounds) => bounds.rule.to_string(),
        Decision::Refuse(reason) => reason.to_string(),
        Decision::Hold(hold) => panic!("{hold:?}"),
    };
    assert_eq!((rule("list"), rule("close")), ("http[0]".to_owned(), "http[1]".to_owned()));
    assert_eq!(rule("open"), "the grant does not cover the body: `op` has a value that is not listed");
}

fn search() -> HttpBounds {
    let body = Some(rules(&[("size", &[text("*")])], &[("op", &[text("search")])]));
    let rule = ReadRule { body, method: Method::new("POST").unwrap(), path: "/search".parse().unwrap(), query: None };
    HttpBounds { reads: vec![rule], ..HttpBounds::default() }
}

fn engaged(tier: Tier, approval: Option<GroupNeed>) -> Grants {
    let engagement = Engagement {
        name: "q4".to_owned(),
        approval,
        from_s: 0,
        until_s: u64::MAX,
        rate: None,
        targets: vec!["api.test".parse().unwrap()],
        tier,
    };
    Grants { http: vec![posting(search())], engagement: Some(engagement), ..Grants::default() }
}

fn board() -> GroupNeed {
    GroupNeed { group: "board".to_owned(), quorum: 2 }
}

#[test]
fn what_a_grant_says_reads_is_a_read_in_every_tier() {
    let judge = |tier, path: &str, body: &str| judged(&engaged(tier, None), &Ask::Http(post(path, JSON, body.as_bytes())));
    let (search, change) = (r#"{"op":"search","size":5}"#, r#"{"op":"remove"}"#);
    for tier in [Tier::ReadOnly, Tier::Staged, Tier::Live] {
        assert_eq!(judge(tier, "/search", search), "permit", "{tier:?}");
    }
    assert_eq!(judge(Tier::Live, "/search", change), "permit");
    for (path, body) in [("/search", change), ("/other", search), ("/search", r#"{"op":"search","x":1}"#), ("/search", "")] {
        assert_eq!(judge(Tier::ReadOnly, path, body), "outside-engagement", "{path} {body}");
        assert_eq!(judge(Tier::Staged, path, body), "nobody-to-ask", "{path} {body}");
    }
    // A method says it too, and no rule is needed for it.
    assert_eq!(judged(&engaged(Tier::ReadOnly, None), &ask(Scheme::Https, "api.test", "/x")), "permit");
}

#[test]
fn a_rule_about_reads_may_look_at_the_query_too() {
    let query = Some(rules(&[], &[("Action", &[text("List*")])]));
    let rule = ReadRule { body: None, method: Method::new("POST").unwrap(), path: "/".parse().unwrap(), query };
    let mut grants = engaged(Tier::ReadOnly, None);
    grants.http = vec![posting(HttpBounds { reads: vec![rule], ..HttpBounds::default() })];
    let judge = |path: &str| judged(&grants, &Ask::Http(post(path, FORM, b"anything")));
    assert_eq!(judge("/?Action=ListKeys"), "permit");
    for path in
        ["/?Action=DeleteKey", "/?Action=ListKeys&Action=DeleteKey", "/?Action=ListKeys;Action=DeleteKey", "/", "/x?Action=ListKeys"]
    {
        assert_eq!(judge(path), "outside-engagement", "{path}");
    }
}

/// A step that makes or sets a value changes something, though its request may be a GET, or there is none.
#[test]
fn a_read_only_engagement_rotates_nothing() {
    let mut grants = super::credential::rotating();
    let mut judge = |tier, step: CredentialStep| {
        grants.engagement = engaged(tier, None).engagement;
        grants.engagement.iter_mut().for_each(|engagement| engagement.targets = vec!["*.example.com".parse().unwrap()]);
        grants.may.insert("key".to_owned(), vec![May::Rotate, May::Identify]);
        judged(&grants, &Ask::Credential(CredentialAsk { name: "key".to_owned(), step }))
    };
    for step in [CredentialStep::Create, CredentialStep::Set, CredentialStep::Finish] {
        assert_eq!(judge(Tier::ReadOnly, step.clone()), "outside-engagement", "{step:?}");
        assert_eq!(judge(Tier::Staged, step.clone()), "nobody-to-ask", "{step:?}");
        assert_eq!(judge(Tier::Live, step), "permit");
    }
    assert_eq!(judge(Tier::ReadOnly, CredentialStep::Test), "permit");
    assert_eq!(judge(Tier::ReadOnly, CredentialStep::Identify(bytes::Bytes::from_static(b"12345678"))), "permit");
}

fn people() -> PolicyRules {
    let person = || Person { groups: vec!["board".to_owned()], ..Person::default() };
    let people: BTreeMap<String, Person> = ["alice", "bob"].into_iter().map(|name| (name.to_owned(), person())).collect();
    PolicyRules { people, ..PolicyRules::default() }
}

fn decided(grants: &Grants, set: &PolicySet, act: &Act, approved: &[&str]) -> DecidedAct {
    let started_by = Principal::new(1000, Some("dave"));
    let engagement = grants.engagement.as_ref();
    let agent = PolicyAgent { digest: vocabulary::Digest::of(b"x"), engagement, name: "probe", started_by: &started_by };
    let policies = set.for_agent(&people(), &agent);
    let approved: BTreeSet<String> = approved.iter().map(|group| (*group).to_owned()).collect();
    let under = Under { approved: &approved, cache: &DecisionCache::default(), facts: &PolicyFacts::default(), policies: &policies };
    decide_act(grants, Some(under), (NOW, &[]), act).unwrap()
}

#[test]
fn a_staged_engagement_asks_its_people_for_each_act_that_changes_something() {
    let set = PolicySet::of_people().unwrap();
    let mut grants = engaged(Tier::Staged, Some(board()));
    grants.policy = Some(people());
    let (search, change) = (post("/search", JSON, br#"{"op":"search"}"#), post("/x", JSON, b"{}"));
    let of = |ask: &HttpAsk, approved: &[&str]| decided(&grants, &set, &Act::Http(ask.clone()), approved);
    assert!(matches!(of(&search, &[]).decision, Decision::Permit(_)), "what reads asks nobody");
    assert!(!of(&search, &[]).changes && of(&change, &[]).changes);
    let Decision::Hold(hold) = of(&change, &[]).decision else { panic!("{:?}", of(&change, &[])) };
    assert_eq!(hold.needs.groups, [board()]);
    let note = &hold.needs.policies[0];
    assert_eq!(note.id.as_str(), "engagement.q4");
    assert_eq!(note.why.as_str(), "the engagement q4 is staged: people approve each act that changes something");
    assert!(matches!(of(&change, &["board"]).decision, Decision::Permit(_)));
    assert!(matches!(of(&change, &["another"]).decision, Decision::Hold(_)));
    // Without the tier the same act needs nobody.
    let live = Grants { policy: Some(people()), ..engaged(Tier::Live, None) };
    assert!(matches!(decided(&live, &set, &Act::Http(change), &[]).decision, Decision::Permit(_)), "the control");
}

/// The tier is checked by itself, so that no policy set lets an act pass that nobody approved.
#[test]
fn no_policy_set_lifts_a_tier() {
    let set = PolicySet::of_people().unwrap();
    let change = Act::Http(post("/x", JSON, b"{}"));
    let started_by = Principal::new(1000, Some("dave"));
    // Policies that were made for a run without the engagement.
    let agent = PolicyAgent { digest: vocabulary::Digest::of(b"x"), engagement: None, name: "probe", started_by: &started_by };
    let policies = set.for_agent(&people(), &agent);
    let code = |tier, approval, approved: &[&str]| {
        let grants = Grants { policy: Some(people()), ..engaged(tier, approval) };
        let approved: BTreeSet<String> = approved.iter().map(|group| (*group).to_owned()).collect();
        let under = Under { approved: &approved, cache: &DecisionCache::default(), facts: &PolicyFacts::default(), policies: &policies };
        match decide_act(&grants, Some(under), (NOW, &[]), &change).unwrap().decision {
            Decision::Permit(_) => "permit",
            Decision::Refuse(reason) => reason.code(),
            Decision::Hold(_) => "hold",
        }
    };
    assert_eq!(code(Tier::Live, None, &[]), "permit", "the control");
    assert_eq!(code(Tier::ReadOnly, None, &["board"]), "outside-engagement");
    assert_eq!(code(Tier::Staged, None, &["board"]), "nobody-to-ask");
    assert_eq!(code(Tier::Staged, Some(board()), &[]), "nobody-to-ask");
    assert_eq!(code(Tier::Staged, Some(board()), &["other"]), "nobody-to-ask");
    assert_eq!(code(Tier::Staged, Some(board()), &["board"]), "permit");
    // The digest of what was approved changes with who has to approve it.
    let digest = |approval| crate::set_digest(&people(), engaged(Tier::Staged, approval).engagement.as_ref());
    let one = GroupNeed { quorum: 1, ..board() };
    assert_eq!(BTreeSet::from([digest(None), digest(Some(board())), digest(Some(one))]).len(), 3);
}
