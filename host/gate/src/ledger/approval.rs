//! Approvals that are not over: acts that are held back until people have decided.

use serde::{Deserialize, Serialize};
use vocabulary::record::{ApprovalAsked, ApprovalClosed, ApprovalVoted, Asked, AskedFor, Record, WaitsFor};
use vocabulary::{ApprovalEnd, Bounds, Digest, PolicyBasis, Requirement, SafeText, Vote, VoteMeans};

use super::{Ledger, OpenRun, OrderFaultKind};
use crate::clock::ClockMark;

/// BOUND: rejected acts of a run that are remembered, so that people are not asked the same again.
const REJECTED_MAX: usize = 256;

/// An act that is held back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenApproval {
    /// What was asked.
    pub ask: AskedFor,
    /// When people were asked.
    pub asked: ClockMark,
    /// When it was approved, if it was.
    pub approved: Option<ClockMark>,
    /// The bounds and the rule of the permit that there will be.
    pub bounds: Bounds,
    /// The digest of what is to be approved.
    pub digest: Digest,
    /// How it ended, if it has and the act was not refused yet.
    pub end: Option<ApprovalEnd>,
    /// The environment of the resource.
    pub environment: SafeText,
    /// Who must approve it.
    pub needs: Requirement,
    /// The keyed digest of the ask.
    pub params: Digest,
    /// The policies that demand it.
    pub policy: PolicyBasis,
    /// The votes so far.
    pub votes: Vec<NotedVote>,
}

/// A vote, as the record has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotedVote {
    /// When it was given, in milliseconds since 1970.
    pub at: u64,
    /// The person's own reason; empty if the person gave none.
    pub reason: SafeText,
    /// What counts of it.
    pub cast: policy::vote::CastVote,
}

/// An approval that was used up by an intent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UsedApproval {
    /// When it was approved.
    pub approved: ClockMark,
    /// The digest of what was approved.
    pub digest: Digest,
    /// The environment of the resource.
    pub environment: SafeText,
    /// Who had to approve it.
    pub needs: Requirement,
    /// The digest of the policy set.
    pub set: Digest,
    /// The votes.
    pub votes: Vec<policy::vote::CastVote>,
}

impl UsedApproval {
    /// Whether it could not be used any more.
    pub fn is_over(&self, now: &ClockMark) -> bool {
        self.approved.elapsed_ms(now) >= self.needs.use_within_s.saturating_mul(1000)
    }
}

/// Where an approval stands at some moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ApprovalState {
    /// People may still decide.
    Pending {
        /// For how long, in milliseconds.
        left_ms: u64,
    },
    /// It was approved, and may be used.
    Approved {
        /// For how long, in milliseconds.
        left_ms: u64,
    },
    /// It is over without having been used.
    Ended(ApprovalEnd),
}

impl OpenApproval {
    fn of(asked: &ApprovalAsked) -> Self {
        Self {
            ask: asked.ask.clone(),
            asked: ClockMark { at: asked.at, uptime: asked.uptime.clone() },
            approved: None,
            bounds: asked.bounds.clone(),
            digest: asked.digest,
            end: None,
            environment: asked.environment.clone(),
            needs: asked.needs.clone(),
            params: asked.params,
            policy: asked.policy.clone(),
            votes: Vec::new(),
        }
    }

    /// Where it stands now.
    ///
    /// As long as the machine was not restarted, its uptime says how much time has passed, so setting the clock changes nothing.
    pub fn state(&self, now: &ClockMark) -> ApprovalState {
        let left =
            |since: &ClockMark, within_s: u64| within_s.saturating_mul(1000).checked_sub(since.elapsed_ms(now)).filter(|left| *left > 0);
        match (self.end, &self.approved) {
            (Some(end), _) => ApprovalState::Ended(end),
            (None, Some(approved)) => left(approved, self.needs.use_within_s)
                .map_or(ApprovalState::Ended(ApprovalEnd::Lapsed), |left_ms| ApprovalState::Approved { left_ms }),
            (None, None) => left(&self.asked, self.needs.decide_within_s)
                .map_or(ApprovalState::Ended(ApprovalEnd::Expired), |left_ms| ApprovalState::Pending { left_ms }),
        }
    }

    /// The votes that were given.
    pub fn cast(&self) -> Vec<policy::vote::CastVote> {
        self.votes.iter().map(|vote| vote.cast.clone()).collect()
    }

    /// What an intent notes that uses it up.
    fn used(&self, approved: ClockMark) -> UsedApproval {
        let (environment, needs, votes) = (self.environment.clone(), self.needs.clone(), self.cast());
        UsedApproval { approved, digest: self.digest, environment, needs, set: self.policy.set, votes }
    }
}

impl Ledger {
    /// Notes the time of a record from which the times of approvals are measured.
    pub(super) fn note_latest(&mut self, record: &Record) {
        let at = match record {
            Record::ApprovalAsked(asked) => asked.at,
            Record::ApprovalVoted(voted) => voted.at,
            Record::RunSuspended(suspended) => suspended.at,
            Record::RunResumed(resumed) => resumed.at,
            _ => return,
        };
        self.latest_at = self.latest_at.max(at);
    }
}

impl OpenRun {
    /// The approval that the last intent of an act has used up, as long as the act may be repeated.
    pub fn used_approval(&self, op: u64) -> Option<&UsedApproval> {
        self.pending.get(&op).and_then(|pending| pending.approval.as_ref()).or_else(|| self.used.get(&op))
    }

    /// An act that is held back.
    pub fn approval(&self, op: u64) -> Option<&OpenApproval> {
        self.approvals.get(&op)
    }

    /// For how long the run waits for people at most, in milliseconds: 0 if they have decided about one of its acts. `None` if it does not
    /// wait for people.
    pub(crate) fn people_left_ms(&self, now: &ClockMark) -> Option<u64> {
        let left = |approval: &OpenApproval| match approval.state(now) {
            ApprovalState::Pending { left_ms } => left_ms,
            ApprovalState::Approved { .. } | ApprovalState::Ended(_) => 0,
        };
        self.approvals.values().map(left).min()
    }

    /// For how long the run must stay suspended, in milliseconds; 0 if it can continue. `None` if it is not suspended.
    pub fn wait_left_ms(&self, now: &ClockMark) -> Option<u64> {
        let suspended = self.suspended.as_ref()?;
        Some(match suspended.waits_for {
            WaitsFor::Time { .. } => suspended.left_ms(now),
            // If nothing is held back any more, nothing keeps it from continuing.
            WaitsFor::Person { .. } => self.people_left_ms(now).unwrap_or(0),
        })
    }

    /// How many acts are held back. One that is over, and is just being decided again, does not count.
    pub(crate) fn held_back(&self) -> usize {
        self.approvals.values().filter(|approval| approval.end.is_none()).count()
    }

    /// Whether people have rejected the same ask in this run.
    pub(crate) fn was_rejected(&self, params: Digest) -> bool {
        self.rejected.contains(&params)
    }

    pub(super) fn approval_asked(&mut self, asked: &ApprovalAsked) -> Result<(), OrderFaultKind> {
        let is_new = asked.op > self.last_op;
        let is_again = self.approvals.get(&asked.op).is_some_and(|before| before.end.is_some());
        if !is_new && !is_again {
            return Err(OrderFaultKind::AskedTwice);
        }
        self.last_op = self.last_op.max(asked.op);
        self.approvals.insert(asked.op, OpenApproval::of(asked));
        Ok(())
    }

    pub(super) fn approval_voted(&mut self, voted: &ApprovalVoted) -> Result<(), OrderFaultKind> {
        let open = self.approvals.get_mut(&voted.op).filter(|open| open.digest == voted.digest && open.end.is_none());
        let open = open.ok_or(OrderFaultKind::NoApproval)?;
        let key = match &voted.means {
            VoteMeans::Signed { key, .. } => Some(key.clone()),
            VoteMeans::Unsigned => None,
        };
        let cast = policy::vote::CastVote { key, person: voted.person.to_string(), vote: voted.vote };
        open.votes.push(NotedVote { at: voted.at, reason: voted.reason.clone(), cast });
        if voted.approved {
            open.approved.get_or_insert(ClockMark { at: voted.at, uptime: voted.uptime.clone() });
        }
        if voted.vote == Vote::Reject {
            open.end = Some(ApprovalEnd::Rejected);
            if self.rejected.len() < REJECTED_MAX {
                self.rejected.insert(open.params);
            }
        }
        Ok(())
    }

    pub(super) fn approval_closed(&mut self, closed: &ApprovalClosed) -> Result<(), OrderFaultKind> {
        let open = self.approvals.get_mut(&closed.op).filter(|open| open.digest == closed.digest);
        let open = open.ok_or(OrderFaultKind::NoApproval)?;
        open.end = Some(closed.end);
        if closed.end == ApprovalEnd::Cancelled {
            self.approvals.remove(&closed.op);
        }
        Ok(())
    }

    /// Takes the approval that an intent uses up. An act that is held back may begin only with its approval, or after the approval was
    /// superseded, because the policies do not hold it back any more.
    pub(super) fn use_approval(&mut self, asked: &Asked) -> Result<Option<UsedApproval>, OrderFaultKind> {
        let Some(open) = self.approvals.remove(&asked.op) else {
            // A repeated intent uses the approval of the first one.
            let before = self.used_approval(asked.op).cloned();
            let fits = asked.approval == before.as_ref().map(|used| used.digest);
            return if fits || asked.again { Ok(before) } else { Err(OrderFaultKind::NoApproval) };
        };
        match (asked.approval, open.end, open.approved.clone()) {
            (None, Some(ApprovalEnd::Superseded), _) => Ok(None),
            (Some(digest), None, Some(approved)) if digest == open.digest => Ok(Some(open.used(approved))),
            _ => Err(OrderFaultKind::NoApproval),
        }
    }
}
