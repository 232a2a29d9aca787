//! Credentials, environments and engagements: what is sent, and where.

use vocabulary::{
    Act, Ask, Binding, CredentialAsk, CredentialStep, Decision, Encoding, Engagement, Environment, EnvironmentPlace, Grants, Hash, Header,
    Hmac, HttpAsk, HttpGrant, May, Method, Placement, Rotation, RotationSet, Rule, Scheme, Source, Tier,
};

use super::{NOW, ask, grant, http, judged};
use crate::choice::{Chosen, choose};
use crate::{Choice, Facts, Placeholder, decide, decide_act};

/// Whether the host may put a credential into a request, depending on what the guest has already written in the credential's place.
#[test]
fn a_place_that_the_guest_has_taken_is_no_place_for_a_credential() {
    let judge = |placement: Placement, headers: &[&str], path: &str| {
        let with = HttpGrant { credential: Some("key".to_owned()), ..grant(Scheme::Https, "api.test", None) };
        let mut granted = Grants { http: vec![with], ..Grants::default() };
        let hosts = vec!["api.test".parse().unwrap()];
        granted.credentials = vec![Binding::new("key", hosts, placement, Source::Local)];
        let mut ask = http(ask(Scheme::Https, "api.test", path));
        ask.headers = headers.iter().map(|name| Header { name: (*name).to_owned(), value: b"mine".to_vec() }).collect();
        judged(&granted, &Ask::Http(ask))
    };
    let header = || Placement::Header { name: "x-api-key".to_owned(), before: String::new(), after: String::new() };
    let query = || Placement::Query { name: "api_key".to_owned() };
    let hmac = || {
        Placement::Hmac(Hmac {
            header: "x-signature".to_owned(),
            before: String::new(),
            hash: Hash::Sha256,
            encoding: Encoding::Hex,
            over: "{timestamp}.{body}".to_owned(),
            timestamp_header: Some("x-signed-at".to_owned()),
        })
    };
    for (placement, headers, path, expected) in [
        (header(), &["user-agent"][..], "/", "permit"),
        (header(), &["x-other"], "/", "header-not-granted(x-other)"),
        (header(), &["x-api-key"], "/", "header-not-yours(x-api-key)"),
        (header(), &["X_Api_Key"], "/", "header-not-yours(x-api-key)"),
        (Placement::Bearer, &["authorization"], "/", "header-not-yours(authorization)"),
        (hmac(), &["user-agent"], "/", "permit"),
        (hmac(), &["X_Signature"], "/", "header-not-yours(x-signature)"),
        (hmac(), &["x-signed-at"], "/", "header-not-yours(x-signed-at)"),
        (query(), &[], "/?a=1&apikey=2", "permit"),
        (query(), &[], "/?a=1&api_key=2", "header-not-yours(?api_key=)"),
        (query(), &[], "/?api_key", "header-not-yours(?api_key=)"),
        (query(), &[], "/?API_KEY=2", "header-not-yours(?api_key=)"),
        (query(), &[], "/?a=1;api%5Fkey=2", "header-not-yours(?api_key=)"),
    ] {
        assert_eq!(judge(placement, headers, path), expected, "{headers:?} {path}");
    }
}

fn with_key(change: impl FnOnce(&mut Binding)) -> Grants {
    let granted = HttpGrant { credential: Some("key".to_owned()), ..grant(Scheme::Https, "*.example.com", None) };
    let mut binding = Binding::new("key", vec!["*.example.com".parse().unwrap()], Placement::Bearer, Source::Local);
    change(&mut binding);
    Grants { http: vec![granted], credentials: vec![binding], ..Grants::default() }
}

#[test]
fn grant_and_binding_must_both_cover_the_request() {
    let judge = |grants: Grants, authority: &str, path: &str| judged(&grants, &ask(Scheme::Https, authority, path));
    let (inside, outside) = ("permit", "credential-not-bound(key)");
    assert_eq!(judge(with_key(|_| ()), "a.example.com", "/x"), inside);
    let methods = |method: &'static str| with_key(|key| key.methods = vec![Method::new(method).unwrap()]);
    assert_eq!(
        (judge(methods("GET"), "a.example.com", "/x"), judge(methods("POST"), "a.example.com", "/x")),
        (inside.into(), outside.into())
    );
    let paths = || with_key(|key| key.paths = vec!["/api/**".parse().unwrap()]);
    assert_eq!((judge(paths(), "a.example.com", "/api/x"), judge(paths(), "a.example.com", "/x")), (inside.into(), outside.into()));
    let port = |port| with_key(|key| key.port = Some(port));
    assert_eq!((judge(port(443), "a.example.com", "/"), judge(port(8443), "a.example.com", "/")), (inside.into(), outside.into()));
    let host = || with_key(|key| key.hosts = vec!["b.example.com".parse().unwrap()]);
    assert_eq!((judge(host(), "b.example.com", "/"), judge(host(), "a.example.com", "/")), (inside.into(), outside.into()));
}

fn sandbox() -> Environment {
    let place = |host: &str, paths: &[&str]| EnvironmentPlace {
        host: host.parse().unwrap(),
        paths: paths.iter().map(|path| path.parse().unwrap()).collect(),
    };
    Environment {
        name: "sandbox".to_owned(),
        places: vec![place("*.sandbox.example.com", &[]), place("shared.example.com", &["/api/**/sandbox/**"])],
    }
}

#[test]
fn a_credential_of_one_environment_is_refused_in_another_by_name() {
    let judge = |of: &str, environments: Vec<Environment>, authority: &str, path: &str| {
        let grants = Grants { environments, ..with_key(|key| key.environment = Some(of.to_owned())) };
        judged(&grants, &ask(Scheme::Https, authority, path))
    };
    let named = |of: &str, there: &str| format!("credential-elsewhere(`key` is for {of}, but this request goes to {there})");
    for (of, authority, path, expected) in [
        ("sandbox", "a.sandbox.example.com", "/", "permit".to_owned()),
        ("sandbox", "a.example.com", "/", named("sandbox", "production")),
        ("production", "a.example.com", "/", "permit".to_owned()),
        ("production", "a.sandbox.example.com", "/", named("production", "sandbox")),
        ("sandbox", "shared.example.com", "/api/v1/sandbox/x", "permit".to_owned()),
        ("production", "shared.example.com", "/api/v1/sandbox/x", named("production", "sandbox")),
        ("sandbox", "shared.example.com", "/api/v1/x", named("sandbox", "production")),
    ] {
        assert_eq!(judge(of, vec![sandbox()], authority, path), expected, "{of} {authority}{path}");
    }
    let staging = Environment { name: "staging".to_owned(), ..sandbox() };
    // If a place belongs to two environments, it belongs to neither.
    assert_eq!(judge("sandbox", vec![sandbox(), staging], "a.sandbox.example.com", "/"), named("sandbox", "sandbox and staging"));
    assert_eq!(judge("sandbox", Vec::new(), "a.sandbox.example.com", "/"), named("sandbox", "production"));
}

#[test]
fn an_engagement_bounds_every_ask_in_place_time_and_kind() {
    let engagement = |tier| Engagement {
        name: "q4".to_owned(),
        from_s: 1_800_000_000,
        until_s: 1_800_000_010,
        rate: None,
        targets: vec!["*.example.com".parse().unwrap(), "127.0.0.0/8".parse().unwrap()],
        tier,
    };
    let judge = |tier, now_unix_s, authority: &str, method: &str| {
        let wide = |host: &str| HttpGrant { methods: vec![Method::new(method).unwrap()], ..grant(Scheme::Https, host, None) };
        let http_grants = ["*.example.com", "good.com", "127.0.0.9", "10.0.0.1"].map(wide).to_vec();
        let grants = Grants { http: http_grants, engagement: Some(engagement(tier)), ..Grants::default() };
        let mut ask = http(ask(Scheme::Https, authority, "/"));
        ask.method = Method::new(method).unwrap();
        match decide(&grants, &Facts { now_unix_s, ..NOW }, &Ask::Http(ask)) {
            Decision::Permit(_) => "permit".to_owned(),
            Decision::Refuse(reason) => reason.to_string(),
            Decision::Hold(hold) => panic!("no rule says so: {hold:?}"),
        }
    };
    let (begin, end) = (1_800_000_000, 1_800_000_010);
    for (tier, now, authority, method, expected) in [
        (Tier::Live, begin, "a.example.com", "DELETE", "permit"),
        (Tier::Live, end - 1, "127.0.0.9", "GET", "permit"),
        (Tier::Live, begin - 1, "a.example.com", "GET", "outside the engagement: the engagement has not begun"),
        (Tier::Live, end, "a.example.com", "GET", "outside the engagement: the engagement has ended"),
        (Tier::Live, begin, "good.com", "GET", "outside the engagement: the host is not one of its targets"),
        (Tier::Live, begin, "10.0.0.1", "GET", "outside the engagement: the host is not one of its targets"),
        (Tier::ReadOnly, begin, "a.example.com", "GET", "permit"),
        (Tier::ReadOnly, begin, "a.example.com", "POST", "outside the engagement: its tier does not allow requests that change something"),
        (Tier::Staged, begin, "a.example.com", "HEAD", "permit"),
        (Tier::Staged, begin, "a.example.com", "DELETE", "outside the engagement: its tier does not allow requests that change something"),
    ] {
        assert_eq!(judge(tier, now, authority, method), expected, "{tier:?} {now} {authority} {method}");
    }
}

#[test]
fn a_guest_may_choose_among_what_it_was_granted_and_by_one_header_only() {
    let other = HttpGrant { credential: Some("other".to_owned()), ..grant(Scheme::Https, "*.example.com", None) };
    let mut grants = with_key(|_| ());
    let hosts = vec!["*.example.com".parse().unwrap()];
    grants.http.push(other);
    grants.credentials.push(Binding::new("other", hosts, Placement::Bearer, Source::Local));
    let judge = |choices: &[&str]| {
        let mut ask = http(ask(Scheme::Https, "a.example.com", "/"));
        ask.headers =
            choices.iter().map(|name| Header { name: "bailiwick-credential".to_owned(), value: name.as_bytes().to_vec() }).collect();
        let judged = match decide_act(&grants, None, (NOW, &[]), &Act::Http(ask)) {
            Ok(judged) => judged,
            Err(reason) => return reason.to_string(),
        };
        // Without a choice, nothing is taken out and the request is sent as it is.
        assert_eq!(judged.bare.is_some(), !choices.is_empty());
        assert!(judged.bare.is_none_or(|bare| bare.headers.is_empty()), "the choice is never sent");
        match judged.decision {
            Decision::Permit(bounds) => bounds.credential.unwrap_or_default(),
            Decision::Refuse(reason) => reason.to_string(),
            Decision::Hold(hold) => panic!("no rule says so: {hold:?}"),
        }
    };
    assert_eq!(judge(&[]), "key");
    assert_eq!(judge(&["key"]), "key");
    assert_eq!(judge(&["other"]), "other");
    assert_eq!(judge(&["third"]), "no grant for this request names the credential `third`");
    for bad in [&["key", "other"][..], &["key", "key"], &[""], &["KEY"], &["key, other"]] {
        assert_eq!(judge(bad), "only the host may set the header `bailiwick-credential`", "{bad:?}");
    }
    let step = Act::Credential(CredentialAsk { name: "key".to_owned(), step: CredentialStep::Create });
    let judged = decide_act(&grants, None, (NOW, &[]), &step).unwrap();
    assert!(judged.bare.is_none() && matches!(judged.decision, Decision::Refuse(_)), "using it is no leave to rotate it: {judged:?}");
    grants.may.insert("key".to_owned(), vec![May::Rotate]);
    assert!(
        matches!(decide_act(&grants, None, (NOW, &[]), &step), Ok(judged) if judged.decision == decide(&grants, &NOW, &step.clone().into()))
    );
}

/// A placeholder is replaced only in the place of its credential, and is refused everywhere else.
#[test]
fn a_placeholder_outside_of_its_own_place_never_leaves() {
    const TEXT: &str = "bwkph0123456789abcdefghijklmnopqrs";
    let placeholders = [Placeholder { credential: "key".to_owned(), text: TEXT.to_owned() }];
    let base64 = "YndrcGgwMTIzNDU2Nzg5YWJjZGVmZ2hpamtsbW5vcHFycw";
    let judge = |placement: Placement, change: &dyn Fn(&mut HttpAsk)| {
        let grants = with_key(|key| key.placement = placement.clone());
        let mut ask = http(ask(Scheme::Https, "a.example.com", "/x?a=1"));
        change(&mut ask);
        choose(&grants, &placeholders, &ask)
    };
    let header = |name: &'static str, value: String| {
        move |ask: &mut HttpAsk| ask.headers.push(Header { name: name.to_owned(), value: value.clone().into_bytes() })
    };
    let own = Placement::Header { name: "x-key".to_owned(), before: "k ".to_owned(), after: String::new() };
    let query = Placement::Query { name: "key".to_owned() };
    let basic = Placement::Basic { user: "me".to_owned() };
    let in_basic = format!("Basic {}", base64::Engine::encode(&base64::engine::general_purpose::STANDARD, format!("me:{TEXT}")));
    type Change<'a> = &'a dyn Fn(&mut HttpAsk);
    let taken: [(Placement, Change<'_>); 5] = [
        (Placement::Bearer, &header("authorization", format!("Bearer {TEXT}"))),
        (Placement::Bearer, &header("Authorization", format!("bearer {TEXT}"))),
        (basic, &header("authorization", in_basic)),
        (own.clone(), &header("x-key", format!("k {TEXT}"))),
        (query, &|ask| ask.target.query = Some(format!("a=1&key={TEXT}"))),
    ];
    for (placement, change) in taken {
        let Chosen { choice, bare } = judge(placement.clone(), change).unwrap().unwrap();
        assert_eq!(choice, Choice::Placeholder("key".to_owned()), "{placement:?}");
        assert!(bare.headers.is_empty() && bare.target.query.as_deref() == Some("a=1"), "{placement:?}");
    }
    let misplaced: [Change<'_>; 8] = [
        &header("x-other", TEXT.to_owned()),
        &header("authorization", format!("Basic {TEXT}")),
        &header("authorization", format!("Bearer  {TEXT}")),
        &header("x-other", base64.to_owned()),
        &|ask| ask.target.path = format!("/x/{TEXT}"),
        &|ask| ask.target.query = Some(format!("key={TEXT}")),
        &|ask| ask.target.query = Some(format!("key=%62{}", &TEXT[1..])),
        &|ask| {
            ask.headers.extend([0, 1].map(|_| Header { name: "authorization".to_owned(), value: format!("Bearer {TEXT}").into_bytes() }))
        },
    ];
    for (n, change) in misplaced.iter().enumerate() {
        let reason = judge(Placement::Bearer, change).err().map(|reason| reason.code());
        assert_eq!(reason, Some("placeholder-misplaced"), "{n}");
    }
    assert!(
        judge(Placement::Bearer, &header("x-other", "bwkph0123".to_owned())).unwrap().is_none(),
        "only the whole text is a placeholder"
    );
}

#[test]
fn a_placeholder_in_a_body_is_text_like_any_other_and_counted() {
    const TEXT: &str = "bwkph0123456789abcdefghijklmnopqrs";
    let placeholders = [Placeholder { credential: "key".to_owned(), text: TEXT.to_owned() }];
    let encoded = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, format!("a {TEXT} b"));
    for (body, times) in [
        (format!("{{\"token\":\"{TEXT}\"}}"), 1),
        (format!("{{\"said\":\"\\\"{TEXT}\\\" and {TEXT}\"}}"), 2),
        (format!("token={TEXT}&again=%62{}", &TEXT[1..]), 1),
        (encoded, 1),
        (TEXT[1..].to_owned(), 0),
        (String::new(), 0),
    ] {
        for placement in [Placement::Bearer, Placement::Json { field: "token".to_owned() }, Placement::Form { name: "token".to_owned() }] {
            let grants = with_key(|key| key.placement = placement.clone());
            let ask = HttpAsk { body: body.clone().into(), ..http(ask(Scheme::Https, "a.example.com", "/x")) };
            assert_eq!(choose(&grants, &placeholders, &ask), Ok(None), "{body}");
        }
        assert_eq!(crate::quoted(&placeholders, body.as_bytes()), times, "{body}");
    }
}

#[test]
fn what_is_done_with_a_credential_besides_sending_needs_a_word_of_its_own() {
    let rotation = Rotation {
        set: RotationSet {
            method: Method::new("PUT").unwrap(),
            path: "/api/users/svc".to_owned(),
            body: "{}".to_owned(),
            field: "p".to_owned(),
        },
        test_path: "/api/whoami".to_owned(),
    };
    let grants = |may: &[May], change: &dyn Fn(&mut Binding)| {
        let mut grants = with_key(|key| {
            key.hosts = vec!["a.example.com".parse().unwrap()];
            key.rotation = Some(rotation.clone());
            change(key);
        });
        grants.may = [("key".to_owned(), may.to_vec())].into();
        grants
    };
    let judge = |grants: &Grants, step: CredentialStep| judged(grants, &Ask::Credential(CredentialAsk { name: "key".to_owned(), step }));
    let identify = || CredentialStep::Identify(b"found"[..].into());
    let both = grants(&[May::Identify, May::Rotate], &|_| ());
    for step in [identify(), CredentialStep::Create, CredentialStep::Set, CredentialStep::Test, CredentialStep::Finish] {
        assert_eq!(judge(&both, step.clone()), "permit");
        assert_eq!(judge(&grants(&[], &|_| ()), step.clone()), "credential-use-not-granted");
        assert_eq!(judge(&with_key(|_| ()), step), "credential-use-not-granted");
    }
    assert_eq!(judge(&grants(&[May::Rotate], &|_| ()), identify()), "credential-use-not-granted");
    assert_eq!(judge(&grants(&[May::Identify], &|_| ()), CredentialStep::Create), "credential-use-not-granted");
    // The requests that it makes are judged like any other.
    let narrow = grants(&[May::Rotate], &|key| key.methods = vec![Method::new("GET").unwrap()]);
    assert_eq!(
        (judge(&narrow, CredentialStep::Set), judge(&narrow, CredentialStep::Test)),
        ("credential-not-bound(key)".into(), "permit".into())
    );
    let none = grants(&[May::Rotate], &|key| key.rotation = None);
    assert_eq!(judge(&none, CredentialStep::Create), "credential-not-bound(key)");
    let elsewhere = grants(&[May::Rotate], &|key| key.environment = Some("sandbox".to_owned()));
    assert!(judge(&elsewhere, CredentialStep::Set).starts_with("credential-elsewhere"));
}

/// When the permit for a request to `api.example.com` expires.
fn ends(grants: &Grants) -> Option<u64> {
    let ask = ask(Scheme::Https, "api.example.com", "/");
    match decide(grants, &NOW, &ask) {
        Decision::Permit(bounds) => bounds.until_unix_s,
        Decision::Refuse(reason) => panic!("{reason}"),
        Decision::Hold(hold) => panic!("no rule says so: {hold:?}"),
    }
}

#[test]
fn what_is_permitted_ends_with_the_first_of_what_permits_it() {
    let (first, second, third) = ("2028-01-01", "2029-01-01", "2030-01-01");
    let unix_s = |day: &str| day.parse::<vocabulary::Until>().unwrap().unix_s;
    let all = |grant: &str, key: &str, engagement: &str| {
        let mut grants = with_key(|binding| binding.until = Some(key.parse().unwrap()));
        grants.http.iter_mut().for_each(|http| http.until = Some(grant.parse().unwrap()));
        grants.engagement = Some(Engagement {
            name: "q4".to_owned(),
            from_s: 0,
            until_s: unix_s(engagement),
            rate: None,
            targets: vec!["*.example.com".parse().unwrap()],
            tier: Tier::Live,
        });
        grants
    };
    for (grant, key, engagement) in [(first, second, third), (second, first, third), (third, second, first)] {
        assert_eq!(ends(&all(grant, key, engagement)), Some(unix_s(first)), "{grant} {key} {engagement}");
    }
    assert_eq!(ends(&with_key(|_| ())), None);
    // The end of another credential does not count for this one.
    let mut other = with_key(|_| ());
    let hosts = vec!["*.example.com".parse().unwrap()];
    other
        .credentials
        .push(Binding { until: Some(first.parse().unwrap()), ..Binding::new("other", hosts, Placement::Bearer, Source::Local) });
    assert_eq!(ends(&other), None);
}

#[test]
fn a_rule_still_covers_only_what_its_own_paths_and_the_credential_cover() {
    let mut grants = with_key(|_| ());
    grants.http.iter_mut().for_each(|http| http.paths = vec!["/a/**".parse().unwrap()]);
    grants.http.push(HttpGrant { paths: vec!["/b/**".parse().unwrap()], ..grant(Scheme::Https, "*.example.com", None) });
    let bounds = |rule: Rule, credential: Option<&str>| vocabulary::Bounds {
        rule,
        credential: credential.map(str::to_owned),
        ..vocabulary::Bounds::default()
    };
    let get = Method::new("GET").unwrap();
    let covers = |bounds: &vocabulary::Bounds, authority: &str, path: &str| {
        let Ask::Http(ask) = ask(Scheme::Https, authority, path) else { panic!("no request") };
        crate::still_covers(&grants, bounds, &get, &ask.target)
    };
    let (first, second) = (bounds(Rule::Http(0), Some("key")), bounds(Rule::Http(1), None));
    assert!(covers(&first, "api.example.com", "/a/x") && covers(&second, "api.example.com", "/b/x"));
    assert!(!covers(&first, "api.example.com", "/b/x") && !covers(&second, "api.example.com", "/a/x"));
    assert!(!covers(&first, "elsewhere.test", "/a/x"), "the credential may not go there");
    for other in [Rule::Http(9), Rule::Files(Some(0)), Rule::Own] {
        assert!(!covers(&bounds(other, None), "api.example.com", "/a/x"), "there is no such rule of requests");
    }
}

#[test]
fn a_look_at_a_mount_is_decided_like_any_ask() {
    let files = vocabulary::FilesGrant { guest: "/src".to_owned(), host: "/src".into(), mode: vocabulary::FilesMode::Read };
    let grants = Grants { files: vec![files], ..Grants::default() };
    let (file, facts) = (vocabulary::FileId(1), Facts { mount: Some(0), ..NOW });
    let read = vocabulary::FileAsk::Read { file, offset: 0, len: 1 };
    let write = vocabulary::FileAsk::Change { function: vocabulary::ChangeKind::Write, file, path: None };
    for (ask, mount, permitted) in [(&read, 0, true), (&read, 1, false), (&write, 0, false)] {
        let facts = Facts { mount: Some(mount), ..facts.clone() };
        let decided = crate::decide_file(&grants, &facts, ask);
        assert_eq!(decided, decide(&grants, &facts, &Ask::File(ask.clone())));
        assert_eq!(matches!(decided, Decision::Permit(bounds) if bounds.rule == Rule::Files(Some(0))), permitted, "{ask:?}");
    }
}
