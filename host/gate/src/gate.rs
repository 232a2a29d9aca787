//! Opens, resumes and closes runs: what is there once in a home.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock};

use effect::record::{Kind, Record, RunResumed, VERSION};
use effect::{Clock, Principal, RunId, Stop};
use tokio::sync::watch;

use crate::clock::{CHANGE_MS, ClockMark};
use crate::err::RecordBroken;
use crate::keyed::Keyed;
use crate::lease::{Leases, Rates};
use crate::ledger::Ledger;
use crate::log::{Appended, Entry, Log};
use crate::opening::Opening;
use crate::run::{Inner, RunGate, Shared};
use crate::spent::Spent;
use crate::sum::Sum;
use crate::watch::Watcher;

/// The log and its fold, kept in step.
pub(crate) struct Book {
    log: Arc<dyn Log>,
    clock: Arc<dyn Clock>,
    /// The clock as it was seen last.
    seen: Mutex<Seen>,
    ledger: Mutex<Ledger>,
    /// Read while appending, written while a snapshot is taken: a snapshot is of exactly what was appended before it.
    order: RwLock<()>,
    pub(crate) rates: Mutex<Rates>,
}

/// The machine's clock against the one that nobody can set.
struct Seen {
    ahead_ms: i64,
    mark: ClockMark,
}

/// By how much the machine's clock is ahead of the steady one.
fn ahead_ms(clock: &dyn Clock) -> i64 {
    let ms = |ns: u64| i64::try_from(ns / 1_000_000).unwrap_or(i64::MAX);
    ms(clock.unix_ns()) - ms(clock.steady_ns())
}

impl Book {
    fn new(log: Arc<dyn Log>, clock: Arc<dyn Clock>, ledger: Ledger) -> Self {
        let seen = Mutex::new(Seen { ahead_ms: ahead_ms(&*clock), mark: ClockMark::of(&*clock) });
        Self { log, clock, seen, ledger: Mutex::new(ledger), order: RwLock::new(()), rates: Mutex::default() }
    }

    /// If somebody has set the clock since the last record, that is on the record before the next one.
    fn check_clock(&self) -> Result<(), RecordBroken> {
        let ahead_ms = ahead_ms(&*self.clock);
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if ahead_ms.abs_diff(seen.ahead_ms) <= CHANGE_MS {
            return Ok(());
        }
        // A machine that slept looks the same up to here: the clock went on, and the steady one stood still.
        let mark = ClockMark::of(&*self.clock);
        let change = seen.mark.change(&mark);
        *seen = Seen { ahead_ms, mark };
        match change {
            Some(change) => self.write(journal::log_run(), vec![bare(change.into())], &mut Sum::default()).map(drop),
            None => Ok(()),
        }
    }

    pub(crate) fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Acts of a run that have an intent on the record and no answer.
    pub(crate) fn unanswered(&self, run: RunId) -> Vec<u64> {
        let ledger = self.ledger();
        let pending = ledger.open_run(run).into_iter().flat_map(|open| &open.pending);
        pending.filter(|(_, pending)| pending.stage == crate::ledger::Stage::Asked).map(|(op, _)| *op).collect()
    }

    /// The host's own requests for a run that have an intent on the record and no answer.
    pub(crate) fn host_unanswered(&self, run: RunId) -> Vec<u64> {
        self.ledger().open_run(run).into_iter().flat_map(|open| &open.own).copied().collect()
    }

    /// The counts that a resumed run continues from: the host's own requests, and how often values were met.
    fn carried_over(&self, run: RunId) -> (u64, BTreeMap<String, u64>) {
        self.ledger().open_run(run).map_or_else(Default::default, |open| (open.own_last, open.met.clone()))
    }

    /// All of these records, or none.
    /// Also adds what was written to the run's own sum.
    pub(crate) fn append(&self, run: RunId, records: Vec<(Record, Entry)>, sum: &mut Sum) -> Result<Appended, RecordBroken> {
        self.check_clock()?;
        self.write(run, records, sum)
    }

    fn write(&self, run: RunId, records: Vec<(Record, Entry)>, sum: &mut Sum) -> Result<Appended, RecordBroken> {
        let _order = self.order.read().unwrap_or_else(PoisonError::into_inner);
        let (records, entries): (Vec<Record>, Vec<Entry>) = records.into_iter().unzip();
        let appended = self.log.append(run, entries)?;
        let before = records.len() as u64 - 1;
        let mut ledger = self.ledger();
        for (n, record) in (0..).zip(&records) {
            let (seq, index) = ((appended.seq + n).saturating_sub(before), (appended.index + n).saturating_sub(before));
            ledger.note(run, (seq, index), record);
            sum.take(run, seq, index, record);
        }
        Ok(appended)
    }
}

/// A record of the log's own life.
fn bare(record: Record) -> (Record, Entry) {
    let entry = Entry { body: record.to_bytes(), ..Entry::default() };
    (record, entry)
}

/// The gate of a home. Cheap to clone.
#[derive(Clone)]
pub struct Gate {
    pub(crate) book: Arc<Book>,
    pub(crate) clock: Arc<dyn Clock>,
}

/// Who resumes a run, and what the record has of it.
#[derive(Clone, Debug)]
pub struct Resuming {
    /// Who.
    pub by: Principal,
    /// What became of its leases, by the credential's name.
    pub leases: Leases,
    /// What the record has of the run so far, in bytes: it counts against `record-bytes`.
    pub recorded_bytes: u64,
    /// How long it went on so far.
    pub spent: Spent,
}

impl Gate {
    /// `ledger` is the fold of everything in the log.
    pub fn new(log: Arc<dyn Log>, clock: Arc<dyn Clock>, ledger: Ledger) -> Self {
        Self { book: Arc::new(Book::new(log, Arc::clone(&clock), ledger)), clock }
    }

    /// Looks at the fold of the log, as far as it was written.
    pub fn with_ledger<T>(&self, look: impl FnOnce(&Ledger) -> T) -> T {
        look(&self.book.ledger())
    }

    /// Appends a record of the log's own life, which belongs to no agent's run.
    ///
    /// # Errors
    /// The record can't be written.
    pub fn append_log(&self, record: &Record) -> Result<Appended, RecordBroken> {
        self.book.append(journal::log_run(), vec![bare(record.clone())], &mut Sum::default())
    }

    /// Takes in a record of the log's own that the log has written itself, so that the fold has it.
    pub fn took_in(&self, index: u64, record: &Record) {
        self.book.ledger().note(journal::log_run(), (0, index), record);
    }

    /// Gives the log a snapshot of the fold.
    ///
    /// # Errors
    /// The record can't be written.
    pub fn snapshot(&self, when: Snapshot) -> Result<(), RecordBroken> {
        if when == Snapshot::IfWanted && !self.book.log.wants_snapshot() {
            return Ok(());
        }
        let _order = self.book.order.write().unwrap_or_else(PoisonError::into_inner);
        let bytes = self.book.ledger().to_snapshot();
        self.book.log.snapshot(bytes)
    }

    /// Opens a run: its key is made and `run-opened` has its place. It becomes durable with the run's first act, or its end.
    ///
    /// # Errors
    /// The record can't be written.
    pub fn open_run(&self, opening: Opening, watcher: Arc<dyn Watcher>) -> Result<RunGate, RecordBroken> {
        let keyed = Keyed::of_seed(&opening.seed);
        let record: Record = opening.to_record(&keyed, self.clock.uptime()).into();
        self.book.log.open_run(opening.run)?;
        let entry = Entry { body: record.to_bytes(), payloads: opening.to_payloads(), ends: false };
        let mut sum = Sum::default();
        self.book.append(opening.run, vec![(record, entry)], &mut sum).map(drop)?;
        let gate = self.run_gate(opening, keyed, watcher, Spent::default());
        gate.lock().inner.sum = sum;
        Ok(gate)
    }

    /// Opens a run again that was cut off; `run-resumed` comes first.
    ///
    /// # Errors
    /// The record can't be written.
    pub fn resume_run(&self, opening: Opening, resuming: &Resuming, watcher: Arc<dyn Watcher>) -> Result<RunGate, Stop> {
        let keyed = Keyed::of_seed(&opening.seed);
        let gate = self.run_gate(opening, keyed, watcher, resuming.spent);
        let record = RunResumed {
            at: self.clock.unix_ms(),
            by: resuming.by.clone(),
            kind: Kind::RunResumed,
            spent_ms: resuming.spent.ms(),
            uptime: self.clock.uptime(),
            v: VERSION,
        };
        let mut held = gate.lock();
        held.inner.recorded_bytes = resuming.recorded_bytes;
        held.inner.leases.clone_from(&resuming.leases);
        held.put(record, Vec::new())?;
        (held.inner.own_last, held.inner.met) = self.book.carried_over(held.run());
        held.end_host_asks()?;
        drop(held);
        Ok(gate)
    }

    fn run_gate(&self, opening: Opening, keyed: Keyed, watcher: Arc<dyn Watcher>, spent: Spent) -> RunGate {
        let inner = Mutex::new(Inner::new(&opening));
        let (book, clock) = (Arc::clone(&self.book), Arc::clone(&self.clock));
        let placeholders = opening.placeholders();
        let (began_ns, ended) = (clock.mono_ns(), watch::Sender::default());
        let span = tracing::info_span!("run", run = %opening.run, agent = %opening.standing.agent.name);
        span.in_scope(|| tracing::info!(resumed = spent.ms() > 0, "opened"));
        RunGate::new(Shared {
            began_ns,
            spent,
            book,
            clock,
            keyed,
            opening,
            placeholders,
            stars: OnceLock::new(),
            watcher,
            span,
            ended,
            inner,
        })
    }
}

/// When the fold is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Snapshot {
    /// When enough was recorded since the last one.
    IfWanted,
    /// In any case.
    Always,
}
