//! The host's own policies: the one of a staged engagement, and the one of a configuration that has people and no policies.

use std::collections::BTreeMap;
use std::sync::Arc;

use cedar_policy::{Policy, PolicyId};
use serde::Serialize;
use vocabulary::{Digest, Engagement, GroupNeed, PolicyRules, SafeText, Tier, canon, is_name};

use super::fault::PolicyFault;
use super::notes::{Approval, Notes};
use super::types::Types;
use super::{Checked, PolicySet};

/// The policy of a staged engagement.
#[derive(Clone)]
pub(super) struct StagedPolicy {
    pub(super) policy: Policy,
    pub(super) notes: Notes,
    need: GroupNeed,
}

/// What the digest of a set with such a policy is made of.
#[derive(Serialize)]
struct Digested<'a> {
    need: &'a GroupNeed,
    rules: Digest,
    staged: &'a str,
    v: u32,
}

/// Holds back each act that changes something. `None` if the engagement asks nobody, or if the policy can't be made: then such acts are
/// refused (`scope::goes_as_far`).
pub(super) fn policy(engagement: &Engagement) -> Option<StagedPolicy> {
    let need = engagement.approval.clone().filter(|need| engagement.tier == Tier::Staged && is_name(&need.group))?;
    // A person can't give a policy a name with a dot.
    let id = PolicyId::new(format!("engagement.{}", engagement.name));
    let group = &need.group;
    let text = format!("forbid (principal, action in Action::\"mutate\", resource) unless {{ context.approvals.contains(\"{group}\") }};");
    let policy = Policy::parse(Some(id), text).ok()?;
    let why = format!("the engagement {} is staged: people approve each act that changes something", engagement.name);
    let notes = Notes::of_approval(SafeText::new(&why, 500), Approval::of_need(&need));
    Some(StagedPolicy { policy, notes, need })
}

impl StagedPolicy {
    /// The digest of the rules with this policy.
    pub(super) fn digest_with(&self, rules: &PolicyRules) -> Digest {
        let staged = self.policy.id().to_string();
        Digest::of(&canon::to_vec(&Digested { need: &self.need, rules: rules.digest(), staged: &staged, v: 1 }))
    }
}

pub(super) fn set_of_people() -> Result<PolicySet, PolicyFault> {
    let fault = |what: String| PolicyFault { file: "bailiwick.toml".into(), line: 1, what: SafeText::new(&what, 1024) };
    let all = Policy::parse(Some(PolicyId::new("granted")), "permit (principal, action, resource);");
    let all = all.map_err(|err| fault(err.to_string()))?;
    let notes = BTreeMap::from([(all.id().clone(), Notes::default())]);
    Ok(PolicySet(Arc::new(Checked { policies: vec![all], notes, types: Types::read().map_err(fault)? })))
}
