//! Rows for acts that people had to approve: what exactly, who voted and when, and what became of it.

use serde::{Deserialize, Serialize};
use vocabulary::record::{ApprovalAsked, ApprovalVoted};
use vocabulary::{ApprovalEnd, ApprovalId, Digest, GroupNeed, OpId, PolicyNote, Resource, RunId, SafeText, Vote, VoteMeans};

/// BOUND: number of votes that are listed for one approval.
const VOTES_MAX: usize = 64;

/// An act that people had to approve.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TouchedApproval {
    /// The name: `RUN-OP`.
    pub approval: String,
    /// When the act was asked for, in milliseconds since 1970.
    pub asked_ms: u64,
    /// The credential that is sent with the act, or that the act is about.
    pub credential: Option<String>,
    /// The digest of what was to be approved.
    pub digest: Digest,
    /// The environment of the resource.
    pub environment: SafeText,
    /// The groups, and how many of each had to approve it.
    pub groups: Vec<GroupNeed>,
    /// The policies that demanded it.
    pub policies: Vec<PolicyNote>,
    /// What was asked for.
    pub resource: Resource,
    /// What became of it.
    pub state: TouchedApprovalState,
    /// When the approval was used, in milliseconds since 1970: at the intent of the act.
    pub used_ms: Option<u64>,
    /// The votes, in their order.
    pub votes: Vec<TouchedVote>,
}

/// What became of an approval.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TouchedApprovalState {
    /// Nobody has decided.
    Pending,
    /// It was approved, and was not used so far.
    Approved,
    /// It was approved, and used up by the intent of the act.
    Used,
    /// The run, or the agent, gave the act up.
    Cancelled,
    /// Nobody decided in time.
    Expired,
    /// It was approved, and not used in time.
    Lapsed,
    /// Somebody rejected it.
    Rejected,
    /// It was taken back before it was used.
    Revoked,
    /// The policies changed, so the act was decided again.
    Superseded,
}

/// One vote.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TouchedVote {
    /// When, in milliseconds since 1970.
    pub at: u64,
    /// The fingerprint of the key. `None` if the vote is not signed.
    pub key: Option<SafeText>,
    /// Who, as the configuration names the person.
    pub person: SafeText,
    /// The person's own reason.
    pub reason: SafeText,
    /// What.
    pub vote: Vote,
}

impl TouchedApprovalState {
    /// The word for people.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Approved => "approved",
            Self::Used => "used",
            Self::Cancelled => "cancelled",
            Self::Expired => "expired",
            Self::Lapsed => "lapsed",
            Self::Rejected => "rejected",
            Self::Revoked => "revoked",
            Self::Superseded => "superseded",
        }
    }
}

impl From<ApprovalEnd> for TouchedApprovalState {
    fn from(end: ApprovalEnd) -> Self {
        match end {
            ApprovalEnd::Cancelled => Self::Cancelled,
            ApprovalEnd::Expired => Self::Expired,
            ApprovalEnd::Lapsed => Self::Lapsed,
            ApprovalEnd::Rejected => Self::Rejected,
            ApprovalEnd::Revoked => Self::Revoked,
            ApprovalEnd::Superseded => Self::Superseded,
        }
    }
}

impl TouchedApproval {
    pub(super) fn of(run: RunId, asked: &ApprovalAsked) -> Self {
        let about = match &asked.ask.resource {
            Resource::Credential(credential) => credential.name.as_ref().map(ToString::to_string),
            Resource::Http(_) | Resource::Path(_) | Resource::Several | Resource::Words(_) => None,
        };
        Self {
            approval: ApprovalId { run, op: OpId(asked.op) }.to_string(),
            asked_ms: asked.at,
            credential: asked.bounds.credential.clone().or(about),
            digest: asked.digest,
            environment: asked.environment.clone(),
            groups: asked.needs.groups.clone(),
            policies: asked.needs.policies.clone(),
            resource: asked.ask.resource.clone(),
            state: TouchedApprovalState::Pending,
            used_ms: None,
            votes: Vec::new(),
        }
    }

    /// The same approval, with one more vote and nothing else that is new.
    pub(super) fn voted(&self, voted: &ApprovalVoted) -> Self {
        let key = match &voted.means {
            VoteMeans::Signed { key, .. } => Some(key.clone()),
            VoteMeans::Unsigned => None,
        };
        let vote = TouchedVote { at: voted.at, key, person: voted.person.clone(), reason: voted.reason.clone(), vote: voted.vote };
        let state = match voted.vote {
            Vote::Reject => TouchedApprovalState::Rejected,
            Vote::Approve if voted.approved => TouchedApprovalState::Approved,
            Vote::Approve => self.state,
        };
        Self { state, votes: vec![vote], ..self.clone() }
    }

    pub(super) fn is_it(&self, other: &Self) -> bool {
        (&self.approval, self.digest) == (&other.approval, other.digest)
    }

    /// Adds a later line about the same approval.
    pub(super) fn join(&mut self, later: &Self) {
        self.state = later.state;
        self.used_ms = self.used_ms.or(later.used_ms);
        let room = VOTES_MAX.saturating_sub(self.votes.len());
        self.votes.extend(later.votes.iter().take(room).cloned());
    }
}
