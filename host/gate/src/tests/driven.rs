//! How the gate drives effects: what is on the record when an effect continues, and what is never begun.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use effects::{
    Effect, EffectProgress, Effects, Failure, HostAsk, HostEnd, HostWant, HttpAnswered, Observation, OpenFiles, Permit, Trail, VaultChange,
};
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot};
use vocabulary::record::{HostPurpose, MetIn, Record};
use vocabulary::{
    Act, AskedPath, Claim, Clock, Door as _, FileAnswer, FileAsk, FileFault, FileId, FileKind, FileOpen, Grants, GuestEvent, HttpFault,
    HttpResource, Limits, Method, OpId, Outcome, Principal, Reason, Resource, Rule, RunId, SafeText, Stop, Timeline as _,
};

use super::kit::{CountingClock, MemoryLog, ask, grants, header, policies_of};
use crate::{ChangeNote, Closing, Gate, Ledger, Live, LiveParts, Nobody, Notes, RunGate};

/// The progress of an effect, one after the other. After the last one it waits without end.
type Script = VecDeque<EffectProgress>;

/// Effects that report what a test gave them, and note what the record had at each of their steps.
struct Scripted {
    log: MemoryLog,
    scripts: Mutex<VecDeque<Script>>,
    /// How many records there were when an effect was asked for its next step.
    polled_at: Arc<Mutex<Vec<usize>>>,
    permits: Mutex<Vec<OpId>>,
    observed: Mutex<Vec<FileAsk>>,
    wants: Mutex<mpsc::UnboundedReceiver<HostWant>>,
    revoked: Mutex<Vec<String>>,
}

struct Telling {
    log: MemoryLog,
    script: Script,
    polled_at: Arc<Mutex<Vec<usize>>>,
}

impl Effect for Telling {
    fn poll_progress(&mut self, _ctx: &mut Context<'_>) -> Poll<Option<EffectProgress>> {
        self.polled_at.lock().unwrap().push(self.log.leaves().len());
        self.script.pop_front().map_or(Poll::Pending, |told| Poll::Ready(Some(told)))
    }

    fn trail(&self) -> Arc<Trail> {
        Arc::default()
    }
}

impl Effects for Scripted {
    fn start(&self, permit: Permit<Act>) -> Box<dyn Effect> {
        self.permits.lock().unwrap().push(permit.op());
        let script = self.scripts.lock().unwrap().pop_front().unwrap_or_default();
        Box::new(Telling { log: self.log.clone(), script, polled_at: Arc::clone(&self.polled_at) })
    }

    fn observe(&self, permit: Permit<FileAsk>) -> Result<Observation, Stop> {
        let (ask, bounds) = permit.into_ask();
        assert_eq!(bounds.rule, Rule::Files(Some(0)));
        let number = self.observed.lock().unwrap().len() as u64 + 2;
        let answer = match &ask {
            FileAsk::Open(_) => FileAnswer::Opened { file: FileId(number), kind: FileKind::File, real: None },
            FileAsk::Close { .. } => FileAnswer::Closed,
            _ => FileAnswer::Bytes(b"content".as_slice().into()),
        };
        self.observed.lock().unwrap().push(ask);
        Ok(answer.into())
    }

    fn reopen(&self, _open: OpenFiles) {}

    fn poll_wanted(&self, ctx: &mut Context<'_>) -> Poll<HostWant> {
        match self.wants.lock().unwrap().poll_recv(ctx) {
            Poll::Ready(Some(wanted)) => Poll::Ready(wanted),
            Poll::Ready(None) | Poll::Pending => Poll::Pending,
        }
    }

    fn revoke(&self, credential: &str) {
        self.revoked.lock().unwrap().push(credential.to_owned());
    }

    fn redact(&self, text: &SafeText) -> SafeText {
        text.clone()
    }

    fn redact_claim(&self, claim: Claim) -> Claim {
        claim
    }

    fn redact_end(&self, _outcome: &mut Outcome, _output: &mut [u8]) {}

    fn is_under_way(&self) -> bool {
        false
    }

    fn finished(&self) -> std::pin::Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(std::future::ready(()))
    }

    fn end(&self) {}
}

struct Unnoted;

impl Notes for Unnoted {
    fn begin(&self, _: RunId, _: &Record, _: &VaultChange) -> std::io::Result<Box<dyn ChangeNote>> {
        Ok(Box::new(Self))
    }
}

impl ChangeNote for Unnoted {
    fn done(self: Box<Self>) {}
}

pub(super) struct Driven {
    pub(super) log: MemoryLog,
    pub(super) gate: RunGate,
    effects: Arc<Scripted>,
    pub(super) live: Live,
    wants: mpsc::UnboundedSender<HostWant>,
}

fn with_key() -> Grants {
    let mut grants = grants();
    grants.http[0].credential = Some("key".to_owned());
    let hosts = vec!["a.test".parse().unwrap()];
    let binding = vocabulary::Binding::new("key", hosts, vocabulary::Placement::Bearer, vocabulary::Source::Local);
    grants.credentials.push(vocabulary::Binding { scheme: vocabulary::Scheme::Http, ..binding });
    grants
}

fn driven(grants: Grants, limits: Limits, scripts: impl IntoIterator<Item = Vec<EffectProgress>>) -> Driven {
    driven_on(&MemoryLog::default(), Arc::new(CountingClock::default()), grants, limits, scripts)
}

/// A run on this log, in a process with this clock.
pub(super) fn driven_on(
    log: &MemoryLog,
    clock: Arc<dyn Clock>,
    grants: Grants,
    limits: Limits,
    scripts: impl IntoIterator<Item = Vec<EffectProgress>>,
) -> Driven {
    let policies = policies_of(&grants);
    let gate = Gate::new(Arc::new(log.clone()), clock, Ledger::new());
    let gate = gate.open_run(header(grants, limits), policies.as_ref(), Arc::new(Nobody)).unwrap();
    let (wants, effects) = scripted(log, scripts);
    let live = live_with(&gate, effects.clone());
    Driven { log: log.clone(), gate, effects, live, wants }
}

/// The live world of a run that is loaded again.
pub(super) fn live_of(log: &MemoryLog, gate: &RunGate) -> Live {
    live_with(gate, scripted(log, []).1)
}

fn live_with(gate: &RunGate, effects: Arc<Scripted>) -> Live {
    let (runtime, long_wait) = (Handle::current(), Duration::from_secs(10));
    Live::new(LiveParts { gate: gate.clone(), effects, notes: Arc::new(Unnoted), runtime, long_wait })
}

fn scripted(log: &MemoryLog, scripts: impl IntoIterator<Item = Vec<EffectProgress>>) -> (mpsc::UnboundedSender<HostWant>, Arc<Scripted>) {
    let (wants, wanted) = mpsc::unbounded_channel();
    let effects = Arc::new(Scripted {
        log: log.clone(),
        scripts: Mutex::new(scripts.into_iter().map(VecDeque::from).collect()),
        polled_at: Arc::default(),
        permits: Mutex::default(),
        observed: Mutex::default(),
        wants: Mutex::new(wanted),
        revoked: Mutex::default(),
    });
    (wants, effects)
}

fn answered() -> EffectProgress {
    EffectProgress::Answered(Box::new(HttpAnswered { status: 200, ..HttpAnswered::default() }))
}

fn head() -> EffectProgress {
    EffectProgress::Head(vocabulary::HttpHead { headers: Vec::new(), status: 200 })
}

impl Driven {
    async fn next(&mut self) -> Result<GuestEvent, Stop> {
        let release = poll_fn(|ctx| self.live.poll_release(ctx));
        tokio::time::timeout(Duration::from_secs(20), release).await.unwrap().map(|release| release.event)
    }

    pub(super) fn get(&mut self) -> OpId {
        self.live.submit(ask("GET", "a.test", "/x")).unwrap()
    }

    pub(super) fn kinds(&self) -> Vec<String> {
        let kind = |body: &String| serde_json::from_str::<serde_json::Value>(body).unwrap()["kind"].as_str().unwrap().to_owned();
        self.log.bodies().iter().map(kind).collect()
    }
}

#[tokio::test]
async fn what_an_effect_tells_is_on_the_record_before_it_goes_on() {
    let met = EffectProgress::Met { credential: "key".to_owned(), place: MetIn::Request };
    let mut run =
        driven(with_key(), Limits::default(), [vec![met, EffectProgress::Ready, answered(), head(), EffectProgress::End(Vec::new())]]);
    run.get();
    assert!(matches!(run.next().await, Ok(GuestEvent::Head(_))));
    assert!(matches!(run.next().await, Ok(GuestEvent::End(_))));
    assert_eq!(run.kinds(), ["run-opened", "asked", "value-met", "lease-issued", "answered", "received"]);
    // The intent was durable before the first step, and each step was recorded before the next.
    assert_eq!(run.effects.polled_at.lock().unwrap()[..4], [2, 3, 4, 5]);
}

#[tokio::test]
async fn an_effect_that_ends_without_a_word_leaves_nobody_waiting_and_is_settled() {
    let mut run =
        driven(grants(), Limits::default(), [vec![EffectProgress::Ready, EffectProgress::Failed(Box::new(HttpFault::Unreachable.into()))]]);
    run.get();
    assert_eq!(run.next().await, Ok(GuestEvent::Failed(HttpFault::Unreachable.into())));
    assert!(run.log.bodies().iter().any(|body| body.contains(r#""outcome":"failed""#)));
}

#[tokio::test]
async fn what_was_permitted_when_the_run_is_stopped_is_not_sent() {
    // The control: it continues if nobody stops it.
    for stopped in [false, true] {
        let mut run = driven(grants(), Limits::default(), [vec![EffectProgress::Ready, answered()]]);
        run.get();
        if stopped {
            run.gate.stop();
        }
        for _ in 0..50 {
            tokio::task::yield_now().await;
        }
        let steps = run.effects.polled_at.lock().unwrap().len();
        assert_eq!(steps, if stopped { 0 } else { 3 }, "stopped: {stopped}");
        drop(run.live);
        tokio::task::yield_now().await;
        let bodies = run.log.bodies();
        assert_eq!(bodies.iter().any(|body| body.contains(r#""outcome":"abandoned""#)), stopped, "{bodies:?}");
    }
}

#[tokio::test]
async fn a_value_that_is_met_too_often_ends_the_run_before_anything_is_sent() {
    let met = || EffectProgress::Met { credential: "key".to_owned(), place: MetIn::Request };
    for (hits, sent) in [(1, true), (0, false)] {
        let mut run =
            driven(with_key(), Limits { value_hits: hits, ..Limits::default() }, [vec![met(), EffectProgress::Ready, answered(), head()]]);
        run.get();
        let next = run.next().await;
        assert_eq!(next.is_ok(), sent, "{next:?}");
        assert_eq!(run.kinds().contains(&"lease-issued".to_owned()), sent);
    }
}

#[tokio::test]
async fn nothing_is_looked_at_without_a_permit_of_its_own() {
    let mut run = driven(grants(), Limits::default(), []);
    let path = |path: &str| AskedPath::new(path).unwrap();
    let open = FileAsk::Open(FileOpen { dir: FileId(1), directory: false, follow: true, path: path("a") });
    let Ok(FileAnswer::Opened { file, .. }) = run.live.observe(open.clone()) else { panic!("not opened") };
    let read = FileAsk::Read { file, offset: 0, len: 9 };
    assert!(matches!(run.live.observe(read.clone()), Ok(FileAnswer::Bytes(_))));
    assert_eq!(run.effects.observed.lock().unwrap().len(), 2);
    // A change is refused, and a file that is not open is not looked at.
    let change = FileAsk::Change { function: vocabulary::ChangeKind::Write, file, path: None };
    assert_eq!(run.live.observe(change), Ok(FileAnswer::Fault(FileFault::NotPermitted)));
    for file in [0, 3, 99, u64::MAX] {
        let read = FileAsk::Read { file: FileId(file), offset: 0, len: 9 };
        assert_eq!(run.live.observe(read), Ok(FileAnswer::Fault(FileFault::Invalid)), "{file}");
    }
    assert_eq!(run.live.observe(FileAsk::Close { file }), Ok(FileAnswer::Closed));
    assert_eq!(run.live.observe(read.clone()), Ok(FileAnswer::Fault(FileFault::Invalid)), "it was closed");
    assert_eq!(run.effects.observed.lock().unwrap().len(), 3);
    run.gate.stop();
    assert_eq!(run.live.observe(open), Err(Stop::Ordered));
    assert_eq!(run.effects.observed.lock().unwrap().len(), 3, "nothing was looked at after the stop");
}

#[tokio::test]
async fn a_lease_that_ends_cuts_what_is_under_it_at_every_stage() {
    let by = Principal::new(1000, Some("alice"));
    let cases = [
        (vec![], "refused-credential", HttpFault::Denied),
        (vec![EffectProgress::Ready], "refused-credential", HttpFault::Denied),
        (vec![EffectProgress::Ready, answered()], "response", HttpFault::Incomplete),
    ];
    for (script, outcome, fault) in cases {
        let mut run = driven(with_key(), Limits::default(), [script]);
        run.get();
        for _ in 0..20 {
            tokio::task::yield_now().await;
        }
        assert_eq!(run.live.handle().revoke(Some("key"), &by).unwrap(), ["key"]);
        assert_eq!(run.next().await, Ok(GuestEvent::Failed(fault.into())), "{outcome}");
        assert_eq!(*run.effects.revoked.lock().unwrap(), ["key"]);
        assert!(run.log.bodies().iter().any(|body| body.contains(&format!(r#""outcome":"{outcome}""#))), "{:?}", run.log.bodies());
    }
}

#[tokio::test]
async fn a_refusal_after_the_permit_is_told_to_the_operator_and_not_to_the_guest() {
    let refused = Failure { refused: Some(Reason::GrantExpired), ..HttpFault::Denied.into() };
    let mut run = driven(grants(), Limits::default(), [vec![EffectProgress::Failed(Box::new(refused))]]);
    run.get();
    assert_eq!(run.next().await, Ok(GuestEvent::Failed(HttpFault::Denied.into())));
    assert!(run.log.bodies().iter().any(|body| body.contains(r#""outcome":"refused-lapsed""#)), "{:?}", run.log.bodies());
}

fn want(op: u64, reply: oneshot::Sender<Permit<effects::HostRequest>>) -> HostWant {
    let resource = Resource::Http(HttpResource::new(&Method::new("POST").unwrap(), &"https://issuer.test/token".parse().unwrap()));
    HostWant::Request(HostAsk { credential: "key".to_owned(), op: OpId(op), purpose: HostPurpose::Token, resource }, reply)
}

#[tokio::test]
async fn the_host_itself_sends_nothing_before_that_is_on_the_record() {
    let run = driven(with_key(), Limits::default(), []);
    let (reply, permit) = oneshot::channel();
    run.wants.send(want(1, reply)).unwrap();
    let permit = permit.await.unwrap();
    assert_eq!(run.kinds(), ["run-opened", "lease-issued", "host-asked"]);
    assert_eq!((permit.ask().number, permit.credential()), (1, Some("key")));
    let (reply, told) = oneshot::channel();
    run.wants.send(HostWant::Ended { number: 1, end: HostEnd { status: Some(200), ..HostEnd::default() }, reply }).unwrap();
    told.await.unwrap();
    assert_eq!(run.kinds().last().unwrap(), "host-answered");
    // If a record can't become durable, there is no permit.
    run.log.fail_durability();
    let (reply, permit) = oneshot::channel();
    run.wants.send(want(1, reply)).unwrap();
    assert!(permit.await.is_err());
}

#[tokio::test]
async fn a_request_of_the_hosts_own_that_nobody_waits_for_is_settled() {
    let run = driven(with_key(), Limits::default(), []);
    let (reply, permit) = oneshot::channel();
    drop(permit);
    run.wants.send(want(1, reply)).unwrap();
    while !run.kinds().contains(&"host-answered".to_owned()) {
        tokio::task::yield_now().await;
    }
    assert!(run.log.bodies().last().unwrap().contains(r#""outcome":"abandoned""#));
    let closing = Closing { active_ms: 0, outcome: Outcome::Done, output: None, peak_memory: 0 };
    run.gate.close(closing).await.unwrap();
}
