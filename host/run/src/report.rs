//! The two halves of a report: what the agent claims, and what the record shows.

use gate::{Recorded, Sum, Touched};
use journal::Journal;
use sandbox::EntryPoint;
use serde::{Deserialize, Serialize};
use vocabulary::record::{AgentRef, ClockChanged, Record};
use vocabulary::{Digest, Finding, Limits, Outcome, Principal, RunId, RunSpec};

use crate::err::RunError;

/// How a run ended and what it touched. This is the form of `run --json`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RunReport {
    /// The id of the run.
    pub run: RunId,
    /// The agent that ran.
    pub agent: AgentRef,
    /// Who started it.
    pub by: Principal,
    /// How the run ended.
    pub outcome: Outcome,
    /// Why the record could not be written, if it could not. In that case the evidence counts only what is on the record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub broken: Option<BrokenRecord>,
    /// Milliseconds that the agent computed or waited inside a host call.
    pub active_ms: u64,
    /// Milliseconds for which the run was suspended: unloaded from memory while it waited.
    pub waited_ms: u64,
    /// What the agent says. Unverified.
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

/// What the agent claims.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Claims {
    /// The output: JSON from an agent, text from a command.
    pub output: Option<serde_json::Value>,
    /// The findings that it reported.
    pub findings: Vec<Finding>,
    /// How many more findings there are than this report has room for. The record has them.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub findings_more: u64,
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// What the host recorded.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Evidence {
    /// The files, hosts and credentials that the run touched.
    pub touched: Touched,
    /// The granted mounts, as guest paths.
    pub mounts: Vec<String>,
    /// Whether any request was granted.
    pub http_granted: bool,
    /// The approvals of people. Always empty, because no rule asks for approval yet.
    pub approvals: Vec<String>,
    /// The limits of the run, with defaults filled in.
    pub limits: Limits,
    /// The largest size of its linear memory, in bytes.
    pub peak_memory: u64,
    /// Whether the run could have been resumed up to its end.
    pub resumable: bool,
    /// Where the run is in the record.
    pub record: RecordEvidence,
}

/// Where in the record a run is.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct RecordEvidence {
    /// Changes of the machine's clock since the run was opened.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub clock_changes: Vec<ClockChanged>,
    /// Index of the run's first record in the log.
    pub first: u64,
    /// Index of the run's last record in the log.
    pub last: u64,
    /// How many records the run has.
    pub entries: u64,
    /// How many records the log had when this report was made.
    pub size: u64,
    /// The root over these records.
    pub root: Option<Digest>,
    /// The signed note over these records.
    pub checkpoint: Option<String>,
}

/// The report of a run that has ended, made from its record alone. `None` if the run has not ended.
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
        waited_ms: sum.waited_ms,
        evidence: Evidence::new(
            spec,
            (sum.touched, closed.peak_memory, recorded.is_kept() && spec.durable),
            RecordEvidence { first: sum.first, last: sum.last, entries: sum.entries, ..RecordEvidence::now(journal) },
        ),
        claims: Claims { output, findings: sum.findings, findings_more: sum.findings_more },
    }))
}

impl Evidence {
    /// The evidence of a run: what it touched, its largest memory, whether it could have been resumed up to its end, and its record.
    pub(crate) fn new(spec: &RunSpec, (touched, peak_memory, resumable): (Touched, u64, bool), record: RecordEvidence) -> Self {
        Self {
            // If the record broke, acts stay under way on the record and are never settled.
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
    /// The size, root and checkpoint of the log as it is now.
    pub(crate) fn now(journal: &Journal) -> Self {
        Self { size: journal.size(), root: Some(journal.root()), checkpoint: journal.checkpoint(), ..Self::default() }
    }
}

/// The output of a guest, as a report shows it.
pub(crate) fn output_value(output: Option<Vec<u8>>, entry: EntryPoint) -> Option<serde_json::Value> {
    let text = String::from_utf8_lossy(&output?).into_owned();
    match entry {
        // If an agent returns something other than JSON, the report shows it as text.
        EntryPoint::Agent => Some(serde_json::from_str(&text).unwrap_or(serde_json::Value::String(text))),
        EntryPoint::Command => Some(serde_json::Value::String(text)),
    }
}

/// Reads what a run's records add up to, among the first `size` of the log: for one that was resumed, since this process has not written
/// all of them, and for one whose record broke.
pub(crate) fn read_sum(reader: &journal::Reader, run: RunId, size: u64) -> Result<Sum, RunError> {
    let mut sum = Sum::default();
    for record in reader.of_run(run) {
        let record = record?;
        // Records from here on were written and never acknowledged.
        if record.at.index >= size {
            break;
        }
        // A record of a later version touches nothing that this version can name.
        if let Ok(body) = Record::parse(&record.body) {
            sum.take(run, record.seq, record.at.index, &body);
        }
    }
    Ok(sum)
}
