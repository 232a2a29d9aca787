//! From the ask of an act to its permit: nothing but this file makes one, and only after its intent is durable.

use std::net::SocketAddr;

use effect::record::{AnswerClass, Sent, Tls};
use effect::{Act, HttpFault, OpId, Reason, SafeText, Stop};
use effects::{Failure, HttpAnswered, Permit};
use permit::Terms;

use crate::log::Durable;
use crate::run::RunGate;

/// What became of an act, at once.
#[derive(Debug)]
pub(crate) enum Asked {
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
pub(crate) struct Pending {
    durable: Option<Durable>,
    gate: RunGate,
    terms: Option<Terms<Act>>,
    op: OpId,
}

impl Pending {
    pub(crate) fn new(durable: Durable, gate: RunGate, terms: Terms<Act>) -> Self {
        Self { durable: Some(durable), gate, op: terms.op, terms: Some(terms) }
    }

    /// The operation.
    pub(crate) fn op(&self) -> OpId {
        self.op
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
        self.terms.take().map(permit::issue).ok_or(Stop::Stopped)
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        if self.terms.is_some() {
            // A record that is broken stays so.
            let _ = self.gate.settle(self.op, Settling::abandoned());
        }
    }
}

impl std::fmt::Debug for Pending {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Pending({})", self.op)
    }
}

/// How an operation is settled.
pub(crate) struct Settling {
    pub(crate) class: AnswerClass,
    pub(crate) credential_version: Option<u64>,
    pub(crate) detail: SafeText,
    pub(crate) fault: Option<HttpFault>,
    pub(crate) peer: Option<SocketAddr>,
    pub(crate) reason: Option<Reason>,
    pub(crate) status: Option<u16>,
    pub(crate) tls: Option<Tls>,
}

impl Settling {
    fn bare(class: AnswerClass) -> Self {
        Self {
            class,
            credential_version: None,
            detail: SafeText::default(),
            fault: None,
            peer: None,
            reason: None,
            status: None,
            tls: None,
        }
    }

    pub(crate) fn abandoned() -> Self {
        Self::bare(AnswerClass::Abandoned)
    }

    /// A response came.
    pub(crate) fn answered(head: HttpAnswered) -> Self {
        let HttpAnswered { credential_version, peer, status, tls } = head;
        Self { credential_version, peer, status: Some(status), tls, ..Self::bare(AnswerClass::Response) }
    }

    /// An act that is not HTTP was done, or could not be.
    pub(crate) fn acted(class: AnswerClass, credential_version: Option<u64>) -> Self {
        Self { credential_version, ..Self::bare(class) }
    }

    /// No answer came, or nothing was sent. If something of it was sent, nobody knows whether it happened, whatever ended the waiting.
    pub(crate) fn unanswered(why: Failure) -> Self {
        let class = match &why.refused {
            Some(
                Reason::CredentialUnavailable(_)
                | Reason::CredentialOutside(_)
                | Reason::CredentialRevoked(_)
                | Reason::CredentialUnfit(_)
                | Reason::SecretInRequest
                | Reason::ValuesUnknown(_),
            ) => AnswerClass::RefusedCredential,
            Some(Reason::GrantExpired) => AnswerClass::RefusedLapsed,
            Some(_) => AnswerClass::RefusedAddress,
            None => AnswerClass::Failed,
        };
        Self {
            detail: detail_beside(why.refused.as_ref(), why.detail),
            fault: Some(why.fault),
            peer: why.peer,
            reason: why.refused,
            ..Self::bare(class)
        }
    }

    pub(crate) fn unknown() -> Self {
        Self { class: AnswerClass::Unknown, ..Self::abandoned() }
    }

    /// What it comes to after so much was handed to a connection. `failed` and `refused` say that it certainly did not happen.
    pub(crate) fn after(self, sent: Option<Sent>) -> Self {
        let class = match self.class {
            class if sent.is_some() && (class.is_refusal() || class == AnswerClass::Failed) => AnswerClass::Unknown,
            class => class,
        };
        Self { class, ..self }
    }
}

/// A reason says by itself why something was refused.
pub(crate) fn detail_beside(reason: Option<&Reason>, detail: SafeText) -> SafeText {
    if reason.is_some() { SafeText::default() } else { detail }
}
