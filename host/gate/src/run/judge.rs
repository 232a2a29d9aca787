//! Judging an act: the guest's choice of a credential, the decision, what bounds it over time, its intent.

use std::sync::PoisonError;

use effect::record::{Asked as AskedRecord, Kind, VERSION};
use effect::{Act, Ask, Bound, Bounds, CredentialStep, Decision, HttpFault, Limit, OpId, Reason, SafeText, Stop};

use permit::Terms;
use policy::Facts;

use super::flush::PAYLOAD_RECORD_BYTES;
use super::held::{Attempt, asked_for, source_of, with_payloads};
use super::{Held, OpState};
use crate::ask::{Asked, Pending};
use crate::kept::in_pieces;
use crate::lease;

impl Held<'_> {
    pub(crate) fn judge(&mut self, op: OpId, act: Act, attempt: Attempt) -> Result<Asked, Stop> {
        let (source, repeat) = (source_of(&act), act.repeat());
        let ask = Ask::from(act);
        let (bounds, sent) = match self.decided(&ask, attempt) {
            Ok(decided) => decided,
            Err(reason) => {
                let fault = if matches!(reason, Reason::OverLimit(_)) { HttpFault::TooMany } else { HttpFault::Denied };
                self.refused(op, &ask, reason, attempt.moment())?;
                return Ok(Asked::Refused { op, fault });
            }
        };
        self.flush(attempt.moment())?;
        let canonical = ask.canonical_bytes();
        let asked = AskedRecord {
            again: attempt == Attempt::Again,
            ask: self.told(asked_for(&ask), &ask),
            at: self.now_ms(),
            bounds: bounds.clone(),
            kind: Kind::Asked,
            op: op.0,
            params: self.keyed(&canonical),
            repeat,
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
        let request = self.kept_request(&ask, canonical, attempt);
        if let (Some(name), Attempt::First) = (&bounds.credential, attempt) {
            self.inner.leases.entry(name.clone()).or_default().uses += 1;
        }
        let appended = self.append(vec![with_payloads(asked.into(), request)])?;
        self.inner.tally.asked += 1;
        self.inner.ops.insert(op.0, OpState { credential: bounds.credential.clone(), source, ..OpState::default() });
        let Ok(act) = Act::try_from(sent.unwrap_or(ask)) else { return Err(Stop::RecordBroken) };
        let terms = Terms { ask: act, bounds, op, run: self.run() };
        Ok(Asked::Permitted(Box::new(Pending::new(appended.durable, self.gate.clone(), terms))))
    }

    /// A request as the guest asked it, to be kept beside its intent. All requests together may have as many bytes as what a run is given.
    /// The run does not need them, so requests beyond that are left out.
    ///
    /// SECURITY: an act on a credential may contain a value that the guest has found, so nothing of it is kept.
    fn kept_request(&mut self, ask: &Ask, canonical: Vec<u8>, attempt: Attempt) -> Vec<Vec<u8>> {
        let inner = &mut self.inner;
        let bytes = inner.requests_bytes.saturating_add(canonical.len() as u64);
        let has_room = bytes <= self.gate.0.opening.standing.limits.payload_bytes && canonical.len() <= PAYLOAD_RECORD_BYTES;
        match (ask, attempt) {
            (Ask::Http(_), Attempt::First) if has_room => {
                inner.requests_bytes = bytes;
                in_pieces(&canonical).collect()
            }
            _ => Vec::new(),
        }
    }

    /// Whether an act may happen, and what is then sent, where that is not what was asked to the letter.
    fn decided(&self, ask: &Ask, attempt: Attempt) -> Result<(Bounds, Option<Ask>), Reason> {
        let shared = self.shared();
        let standing = &shared.opening.standing;
        let choice = match ask {
            Ask::Http(http) => policy::choose(&standing.grants, &shared.placeholders, http)?,
            Ask::Credential(_) | Ask::File(_) | Ask::Closed(_) => None,
        };
        let (chosen, sent) = choice.map(|(chosen, bare)| (chosen, Ask::Http(bare))).unzip();
        let facts = Facts { chosen, ..self.facts() };
        let bounds = match policy::decide(&standing.grants, &facts, sent.as_ref().unwrap_or(ask)) {
            Decision::Permit(bounds) => bounds,
            Decision::Refuse(reason) => return Err(reason),
        };
        if attempt == Attempt::First && self.inner.ops.len() as u64 >= standing.limits.concurrent {
            return Err(Reason::OverLimit(Bound::Limit(Limit::Concurrent)));
        }
        let is_identify = matches!(ask, Ask::Credential(credential) if matches!(credential.step, CredentialStep::Identify(_)));
        self.spend(&bounds, is_identify, attempt)?;
        Ok((bounds, sent))
    }

    /// What bounds acts over time: leases that were ended, uses, rates. A repetition was counted when it was asked for the first time.
    fn spend(&self, bounds: &Bounds, is_identify: bool, attempt: Attempt) -> Result<(), Reason> {
        let shared = self.shared();
        let standing = &shared.opening.standing;
        let credential = bounds.credential.as_deref();
        lease::check_standing(&standing.grants, &self.inner.leases, (credential, attempt == Attempt::Again))?;
        if attempt == Attempt::Again {
            return Ok(());
        }
        let agent = standing.agent.name.as_str();
        let mut wanted = lease::rates(&standing.grants, (agent, is_identify), credential);
        wanted.extend(bounds.rate.map(|rate| (format!("{} of {agent}", bounds.rule), rate)));
        if wanted.is_empty() {
            return Ok(());
        }
        let now_ns = shared.clock.mono_ns();
        let taken = shared.book.rates.lock().unwrap_or_else(PoisonError::into_inner).take(&wanted, now_ns);
        taken.map_err(|of| Reason::OverLimit(Bound::Rate(SafeText::new(&of, 120))))
    }
}
