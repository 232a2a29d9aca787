//! One door: nothing happens without a permit, no permit without an intent, and each is used up once.

use std::sync::{Arc, Mutex};

use vocabulary::record::AskedFor;
use vocabulary::{
    AskedPath, Claim, ClaimedProgress, ClosedAsk, Fault, FileAsk, FileFault, FileId, GuestEvent, HttpFault, HttpHead, Limits, Means, OpId,
    Outcome, Principal, Reason, Release, SafeText, Stop, Stopping,
};

use super::kit::{MemoryLog, answered, ask, few, fold, gate_on, grants, header, now, open_on, recorded};
use super::world::World;
use crate::ask::{Judgement, PendingIntent};
use crate::settling::Settles;
use crate::{ALIKE_MAX, Closing, LoadError, Nobody, RunGate, RunHeader, RunWorld, Watcher};

fn permitted(gate: &RunGate) -> PendingIntent {
    match gate.ask(ask("GET", "a.test", "/x")).unwrap() {
        Judgement::Permitted(pending) => *pending,
        Judgement::Held { .. } | Judgement::Refused { .. } => panic!("not permitted"),
    }
}

fn ended() -> Closing {
    Closing { active_ms: 0, outcome: Outcome::Done, output: None, peak_memory: 0 }
}

fn closed(what: &str) -> ClosedAsk {
    ClosedAsk { function: vocabulary::Function::TcpCreateSocket, what: SafeText::new(what, 64), malformed: false }
}

fn count(log: &MemoryLog, word: &str) -> usize {
    log.bodies().iter().filter(|body| body.contains(word)).count()
}

#[test]
fn the_intent_is_on_the_record_before_there_is_a_permit() {
    let log = MemoryLog::default();
    let gate = open_on(&log, few());
    let pending = permitted(&gate);
    assert_eq!(count(&log, r#""kind":"asked""#), 1);
    let permit = now(pending.durable()).unwrap();
    assert_eq!(count(&log, r#""kind":"answered""#), 0);
    answered(&gate, permit.op(), 200).unwrap();
    assert_eq!(count(&log, r#""outcome":"response""#), 1);
}

#[test]
fn an_intent_that_nobody_takes_up_settles_itself_as_abandoned() {
    let log = MemoryLog::default();
    let gate = open_on(&log, few());
    drop(permitted(&gate));
    assert_eq!(count(&log, r#""outcome":"abandoned""#), 1);
    now(gate.close(ended())).unwrap();
    assert_eq!(count(&log, r#""outcome":"abandoned""#), 1);
    fold(&log.leaves());
}

#[test]
fn a_refused_ask_gives_no_permit_and_is_on_the_record_with_its_reason() {
    let log = MemoryLog::default();
    let gate = open_on(&log, few());
    for (what, reason) in [
        (ask("GET", "b.test", "/x"), "host-not-granted"),
        (ask("DELETE", "a.test", "/x"), "method-not-granted"),
        (ask("GET", "a.test:81", "/x"), "port-not-granted"),
    ] {
        assert!(matches!(gate.ask(what).unwrap(), Judgement::Refused { fault: Fault::Http(HttpFault::Denied), .. }));
        assert!(log.bodies().last().unwrap().contains(reason));
    }
    assert_eq!(count(&log, r#""kind":"asked""#), 0);
}

#[test]
fn more_at_once_than_may_be_is_refused() {
    let log = MemoryLog::default();
    let gate = open_on(&log, few());
    let all: Vec<PendingIntent> = (0..4).map(|_| permitted(&gate)).collect();
    let fifth = gate.ask(ask("GET", "a.test", "/x")).unwrap();
    assert!(matches!(fifth, Judgement::Refused { fault: Fault::Http(HttpFault::TooMany), .. }));
    assert!(log.bodies().last().unwrap().contains("over-limit"));
    gate.abandon(OpId(1)).unwrap();
    drop(permitted(&gate));
    drop(all);
}

#[test]
fn when_the_record_breaks_nothing_further_happens() {
    for appends in 0..4 {
        let log = MemoryLog::default();
        let gate = open_on(&log, few());
        log.break_after(appends);
        let outcome = (0..10).find_map(|_| gate.ask(ask("GET", "a.test", "/x")).err());
        assert_eq!(outcome, Some(Stop::RecordBroken));
        assert!(gate.is_broken());
        assert_eq!(gate.refuse(closed("x")), Err(Stop::RecordBroken));
        assert_eq!(gate.say(Claim::Stdout(SafeText::new("x", 1)), 0), Err(Stop::RecordBroken));
        assert_eq!(gate.delivered(&Release { op: OpId(0), event: GuestEvent::Clock, mono_ns: 1 }, 0), Err(Stop::RecordBroken));
        assert!(now(gate.close(ended())).is_err());
        assert_eq!(log.leaves().len(), 1 + appends);
    }
}

#[test]
fn an_intent_that_never_becomes_durable_gives_no_permit() {
    let log = MemoryLog::default();
    let gate = open_on(&log, few());
    log.fail_durability();
    assert!(now(permitted(&gate).durable()).is_err());
    assert!(gate.is_broken());
    assert!(matches!(gate.ask(ask("GET", "a.test", "/x")), Err(Stop::RecordBroken)));
}

#[test]
fn after_a_stop_there_is_no_intent_but_the_end_is_recorded() {
    let log = MemoryLog::default();
    let gate = open_on(&log, few());
    let under_way = permitted(&gate);
    gate.stop();
    assert!(matches!(gate.ask(ask("GET", "a.test", "/x")), Err(Stop::Ordered)));
    assert_eq!(count(&log, r#""kind":"asked""#), 1);
    now(gate.close(ended())).unwrap();
    drop(under_way);
    assert_eq!(fold(&log.leaves()).open_runs().count(), 0);
    assert!(log.bodies().last().unwrap().contains("run-closed"));
}

#[test]
fn an_intent_that_was_waiting_when_the_run_was_stopped_gives_no_permit() {
    let log = MemoryLog::default();
    let gate = open_on(&log, few());
    let pending = permitted(&gate);
    gate.stop();
    assert!(matches!(now(pending.durable()), Err(Stop::Ordered)));
    assert_eq!(count(&log, r#""outcome":"abandoned""#), 1);
}

#[test]
fn what_is_not_granted_is_refused_as_such_although_too_much_is_under_way() {
    let log = MemoryLog::default();
    let gate = open_on(&log, few());
    let all: Vec<PendingIntent> = (0..4).map(|_| permitted(&gate)).collect();
    assert!(matches!(gate.ask(ask("GET", "b.test", "/x")).unwrap(), Judgement::Refused { fault: Fault::Http(HttpFault::Denied), .. }));
    assert!(log.bodies().last().unwrap().contains("host-not-granted"));
    drop(all);
}

#[test]
fn a_large_input_is_kept_in_pieces() {
    let log = MemoryLog::default();
    let input = "\"\u{1}".repeat(10 << 20);
    let header = RunHeader { input: input.clone(), ..header(grants(), few()) };
    let gate = gate_on(&log).open_run(header, None, Arc::new(Nobody)).unwrap();
    now(gate.close(Closing { output: Some(input.clone().into_bytes()), ..ended() })).unwrap();
    let leaves = log.leaves();
    assert!(leaves.iter().flat_map(|leaf| &leaf.payloads).all(|payload| payload.len() <= 8 << 20));
    let record = recorded(&leaves);
    assert!(record.header().input == input && record.output() == Some(input.as_bytes()));
}

#[test]
fn names_as_long_as_they_may_be_fit_into_records() {
    let log = MemoryLog::default();
    let gate = open_on(&log, Limits::default());
    for n in 0..500 {
        let path = AskedPath::new(&format!("{}{n}", "\u{1}".repeat(4000))).unwrap();
        let ask = FileAsk::StatAt { dir: FileId(1), path, follow: true };
        gate.note_observation(&ask, &FileFault::NotFound.into()).unwrap();
    }
    now(gate.close(ended())).unwrap();
    assert_eq!(recorded(&log.leaves()).objects.len(), 500);
}

#[test]
fn a_run_that_is_not_durable_or_has_ended_is_not_resumed() {
    let log = MemoryLog::default();
    let gate = gate_on(&log).open_run(header(Default::default(), few()), None, Arc::new(Nobody)).unwrap();
    assert!(matches!(RunWorld::resume(recorded(&log.leaves()), World::new(None, 1)), Err(LoadError::NotKept)));
    now(gate.close(ended())).unwrap();
    assert!(matches!(RunWorld::resume(recorded(&log.leaves()), World::new(None, 1)), Err(LoadError::Closed(_))));
}

#[test]
fn an_answer_that_nobody_wants_any_more_is_not_handed_on() {
    let log = MemoryLog::default();
    let gate = open_on(&log, few());
    let permit = now(permitted(&gate).durable()).unwrap();
    gate.abandon(OpId(1)).unwrap();
    assert_eq!(answered(&gate, permit.op(), 200), Ok(Settles::Before));
    assert_eq!(count(&log, r#""kind":"answered""#), 1);
    assert_eq!(count(&log, r#""outcome":"abandoned""#), 1);
}

/// Asks this often for what is refused, and makes the clock jump in between, so that counting and releases alternate.
fn vain(world: &mut dyn vocabulary::World, times: u64) -> Result<Vec<u8>, Stop> {
    for n in 0..times {
        let op = world.submit(ask("GET", "b.test", &format!("/{n}")))?;
        world.refuse(closed("x"))?;
        if n % 10 == 0 {
            while now(std::future::poll_fn(|ctx| world.poll_release(ctx)))?.op != op {}
        }
    }
    Ok(b"done".to_vec())
}

#[test]
fn refusals_alike_are_counted_after_a_hundred_and_rebuilt_the_same() {
    for times in [ALIKE_MAX, ALIKE_MAX + 1, 3 * ALIKE_MAX] {
        let log = MemoryLog::default();
        let gate = open_on(&log, few());
        let mut replay = RunWorld::fresh(World::new(Some(gate.clone()), 5), &few());
        let output = vain(&mut replay, times).unwrap();
        let tally = now(gate.close(Closing { output: Some(output.clone()), ..ended() })).unwrap();
        assert_eq!(tally.refused, 2 * times);
        let counted = u64::from(times > ALIKE_MAX);
        assert_eq!(count(&log, "host-not-granted") as u64, ALIKE_MAX + counted);
        assert_eq!(count(&log, "not-served") as u64, ALIKE_MAX + counted);
        assert_eq!(fold(&log.leaves()).totals.refused, 2 * times);
        let mut replay = RunWorld::audit(recorded(&log.leaves()), World::new(None, 6)).unwrap();
        let again = vain(&mut replay, times).unwrap();
        assert_eq!(replay.verdict(&Outcome::Done, Some(&again)), Ok(()), "{times}");
        let mut replay = RunWorld::audit(recorded(&log.leaves()), World::new(None, 6)).unwrap();
        let more = vain(&mut replay, times + 1);
        assert!(more.is_err() || replay.verdict(&Outcome::Done, Some(&output)).is_err(), "{times}");
    }
}

#[test]
fn a_run_that_asks_too_often_ends() {
    let limits = Limits { asks: 7, ..few() };
    let log = MemoryLog::default();
    let gate = open_on(&log, limits.clone());
    let mut replay = RunWorld::fresh(World::new(Some(gate), 1), &limits);
    assert_eq!(vain(&mut replay, 10), Err(Stop::Limit(vocabulary::Limit::Asks)));
}

#[test]
fn progress_is_written_once_a_second_and_at_the_end() {
    let log = MemoryLog::default();
    let gate = open_on(&log, few());
    for n in 0..50 {
        let what = SafeText::new("w", 1);
        gate.say(Claim::Progress(ClaimedProgress { done: n, total: 50, what }), n * 100_000_000).unwrap();
    }
    now(gate.close(ended())).unwrap();
    let record = recorded(&log.leaves());
    let done: Vec<u64> =
        record.said().filter_map(|claim| if let Claim::Progress(progress) = claim { Some(progress.done) } else { None }).collect();
    assert_eq!(done, [0, 10, 20, 30, 40, 49]);
}

#[test]
fn past_what_may_be_kept_a_run_goes_on_and_can_not_be_resumed() {
    let log = MemoryLog::default();
    let gate = open_on(&log, Limits { payload_bytes: 100, ..few() });
    drop(permitted(&gate));
    let permit = now(permitted(&gate).durable()).unwrap();
    answered(&gate, permit.op(), 200).unwrap();
    let events = [
        GuestEvent::Head(HttpHead { headers: Vec::new(), status: 200 }),
        GuestEvent::Chunk(vec![1; 60].into()),
        GuestEvent::Chunk(vec![2; 60].into()),
        GuestEvent::Chunk(vec![3; 10].into()),
        GuestEvent::End(Vec::new()),
    ];
    for (mono_ns, event) in (1..).zip(events) {
        gate.delivered(&Release { op: OpId(2), event, mono_ns }, 0).unwrap();
    }
    let tally = now(gate.close(ended())).unwrap();
    assert!(!tally.resumable);
    let record = recorded(&log.leaves());
    assert!(!record.is_kept());
    assert!(RunWorld::audit(record, World::new(None, 1)).is_err());
    assert!(log.bodies().iter().any(|body| body.contains(r#""bytes":130"#)), "what was received is whole nevertheless");
}

#[test]
fn guest_text_of_any_kind_fits_into_records() {
    let log = MemoryLog::default();
    let gate = open_on(&log, Limits::default());
    for letter in ["\u{1}", "\\", "\"", "\u{200b}", "\u{e0001}", "ä"] {
        let line = letter.repeat(vocabulary::LINE_BYTES_MAX / letter.len());
        for _ in 0..20 {
            gate.say(Claim::Stderr(SafeText::new(&line, vocabulary::LINE_BYTES_MAX)), 0).unwrap();
        }
    }
    now(gate.close(ended())).unwrap();
    assert_eq!(recorded(&log.leaves()).said().count(), 120);
}

struct Told(Mutex<Vec<String>>);

impl Watcher for Told {
    fn on_said(&self, claim: &Claim) {
        self.0.lock().unwrap().push(format!("{claim:?}"));
    }

    fn on_refused(&self, ask: &AskedFor, reason: &Reason) {
        self.0.lock().unwrap().push(format!("{} {}", ask.resource, reason.code()));
    }
}

#[test]
fn a_watcher_is_told_at_once() {
    let log = MemoryLog::default();
    let told = Arc::new(Told(Mutex::default()));
    let watcher = Arc::clone(&told);
    let gate = gate_on(&log).open_run(header(grants(), few()), None, watcher).unwrap();
    gate.refuse(closed("1.2.3.4:80")).unwrap();
    gate.say(Claim::Stdout(SafeText::new("hello", 5)), 0).unwrap();
    let told = told.0.lock().unwrap();
    assert_eq!(*told, ["1.2.3.4:80 not-served", r#"Stdout(SafeText("hello"))"#]);
    assert_eq!(count(&log, "hello"), 0, "no claim is written yet");
}

#[test]
fn closing_a_run_that_was_never_taken_over_leaves_no_act_open() {
    let log = MemoryLog::default();
    let gate = open_on(&log, few());
    let pending = permitted(&gate);
    let cut = MemoryLog::with(log.leaves());
    drop(pending);
    let resuming = crate::Resuming::of(&recorded(&cut.leaves()), Principal::new(1001, Some("bob")));
    let header = recorded(&cut.leaves()).header().clone();
    let gate = gate_on(&cut).resume_run(header, &resuming, Arc::new(Nobody)).unwrap();
    now(gate.close(Closing { outcome: Outcome::Stopped(Stopping { by: Principal::new(1001, None), means: Means::Stop }), ..ended() }))
        .unwrap();
    fold(&cut.leaves());
    assert_eq!(count(&cut, r#""outcome":"unknown""#), 1);
}
