//! Acts that are repeated after a crash: their approvals, their refusals, and the rates.

use std::sync::Arc;
use std::task::Poll;

use vocabulary::{Act, Clock, Door as _, Limits, OpId, Principal, Rate, Stop, Vote};

use super::approvals::{HELD, SetClock, digest_of, gate_at, held_grants, poll, vote, voted};
use super::driven::{driven_on, live_of};
use super::kit::{self, MemoryLog, ask, fold, policies_of, recorded, run_id};
use super::order::received;
use crate::{ALIKE_MAX, ApprovalState, Gate, MaySay, Resuming, RunGate, RunWorld};

/// `GET` of `/held…` needs one of the board.
fn reads() -> String {
    HELD.replace("http.write", "http.read")
}

fn read() -> Act {
    ask("GET", "a.test", "/held")
}

fn resumed(log: &MemoryLog, clock: &Arc<SetClock>, text: &str) -> RunGate {
    let recorded = recorded(&log.leaves());
    let policies = policies_of(&held_grants(text));
    let resuming = Resuming { policies, ..Resuming::of(&recorded, Principal::new(1001, Some("bob"))) };
    gate_at(log, clock).resume_run(recorded.header().clone(), &resuming, Arc::new(crate::Nobody)).unwrap()
}

/// A run that waits for people, with their approval.
fn approved(text: &str, act: Act) -> (MemoryLog, Arc<SetClock>) {
    let clock = Arc::new(SetClock::default());
    let mut run = driven_on(&MemoryLog::default(), Arc::clone(&clock) as Arc<dyn Clock>, held_grants(text), Limits::default(), []);
    run.live.submit(act).unwrap();
    assert_eq!(poll(&mut run.live), Poll::Ready(Err(Stop::Suspended)));
    vote(&gate_at(&run.log, &clock), &run.log, 1, Vote::Approve);
    (run.log.clone(), clock)
}

/// The last record after the run was loaded once more, and its guest has asked this.
fn last(log: &MemoryLog, clock: &Arc<SetClock>, text: &str, act: Act) -> String {
    let gate = resumed(log, clock, text);
    let mut world = RunWorld::resume(recorded(&log.leaves()), live_of(log, &gate)).unwrap();
    assert_eq!(world.submit(act).unwrap(), OpId(1));
    let _ = poll(&mut world);
    log.bodies().iter().rfind(|body| !body.contains(r#""kind":"delivered""#)).unwrap().clone()
}

#[tokio::test]
async fn an_approval_covers_a_read_whose_answer_was_lost_in_a_crash() {
    for passed in [1, 11] {
        let (log, clock) = approved(&reads(), read());
        let gate = resumed(&log, &clock, &reads());
        // The process dies when the whole answer has come, and before the agent has seen it.
        let _lost = std::mem::ManuallyDrop::new(gate.ask_held(OpId(1), read()).unwrap());
        kit::answered(&gate, OpId(1), 200).unwrap();
        drop(gate_at(&log, &clock).append_people(run_id(), received(1)).unwrap());
        assert!(fold(&log.leaves()).open_run(run_id()).unwrap().pending.is_empty());
        clock.pass(passed);
        let last = last(&log, &clock, &reads(), read());
        let is_repeated = last.contains(r#""kind":"asked""#) && last.contains(r#""again":true,"approval":"sha256:"#);
        assert_eq!(is_repeated, passed == 1, "after {passed} seconds: {last}");
        assert_eq!(last.contains("lapsed"), passed == 11, "{last}");
    }
}

#[tokio::test]
async fn a_repetition_that_is_refused_ends_its_intent_however_many_were_refused_before() {
    let clock = Arc::new(SetClock::default());
    let open = r#"@id("all") permit (principal, action, resource);"#;
    let no = |path: &str| {
        format!(
            r#"{open} @id("no") forbid (principal, action == Action::"http.read", resource) when {{ context.request.path like "{path}" }};"#
        )
    };
    let mut run = driven_on(&MemoryLog::default(), Arc::clone(&clock) as Arc<dyn Clock>, held_grants(&no("/no")), Limits::default(), []);
    run.live.submit(ask("GET", "a.test", "/x")).unwrap();
    for _ in 0..=ALIKE_MAX {
        run.live.submit(ask("GET", "a.test", "/no")).unwrap();
    }
    let log = run.log.clone();
    std::mem::forget(run);
    assert_eq!(fold(&log.leaves()).open_run(run_id()).unwrap().pending.len(), 1);
    let gate = resumed(&log, &clock, &no("*"));
    let mut world = RunWorld::resume(recorded(&log.leaves()), live_of(&log, &gate)).unwrap();
    world.submit(ask("GET", "a.test", "/x")).unwrap();
    for _ in 0..=ALIKE_MAX {
        world.submit(ask("GET", "a.test", "/no")).unwrap();
    }
    let _ = poll(&mut world);
    let ledger = fold(&log.leaves());
    assert!(ledger.open_run(run_id()).unwrap().pending.is_empty(), "{:?}", log.bodies().last());
}

#[tokio::test]
async fn an_act_that_is_decided_several_times_takes_from_a_rate_once() {
    let clock = Arc::new(SetClock::default());
    // What has to be met grows while people decide.
    let grows = format!(
        "{HELD} @id(\"later\") @approval(\"board\") @quorum(\"2\") forbid (principal, action == Action::\"http.write\", resource)
when {{ context.run.acts >= 1 }} unless {{ context.approvals.contains(\"board\") }};"
    );
    let mut grants = held_grants(&grows);
    grants.http[0].within.rate = Some(Rate { times: 2, seconds: 3600 });
    let mut run = driven_on(&MemoryLog::default(), Arc::clone(&clock) as Arc<dyn Clock>, grants, Limits::default(), []);
    run.live.submit(ask("POST", "a.test", "/held")).unwrap();
    run.get();
    let gate = Gate { book: run.gate.book(), clock: Arc::clone(&clock) as Arc<dyn Clock> };
    let may = |state| matches!(state, ApprovalState::Pending { .. });
    let may = MaySay { digest: digest_of(&run.log, 1), state: &may };
    drop(run.live.handle().say_of_held(OpId(1), voted(&gate, &run.log, 1, Vote::Approve), &may, None).unwrap());
    assert!(poll(&mut run.live).is_pending());
    assert!(run.kinds().ends_with(&["approval-closed".to_owned(), "approval-asked".to_owned()]), "{:?}", run.kinds());
    run.get();
    assert_eq!(run.kinds().last().map(String::as_str), Some("asked"), "one `GET` more is within the rate");
    run.get();
    assert_eq!(run.kinds().last().map(String::as_str), Some("refused"), "the control");
}
