//! What became of the acts that were held back, folded from the record: who voted on exactly what, when, by which means and because of
//! which policy.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use vocabulary::record::{ApprovalAsked, ApprovalVoted, Record};
use vocabulary::{ApprovalEnd, ApprovalId, Digest, GroupNeed, OpId, PolicyNote, Principal, RunId, SafeText, Vote, VoteMeans};

use crate::clock::ClockMark;

/// Where an approval stands, or how it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PastState {
    /// People have not decided.
    Pending,
    /// People have approved it, and it was not used yet.
    Approved,
    /// An intent has used it up.
    Used,
    /// The run was ended, or the agent gave the act up.
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

impl PastState {
    /// The word for people and programs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Approved => "approved",
            Self::Used => "used",
            Self::Cancelled => ApprovalEnd::Cancelled.as_str(),
            Self::Expired => ApprovalEnd::Expired.as_str(),
            Self::Lapsed => ApprovalEnd::Lapsed.as_str(),
            Self::Rejected => ApprovalEnd::Rejected.as_str(),
            Self::Revoked => ApprovalEnd::Revoked.as_str(),
            Self::Superseded => ApprovalEnd::Superseded.as_str(),
        }
    }

    /// Whether nothing can change it any more.
    pub const fn is_over(self) -> bool {
        !matches!(self, Self::Pending | Self::Approved)
    }
}

impl From<ApprovalEnd> for PastState {
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

/// An act that was held back. A later version may add fields.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PastApproval {
    /// The agent's name.
    pub agent: SafeText,
    /// The name: `RUN-OP`.
    pub approval: String,
    /// When people were asked, in milliseconds since 1970.
    pub asked_ms: u64,
    /// What was asked for.
    pub asks: SafeText,
    /// Who ended it, if a person did so without a vote.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<Principal>,
    /// How long people took until they had approved or rejected it, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decided_after_ms: Option<u64>,
    /// The digest of what was to be approved.
    pub digest: Digest,
    /// When it ended, in milliseconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_ms: Option<u64>,
    /// The environment of the resource.
    pub environment: SafeText,
    /// The groups, and how many of each had to approve.
    pub groups: Vec<GroupNeed>,
    /// The number of the operation.
    pub op: u64,
    /// The policies that demanded it, with their reasons.
    pub policies: Vec<PolicyNote>,
    /// The run.
    pub run: RunId,
    /// Where it stands, or how it ended.
    pub state: PastState,
    /// The votes, in their order.
    pub votes: Vec<PastVote>,
    #[serde(skip)]
    asked: Option<ClockMark>,
}

/// One vote.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PastVote {
    /// How long after people were asked, in milliseconds.
    pub after_ms: u64,
    /// When, in milliseconds since 1970.
    pub at: u64,
    /// The user of the machine who handed it in.
    pub by: Principal,
    /// The fingerprint of the key. Absent if the vote is not signed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<SafeText>,
    /// Who voted, as the configuration names the person.
    pub person: SafeText,
    /// The person's own reason.
    #[serde(default, skip_serializing_if = "SafeText::is_empty")]
    pub reason: SafeText,
    /// What the person said.
    pub vote: Vote,
}

/// What a record has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PastStep {
    /// People were asked.
    Asked,
    /// A person voted.
    Voted,
    /// It ended: it was used, or it can't be used any more.
    Ended,
}

/// The fold of the records of one run or of many.
#[derive(Clone, Debug)]
pub struct PastApprovals {
    /// The approvals, in the order in which people were asked.
    pub all: Vec<PastApproval>,
    /// How many more there were than there was room for.
    pub more: u64,
    agents: BTreeMap<RunId, SafeText>,
    /// The places of those that are not over, by run and operation.
    open: BTreeMap<(RunId, u64), usize>,
    most: usize,
}

impl Default for PastApprovals {
    fn default() -> Self {
        Self::bounded(usize::MAX)
    }
}

impl PastApprovals {
    /// A fold that keeps this many approvals, and counts the others.
    pub fn bounded(most: usize) -> Self {
        Self { all: Vec::new(), more: 0, agents: BTreeMap::new(), open: BTreeMap::new(), most }
    }

    /// Adds one record of a run. Returns the approvals that it changed, by their places in `all`.
    pub fn take(&mut self, run: RunId, record: &Record) -> Vec<(usize, PastStep)> {
        match record {
            Record::RunOpened(opened) => drop(self.agents.insert(run, opened.agent.name.clone())),
            Record::ApprovalAsked(asked) => return self.asked(run, asked).into_iter().collect(),
            Record::ApprovalVoted(voted) => return self.voted(run, voted),
            Record::ApprovalClosed(closed) => {
                let by = closed.by.clone();
                return self.ended((run, closed.op), closed.end.into(), closed.at, by).into_iter().collect();
            }
            Record::Asked(asked) if asked.approval.is_some() => {
                return self.ended((run, asked.op), PastState::Used, asked.at, None).into_iter().collect();
            }
            Record::Refused(refused) => {
                return self.ended((run, refused.op), PastState::Cancelled, refused.at, None).into_iter().collect();
            }
            Record::RunClosed(closed) => {
                self.agents.remove(&run);
                let left: Vec<u64> = self.open.range((run, 0)..=(run, u64::MAX)).map(|((_, op), _)| *op).collect();
                return left.into_iter().filter_map(|op| self.ended((run, op), PastState::Cancelled, closed.at, None)).collect();
            }
            _ => {}
        }
        Vec::new()
    }

    fn asked(&mut self, run: RunId, asked: &ApprovalAsked) -> Option<(usize, PastStep)> {
        if self.all.len() >= self.most {
            self.more += 1;
            return None;
        }
        let at = self.all.len();
        self.all.push(PastApproval {
            agent: self.agents.get(&run).cloned().unwrap_or_else(|| SafeText::new("unknown", 64)),
            approval: ApprovalId { run, op: OpId(asked.op) }.to_string(),
            asked: Some(ClockMark { at: asked.at, uptime: asked.uptime.clone() }),
            asked_ms: asked.at,
            asks: SafeText::new(&asked.ask.resource.to_string(), 4096),
            by: None,
            decided_after_ms: None,
            digest: asked.digest,
            ended_ms: None,
            environment: asked.environment.clone(),
            groups: asked.needs.groups.clone(),
            op: asked.op,
            policies: asked.needs.policies.clone(),
            run,
            state: PastState::Pending,
            votes: Vec::new(),
        });
        self.open.insert((run, asked.op), at);
        Some((at, PastStep::Asked))
    }

    fn voted(&mut self, run: RunId, voted: &ApprovalVoted) -> Vec<(usize, PastStep)> {
        let Some(at) = self.open.get(&(run, voted.op)).copied() else { return Vec::new() };
        let Some(past) = self.all.get_mut(at).filter(|past| past.digest == voted.digest) else { return Vec::new() };
        let now = ClockMark { at: voted.at, uptime: voted.uptime.clone() };
        let after_ms = past.asked.as_ref().map_or(0, |asked| asked.elapsed_ms(&now));
        let key = if let VoteMeans::Signed { key, .. } = &voted.means { Some(key.clone()) } else { None };
        let (by, person, reason) = (voted.by.clone(), voted.person.clone(), voted.reason.clone());
        past.votes.push(PastVote { after_ms, at: voted.at, by, key, person, reason, vote: voted.vote });
        if voted.approved && past.state == PastState::Pending {
            (past.state, past.decided_after_ms) = (PastState::Approved, Some(after_ms));
        }
        let mut steps = vec![(at, PastStep::Voted)];
        if voted.vote == Vote::Reject {
            past.decided_after_ms.get_or_insert(after_ms);
            steps.extend(self.ended((run, voted.op), PastState::Rejected, voted.at, None));
        }
        steps
    }

    fn ended(&mut self, of: (RunId, u64), state: PastState, at_ms: u64, by: Option<Principal>) -> Option<(usize, PastStep)> {
        let at = self.open.remove(&of)?;
        let past = self.all.get_mut(at)?;
        (past.state, past.ended_ms, past.by) = (state, Some(at_ms), by);
        Some((at, PastStep::Ended))
    }
}
