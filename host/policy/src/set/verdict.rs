//! The three answers of a policy set.

use std::collections::{BTreeMap, BTreeSet};

use cedar_policy::{AuthorizationError, Authorizer, PolicyId};
use vocabulary::{Act, Grants, GroupNeed, PolicyBasis, PolicyNote, Reason, Requirement, SafeText};

use super::AgentPolicies;
use super::action::Action;
use super::asked::Question;
use super::notes::Approval;
use super::policy_facts::PolicyFacts;
use super::reads::Reads;

/// BOUND: policies that a decision names.
const NAMED_MAX: usize = 32;

/// The stack on which policies are evaluated.
const STACK_BYTES: usize = 1 << 20;

/// The answer of a policy set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is permitted by these policies.
    Permit(PolicyBasis),
    /// It is permitted once people have approved it. These policies demand that.
    Hold(PolicyBasis, Requirement),
    /// It is refused.
    Refuse(PolicyBasis, Reason),
}

/// What Cedar says.
struct Said {
    allows: bool,
    policies: Vec<PolicyId>,
}

impl AgentPolicies {
    /// The digest of the set.
    pub fn digest(&self) -> vocabulary::Digest {
        self.digest
    }

    /// What the policies of an action read.
    pub(super) fn reads(&self, action: Action) -> Reads {
        self.reads.get(&action).copied().unwrap_or_default()
    }

    /// Decides about an act that the grants cover. `credential` is the one that the host adds to a request, and `approved` has the groups
    /// that have approved exactly this act.
    pub fn decide(&self, grants: &Grants, facts: &PolicyFacts, asked: (&Act, Option<&str>), approved: &BTreeSet<String>) -> Verdict {
        // Cedar measures how much of the stack is left, and refuses to evaluate if it can't. A guest's call runs on a stack of the engine,
        // which it can't measure.
        let decide = || self.question(grants, facts, asked).and_then(|question| self.answer(&question, approved));
        let decided = stacker::grow(STACK_BYTES, decide);
        decided.unwrap_or_else(|reason| Verdict::Refuse(self.basis(&[]), reason))
    }

    fn answer(&self, question: &Question, approved: &BTreeSet<String>) -> Result<Verdict, Reason> {
        let said = self.said(question, approved)?;
        let basis = self.basis(&said.policies);
        if said.allows {
            return Ok(Verdict::Permit(basis));
        }
        if said.policies.is_empty() {
            return Ok(Verdict::Refuse(basis, Reason::PolicyPermitsNothing));
        }
        let forbidden = |basis: PolicyBasis| {
            let reason = Reason::PolicyForbids(basis.policies.clone());
            Verdict::Refuse(basis, reason)
        };
        let approvals: Option<Vec<(&PolicyId, &Approval)>> =
            said.policies.iter().map(|id| Some((id, self.checked.notes.get(id)?.approval.as_ref()?))).collect();
        let Some(approvals) = approvals else { return Ok(forbidden(basis)) };
        // People are asked only if their yes would be enough.
        let with: BTreeSet<String> = approved.iter().cloned().chain(approvals.iter().map(|(_, approval)| approval.group.clone())).collect();
        if with == *approved || !self.said(question, &with)?.allows {
            return Ok(forbidden(basis));
        }
        Ok(Verdict::Hold(basis, self.requirement(&approvals)))
    }

    /// SECURITY: Cedar leaves out a policy that fails, so one that fails refuses the act.
    fn said(&self, question: &Question, approved: &BTreeSet<String>) -> Result<Said, Reason> {
        let (request, entities) = question.ask(approved)?;
        let none = cedar_policy::PolicySet::new();
        let slice = self.slices.get(&question.action).unwrap_or(&none);
        let response = Authorizer::new().is_authorized(&request, slice, entities);
        if let Some(AuthorizationError::PolicyEvaluationError(err)) = response.diagnostics().errors().next() {
            return Err(Reason::PolicyFails(SafeText::new(err.policy_id().as_ref(), 64)));
        }
        let mut policies: Vec<PolicyId> = response.diagnostics().reason().cloned().collect();
        policies.sort();
        Ok(Said { allows: response.decision() == cedar_policy::Decision::Allow, policies })
    }

    fn basis(&self, policies: &[PolicyId]) -> PolicyBasis {
        let policies = policies.iter().take(NAMED_MAX).map(|id| SafeText::new(id.as_ref(), 64)).collect();
        PolicyBasis { policies, set: self.digest }
    }

    /// The union of what several policies demand: all groups, the larger quorums, the shorter times.
    fn requirement(&self, approvals: &[(&PolicyId, &Approval)]) -> Requirement {
        let mut groups: BTreeMap<&str, u32> = BTreeMap::new();
        for (_, approval) in approvals {
            let quorum = groups.entry(approval.group.as_str()).or_default();
            *quorum = approval.quorum.max(*quorum);
        }
        let least = |of: fn(&Approval) -> u64| approvals.iter().map(|(_, approval)| of(approval)).min().unwrap_or_default();
        let note = |id: &PolicyId| {
            let why = self.checked.notes.get(id).map(|notes| notes.why.clone()).unwrap_or_default();
            PolicyNote { id: SafeText::new(id.as_ref(), 64), why }
        };
        Requirement {
            decide_within_s: least(|approval| approval.decide_within_s),
            groups: groups.into_iter().map(|(group, quorum)| GroupNeed { group: group.to_owned(), quorum }).collect(),
            policies: approvals.iter().take(NAMED_MAX).map(|(id, _)| note(id)).collect(),
            use_within_s: least(|approval| approval.use_within_s),
        }
    }
}
