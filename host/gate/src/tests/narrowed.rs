//! What narrows a run besides its grants: staged engagements, dry runs, agents that were stopped; and what a guest is told of a refusal.

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use vocabulary::record::{AgentsEnabled, AgentsStopped, Record, RecordKind, VERSION};
use vocabulary::{
    Digest, Door as _, Engagement, Fault, Grants, GroupNeed, GuestEvent, HttpFault, Limits, Person, PolicyFile, PolicyRules, Principal,
    Reason, SafeText, Stop, Stoppable, Tier, Timeline, WouldBe,
};

use super::driven::{Driven, driven_on, live_of};
use super::kit::{CountingClock, MemoryLog, ask, fold, grants, policies_of, recorded};
use crate::{Gate, Resuming, RunWorld};

fn people() -> PolicyRules {
    let key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJdD7y3aLq454yWBdwLWbieU1ebz9/cu7/QEXn9OIeZJ";
    let bob = Person { groups: vec!["board".to_owned()], keys: vec![key.to_owned()], user: None };
    PolicyRules { people: [("bob".to_owned(), bob)].into(), ..PolicyRules::default() }
}

/// A run under an engagement of this tier, whose changes `board` approves if it is staged.
fn engaged(tier: Tier) -> Grants {
    let approval = (tier == Tier::Staged).then(|| GroupNeed { group: "board".to_owned(), quorum: 1 });
    let engagement = Engagement {
        name: "q4".to_owned(),
        approval,
        from_s: 0,
        until_s: 2_000_000_000,
        rate: None,
        targets: vec!["a.test".parse().unwrap()],
        tier,
    };
    Grants { engagement: Some(engagement), policy: Some(people()), ..grants() }
}

fn run(grants: Grants) -> Driven {
    driven_on(&MemoryLog::default(), Arc::new(CountingClock::default()), grants, Limits::default(), [])
}

fn poll(world: &mut impl Timeline) -> Poll<Result<GuestEvent, Stop>> {
    let polled = pin!(std::future::poll_fn(|ctx| world.poll_release(ctx))).as_mut().poll(&mut Context::from_waker(Waker::noop()));
    polled.map(|release| release.map(|release| release.event))
}

/// What a guest gets that sends a request of this method.
fn sends(run: &mut Driven, method: &str, path: &str) -> Poll<Result<GuestEvent, Stop>> {
    run.live.submit(ask(method, "a.test", path)).unwrap();
    poll(&mut run.live)
}

fn denied() -> GuestEvent {
    GuestEvent::Failed(Fault::Http(HttpFault::Denied))
}

fn refusals(run: &Driven) -> Vec<(Reason, Option<String>)> {
    let records = run.log.bodies().into_iter().filter_map(|body| Record::parse(body.as_bytes()).ok());
    let refused = |record| match record {
        Record::Refused(refused) => Some((refused.reason, refused.told.map(|told| told.to_string()))),
        _ => None,
    };
    records.filter_map(refused).collect()
}

#[tokio::test]
async fn a_staged_engagement_holds_back_what_changes_something_and_lets_what_reads_pass() {
    let mut staged = run(engaged(Tier::Staged));
    assert_eq!(sends(&mut staged, "POST", "/x"), Poll::Ready(Err(Stop::Suspended)));
    assert_eq!(staged.kinds(), ["run-opened", "approval-asked", "run-suspended"]);
    let why = staged.log.bodies()[1].clone();
    assert!(why.contains("the engagement q4 is staged: people approve each act that changes something"), "{why}");
    let mut reads = run(engaged(Tier::Staged));
    assert_eq!(sends(&mut reads, "GET", "/x"), Poll::Pending);
    assert_eq!(reads.kinds(), ["run-opened", "asked"], "nobody is asked for a look");
    let mut live = run(engaged(Tier::Live));
    assert_eq!(sends(&mut live, "POST", "/x"), Poll::Pending);
    assert_eq!(live.kinds(), ["run-opened", "asked"], "the control");
    let mut read_only = run(engaged(Tier::ReadOnly));
    assert_eq!(sends(&mut read_only, "POST", "/x"), Poll::Ready(Ok(denied())));
    assert_eq!(refusals(&read_only)[0].0.code(), "outside-engagement");
}

/// A policy that tells the agent something about `/told`, and one that says nothing about `/mute`.
const TELLS: &str = r#"@id("all") permit (principal, action, resource);
@id("told") @tell("ask in #change-board first") forbid (principal, action == Action::"http.write", resource) when { context.request.path like "/told*" };
@id("mute") @why("only for the record") forbid (principal, action == Action::"http.write", resource) when { context.request.path like "/mute*" };
@id("held") @approval("board") @decide_within("100s") @tell("the board said no")
forbid (principal, action == Action::"http.write", resource) when { context.request.path like "/held*" }
unless { context.approvals.contains("board") };"#;

fn telling(dry_run: bool) -> Grants {
    let file = PolicyFile { digest: Digest::of(TELLS.as_bytes()), path: "a.cedar".into(), text: TELLS.to_owned() };
    Grants { dry_run, policy: Some(PolicyRules { files: vec![file], ..people() }), ..grants() }
}

fn told(hint: &str) -> GuestEvent {
    GuestEvent::Refused { fault: Fault::Http(HttpFault::Denied), hint: SafeText::new(hint, 200) }
}

#[tokio::test]
async fn what_a_policy_tells_reaches_the_guest_and_a_rebuild_tells_it_again() {
    let mut first = run(telling(false));
    assert_eq!(sends(&mut first, "POST", "/told"), Poll::Ready(Ok(told("ask in #change-board first"))));
    assert_eq!(sends(&mut first, "POST", "/mute"), Poll::Ready(Ok(denied())), "without `@tell` it learns nothing");
    assert_eq!(sends(&mut first, "POST", "/mute/told"), Poll::Ready(Ok(denied())));
    let said: Vec<Option<String>> = refusals(&first).into_iter().map(|(_, told)| told).collect();
    assert_eq!(said, [Some("ask in #change-board first".to_owned()), None, None]);
    first.gate.flush().unwrap();
    // The run is cut off and loaded again: its guest gets the same.
    let (log, grants) = (first.log.clone(), telling(false));
    drop(first);
    let recorded = recorded(&log.leaves());
    let resuming = Resuming { policies: policies_of(&grants), ..Resuming::of(&recorded, Principal::new(1001, Some("bob"))) };
    let gate = Gate::new(Arc::new(log.clone()), Arc::new(CountingClock::default()), fold(&log.leaves()));
    let gate = gate.resume_run(recorded.header().clone(), &resuming, Arc::new(crate::Nobody)).unwrap();
    let mut world = RunWorld::resume(recorded, live_of(&log, &gate)).unwrap();
    world.submit(ask("POST", "a.test", "/told")).unwrap();
    assert_eq!(poll(&mut world), Poll::Ready(Ok(told("ask in #change-board first"))));
    world.submit(ask("POST", "a.test", "/mute")).unwrap();
    assert_eq!(poll(&mut world), Poll::Ready(Ok(denied())));
}

#[tokio::test]
async fn a_dry_run_decides_what_would_change_something_and_does_only_what_reads() {
    let mut dry = run(telling(true));
    let hint = "dry run: this act was decided and is not done";
    assert_eq!(sends(&mut dry, "GET", "/x"), Poll::Pending, "it looks");
    assert_eq!(sends(&mut dry, "POST", "/x"), Poll::Ready(Ok(told(hint))));
    // Nobody is asked, and nothing stays open.
    assert_eq!(sends(&mut dry, "POST", "/held"), Poll::Ready(Ok(told(hint))), "the guest can't tell the two apart");
    assert_eq!(sends(&mut dry, "POST", "/told"), Poll::Ready(Ok(told("ask in #change-board first"))));
    let reasons: Vec<Reason> = refusals(&dry).into_iter().map(|(reason, _)| reason).collect();
    let asked = WouldBe::Asked(vec![GroupNeed { group: "board".to_owned(), quorum: 1 }]);
    assert_eq!(reasons[..2], [Reason::DryRun(WouldBe::Permitted), Reason::DryRun(asked)]);
    assert_eq!(reasons[2].code(), "policy-forbids");
    assert!(!dry.kinds().contains(&"approval-asked".to_owned()), "{:?}", dry.kinds());
    assert_eq!(dry.kinds().iter().filter(|kind| *kind == "asked").count(), 1, "only the look has an intent");
    assert!(dry.log.bodies()[0].contains("\"dry_run\":true"), "the record says so: {}", dry.log.bodies()[0]);
    let mut control = run(telling(false));
    assert_eq!(sends(&mut control, "POST", "/x"), Poll::Pending);
    assert!(!control.log.bodies()[0].contains("dry_run"));
}

#[tokio::test]
async fn nothing_further_is_permitted_to_an_agent_that_was_stopped() {
    for (what, is_stopped) in [
        (Stoppable::All, true),
        (Stoppable::Agent(SafeText::new("guest", 64)), true),
        (Stoppable::Digest(Digest::of(b"agent")), true),
        (Stoppable::Agent(SafeText::new("another", 64)), false),
        (Stoppable::Digest(Digest::of(b"another")), false),
    ] {
        let mut run = run(grants());
        let gate = run.home.clone();
        assert_eq!(sends(&mut run, "GET", "/before"), Poll::Pending);
        let by = Principal::new(1000, Some("alice"));
        let stopped = AgentsStopped { at: 1, by: by.clone(), kind: RecordKind::AgentsStopped, v: VERSION, what: what.clone() };
        drop(gate.append_log(&stopped.into()).unwrap());
        let expected = if is_stopped { Poll::Ready(Ok(denied())) } else { Poll::Pending };
        assert_eq!(sends(&mut run, "GET", "/after"), expected, "{what}");
        assert_eq!(refusals(&run).iter().any(|(reason, _)| reason.code() == "agent-stopped"), is_stopped, "{what}");
        let enabled = AgentsEnabled { at: 2, by, kind: RecordKind::AgentsEnabled, v: VERSION, what: what.clone() };
        drop(gate.append_log(&enabled.into()).unwrap());
        assert_eq!(sends(&mut run, "GET", "/again"), Poll::Pending, "{what}");
        assert!(gate.with_ledger(|ledger| ledger.stopped().is_empty()));
    }
}
