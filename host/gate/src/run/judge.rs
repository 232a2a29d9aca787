//! Judges an act: the guest's choice of a credential, the decision, the bounds over time, and the intent.

use std::sync::PoisonError;

use permit::PermitParts;
use policy::DecidedAct;
use vocabulary::record::{Asked as AskedRecord, RecordKind, VERSION};
use vocabulary::{Act, Ask, Bound, Bounds, CredentialStep, Decision, Fault, HttpAsk, Limit, OpId, RateOf, Reason, Repeat, Stop};

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
    /// The act may not happen. The refusal is on the record, and the guest gets this fault.
    Refused { op: OpId, fault: Fault },
}

/// An act that may happen.
struct Allowed {
    bounds: Bounds,
    /// The request that is sent: without the guest's choice of a credential, if the guest made one.
    bare: Option<HttpAsk>,
}

impl LockedRun<'_> {
    pub(crate) fn judge(&mut self, op: OpId, act: Act, attempt: Attempt) -> Result<Judged, Stop> {
        let Allowed { bounds, bare } = match self.decided(&act, attempt) {
            Ok(allowed) => allowed,
            Err(reason) => {
                let fault = told(act.kind(), &reason);
                self.refused(op, &Ask::from(act), reason, attempt.moment())?;
                return Ok(Judged::Refused { op, fault });
            }
        };
        self.flush(attempt.moment())?;
        let http = if let Act::Http(http) = &act { Some(http) } else { None };
        let canonical = act.canonical_bytes();
        let asked = AskedRecord {
            again: attempt == Attempt::Again,
            ask: self.told(asked_of(act.function(), act.resource()), http),
            at: self.now_ms(),
            bounds: bounds.clone(),
            kind: RecordKind::Asked,
            op: op.0,
            params: self.keyed(&canonical),
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
        if let (Some(name), Attempt::First) = (&bounds.credential, attempt) {
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
    fn kept_request(&mut self, is_http: bool, canonical: Vec<u8>, attempt: Attempt) -> Vec<Vec<u8>> {
        let inner = &mut self.inner;
        let bytes = inner.requests_bytes.saturating_add(canonical.len() as u64);
        let has_room = bytes <= self.gate.0.header.spec.limits.payload_bytes && canonical.len() <= PAYLOAD_RECORD_BYTES;
        match (is_http, attempt) {
            (true, Attempt::First) if has_room => {
                inner.requests_bytes = bytes;
                in_pieces(&canonical).collect()
            }
            _ => Vec::new(),
        }
    }

    /// Whether an act would be repeated with the idempotency key that it was asked with, and its server still knows that key.
    pub(crate) fn has_its_key(&self, act: &Act, keyed: &KeyedAct) -> bool {
        let is_young = self.now_ms().saturating_sub(keyed.at) <= KEY_AGE_MAX_MS;
        is_young && self.decided(act, Attempt::Again).is_ok_and(|allowed| allowed.bounds.idempotency.as_ref() == Some(&keyed.header))
    }

    /// Decides whether an act may happen.
    fn decided(&self, act: &Act, attempt: Attempt) -> Result<Allowed, Reason> {
        let shared = self.shared();
        let spec = &shared.header.spec;
        let DecidedAct { decision, bare } = policy::decide_act(&spec.grants, self.facts(), &shared.placeholders, act)?;
        let bounds = bounds_of(decision)?;
        if attempt == Attempt::First && self.inner.ops.len() as u64 >= spec.limits.concurrent {
            return Err(Reason::OverLimit(Bound::Limit(Limit::Concurrent)));
        }
        let is_identify = matches!(act, Act::Credential(credential) if matches!(credential.step, CredentialStep::Identify(_)));
        self.spend(&bounds, is_identify, attempt)?;
        Ok(Allowed { bounds, bare })
    }

    /// Applies the bounds over time: ended leases, uses, rates. A repeated act was counted when it was asked for the first time.
    fn spend(&self, bounds: &Bounds, is_identify: bool, attempt: Attempt) -> Result<(), Reason> {
        let shared = self.shared();
        let spec = &shared.header.spec;
        let credential = bounds.credential.as_deref();
        lease::check_standing(&spec.grants, &self.inner.leases, credential, attempt == Attempt::Again)?;
        if attempt == Attempt::Again {
            return Ok(());
        }
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

/// The bounds within which an act may happen now.
///
/// SECURITY: an act that needs a person's yes is refused as long as nobody can be asked. It never happens without a yes, and it never waits
/// without end.
fn bounds_of(decision: Decision) -> Result<Bounds, Reason> {
    match decision {
        Decision::Permit(bounds) => Ok(bounds),
        Decision::Refuse(reason) => Err(reason),
        Decision::Hold(_) => Err(Reason::NobodyToAsk),
    }
}

#[cfg(test)]
mod tests {
    use vocabulary::{Bounds, Decision, Hold, Reason};

    use super::bounds_of;

    #[test]
    fn what_a_person_must_say_yes_to_is_refused_while_nobody_can_be_asked() {
        let hold = Decision::Hold(Hold { bounds: Bounds::default() });
        assert_eq!(bounds_of(hold), Err(Reason::NobodyToAsk));
        assert_eq!(bounds_of(Decision::Permit(Bounds::default())), Ok(Bounds::default()), "the control");
    }
}
