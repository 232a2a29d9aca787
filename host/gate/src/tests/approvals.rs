//! Acts that are held back: what people decide, when it counts, and that it counts once.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, Waker};

use policy::vote::CastVote;
use vocabulary::record::{ApprovalClosed, ApprovalVoted, Asked, Record, RecordKind, VERSION};
use vocabulary::{
    Act, ApprovalEnd, Clock, Digest, Door as _, Grants, GuestEvent, Limits, OpId, Person, PolicyFile, PolicyRules, Principal, Release,
    SafeText, Stop, Vote, VoteMeans,
};

use super::driven::{Driven, driven_on, live_of};
use super::kit::{MemoryLog, ask, fold, grants, policies_of, recorded, run_id};
use crate::{ApprovalState, ClockMark, Gate, MaySay, OrderFaultKind, Resuming, RunWorld};

const SECOND: u64 = 1_000_000_000;

/// A clock whose parts are set apart: the machine's clock can be set, and the machine can be restarted.
#[derive(Default)]
pub(super) struct SetClock {
    mono_ns: AtomicU64,
    /// How far the machine's clock was set forward, in seconds.
    ahead_s: AtomicU64,
    boot: AtomicU64,
}

impl SetClock {
    pub(super) fn pass(&self, seconds: u64) {
        self.mono_ns.fetch_add(seconds * SECOND, Ordering::Relaxed);
    }
}

impl Clock for SetClock {
    fn mono_ns(&self) -> u64 {
        self.mono_ns.fetch_add(1000, Ordering::Relaxed)
    }

    fn unix_ns(&self) -> u64 {
        1_800_000_000_000_000_000 + (self.ahead_s.load(Ordering::Relaxed) * SECOND) + self.mono_ns.load(Ordering::Relaxed)
    }

    fn uptime(&self) -> vocabulary::record::Uptime {
        let boot = format!("{:032}", self.boot.load(Ordering::Relaxed));
        vocabulary::record::Uptime { boot, ms: self.mono_ns.load(Ordering::Relaxed) / 1_000_000 }
    }
}

/// `POST` to `/held…` needs one of the board within 100 seconds, and is used within 10.
pub(super) const HELD: &str = r#"@id("all") permit (principal, action, resource);
@id("held") @approval("board") @decide_within("100s") @use_within("10s")
forbid (principal, action == Action::"http.write", resource) when { context.request.path like "/held*" }
unless { context.approvals.contains("board") };"#;

pub(super) fn held_grants(text: &str) -> Grants {
    let file = PolicyFile { digest: Digest::of(text.as_bytes()), path: "a.cedar".into(), text: text.to_owned() };
    let key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJdD7y3aLq454yWBdwLWbieU1ebz9/cu7/QEXn9OIeZJ";
    let other = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAICYqBO/GXhQkXAkIVUIm3YPBVoxrMSWTOM39Esdk/AKd";
    let carol = Person { groups: vec!["board".to_owned()], keys: vec![other.to_owned()], user: None };
    let bob = Person { groups: vec!["board".to_owned()], keys: vec![key.to_owned()], user: None };
    let people = [("bob".to_owned(), bob), ("carol".to_owned(), carol)].into_iter().collect();
    Grants { policy: Some(PolicyRules { files: vec![file], people, ..PolicyRules::default() }), ..grants() }
}

struct Scene {
    clock: Arc<SetClock>,
    run: Driven,
}

impl Scene {
    fn new() -> Self {
        let clock = Arc::new(SetClock::default());
        let run = driven_on(&MemoryLog::default(), Arc::clone(&clock) as Arc<dyn Clock>, held_grants(HELD), Limits::default(), []);
        Self { clock, run }
    }

    fn kinds(&self) -> Vec<String> {
        self.run.kinds()
    }
}

fn held() -> Act {
    ask("POST", "a.test", "/held")
}

pub(super) fn poll(world: &mut impl vocabulary::Timeline) -> Poll<Result<Release, Stop>> {
    pin!(std::future::poll_fn(|ctx| world.poll_release(ctx))).as_mut().poll(&mut Context::from_waker(Waker::noop()))
}

pub(super) fn digest_of(log: &MemoryLog, op: u64) -> Digest {
    fold(&log.leaves()).open_run(run_id()).unwrap().approval(op).unwrap().digest
}

/// The vote of `bob`, as the host records it.
pub(super) fn vote(gate: &Gate, log: &MemoryLog, op: u64, vote: Vote) {
    drop(gate.append_people(run_id(), voted(gate, log, op, vote)).unwrap());
}

pub(super) fn voted(gate: &Gate, log: &MemoryLog, op: u64, vote: Vote) -> Record {
    let key = policy::vote::read_key("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJdD7y3aLq454yWBdwLWbieU1ebz9/cu7/QEXn9OIeZJ").unwrap();
    let print = key.fingerprint(Default::default()).to_string();
    let record = ApprovalVoted {
        approved: vote == Vote::Approve,
        at: gate.clock.unix_ms(),
        by: Principal::new(1001, Some("bob")),
        digest: digest_of(log, op),
        kind: RecordKind::ApprovalVoted,
        means: VoteMeans::Signed { key: SafeText::new(&print, 64), signature: "s".to_owned() },
        op,
        person: SafeText::new("bob", 64),
        reason: SafeText::default(),
        uptime: gate.clock.uptime(),
        v: VERSION,
        vote,
    };
    record.into()
}

pub(super) fn gate_at(log: &MemoryLog, clock: &Arc<SetClock>) -> Gate {
    Gate::new(Arc::new(log.clone()), Arc::clone(clock) as Arc<dyn Clock>, fold(&log.leaves()))
}

/// Loads the run again, under these policies. Its guest asks the same.
fn again(log: &MemoryLog, clock: &Arc<SetClock>, text: &str) -> (RunWorld<crate::Live>, crate::RunGate) {
    let recorded = recorded(&log.leaves());
    let policies = policies_of(&held_grants(text));
    let resuming = Resuming { policies, ..Resuming::of(&recorded, Principal::new(1001, Some("bob"))) };
    let gate = gate_at(log, clock).resume_run(recorded.header().clone(), &resuming, Arc::new(crate::Nobody)).unwrap();
    let mut world = RunWorld::resume(recorded, live_of(log, &gate)).unwrap();
    assert_eq!(world.submit(held()).unwrap(), OpId(1));
    (world, gate)
}

/// Suspends a run that waits for people.
fn suspended() -> (MemoryLog, Arc<SetClock>) {
    let mut scene = Scene::new();
    scene.run.live.submit(held()).unwrap();
    assert_eq!(poll(&mut scene.run.live), Poll::Ready(Err(Stop::Suspended)));
    assert_eq!(scene.kinds(), ["run-opened", "approval-asked", "run-suspended"]);
    (scene.run.log.clone(), scene.clock)
}

/// What becomes of the act after this time: the kinds of the records since the run was suspended.
fn after(decide: impl FnOnce(&Gate, &MemoryLog, &SetClock), text: &str) -> Vec<String> {
    let (log, clock) = suspended();
    decide(&gate_at(&log, &clock), &log, &clock);
    let before = log.leaves().len();
    let (mut world, _gate) = again(&log, &clock, text);
    let _ = poll(&mut world);
    fold(&log.leaves());
    let kind = |body: &String| serde_json::from_str::<serde_json::Value>(body).unwrap()["kind"].as_str().unwrap().to_owned();
    log.bodies()[before..].iter().map(kind).collect()
}

#[tokio::test]
async fn an_approved_act_begins_once_and_its_intent_uses_the_approval() {
    let kinds = after(|gate, log, _| vote(gate, log, 1, Vote::Approve), HELD);
    assert_eq!(kinds, ["run-resumed", "asked"]);
    let (log, clock) = suspended();
    vote(&gate_at(&log, &clock), &log, 1, Vote::Approve);
    let (mut world, _gate) = again(&log, &clock, HELD);
    assert!(poll(&mut world).is_pending(), "it is under way");
    drop(world);
    // The process died before it sent anything. Nobody can use the approval a second time.
    let ledger = fold(&log.leaves());
    let open = ledger.open_run(run_id()).unwrap();
    assert!(open.approval(1).is_none() && open.asked == 1);
}

#[tokio::test]
async fn what_is_pending_stays_suspended_and_its_clock_stands_still() {
    let (log, clock) = suspended();
    clock.pass(50);
    let (mut world, _gate) = again(&log, &clock, HELD);
    assert_eq!(poll(&mut world), Poll::Ready(Err(Stop::Suspended)), "it is too early to continue");
    clock.pass(40);
    vote(&gate_at(&log, &clock), &log, 1, Vote::Reject);
    let (mut world, _gate) = again(&log, &clock, HELD);
    let Poll::Ready(Ok(release)) = poll(&mut world) else { panic!("it is decided") };
    assert!(matches!(release.event, GuestEvent::Failed(_)), "{release:?}");
    assert!(release.mono_ns < SECOND, "90 seconds passed, and none for the agent: {}", release.mono_ns);
}

#[tokio::test]
async fn both_clocks_run_out_whatever_the_clock_of_the_machine_shows() {
    let approve = |gate: &Gate, log: &MemoryLog| vote(gate, log, 1, Vote::Approve);
    let expired = ["run-resumed", "approval-closed", "refused"];
    assert_eq!(after(|_, _, clock| clock.pass(101), HELD), expired);
    let in_time = after(
        |gate, log, clock| {
            clock.pass(99);
            approve(gate, log);
            clock.pass(9);
        },
        HELD,
    );
    assert_eq!(in_time, ["run-resumed", "asked"], "the control");
    let lapsed = after(
        |gate, log, clock| {
            approve(gate, log);
            clock.pass(11);
        },
        HELD,
    );
    assert_eq!(lapsed, expired);
    let forward = after(
        |gate, log, clock| {
            clock.ahead_s.store(100_000, Ordering::Relaxed);
            approve(gate, log);
        },
        HELD,
    );
    assert!(forward.contains(&"asked".to_owned()), "a clock that was set forward ends nothing: {forward:?}");
    let restarted = after(
        |_, _, clock| {
            clock.boot.store(1, Ordering::Relaxed);
            clock.ahead_s.store(200, Ordering::Relaxed);
        },
        HELD,
    );
    assert_eq!(restarted.last().map(String::as_str), Some("refused"), "after a restart only the clock is left: {restarted:?}");
    let ledger = fold(&suspended().0.leaves());
    let early = ClockMark { at: 1, uptime: vocabulary::record::Uptime { boot: "1".repeat(32), ms: 5 } };
    assert!(ledger.not_before(&early).at >= 1_800_000_000_000, "time does not go back behind what the record has seen");
}

#[tokio::test]
async fn policies_of_now_decide_even_about_what_was_approved() {
    let approve = |gate: &Gate, log: &MemoryLog, _: &SetClock| vote(gate, log, 1, Vote::Approve);
    let forbids = HELD.replace("@approval(\"board\") @decide_within(\"100s\") @use_within(\"10s\")\n", "");
    assert_eq!(after(approve, &forbids), ["run-resumed", "approval-closed", "refused"]);
    let other = format!("{HELD}\n// changed");
    assert_eq!(after(approve, &other), ["run-resumed", "approval-closed", "approval-asked", "run-suspended"], "it is asked again");
    let open = r#"@id("all") permit (principal, action, resource);"#;
    assert_eq!(after(approve, open), ["run-resumed", "approval-closed", "asked"], "nothing holds it back any more");
}

#[tokio::test]
async fn an_act_that_people_rejected_is_not_asked_again_in_the_same_run() {
    let (log, clock) = suspended();
    vote(&gate_at(&log, &clock), &log, 1, Vote::Reject);
    let (mut world, _gate) = again(&log, &clock, HELD);
    assert!(matches!(poll(&mut world), Poll::Ready(Ok(_))));
    let count = |log: &MemoryLog| log.bodies().iter().filter(|body| body.contains("\"kind\":\"approval-asked\"")).count();
    world.submit(held()).unwrap();
    assert_eq!(count(&log), 1, "the same act");
    world.submit(ask("POST", "a.test", "/held/other")).unwrap();
    assert_eq!(count(&log), 2, "the control");
}

#[tokio::test]
async fn a_flood_of_acts_makes_a_bounded_number_of_cards() {
    let mut scene = Scene::new();
    for n in 0..100 {
        scene.run.live.submit(ask("POST", "a.test", &format!("/held/{n}"))).unwrap();
    }
    let asked = scene.kinds().iter().filter(|kind| *kind == "approval-asked").count();
    assert_eq!(asked, 64);
}

#[tokio::test]
async fn an_act_that_its_agent_gives_up_is_cancelled() {
    let mut scene = Scene::new();
    let op = scene.run.live.submit(held()).unwrap();
    scene.run.live.abandon(op).unwrap();
    assert_eq!(scene.kinds(), ["run-opened", "approval-asked", "approval-closed"]);
    assert!(fold(&scene.run.log.leaves()).open_run(run_id()).unwrap().approvals.is_empty());
    fold(&scene.run.log.leaves());
}

#[tokio::test]
async fn a_run_that_does_something_else_meanwhile_stays_in_memory_and_hears_of_the_decision() {
    let mut scene = Scene::new();
    scene.run.live.submit(held()).unwrap();
    scene.run.get();
    assert!(poll(&mut scene.run.live).is_pending(), "a request is under way");
    let log = scene.run.log.clone();
    let gate = Gate { book: scene.run.gate.book(), clock: Arc::clone(&scene.clock) as Arc<dyn Clock> };
    let handle = scene.run.live.handle();
    let pending = |state| matches!(state, ApprovalState::Pending { .. });
    let say = |vote| {
        let may = MaySay { digest: digest_of(&log, 1), state: &pending };
        handle.say_of_held(OpId(1), voted(&gate, &log, 1, vote), &may, None).unwrap().map(drop)
    };
    assert_eq!(say(Vote::Reject), Ok(()));
    assert_eq!(say(Vote::Approve), Err(Some(ApprovalState::Ended(ApprovalEnd::Rejected))), "the first decision stands");
    let Poll::Ready(Ok(release)) = poll(&mut scene.run.live) else { panic!("it is decided: {:?}", scene.kinds()) };
    assert_eq!((release.op, matches!(release.event, GuestEvent::Failed(_))), (OpId(1), true));
}

#[tokio::test]
async fn records_of_approvals_have_their_order() {
    let (log, clock) = suspended();
    let leaves = log.leaves();
    let gate = gate_at(&log, &clock);
    vote(&gate, &log, 1, Vote::Approve);
    let voted = log.leaves().pop().unwrap();
    let fault = |leaves: &[crate::RunRecord], body: &[u8]| fold(leaves).fold(run_id(), 9, body).map_err(|fault| fault.what);
    assert_eq!(fault(&leaves[..1], &voted.body), Err(OrderFaultKind::NoApproval));
    assert_eq!(fault(&leaves, &voted.body), Ok(()), "the control");
    let closed = ApprovalClosed {
        at: 1,
        by: None,
        digest: Digest::of(b"another"),
        end: ApprovalEnd::Expired,
        kind: RecordKind::ApprovalClosed,
        op: 1,
        v: VERSION,
    };
    assert_eq!(fault(&leaves, &Record::from(closed).to_bytes()), Err(OrderFaultKind::NoApproval), "of another act");
    // An intent of an act that was not approved.
    let (mut world, _gate) = again(&log, &clock, HELD);
    let _ = poll(&mut world);
    let asked = log.leaves().into_iter().find(|leaf| matches!(Record::parse(&leaf.body), Ok(Record::Asked(_)))).unwrap();
    assert_eq!(fault(&leaves[..2], &asked.body), Err(OrderFaultKind::NoApproval));
    let Ok(Record::Asked(parsed)) = Record::parse(&asked.body) else { panic!("it is an intent") };
    let without = Record::from(Asked { approval: None, ..parsed }).to_bytes();
    let approved: Vec<_> = leaves[..2].iter().cloned().chain([voted]).collect();
    assert_eq!(fault(&approved, &without), Err(OrderFaultKind::NoApproval), "an intent must use its approval");
    assert_eq!(fault(&approved, &asked.body), Ok(()), "the control");
}

#[test]
fn a_vote_counts_for_the_state_only_as_long_as_it_may() {
    let (log, clock) = tokio::runtime::Runtime::new().unwrap().block_on(async { suspended() });
    let state = |clock: &Arc<SetClock>| {
        let ledger = fold(&log.leaves());
        ledger.open_run(run_id()).unwrap().approval(1).unwrap().state(&ClockMark::of(&**clock))
    };
    assert!(matches!(state(&clock), ApprovalState::Pending { left_ms } if left_ms > 99_000));
    vote(&gate_at(&log, &clock), &log, 1, Vote::Approve);
    assert!(matches!(state(&clock), ApprovalState::Approved { left_ms } if left_ms > 9_000));
    clock.pass(11);
    assert_eq!(state(&clock), ApprovalState::Ended(ApprovalEnd::Lapsed));
    let open = fold(&log.leaves()).open_run(run_id()).unwrap().approval(1).unwrap().cast();
    assert_eq!(open.iter().map(|cast: &CastVote| cast.person.as_str()).collect::<Vec<_>>(), ["bob"]);
}

#[tokio::test]
async fn a_demand_that_grew_meanwhile_is_the_one_that_has_to_be_met() {
    let grows = HELD.to_owned()
        + r#"@id("later") @approval("board") @quorum("2") forbid (principal, action == Action::"http.write", resource)
when { context.run.acts >= 1 } unless { context.approvals.contains("board") };"#;
    let clock = Arc::new(SetClock::default());
    let mut run = driven_on(&MemoryLog::default(), Arc::clone(&clock) as Arc<dyn Clock>, held_grants(&grows), Limits::default(), []);
    run.live.submit(held()).unwrap();
    run.get();
    let gate = Gate { book: run.gate.book(), clock: Arc::clone(&clock) as Arc<dyn Clock> };
    let (may, log) = (|state| matches!(state, ApprovalState::Pending { .. }), run.log.clone());
    let may = MaySay { digest: digest_of(&log, 1), state: &may };
    drop(run.live.handle().say_of_held(OpId(1), voted(&gate, &log, 1, Vote::Approve), &may, None).unwrap());
    assert!(poll(&mut run.live).is_pending());
    let kinds = run.kinds();
    assert_eq!(
        kinds[kinds.len() - 3..],
        ["approval-voted", "approval-closed", "approval-asked"],
        "one vote is not enough any more: {kinds:?}"
    );
    let ledger = fold(&log.leaves());
    let open = ledger.open_run(run_id()).unwrap();
    assert_eq!((open.approval(1).unwrap().needs.groups[0].quorum, open.asked), (2, 1));
}

/// A run whose approved act was under way when its process died, and of which a person says that it did not happen.
fn did_not_happen() -> (MemoryLog, Arc<SetClock>) {
    let (log, clock) = suspended();
    vote(&gate_at(&log, &clock), &log, 1, Vote::Approve);
    let recorded = recorded(&log.leaves());
    let resuming = Resuming { policies: policies_of(&held_grants(HELD)), ..Resuming::of(&recorded, Principal::new(1, Some("bob"))) };
    let gate = gate_at(&log, &clock).resume_run(recorded.header().clone(), &resuming, Arc::new(crate::Nobody)).unwrap();
    let pending = gate.ask_held(OpId(1), held()).unwrap();
    // The process dies, and nothing more is written.
    let _lost = std::mem::ManuallyDrop::new(pending);
    drop(gate_at(&log, &clock).settle(run_id(), &[1], false, &Principal::new(1001, Some("bob"))).unwrap());
    (log, clock)
}

#[tokio::test]
async fn a_repetition_after_a_crash_is_covered_only_as_long_as_the_approval_could_still_be_used() {
    let last = |pass: u64, text: &str| {
        let (log, clock) = did_not_happen();
        clock.pass(pass);
        let (mut world, _gate) = again(&log, &clock, text);
        let _ = poll(&mut world);
        log.bodies().last().unwrap().clone()
    };
    let same = last(1, HELD);
    assert!(same.contains(r#""kind":"asked""#) && same.contains(r#""again":true,"approval":"sha256:"#), "the control: {same}");
    let late = last(11, HELD);
    assert!(late.contains(r#""kind":"delivered""#) || late.contains("lapsed"), "{late}");
    assert!(!late.contains(r#""kind":"asked""#), "{late}");
    let changed = last(1, &format!("{HELD}\n// changed"));
    assert!(!changed.contains(r#""kind":"asked""#), "{changed}");
}
