//! Judges an act: the guest's choice of a credential, the decision, the bounds over time, and the intent.

use std::sync::PoisonError;

use permit::PermitParts;
use policy::{DecidedAct, Under};
use vocabulary::record::{Asked as AskedRecord, RecordKind, VERSION};
use vocabulary::{
    Act, ApprovalEnd, Ask, Bound, Bounds, CredentialStep, Decision, Fault, Hold, HttpAsk, Limit, OpId, PolicyBasis, RateOf, Reason, Repeat,
    Stop,
};

use super::approval::With;
use super::flush::PAYLOAD_RECORD_BYTES;
use super::held::{Attempt, with_payloads};
use super::{LockedRun, OpState};
use crate::lease;
use crate::log::Durable;
use crate::named::asked_of;
use crate::payload_codec::in_pieces;
use crate::resume_point::KeyedAct;
use crate::settling::told;

/// BOUND: how old an idempotency key may be when its request is repeated. Servers forget keys, often after a day.
const KEY_AGE_MAX_MS: u64 = 24 * 3600 * 1000;

/// The decision about an act.
pub(crate) enum Judged {
    /// The act may happen as soon as its intent is durable.
    Permitted {
        durable: Durable,
        /// The parts of its permit.
        terms: Box<PermitParts<Act>>,
    },
    /// The act is held back until people have decided. It is on the record that they are asked.
    Held { op: OpId, act: Box<Act> },
    /// The act may not happen. The refusal is on the record, and the guest gets this fault.
    Refused { op: OpId, fault: Fault },
}

/// What was decided, before any of it is recorded.
pub(super) enum Verdict {
    Allowed(Box<Allowed>),
    Held(Box<Hold>, PolicyBasis),
    Refused(Reason, Option<PolicyBasis>),
}

/// An act that may happen.
pub(super) struct Allowed {
    pub(super) bounds: Bounds,
    /// The request that is sent: without the guest's choice of a credential, if the guest made one.
    bare: Option<HttpAsk>,
    pub(super) policy: Option<PolicyBasis>,
}

impl LockedRun<'_> {
    pub(crate) fn judge(&mut self, op: OpId, act: Act, attempt: Attempt) -> Result<Judged, Stop> {
        let (verdict, with) = match self.attempted(op, &act, attempt) {
            Ok(decided) => decided,
            Err(end) => return self.refuse(op, act, (attempt, Reason::NotApproved(end)), None),
        };
        match verdict {
            Verdict::Allowed(allowed) => match self.take_rates(&act, attempt, &allowed.bounds) {
                Ok(()) => {
                    self.flush(attempt.moment())?;
                    self.permit(op, act, (attempt, with), *allowed)
                }
                Err(reason) => self.refuse(op, act, (attempt, reason), allowed.policy),
            },
            // What was approved once is not asked again: nobody knows whether it happened.
            Verdict::Held(_, basis) if attempt == Attempt::Again => {
                self.refuse(op, act, (attempt, Reason::NotApproved(ApprovalEnd::Superseded)), Some(basis))
            }
            Verdict::Held(hold, basis) => match self.asking(op, &act, (*hold, basis.clone())) {
                Ok(asking) => {
                    self.flush(attempt.moment())?;
                    self.hold(asking)?;
                    Ok(Judged::Held { op, act: Box::new(act) })
                }
                Err(reason) => self.refuse(op, act, (attempt, reason), Some(basis)),
            },
            Verdict::Refused(reason, basis) => self.refuse(op, act, (attempt, reason), basis),
        }
    }

    /// Decides about an act, with the approval that an earlier intent of it has used up.
    fn attempted(&self, op: OpId, act: &Act, attempt: Attempt) -> Result<(Verdict, With), ApprovalEnd> {
        let used = if attempt == Attempt::Again { self.used_approval(op)? } else { None };
        Ok(match used {
            Some(used) => self.approved_verdict(act, attempt, (&used.needs, used.digest)),
            None => (self.verdict(act, attempt, &With::default()), With::default()),
        })
    }

    fn refuse(&mut self, op: OpId, act: Act, (attempt, reason): (Attempt, Reason), basis: Option<PolicyBasis>) -> Result<Judged, Stop> {
        // Its intent is on the record, and only a refusal with the same number ends it.
        if attempt == Attempt::Again {
            return self.refuse_known(op, &act, reason, basis);
        }
        let fault = told(act.kind(), &reason);
        self.refused(op, &Ask::from(act), (reason, basis), attempt.moment())?;
        Ok(Judged::Refused { op, fault })
    }

    /// Records the intent of an act that may happen.
    pub(super) fn permit(&mut self, op: OpId, act: Act, (attempt, with): (Attempt, With), allowed: Allowed) -> Result<Judged, Stop> {
        let Allowed { bounds, bare, policy } = allowed;
        if attempt == Attempt::Held {
            self.flush(attempt.moment())?;
        }
        let http = if let Act::Http(http) = &act { Some(http) } else { None };
        let canonical = act.canonical_bytes();
        let asked = AskedRecord {
            again: attempt == Attempt::Again,
            approval: with.digest,
            ask: self.told(asked_of(act.function(), act.resource()), http),
            at: self.now_ms(),
            bounds: bounds.clone(),
            kind: RecordKind::Asked,
            op: op.0,
            params: self.keyed(&canonical),
            policy,
            // A server that honours the key does the request once, however often it arrives.
            repeat: if bounds.idempotency.is_some() { Repeat::Safe } else { act.repeat() },
            spent_ms: self.spent_ms(),
            v: VERSION,
        };
        tracing::info!(
            parent: self.gate.span(),
            op = op.0,
            function = %asked.ask.function,
            resource = %asked.ask.resource,
            rule = %bounds.rule,
            credential = bounds.credential.as_deref(),
            "permitted"
        );
        let request = self.kept_request(http.is_some(), canonical, attempt);
        if let (Some(name), Attempt::First | Attempt::Held) = (&bounds.credential, attempt) {
            self.inner.leases.entry(name.clone()).or_default().uses += 1;
        }
        let appended = self.append(vec![with_payloads(asked.into(), request)])?;
        self.inner.tally.asked += 1;
        let source = act.source();
        self.inner.ops.insert(op.0, OpState { credential: bounds.credential.clone(), source, ..OpState::new(act.kind()) });
        let terms = PermitParts { ask: bare.map_or(act, Act::Http), bounds, op, run: self.run() };
        Ok(Judged::Permitted { durable: appended.durable, terms: Box::new(terms) })
    }

    /// A request as the guest asked it, to be kept beside its intent. All requests together may have as many bytes as the answers of a run.
    /// A rebuild does not need them, so requests beyond that are left out.
    ///
    /// SECURITY: an act on a credential may contain a value that the guest has found, so no part of it is kept.
    pub(super) fn kept_request(&mut self, is_http: bool, canonical: Vec<u8>, attempt: Attempt) -> Vec<Vec<u8>> {
        let inner = &mut self.inner;
        let bytes = inner.requests_bytes.saturating_add(canonical.len() as u64);
        let has_room = bytes <= self.gate.0.header.spec.limits.payload_bytes && canonical.len() <= PAYLOAD_RECORD_BYTES;
        match (is_http, attempt) {
            (true, Attempt::First | Attempt::Held) if has_room => {
                inner.requests_bytes = bytes;
                in_pieces(&canonical).collect()
            }
            _ => Vec::new(),
        }
    }

    /// Whether an act would be repeated with the idempotency key that it was asked with, and its server still knows that key.
    pub(crate) fn has_its_key(&self, (op, act): (OpId, &Act), keyed: &KeyedAct) -> bool {
        let is_young = self.now_ms().saturating_sub(keyed.at) <= KEY_AGE_MAX_MS;
        let decided = self.attempted(op, act, Attempt::Again);
        is_young && matches!(decided, Ok((Verdict::Allowed(allowed), _)) if allowed.bounds.idempotency.as_ref() == Some(&keyed.header))
    }

    /// Decides whether an act may happen. This takes nothing from the rates: see [`Self::take_rates`].
    pub(super) fn verdict(&self, act: &Act, attempt: Attempt, with: &With) -> Verdict {
        let facts = self.facts();
        // Without policies, nothing of this is computed.
        let own = self.policies().map(|own| (self.policy_facts(facts.now_unix_s), own));
        let under = own.as_ref().map(|(facts, own)| Under { approved: &with.groups, cache: &own.cache, facts, policies: &own.policies });
        let decided = policy::decide_act(&self.shared().header.spec.grants, under, (facts, &self.shared().placeholders), act);
        let DecidedAct { decision, bare, policy } = match decided {
            Ok(decided) => decided,
            Err(reason) => return Verdict::Refused(reason, None),
        };
        match decision {
            Decision::Refuse(reason) => Verdict::Refused(reason, policy),
            Decision::Hold(hold) => match policy {
                Some(policy) => Verdict::Held(Box::new(hold), policy),
                // Only a policy holds an act back.
                None => Verdict::Refused(Reason::NotServed, None),
            },
            Decision::Permit(bounds) => match self.within_bounds(attempt, &bounds) {
                Ok(()) => Verdict::Allowed(Box::new(Allowed { bounds, bare, policy })),
                Err(reason) => Verdict::Refused(reason, policy),
            },
        }
    }

    /// Applies the bounds that do not belong to the ask itself: acts at once, ended leases, uses.
    fn within_bounds(&self, attempt: Attempt, bounds: &Bounds) -> Result<(), Reason> {
        let is_again = attempt == Attempt::Again;
        let spec = &self.shared().header.spec;
        if !is_again && self.inner.ops.len() as u64 >= spec.limits.concurrent {
            return Err(Reason::OverLimit(Bound::Limit(Limit::Concurrent)));
        }
        lease::check_standing(&spec.grants, &self.inner.leases, bounds.credential.as_deref(), is_again)
    }

    /// Takes an act from the rates. A repeated act was taken from them when it was asked for the first time.
    ///
    /// This is the last step before the intent, so that an act which is decided several times counts once.
    pub(super) fn take_rates(&self, act: &Act, attempt: Attempt, bounds: &Bounds) -> Result<(), Reason> {
        if attempt == Attempt::Again {
            return Ok(());
        }
        let shared = self.shared();
        let spec = &shared.header.spec;
        let credential = bounds.credential.as_deref();
        let is_identify = matches!(act, Act::Credential(credential) if matches!(credential.step, CredentialStep::Identify(_)));
        let agent = spec.agent.name.as_str();
        let mut wanted = lease::rates(&spec.grants, agent, credential, is_identify);
        wanted.extend(bounds.rate.map(|rate| (RateOf::Rule { agent: agent.to_owned(), rule: bounds.rule.clone() }, rate)));
        if wanted.is_empty() {
            return Ok(());
        }
        let now_ns = shared.clock.mono_ns();
        let taken = shared.book.rates.lock().unwrap_or_else(PoisonError::into_inner).take(&wanted, now_ns);
        taken.map_err(|of| Reason::OverLimit(Bound::Rate(of)))
    }
}
