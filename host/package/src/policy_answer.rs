//! What a configuration would answer to an act: its grants, and the policies behind them.

use std::collections::BTreeSet;

use policy::{DecisionCache, Facts, PolicyAgent, Under};
use serde::{Deserialize, Serialize};
use vocabulary::{Act, Decision, Digest, Principal};

use crate::config::Resolved;

pub use policy::PolicyFacts;

/// The answers of a policy set, as cases name them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum PolicyAnswer {
    /// It is permitted.
    Permit,
    /// It is held back until people have approved it.
    Approval,
    /// It is refused.
    Refuse,
}

impl std::fmt::Display for PolicyAnswer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Permit => "permit",
            Self::Approval => "approval",
            Self::Refuse => "refuse",
        })
    }
}

/// Who asks, and under which circumstances.
#[derive(Clone, Copy, Debug)]
pub struct PolicyQuestion<'a> {
    /// The name of the agent in the configuration.
    pub agent: &'a str,
    /// The groups that have approved exactly this act.
    pub approvals: &'a BTreeSet<String>,
    /// The digest of the component.
    pub component: Digest,
    /// What the host knows at that moment.
    pub facts: &'a PolicyFacts,
    /// Who started the run.
    pub started_by: &'a Principal,
}

/// An answer, and what determined it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct PolicyAnswered {
    /// The answer.
    pub answer: PolicyAnswer,
    /// The policies that determined it.
    pub policies: Vec<String>,
    /// Why it is refused, if it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// What this configuration would answer. `None` if it has no such agent.
pub fn answer(resolved: &Resolved, question: &PolicyQuestion<'_>, act: &Act) -> Option<PolicyAnswered> {
    let grants = &resolved.agents.get(question.agent)?.grants;
    let who = PolicyAgent { digest: question.component, name: question.agent, started_by: question.started_by };
    let policies = grants.policy.as_ref().zip(resolved.policy.as_ref()).map(|(rules, section)| section.set.for_agent(rules, &who));
    let cache = DecisionCache::default();
    let under = policies.as_ref().map(|policies| Under { approved: question.approvals, cache: &cache, facts: question.facts, policies });
    let facts = Facts { now_unix_s: question.facts.now_unix_s, ..Facts::default() };
    let decided = policy::decide_act(grants, under, (facts, &[]), act);
    let (answer, reason) = match decided.as_ref().map(|decided| &decided.decision) {
        Ok(Decision::Permit(_)) => (PolicyAnswer::Permit, None),
        Ok(Decision::Hold(_)) => (PolicyAnswer::Approval, None),
        Ok(Decision::Refuse(reason)) | Err(reason) => (PolicyAnswer::Refuse, Some(reason.to_string())),
    };
    let basis = decided.ok().and_then(|decided| decided.policy);
    let policies = basis.map(|basis| basis.policies.iter().map(ToString::to_string).collect()).unwrap_or_default();
    Some(PolicyAnswered { answer, policies, reason })
}
