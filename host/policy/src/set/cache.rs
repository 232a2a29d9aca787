//! Decisions about requests that were made before. A run often asks the same thing again, and Cedar takes many times as long as a look-up.

use std::collections::{BTreeSet, HashMap};
use std::hash::{BuildHasher as _, Hash as _, Hasher as _, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use vocabulary::{Act, Grants, HttpAsk};

use super::policy_facts::PolicyFacts;
use super::verdict::Verdict;
use super::{AgentPolicies, action::Action};

/// BOUND: decisions that are kept. When there are so many, all of them are dropped.
const ENTRIES_MAX: usize = 1024;
/// BOUND: bytes of a request whose decision is kept.
const REQUEST_BYTES_MAX: usize = 8 * 1024;

/// Decisions of one [`AgentPolicies`] under the same grants.
///
/// SECURITY: a decision is found only for an equal request, with equal facts as far as the policies can read them. Acts on credentials are
/// not kept, because they may hold values that an agent has found.
#[derive(Default)]
pub struct DecisionCache {
    decided: Mutex<HashMap<u64, Decided>>,
    hasher: RandomState,
    hits: AtomicU64,
}

struct Decided {
    approved: BTreeSet<String>,
    ask: HttpAsk,
    credential: Option<String>,
    facts: PolicyFacts,
    verdict: Verdict,
}

impl Decided {
    fn is_of(&self, (ask, credential): (&HttpAsk, Option<&str>), facts: &PolicyFacts, approved: &BTreeSet<String>) -> bool {
        self.ask == *ask && self.credential.as_deref() == credential && self.facts == *facts && self.approved == *approved
    }
}

impl DecisionCache {
    fn hash(&self, ask: &HttpAsk, credential: Option<&str>) -> u64 {
        let mut hash = self.hasher.build_hasher();
        (ask.method.as_str(), &ask.target, credential).hash(&mut hash);
        for header in &ask.headers {
            (&header.name, &header.value).hash(&mut hash);
        }
        ask.body.hash(&mut hash);
        hash.finish()
    }

    /// How many decisions are kept.
    pub fn len(&self) -> usize {
        self.decided.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Whether none is kept.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many acts were decided by a decision that was kept.
    pub fn hits(&self) -> u64 {
        self.hits.load(Ordering::Relaxed)
    }
}

impl std::fmt::Debug for DecisionCache {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "DecisionCache({})", self.len())
    }
}

impl AgentPolicies {
    /// As [`AgentPolicies::decide`]. The cache must have been used with these policies and grants only.
    pub fn decide_cached(
        &self,
        cache: &DecisionCache,
        (grants, facts): (&Grants, &PolicyFacts),
        (act, credential): (&Act, Option<&str>),
        approved: &BTreeSet<String>,
    ) -> Verdict {
        let Act::Http(ask) = act else { return self.decide(grants, facts, (act, credential), approved) };
        let read = self.reads(Action::of(act)).of_facts(facts);
        let hash = cache.hash(ask, credential);
        let decided = || cache.decided.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = decided().get(&hash).filter(|found| found.is_of((ask, credential), &read, approved)) {
            cache.hits.fetch_add(1, Ordering::Relaxed);
            return found.verdict.clone();
        }
        let verdict = self.decide(grants, facts, (act, credential), approved);
        if bytes_of(ask) <= REQUEST_BYTES_MAX {
            let mut decided = decided();
            if decided.len() >= ENTRIES_MAX {
                decided.clear();
            }
            let (approved, credential) = (approved.clone(), credential.map(str::to_owned));
            // The body may be a part of a larger piece of memory, which must not stay for its sake.
            let ask = HttpAsk { body: ask.body.to_vec().into(), ..ask.clone() };
            decided.insert(hash, Decided { approved, ask, credential, facts: read, verdict: verdict.clone() });
        }
        verdict
    }
}

fn bytes_of(ask: &HttpAsk) -> usize {
    let headers: usize = ask.headers.iter().map(|header| header.name.len() + header.value.len()).sum();
    let target = ask.target.path.len() + ask.target.query.as_ref().map_or(0, String::len);
    headers + target + ask.body.len()
}
