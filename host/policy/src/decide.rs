//! Decides an ask by the first grant that covers it. If none does, the reason shows how close the closest grant came.

use std::collections::BTreeSet;

use vocabulary::{
    Act, Ask, Bound, Bounds, ClosedAsk, Decision, FileAsk, FilesMode, Grants, Hold, HttpAsk, HttpBounds, HttpGrant, HttpTarget, Method,
    PolicyBasis, Reason, Rule, SafeText,
};

use crate::choice::{Choice, Chosen, Placeholder, choose};
use crate::coverage::{Miss, covers, never_host};
use crate::facts::Facts;
use crate::resource::RequestView;
use crate::set::{AgentPolicies, DecisionCache, PolicyFacts, Verdict};
use crate::{credential, headers, meaning, scope};

/// Judges one ask.
///
/// A refusal names the first check that failed of the closest grant: host, then scheme, port, method, path, and last its expiry.
pub fn decide(grants: &Grants, facts: &Facts, ask: &Ask) -> Decision {
    decision(match ask {
        Ask::Http(http) => http_bounds(grants, facts, http),
        Ask::Credential(credential) => credential::use_bounds(grants, facts, credential),
        Ask::File(file) => file_bounds(grants, facts, file),
        Ask::Closed(closed) => Err(closed_reason(closed)),
    })
}

/// The policies behind the grants, and what they may know.
#[derive(Clone, Copy, Debug)]
pub struct Under<'a> {
    /// The groups that have approved exactly this act.
    pub approved: &'a BTreeSet<String>,
    /// Decisions that were made before, by these policies and under the same grants.
    pub cache: &'a DecisionCache,
    /// What the host knows at this moment.
    pub facts: &'a PolicyFacts,
    /// The policies that concern the agent.
    pub policies: &'a AgentPolicies,
}

/// What was decided of an act.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DecidedAct {
    /// The decision.
    pub decision: Decision,
    /// The request without the guest's choice of a credential, if it made one: this was judged, and this is what is sent.
    pub bare: Option<HttpAsk>,
    /// The policies that determined the decision, if policies did.
    pub policy: Option<PolicyBasis>,
}

/// The same for an act, with the choice of a credential that the guest made in it, and with the policies behind the grants.
///
/// # Errors
/// Two choices, a choice that names no credential, or a placeholder outside of the body.
pub fn decide_act(
    grants: &Grants,
    under: Option<Under<'_>>,
    (facts, placeholders): (Facts, &[Placeholder]),
    act: &Act,
) -> Result<DecidedAct, Reason> {
    let (bounds, bare) = match act {
        Act::Http(http) => {
            let chosen = choose(grants, placeholders, http)?;
            let (chosen, bare) = chosen.map(|Chosen { choice, bare }| (choice, bare)).unzip();
            let facts = Facts { chosen, ..facts };
            (http_bounds(grants, &facts, bare.as_ref().unwrap_or(http)), bare)
        }
        Act::Credential(credential) => (credential::use_bounds(grants, &facts, credential), None),
    };
    let bounds = match bounds {
        Ok(bounds) => bounds,
        Err(reason) => return Ok(DecidedAct { decision: Decision::Refuse(reason), bare, policy: None }),
    };
    let Some(under) = under else { return Ok(without_policies(grants, bounds, bare)) };
    let sent = bare.clone().map(Act::Http);
    let asked = (sent.as_ref().unwrap_or(act), bounds.credential.as_deref());
    let (decision, policy) = match under.policies.decide_cached(under.cache, (grants, under.facts), asked, under.approved) {
        Verdict::Permit(basis) => (Decision::Permit(bounds), basis),
        Verdict::Hold(basis, needs) => (Decision::Hold(Hold { bounds, needs }), basis),
        Verdict::Refuse(basis, reason) => (Decision::Refuse(reason), basis),
    };
    Ok(DecidedAct { decision, bare, policy: Some(policy) })
}

/// SECURITY: policies that were not read refuse everything.
fn without_policies(grants: &Grants, bounds: Bounds, bare: Option<HttpAsk>) -> DecidedAct {
    let unread = || Decision::Refuse(Reason::PolicyFails(SafeText::new("the policies were not read", 64)));
    let decision = if grants.policy.is_some() { unread() } else { Decision::Permit(bounds) };
    DecidedAct { decision, bare, policy: None }
}

/// Like [`decide`], for an observation of a mount. There may be many of these.
pub fn decide_file(grants: &Grants, facts: &Facts, ask: &FileAsk) -> Decision {
    decision(file_bounds(grants, facts, ask))
}

fn decision(judged: Result<Bounds, Reason>) -> Decision {
    match judged {
        Ok(bounds) => Decision::Permit(bounds),
        Err(reason) => Decision::Refuse(reason),
    }
}

fn http_bounds(grants: &Grants, facts: &Facts, ask: &HttpAsk) -> Result<Bounds, Reason> {
    if grants.http.is_empty() {
        return Err(Reason::NothingGranted);
    }
    never_host(&ask.target.host)?;
    scope::within(grants.engagement.as_ref(), facts, (&ask.target.host, &ask.method))?;
    let chosen = facts.chosen.as_ref().map(Choice::name);
    let mut nearest = Miss::Host;
    for (n, grant) in grants.http.iter().enumerate() {
        match covers(grant, facts, (&ask.method, &ask.target)) {
            Ok(()) if chosen.is_some() && grant.credential.as_deref() != chosen => nearest = Miss::Credential,
            Ok(()) => {
                let credential = credential::judge(grants, grant, facts, ask)?;
                headers::check(&RequestView { grants, facts, credential: credential.as_deref() }, grant, ask)?;
                meaning::check(ask, credential.is_some())?;
                let HttpBounds { idempotency, pins, rate, request_bytes, response_bytes } = grant.within.clone();
                if request_bytes.is_some_and(|most| ask.body.len() as u64 > most) {
                    return Err(Reason::OverLimit(Bound::RequestBytes(Rule::Http(n))));
                }
                let (addresses, rule) = (grant.addresses.clone(), Rule::Http(n));
                let until_unix_s = scope::end(grants, grant.until, credential.as_deref());
                // A request that changes nothing may be repeated in any case.
                let idempotency = idempotency.filter(|_| !ask.method.is_safe());
                return Ok(Bounds { addresses, credential, idempotency, pins, rate, response_bytes, rule, until_unix_s });
            }
            Err(miss) => nearest = nearest.max(miss),
        }
    }
    match (nearest, &facts.chosen) {
        (Miss::Credential, Some(chosen)) => Err(chosen.not_granted()),
        (nearest, _) => Err(nearest.reason()),
    }
}

/// Whether the rule that permitted a request would also permit it with another method or target.
pub fn still_covers(grants: &Grants, bounds: &Bounds, method: &Method, target: &HttpTarget) -> bool {
    let Rule::Http(n) = bounds.rule else { return false };
    let covers = |grant: &HttpGrant| grant.paths.iter().any(|path| path.matches(&target.path));
    let is_bound = |name: &String| grants.credentials.iter().any(|binding| binding.covers(name, method, target));
    grants.http.get(n).is_some_and(covers) && bounds.credential.as_ref().is_none_or(is_bound)
}

fn file_bounds(grants: &Grants, facts: &Facts, ask: &FileAsk) -> Result<Bounds, Reason> {
    if grants.files.is_empty() {
        return Err(Reason::NothingGranted);
    }
    let (mode, rule) = match facts.mount {
        None => (FilesMode::Read, Rule::Files(None)),
        Some(n) => (grants.files.get(n).ok_or(Reason::NothingGranted)?.mode, Rule::Files(Some(n))),
    };
    match (mode, ask) {
        (FilesMode::Read, FileAsk::Change { .. }) => Err(Reason::WriteNotGranted),
        (
            FilesMode::Read,
            FileAsk::Open(_)
            | FileAsk::Read { .. }
            | FileAsk::Stat { .. }
            | FileAsk::StatAt { .. }
            | FileAsk::List { .. }
            | FileAsk::ReadLink { .. }
            | FileAsk::Close { .. },
        ) => Ok(Bounds { rule, ..Bounds::default() }),
    }
}

fn closed_reason(ask: &ClosedAsk) -> Reason {
    if ask.malformed { Reason::Malformed(ask.what.clone()) } else { Reason::NotServed }
}
