//! The log and its ledger, kept in step. All records of this home are written through this module.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use vocabulary::record::Record;
use vocabulary::{ActKind, Clock, RunId};

use crate::clock::{CHANGE_MS, ClockMark};
use crate::err::RecordBroken;
use crate::lease::Rates;
use crate::ledger::{Ledger, OpenRun, Stage};
use crate::log::{Log, LogEntry, LoggedBatch};
use crate::sum::Sum;

/// The log and its ledger, kept in step.
pub(crate) struct Book {
    log: Arc<dyn Log>,
    clock: Arc<dyn Clock>,
    /// What the clock showed last.
    seen: Mutex<SeenRun>,
    ledger: Mutex<Ledger>,
    /// Locked for reading while a record is appended, and for writing while a snapshot is taken. So a snapshot has exactly what was
    /// appended before it.
    order: RwLock<()>,
    pub(crate) rates: Mutex<Rates>,
}

/// The counts that a resumed run continues from.
#[derive(Default)]
pub(crate) struct CarriedOver {
    /// Number of the last host request.
    pub(crate) own_last: u64,
    /// How often the value of each credential was found where it may not be.
    pub(crate) met: BTreeMap<String, u64>,
}

/// The machine's clock compared with the steady clock, which can't be set.
struct SeenRun {
    ahead_ms: i64,
    mark: ClockMark,
}

/// How many milliseconds the machine's clock is ahead of the steady clock.
fn ahead_ms(clock: &dyn Clock) -> i64 {
    let ms = |ns: u64| i64::try_from(ns / 1_000_000).unwrap_or(i64::MAX);
    ms(clock.unix_ns()) - ms(clock.steady_ns())
}

impl Book {
    pub(crate) fn new(log: Arc<dyn Log>, clock: Arc<dyn Clock>, ledger: Ledger) -> Self {
        let seen = Mutex::new(SeenRun { ahead_ms: ahead_ms(&*clock), mark: ClockMark::of(&*clock) });
        Self { log, clock, seen, ledger: Mutex::new(ledger), order: RwLock::new(()), rates: Mutex::default() }
    }

    /// If the clock was set since the last record, records this before the next record.
    fn check_clock(&self) -> Result<(), RecordBroken> {
        let ahead_ms = ahead_ms(&*self.clock);
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if ahead_ms.abs_diff(seen.ahead_ms) <= CHANGE_MS {
            return Ok(());
        }
        // A machine that slept looks the same up to here: the clock advanced while the steady clock stood still.
        let mark = ClockMark::of(&*self.clock);
        let change = seen.mark.change(&mark);
        *seen = SeenRun { ahead_ms, mark };
        match change {
            Some(change) => self.write(journal::log_run(), vec![bare(change.into())], &mut Sum::default()).map(drop),
            None => Ok(()),
        }
    }

    pub(crate) fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Acts of a run that have an intent on the record and no answer.
    pub(crate) fn unanswered(&self, run: RunId) -> Vec<(u64, ActKind)> {
        let ledger = self.ledger();
        let pending = ledger.open_run(run).into_iter().flat_map(|open| &open.pending);
        pending.filter(|(_, pending)| pending.stage == Stage::Asked).map(|(op, pending)| (*op, pending.kind)).collect()
    }

    /// Host requests for a run that have an intent on the record and no answer.
    pub(crate) fn host_unanswered(&self, run: RunId) -> Vec<u64> {
        self.ledger().open_run(run).into_iter().flat_map(|open| &open.own).copied().collect()
    }

    /// The counts that a resumed run continues from.
    pub(crate) fn carried_over(&self, run: RunId) -> CarriedOver {
        let carried = |open: &OpenRun| CarriedOver { own_last: open.own_last, met: open.met.clone() };
        self.ledger().open_run(run).map(carried).unwrap_or_default()
    }

    /// Opens a run in the log, which makes the run's key.
    pub(crate) fn open_run(&self, run: RunId) -> Result<(), RecordBroken> {
        self.log.open_run(run)
    }

    /// Gives the log a snapshot of the ledger.
    pub(crate) fn snapshot(&self, when: BookSnapshot) -> Result<(), RecordBroken> {
        if when == BookSnapshot::IfWanted && !self.log.wants_snapshot() {
            return Ok(());
        }
        let _order = self.order.write().unwrap_or_else(PoisonError::into_inner);
        let bytes = self.ledger().to_snapshot();
        self.log.snapshot(bytes)
    }

    /// Appends all of these records, or none. Adds them to the sum of the run.
    pub(crate) fn append(&self, run: RunId, records: Vec<(Record, LogEntry)>, sum: &mut Sum) -> Result<LoggedBatch, RecordBroken> {
        self.check_clock()?;
        self.write(run, records, sum)
    }

    fn write(&self, run: RunId, records: Vec<(Record, LogEntry)>, sum: &mut Sum) -> Result<LoggedBatch, RecordBroken> {
        let _order = self.order.read().unwrap_or_else(PoisonError::into_inner);
        let (records, entries): (Vec<Record>, Vec<LogEntry>) = records.into_iter().unzip();
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

/// A record without payloads.
pub(crate) fn bare(record: Record) -> (Record, LogEntry) {
    let entry = LogEntry { body: record.to_bytes(), ..LogEntry::default() };
    (record, entry)
}

/// When a snapshot of the ledger is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BookSnapshot {
    /// Only if enough was recorded since the last snapshot.
    IfWanted,
    /// Always.
    Always,
}
