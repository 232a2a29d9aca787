//! Acts that are held back until people have approved them.
//!
//! INVARIANT: an approval is used up by the record of the intent itself, so a crash never leaves an approval that was used and can be used
//! again.

use std::collections::BTreeSet;
use std::sync::{Arc, PoisonError};

use policy::vote::{self, CastVote};
use policy::{AgentPolicies, DecisionCache, PolicyAgent, PolicyFacts, PolicySet};
use vocabulary::record::{ApprovalAsked, ApprovalClosed, Record, RecordKind, Refused, VERSION};
use vocabulary::{
    Act, ApprovalEnd, ApprovalSubject, Ask, Bound, Bounds, Digest, Hold, HttpAsk, OpId, PolicyBasis, PolicyRules, Reason, Requirement,
    SafeText, Stop,
};

use super::held::{Attempt, with_payloads};
use super::judge::{Judged, Verdict};
use super::{LockedRun, Moment, RunGate};
use crate::clock::ClockMark;
use crate::ledger::{ApprovalState, OpenApproval, UsedApproval};
use crate::log::LoggedBatch;
use crate::named::asked_of;
use crate::run_header::RunHeader;
use crate::settling::told;

/// BOUND: acts of one agent that may be held back at once, in all of its runs. More are refused, so that nobody is flooded with cards.
const HELD_MAX: usize = 64;

/// The policies that a run is subject to, and the people who may vote.
#[derive(Clone, Debug)]
pub struct RunPolicies {
    /// The policies and the people, as the configuration has them.
    pub rules: Arc<PolicyRules>,
    /// The policies as they were read.
    pub set: PolicySet,
}

/// The policies of one run.
pub(crate) struct OwnPolicies {
    pub(crate) cache: DecisionCache,
    pub(crate) policies: AgentPolicies,
    pub(crate) rules: Arc<PolicyRules>,
}

impl OwnPolicies {
    pub(crate) fn of(header: &RunHeader, of: &RunPolicies) -> Self {
        let agent = PolicyAgent { digest: header.spec.agent.digest, name: header.spec.agent.name.as_str(), started_by: &header.by };
        Self { cache: DecisionCache::default(), policies: of.set.for_agent(&of.rules, &agent), rules: Arc::clone(&of.rules) }
    }
}

/// Of which act something is said, and in which of its states that may be said.
pub struct MaySay<'a> {
    /// The digest of what is to be approved.
    pub digest: Digest,
    /// Whether it may be said in this state.
    pub state: &'a (dyn Fn(ApprovalState) -> bool + Sync),
}

/// The approval with which an act is decided.
#[derive(Clone, Debug, Default)]
pub(super) struct With {
    /// The groups that have approved exactly this act.
    pub(super) groups: BTreeSet<String>,
    /// The digest of the approval that the intent uses up.
    pub(super) digest: Option<Digest>,
}

/// What is recorded when an act is held back.
pub(super) struct Asking {
    record: ApprovalAsked,
    /// The request, as people see it.
    request: Vec<Vec<u8>>,
}

impl RunGate {
    /// Looks again at an act that is held back. Returns `None` as long as people may still decide.
    ///
    /// # Errors
    /// Only what ends the run.
    pub(crate) fn judge_held(&self, op: OpId, act: Act) -> Result<Option<Judged>, Stop> {
        let mut held = self.lock();
        held.check_open()?;
        held.judge_held(op, act)
    }

    /// For how long the run waits for people at most, in milliseconds; `None` if it does not wait for them.
    pub(crate) fn people_left_ms(&self) -> Option<u64> {
        let now = ClockMark::of(&**self.clock());
        let ledger = self.0.book.ledger();
        ledger.open_run(self.0.header.run)?.people_left_ms(&ledger.not_before(&now))
    }

    /// Replaces the policies of a run that is in memory by those of now.
    pub(crate) fn set_policies(&self, policies: &RunPolicies) {
        let own = OwnPolicies::of(&self.0.header, policies);
        *self.0.policies.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(own));
    }

    /// Records what people said about an act that is held back, if it is still in such a state. Returns the state if it is not.
    ///
    /// # Errors
    /// Only what ends the run.
    pub(crate) fn say_of_held(
        &self,
        op: OpId,
        record: Record,
        may: &MaySay<'_>,
    ) -> Result<Result<LoggedBatch, Option<ApprovalState>>, Stop> {
        let mut held = self.lock();
        held.check_open()?;
        let now = ClockMark::of(&**self.clock());
        let state = {
            let ledger = self.0.book.ledger();
            let open = ledger.open_run(held.run()).and_then(|open| open.approval(op.0));
            open.filter(|open| open.digest == may.digest).map(|open| open.state(&ledger.not_before(&now)))
        };
        match state {
            Some(state) if (may.state)(state) => held.append_one(record).map(Ok),
            other => Ok(Err(other)),
        }
    }

    /// Gives up an act that is held back: the agent has lost interest in it.
    ///
    /// # Errors
    /// Only what ends the run.
    pub(crate) fn cancel_held(&self, op: OpId) -> Result<(), Stop> {
        let mut held = self.lock();
        match held.approval(op) {
            Some(approval) => held.close_approval(op, approval.digest, ApprovalEnd::Cancelled),
            None => Ok(()),
        }
    }
}

impl LockedRun<'_> {
    /// What policies may know at this moment.
    pub(super) fn policy_facts(&self, now_unix_s: u64) -> PolicyFacts {
        let shared = self.shared();
        let (acts, proved) = {
            let ledger = shared.book.ledger();
            ledger.open_run(self.run()).map(|open| (open.asked, open.proved.clone())).unwrap_or_default()
        };
        PolicyFacts {
            acts,
            calls_left: shared.header.spec.limits.asks.saturating_sub(self.inner.next_op.saturating_sub(1)),
            now_unix_s,
            proved,
            run: Some(self.run()),
        }
    }

    /// The policies behind the grants, as they are now.
    pub(super) fn policies(&self) -> Option<Arc<OwnPolicies>> {
        self.shared().policies.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The approval that an earlier intent of the same act has used up. It covers the repetition too, as long as it could still be used: the
    /// policies are the same, its time is not over, and those who gave it may still vote.
    pub(super) fn used_approval(&self, op: OpId) -> Result<Option<UsedApproval>, ApprovalEnd> {
        let now = ClockMark::of(&*self.shared().clock);
        let found = {
            let ledger = self.shared().book.ledger();
            let used = ledger.open_run(self.run()).and_then(|open| open.used_approval(op.0).cloned());
            used.map(|used| (used.is_over(&ledger.not_before(&now)), used))
        };
        let Some((is_over, used)) = found else { return Ok(None) };
        let own = self.policies();
        if own.as_ref().map(|own| own.policies.digest()) != Some(used.set) {
            return Err(ApprovalEnd::Superseded);
        }
        match (is_over, self.is_met(&used.needs, &used.environment, &used.votes)) {
            (true, _) => Err(ApprovalEnd::Lapsed),
            (false, false) => Err(ApprovalEnd::Revoked),
            (false, true) => Ok(Some(used)),
        }
    }

    /// Whether enough people have approved, by the rules of now.
    fn is_met(&self, needs: &Requirement, environment: &SafeText, votes: &[CastVote]) -> bool {
        let started_by = &self.shared().header.by;
        let question = vote::Question { environment: environment.as_str(), needs, started_by, votes };
        self.policies().is_some_and(|own| vote::is_met(&own.rules, &question))
    }

    /// Decides about an act for which people have met this requirement.
    ///
    /// SECURITY: what has to be met is what is demanded now. It may be more than what people were asked for: facts change.
    pub(super) fn approved_verdict(&self, act: &Act, attempt: Attempt, (needs, digest): (&Requirement, Digest)) -> (Verdict, With) {
        let none = With::default();
        match self.verdict(act, attempt, &none) {
            Verdict::Held(hold, _) if hold.needs.groups == needs.groups => {
                let with = With { groups: needs.groups.iter().map(|need| need.group.clone()).collect(), digest: Some(digest) };
                (self.verdict(act, attempt, &with), with)
            }
            other => (other, none),
        }
    }

    fn approval(&self, op: OpId) -> Option<OpenApproval> {
        self.shared().book.ledger().open_run(self.run()).and_then(|open| open.approval(op.0).cloned())
    }

    /// How many acts of this agent are held back now, in all of its runs.
    fn held_of_agent(&self) -> usize {
        let agent = &self.shared().header.spec.agent.name;
        let ledger = self.shared().book.ledger();
        ledger.open_runs().filter(|(_, open)| open.agent == *agent).map(|(_, open)| open.held_back()).sum()
    }

    /// The digest of what is to be approved.
    fn subject(&self, op: OpId, act: &Act, (bounds, policy, asked_at): (&Bounds, Digest, u64)) -> Digest {
        let header = &self.shared().header;
        ApprovalSubject {
            agent: header.spec.agent.digest,
            asked_at,
            bounds,
            environment: &self.environment(act),
            function: act.function(),
            op: op.0,
            params: self.keyed(&act.canonical_bytes()),
            policy,
            run: header.run,
            v: VERSION,
        }
        .digest()
    }

    /// The environment of an act, for people and for the rule about votes that are not signed.
    fn environment(&self, act: &Act) -> String {
        policy::environments(&self.shared().header.spec.grants, act).into_iter().collect::<Vec<_>>().join(" and ")
    }

    /// What is recorded when an act is held back. `Err` if nobody can be asked, or people have rejected the same before.
    pub(super) fn asking(&mut self, op: OpId, act: &Act, (hold, basis): (Hold, PolicyBasis)) -> Result<Asking, Reason> {
        let Hold { bounds, needs } = hold;
        let params = self.keyed(&act.canonical_bytes());
        let environment = self.environment(act);
        if let Some(reason) = self.not_to_be_asked(params, &environment, &needs) {
            return Err(reason);
        }
        let http: Option<&HttpAsk> = if let Act::Http(http) = act { Some(http) } else { None };
        let request = self.shown_request(http, act)?;
        let at = self.now_ms();
        let digest = self.subject(op, act, (&bounds, basis.set, at));
        let record = ApprovalAsked {
            ask: self.told(asked_of(act.function(), act.resource()), http),
            at,
            bounds,
            digest,
            environment: SafeText::new(&environment, 256),
            kind: RecordKind::ApprovalAsked,
            needs,
            op: op.0,
            params,
            policy: basis,
            spent_ms: self.spent_ms(),
            uptime: self.shared().clock.uptime(),
            v: VERSION,
        };
        Ok(Asking { record, request })
    }

    /// The request as people see it. What can't be kept can't be shown, so nobody is asked about it.
    fn shown_request(&mut self, http: Option<&HttpAsk>, act: &Act) -> Result<Vec<Vec<u8>>, Reason> {
        let Some(http) = http else { return Ok(Vec::new()) };
        let nobody = |why: &str| Reason::NobodyToAsk(SafeText::new(why, 300));
        let body = SafeText::from_bytes(&http.body, usize::MAX);
        if self.shared().stars.get().is_some_and(|star| star(&body) != body) {
            return Err(nobody("its body holds the value of a credential"));
        }
        let request = self.kept_request(true, act.canonical_bytes(), Attempt::First);
        if request.is_empty() { Err(nobody("it is too large to be kept, so nobody could see what is approved")) } else { Ok(request) }
    }

    /// Records that people are asked.
    pub(super) fn hold(&mut self, asking: Asking) -> Result<(), Stop> {
        let Asking { record, request } = asking;
        tracing::info!(parent: self.gate.span(), op = record.op, resource = %record.ask.resource, digest = %record.digest, "held back");
        // It becomes durable before the run is suspended, and before any vote.
        self.append(vec![with_payloads(record.into(), request)]).map(drop)
    }

    fn not_to_be_asked(&self, params: Digest, environment: &str, needs: &Requirement) -> Option<Reason> {
        let shared = self.shared();
        let was_rejected = shared.book.ledger().open_run(self.run()).is_some_and(|open| open.was_rejected(params));
        if was_rejected {
            return Some(Reason::NotApproved(ApprovalEnd::Rejected));
        }
        let nobody = |why: &str| Some(Reason::NobodyToAsk(SafeText::new(why, 300)));
        if !self.inner.resumable {
            return nobody("this run saw too much to be kept, so it can't wait");
        }
        if shared.header.by.name.is_none() {
            return nobody("the account that started the run has no name, so it is not known who may not vote");
        }
        let Some(own) = self.policies() else { return nobody("the policies were not read") };
        let question = vote::Question { environment, needs, started_by: &shared.header.by, votes: &[] };
        if let Some(why) = vote::nobody_to_ask(&own.rules, &question) {
            return Some(Reason::NobodyToAsk(why));
        }
        (self.held_of_agent() >= HELD_MAX).then_some(Reason::OverLimit(Bound::Approvals))
    }

    fn close_approval(&mut self, op: OpId, digest: Digest, end: ApprovalEnd) -> Result<(), Stop> {
        let record = ApprovalClosed { at: self.now_ms(), by: None, digest, end, kind: RecordKind::ApprovalClosed, op: op.0, v: VERSION };
        self.append_one(record).map(drop)
    }

    fn judge_held(&mut self, op: OpId, act: Act) -> Result<Option<Judged>, Stop> {
        // A process that leaves the home writes no new intent. The next one decides.
        if self.inner.asks_no_more {
            return Ok(None);
        }
        let now = self.shared().book.ledger().not_before(&ClockMark::of(&*self.shared().clock));
        let Some(approval) = self.approval(op) else {
            return self.refuse_known(op, &act, Reason::NotApproved(ApprovalEnd::Cancelled), None).map(Some);
        };
        // SECURITY: rules of now apply. If they are others than those that people were asked under, the act is decided again.
        let set = self.policies().map(|own| own.policies.digest());
        let is_current = set == Some(approval.policy.set);
        match approval.state(&now) {
            ApprovalState::Pending { .. } if is_current => Ok(None),
            // It was noticed when somebody voted.
            ApprovalState::Ended(ApprovalEnd::Superseded) => self.decide_again(op, act, None),
            ApprovalState::Ended(end) => {
                if approval.end.is_none() {
                    self.close_approval(op, approval.digest, end)?;
                }
                self.refuse_known(op, &act, Reason::NotApproved(end), Some(approval.policy)).map(Some)
            }
            ApprovalState::Approved { .. } if is_current => self.use_approval(op, act, &approval),
            ApprovalState::Pending { .. } | ApprovalState::Approved { .. } => self.decide_again(op, act, Some(approval.digest)),
        }
    }

    /// Uses an approval: everything is decided once more with it. Votes of people who may not vote any more do not count.
    fn use_approval(&mut self, op: OpId, act: Act, approval: &OpenApproval) -> Result<Option<Judged>, Stop> {
        // It waits for its turn, and the approval is not spent on a refusal.
        if self.inner.ops.len() as u64 >= self.shared().header.spec.limits.concurrent {
            return Ok(None);
        }
        if !self.is_met(&approval.needs, &approval.environment, &approval.cast()) {
            self.close_approval(op, approval.digest, ApprovalEnd::Revoked)?;
            let reason = Reason::NotApproved(ApprovalEnd::Revoked);
            return self.refuse_known(op, &act, reason, Some(approval.policy.clone())).map(Some);
        }
        let subject = |bounds: &Bounds| self.subject(op, &act, (bounds, approval.policy.set, approval.asked.at));
        match self.approved_verdict(&act, Attempt::Held, (&approval.needs, approval.digest)) {
            (Verdict::Allowed(allowed), with) if with.digest.is_some() && subject(&allowed.bounds) == approval.digest => {
                match self.take_rates(&act, Attempt::Held, &allowed.bounds) {
                    Ok(()) => self.permit(op, act, (Attempt::Held, with), *allowed).map(Some),
                    Err(reason) => self.refuse_approved(op, &act, approval.digest, (reason, allowed.policy)),
                }
            }
            (Verdict::Allowed(_) | Verdict::Held(..), _) => self.decide_again(op, act, Some(approval.digest)),
            (Verdict::Refused(reason, basis), _) => self.refuse_approved(op, &act, approval.digest, (reason, basis)),
        }
    }

    /// Refuses an act that people have approved.
    fn refuse_approved(
        &mut self,
        op: OpId,
        act: &Act,
        digest: Digest,
        (reason, basis): (Reason, Option<PolicyBasis>),
    ) -> Result<Option<Judged>, Stop> {
        self.close_approval(op, digest, ApprovalEnd::Superseded)?;
        self.refuse_known(op, act, reason, basis).map(Some)
    }

    /// Decides an act again, as if it were asked now. `before` is the approval that is still open. Returns `None` if it is held back again.
    fn decide_again(&mut self, op: OpId, act: Act, before: Option<Digest>) -> Result<Option<Judged>, Stop> {
        if let Some(digest) = before {
            self.close_approval(op, digest, ApprovalEnd::Superseded)?;
        }
        let with = With::default();
        match self.verdict(&act, Attempt::Held, &with) {
            Verdict::Allowed(allowed) => match self.take_rates(&act, Attempt::Held, &allowed.bounds) {
                Ok(()) => self.permit(op, act, (Attempt::Held, with), *allowed).map(Some),
                Err(reason) => self.refuse_known(op, &act, reason, allowed.policy).map(Some),
            },
            Verdict::Refused(reason, basis) => self.refuse_known(op, &act, reason, basis).map(Some),
            Verdict::Held(hold, basis) => match self.asking(op, &act, (*hold, basis.clone())) {
                Ok(asking) => self.hold(asking).map(|()| None),
                Err(reason) => self.refuse_known(op, &act, reason, Some(basis)).map(Some),
            },
        }
    }

    /// Records the refusal of an act that is on the record already: it was held back, or has an intent. It is not counted with others that
    /// are alike, because only a refusal with its number ends it.
    pub(super) fn refuse_known(&mut self, op: OpId, act: &Act, reason: Reason, policy: Option<PolicyBasis>) -> Result<Judged, Stop> {
        let fault = told(act.kind(), &reason);
        let http: Option<&HttpAsk> = if let Act::Http(http) = act { Some(http) } else { None };
        let ask = self.told(asked_of(act.function(), act.resource()), http);
        self.inner.tally.refused += 1;
        self.shared().watcher.on_refused(&ask, &reason);
        tracing::info!(parent: self.gate.span(), op = op.0, resource = %ask.resource, reason = reason.code(), "refused");
        self.flush(Moment::Host)?;
        let params = self.keyed(&Ask::from(act.clone()).canonical_bytes());
        let (kind, spent_ms, at) = (RecordKind::Refused, self.spent_ms(), self.now_ms());
        self.put(Refused { alike: 1, ask, at, counted: None, kind, op: op.0, params, policy, reason, spent_ms, v: VERSION }, Vec::new())?;
        Ok(Judged::Refused { op, fault })
    }
}
