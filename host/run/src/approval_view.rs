//! Acts that are held back, as people and programs see them.

use gate::{ApprovalState, ClockMark, OpenApproval, OpenRun};
use policy::vote::CastVote;
use serde::{Deserialize, Serialize};
use vocabulary::{ApprovalId, Digest, OpId, PolicyNote, Principal, RunId, SafeText, Vote};

/// An act that is held back, and where it stands. A later version may add fields.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApprovalView {
    /// The name: `RUN-OP`.
    pub approval: String,
    /// The agent's name.
    pub agent: SafeText,
    /// What it asks for.
    pub asks: SafeText,
    /// When it asked, in milliseconds since 1970.
    pub asked_ms: u64,
    /// The credential that is sent with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credential: Option<SafeText>,
    /// The digest of what is to be approved.
    pub digest: Digest,
    /// The environment of the resource.
    pub environment: SafeText,
    /// The headers of a request.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<SafeText>,
    /// The groups, and how many of each must approve.
    pub groups: Vec<vocabulary::GroupNeed>,
    /// How long it stays in this state, in milliseconds.
    pub left_ms: u64,
    /// The operation.
    pub op: u64,
    /// The policies that demand the approval.
    pub policies: Vec<PolicyNote>,
    /// The digest of the policy set.
    pub policy_set: Digest,
    /// The run.
    pub run: RunId,
    /// Who started the run.
    pub started_by: Principal,
    /// `pending`, `approved`, or how it ended.
    pub state: SafeText,
    /// How long an approval may be used, in seconds.
    pub use_within_s: u64,
    /// The votes so far.
    pub votes: Vec<VoteView>,
}

/// One vote.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VoteView {
    /// When, in milliseconds since 1970.
    pub at: u64,
    /// The fingerprint of the key. Absent if the vote is not signed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<SafeText>,
    /// Who.
    pub person: String,
    /// The person's own reason.
    #[serde(default, skip_serializing_if = "SafeText::is_empty")]
    pub reason: SafeText,
    /// What.
    pub vote: Vote,
}

impl ApprovalView {
    /// How an act that is held back looks at this moment.
    pub fn of(run: RunId, open: &OpenRun, (op, approval): (u64, &OpenApproval), now: &ClockMark) -> Self {
        let (state, left_ms) = match approval.state(now) {
            ApprovalState::Pending { left_ms } => ("pending", left_ms),
            ApprovalState::Approved { left_ms } => ("approved", left_ms),
            ApprovalState::Ended(end) => (end.as_str(), 0),
        };
        Self {
            approval: ApprovalId { run, op: OpId(op) }.to_string(),
            agent: open.agent.clone(),
            asks: SafeText::new(&approval.ask.resource.to_string(), 4096),
            asked_ms: approval.asked.at,
            credential: approval.bounds.credential.as_deref().map(|name| SafeText::new(name, 64)),
            digest: approval.digest,
            environment: approval.environment.clone(),
            headers: approval.ask.headers.clone(),
            groups: approval.needs.groups.clone(),
            left_ms,
            op,
            policies: approval.needs.policies.clone(),
            policy_set: approval.policy.set,
            run,
            started_by: open.by.clone(),
            state: SafeText::new(state, 16),
            use_within_s: approval.needs.use_within_s,
            votes: approval.votes.iter().map(VoteView::of).collect(),
        }
    }

    /// All acts of a ledger that are held back, in the order in which their runs were opened.
    pub fn all(ledger: &gate::Ledger, now: &ClockMark) -> Vec<Self> {
        let of_run = |(run, open): (RunId, &OpenRun)| -> Vec<Self> {
            open.approvals.iter().map(|(op, approval)| Self::of(run, open, (*op, approval), now)).collect()
        };
        ledger.open_runs().flat_map(of_run).collect()
    }
}

impl VoteView {
    fn of(noted: &gate::NotedVote) -> Self {
        let CastVote { key, person, vote } = noted.cast.clone();
        Self { at: noted.at, key, person, reason: noted.reason.clone(), vote }
    }
}
