//! Turns the ask of an act into its permit. Only this file makes permits for acts, and only after the intent is durable.

use effects::Permit;
use permit::PermitParts;
use vocabulary::{Act, ActKind, Fault, OpId, Stop};

use crate::log::Durable;
use crate::run::{Judged, RunGate};
use crate::settling::Settling;

/// The immediate result of asking for an act.
#[derive(Debug)]
pub(crate) enum Judgement {
    /// The act may happen as soon as its intent is durable.
    Permitted(Box<PendingIntent>),
    /// The act is held back until people have decided.
    Held {
        /// The operation number of the act.
        op: OpId,
        /// The act.
        act: Box<Act>,
    },
    /// The act may not happen. The guest gets the fault.
    Refused {
        /// The operation number of the act.
        op: OpId,
        /// The refusal in the guest's terms.
        fault: Fault,
    },
}

/// An intent that has its place on the record and may not be durable yet. If it is dropped, the operation is settled as `abandoned`.
#[must_use = "dropping it settles the operation as abandoned"]
pub(crate) struct PendingIntent {
    durable: Option<Durable>,
    gate: RunGate,
    terms: Option<PermitParts<Act>>,
    op: OpId,
    kind: ActKind,
}

impl RunGate {
    /// Judges an act, and records its intent or its refusal.
    ///
    /// # Errors
    /// Only what ends the run.
    pub(crate) fn ask(&self, act: Act) -> Result<Judgement, Stop> {
        Ok(self.asked(self.judge(act)?))
    }

    /// As [`RunGate::ask`], for an earlier act that is repeated under the number that it had.
    ///
    /// # Errors
    /// Only what ends the run.
    pub(crate) fn ask_again(&self, op: OpId, act: Act) -> Result<Judgement, Stop> {
        Ok(self.asked(self.judge_again(op, act)?))
    }

    /// As [`RunGate::ask`], for an act that was held back. Returns `None` as long as people may still decide.
    ///
    /// # Errors
    /// Only what ends the run.
    pub(crate) fn ask_held(&self, op: OpId, act: Act) -> Result<Option<Judgement>, Stop> {
        Ok(self.judge_held(op, act)?.map(|judged| self.asked(judged)))
    }

    fn asked(&self, judged: Judged) -> Judgement {
        match judged {
            Judged::Permitted { durable, terms } => {
                let (op, kind) = (terms.op, terms.ask.kind());
                Judgement::Permitted(Box::new(PendingIntent { durable: Some(durable), gate: self.clone(), op, kind, terms: Some(*terms) }))
            }
            Judged::Held { op, act } => Judgement::Held { op, act },
            Judged::Refused { op, fault } => Judgement::Refused { op, fault },
        }
    }
}

impl PendingIntent {
    /// The number of the operation.
    pub(crate) fn op(&self) -> OpId {
        self.op
    }

    /// The kind of act.
    pub(crate) fn kind(&self) -> ActKind {
        self.kind
    }

    /// Waits until the intent is durable, and returns the permit. There is no other way to get one.
    ///
    /// # Errors
    /// The record broke, or the run was stopped meanwhile; nothing may happen.
    pub(crate) async fn durable(mut self) -> Result<Permit<Act>, Stop> {
        if let Some(durable) = self.durable.take()
            && let Err(broken) = durable.await
        {
            self.gate.broke();
            return Err(broken.into());
        }
        self.gate.check_going()?;
        self.terms.take().map(permit::issue).ok_or(Stop::Ended)
    }
}

impl Drop for PendingIntent {
    fn drop(&mut self) {
        if self.terms.is_some() {
            // If this fails, the record is broken, and every later step meets the same error.
            let _ = self.gate.settle(self.op, Settling::Abandoned);
        }
    }
}

impl std::fmt::Debug for PendingIntent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Pending({})", self.op)
    }
}
