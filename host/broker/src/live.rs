//! One run's live world.

use std::collections::{BTreeMap, BTreeSet};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use effect::{Act as Asks, Claim, ClosedAsk, Door, Event, FileAnswer, FileAsk, OpId, Outcome, Principal, Release, Stop, Timeline};
use gate::{Asked, Clock, LiveWorld, Looked, Onward, Opening, Pending, RunGate, Seen, TakeOver};
use net::{Network, Pool};
use tokio::runtime::Handle;
use tokio::task::AbortHandle;
use tokio::time::Sleep;
use vault::Vault;

use crate::act::Act;
use crate::files::Files;
use crate::finishing::Finishing;
use crate::inbox::{Found, Inbox};
use crate::leased::Leased;
use crate::mounts::Mounts;
use crate::notes::Notes;

/// How long something said may wait before it is written.
const FLUSH_AFTER: Duration = Duration::from_millis(200);

/// What a live world is made of.
pub struct LiveParts {
    /// The run's gate.
    pub gate: RunGate,
    /// Opened from the run's grants.
    pub mounts: Mounts,
    /// Where the agent's connections come from, and the host's own for it; none, where nothing is granted that needs any.
    pub network: Option<Network>,
    /// Where the values of its credentials are.
    pub vault: Vault,
    /// Where changes of the vault that the agent causes are noted.
    pub notes: Arc<dyn Notes>,
    /// Where requests run.
    pub runtime: Handle,
}

/// One run's live world: what a rebuild turns into at the end of its record.
pub struct Live {
    files: Files,
    inbox: Inbox,
    clock: Arc<dyn Clock>,
    /// What the run's clock is ahead of the host's, by wrapping arithmetic.
    ahead_ns: u64,
    last_ns: u64,
    /// Looks that found nothing since the last release.
    empty: u64,
    timers: BTreeSet<(u64, OpId)>,
    sleep: Option<(u64, Pin<Box<Sleep>>)>,
    acts: Option<Acts>,
    opened_unix_ns: u64,
    seed: [u8; 32],
}

struct Acts {
    gate: RunGate,
    pool: Option<Pool>,
    leased: Arc<Leased>,
    runtime: Handle,
    tasks: BTreeMap<OpId, AbortHandle>,
    flush: Arc<AtomicBool>,
    flusher: Option<AbortHandle>,
}

enum Taken {
    Release(Release),
    /// Nothing now.
    Nothing,
    /// Nothing, now or ever.
    Never,
}

/// Ends a run from outside.
#[derive(Clone)]
pub struct LiveHandle {
    acts: Option<(RunGate, Arc<Leased>, Option<Pool>)>,
    inbox: Inbox,
}

impl LiveHandle {
    /// No intent is written after this, and every wait ends with [`Stop::Stopped`].
    pub fn stop(&self) {
        if let Some((gate, ..)) = &self.acts {
            gate.stop();
        }
        self.inbox.end(Stop::Stopped);
    }

    /// No intent is written after this. What is under way goes on, and a guest that asks for more ends with [`Stop::Stopped`].
    pub fn ask_no_more(&self) {
        if let Some((gate, ..)) = &self.acts {
            gate.ask_no_more();
        }
    }

    /// Whether anything was asked whose end the guest has not seen, or the host itself is talking to a server for the run.
    pub fn is_under_way(&self) -> bool {
        self.acts.as_ref().is_some_and(|(gate, leased, _)| gate.is_under_way() || leased.finishing.is_under_way())
    }

    /// Returns when all exchanges that the host has begun for the run at other servers are over. They are finished, and are on the record
    /// before the end of the run is.
    pub async fn finished(&self) {
        if let Some((gate, leased, _)) = &self.acts {
            // The guest has ended, so none of its own requests are sent any more.
            gate.stop();
            leased.finishing.finished().await;
        }
    }

    /// Ends the run's leases of a credential, or of all: it is on the record, what waits for an answer under them is told, what streams is cut, and
    /// what is connected under them is closed. Gives the names of those that were not ended before.
    ///
    /// # Errors
    /// The record can't be written.
    pub fn revoke(&self, credential: Option<&str>, by: &Principal) -> Result<Vec<String>, Stop> {
        let Some((gate, leased, pool)) = &self.acts else { return Ok(Vec::new()) };
        let ended = gate.revoke(credential, by)?;
        for name in &ended {
            leased.end(name);
            pool.iter().chain(&leased.own).for_each(|pool| pool.revoke(name));
        }
        Ok(ended)
    }
}

impl Live {
    /// The world of a run that is opened or resumed.
    pub fn new(parts: LiveParts) -> Self {
        let LiveParts { gate, mounts, network, vault, notes, runtime } = parts;
        let pool = network.as_ref().map(Network::pool);
        let leased =
            Arc::new(Leased::new((vault, notes), gate.clone(), network.as_ref().map(Network::pool), Finishing::new(runtime.clone())));
        let clock = Arc::clone(gate.clock());
        // The reference is weak, because `leased` has the gate already.
        let known = Arc::downgrade(&leased);
        gate.star_with(move |text| known.upgrade().map_or_else(|| text.clone(), |leased| leased.scrub_text(text)));
        let mut live = Self::without_acts(gate.opening(), mounts, clock);
        live.acts = Some(Acts { gate, pool, leased, runtime, tasks: BTreeMap::new(), flush: Arc::default(), flusher: None });
        live
    }

    /// A world for an audit: it looks at mounts, and does nothing else.
    pub fn for_audit(opening: &Opening, mounts: Mounts, clock: Arc<dyn Clock>) -> Self {
        Self::without_acts(opening, mounts, clock)
    }

    fn without_acts(opening: &Opening, mounts: Mounts, clock: Arc<dyn Clock>) -> Self {
        Self {
            files: Files::new(Arc::clone(&opening.standing), mounts, &opening.seed, Arc::clone(&clock)),
            inbox: Inbox::default(),
            ahead_ns: 0u64.wrapping_sub(clock.mono_ns()),
            clock,
            last_ns: 0,
            empty: 0,
            timers: BTreeSet::new(),
            sleep: None,
            acts: None,
            opened_unix_ns: opening.opened_unix_ns,
            seed: opening.seed,
        }
    }

    /// Ends the run from outside.
    pub fn handle(&self) -> LiveHandle {
        let parts = |acts: &Acts| (acts.gate.clone(), Arc::clone(&acts.leased), acts.pool.clone());
        LiveHandle { acts: self.acts.as_ref().map(parts), inbox: self.inbox.clone() }
    }

    /// Takes secrets out of what an agent returned, or says of how it failed.
    pub fn scrub_end(&self, outcome: &mut Outcome, output: &mut [u8]) {
        if let Some(acts) = &self.acts {
            acts.leased.scrub_end(outcome, output);
        }
    }

    /// The run's gate; none in an audit.
    pub fn gate(&self) -> Option<&RunGate> {
        self.acts.as_ref().map(|acts| &acts.gate)
    }

    fn acts(&mut self) -> Result<&mut Acts, Stop> {
        self.acts.as_mut().ok_or(Stop::Stopped)
    }

    fn real_ns(&self) -> u64 {
        self.clock.mono_ns().wrapping_add(self.ahead_ns)
    }

    fn start(&mut self, pending: Pending, seen: Option<Seen>) -> Result<(), Stop> {
        let op = pending.op();
        let (inbox, credit) = (self.inbox.clone(), self.inbox.open(op));
        let acts = self.acts()?;
        let act = Act { gate: acts.gate.clone(), pool: acts.pool.clone(), leased: Arc::clone(&acts.leased), inbox, credit, seen };
        let task = acts.runtime.spawn(act.run(pending));
        acts.tasks.insert(op, task.abort_handle());
        Ok(())
    }

    fn tell(&self, op: OpId, event: Event) {
        let _credit = self.inbox.open(op);
        self.inbox.put(op, event);
    }

    /// Stamps an event, notes it, and gives it out.
    fn release(&mut self, op: OpId, event: Event) -> Result<Release, Stop> {
        let mono_ns = self.real_ns().max(self.last_ns + 1);
        if event.is_last()
            && let Some(acts) = &mut self.acts
        {
            acts.tasks.remove(&op);
        }
        let release = Release { op, event, mono_ns };
        let empty = std::mem::take(&mut self.empty);
        self.acts()?.gate.delivered(&release, empty)?;
        self.last_ns = mono_ns;
        Ok(release)
    }

    /// A timer that has run out goes before what came, so that no stream can hold one up.
    fn take(&mut self) -> Result<Taken, Stop> {
        if let Some((deadline_ns, op)) = self.timers.first().copied()
            && deadline_ns <= self.real_ns()
        {
            self.timers.pop_first();
            return self.release(op, Event::Timer { deadline_ns }).map(Taken::Release);
        }
        match self.inbox.take()? {
            Found::Event(op, event) => self.release(op, event).map(Taken::Release),
            Found::Never if self.timers.is_empty() => Ok(Taken::Never),
            Found::Nothing | Found::Never => Ok(Taken::Nothing),
        }
    }

    /// Whether the first timer's time has come; if not, it will wake.
    fn poll_timer(&mut self, ctx: &mut Context<'_>) -> Poll<()> {
        let Some((deadline_ns, _)) = self.timers.first().copied() else { return Poll::Pending };
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
            // What breaks here is met again by whatever the guest does next.
            let _ = gate.flush();
        });
        acts.flusher = Some(flusher.abort_handle());
        Ok(())
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        if let Some(acts) = &self.acts {
            acts.tasks.values().chain(&acts.flusher).for_each(AbortHandle::abort);
        }
    }
}

impl Door for Live {
    fn submit(&mut self, act: Asks) -> Result<OpId, Stop> {
        match self.acts()?.gate.ask(act)? {
            Asked::Permitted(pending) => {
                let op = pending.op();
                self.start(*pending, None)?;
                Ok(op)
            }
            Asked::Refused { op, fault } => {
                self.tell(op, Event::Failed(fault));
                Ok(op)
            }
        }
    }

    fn observe(&mut self, ask: FileAsk) -> Result<FileAnswer, Stop> {
        let looked = self.files.look(&ask)?;
        self.acts()?.gate.looked(&ask, &looked)?;
        Ok(looked.answer)
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
        let acts = self.acts()?;
        let task = acts.tasks.remove(&op);
        let settled = acts.gate.abandon(op);
        // After settling, so that it is settled once and here.
        if let Some(task) = task {
            task.abort();
        }
        settled
    }

    fn say(&mut self, claim: Claim) -> Result<(), Stop> {
        let last_ns = self.last_ns;
        let acts = self.acts()?;
        let claim = acts.leased.scrub_claim(claim);
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

    fn look(&mut self) -> Result<Option<Release>, Stop> {
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
                Taken::Nothing => {}
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
        self.release(OpId(0), Event::Clock)
    }
}

impl LiveWorld for Live {
    fn take_over(&mut self, mut at: TakeOver) -> Result<(), Stop> {
        self.last_ns = at.mono_ns;
        self.empty = at.empty;
        self.ahead_ns = at.mono_ns.wrapping_sub(self.clock.mono_ns());
        self.timers = at.timers.iter().map(|(op, deadline)| (*deadline, *op)).collect();
        self.files.take_over(&mut at);
        for onward in self.acts()?.gate.clone().take_over(&mut at)? {
            match onward {
                Onward::Tell(op, fault) => self.tell(op, Event::Failed(fault)),
                Onward::Again(pending, seen) => self.start(*pending, Some(*seen))?,
            }
        }
        Ok(())
    }

    fn look_at(&mut self, ask: &FileAsk) -> Result<Looked, Stop> {
        self.files.look(ask)
    }
}
