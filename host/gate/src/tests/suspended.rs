//! Runs that wait for long: when they are unloaded, and where they continue.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::task::{Context, Poll, Waker};

use vocabulary::record::{Record, RunSuspended};
use vocabulary::{Door as _, Grants, GuestEvent, Limits, OpId, Principal, Release, Stop, Timeline as _};

use super::driven::{Driven, driven_on};
use super::kit::{CountingClock, MemoryLog, ask, fold, grants, recorded, run_id};
use crate::{ClockMark, Gate, OrderFaultKind, Resuming, RunWorld, Suspended};

const HOUR: u64 = 3_600_000_000_000;
const SECOND: u64 = 1_000_000_000;

/// A new run, at this time on the machine's clock since its start.
fn run(at_ns: u64, grants: Grants) -> Driven {
    driven_on(&MemoryLog::default(), gate_at(&MemoryLog::default(), at_ns).clock, grants, Limits::default(), [])
}

/// The gate of a process that begins at this time since the start of the machine.
fn gate_at(log: &MemoryLog, at_ns: u64) -> Gate {
    Gate::new(Arc::new(log.clone()), Arc::new(CountingClock(AtomicU64::new(at_ns))), fold(&log.leaves()))
}

fn poll(world: &mut impl vocabulary::Timeline) -> Poll<Result<Release, Stop>> {
    pin!(std::future::poll_fn(|ctx| world.poll_release(ctx))).as_mut().poll(&mut Context::from_waker(Waker::noop()))
}

/// How the run was suspended, if its last record says so.
fn last(log: &MemoryLog) -> Option<RunSuspended> {
    match Record::parse(&log.leaves().last()?.body) {
        Ok(Record::RunSuspended(suspended)) => Some(suspended),
        _ => None,
    }
}

/// Loads the run again, in a process that begins at this time, with a guest that sleeps until `deadline_ns`.
fn again(log: &MemoryLog, at_ns: u64, deadline_ns: u64) -> (RunWorld<crate::Live>, crate::RunGate) {
    let recorded = recorded(&log.leaves());
    let resuming = Resuming::of(&recorded, Principal::new(1001, Some("bob")));
    let gate = gate_at(log, at_ns).resume_run(recorded.header().clone(), &resuming, Arc::new(crate::Nobody)).unwrap();
    let live = super::driven::live_of(log, &gate);
    let mut world = RunWorld::resume(recorded, live).unwrap();
    assert_eq!(world.timer(deadline_ns).unwrap(), OpId(1));
    (world, gate)
}

#[tokio::test]
async fn a_run_that_waits_for_long_is_unloaded_and_continues_when_its_wait_is_over() {
    let mut run = run(0, grants());
    let op = run.live.timer(HOUR).unwrap();
    assert_eq!(poll(&mut run.live), Poll::Ready(Err(Stop::Suspended)));
    assert_eq!(run.kinds(), ["run-opened", "run-suspended"]);
    assert_eq!(run.live.submit(ask("GET", "a.test", "/x")), Err(Stop::Suspended), "nothing more is asked for it");
    let log = run.log.clone();
    drop(run);
    assert_eq!(log.leaves().len(), 2, "and nothing more is written for it");

    let (mut world, gate) = again(&log, HOUR + 5 * SECOND, HOUR);
    // The rebuild takes a minute.
    (0..60_000).for_each(|_| _ = gate.clock().mono_ns());
    let Poll::Ready(Ok(release)) = poll(&mut world) else { panic!("its wait is over") };
    assert_eq!((release.op, &release.event), (op, &GuestEvent::Timer { deadline_ns: HOUR }));
    assert!(gate.active_ms() < 1000, "a rebuild is not active time: {} ms", gate.active_ms());
    assert!((HOUR..HOUR + 10 * SECOND).contains(&release.mono_ns), "its own clock shows that the hour has passed: {}", release.mono_ns);
    gate.flush().unwrap();
    let spent = recorded(&log.leaves()).spent();
    assert!(spent.ms() < 10_000 && spent.waited_ms() > 3_500_000, "it was not active meanwhile: {spent:?}");
    fold(&log.leaves());
}

#[tokio::test]
async fn a_run_stays_in_memory_if_its_wait_is_short_or_something_is_under_way_or_it_can_not_be_rebuilt() {
    let mut short = run(0, grants());
    short.live.timer(9 * SECOND).unwrap();
    assert!(poll(&mut short.live).is_pending());

    let mut acts = run(0, grants());
    acts.get();
    acts.live.timer(HOUR).unwrap();
    assert!(poll(&mut acts.live).is_pending(), "a request is under way");

    let mut reads_only = grants();
    reads_only.http.clear();
    let mut unkept = run(0, reads_only);
    unkept.live.timer(HOUR).unwrap();
    assert!(poll(&mut unkept.live).is_pending(), "what it sees is not kept");

    let mut many = run(0, grants());
    // Each look at this clock takes a millisecond.
    (0..2000).for_each(|_| _ = many.gate.clock().mono_ns());
    many.live.timer(14 * SECOND).unwrap();
    assert!(poll(&mut many.live).is_pending(), "its rebuild could take too long for this wait");

    let mut forever = run(0, grants());
    forever.live.timer(u64::MAX).unwrap();
    assert!(poll(&mut forever.live).is_pending(), "a wait that never ends is no wait for a time");

    for run in [short, acts, unkept, many, forever] {
        assert!(!run.kinds().contains(&"run-suspended".to_owned()), "{:?}", run.kinds());
    }
}

#[tokio::test]
async fn a_run_that_is_loaded_too_early_waits_for_the_rest_and_one_that_is_cut_off_then_does_not_begin_anew() {
    let mut run = run(0, grants());
    run.live.timer(HOUR).unwrap();
    assert_eq!(poll(&mut run.live), Poll::Ready(Err(Stop::Suspended)));
    let first = last(&run.log).unwrap();

    let (mut early, _gate) = again(&run.log, HOUR / 2, HOUR);
    assert_eq!(poll(&mut early), Poll::Ready(Err(Stop::Suspended)));
    let second = last(&run.log).unwrap();
    let left =
        |suspended: &RunSuspended| Suspended::of(suspended).left_ms(&ClockMark { at: suspended.at, uptime: suspended.uptime.clone() });
    assert!(left(&first) > 3_590_000 && (1_790_000..1_810_000).contains(&left(&second)), "{} {}", left(&first), left(&second));

    // Its wait is over, it is loaded, and the process dies before the guest sees anything.
    let (cut, _gate) = again(&run.log, HOUR + SECOND, HOUR);
    drop(cut);
    let (mut world, _gate) = again(&run.log, HOUR + 2 * SECOND, HOUR);
    assert!(matches!(poll(&mut world), Poll::Ready(Ok(Release { event: GuestEvent::Timer { .. }, .. }))));
}

#[tokio::test]
async fn a_record_of_a_suspended_run_that_only_a_loaded_run_can_write_is_a_fault() {
    let mut run = run(0, grants());
    run.live.timer(HOUR).unwrap();
    assert_eq!(poll(&mut run.live), Poll::Ready(Err(Stop::Suspended)));
    let suspended = run.log.leaves();
    let mut other = self::run(0, grants());
    other.get();
    let asked = other.log.leaves().into_iter().find(|leaf| String::from_utf8_lossy(&leaf.body).contains(r#""kind":"asked""#)).unwrap();
    let mut ledger = fold(&suspended);
    let fault = ledger.fold(run_id(), 3, &asked.body).unwrap_err();
    assert_eq!(fault.what, OrderFaultKind::Suspended);
    // The control: before the run was suspended, the same record is in order.
    let mut ledger = fold(&suspended[..1]);
    ledger.fold(run_id(), 2, &asked.body).unwrap();
    // With an act under way, no run is suspended.
    let fault = ledger.fold(run_id(), 3, &suspended[1].body).unwrap_err();
    assert_eq!(fault.what, OrderFaultKind::SuspendedWhilePending);
}
