//! For runs that were cut off: settles acts with an unknown outcome, and closes a run without rebuilding it.
//!
//! Both need only the ledger. So they are quick, and work even if the run can't be read or rebuilt any more. The caller ensures that no
//! other caller resumes the run meanwhile.

use vocabulary::record::{ActSettled, Answered, HostAnswered, HttpOutcome, Record, RecordKind, RunClosed, Settled, VERSION};
use vocabulary::{ActKind, Outcome, Principal, RunId, SafeText};

use crate::err::RecordBroken;
use crate::gate::Gate;
use crate::lease;
use crate::ledger::{OpenRun, Stage};
use crate::log::{LogEntry, LoggedBatch};
use crate::sum::Sum;

impl Gate {
    /// Records a person's settlement of these acts, which must have an unknown outcome and no settlement yet. If no act is named, nothing
    /// is appended.
    ///
    /// # Errors
    /// The record can't be written.
    pub fn settle(&self, run: RunId, ops: &[u64], did: bool, by: &Principal) -> Result<Option<LoggedBatch>, RecordBroken> {
        let at = self.clock.unix_ms();
        let mut records = self.unknown(run, |op| ops.contains(&op), at);
        let word = |op: &u64| ActSettled { at, by: by.clone(), did, kind: RecordKind::ActSettled, op: *op, v: VERSION }.into();
        records.extend(ops.iter().map(word));
        if records.is_empty() { Ok(None) } else { self.append_to(run, records).map(Some) }
    }

    /// Ends leases of a run that is not in memory. When it is resumed, nothing is asked under them.
    ///
    /// # Errors
    /// The record can't be written.
    pub fn revoke_cut_off(&self, run: RunId, credentials: &[String], by: &Principal) -> Result<LoggedBatch, RecordBroken> {
        let at = self.clock.unix_ms();
        self.append_to(run, credentials.iter().map(|name| lease::revoked(run, name, by, at).into()).collect())
    }

    /// Records what people said about an act that is held back, whether its run is in memory or not.
    ///
    /// # Errors
    /// The record can't be written.
    pub fn append_people(&self, run: RunId, record: Record) -> Result<LoggedBatch, RecordBroken> {
        self.append_to(run, vec![record])
    }

    /// Closes a run. Acts that were under way in it are recorded as unknown before that.
    ///
    /// # Errors
    /// The record can't be written.
    pub fn close_cut_off(
        &self,
        run: RunId,
        active_ms: u64,
        outcome: Outcome,
        obstacle: Option<SafeText>,
    ) -> Result<LoggedBatch, RecordBroken> {
        let at = self.clock.unix_ms();
        let mut records = self.unknown(run, |_| true, at);
        records.extend(self.book.host_unanswered(run).into_iter().map(|number| host_unknown(number, at)));
        let closed = RunClosed { active_ms, at, kind: RecordKind::RunClosed, obstacle, outcome, output: None, peak_memory: 0, v: VERSION };
        records.push(closed.into());
        self.append_to(run, records)
    }

    /// The records that acts with an intent and no answer have an unknown outcome.
    fn unknown(&self, run: RunId, is_meant: impl Fn(u64) -> bool, at: u64) -> Vec<Record> {
        let pending = |open: &OpenRun| {
            let asked = open.pending.iter().filter(|(op, pending)| pending.stage == Stage::Asked && is_meant(**op));
            asked.map(|(op, pending)| unknown((*op, pending.kind), at, open.spent.ms())).collect()
        };
        self.with_ledger(|ledger| ledger.open_run(run).map(pending).unwrap_or_default())
    }

    fn append_to(&self, run: RunId, records: Vec<Record>) -> Result<LoggedBatch, RecordBroken> {
        let entry = |record: &Record| {
            let ends = record.kind() == RecordKind::RunClosed;
            LogEntry { body: record.to_bytes(), payloads: Vec::new(), ends, later: false }
        };
        let records = records.into_iter().map(|record| (record.clone(), entry(&record))).collect();
        self.book.append(run, records, &mut Sum::default())
    }
}

fn unknown((op, kind): (u64, ActKind), at: u64, spent_ms: u64) -> Record {
    let (detail, how) = (SafeText::default(), Settled::unknown(kind));
    Answered { at, detail, how, kind: RecordKind::Answered, op, reason: None, spent_ms, v: VERSION }.into()
}

fn host_unknown(number: u64, at: u64) -> Record {
    HostAnswered {
        detail: SafeText::default(),
        at,
        bytes: 0,
        fault: None,
        kind: RecordKind::HostAnswered,
        number,
        outcome: HttpOutcome::Unknown,
        peer: None,
        reason: None,
        sent: None,
        status: None,
        v: VERSION,
    }
    .into()
}
