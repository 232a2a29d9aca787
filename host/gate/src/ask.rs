//! From the ask of an act to its permit: nothing but this file makes one, and only after its intent is durable.

use effects::Permit;
use permit::PermitParts;
use vocabulary::{Act, ActKind, Fault, OpId, Stop};

use crate::log::Durable;
use crate::run::{Judged, RunGate};
use crate::settling::Settling;

/// What became of an act, at once.
#[derive(Debug)]
pub(crate) enum Judgement {
    /// It may happen, as soon as its intent is durable.
    Permitted(Box<PendingIntent>),
    /// It may not; the guest is told this.
    Refused {
        /// The operation it was given.
        op: OpId,
        /// In the guest's terms.
        fault: Fault,
    },
}

/// An intent that has its place on the record and may not be durable yet. Dropped, it settles itself as `abandoned`.
#[must_use = "dropping it settles the operation as abandoned"]
pub(crate) struct PendingIntent {
    durable: Option<Durable>,
    gate: RunGate,
    terms: Option<PermitParts<Act>>,
    op: OpId,
    kind: ActKind,
}

impl RunGate {
    /// An act: judged, and its intent or its refusal put on the record.
    ///
    /// # Errors
    /// Only what ends the run.
    pub(crate) fn ask(&self, act: Act) -> Result<Judgement, Stop> {
        Ok(self.asked(self.judge(act)?))
    }

    /// The same for an act of before that is made again, under the number that it had.
    ///
    /// # Errors
    /// Only what ends the run.
    pub(crate) fn ask_again(&self, op: OpId, act: Act) -> Result<Judgement, Stop> {
        Ok(self.asked(self.judge_again(op, act)?))
    }

    fn asked(&self, judged: Judged) -> Judgement {
        match judged {
            Judged::Permitted { durable, terms } => {
                let (op, kind) = (terms.op, terms.ask.kind());
                Judgement::Permitted(Box::new(PendingIntent { durable: Some(durable), gate: self.clone(), op, kind, terms: Some(*terms) }))
            }
            Judged::Refused { op, fault } => Judgement::Refused { op, fault },
        }
    }
}

impl PendingIntent {
    /// The operation.
    pub(crate) fn op(&self) -> OpId {
        self.op
    }

    /// Which kind of act it is.
    pub(crate) fn kind(&self) -> ActKind {
        self.kind
    }

    /// Waits until the intent is durable: the only way to a permit.
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
            // A record that is broken stays so.
            let _ = self.gate.settle(self.op, Settling::Abandoned);
        }
    }
}

impl std::fmt::Debug for PendingIntent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Pending({})", self.op)
    }
}
