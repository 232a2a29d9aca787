//! Decides an ask by the first grant that covers it. If none does, the reason shows how close the closest grant came.

use std::collections::BTreeSet;

use vocabulary::{
    Act, Ask, Bound, Bounds, ClosedAsk, CommitAsk, CredentialAsk, Decision, FileAsk, FilesMode, Grants, Hold, HttpAsk, HttpBounds,
    HttpGrant, HttpTarget, Method, PolicyBasis, Reason, Rule, SafeText,
};

use crate::choice::{Choice, Chosen, Placeholder, choose};
use crate::coverage::{Miss, covers, never_host, reads};
use crate::facts::Facts;
use crate::request_fields::Wanted;
use crate::resource::RequestView;
use crate::set::{Action, AgentPolicies, AskedAct, DecisionCache, PolicyFacts, Verdict};
use crate::{credential, headers, meaning, scope};

/// Judges one ask.
///
/// A refusal names the first check that failed of the closest grant: host, then scheme, port, method, path, and last its expiry.
pub fn decide(grants: &Grants, facts: &Facts, ask: &Ask) -> Decision {
    let judged = match ask {
        Ask::Http(http) => http_bounds(grants, facts, http),
        Ask::Credential(credential) => credential_bounds(grants, facts, credential),
        Ask::Commit(commit) => covered_commit(grants, commit),
        Ask::File(file) => return decision(file_bounds(grants, facts, file)),
        // It is not sent here. A rollback asks for its request, and this is decided then.
        Ask::Undo(_) => {
            return if grants.undo { Decision::Permit(Bounds::default()) } else { Decision::Refuse(Reason::NothingGranted) };
        }
        Ask::Closed(closed) => return Decision::Refuse(closed_reason(closed)),
    };
    let nobody = BTreeSet::new();
    decision(judged.and_then(|Covered { bounds, action }| {
        scope::goes_as_far(grants.engagement.as_ref(), action.changes(), &nobody)?;
        Ok(bounds)
    }))
}

/// What the grants say of an act: the bounds, and whether it reads or changes something.
struct Covered {
    bounds: Bounds,
    action: Action,
}

fn credential_bounds(grants: &Grants, facts: &Facts, ask: &CredentialAsk) -> Result<Covered, Reason> {
    let bounds = credential::use_bounds(grants, facts, ask)?;
    Ok(Covered { bounds, action: Action::of_step(&ask.step) })
}

fn covered_commit(grants: &Grants, ask: &CommitAsk) -> Result<Covered, Reason> {
    Ok(Covered { bounds: commit_bounds(grants, ask)?, action: Action::FilesCommit })
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
    /// Whether the act may change something: by its meaning, not by its method.
    pub changes: bool,
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
    let (covered, bare) = match act {
        Act::Http(http) => {
            let chosen = choose(grants, placeholders, http)?;
            let (chosen, bare) = chosen.map(|Chosen { choice, bare }| (choice, bare)).unzip();
            let facts = Facts { chosen, ..facts };
            (http_bounds(grants, &facts, bare.as_ref().unwrap_or(http)), bare)
        }
        Act::Credential(credential) => (credential_bounds(grants, &facts, credential), None),
        Act::Files(commit) => (covered_commit(grants, commit), None),
    };
    let Covered { bounds, action } = match covered {
        Ok(covered) => covered,
        Err(reason) => return Ok(DecidedAct { decision: Decision::Refuse(reason), changes: true, bare, policy: None }),
    };
    let (changes, engagement) = (action.changes(), grants.engagement.as_ref());
    let as_far = |approved: &BTreeSet<String>, decision: Decision| match scope::goes_as_far(engagement, changes, approved) {
        Ok(()) => decision,
        Err(reason) => Decision::Refuse(reason),
    };
    let Some(under) = under else {
        let decision = as_far(&BTreeSet::new(), without_policies(grants, bounds));
        return Ok(DecidedAct { decision, changes, bare, policy: None });
    };
    let sent = bare.clone().map(Act::Http);
    let asked = AskedAct { act: sent.as_ref().unwrap_or(act), action, credential: bounds.credential.as_deref() };
    let (decision, policy) = match under.policies.decide_cached(under.cache, (grants, under.facts), asked, under.approved) {
        Verdict::Permit(basis) => (as_far(under.approved, Decision::Permit(bounds)), basis),
        // People can lift a policy. They can't lift the tier of an engagement that asks nobody.
        Verdict::Hold(basis, needs) => {
            let with = needs.groups.iter().map(|need| need.group.clone()).collect();
            (as_far(&with, Decision::Hold(Hold { bounds, needs })), basis)
        }
        Verdict::Refuse(basis, reason) => (Decision::Refuse(reason), basis),
    };
    Ok(DecidedAct { decision, changes, bare, policy: Some(policy) })
}

/// SECURITY: policies that were not read refuse everything.
fn without_policies(grants: &Grants, bounds: Bounds) -> Decision {
    let unread = || Decision::Refuse(Reason::PolicyFails(SafeText::new("the policies were not read", 64)));
    if grants.policy.is_some() { unread() } else { Decision::Permit(bounds) }
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

fn http_bounds(grants: &Grants, facts: &Facts, ask: &HttpAsk) -> Result<Covered, Reason> {
    if grants.http.is_empty() {
        return Err(Reason::NothingGranted);
    }
    never_host(&ask.target.host)?;
    scope::within(grants.engagement.as_ref(), facts, &ask.target.host)?;
    let wanted = Wanted::of(ask);
    let chosen = facts.chosen.as_ref().map(Choice::name);
    let mut nearest = Miss::Host;
    for (n, grant) in grants.http.iter().enumerate() {
        match covers(grant, facts, &wanted) {
            Ok(()) if chosen.is_some() && grant.credential.as_deref() != chosen => nearest = Miss::Credential,
            Ok(()) => {
                let credential = credential::judge(grants, grant, facts, ask)?;
                headers::check(&RequestView { grants, facts, credential: credential.as_deref() }, grant, ask)?;
                meaning::check(ask, credential.is_some())?;
                let action = Action::of_request(reads(grant, &wanted));
                let HttpBounds { idempotency, pins, rate, request_bytes, response_bytes, .. } = &grant.within;
                if request_bytes.is_some_and(|most| ask.body.len() as u64 > most) {
                    return Err(Reason::OverLimit(Bound::RequestBytes(Rule::Http(n))));
                }
                let (addresses, rule) = (grant.addresses.clone(), Rule::Http(n));
                let until_unix_s = scope::end(grants, grant.until, credential.as_deref());
                // A request that changes nothing may be repeated in any case.
                let idempotency = idempotency.clone().filter(|_| !ask.method.is_safe());
                let (pins, rate, response_bytes) = (pins.clone(), *rate, *response_bytes);
                let bounds = Bounds { addresses, credential, idempotency, pins, rate, response_bytes, rule, undo: None, until_unix_s };
                return Ok(Covered { bounds, action });
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
        // The guest changes its own view. The folder is changed by the commit, which is an act.
        (FilesMode::Stage | FilesMode::State, FileAsk::Change { .. })
        | (
            FilesMode::Read | FilesMode::Stage | FilesMode::State,
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

/// A commit may only put its changes into the folder of its own mount.
fn commit_bounds(grants: &Grants, ask: &CommitAsk) -> Result<Bounds, Reason> {
    let Some(grant) = grants.files.get(ask.mount) else { return Err(Reason::NothingGranted) };
    if grant.mode.is_written() && (grant.mode, &grant.guest) == (ask.mode, &ask.guest) {
        Ok(Bounds { rule: Rule::Files(Some(ask.mount)), ..Bounds::default() })
    } else {
        Err(Reason::WriteNotGranted)
    }
}

fn closed_reason(ask: &ClosedAsk) -> Reason {
    if ask.malformed { Reason::Malformed(ask.what.clone()) } else { Reason::NotServed }
}
