//! The live world of one run.

mod act;
mod handle;
mod held;
mod host_request;
mod inbox;
mod observer;
mod skipping;

use std::collections::{BTreeMap, BTreeSet};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use effects::{Effects, Observation};
use tokio::runtime::Handle;
use tokio::task::AbortHandle;
use tokio::time::Sleep;
use tracing::Instrument as _;
use vocabulary::{Act, Claim, Clock, ClosedAsk, Door, FileAnswer, FileAsk, GuestEvent, OpId, Outcome, Release, Stop, Timeline};

use crate::ask::{Judgement, PendingIntent};
use crate::resume_plan::ResumePlan;
use crate::resume_point::{LiveWorld, ResumePoint, SeenAnswer};
use crate::run::{RunGate, Wait};
use crate::run_header::RunHeader;
use act::Acting;
use held::HeldActs;
use host_request::Serving;
use inbox::{Inbox, InboxItem};
use observer::Observer;

pub use handle::LiveHandle;
pub use host_request::{ChangeNote, Notes};
pub use inbox::CREDIT;

/// How long a claim may wait before it is written.
const FLUSH_AFTER: Duration = Duration::from_millis(200);

/// BOUND: a wait is this many times as long as the rebuild after it, so that rebuilding takes a bounded share of a processor.
const REBUILD_SHARE: u32 = 5;
/// BOUND: a longer wait is not taken for one that ends: the run stays in memory, and `active-timeout` ends it.
const WAIT_MAX: Duration = Duration::from_secs(366 * 24 * 3600);
/// How long the run waits until it tries again to be suspended, if a host request was under way for it.
const TRY_AGAIN: Duration = Duration::from_secs(1);

/// The parts of a live world.
pub struct LiveParts {
    /// The run's gate.
    pub gate: RunGate,
    /// Carries out what is permitted.
    pub effects: Arc<dyn Effects>,
    /// Keeps notes of changes that the agent causes in the vault.
    pub notes: Arc<dyn Notes>,
    /// The runtime on which its acts run.
    pub runtime: Handle,
    /// A run that has to wait for a time for longer than this is unloaded from memory, if nothing else of it is under way.
    pub long_wait: Duration,
}

/// The live world of one run. A rebuild turns into it at the end of its record.
pub struct Live {
    observer: Observer,
    inbox: Inbox,
    clock: Arc<dyn Clock>,
    /// How far the run's clock is ahead of the host's, in nanoseconds, by wrapping arithmetic.
    ahead_ns: u64,
    last_ns: u64,
    /// How many polls found nothing since the last release.
    empty: u64,
    timers: BTreeSet<(u64, OpId)>,
    sleep: Option<(u64, Pin<Box<Sleep>>)>,
    /// When the run tries again to be suspended, on its own clock.
    try_again_ns: Option<u64>,
    held: HeldActs,
    acts: Option<RunningActs>,
    opened_unix_ns: u64,
    seed: [u8; 32],
}

struct RunningActs {
    gate: RunGate,
    effects: Arc<dyn Effects>,
    runtime: Handle,
    long_wait: Duration,
    tasks: BTreeMap<OpId, AbortHandle>,
    flush: Arc<AtomicBool>,
    flusher: Option<AbortHandle>,
    /// The task that serves host requests for the run; `None` if the run has no credential.
    serving: Option<AbortHandle>,
}

enum Taken {
    Release(Release),
    /// There is nothing now.
    Nothing,
    /// There is nothing now, and only timers can run out.
    OnlyTimers,
    /// There is nothing now, and only people can continue the run.
    OnlyPeople,
    /// There is nothing now, and nothing can come any more.
    Never,
}

impl Live {
    /// The world of a run that is opened or resumed.
    pub fn new(parts: LiveParts) -> Self {
        let LiveParts { gate, effects, notes, runtime, long_wait } = parts;
        let clock = Arc::clone(gate.clock());
        // The reference is weak, because the world owns the effects.
        let known = Arc::downgrade(&effects);
        gate.star_with(move |text| known.upgrade().map_or_else(|| text.clone(), |effects| effects.redact(text)));
        let mut live = Self::without_acts(gate.header(), Arc::clone(&effects), clock);
        let has_credentials = !gate.header().spec.grants.credentials.is_empty();
        let serving = has_credentials.then(|| {
            let serving = Serving { gate: gate.clone(), effects: Arc::clone(&effects), notes, inbox: live.inbox.clone() };
            runtime.spawn(serving.serve().instrument(gate.span().clone())).abort_handle()
        });
        live.acts =
            Some(RunningActs { gate, effects, runtime, long_wait, tasks: BTreeMap::new(), flush: Arc::default(), flusher: None, serving });
        live
    }

    /// The world for an audit. It only looks at mounts.
    pub fn for_audit(header: &RunHeader, effects: Arc<dyn Effects>, clock: Arc<dyn Clock>) -> Self {
        Self::without_acts(header, effects, clock)
    }

    fn without_acts(header: &RunHeader, effects: Arc<dyn Effects>, clock: Arc<dyn Clock>) -> Self {
        Self {
            observer: Observer::new(header, effects),
            inbox: Inbox::default(),
            ahead_ns: 0u64.wrapping_sub(clock.mono_ns()),
            clock,
            last_ns: 0,
            empty: 0,
            timers: BTreeSet::new(),
            sleep: None,
            try_again_ns: None,
            held: HeldActs::default(),
            acts: None,
            opened_unix_ns: header.opened_unix_ns,
            seed: header.seed,
        }
    }

    /// A handle to end the run from outside.
    pub fn handle(&self) -> LiveHandle {
        let acts = self.acts.as_ref().map(|acts| (acts.gate.clone(), Arc::clone(&acts.effects)));
        LiveHandle { acts, inbox: self.inbox.clone() }
    }

    /// Takes secrets out of what an agent returned, and out of its own message of failure.
    pub fn redact_end(&self, outcome: &mut Outcome, output: &mut [u8]) {
        if let Some(acts) = &self.acts {
            acts.effects.redact_end(outcome, output);
        }
    }

    /// The run's gate; `None` in an audit.
    pub fn gate(&self) -> Option<&RunGate> {
        self.acts.as_ref().map(|acts| &acts.gate)
    }

    fn acts(&mut self) -> Result<&mut RunningActs, Stop> {
        // An audit ends where its record ends.
        self.acts.as_mut().ok_or(Stop::RecordEnds)
    }

    fn real_ns(&self) -> u64 {
        self.clock.mono_ns().wrapping_add(self.ahead_ns)
    }

    fn start(&mut self, pending: PendingIntent, seen: Option<SeenAnswer>) -> Result<(), Stop> {
        let op = pending.op();
        let (inbox, credit) = (self.inbox.clone(), self.inbox.open(op));
        let acts = self.acts()?;
        let acting = Acting { gate: acts.gate.clone(), effects: Arc::clone(&acts.effects), inbox, credit, seen };
        let span = tracing::info_span!(parent: acts.gate.span(), "operation", op = op.0);
        let task = acts.runtime.spawn(acting.run(pending).instrument(span));
        acts.tasks.insert(op, task.abort_handle());
        Ok(())
    }

    fn tell(&self, op: OpId, event: GuestEvent) {
        let _credit = self.inbox.open(op);
        self.inbox.put(op, event);
    }

    /// Stamps an event with the time, notes it, and releases it.
    fn release(&mut self, op: OpId, event: GuestEvent) -> Result<Release, Stop> {
        let mono_ns = self.real_ns().max(self.last_ns + 1);
        if event.is_last()
            && let Some(acts) = &mut self.acts
        {
            acts.tasks.remove(&op);
            // An act that is approved may have waited for its turn.
            self.inbox.decided();
        }
        let release = Release { op, event, mono_ns };
        let empty = std::mem::take(&mut self.empty);
        self.acts()?.gate.delivered(&release, empty)?;
        self.last_ns = mono_ns;
        Ok(release)
    }

    /// Takes the next event. A timer that has run out comes first, so that no stream can delay it.
    fn take(&mut self) -> Result<Taken, Stop> {
        self.look_at_held()?;
        if let Some((deadline_ns, op)) = self.timers.first().copied()
            && deadline_ns <= self.real_ns()
        {
            self.timers.pop_first();
            return self.release(op, GuestEvent::Timer { deadline_ns }).map(Taken::Release);
        }
        match self.inbox.take()? {
            InboxItem::Event(op, event) => self.release(op, event).map(Taken::Release),
            InboxItem::Never if self.timers.is_empty() => Ok(Taken::Never),
            InboxItem::Never => Ok(Taken::OnlyTimers),
            InboxItem::Nothing if self.waits_for_people() => Ok(Taken::OnlyPeople),
            InboxItem::Nothing => Ok(Taken::Nothing),
        }
    }

    /// Suspends the run if it has to wait for long until its first timer runs out. Returns whether it did.
    ///
    /// A rebuild takes about as long as the run was active so far. The wait has to be much longer than that.
    fn suspend(&mut self) -> Result<bool, Stop> {
        let (now_ns, first) = (self.real_ns(), self.timers.first().copied());
        self.try_again_ns = None;
        let acts = self.acts()?;
        let wait = Duration::from_nanos(first.map_or(0, |(deadline_ns, _)| deadline_ns.saturating_sub(now_ns)));
        let least = acts.long_wait.saturating_add(Duration::from_millis(acts.gate.active_ms()) * REBUILD_SHARE);
        if wait <= least || wait > WAIT_MAX {
            return Ok(false);
        }
        self.suspend_for(Wait::Time(wait))
    }

    /// Suspends the run, unless something of it is under way. Then it tries again later.
    fn suspend_for(&mut self, wait: Wait) -> Result<bool, Stop> {
        let now_ns = self.real_ns();
        let acts = self.acts()?;
        if acts.effects.is_under_way() {
            self.try_again_ns = Some(now_ns.saturating_add(u64::try_from(TRY_AGAIN.as_nanos()).unwrap_or(u64::MAX)));
            return Ok(false);
        }
        acts.gate.suspend(now_ns / 1_000_000, wait)
    }

    /// Ready if the first timer has run out, or if the run may try again to be suspended. Otherwise the task is woken when that is so.
    fn poll_timer(&mut self, ctx: &mut Context<'_>) -> Poll<()> {
        let first = self.timers.first().map(|(deadline_ns, _)| *deadline_ns);
        let Some(deadline_ns) = first.into_iter().chain(self.try_again_ns).chain(self.held.look_ns()).min() else { return Poll::Pending };
        let now = self.real_ns();
        if deadline_ns <= now {
            return Poll::Ready(());
        }
        let left = Duration::from_nanos(deadline_ns - now);
        let sleep = match &mut self.sleep {
            Some((until, sleep)) if *until == deadline_ns && !sleep.is_elapsed() => sleep,
            slot => &mut slot.insert((deadline_ns, Box::pin(tokio::time::sleep(left)))).1,
        };
        sleep.as_mut().poll(ctx)
    }

    fn flush_soon(&mut self) -> Result<(), Stop> {
        let acts = self.acts()?;
        if acts.flush.swap(true, Ordering::AcqRel) {
            return Ok(());
        }
        let (gate, flag) = (acts.gate.clone(), Arc::clone(&acts.flush));
        let flusher = acts.runtime.spawn(async move {
            tokio::time::sleep(FLUSH_AFTER).await;
            flag.store(false, Ordering::Release);
            // If this fails, the next thing that the guest does meets the same error.
            let _ = gate.flush();
        });
        acts.flusher = Some(flusher.abort_handle());
        Ok(())
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        if let Some(acts) = &self.acts {
            acts.tasks.values().chain(&acts.flusher).chain(&acts.serving).for_each(AbortHandle::abort);
            acts.effects.end();
        }
    }
}

impl Door for Live {
    fn submit(&mut self, act: Act) -> Result<OpId, Stop> {
        match self.acts()?.gate.ask(act)? {
            Judgement::Permitted(pending) => {
                let op = pending.op();
                self.start(*pending, None)?;
                Ok(op)
            }
            Judgement::Held { op, act } => {
                self.hold(op, *act);
                Ok(op)
            }
            Judgement::Refused { op, fault } => {
                self.tell(op, GuestEvent::Failed(fault));
                Ok(op)
            }
        }
    }

    fn observe(&mut self, ask: FileAsk) -> Result<FileAnswer, Stop> {
        let gate = self.acts()?.gate.clone();
        gate.check_going()?;
        let seen = self.observer.observe(&ask)?;
        gate.note_observation(&ask, &seen)?;
        Ok(seen.answer)
    }

    fn refuse(&mut self, ask: ClosedAsk) -> Result<(), Stop> {
        self.acts()?.gate.refuse(ask)
    }

    fn read_on(&mut self, op: OpId) {
        self.inbox.read_on(op);
    }

    fn abandon(&mut self, op: OpId) -> Result<(), Stop> {
        self.inbox.abandon(op);
        self.timers.retain(|(_, timer)| *timer != op);
        if self.held.remove(op) {
            return self.acts()?.gate.cancel_held(op);
        }
        let acts = self.acts()?;
        let task = acts.tasks.remove(&op);
        let settled = acts.gate.abandon(op);
        // The task is aborted after the operation was settled, so that it is settled only once.
        if let Some(task) = task {
            task.abort();
        }
        settled
    }

    fn say(&mut self, claim: Claim) -> Result<(), Stop> {
        let last_ns = self.last_ns;
        let acts = self.acts()?;
        let claim = acts.effects.redact_claim(claim);
        if acts.gate.say(claim, last_ns)? { self.flush_soon() } else { Ok(()) }
    }
}

impl Timeline for Live {
    fn mono_ns(&self) -> u64 {
        self.last_ns
    }

    fn opened_unix_ns(&self) -> u64 {
        self.opened_unix_ns
    }

    fn seed(&self) -> [u8; 32] {
        self.seed
    }

    fn timer(&mut self, deadline_ns: u64) -> Result<OpId, Stop> {
        let op = self.acts()?.gate.timer()?;
        self.timers.insert((deadline_ns, op));
        Ok(op)
    }

    fn poll(&mut self) -> Result<Option<Release>, Stop> {
        if let Taken::Release(release) = self.take()? {
            return Ok(Some(release));
        }
        self.empty += 1;
        Ok(None)
    }

    fn poll_release(&mut self, ctx: &mut Context<'_>) -> Poll<Result<Release, Stop>> {
        loop {
            match self.take()? {
                Taken::Release(release) => return Poll::Ready(Ok(release)),
                Taken::Never => return Poll::Ready(Err(Stop::Stuck)),
                Taken::OnlyTimers if self.suspend()? => return Poll::Ready(Err(Stop::Suspended)),
                Taken::OnlyPeople if self.suspend_for_people()? => return Poll::Ready(Err(Stop::Suspended)),
                Taken::OnlyTimers | Taken::OnlyPeople | Taken::Nothing => {}
            }
            self.inbox.register(ctx.waker());
            if self.poll_timer(ctx).is_pending() {
                return Poll::Pending;
            }
        }
    }

    fn poll_heard(&mut self, ctx: &mut Context<'_>) -> Poll<()> {
        self.acts.as_ref().map_or(Poll::Ready(()), |acts| acts.gate.poll_heard(ctx))
    }

    fn jump(&mut self) -> Result<Release, Stop> {
        self.release(OpId(0), GuestEvent::Clock)
    }
}

impl LiveWorld for Live {
    fn resume_at(&mut self, mut at: ResumePoint) -> Result<(), Stop> {
        self.last_ns = at.mono_ns;
        self.empty = at.empty;
        self.acts()?.gate.note_rebuilt();
        let continues_ns = self.acts()?.gate.clock_ns().max(at.mono_ns);
        self.ahead_ns = continues_ns.wrapping_sub(self.clock.mono_ns());
        self.timers = at.timers.iter().map(|(op, deadline)| (*deadline, *op)).collect();
        self.observer.reopen(&mut at);
        for plan in self.acts()?.gate.clone().resume_at(&mut at)? {
            match plan {
                ResumePlan::Tell(op, fault) => self.tell(op, GuestEvent::Failed(fault)),
                ResumePlan::Again(pending, seen) => self.start(*pending, Some(*seen))?,
                ResumePlan::Hold(op, act) => self.hold(op, *act),
            }
        }
        Ok(())
    }

    fn observe_unrecorded(&mut self, ask: &FileAsk) -> Result<Observation, Stop> {
        self.observer.observe(ask)
    }
}
