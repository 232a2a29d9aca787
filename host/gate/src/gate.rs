//! The gate of a home, which exists once: opens and resumes runs, and keeps the ledger.

use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, OnceLock};

use tokio::sync::watch;
use vocabulary::record::{Record, RecordKind, RunResumed, VERSION};
use vocabulary::{Clock, Principal, Stop};

use crate::book::{Book, BookSnapshot, CarriedOver, bare};
use crate::clock::ClockMark;
use crate::err::RecordBroken;
use crate::keyed::Keyed;
use crate::lease::Leases;
use crate::ledger::Ledger;
use crate::log::{Log, LogEntry, LoggedBatch};
use crate::recorded::Recorded;
use crate::run::{Inner, OwnPolicies, RunGate, RunPolicies, RunShared};
use crate::run_header::RunHeader;
use crate::spent::Spent;
use crate::sum::Sum;
use crate::suspended::ClockState;
use crate::watch::Watcher;

/// The gate of a home. Cheap to clone.
#[derive(Clone)]
pub struct Gate {
    pub(crate) book: Arc<Book>,
    pub(crate) clock: Arc<dyn Clock>,
}

/// Who resumes a run, and what the record has of it.
#[derive(Clone, Debug)]
pub struct Resuming {
    /// Who resumes it.
    pub by: Principal,
    /// The state of its leases, by the credential's name.
    pub leases: Leases,
    /// How many bytes the run has written to the record so far. They count against `record-bytes`.
    pub recorded_bytes: u64,
    /// For how long the run was active so far.
    pub spent: Spent,
    /// Where its own clock continues.
    pub clock: ClockState,
    /// Whether the host resumes it and no caller attends it.
    pub unattended: bool,
    /// The policies of now; `None` if the grants alone decide.
    pub policies: Option<RunPolicies>,
}

impl Resuming {
    /// What a run's records say, for this user who resumes it.
    pub fn of(recorded: &Recorded, by: Principal) -> Self {
        Self {
            by,
            leases: recorded.leases().clone(),
            recorded_bytes: recorded.recorded_bytes(),
            spent: recorded.spent(),
            clock: recorded.clock().clone(),
            unattended: false,
            policies: None,
        }
    }
}

impl Gate {
    /// Makes the gate. `ledger` is the fold of all records in the log.
    pub fn new(log: Arc<dyn Log>, clock: Arc<dyn Clock>, ledger: Ledger) -> Self {
        Self { book: Arc::new(Book::new(log, Arc::clone(&clock), ledger)), clock }
    }

    /// Looks at the ledger, which includes everything that was written so far.
    pub fn with_ledger<T>(&self, look: impl FnOnce(&Ledger) -> T) -> T {
        look(&self.book.ledger())
    }

    /// Appends a record about the log or the home, which belongs to no agent's run.
    ///
    /// # Errors
    /// The record can't be written.
    pub fn append_log(&self, record: &Record) -> Result<LoggedBatch, RecordBroken> {
        self.book.append(journal::log_run(), vec![bare(record.clone())], &mut Sum::default())
    }

    /// Folds a record that the journal itself has written into the ledger.
    pub fn took_in(&self, index: u64, record: &Record) {
        self.book.ledger().note(journal::log_run(), (0, index), record);
    }

    /// Gives the log a snapshot of the ledger.
    ///
    /// # Errors
    /// The record can't be written.
    pub fn snapshot(&self, when: BookSnapshot) -> Result<(), RecordBroken> {
        self.book.snapshot(when)
    }

    /// Opens a run: makes its key and appends `run-opened`, which becomes durable with the run's first act, or with its end.
    ///
    /// # Errors
    /// The record can't be written.
    pub fn open_run(&self, header: RunHeader, policies: Option<&RunPolicies>, watcher: Arc<dyn Watcher>) -> Result<RunGate, RecordBroken> {
        let keyed = Keyed::of_seed(&header.seed);
        let record: Record = header.to_record(&keyed, self.clock.uptime()).into();
        self.book.open_run(header.run)?;
        let entry = LogEntry { body: record.to_bytes(), payloads: header.to_payloads(), ends: false, later: false };
        let mut sum = Sum::default();
        self.book.append(header.run, vec![(record, entry)], &mut sum).map(drop)?;
        let gate = self.run_gate(header, (keyed, policies), watcher, (Spent::default(), 0));
        gate.lock().inner.sum = sum;
        Ok(gate)
    }

    /// Opens a run again that was cut off. Its first new record is `run-resumed`.
    ///
    /// # Errors
    /// The record can't be written.
    pub fn resume_run(&self, header: RunHeader, resuming: &Resuming, watcher: Arc<dyn Watcher>) -> Result<RunGate, Stop> {
        let keyed = Keyed::of_seed(&header.seed);
        let ClockState { floor_ms, suspended } = &resuming.clock;
        let waited_ms = suspended.as_ref().map_or(0, |suspended| suspended.waited_ms(&ClockMark::of(&*self.clock)));
        let advanced_ms = suspended.as_ref().map_or(0, |suspended| suspended.advanced_ms(waited_ms));
        let clocks = (resuming.spent.waited(waited_ms), floor_ms.saturating_add(advanced_ms));
        let gate = self.run_gate(header, (keyed, resuming.policies.as_ref()), watcher, clocks);
        let record = RunResumed {
            at: self.clock.unix_ms(),
            by: resuming.by.clone(),
            kind: RecordKind::RunResumed,
            spent_ms: resuming.spent.ms(),
            unattended: resuming.unattended,
            uptime: self.clock.uptime(),
            v: VERSION,
            waited_ms,
        };
        let mut held = gate.lock();
        held.inner.recorded_bytes = resuming.recorded_bytes;
        held.inner.leases.clone_from(&resuming.leases);
        held.put(record, Vec::new())?;
        CarriedOver { own_last: held.inner.own_last, met: held.inner.met } = self.book.carried_over(held.run());
        held.end_host_asks()?;
        drop(held);
        Ok(gate)
    }

    /// The gate of a run that was active for this long, and whose own clock shows at least this many milliseconds.
    fn run_gate(
        &self,
        header: RunHeader,
        (keyed, policies): (Keyed, Option<&RunPolicies>),
        watcher: Arc<dyn Watcher>,
        (spent, clock_ms): (Spent, u64),
    ) -> RunGate {
        let inner = Mutex::new(Inner::new(&header));
        let (book, clock) = (Arc::clone(&self.book), Arc::clone(&self.clock));
        let placeholders = header.placeholders();
        let policies = Mutex::new(policies.map(|of| Arc::new(OwnPolicies::of(&header, of))));
        let (began_ns, rebuilt, ended) = (AtomicU64::new(clock.mono_ns()), watch::Sender::new(false), watch::Sender::default());
        let span = tracing::info_span!("run", run = %header.run, agent = %header.spec.agent.name);
        span.in_scope(|| tracing::info!(resumed = spent.ms() > 0, "opened"));
        RunGate::new(RunShared {
            began_ns,
            rebuilt,
            spent,
            clock_ms,
            book,
            clock,
            keyed,
            header,
            placeholders,
            policies,
            stars: OnceLock::new(),
            watcher,
            span,
            ended,
            inner,
        })
    }
}
