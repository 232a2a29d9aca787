//! Every kind is written in canonical form and reads back as it was.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use super::*;
use crate::{CredentialFault, canon};

fn text(text: &str) -> SafeText {
    SafeText::new(text, 100)
}

fn http(method: &str) -> Resource {
    Resource::Http(crate::HttpResource::new(&crate::Method::new(method).unwrap(), &"https://a.test/".parse().unwrap()))
}

fn digest() -> Digest {
    Digest::of(b"x")
}

fn user() -> Principal {
    Principal::new(1000, Some("alice"))
}

fn ask() -> AskedFor {
    AskedFor {
        capability: crate::Capability::Http,
        function: crate::Function::HttpHandle,
        headers: Vec::new(),
        placeholders: 0,
        resolved: Some(text("r")),
        resource: http("GET"),
    }
}

fn closed(outcome: Outcome) -> Record {
    RunClosed { active_ms: 1, at: 2, kind: RecordKind::RunClosed, obstacle: None, outcome, output: None, peak_memory: 3, v: VERSION }.into()
}

fn changed(by: Actor) -> Record {
    let (change, kind, credential) = (CredentialChange::Rotated, RecordKind::CredentialChanged, text("c"));
    CredentialChanged { destinations: vec![text("https://a.test")], at: 1, by, change, credential, kind, v: VERSION, version: Some(2) }
        .into()
}

fn uptime() -> Uptime {
    Uptime { boot: "0f".repeat(16), ms: 7 }
}

fn basis() -> PolicyBasis {
    PolicyBasis { policies: vec![text("p")], set: digest() }
}

fn voted(means: VoteMeans) -> Record {
    ApprovalVoted {
        approved: true,
        at: 1,
        by: user(),
        digest: digest(),
        kind: RecordKind::ApprovalVoted,
        means,
        op: 1,
        person: text("alice"),
        reason: text("r"),
        uptime: uptime(),
        v: VERSION,
        vote: Vote::Approve,
    }
    .into()
}

fn one_of_each() -> Vec<Record> {
    let v = VERSION;
    let claims = vec![
        Claim::Stderr(text("a\nb")),
        Claim::Progress(crate::ClaimedProgress { done: 1, total: 2, what: text("w") }),
        Claim::Finding(Box::new(crate::Finding {
            evidence: vec![text("e")],
            excerpt: Some(text("x")),
            fingerprint: text("f"),
            location: Some(crate::Location { column: 1, line: 2, uri: text("/a") }),
            rule: text("r"),
            severity: crate::Severity::High,
            taxa: vec![text("cwe:CWE-798")],
            title: text("t"),
        })),
    ];
    let one = |event| DeliveredOne { bytes: 1, empty: 2, event, mono_ns: 3, op: 4 };
    let releases = vec![one(DeliveredEvent::Head), one(DeliveredEvent::Timer(7)), one(DeliveredEvent::Failed(HttpFault::Denied.into()))];
    let object = Object {
        amount: 1,
        digest: Some(digest()),
        path: text("/src/a"),
        real: Some(text("/src/b")),
        times: 1,
        untold: 2,
        what: Touch::File,
        whole: true,
    };
    let tls = Some(Tls { key: digest(), version: text("TLSv1.3") });
    let bounds = Bounds { addresses: vec!["10.0.0.0/8".parse().unwrap()], rule: crate::Rule::Http(0), ..Bounds::default() };
    vec![
        Asked {
            again: false,
            approval: Some(digest()),
            ask: ask(),
            at: 1,
            bounds,
            kind: RecordKind::Asked,
            op: 1,
            params: digest(),
            policy: Some(basis()),
            repeat: Repeat::Safe,
            spent_ms: 5,
            v,
        }
        .into(),
        Refused {
            alike: 1,
            ask: ask(),
            at: 1,
            counted: Some(Counted {
                last: 0,
                names: vec![CountedName { resolved: None, resource: Resource::Path(text("n")), times: 2 }],
                since: 1,
            }),
            kind: RecordKind::Refused,
            op: 1,
            params: digest(),
            policy: Some(basis()),
            reason: Reason::HeaderNotYours(text("cookie")),
            spent_ms: 5,
            v,
        }
        .into(),
        ApprovalAsked {
            ask: ask(),
            at: 1,
            bounds: Bounds::default(),
            digest: digest(),
            environment: text("production"),
            kind: RecordKind::ApprovalAsked,
            needs: Requirement {
                decide_within_s: 1,
                groups: vec![crate::GroupNeed { group: "board".to_owned(), quorum: 2 }],
                policies: vec![crate::PolicyNote { id: text("p"), why: text("w") }],
                use_within_s: 2,
            },
            op: 1,
            params: digest(),
            policy: basis(),
            spent_ms: 5,
            uptime: uptime(),
            v,
        }
        .into(),
        voted(VoteMeans::Unsigned),
        voted(VoteMeans::Signed { key: text("SHA256:x"), signature: "s".to_owned() }),
        ApprovalClosed { at: 1, by: Some(user()), digest: digest(), end: ApprovalEnd::Revoked, kind: RecordKind::ApprovalClosed, op: 1, v }
            .into(),
        Answered {
            at: 1,
            detail: text("why"),
            how: Settled::Http(HttpSettled {
                credential_version: Some(2),
                fault: None,
                outcome: HttpOutcome::Response,
                peer: Some("[::1]:80".parse().unwrap()),
                sent: Some(Sent { body: 1, head: 2 }),
                status: Some(200),
                tls,
            }),
            kind: RecordKind::Answered,
            op: 1,
            reason: None,
            spent_ms: 5,
            v,
        }
        .into(),
        Answered {
            at: 1,
            detail: text(""),
            how: Settled::Credential(CredentialSettled {
                fault: Some(CredentialFault::OverLimit),
                outcome: CredentialOutcome::Failed,
                version: Some(3),
            }),
            kind: RecordKind::Answered,
            op: 2,
            reason: Some(Reason::GrantExpired),
            spent_ms: 5,
            v,
        }
        .into(),
        Received { bytes: 1, digest: digest(), kind: RecordKind::Received, op: 1, redactions: 0, source: text("s"), whole: true, v }.into(),
        HostAsked {
            at: 1,
            credential: text("key"),
            kind: RecordKind::HostAsked,
            number: 1,
            op: 2,
            purpose: HostPurpose::VaultLogin,
            resource: http("POST"),
            v,
        }
        .into(),
        HostAnswered {
            detail: text("why"),
            at: 1,
            bytes: 3,
            fault: Some(HttpFault::TimedOut),
            kind: RecordKind::HostAnswered,
            number: 1,
            outcome: HttpOutcome::Failed,
            peer: Some("[::1]:80".parse().unwrap()),
            reason: Some(Reason::KeyNotPinned),
            sent: Some(Sent { body: 1, head: 2 }),
            status: Some(200),
            v,
        }
        .into(),
        ValueMet { at: 1, credential: text("key"), kind: RecordKind::ValueMet, op: 2, place: MetIn::Request, times: 1, v }.into(),
        Observed { kind: RecordKind::Observed, objects: vec![object], payload: None, unkept: true, v }.into(),
        Delivered { kind: RecordKind::Delivered, payload: Some(digest()), releases, v }.into(),
        Said { claims, kind: RecordKind::Said, v }.into(),
        RunOpened {
            agent: AgentRef { digest: digest(), name: text("n"), version: text("0.1.0") },
            at: 1,
            by: user(),
            config: None,
            durable: true,
            engine: EngineRef { host: text("0.1.0"), profile: text("p"), wasmtime: text("48") },
            grants: digest(),
            input: digest(),
            kind: RecordKind::RunOpened,
            limits: Limits::default(),
            parent: None,
            policy: Some(digest()),
            run: RunId::from_parts(1, [7; 10]),
            seed: digest(),
            uptime: uptime(),
            v,
        }
        .into(),
        RunResumed { at: 1, by: user(), kind: RecordKind::RunResumed, spent_ms: 5, unattended: false, uptime: uptime(), v, waited_ms: 0 }
            .into(),
        RunResumed { at: 1, by: user(), kind: RecordKind::RunResumed, spent_ms: 5, unattended: true, uptime: uptime(), v, waited_ms: 9 }
            .into(),
        RunSuspended {
            at: 1,
            clock_ms: 7,
            kind: RecordKind::RunSuspended,
            spent_ms: 5,
            uptime: uptime(),
            v,
            waits_for: WaitsFor::Time { until: 8 },
        }
        .into(),
        ClockChanged { at: 1, by_ms: -3_600_000, kind: RecordKind::ClockChanged, restarted: false, uptime: uptime(), v, was: 3_600_001 }
            .into(),
        ActSettled { at: 1, by: user(), did: true, kind: RecordKind::ActSettled, op: 3, v }.into(),
        closed(Outcome::Stopped(crate::Stopping { by: user(), means: crate::Means::CtrlC })),
        closed(Outcome::Failed { code: text("c"), message: text("m") }),
        changed(Actor::User(user())),
        changed(Actor::Agent(text("rotates"))),
        Recovered { at: 1, bytes: 2, kind: RecordKind::Recovered, v }.into(),
        Reanchored {
            aside: text("set-aside-0001"),
            at: 1,
            by: user(),
            bytes: 2,
            digest: digest(),
            kind: RecordKind::Reanchored,
            now_root: digest(),
            now_size: 2,
            reason: text("a failing disk"),
            v,
            was_root: Some(digest()),
            was_size: Some(3),
            what: text("the frame is damaged"),
        }
        .into(),
        ConfigTrusted {
            at: 1,
            authority: digest(),
            by: user(),
            config: digest(),
            kind: RecordKind::ConfigTrusted,
            once: true,
            path: text("/p"),
            v,
        }
        .into(),
        ConfigUntrusted { at: 1, by: user(), config: digest(), kind: RecordKind::ConfigUntrusted, path: text("/p"), v }.into(),
        AgentAccepted { agent: text("x"), at: 1, authority: digest(), by: user(), kind: RecordKind::AgentAccepted, path: text("/p"), v }
            .into(),
        AgentUnaccepted {
            agent: text("x"),
            at: 1,
            authority: Some(digest()),
            by: user(),
            kind: RecordKind::AgentUnaccepted,
            path: text("/p"),
            v,
        }
        .into(),
        VaultSealed { at: 1, by: user(), kind: RecordKind::VaultSealed, under: SealedUnder::Passphrase, v }.into(),
        RollbackAccepted {
            at: 1,
            by: user(),
            kind: RecordKind::RollbackAccepted,
            now_root: digest(),
            now_size: 2,
            v,
            was_home: Some(SafeText::new("/home", 64)),
            was_log: Some(SafeText::new("4f0c", 64)),
            was_root: Some(digest()),
            was_size: Some(3),
        }
        .into(),
        KeyRotated {
            at: 2,
            by: user(),
            from: 3,
            key: RotatedKey::Journal,
            kind: RecordKind::KeyRotated,
            link: Some(text("00")),
            now: text("b"),
            under: Some(SealedUnder::Passphrase),
            v,
            was: text("a"),
        }
        .into(),
        Restored { at: 2, backup_at: 1, by: user(), kind: RecordKind::Restored, root: digest(), size: 2, v }.into(),
        RunReleased { at: 2, by: user(), kind: RecordKind::RunReleased, released: RunId::from_parts(1, [0; 10]), v }.into(),
        Pruned {
            at: 1,
            by: user(),
            bytes: 9,
            digest: digest(),
            first: 1,
            from_ms: Some(1),
            kind: RecordKind::Pruned,
            root: digest(),
            size: 4,
            to: Some(SafeText::new("/archive", 64)),
            to_ms: Some(2),
            until: 3,
            v,
        }
        .into(),
        PayloadsForgotten { at: 1, before_ms: 1, by: user(), kind: RecordKind::PayloadsForgotten, runs: 2, v }.into(),
        HoldSet { at: 1, by: user(), held: RunId::from_bytes([1; 16]), kind: RecordKind::HoldSet, reason: SafeText::new("x", 64), v }
            .into(),
        HoldLifted { at: 1, by: user(), held: RunId::from_bytes([1; 16]), kind: RecordKind::HoldLifted, v }.into(),
    ]
}

#[test]
fn each_kind_is_canonical_and_reads_back() {
    for record in one_of_each() {
        let bytes = record.to_bytes();
        assert!(canon::is_canonical(&bytes), "{}", String::from_utf8_lossy(&bytes));
        assert_eq!(Record::parse(&bytes).unwrap(), record);
    }
}

#[test]
fn a_body_of_a_newer_form_is_told_from_one_that_is_not_understood() {
    for record in one_of_each() {
        let body = String::from_utf8(record.to_bytes()).unwrap();
        assert_eq!(newer_form(body.as_bytes()), None, "{body}");
        let newer = body.replace("\"v\":1", "\"v\":2");
        assert_eq!(newer_form(newer.as_bytes()), Some(2), "{newer}");
        let words = Record::parse(newer.as_bytes()).unwrap_err().to_string();
        assert!(words.contains("a record of form 2") && words.contains("forms up to 1"), "{words}");
    }
    // A text that looks like the field does not count, and neither does text that is not a record.
    assert_eq!(newer_form(br#"{"kind":"recovered","v":2,"why":"\"v\":1"}"#), Some(2));
    assert_eq!(newer_form(br#"{"kind":"of-tomorrow","v":7}"#), Some(7));
    assert_eq!(newer_form(b"not JSON"), None);
    assert_eq!(newer_form(br#"{"v":"2"}"#), None);
}

#[test]
fn an_unknown_kind_is_an_error_and_not_a_guess() {
    assert!(Record::parse(br#"{"kind":"asked-nicely"}"#).is_err());
    assert!(Record::parse(br#"{"kind":"asked"}"#).is_err());
}

#[test]
fn a_kind_of_something_within_is_not_taken_for_the_kind_of_the_body() {
    // `said` is the body's own kind. `asked` is in the words of the agent.
    let claim = Claim::Stdout(text("{\"kind\":\"asked\"}"));
    let said: Record = Said { claims: vec![claim], kind: RecordKind::Said, v: VERSION }.into();
    assert_eq!(Record::parse(&said.to_bytes()).unwrap(), said);
    let nested = br#"{"bytes":2,"at":{"kind":"said"},"kind":"recovered","v":1}"#;
    assert!(Record::parse(nested).is_err());
    let lying = br#"{"claims":[],"inner":{"kind":"recovered"},"kind":"said","v":1}"#;
    assert!(matches!(Record::parse(lying), Ok(Record::Said(_)) | Err(_)));
    assert!(Record::parse(br#"{"kind":"nothing","v":1}"#).is_err());
}
