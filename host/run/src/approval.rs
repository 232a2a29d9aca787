//! Votes on acts that are held back.

use gate::{ApprovalState, ClockMark, LoggedBatch, MaySay, OpenApproval, RunPolicies};
use policy::vote::{self, Ballot, CastVote, Question};
use serde::{Deserialize, Serialize};
use vocabulary::record::{ApprovalClosed, ApprovalVoted, Record, RecordKind, VERSION};
use vocabulary::{ApprovalEnd, ApprovalId, Clock as _, Digest, OpId, PolicyRules, Principal, RunId, SafeText, Vote};

use crate::cut_off::{TAKEN_LOOK, TAKEN_LOOKS};
use crate::err::RunError;
use crate::local_host::LocalHost;
use crate::place::held;

/// BOUND: bytes of a person's reason.
const REASON_BYTES_MAX: usize = 1000;

/// A vote that somebody hands in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VoteOrder {
    /// The run that asks.
    pub run: RunId,
    /// The operation that is held back.
    pub op: u64,
    /// The digest of what the person has seen.
    pub digest: Digest,
    /// The name of the person who votes.
    pub person: String,
    /// The person's own reason.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The armoured signature by `ssh-keygen -Y sign`, if the vote is signed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signature: Option<String>,
    /// What the person says.
    pub vote: Vote,
}

/// What an approval lacks after a vote.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VoteReport {
    /// Whether the act is approved now.
    pub approved: bool,
    /// The groups, and how many of their people have approved it.
    pub groups: Vec<GroupVotes>,
    /// Whether the vote is signed.
    pub signed: bool,
}

/// How many of a group have approved.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupVotes {
    /// How many have approved.
    pub approved: u32,
    /// The group.
    pub group: String,
    /// The people who may vote.
    pub may_vote: Vec<String>,
    /// How many must approve.
    pub quorum: u32,
}

/// How many of each group have approved, by the rules of now.
pub fn group_votes(rules: &PolicyRules, question: &Question<'_>) -> Vec<GroupVotes> {
    let may = vote::may_vote(rules, question);
    let of = |need: &vocabulary::GroupNeed| GroupVotes {
        approved: vote::approved_of(rules, question, need),
        group: need.group.clone(),
        may_vote: may.get(&need.group).into_iter().flatten().cloned().collect(),
        quorum: need.quorum,
    };
    question.needs.groups.iter().map(of).collect()
}

impl LocalHost {
    /// Records a vote. It is durable when this returns. With the last vote that was needed, the run continues.
    ///
    /// # Errors
    /// The act is not held back, or not any more; it is another one than the person has seen; the vote does not count; the record can't be
    /// written.
    pub async fn vote(&self, order: &VoteOrder, policies: &RunPolicies, by: &Principal) -> Result<VoteReport, RunError> {
        // Votes are counted one by one, so that two at once don't both find that one is missing.
        let _one = self.inner.voting.lock().await;
        let id = ApprovalId { run: order.run, op: OpId(order.op) };
        let (approval, started_by) = self.pending(id)?;
        if approval.digest != order.digest {
            return Err(RunError::OtherAsk { approval: id, asked: approval.digest, seen: order.digest });
        }
        let rules = &*policies.rules;
        if rules.digest() != approval.policy.set {
            self.close_approval(id, approval.digest, (ApprovalEnd::Superseded, None), Some(policies)).await?;
            return Err(RunError::PoliciesChanged(id));
        }
        let (before, environment) = (approval.cast(), approval.environment.as_str());
        let question = Question { environment, needs: &approval.needs, started_by: &started_by, votes: &before };
        let (digest, signature) = (order.digest, order.signature.as_deref());
        let ballot = Ballot { approval: id, digest, person: &order.person, signature, vote: order.vote, by };
        let means = vote::check(rules, &question, &ballot).map_err(|cause| RunError::Vote { approval: id, cause })?;
        let key = if let vocabulary::VoteMeans::Signed { key, .. } = &means { Some(key.clone()) } else { None };
        let signed = key.is_some();
        let own = CastVote { key, person: order.person.clone(), vote: order.vote };
        let votes: Vec<CastVote> = before.iter().cloned().chain([own]).collect();
        let question = Question { votes: &votes, ..question };
        let approved = order.vote == Vote::Approve && vote::is_met(rules, &question);
        let record = ApprovalVoted {
            approved,
            at: self.inner.clock.unix_ms(),
            by: by.clone(),
            digest: order.digest,
            kind: RecordKind::ApprovalVoted,
            means,
            op: order.op,
            person: SafeText::new(&order.person, 64),
            reason: SafeText::new(order.reason.as_deref().unwrap_or_default(), REASON_BYTES_MAX),
            uptime: self.inner.clock.uptime(),
            v: VERSION,
            vote: order.vote,
        };
        tracing::info!(run = %order.run, op = order.op, person = %record.person, vote = %order.vote, approved, "voted");
        let pending = |state| matches!(state, ApprovalState::Pending { .. });
        self.say(id, record.into(), &MaySay { digest: order.digest, state: &pending }, Some(policies)).await?;
        Ok(VoteReport { approved, groups: group_votes(rules, &question), signed })
    }

    /// Takes back an approval that was not used, or ends one that is pending.
    ///
    /// # Errors
    /// The act is not held back, or not any more; the record can't be written.
    pub async fn revoke_approval(&self, id: ApprovalId, by: &Principal) -> Result<(), RunError> {
        let _one = self.inner.voting.lock().await;
        let (approval, _) = self.open_approval(id)?;
        if let ApprovalState::Ended(end) = approval.state(&self.now_mark()) {
            return Err(RunError::ApprovalOver { approval: id, end });
        }
        self.close_approval(id, approval.digest, (ApprovalEnd::Revoked, Some(by)), None).await
    }

    async fn close_approval(
        &self,
        id: ApprovalId,
        digest: Digest,
        (end, by): (ApprovalEnd, Option<&Principal>),
        policies: Option<&RunPolicies>,
    ) -> Result<(), RunError> {
        let (at, kind) = (self.inner.clock.unix_ms(), RecordKind::ApprovalClosed);
        let record = ApprovalClosed { at, by: by.cloned(), digest, end, kind, op: id.op.0, v: VERSION };
        let open = |state| !matches!(state, ApprovalState::Ended(_));
        self.say(id, record.into(), &MaySay { digest, state: &open }, policies).await
    }

    /// Records what people said about an act, if it is still in such a state. Durable when this returns. The run looks at it.
    ///
    /// Whether it is in that state is decided at the place where the run itself decides, or while nobody can load the run.
    async fn say(&self, id: ApprovalId, record: Record, may: &MaySay<'_>, policies: Option<&RunPolicies>) -> Result<(), RunError> {
        for _ in 0..TAKEN_LOOKS {
            match self.try_say(id, &record, may, policies).await {
                // The run was just loaded or unloaded.
                Err(RunError::Taken(_)) => tokio::time::sleep(TAKEN_LOOK).await,
                said => return self.said(id, said?).await,
            }
        }
        Err(RunError::Taken(id.run))
    }

    /// Returns the state of the act if it is not one in which this may be said. [`RunError::Taken`] if the run is neither in memory nor out of
    /// it at this moment.
    async fn try_say(
        &self,
        id: ApprovalId,
        record: &Record,
        may: &MaySay<'_>,
        policies: Option<&RunPolicies>,
    ) -> Result<Result<LoggedBatch, Option<ApprovalState>>, RunError> {
        let _taken = match self.take_when_free(id.run).await {
            Err(RunError::Running(_)) => {
                let live = held(&self.inner.going).get(&id.run).map(|going| going.live.clone()).ok_or(RunError::Taken(id.run))?;
                return live.say_of_held(id.op, record.clone(), may, policies).map_err(|_| RunError::Taken(id.run));
            }
            taken => taken?,
        };
        let (open, _) = self.open_approval(id)?;
        let state = open.state(&self.now_mark());
        if open.digest == may.digest && (may.state)(state) {
            Ok(Ok(self.inner.gate.append_people(id.run, record.clone())?))
        } else {
            Ok(Err(Some(state)))
        }
    }

    async fn said(&self, id: ApprovalId, said: Result<LoggedBatch, Option<ApprovalState>>) -> Result<(), RunError> {
        match said {
            Ok(appended) => appended.durable.await?,
            Err(Some(ApprovalState::Ended(end))) => return Err(RunError::ApprovalOver { approval: id, end }),
            Err(Some(ApprovalState::Approved { .. } | ApprovalState::Pending { .. })) => return Err(RunError::ApprovedAlready(id)),
            Err(None) => return Err(RunError::NotHeld(id)),
        }
        self.inner.waits_changed.notify_one();
        Ok(())
    }

    /// This moment, but not one before the last that the log knows of.
    pub(crate) fn now_mark(&self) -> ClockMark {
        let now = ClockMark::of(&*self.inner.clock);
        self.inner.gate.with_ledger(|ledger| ledger.not_before(&now))
    }

    /// The open approval, and who started its run.
    fn open_approval(&self, id: ApprovalId) -> Result<(OpenApproval, Principal), RunError> {
        let found = self.inner.gate.with_ledger(|ledger| {
            let open = ledger.open_run(id.run)?;
            Some((open.approval(id.op.0).cloned(), open.by.clone()))
        });
        let (approval, by) = found.ok_or(RunError::NoSuchRun(id.run))?;
        Ok((approval.ok_or(RunError::NotHeld(id))?, by))
    }

    /// An approval about which people may still decide.
    fn pending(&self, id: ApprovalId) -> Result<(OpenApproval, Principal), RunError> {
        let (approval, by) = self.open_approval(id)?;
        match approval.state(&self.now_mark()) {
            ApprovalState::Pending { .. } => Ok((approval, by)),
            ApprovalState::Approved { .. } => Err(RunError::ApprovedAlready(id)),
            ApprovalState::Ended(end) => Err(RunError::ApprovalOver { approval: id, end }),
        }
    }
}
