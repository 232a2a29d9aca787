//! How an act ended, as on the record: one variant for each capability, with its own fields.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use super::{Answered, Sent, Tls};
use crate::answer::{Answer, CredentialAnswer};
use crate::decision::Reason;
use crate::fault::{CredentialFault, Fault, HttpFault};
use crate::function::ActKind;

/// How an act ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Settled {
    /// A step with a credential.
    Credential(CredentialSettled),
    /// A request.
    Http(HttpSettled),
}

/// How a request ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HttpSettled {
    /// The version of the credential that was sent, if its source counts versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credential_version: Option<u64>,
    /// The fault that the guest saw, if there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<HttpFault>,
    /// How it ended, in one word.
    pub outcome: HttpOutcome,
    /// The address of the connection.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peer: Option<SocketAddr>,
    /// The bytes of the request that were passed to a connection. Absent if there were none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sent: Option<Sent>,
    /// The status of the response.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// The TLS connection.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<Tls>,
}

impl From<HttpOutcome> for HttpSettled {
    fn from(outcome: HttpOutcome) -> Self {
        Self { credential_version: None, fault: None, outcome, peer: None, sent: None, status: None, tls: None }
    }
}

/// How a step with a credential ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CredentialSettled {
    /// The fault that the guest saw, if there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<CredentialFault>,
    /// How it ended, in one word.
    pub outcome: CredentialOutcome,
    /// The version of the credential that was used, if its source counts versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<u64>,
}

impl From<CredentialOutcome> for CredentialSettled {
    fn from(outcome: CredentialOutcome) -> Self {
        Self { fault: None, outcome, version: None }
    }
}

/// How a request ended, in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HttpOutcome {
    /// A response arrived. Its status says more.
    Response,
    /// An address to which the name resolves is not allowed, or the server's key is not one of those that are pinned. Nothing was sent.
    RefusedAddress,
    /// The credential that should be sent has no value, so nothing was sent.
    RefusedCredential,
    /// The permit had expired before the request could be sent, so nothing was sent.
    RefusedLapsed,
    /// Nothing of it was sent; `fault` says why. It certainly did not happen.
    Failed,
    /// It is unknown whether it happened. With a `fault`, something of it was sent, no answer arrived, and the guest sees the fault.
    /// Without one, the host crashed in between, and a person is asked.
    Unknown,
    /// The guest abandoned it, or the run ended.
    Abandoned,
}

/// How a step with a credential ended, in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CredentialOutcome {
    /// It was done.
    Done,
    /// It was not done: it was out of order, or its target did not accept it.
    NotDone,
    /// The permit had expired before it began.
    RefusedLapsed,
    /// It could not begin; `fault` says what the guest sees. It certainly did not happen.
    Failed,
    /// It is unknown whether it happened. With a `fault`, the guest sees the fault. Without one, the host crashed in between, and a person
    /// is asked.
    Unknown,
    /// The guest abandoned it, or the run ended.
    Abandoned,
}

/// How an act of any kind ended, for code that only counts, or decides whether the act may be repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AnswerClass {
    /// A response arrived.
    Response,
    /// A step with a credential was done.
    Done,
    /// A step with a credential was not done: it was out of order, or its target did not accept it.
    NotDone,
    /// The address, or the server's key, was refused after the intent was recorded.
    RefusedAddress,
    /// The credential was refused after the intent was recorded.
    RefusedCredential,
    /// The permit had expired before it began.
    RefusedLapsed,
    /// It certainly did not happen.
    Failed,
    /// It is unknown whether it happened.
    Unknown,
    /// The guest abandoned it, or the run ended.
    Abandoned,
}

impl AnswerClass {
    /// Whether it was refused after its intent was recorded.
    pub fn is_refusal(self) -> bool {
        matches!(self, Self::RefusedAddress | Self::RefusedCredential | Self::RefusedLapsed)
    }

    /// Whether there is an answer that the guest gets.
    pub fn has_answer(self) -> bool {
        match self {
            Self::Response | Self::Done | Self::NotDone => true,
            Self::RefusedAddress | Self::RefusedCredential | Self::RefusedLapsed | Self::Failed | Self::Unknown | Self::Abandoned => false,
        }
    }
}

impl From<HttpOutcome> for AnswerClass {
    fn from(outcome: HttpOutcome) -> Self {
        match outcome {
            HttpOutcome::Response => Self::Response,
            HttpOutcome::RefusedAddress => Self::RefusedAddress,
            HttpOutcome::RefusedCredential => Self::RefusedCredential,
            HttpOutcome::RefusedLapsed => Self::RefusedLapsed,
            HttpOutcome::Failed => Self::Failed,
            HttpOutcome::Unknown => Self::Unknown,
            HttpOutcome::Abandoned => Self::Abandoned,
        }
    }
}

impl From<CredentialOutcome> for AnswerClass {
    fn from(outcome: CredentialOutcome) -> Self {
        match outcome {
            CredentialOutcome::Done => Self::Done,
            CredentialOutcome::NotDone => Self::NotDone,
            CredentialOutcome::RefusedLapsed => Self::RefusedLapsed,
            CredentialOutcome::Failed => Self::Failed,
            CredentialOutcome::Unknown => Self::Unknown,
            CredentialOutcome::Abandoned => Self::Abandoned,
        }
    }
}

/// How a request ended that has no answer, and of which nothing was sent.
fn unanswered(refused: Option<&Reason>) -> HttpOutcome {
    match refused {
        Some(
            Reason::CredentialUnavailable(_)
            | Reason::CredentialOutside(_)
            | Reason::CredentialRevoked(_)
            | Reason::CredentialUnfit(_)
            | Reason::SecretInRequest
            | Reason::ValuesFull(_)
            | Reason::ValuesUnknown(_),
        ) => HttpOutcome::RefusedCredential,
        Some(Reason::GrantExpired) => HttpOutcome::RefusedLapsed,
        Some(_) => HttpOutcome::RefusedAddress,
        None => HttpOutcome::Failed,
    }
}

impl Settled {
    /// It is unknown whether the act happened, and the guest does not see a fault.
    pub fn unknown(kind: ActKind) -> Self {
        match kind {
            ActKind::Credential => Self::Credential(CredentialOutcome::Unknown.into()),
            ActKind::Http => Self::Http(HttpOutcome::Unknown.into()),
        }
    }

    /// Nobody knows whether it happened, and the guest is told this.
    pub fn unknown_after(fault: Fault) -> Self {
        match fault {
            Fault::Credential(fault) => Self::Credential(CredentialSettled { fault: Some(fault), ..CredentialOutcome::Unknown.into() }),
            Fault::Http(fault) => Self::Http(HttpSettled { fault: Some(fault), ..HttpOutcome::Unknown.into() }),
        }
    }

    /// It was answered in one piece. `version` is that of the credential that was used, where its source counts them.
    pub fn of_answer(answer: &Answer, version: Option<u64>) -> Self {
        match answer {
            Answer::Credential(answer) => {
                let is_done = !matches!(answer, CredentialAnswer::NotDone(_));
                let outcome = if is_done { CredentialOutcome::Done } else { CredentialOutcome::NotDone };
                Self::Credential(CredentialSettled { version, ..outcome.into() })
            }
        }
    }

    /// It has no answer, and nothing of it was sent: it failed, or it was refused after its intent. `peer` is the address that was spoken to.
    pub fn failed(fault: Fault, refused: Option<&Reason>, peer: Option<SocketAddr>) -> Self {
        match fault {
            Fault::Http(fault) => Self::Http(HttpSettled { fault: Some(fault), peer, ..unanswered(refused).into() }),
            Fault::Credential(fault) => {
                let has_lapsed = matches!(refused, Some(Reason::GrantExpired));
                let outcome = if has_lapsed { CredentialOutcome::RefusedLapsed } else { CredentialOutcome::Failed };
                Self::Credential(CredentialSettled { fault: Some(fault), ..outcome.into() })
            }
        }
    }

    /// The guest lost interest, or the run ended.
    pub fn abandoned(kind: ActKind) -> Self {
        match kind {
            ActKind::Credential => Self::Credential(CredentialOutcome::Abandoned.into()),
            ActKind::Http => Self::Http(HttpOutcome::Abandoned.into()),
        }
    }

    /// How the act ended, whatever its kind.
    pub fn class(&self) -> AnswerClass {
        match self {
            Self::Credential(settled) => settled.outcome.into(),
            Self::Http(settled) => settled.outcome.into(),
        }
    }

    /// The fault that the guest saw.
    pub fn fault(&self) -> Option<Fault> {
        match self {
            Self::Credential(settled) => settled.fault.map(Fault::Credential),
            Self::Http(settled) => settled.fault.map(Fault::Http),
        }
    }

    /// The request. `None` for another act.
    pub fn http(&self) -> Option<&HttpSettled> {
        match self {
            Self::Http(settled) => Some(settled),
            Self::Credential(_) => None,
        }
    }
}

impl Answered {
    /// How the act ended, whatever its kind.
    pub fn class(&self) -> AnswerClass {
        self.how.class()
    }

    /// The fault that the guest saw.
    pub fn fault(&self) -> Option<Fault> {
        self.how.fault()
    }

    /// The status of the response. `None` if there was no response, and for an act that is not a request.
    pub fn status(&self) -> Option<u16> {
        self.how.http().and_then(|http| http.status)
    }

    /// The address of the connection.
    pub fn peer(&self) -> Option<SocketAddr> {
        self.how.http().and_then(|http| http.peer)
    }

    /// The bytes of a request that were passed to a connection.
    pub fn sent(&self) -> Option<Sent> {
        self.how.http().and_then(|http| http.sent)
    }

    /// Whether anything of a request left the host. False if that is unknown. What the host sends for a step with a credential has its own
    /// records.
    pub fn was_sent(&self) -> bool {
        match &self.how {
            Settled::Http(http) => http.outcome == HttpOutcome::Response || http.sent.is_some_and(|sent| sent.bytes() > 0),
            Settled::Credential(_) => false,
        }
    }

    /// Whether something was sent, or may have been. An act without an answer may have been sent.
    pub fn may_have_been_sent(&self) -> bool {
        self.was_sent() || self.class() == AnswerClass::Unknown
    }

    /// Whether it is unknown if it happened, and the agent did not see a fault. Then a person may state it.
    pub fn waits_for_a_word(&self) -> bool {
        self.class() == AnswerClass::Unknown && self.fault().is_none()
    }

    /// Whether it was refused after its intent was recorded. Then nothing was sent.
    pub fn was_refused(&self) -> bool {
        !self.was_sent() && self.class().is_refusal()
    }
}
