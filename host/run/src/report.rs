//! The two halves of a report: what the agent claims, and what the record shows.

use gate::{Recorded, Sum, Touched};
use journal::Journal;
use sandbox::EntryPoint;
use serde::{Deserialize, Serialize};
use vocabulary::record::{AgentRef, ClockChanged, Record};
use vocabulary::{Digest, Finding, Limits, Outcome, Principal, RunId, RunSpec};

use crate::err::RunError;

/// How a run ended and what it touched; the form of `run --json`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RunReport {
    /// Which run.
    pub run: RunId,
    /// What ran.
    pub agent: AgentRef,
    /// Who started it.
    pub by: Principal,
    /// How it ended.
    pub outcome: Outcome,
    /// Why the record could not be written, if it could not. The evidence then counts only what is on the record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub broken: Option<BrokenRecord>,
    /// Milliseconds it computed or waited inside a host call.
    pub active_ms: u64,
    /// Milliseconds it waited for people.
    pub waited_ms: u64,
    /// What the agent says: unverified.
    pub claims: Claims,
    /// What the host recorded.
    pub evidence: Evidence,
}

/// Why the record could not be written.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct BrokenRecord {
    /// Which step with which file failed, and why.
    pub why: String,
    /// What to do next.
    pub help: String,
}

/// What the agent says.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Claims {
    /// What it returned: JSON of an agent, text of a command.
    pub output: Option<serde_json::Value>,
    /// What it found.
    pub findings: Vec<Finding>,
    /// Findings for which there was no room here. The record has them.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub findings_more: u64,
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// What the host recorded.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Evidence {
    /// Files, hosts, credentials.
    pub touched: Touched,
    /// Granted mounts, as guest paths.
    pub mounts: Vec<String>,
    /// Whether any request was granted.
    pub http_granted: bool,
    /// What people allowed; none before there are approvals.
    pub approvals: Vec<String>,
    /// Resolved.
    pub limits: Limits,
    /// Largest linear memory, in bytes.
    pub peak_memory: u64,
    /// Whether the run could have been resumed to its end.
    pub resumable: bool,
    /// Where in the record.
    pub record: RecordEvidence,
}

/// Where in the record a run is.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct RecordEvidence {
    /// Changes of the machine's clock since the run was opened.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub clock_changes: Vec<ClockChanged>,
    /// Index of its first record.
    pub first: u64,
    /// Index of its last record.
    pub last: u64,
    /// Records of the run.
    pub entries: u64,
    /// Records in the log, then.
    pub size: u64,
    /// Root over them.
    pub root: Option<Digest>,
    /// The signed note over them.
    pub checkpoint: Option<String>,
}

/// The report of a run that has ended, from its record alone. `None` if it has not ended.
///
/// # Errors
/// The record can't be read.
pub(crate) fn of_record(journal: &Journal, recorded: &Recorded, entry: EntryPoint) -> Result<Option<RunReport>, RunError> {
    let Some(closed) = recorded.closed() else { return Ok(None) };
    let (header, sum) = (recorded.header(), read_sum(&journal.reader()?, recorded.header().run, journal.size())?);
    let output = output_value(recorded.output().map(<[u8]>::to_vec), entry);
    let spec = &header.spec;
    Ok(Some(RunReport {
        run: header.run,
        broken: None,
        agent: spec.agent.clone(),
        by: header.by.clone(),
        outcome: closed.outcome.clone(),
        active_ms: closed.active_ms,
        waited_ms: 0,
        evidence: Evidence::new(
            spec,
            (sum.touched, closed.peak_memory, recorded.is_kept() && spec.durable),
            RecordEvidence { first: sum.first, last: sum.last, entries: sum.entries, ..RecordEvidence::now(journal) },
        ),
        claims: Claims { output, findings: sum.findings, findings_more: sum.findings_more },
    }))
}

impl Evidence {
    /// Of a run with these grants: what it touched, its largest memory, and whether it could have been resumed to its end.
    pub(crate) fn new(spec: &RunSpec, (touched, peak_memory, resumable): (Touched, u64, bool), record: RecordEvidence) -> Self {
        Self {
            // A run whose record broke has acts that are under way for ever.
            touched: touched.ended(),
            mounts: spec.grants.files.iter().map(|mount| mount.guest.clone()).collect(),
            http_granted: !spec.grants.http.is_empty(),
            approvals: Vec::new(),
            limits: spec.limits.clone(),
            peak_memory,
            resumable,
            record,
        }
    }
}

impl RecordEvidence {
    /// The log as it is now.
    pub(crate) fn now(journal: &Journal) -> Self {
        Self { size: journal.size(), root: Some(journal.root()), checkpoint: journal.checkpoint(), ..Self::default() }
    }
}

/// What a guest returned, as it is shown.
pub(crate) fn output_value(output: Option<Vec<u8>>, entry: EntryPoint) -> Option<serde_json::Value> {
    let text = String::from_utf8_lossy(&output?).into_owned();
    match entry {
        // An agent that returns something else than JSON has still said something.
        EntryPoint::Agent => Some(serde_json::from_str(&text).unwrap_or(serde_json::Value::String(text))),
        EntryPoint::Command => Some(serde_json::Value::String(text)),
    }
}

/// Reads what a run's records add up to, among the first `size` of the log: for one that was resumed, since this process has not written all
/// of them, and for one whose record broke.
pub(crate) fn read_sum(reader: &journal::Reader, run: RunId, size: u64) -> Result<Sum, RunError> {
    let mut sum = Sum::default();
    for record in reader.of_run(run) {
        let record = record?;
        // What lies behind was written and never acknowledged.
        if record.at.index >= size {
            break;
        }
        // A kind of a later version touches nothing that this one knows how to name.
        if let Ok(body) = Record::parse(&record.body) {
            sum.take(run, record.seq, record.at.index, &body);
        }
    }
    Ok(sum)
}
