//! Policies behind the grants: text in the language Cedar, checked when it is read, and evaluated for each act that the grants cover.
//!
//! A policy set has three answers. An act is permitted if a policy permits it and none forbids it. It is held back if only policies with
//! `@approval` forbid it, and it would be permitted if people approved. Everything else is refused.
//!
//! INVARIANT: what can't be evaluated is refused. Cedar itself leaves a policy out that fails, even a `forbid`.

mod action;
mod asked;
mod cache;
mod fault;
mod fields;
mod notes;
mod policy_facts;
mod read;
mod reads;
mod schema;
mod types;
mod verdict;

use std::collections::BTreeMap;
use std::sync::Arc;

use cedar_policy::{ActionConstraint, Entity, EntityUid, PolicyId, PrincipalConstraint};
use vocabulary::{Digest, Person, PolicyFile, PolicyRules, Principal};

pub use action::{Action, schema_text};
pub(crate) use asked::starter;
pub use asked::{Unclear, environments};
pub use cache::DecisionCache;
pub use fault::PolicyFault;
pub use policy_facts::PolicyFacts;
pub use verdict::Verdict;

use asked::agent_entities;
use notes::Notes;
use reads::Reads;
use types::{Type, Types};

/// A policy set that was read and checked. It is for no single agent.
#[derive(Clone)]
pub struct PolicySet(Arc<Checked>);

struct Checked {
    policies: Vec<cedar_policy::Policy>,
    notes: BTreeMap<PolicyId, Notes>,
    types: Types,
}

/// What a policy may know of the agent, besides what it asks.
#[derive(Clone, Copy, Debug)]
pub struct PolicyAgent<'a> {
    /// The digest of the component.
    pub digest: Digest,
    /// The name in the configuration.
    pub name: &'a str,
    /// Who started the run.
    pub started_by: &'a Principal,
}

/// The policies that can concern one agent, and what they may know of it.
#[derive(Clone)]
pub struct AgentPolicies {
    checked: Arc<Checked>,
    /// The digest of the set, and of what it may know of the agent.
    digest: Digest,
    principal: EntityUid,
    /// The agent, its groups, the person who started the run, and that person's groups.
    entities: Vec<Entity>,
    slices: BTreeMap<Action, cedar_policy::PolicySet>,
    /// What the policies of an action read.
    reads: BTreeMap<Action, Reads>,
}

impl PolicySet {
    /// Reads the policies, and checks all that can be checked before anything is asked.
    ///
    /// # Errors
    /// All faults, each with its file and line.
    pub fn load(files: &[PolicyFile], people: &BTreeMap<String, Person>) -> Result<Self, Vec<PolicyFault>> {
        let read::ReadPolicies { policies, notes, types } = read::read(files, people)?;
        Ok(Self(Arc::new(Checked { policies, notes, types })))
    }

    /// The text of a policy, by its `@id`.
    pub fn text(&self, id: &str) -> Option<String> {
        let policy = self.0.policies.iter().find(|policy| *policy.id() == PolicyId::new(id))?;
        policy.to_cedar()
    }

    /// How many policies there are.
    pub fn len(&self) -> usize {
        self.0.policies.len()
    }

    /// Whether there is no policy. Such a set can't be loaded.
    pub fn is_empty(&self) -> bool {
        self.0.policies.is_empty()
    }

    /// The policies that can concern this agent.
    pub fn for_agent(&self, rules: &PolicyRules, agent: &PolicyAgent<'_>) -> AgentPolicies {
        let types = &self.0.types;
        let principal = types.uid(Type::Agent, agent.name);
        let groups: Vec<EntityUid> = rules.groups.iter().map(|group| types.uid(Type::AgentGroup, group)).collect();
        let is_it = |uid: &EntityUid| *uid == principal || groups.contains(uid);
        let is_his = |policy: &&cedar_policy::Policy| match policy.principal_constraint() {
            PrincipalConstraint::Any => true,
            PrincipalConstraint::Is(name) => types.is(&name, Type::Agent),
            PrincipalConstraint::Eq(uid) => uid == principal,
            PrincipalConstraint::In(uid) => is_it(&uid),
            PrincipalConstraint::IsIn(name, uid) => types.is(&name, Type::Agent) && is_it(&uid),
        };
        let his: Vec<&cedar_policy::Policy> = self.0.policies.iter().filter(is_his).collect();
        let slice = |action: Action| {
            let mut slice = cedar_policy::PolicySet::new();
            for policy in his.iter().filter(|policy| concerns(&policy.action_constraint(), action)) {
                // Ids are unique in the whole set, so they are unique in a part of it.
                let _ = slice.add((*policy).clone());
            }
            (action, slice)
        };
        let slices: BTreeMap<Action, cedar_policy::PolicySet> = Action::ALL.iter().copied().map(slice).collect();
        let reads = slices.iter().map(|(action, slice)| (*action, Reads::of_policies(slice.policies()))).collect();
        let digest = rules.digest();
        AgentPolicies {
            checked: Arc::clone(&self.0),
            digest,
            entities: agent_entities(types, rules, agent, groups),
            principal,
            slices,
            reads,
        }
    }
}

/// Whether a policy with this action in its scope can concern an action.
fn concerns(constraint: &ActionConstraint, action: Action) -> bool {
    let is_it = |uid: &EntityUid| {
        let id: &str = uid.id().as_ref();
        id == action.as_str() || action.groups().contains(&id)
    };
    match constraint {
        ActionConstraint::Any => true,
        ActionConstraint::Eq(uid) => is_it(uid),
        ActionConstraint::In(uids) => uids.iter().any(is_it),
    }
}

impl std::fmt::Debug for PolicySet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "PolicySet({} policies)", self.0.policies.len())
    }
}

impl std::fmt::Debug for AgentPolicies {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "AgentPolicies({}, {})", self.digest, self.principal)
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]
mod tests;
