//! A log in memory, a clock that only counts, reproducible random numbers, and the headers of runs.

use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use vocabulary::record::{AgentRef, EngineRef};
use vocabulary::{
    Act, Clock, Digest, FilesGrant, FilesMode, Grants, HttpAsk, HttpGrant, HttpTarget, HttpTimeouts, Limits, Method, OpId, RunId, RunSpec,
    SafeText, Scheme, Stop,
};

use effects::{Failure, HttpAnswered};

use crate::settling::{Settles, Settling};
use crate::{
    Durable, Gate, Ledger, Log, LogEntry, LoggedBatch, Nobody, RecordBroken, Recorded, RunGate, RunHeader, RunPolicies, RunRecord,
};

/// The run that all tests are about.
pub(super) fn run_id() -> RunId {
    RunId::from_parts(1_000, [7; 10])
}

#[derive(Clone, Default)]
pub(super) struct MemoryLog(Arc<Mutex<Memory>>);

#[derive(Default)]
struct Memory {
    leaves: Vec<RunRecord>,
    /// How many records there were after each append. A crash leaves one of these numbers.
    ends: Vec<usize>,
    /// How many further appends succeed.
    left: Option<usize>,
    /// Whether appended records never become durable.
    never_durable: bool,
}

impl MemoryLog {
    pub(super) fn with(leaves: Vec<RunRecord>) -> Self {
        Self(Arc::new(Mutex::new(Memory { leaves, ..Memory::default() })))
    }

    pub(super) fn leaves(&self) -> Vec<RunRecord> {
        self.0.lock().unwrap().leaves.clone()
    }

    pub(super) fn ends(&self) -> Vec<usize> {
        self.0.lock().unwrap().ends.clone()
    }

    pub(super) fn fail_durability(&self) {
        self.0.lock().unwrap().never_durable = true;
    }

    pub(super) fn break_after(&self, appends: usize) {
        self.0.lock().unwrap().left = Some(appends);
    }

    /// The bodies, as text.
    pub(super) fn bodies(&self) -> Vec<String> {
        self.leaves().into_iter().map(|leaf| String::from_utf8(leaf.body).unwrap()).collect()
    }
}

impl Log for MemoryLog {
    fn open_run(&self, _run: RunId) -> Result<(), RecordBroken> {
        Ok(())
    }

    fn append(&self, _run: RunId, entries: Vec<LogEntry>) -> Result<LoggedBatch, RecordBroken> {
        let mut memory = self.0.lock().unwrap();
        if memory.left == Some(0) {
            return Err(RecordBroken::new(std::io::Error::other("full")));
        }
        memory.left = memory.left.map(|left| left - 1);
        for entry in entries {
            assert!(entry.body.len() <= vocabulary::record::BODY_BYTES_MAX, "a body of {} bytes", entry.body.len());
            assert!(vocabulary::canon::is_canonical(&entry.body), "{}", String::from_utf8_lossy(&entry.body));
            let seq = memory.leaves.len() as u64 + 1;
            memory.leaves.push(RunRecord { seq, body: entry.body, payloads: entry.payloads });
        }
        let seq = memory.leaves.len();
        memory.ends.push(seq);
        let outcome = if memory.never_durable { Err(RecordBroken::new(std::io::Error::other("full"))) } else { Ok(()) };
        Ok(LoggedBatch { index: seq as u64 - 1, seq: seq as u64, durable: Durable::Decided(outcome) })
    }

    fn wants_snapshot(&self) -> bool {
        false
    }

    fn snapshot(&self, _bytes: Vec<u8>) -> Result<(), RecordBroken> {
        Ok(())
    }
}

/// Counts up by a millisecond whenever it is read.
#[derive(Default)]
pub(super) struct CountingClock(pub(super) AtomicU64);

impl Clock for CountingClock {
    fn mono_ns(&self) -> u64 {
        self.0.fetch_add(1_000_000, Ordering::Relaxed)
    }

    fn unix_ns(&self) -> u64 {
        1_800_000_000_000_000_000 + self.mono_ns()
    }
}

/// SplitMix64: random numbers that are the same for the same seed.
#[derive(Clone)]
pub(super) struct Chance(pub(super) u64);

impl Chance {
    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    pub(super) fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % (bound as u64)).unwrap()
    }
}

pub(super) fn grants() -> Grants {
    let http = HttpGrant {
        credential: None,
        addresses: Vec::new(),
        headers: Vec::new(),
        host: "a.test".parse().unwrap(),
        methods: vec![Method::new("GET").unwrap(), Method::new("POST").unwrap()],
        paths: vec!["/**".parse().unwrap()],
        port: None,
        scheme: Scheme::Http,
        until: None,
        within: vocabulary::HttpBounds::default(),
    };
    let files = FilesGrant { guest: "/src".to_owned(), host: "/nowhere".into(), mode: FilesMode::Read };
    Grants { files: vec![files], http: vec![http], ..Grants::default() }
}

/// The policies of these grants, as they are read.
pub(super) fn policies_of(grants: &Grants) -> Option<RunPolicies> {
    let rules = grants.policy.clone()?;
    let set = policy::PolicySet::load(&rules.files, &rules.people).unwrap();
    Some(RunPolicies { rules: Arc::new(rules), set })
}

pub(super) fn header(grants: Grants, limits: Limits) -> RunHeader {
    let text = |text: &str| SafeText::new(text, 100);
    let spec = RunSpec {
        agent: AgentRef { digest: Digest::of(b"agent"), name: text("guest"), version: text("0.1.0") },
        config: None,
        durable: RunSpec::durable(&grants, false),
        engine: EngineRef { host: text("0.1.0"), profile: text("p"), wasmtime: text("48") },
        grants,
        limits,
    };
    RunHeader {
        args: vec!["guest".to_owned()],
        by: vocabulary::Principal::new(1000, Some("alice")),
        input: "{}".to_owned(),
        opened_unix_ns: 1_800_000_000_000_000_000,
        parent: None,
        run: run_id(),
        seed: [9; 32],
        spec: Arc::new(spec),
    }
}

pub(super) fn few() -> Limits {
    Limits { concurrent: 4, ..Limits::default() }
}

pub(super) fn gate_on(log: &MemoryLog) -> Gate {
    Gate::new(Arc::new(log.clone()), Arc::new(CountingClock::default()), fold(&log.leaves()))
}

pub(super) fn open_on(log: &MemoryLog, limits: Limits) -> RunGate {
    gate_on(log).open_run(header(grants(), limits), None, Arc::new(Nobody)).unwrap()
}

/// The ledger of these records, which must be in order.
pub(super) fn fold(leaves: &[RunRecord]) -> Ledger {
    let mut ledger = Ledger::new();
    for leaf in leaves {
        ledger.fold(run_id(), leaf.seq, &leaf.body).unwrap();
    }
    ledger
}

pub(super) fn recorded(leaves: &[RunRecord]) -> Recorded {
    Recorded::from_leaves(run_id(), leaves.iter().cloned().map(Ok)).unwrap()
}

/// A future that is ready at once.
pub(super) fn now<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("not ready"),
    }
}

pub(super) fn ask(method: &str, host: &str, path: &str) -> Act {
    Act::Http(http_ask(method, host, path))
}

pub(super) fn http_ask(method: &str, host: &str, path: &str) -> HttpAsk {
    HttpAsk {
        method: Method::new(method).unwrap(),
        target: HttpTarget::parse(Scheme::Http, host, path).unwrap(),
        headers: Vec::new(),
        body: Bytes::new(),
        timeouts: HttpTimeouts::default(),
    }
}

/// A person's settlement of an act that is recorded as unknown.
pub(super) fn settle(log: &MemoryLog, op: u64, did: bool) {
    let by = vocabulary::Principal::new(1001, Some("bob"));
    drop(gate_on(log).settle(run_id(), &[op], did, &by).unwrap().unwrap());
}

/// A response has come, with this status.
pub(super) fn answered(gate: &RunGate, op: OpId, status: u16) -> Result<Settles, Stop> {
    gate.settle(op, Settling::Answered(HttpAnswered { status, ..HttpAnswered::default() }))
}

/// No answer has come.
pub(super) fn unanswered(gate: &RunGate, op: OpId, why: Failure) -> Result<Settles, Stop> {
    gate.settle(op, Settling::Failed(why))
}
