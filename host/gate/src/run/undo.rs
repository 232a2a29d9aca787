//! Undos: what the agent says about how its coming acts can be taken back, and what becomes of them in a rollback.
//!
//! Nothing of an undo has an effect here. Its request is sent only in a rollback, where it is asked for like any other request.

use policy::Under;
use vocabulary::record::{Answered, AskedFor, Happened, RecordKind, Refused, UndoDischarged, UndoDone, UndoEnd, UndoRegistered, VERSION};
use vocabulary::{
    Act, Ask, Bound, Decision, OpId, PolicyBasis, Reason, SafeText, Stop, UNDO_BYTES_MAX, UNDOS_MAX, UndoAsk, UndoCovers, UndoFault,
    UndoRegistration, UndoStep,
};

use super::{LockedRun, Moment, RunGate};
use crate::named::asked_of;
use crate::payload_codec::in_pieces;

/// BOUND: bytes of all undos of a run together. A rollback keeps their requests once more, as its plan.
const UNDOS_BYTES_MAX: u64 = 4 << 20;

/// The statuses besides 200 to 299 with which a server can say that there is nothing to take back (RFC 9110 section 15.5).
const DONE_AT: [u16; 3] = [404, 409, 410];

/// Why an ask about an undo is refused, and the policies that determined it.
type NoUndo = (Reason, Option<PolicyBasis>);

impl RunGate {
    /// Registers an undo or withdraws one, and records it. Nothing waits until the record is durable: it is so before the next intent.
    ///
    /// # Errors
    /// Only what ends the run.
    pub(crate) fn undo(&self, ask: UndoAsk) -> Result<Result<u64, UndoFault>, Stop> {
        let answer = {
            let mut held = self.lock();
            held.check_open()?;
            if held.inner.asks_no_more {
                return Err(Stop::Leaving);
            }
            held.undo(ask)?
        };
        self.catch_up()?;
        Ok(answer)
    }

    /// Records, in a rollback, what its caller states about undos of earlier rollbacks whose outcome is unknown.
    ///
    /// # Errors
    /// Only what ends the run.
    pub fn undos_stated(&self, ids: &[u64], did: bool) -> Result<(), Stop> {
        let mut held = self.lock();
        let Some(of) = held.shared().header.rolls_back else { return Ok(()) };
        let by = held.shared().header.by.clone();
        let end = if did { UndoEnd::Done } else { UndoEnd::NotDone };
        for id in ids {
            let (at, by, kind) = (held.now_ms(), Some(by.clone()), RecordKind::UndoDone);
            held.put(UndoDone { at, by, end, id: *id, kind, of, op: None, status: None, v: VERSION }, Vec::new())?;
        }
        Ok(())
    }
}

impl LockedRun<'_> {
    fn undo(&mut self, ask: UndoAsk) -> Result<Result<u64, UndoFault>, Stop> {
        let judged = match &ask {
            UndoAsk::Register(undo) => self.may_register(undo),
            UndoAsk::Discharge(id) => self.may_discharge(*id).map_err(|reason| (reason, None)),
        };
        self.flush(Moment::Guest)?;
        let (id, told) = match judged {
            Ok(id) => (id, self.undo_as_told(&ask)),
            Err((reason, policy)) => return self.no_undo(ask, reason, policy).map(Err),
        };
        match ask {
            UndoAsk::Register(undo) => self.registered(id, *undo, told)?,
            UndoAsk::Discharge(_) => self.discharged(id, told)?,
        }
        Ok(Ok(id))
    }

    /// An ask in the form of the record.
    fn undo_as_told(&self, ask: &UndoAsk) -> AskedFor {
        let whole = Ask::Undo(ask.clone());
        let http = if let UndoAsk::Register(undo) = ask { Some(&undo.request) } else { None };
        self.told(asked_of(ask.function(), whole.resource()), http)
    }

    fn registered(&mut self, id: u64, undo: UndoRegistration, ask: AskedFor) -> Result<(), Stop> {
        let bytes = undo.canonical_bytes();
        let record = UndoRegistered {
            ask,
            at: self.now_ms(),
            bytes: undo.bytes() as u64,
            covers: undo.covers.resource(),
            covers_key: self.keyed(&undo.covers.canonical_bytes()),
            done_at: undo.done_at.clone(),
            id,
            kind: RecordKind::UndoRegistered,
            params: self.keyed(&Ask::Undo(UndoAsk::Register(Box::new(undo.clone()))).canonical_bytes()),
            spent_ms: self.spent_ms(),
            v: VERSION,
            words: undo.words,
        };
        tracing::info!(parent: self.gate.span(), id, resource = %record.ask.resource, covers = %record.covers, "undo registered");
        self.inner.requests_bytes = self.inner.requests_bytes.saturating_add(bytes.len() as u64);
        self.put(record, in_pieces(&bytes).collect())
    }

    fn discharged(&mut self, id: u64, ask: AskedFor) -> Result<(), Stop> {
        let (at, kind, spent_ms) = (self.now_ms(), RecordKind::UndoDischarged, self.spent_ms());
        let params = self.keyed(&Ask::Undo(UndoAsk::Discharge(id)).canonical_bytes());
        tracing::info!(parent: self.gate.span(), id, "undo withdrawn");
        self.put(UndoDischarged { ask, at, id, kind, params, spent_ms, v: VERSION }, Vec::new())
    }

    /// Records a refusal. It is not counted with others that are alike: there are few of them, and each has its own place on the record.
    fn no_undo(&mut self, ask: UndoAsk, reason: Reason, policy: Option<PolicyBasis>) -> Result<UndoFault, Stop> {
        let (told, fault) = (self.undo_as_told(&ask), UndoFault::of(&reason));
        self.inner.tally.refused += 1;
        self.shared().watcher.on_refused(&told, &reason);
        tracing::info!(parent: self.gate.span(), resource = %told.resource, reason = reason.code(), "undo refused");
        let params = self.keyed(&Ask::Undo(ask).canonical_bytes());
        let (kind, spent_ms, at) = (RecordKind::Refused, self.spent_ms(), self.now_ms());
        self.put(
            Refused { alike: 1, ask: told, at, counted: None, kind, op: 0, params, policy, reason, spent_ms, told: None, v: VERSION },
            Vec::new(),
        )?;
        Ok(fault)
    }

    /// The number that an undo gets, if it may be registered.
    fn may_register(&self, undo: &UndoRegistration) -> Result<u64, NoUndo> {
        let malformed = |why: &str| (Reason::Malformed(SafeText::new(why, 200)), None);
        if !self.shared().header.spec.grants.undo {
            return Err((Reason::NothingGranted, None));
        }
        // SECURITY: what changes nothing takes nothing back. Policies that demand an undo would be met by it.
        if undo.request.method.is_safe() {
            return Err(malformed("a request that changes nothing takes nothing back"));
        }
        if undo.covers.method.is_safe() {
            return Err(malformed("a request that changes nothing needs no undo"));
        }
        // SECURITY: with any other status the server may have refused the undo.
        if undo.done_at.iter().any(|status| !DONE_AT.contains(status)) {
            return Err(malformed("only the statuses 404, 409 and 410 can say that there is nothing to take back"));
        }
        let (id, bytes) = {
            let ledger = self.shared().book.ledger();
            let open = ledger.open_run(self.run());
            open.map_or((1, 0), |open| (open.undo_last + 1, open.undo_bytes))
        };
        let whole = undo.canonical_bytes();
        let kept = self.inner.requests_bytes.saturating_add(whole.len() as u64);
        let over = [
            id > UNDOS_MAX,
            undo.bytes() > UNDO_BYTES_MAX,
            bytes.saturating_add(undo.bytes() as u64) > UNDOS_BYTES_MAX,
            kept > self.shared().header.spec.limits.payload_bytes,
        ];
        if over.contains(&true) {
            return Err((Reason::OverLimit(Bound::Undos), None));
        }
        // SECURITY: a value in it would be sealed with the run, and would be sent later with stars in its place.
        let text = SafeText::from_bytes(&whole, usize::MAX);
        if self.shared().stars.get().is_some_and(|star| star(&text) != text) {
            return Err((Reason::SecretInRequest, None));
        }
        self.could_be_sent(undo).map(|()| id)
    }

    /// Whether the agent's grants and the policies allow the request of an undo now, possibly after people have approved it. They decide again
    /// when it is sent.
    fn could_be_sent(&self, undo: &UndoRegistration) -> Result<(), NoUndo> {
        let (facts, none) = (self.facts(), std::collections::BTreeSet::new());
        let own = self.policies().map(|own| {
            let facts = policy::PolicyFacts { rolls_back: true, ..self.policy_facts(facts.now_unix_s, false) };
            (facts, own)
        });
        let under = own.as_ref().map(|(facts, own)| Under { approved: &none, cache: &own.cache, facts, policies: &own.policies });
        let act = Act::Http(undo.request.clone());
        let decided = policy::decide_act(&self.shared().header.spec.grants, under, (facts, &self.shared().placeholders), &act);
        let decided = decided.map_err(|reason| (reason, None))?;
        match decided.decision {
            Decision::Permit(_) | Decision::Hold(_) => Ok(()),
            Decision::Refuse(reason) => Err((reason, decided.policy)),
        }
    }

    fn may_discharge(&self, id: u64) -> Result<u64, Reason> {
        let may = self.shared().book.ledger().open_run(self.run()).is_some_and(|open| open.may_discharge(id));
        let why = "there is no such undo, or its act may have happened";
        may.then_some(id).ok_or_else(|| Reason::Malformed(SafeText::new(why, 200)))
    }

    /// The undo that takes an act back, if the agent has registered one for exactly this method and target.
    pub(super) fn undo_of(&self, op: OpId, act: &Act) -> Option<u64> {
        let Act::Http(http) = act else { return None };
        let ledger = self.shared().book.ledger();
        let open = ledger.open_run(self.run()).filter(|open| !open.undos.is_empty())?;
        open.undo_for(op.0, self.keyed(&UndoCovers::from(http).canonical_bytes()))
    }

    /// In a rollback: the step that an operation carries out.
    pub(super) fn step_of(&self, op: OpId) -> Option<&UndoStep> {
        self.gate.0.plan.as_ref()?.step(op.0)
    }

    /// In a rollback: what became of the undo that this answer belongs to.
    pub(super) fn undo_ended(&self, answered: &Answered) -> Option<UndoDone> {
        let step = self.step_of(OpId(answered.op))?;
        let end = match (answered.status(), answered.happened()) {
            (Some(status), _) if step.is_done_at(status) => UndoEnd::Done,
            (Some(_), _) | (None, Happened::No) => UndoEnd::NotDone,
            (None, Happened::Yes | Happened::Perhaps) => UndoEnd::Unknown,
        };
        self.undo_done(answered.op, end, answered.status())
    }

    /// In a rollback: records that an undo was refused.
    pub(super) fn undo_refused(&mut self, op: OpId) -> Result<(), Stop> {
        match self.undo_done(op.0, UndoEnd::NotDone, None) {
            Some(done) => self.put(done, Vec::new()),
            None => Ok(()),
        }
    }

    fn undo_done(&self, op: u64, end: UndoEnd, status: Option<u16>) -> Option<UndoDone> {
        let (of, id) = (self.shared().header.rolls_back?, self.step_of(OpId(op))?.id);
        Some(UndoDone { at: self.now_ms(), by: None, end, id, kind: RecordKind::UndoDone, of, op: Some(op), status, v: VERSION })
    }
}
