//! What is recorded of an act with an unknown outcome, and how a person settles it.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use vocabulary::{Door as _, Grants, GuestEvent, HttpFault, OpId, Principal, Stop, Timeline as _};

use super::kit::{CountingClock, MemoryLog, ask, few, fold, gate_on, grants, header, now, recorded, run_id, settle};
use super::world::World;
use crate::ask::Judgement;
use crate::{Gate, Nobody, Resuming, RunWorld};

/// A run that was cut off between an intent and its answer.
fn cut_off(method: &str) -> MemoryLog {
    cut_off_under(grants(), method)
}

fn cut_off_under(grants: Grants, method: &str) -> MemoryLog {
    let log = MemoryLog::default();
    let gate = gate_on(&log).open_run(header(grants, few()), None, Arc::new(Nobody)).unwrap();
    let Judgement::Permitted(pending) = gate.ask(ask(method, "a.test", "/x")).unwrap() else { panic!("refused") };
    let cut = MemoryLog::with(log.leaves());
    drop(pending);
    cut
}

/// Resumes it, and waits for the first release to the guest.
fn resume(log: &MemoryLog, method: &str) -> Result<GuestEvent, Stop> {
    resume_after(log, method, 0)
}

/// The same, this many hours after the run was opened.
fn resume_after(log: &MemoryLog, method: &str, hours: u64) -> Result<GuestEvent, Stop> {
    let resuming = Resuming::of(&recorded(&log.leaves()), Principal::new(1001, Some("bob")));
    let clock = CountingClock(AtomicU64::new(hours * 3_600_000_000_000));
    let home = Gate::new(Arc::new(log.clone()), Arc::new(clock), fold(&log.leaves()));
    let gate = home.resume_run(recorded(&log.leaves()).header().clone(), &resuming, Arc::new(Nobody)).unwrap();
    let mut replay = RunWorld::resume(recorded(&log.leaves()), World::new(Some(gate.clone()), 3)).unwrap();
    assert_eq!(replay.submit(ask(method, "a.test", "/x")).unwrap(), OpId(1));
    let release = now(std::future::poll_fn(|ctx| replay.poll_release(ctx)))?;
    drop(replay);
    gate.flush()?;
    fold(&log.leaves());
    Ok(release.event)
}

fn asked(log: &MemoryLog) -> Vec<bool> {
    log.bodies().iter().filter(|body| body.contains(r#""kind":"asked""#)).map(|body| body.contains(r#""again":true"#)).collect()
}

#[test]
fn a_safe_act_is_asked_again() {
    let log = cut_off("GET");
    assert!(matches!(resume(&log, "GET"), Ok(GuestEvent::Head(_))));
    assert_eq!(asked(&log), [false, true]);
    assert!(recorded(&log.leaves()).unsettled().is_empty());
}

#[test]
fn an_unsafe_act_is_not_asked_again_unasked_and_its_outcome_is_said_to_be_unknown_once() {
    let log = cut_off("POST");
    for _ in 0..2 {
        assert_eq!(resume(&log, "POST"), Err(Stop::Unsettled(OpId(1))));
        assert_eq!(asked(&log), [false]);
        assert_eq!(log.bodies().iter().filter(|body| body.contains(r#""outcome":"unknown""#)).count(), 1);
    }
    let unsettled = recorded(&log.leaves()).unsettled();
    assert_eq!(unsettled.len(), 1);
    assert_eq!(unsettled[0].1.resource.to_string(), "POST http://a.test/x");
}

#[test]
fn what_a_server_does_once_is_asked_again_only_as_long_as_its_key_goes_along_and_is_known() {
    let mut keyed = grants();
    keyed.http[0].within.idempotency = Some("idempotency-key".to_owned());
    let log = cut_off_under(keyed.clone(), "POST");
    assert!(matches!(resume_after(&log, "POST", 20), Ok(GuestEvent::Head(_))), "the control");
    assert_eq!(asked(&log), [false, true]);

    let is_lost = |grants: Grants, hours: u64| {
        let log = cut_off_under(grants, "POST");
        assert_eq!(resume_after(&log, "POST", hours), Ok(GuestEvent::Failed(HttpFault::Incomplete.into())));
        assert_eq!(asked(&log), [false]);
        assert!(log.bodies().iter().any(|body| body.contains(r#""outcome":"unknown""#)), "{:?}", log.bodies());
    };
    is_lost(keyed.clone(), 25);
    // The runs begin on 2027-01-15 at 8 o'clock. The next day, no grant covers the request, or one without a key does.
    keyed.http[0].until = Some("2027-01-15".parse().unwrap());
    is_lost(keyed.clone(), 20);
    keyed.http.push(grants().http.remove(0));
    is_lost(keyed, 20);
}

#[test]
fn what_a_person_says_did_not_happen_is_asked_again() {
    let log = cut_off("POST");
    assert!(resume(&log, "POST").is_err());
    settle(&log, 1, false);
    assert!(matches!(resume(&log, "POST"), Ok(GuestEvent::Head(_))));
    assert_eq!(asked(&log), [false, true]);
}

#[test]
fn what_a_person_says_happened_is_not_asked_again() {
    let log = cut_off("POST");
    settle(&log, 1, true);
    let seen = resume(&log, "POST");
    assert_eq!(seen, Ok(GuestEvent::Failed(HttpFault::Incomplete.into())));
    assert_eq!(asked(&log), [false]);
    assert!(recorded(&log.leaves()).unsettled().is_empty());
}

#[test]
fn a_word_on_one_attempt_says_nothing_of_the_next() {
    let log = cut_off("POST");
    settle(&log, 1, false);
    assert!(recorded(&log.leaves()).unsettled().is_empty());
    assert!(fold(&log.leaves()).open_run(run_id()).unwrap().unsettled().is_empty());
    assert!(matches!(resume(&log, "POST"), Ok(GuestEvent::Head(_))));
    // The same again, cut off right after the second intent.
    let second = log.bodies().iter().position(|body| body.contains(r#""again":true"#)).unwrap();
    let log = MemoryLog::with(log.leaves()[..=second].to_vec());
    assert_eq!(recorded(&log.leaves()).unsettled().len(), 1);
    assert_eq!(fold(&log.leaves()).open_run(run_id()).unwrap().unsettled().len(), 1);
    assert_eq!(resume(&log, "POST"), Err(Stop::Unsettled(OpId(1))));
    assert_eq!(asked(&log), [false, true], "it may have happened, so it is not sent a third time");
}

#[test]
fn an_agent_that_was_told_that_nobody_knows_leaves_nothing_to_be_settled() {
    let log = cut_off("POST");
    settle(&log, 1, true);
    resume(&log, "POST").unwrap();
    let ledger = fold(&log.leaves());
    assert!(ledger.open_run(run_id()).unwrap().pending.is_empty(), "{:?}", ledger.open_run(run_id()));
}

#[test]
fn the_first_difference_is_named() {
    let log = cut_off("GET");
    let record = recorded(&log.leaves());
    let mut replay = RunWorld::audit(record, World::new(None, 3)).unwrap();
    let Err(Stop::Diverged(divergence)) = replay.submit(ask("GET", "a.test", "/y")) else { panic!("not told apart") };
    assert_eq!(divergence.to_string(), "record 2 has `GET http://a.test/x`; now `GET http://a.test/y`");
    let mut with_body = super::kit::http_ask("GET", "a.test", "/x");
    with_body.body = bytes::Bytes::from_static(b"x");
    let mut replay = RunWorld::audit(recorded(&log.leaves()), World::new(None, 3)).unwrap();
    let Err(Stop::Diverged(divergence)) = replay.submit(vocabulary::Act::Http(with_body)) else { panic!("not told apart") };
    assert_eq!(divergence.rebuilt, "`GET http://a.test/x`, with other headers, query or body");
}
