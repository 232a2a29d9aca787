//! The two halves of a report: what the agent claims, and what the record shows.

use effect::record::{AgentRef, ClockChanged, Record};
use effect::{Digest, Finding, Limits, Outcome, Principal, RunId};
use gate::{Sum, Touched};
use serde::{Deserialize, Serialize};

use crate::err::RunError;

/// How a run ended and what it touched; the form of `run --json`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Report {
    /// Which run.
    pub run: RunId,
    /// What ran.
    pub agent: AgentRef,
    /// Who started it.
    pub by: Principal,
    /// How it ended.
    pub outcome: Outcome,
    /// Milliseconds it computed or waited inside a host call.
    pub active_ms: u64,
    /// Milliseconds it waited for people.
    pub waited_ms: u64,
    /// What the agent says: unverified.
    pub claims: Claims,
    /// What the host recorded.
    pub evidence: Evidence,
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

/// Reads what a run's records add up to: for one that was resumed, since this process has not written all of them.
pub(crate) fn read_sum(reader: &journal::Reader, run: RunId) -> Result<Sum, RunError> {
    let mut sum = Sum::default();
    for record in reader.of_run(run) {
        let record = record?;
        // A kind of a later version touches nothing that this one knows how to name.
        if let Ok(body) = Record::parse(&record.body) {
            sum.take(run, record.seq, record.at.index, &body);
        }
    }
    Ok(sum)
}
