//! Leases of credentials: one for each run and credential. They are bounded, recorded, and can be ended by a person.

use std::sync::Arc;

use vocabulary::record::Record;
use vocabulary::{
    Act, Binding, CredentialAsk, CredentialFault, CredentialStep, Engagement, Fault, Grants, Header, HttpFault, Limits, May, Placement,
    Reason, SafeText, Scheme, Source, Tier,
};

use effects::Failure;

use super::kit::{MemoryLog, answered, ask, fold, gate_on, grants, header, http_ask, now, recorded, run_id, unanswered};
use crate::ask::Judgement;
use crate::{Gate, Nobody, Resuming, RunGate, Touched, TouchedLease, TouchedTotals, lease_id};

fn with_key(change: impl FnOnce(&mut Binding)) -> Grants {
    let mut grants = grants();
    let mut binding = Binding::new("key", vec!["a.test".parse().unwrap()], Placement::Bearer, Source::Local);
    binding.scheme = Scheme::Http;
    change(&mut binding);
    grants.http[0].credential = Some("key".to_owned());
    grants.credentials.push(binding);
    grants
}

fn open(gate: &Gate, grants: Grants) -> RunGate {
    gate.open_run(header(grants, Limits::default()), None, Arc::new(Nobody)).unwrap()
}

const TOO_MANY: Fault = Fault::Http(HttpFault::TooMany);
const DENIED: Fault = Fault::Http(HttpFault::Denied);

fn fault(gate: &RunGate, act: Act) -> Option<Fault> {
    match gate.ask(act).unwrap() {
        Judgement::Permitted(pending) => {
            let op = pending.op();
            let permit = now(pending.durable()).unwrap();
            gate.goes(op, permit.credential()).unwrap();
            answered(gate, op, 200).unwrap();
            gate.abandon(op).unwrap();
            None
        }
        Judgement::Held { .. } => panic!("no policy holds anything back here"),
        Judgement::Refused { fault, .. } => Some(fault),
    }
}

fn use_it(gate: &RunGate) -> Option<Fault> {
    fault(gate, ask("GET", "a.test", "/x"))
}

fn of_kind(log: &MemoryLog, kind: &str) -> Vec<String> {
    log.bodies().into_iter().filter(|body| body.contains(&format!("\"kind\":\"{kind}\""))).collect()
}

#[test]
fn a_lease_begins_with_the_first_use_that_takes_a_value_along() {
    let log = MemoryLog::default();
    let gate = open(&gate_on(&log), with_key(|key| key.uses = Some(9)));
    assert!(of_kind(&log, "lease-issued").is_empty());
    assert_eq!((use_it(&gate), use_it(&gate)), (None, None));
    let issued = of_kind(&log, "lease-issued");
    assert_eq!(issued.len(), 1, "one for each run and credential");
    assert!(issued[0].contains(&format!("\"lease\":\"{}\"", lease_id(run_id(), "key"))) && issued[0].contains("\"uses\":9"), "{issued:?}");
    let order: Vec<usize> = ["asked", "lease-issued", "answered"]
        .map(|kind| log.bodies().iter().position(|body| body.contains(&format!("\"kind\":\"{kind}\""))).unwrap())
        .into();
    assert!(order.is_sorted(), "{order:?}");
    fold(&log.leaves());
}

#[test]
fn no_lease_begins_where_there_is_no_value() {
    let log = MemoryLog::default();
    let gate = open(&gate_on(&log), with_key(|_| {}));
    let Judgement::Permitted(pending) = gate.ask(ask("GET", "a.test", "/x")).unwrap() else { panic!("refused") };
    let op = pending.op();
    let refused = Some(Reason::CredentialUnavailable(SafeText::new("key", 64)));
    drop(now(pending.durable()).unwrap());
    unanswered(&gate, op, Failure { refused, ..HttpFault::Denied.into() }).unwrap();
    gate.abandon(op).unwrap();
    assert!(of_kind(&log, "lease-issued").is_empty());
    let mut touched = Touched::default();
    log.leaves().iter().for_each(|leaf| touched.take(run_id(), leaf.seq, &Record::parse(&leaf.body).unwrap()));
    let TouchedLease { asked, refused, sent, .. } = touched.leases[0];
    assert_eq!((asked, refused, sent), (1, 1, 0));
    assert_eq!(touched.credentials, Vec::<String>::new());
    let TouchedTotals { asked, refused, sent, answered, .. } = touched.totals;
    assert_eq!((asked, refused, sent, answered), (1, 1, 0, 0));
    // The next request has a value, and it is sent with it.
    assert_eq!(use_it(&gate), None);
    assert_eq!(of_kind(&log, "lease-issued").len(), 1);
}

#[test]
fn uses_and_rates_are_bounds_and_rates_hold_for_all_runs_of_a_home() {
    let log = MemoryLog::default();
    let gate = open(&gate_on(&log), with_key(|key| key.uses = Some(2)));
    assert_eq!([use_it(&gate), use_it(&gate), use_it(&gate)], [None, None, Some(TOO_MANY)]);
    assert!(of_kind(&log, "refused")[0].contains(r#""detail":{"uses":"key"}"#));
    let home = gate_on(&MemoryLog::default());
    let slow = || with_key(|key| key.rate = Some("2/h".parse().unwrap()));
    let (one, other) = (open(&home, slow()), open(&home, slow()));
    assert_eq!([use_it(&one), use_it(&other), use_it(&other), use_it(&one)], [None, None, Some(TOO_MANY), Some(TOO_MANY)]);
}

#[test]
fn the_rate_of_an_engagement_bounds_every_ask_under_it() {
    let engagement = Engagement {
        name: "q4".to_owned(),
        from_s: 0,
        until_s: 4_000_000_000,
        rate: Some("3/h".parse().unwrap()),
        targets: vec!["a.test".parse().unwrap()],
        tier: Tier::Live,
    };
    let home = gate_on(&MemoryLog::default());
    let under = || Grants { engagement: Some(engagement.clone()), ..grants() };
    let (one, other) = (open(&home, under()), open(&home, under()));
    assert_eq!([use_it(&one), use_it(&other), use_it(&one), use_it(&other)], [None, None, None, Some(TOO_MANY)]);
    assert_eq!(use_it(&open(&home, grants())), None, "requests without the credential are not bounded by it");
}

#[test]
fn nothing_is_asked_under_a_lease_that_was_ended_neither_now_nor_after_a_crash() {
    let log = MemoryLog::default();
    let gate = open(&gate_on(&log), with_key(|_| ()));
    assert_eq!(use_it(&gate), None);
    let by = vocabulary::Principal::new(1000, Some("alice"));
    assert!(gate.revoke(Some("other"), &by).unwrap().is_empty());
    assert_eq!(gate.revoke(Some("key"), &by).unwrap(), ["key"]);
    assert!(gate.revoke(None, &by).unwrap().is_empty(), "once");
    assert_eq!(use_it(&gate), Some(DENIED));
    assert_eq!((of_kind(&log, "lease-revoked").len(), of_kind(&log, "refused").len()), (1, 1));
    assert!(of_kind(&log, "refused")[0].contains("credential-revoked"));
    let record = recorded(&log.leaves());
    let resuming = Resuming::of(&record, by);
    let gate = gate_on(&log).resume_run(record.header().clone(), &resuming, Arc::new(Nobody)).unwrap();
    assert_eq!(use_it(&gate), Some(DENIED));
    fold(&log.leaves());
}

#[test]
fn uses_are_counted_over_a_crash() {
    let log = MemoryLog::default();
    let gate = open(&gate_on(&log), with_key(|key| key.uses = Some(2)));
    assert_eq!(use_it(&gate), None);
    let record = recorded(&log.leaves());
    assert_eq!(record.leases()["key"].uses, 1);
    let resuming = Resuming::of(&record, vocabulary::Principal::new(1001, Some("bob")));
    let again = gate_on(&log).resume_run(record.header().clone(), &resuming, Arc::new(Nobody)).unwrap();
    again.timer().unwrap();
    // The first number is taken, so this ask is another operation.
    assert_eq!([use_it(&again), use_it(&again)], [None, Some(TOO_MANY)]);
    assert_eq!(of_kind(&log, "lease-issued").len(), 1);
}

#[test]
fn asking_whose_a_value_is_is_slow() {
    let log = MemoryLog::default();
    let mut grants = with_key(|_| ());
    grants.may = [("key".to_owned(), vec![May::Identify])].into();
    let gate = open(&gate_on(&log), grants);
    let ask = || Act::Credential(CredentialAsk { name: "key".to_owned(), step: CredentialStep::Identify("found-value".into()) });
    let faults: Vec<_> = (0..61).map(|_| fault(&gate, ask())).collect();
    assert_eq!(faults.iter().filter(|fault| fault.is_none()).count(), 60);
    assert_eq!(faults[60], Some(Fault::Credential(CredentialFault::OverLimit)), "the fault is of its own capability");
    assert!(!log.bodies().iter().any(|body| body.contains("found-value")), "a value that the guest has found may be a secret");
}

#[test]
fn a_placeholder_is_the_runs_own_and_what_is_sent_is_without_it() {
    let log = MemoryLog::default();
    let mut grants = with_key(|_| ());
    grants.placeholders = [("TOKEN".to_owned(), "key".to_owned())].into();
    let opened = header(grants, Limits::default());
    let placeholders = opened.placeholders();
    assert_eq!(placeholders, opened.placeholders());
    assert_ne!(placeholders, crate::RunHeader { seed: [8; 32], ..opened.clone() }.placeholders());
    let text = &placeholders[0].text;
    assert!(text.starts_with("bwkph") && text.len() == 45, "{text}");
    let gate = gate_on(&log).open_run(opened, None, Arc::new(Nobody)).unwrap();
    let with = |name: &str, value: String| {
        let mut ask = http_ask("GET", "a.test", "/x");
        ask.headers.push(Header { name: name.to_owned(), value: value.into_bytes() });
        gate.ask(Act::Http(ask)).unwrap()
    };
    let Judgement::Permitted(pending) = with("authorization", format!("Bearer {text}")) else { panic!("refused") };
    let permit = now(pending.durable()).unwrap();
    assert!(matches!(permit.ask(), Act::Http(sent) if sent.headers.is_empty()));
    assert_eq!(permit.bounds().credential.as_deref(), Some("key"));
    assert!(matches!(with("x-other", text.clone()), Judgement::Refused { fault: Fault::Http(HttpFault::Denied), .. }));
    assert!(of_kind(&log, "refused")[0].contains("placeholder-misplaced"));
}

/// A run with a placeholder for `key`, which is bound to `a.test`. `b.test` is granted without a credential.
fn with_placeholder(log: &MemoryLog) -> (RunGate, String) {
    let mut grants = with_key(|_| ());
    let mut elsewhere = grants.http[0].clone();
    (elsewhere.host, elsewhere.credential) = ("b.test".parse().unwrap(), None);
    grants.http.push(elsewhere);
    grants.placeholders = [("TOKEN".to_owned(), "key".to_owned())].into();
    let opened = header(grants, Limits::default());
    let text = opened.placeholders()[0].text.clone();
    (gate_on(log).open_run(opened, None, Arc::new(Nobody)).unwrap(), text)
}

fn bearing(host: &str, text: &str) -> Act {
    let mut ask = http_ask("GET", host, "/x");
    ask.headers.push(Header { name: "authorization".to_owned(), value: format!("Bearer {text}").into_bytes() });
    Act::Http(ask)
}

/// The request is refused with a reason that names the placeholder, and is not sent with it.
#[test]
fn a_placeholder_for_another_destination_is_refused_and_never_sent() {
    let log = MemoryLog::default();
    let (gate, text) = with_placeholder(&log);
    assert_eq!(fault(&gate, bearing("b.test", &text)), Some(DENIED));
    assert!(of_kind(&log, "refused")[0].contains("\"code\":\"placeholder-misplaced\""), "{:?}", of_kind(&log, "refused"));
    // Of a run that was not given it, one of another run is no stand-in, and no header that a guest may set.
    let other = open(&gate_on(&log), with_key(|_| ()));
    assert_eq!(fault(&other, bearing("a.test", &text)), Some(DENIED));
    assert!(of_kind(&log, "refused")[1].contains("\"code\":\"header-not-yours\""), "{:?}", of_kind(&log, "refused"));
    assert!(of_kind(&log, "asked").is_empty());
    assert_eq!(fault(&gate, bearing("a.test", &text)), None);
}

/// The whole body is searched, however much comes before the placeholder. It is text there, so it is sent as it is and counted.
#[test]
fn a_placeholder_is_found_behind_any_padding() {
    let log = MemoryLog::default();
    let (gate, text) = with_placeholder(&log);
    let post = |body: String| {
        let mut ask = http_ask("POST", "b.test", "/x");
        ask.body = body.into();
        fault(&gate, Act::Http(ask))
    };
    let multipart = |before: &str| {
        let part = |name: &str, value: &str| format!("--cut\r\ncontent-disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n");
        [part("pad", before), part("token", &text), "--cut--\r\n".to_owned()].concat()
    };
    for padding in [0, (16 << 10) - 1, 16 << 10, (64 << 10) + 1, 1 << 20, (1 << 20) + 1, 3 << 20] {
        let pad = "x".repeat(padding);
        for body in [format!("{pad}{text}"), format!("{pad}{text}{pad}"), multipart(&pad)] {
            assert_eq!(post(body), None, "behind {padding} bytes");
            assert!(of_kind(&log, "asked").last().unwrap().contains("\"placeholders\":1"), "behind {padding} bytes");
        }
        assert_eq!(post(pad), None, "{padding} bytes without one");
        assert!(!of_kind(&log, "asked").last().unwrap().contains("placeholders"), "{padding} bytes without one");
    }
}

#[test]
fn the_rate_of_a_grant_holds_for_all_runs_of_its_agent() {
    let home = gate_on(&MemoryLog::default());
    let slow = || {
        let mut grants = grants();
        grants.http[0].within.rate = Some("2/h".parse().unwrap());
        grants
    };
    let (one, other) = (open(&home, slow()), open(&home, slow()));
    assert_eq!([use_it(&one), use_it(&other), use_it(&one)], [None, None, Some(TOO_MANY)]);
}
