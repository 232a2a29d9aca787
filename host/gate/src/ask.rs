//! From an ask to a permit: nothing but this file makes one, and only after its intent is durable.

use std::net::SocketAddr;

use effect::record::{AnswerClass, Sent, Tls};
use effect::{Act, Bounds, Decision, FileAsk, Grants, HttpFault, OpId, Reason, Stop};
use policy::Facts;

use crate::log::Durable;
use crate::run::RunGate;

/// What became of an act, at once.
#[derive(Debug)]
pub enum Asked {
    /// It may happen, as soon as its intent is durable.
    Permitted(Box<Pending>),
    /// It may not; the guest is told this.
    Refused {
        /// The operation it was given.
        op: OpId,
        /// In the guest's terms.
        fault: HttpFault,
    },
}

/// An intent that has its place on the record and may not be durable yet. Dropped, it settles itself as `abandoned`.
#[must_use = "dropping it settles the operation as abandoned"]
pub struct Pending {
    durable: Durable,
    permit: Permit<Act>,
}

impl Pending {
    pub(crate) fn new(durable: Durable, permit: Permit<Act>) -> Self {
        Self { durable, permit }
    }

    /// The operation.
    pub fn op(&self) -> OpId {
        self.permit.op
    }

    /// Waits until the intent is durable: the only way to a permit.
    ///
    /// # Errors
    /// The record broke, or the run was stopped meanwhile; nothing may happen.
    pub async fn durable(self) -> Result<Permit<Act>, Stop> {
        let Self { durable, permit } = self;
        if let Err(broken) = durable.await {
            permit.gate.broke();
            return Err(broken.into());
        }
        permit.gate.lock().check_open()?;
        Ok(permit)
    }
}

impl std::fmt::Debug for Pending {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Pending({})", self.permit.op)
    }
}

/// Leave to cause one effect, once. Holding it proves that the ask was judged and that its intent is durable.
///
/// There is no way to copy or make one outside of this room. It is used up by settling; dropped, it settles as `abandoned`.
#[must_use = "dropping it settles the operation as abandoned"]
pub struct Permit<A> {
    ask: A,
    bounds: Bounds,
    gate: RunGate,
    op: OpId,
}

/// The head of an answer, for the record.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AnswerHead {
    /// Which version of the credential went along, where its source counts them.
    pub credential_version: Option<u64>,
    /// The address that was really spoken to.
    pub peer: Option<SocketAddr>,
    /// Of the response.
    pub status: Option<u16>,
    /// Of the connection.
    pub tls: Option<Tls>,
}

/// How an act that is not HTTP ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Acted {
    /// It was done.
    Done,
    /// It came at the wrong step, or its target did not accept it. Nothing was changed here.
    NotDone,
}

/// Why there is no answer, for the record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoAnswer {
    /// What the guest is told.
    pub fault: HttpFault,
    /// The address that was really spoken to, if any was.
    pub peer: Option<SocketAddr>,
    /// Where it was refused after all, for its address or its credential.
    pub refused: Option<Reason>,
}

impl<A> Permit<A> {
    pub(crate) fn new(ask: A, bounds: Bounds, gate: RunGate, op: OpId) -> Self {
        Self { ask, bounds, gate, op }
    }

    /// What may be done.
    pub fn ask(&self) -> &A {
        &self.ask
    }

    /// Within which bounds.
    pub fn bounds(&self) -> &Bounds {
        &self.bounds
    }

    /// Which operation it is.
    pub fn op(&self) -> OpId {
        self.op
    }

    /// An answer came: it is on the record when this returns.
    ///
    /// # Errors
    /// The record broke, or nobody wants the answer any more; it must not be handed on.
    pub fn answered(self, head: AnswerHead) -> Result<(), Stop> {
        self.gate.settle(self.op, Settling { class: AnswerClass::Response, fault: None, reason: None, head })
    }

    /// An act that is not HTTP was done, or could not be: it is on the record when this returns.
    ///
    /// # Errors
    /// As [`Permit::answered`].
    pub fn acted(self, outcome: Acted, credential_version: Option<u64>) -> Result<(), Stop> {
        let class = match outcome {
            Acted::Done => AnswerClass::Done,
            Acted::NotDone => AnswerClass::NotDone,
        };
        let head = AnswerHead { credential_version, ..AnswerHead::default() };
        self.gate.settle(self.op, Settling { class, fault: None, reason: None, head })
    }

    /// No answer came, or nothing was sent: it is on the record when this returns. If something of it was sent, nobody knows whether it
    /// happened, whatever ended the waiting.
    ///
    /// # Errors
    /// As [`Permit::answered`].
    pub fn unanswered(self, why: NoAnswer) -> Result<(), Stop> {
        let class = match &why.refused {
            Some(
                Reason::CredentialUnavailable(_)
                | Reason::CredentialOutside(_)
                | Reason::CredentialRevoked(_)
                | Reason::CredentialUnfit(_)
                | Reason::SecretInRequest
                | Reason::ValuesUnknown(_),
            ) => AnswerClass::RefusedCredential,
            Some(_) => AnswerClass::RefusedAddress,
            None => AnswerClass::Failed,
        };
        let head = AnswerHead { peer: why.peer, ..AnswerHead::default() };
        self.gate.settle(self.op, Settling { class, fault: Some(why.fault), reason: why.refused, head })
    }

    /// An act that is not HTTP was begun, and nobody waits for its end: it is on the record when this returns.
    ///
    /// # Errors
    /// As [`Permit::answered`].
    pub fn left_unknown(self, fault: HttpFault) -> Result<(), Stop> {
        self.gate.settle(self.op, Settling { fault: Some(fault), ..Settling::unknown() })
    }
}

impl<A> Drop for Permit<A> {
    fn drop(&mut self) {
        // Settled operations are no longer waited for, so this does nothing for them. A record that is broken stays so.
        let _ = self.gate.settle(self.op, Settling::abandoned());
    }
}

impl<A> std::fmt::Debug for Permit<A> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Permit({})", self.op)
    }
}

/// How an operation is settled.
pub(crate) struct Settling {
    pub(crate) class: AnswerClass,
    pub(crate) fault: Option<HttpFault>,
    pub(crate) reason: Option<Reason>,
    pub(crate) head: AnswerHead,
}

impl Settling {
    pub(crate) fn abandoned() -> Self {
        Self { class: AnswerClass::Abandoned, fault: None, reason: None, head: AnswerHead::default() }
    }

    pub(crate) fn unknown() -> Self {
        Self { class: AnswerClass::Unknown, ..Self::abandoned() }
    }

    /// What it comes to after so much was handed to a connection. `failed` and `refused` say that it certainly did not happen.
    pub(crate) fn after(self, sent: Option<Sent>) -> Self {
        let class = match self.class {
            AnswerClass::Failed | AnswerClass::RefusedAddress | AnswerClass::RefusedCredential if sent.is_some() => AnswerClass::Unknown,
            class => class,
        };
        Self { class, ..self }
    }
}

/// Whether a look at a mount may happen; mounts are counted as in [`Grants::files`].
///
/// # Errors
/// Why not, for the record.
pub fn judge_file(grants: &Grants, mount: Option<usize>, now_unix_s: u64, ask: &FileAsk) -> Result<(), Reason> {
    match policy::decide(grants, &Facts { now_unix_s, mount, ..Facts::default() }, &effect::Ask::File(ask.clone())) {
        Decision::Permit(_) => Ok(()),
        Decision::Refuse(reason) => Err(reason),
    }
}
