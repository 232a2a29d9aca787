//! How an operation is settled: what goes onto the record as its end.

use std::net::SocketAddr;

use effects::{Failure, HttpAnswered};
use vocabulary::record::{AnswerClass, Sent, Tls};
use vocabulary::{HttpFault, Reason, SafeText};

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
