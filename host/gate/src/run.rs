//! One run at the gate: everything that it asks, sees and says passes through here and is recorded.

mod approval;
mod behind;
mod flush;
mod held;
mod host_request;
mod judge;
mod leases;
mod state;
mod suspension;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::{Context, Poll};

use effects::{Observation, Trail};
use tokio::sync::watch;
use vocabulary::record::Record;
use vocabulary::{Act, Ask, Claim, Clock, ClosedAsk, Decision, FileAsk, OpId, Outcome, Reason, Release, SafeText, Stop, UnknownAct};

use crate::alike::Alike;
use crate::book::Book;
use crate::keyed::Keyed;
use crate::lease::Leases;
use crate::ledger::OpenRun;
use crate::log::{Durable, LogEntry};
use crate::observed::Aggregate;
use crate::run_header::RunHeader;
use crate::settling::{Settles, Settling};
use crate::spent::Spent;
use crate::sum::Sum;
use crate::trace::{ProgressSlot, Trace};
use crate::watch::Watcher;

pub(crate) use approval::OwnPolicies;
pub use approval::{MaySay, RunPolicies};
pub(crate) use flush::Moment;
pub(crate) use judge::Judged;
pub(crate) use state::OpState;
pub(crate) use suspension::Wait;

use behind::Behind;
use held::Attempt;

/// The gate of one run. Cheap to clone; all clones are for the same run.
#[derive(Clone)]
pub struct RunGate(Arc<RunShared>);

/// Replaces known secrets in a text by stars.
type Stars = Box<dyn Fn(&SafeText) -> SafeText + Send + Sync>;

pub(crate) struct RunShared {
    /// When this process opened the run, or when the rebuild of a resumed run came to the end of its record, by the steady clock, which can't
    /// be set.
    pub(crate) began_ns: AtomicU64,
    /// Whether the rebuild of a resumed run has come to the end of its record.
    pub(crate) rebuilt: watch::Sender<bool>,
    /// For how long the run had been active by then.
    pub(crate) spent: Spent,
    /// The least time that the run's own clock shows, in milliseconds.
    pub(crate) clock_ms: u64,
    pub(crate) book: Arc<Book>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) keyed: Keyed,
    pub(crate) header: RunHeader,
    pub(crate) placeholders: Vec<policy::Placeholder>,
    /// The policies behind the grants; `None` if the grants alone decide.
    pub(crate) policies: Mutex<Option<Arc<OwnPolicies>>>,
    pub(crate) stars: OnceLock<Stars>,
    pub(crate) watcher: Arc<dyn Watcher>,
    /// The tracing span in which this run's events are logged.
    pub(crate) span: tracing::Span,
    /// Credentials whose lease was ended.
    pub(crate) ended: watch::Sender<BTreeSet<String>>,
    pub(crate) inner: Mutex<Inner>,
}

pub(crate) struct Inner {
    /// The reason why nothing more may be asked, if so.
    closed: Option<Stop>,
    /// Nothing more may be asked, but acts with an intent on the record are still sent.
    asks_no_more: bool,
    /// `run-closed` was written.
    sealed: bool,
    pub(crate) broken: bool,
    /// Records that are to become durable together.
    together: Option<Vec<(Record, LogEntry)>>,
    pub(crate) next_op: u64,
    pub(crate) ops: BTreeMap<u64, OpState>,
    pub(crate) alike: Alike,
    trace: Trace,
    pub(crate) observed: Aggregate,
    pub(crate) kept_bytes: u64,
    /// Bytes of requests that are kept beside their intents.
    pub(crate) requests_bytes: u64,
    /// Bytes that the run has written to the record, in all processes that ran it.
    pub(crate) recorded_bytes: u64,
    behind: Behind,
    resumable: bool,
    pub(crate) progress: ProgressSlot,
    pub(crate) leases: Leases,
    /// How often the value of each credential was found where it may not be.
    pub(crate) met: BTreeMap<String, u64>,
    /// Numbers of the host requests that are under way.
    pub(crate) own: BTreeSet<u64>,
    /// Number of the last host request.
    pub(crate) own_last: u64,
    pub(crate) tally: Tally,
    pub(crate) sum: Sum,
}

/// Counts of what a run did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Acts that were permitted.
    pub asked: u64,
    /// Refusals, including those that are only counted.
    pub refused: u64,
    /// Whether the run could have been resumed up to its end.
    pub resumable: bool,
}

/// How a run ended.
#[derive(Clone, Debug)]
pub struct Closing {
    /// Milliseconds that the agent computed or waited inside a host call.
    pub active_ms: u64,
    /// How the run ended.
    pub outcome: Outcome,
    /// What the agent returned, if it returned.
    pub output: Option<Vec<u8>>,
    /// The largest size of its linear memory, in bytes.
    pub peak_memory: u64,
}

impl RunGate {
    pub(crate) fn new(shared: RunShared) -> Self {
        Self(Arc::new(shared))
    }

    /// The header with which the run was opened.
    pub fn header(&self) -> &RunHeader {
        &self.0.header
    }

    /// The tracing span in which this run's events are logged.
    pub fn span(&self) -> &tracing::Span {
        &self.0.span
    }

    /// The clock that the gate reads.
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.0.clock
    }

    #[cfg(test)]
    pub(crate) fn book(&self) -> Arc<Book> {
        Arc::clone(&self.0.book)
    }

    pub(crate) fn lock(&self) -> LockedRun<'_> {
        // A poisoned lock is used too: every change under the lock is complete before anything can panic.
        LockedRun { gate: self, inner: self.0.inner.lock().unwrap_or_else(PoisonError::into_inner) }
    }

    /// Judges an act, and records its intent or its refusal.
    ///
    /// # Errors
    /// Only what ends the run.
    pub(crate) fn judge(&self, act: Act) -> Result<Judged, Stop> {
        let mut held = self.lock();
        held.check_open()?;
        if held.inner.asks_no_more {
            return Err(Stop::Leaving);
        }
        let op = held.mint();
        held.judge(op, act, Attempt::First)
    }

    /// As [`RunGate::judge`], for an earlier act that is repeated under the number that it had.
    ///
    /// # Errors
    /// Only what ends the run.
    pub(crate) fn judge_again(&self, op: OpId, act: Act) -> Result<Judged, Stop> {
        self.lock().judge(op, act, Attempt::Again)
    }

    /// Gives a timer its number.
    ///
    /// # Errors
    /// Only what ends the run.
    pub(crate) fn timer(&self) -> Result<OpId, Stop> {
        let mut held = self.lock();
        held.check_open()?;
        Ok(held.mint())
    }

    /// Notes a look at a mount and what it showed. A refused look is recorded as a refusal.
    ///
    /// # Errors
    /// Only what ends the run.
    pub(crate) fn note_observation(&self, ask: &FileAsk, observation: &Observation) -> Result<(), Stop> {
        self.lock().note_observation(ask, observation)?;
        self.catch_up()
    }

    /// Waits if the disk is too far behind what this run has written.
    ///
    /// SECURITY: a guest that writes more records than the disk can take would make all other guests wait behind them. So this guest waits
    /// on its own thread, and holds nothing meanwhile that others need.
    fn catch_up(&self) -> Result<(), Stop> {
        let last = self.lock().inner.behind.take_if_far();
        match last.map(Durable::wait) {
            None | Some(Ok(())) => Ok(()),
            Some(Err(broken)) => {
                self.broke();
                Err(broken.into())
            }
        }
    }

    /// Refuses an ask that no grant can allow, and records the refusal.
    ///
    /// # Errors
    /// Only what ends the run.
    pub(crate) fn refuse(&self, ask: ClosedAsk) -> Result<(), Stop> {
        let mut held = self.lock();
        held.check_open()?;
        let ask = Ask::Closed(ask);
        let facts = held.facts();
        match policy::decide(&self.0.header.spec.grants, &facts, &ask) {
            Decision::Refuse(reason) => held.refused(OpId(0), &ask, (reason, None), Moment::Guest)?,
            // SECURITY: no decision may permit an ask that is closed to everybody.
            Decision::Permit(_) | Decision::Hold(_) => held.refused(OpId(0), &ask, (Reason::NotServed, None), Moment::Guest)?,
        }
        drop(held);
        self.catch_up()
    }

    /// Notes a release before the guest sees it, with the number of polls before it that found nothing.
    ///
    /// # Errors
    /// Only what ends the run.
    pub(crate) fn delivered(&self, release: &Release, empty: u64) -> Result<(), Stop> {
        self.lock().delivered(release, empty)?;
        self.catch_up()
    }

    /// Notes that the effect of an act was begun.
    pub(crate) fn started(&self, op: OpId, trail: Arc<Trail>) {
        if let Some(state) = self.lock().inner.ops.get_mut(&op.0) {
            state.trail = Some(trail);
        }
    }

    /// Notes that an act is about to be sent.
    ///
    /// # Errors
    /// The run was stopped meanwhile, or its record broke.
    pub(crate) fn goes(&self, op: OpId, credential: Option<&str>) -> Result<(), Stop> {
        let mut held = self.lock();
        held.check_open()?;
        match credential {
            Some(name) if held.inner.ops.contains_key(&op.0) => held.lease_begins(name),
            Some(_) | None => Ok(()),
        }
    }

    /// Notes how many secrets were taken out of an answer before the guest got it.
    pub(crate) fn redacted(&self, op: OpId, times: u64) {
        if let Some(state) = self.lock().inner.ops.get_mut(&op.0) {
            state.redactions += times;
        }
    }

    /// Notes a claim. Returns `true` if something now waits to be written by [`RunGate::flush`].
    ///
    /// # Errors
    /// Only what ends the run.
    pub(crate) fn say(&self, claim: Claim, mono_ns: u64) -> Result<bool, Stop> {
        let mut held = self.lock();
        // Claims of a stopped run are noted too, because its last lines may be useful.
        held.check_unbroken()?;
        self.0.watcher.on_said(&claim);
        if let Some(claim) = held.inner.progress.offer(claim, mono_ns) {
            if !held.inner.trace.said(claim) {
                return Err(Stop::Limit(vocabulary::Limit::LogBytes));
            }
            held.flush_if_due()?;
        }
        let waits = !held.inner.trace.is_empty();
        drop(held);
        self.catch_up()?;
        Ok(waits)
    }

    /// See [`Watcher::poll_room`].
    pub(crate) fn poll_heard(&self, ctx: &mut Context<'_>) -> Poll<()> {
        self.0.watcher.poll_room(ctx)
    }

    /// Writes what is buffered. May be called at any moment.
    ///
    /// # Errors
    /// Only what ends the run.
    pub fn flush(&self) -> Result<(), Stop> {
        let mut held = self.lock();
        if held.inner.sealed { Ok(()) } else { held.flush(Moment::Host) }
    }

    /// Abandons an operation: the guest lost interest in it, or will see no more of it.
    ///
    /// # Errors
    /// Only what ends the run.
    pub(crate) fn abandon(&self, op: OpId) -> Result<(), Stop> {
        let mut held = self.lock();
        held.settle(op, Settling::Abandoned)?;
        held.end_op(op, false)
    }

    /// The acts that a person must settle before the run can be resumed.
    pub fn unsettled(&self) -> Vec<UnknownAct> {
        self.0.book.ledger().open_run(self.0.header.run).map(OpenRun::unsettled).unwrap_or_default()
    }

    /// Returns an error if nothing may be sent any more.
    ///
    /// # Errors
    /// The run was stopped or has ended, or its record broke.
    pub(crate) fn check_going(&self) -> Result<(), Stop> {
        self.lock().check_open()
    }

    /// Stops the run by order: no intent is written after this.
    pub(crate) fn stop(&self) {
        self.lock().inner.closed.get_or_insert(Stop::Ordered);
    }

    /// Notes that the guest has ended: no intent is written after this.
    pub(crate) fn guest_ended(&self) {
        self.lock().inner.closed.get_or_insert(Stop::Ended);
    }

    /// No intent is written after this. Acts that have one are still sent, and their answers are recorded.
    pub(crate) fn ask_no_more(&self) {
        self.lock().inner.asks_no_more = true;
    }

    /// Whether there is an act whose end the guest has not seen.
    pub(crate) fn is_under_way(&self) -> bool {
        !self.lock().inner.ops.is_empty()
    }

    /// Takes the sum over the records of the run that this process has written. To be called once, at the end.
    pub fn take_sum(&self) -> Sum {
        std::mem::take(&mut self.lock().inner.sum)
    }

    /// Whether the record can't be written any more.
    pub fn is_broken(&self) -> bool {
        self.lock().inner.broken
    }

    pub(crate) fn broke(&self) {
        self.lock().inner.broken = true;
    }

    pub(crate) fn settle(&self, op: OpId, how: Settling) -> Result<Settles, Stop> {
        self.lock().settle(op, how)
    }

    /// Sets the function that replaces secrets by stars in everything that is asked, before it is recorded. The owner of the run's secrets
    /// sets it once.
    pub(crate) fn star_with(&self, stars: impl Fn(&SafeText) -> SafeText + Send + Sync + 'static) {
        let _ = self.0.stars.set(Box::new(stars));
    }

    /// Ends the run. Acts under way are abandoned, and `run-closed` is durable when this returns.
    ///
    /// # Errors
    /// The record broke. The run stays open on it.
    pub async fn close(&self, closing: Closing) -> Result<Tally, Stop> {
        let (appended, tally) = {
            let mut held = self.lock();
            (held.close(closing)?, held.tally())
        };
        match appended.durable.await {
            Ok(()) => Ok(tally),
            Err(broken) => {
                self.broke();
                Err(broken.into())
            }
        }
    }
}

/// The state of a run, locked.
pub(crate) struct LockedRun<'a> {
    gate: &'a RunGate,
    pub(crate) inner: MutexGuard<'a, Inner>,
}

impl Inner {
    pub(crate) fn new(header: &RunHeader) -> Self {
        Self {
            closed: None,
            asks_no_more: false,
            sealed: false,
            broken: false,
            together: None,
            next_op: 1,
            ops: BTreeMap::new(),
            alike: Alike::default(),
            trace: Trace::default(),
            observed: Aggregate::new(&header.spec.grants),
            kept_bytes: 0,
            requests_bytes: 0,
            recorded_bytes: 0,
            behind: Behind::default(),
            resumable: header.spec.durable,
            progress: ProgressSlot::default(),
            leases: Leases::new(),
            met: BTreeMap::new(),
            own: BTreeSet::new(),
            own_last: 0,
            tally: Tally::default(),
            sum: Sum::default(),
        }
    }
}
