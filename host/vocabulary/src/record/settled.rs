//! How an act ended, as the record has it: a variant of its capability, each with fields of its own.

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
    /// Which version of the credential went along, where its source counts them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credential_version: Option<u64>,
    /// What the guest was told to have gone wrong, where something did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<HttpFault>,
    /// In one word.
    pub outcome: HttpOutcome,
    /// The address that was really spoken to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peer: Option<SocketAddr>,
    /// Bytes of the request that were handed to a connection; absent where none were.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sent: Option<Sent>,
    /// Of the response.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// Of the connection.
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
    /// What the guest was told to have gone wrong, where something did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<CredentialFault>,
    /// In one word.
    pub outcome: CredentialOutcome,
    /// Which version of the credential was used, where its source counts them.
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
    /// A response came; its status tells the rest.
    Response,
    /// Every, or any, address behind the name is one it may not have, or the server's key is none that was pinned: nothing was sent.
    RefusedAddress,
    /// The credential that should be sent has no value, so nothing was sent.
    RefusedCredential,
    /// What permitted it had ended before it could be sent, so nothing was sent.
    RefusedLapsed,
    /// Nothing of it was sent; `fault` says why. It certainly did not happen.
    Failed,
    /// Nobody knows whether it happened. With a `fault`, something of it was sent, no answer came, and the guest is told so. Without one, the
    /// host died in between, and a person is asked.
    Unknown,
    /// The guest lost interest, or the run ended.
    Abandoned,
}

/// How a step with a credential ended, in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CredentialOutcome {
    /// It was done.
    Done,
    /// It was not done: it came at the wrong step, or its target did not accept it.
    NotDone,
    /// What permitted it had ended before it began.
    RefusedLapsed,
    /// It could not begin; `fault` says what the guest is told. It certainly did not happen.
    Failed,
    /// Nobody knows whether it happened. With a `fault`, the guest is told so. Without one, the host died in between, and a person is asked.
    Unknown,
    /// The guest lost interest, or the run ended.
    Abandoned,
}

/// What all kinds of act have in common: how one ended, for those that only count, or decide whether it may be made again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AnswerClass {
    /// A response came.
    Response,
    /// A step with a credential was done.
    Done,
    /// A step with a credential was not done: it came at the wrong step, or its target did not accept it.
    NotDone,
    /// The address, or the server's key, was refused after the intent.
    RefusedAddress,
    /// The credential was refused after the intent.
    RefusedCredential,
    /// What permitted it had ended before it began.
    RefusedLapsed,
    /// It certainly did not happen.
    Failed,
    /// Nobody knows whether it happened.
    Unknown,
    /// The guest lost interest, or the run ended.
    Abandoned,
}

impl AnswerClass {
    /// Whether it was refused after its intent.
    pub fn is_refusal(self) -> bool {
        matches!(self, Self::RefusedAddress | Self::RefusedCredential | Self::RefusedLapsed)
    }

    /// Whether an answer came that is handed to the guest.
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
    /// Nobody knows whether it happened, and the guest is not told.
    pub fn unknown(kind: ActKind) -> Self {
        match kind {
            ActKind::Credential => Self::Credential(CredentialOutcome::Unknown.into()),
            ActKind::Http => Self::Http(HttpOutcome::Unknown.into()),
        }
    }

    /// Nobody knows whether it happened, and the guest is told this.
    pub fn unknown_after(fault: Fault) -> Self {
        match fault {
            Fault::Credential(fault) => {
                Self::Credential(CredentialSettled { fault: Some(fault), ..CredentialOutcome::Unknown.into() })
            }
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

    /// How it ended, for those who don't care of which kind it was.
    pub fn class(&self) -> AnswerClass {
        match self {
            Self::Credential(settled) => settled.outcome.into(),
            Self::Http(settled) => settled.outcome.into(),
        }
    }

    /// What the guest was told to have gone wrong.
    pub fn fault(&self) -> Option<Fault> {
        match self {
            Self::Credential(settled) => settled.fault.map(Fault::Credential),
            Self::Http(settled) => settled.fault.map(Fault::Http),
        }
    }

    /// The request; `None` for another act.
    pub fn http(&self) -> Option<&HttpSettled> {
        match self {
            Self::Http(settled) => Some(settled),
            Self::Credential(_) => None,
        }
    }
}

impl Answered {
    /// How it ended, for those who don't care of which kind it was.
    pub fn class(&self) -> AnswerClass {
        self.how.class()
    }

    /// What the guest was told to have gone wrong.
    pub fn fault(&self) -> Option<Fault> {
        self.how.fault()
    }

    /// Status of the response; `None` where none came, and for an act that is no request.
    pub fn status(&self) -> Option<u16> {
        self.how.http().and_then(|http| http.status)
    }

    /// The address that was spoken to.
    pub fn peer(&self) -> Option<SocketAddr> {
        self.how.http().and_then(|http| http.peer)
    }

    /// Bytes of a request that were handed to a connection.
    pub fn sent(&self) -> Option<Sent> {
        self.how.http().and_then(|http| http.sent)
    }

    /// Whether anything of a request left the host. Of what is unknown nobody can say. What the host sends for a step with a credential has
    /// records of its own.
    pub fn was_sent(&self) -> bool {
        match &self.how {
            Settled::Http(http) => http.outcome == HttpOutcome::Response || http.sent.is_some_and(|sent| sent.bytes() > 0),
            Settled::Credential(_) => false,
        }
    }

    /// Whether something was sent, or may have been: nobody knows of what has no answer.
    pub fn may_have_been_sent(&self) -> bool {
        self.was_sent() || self.class() == AnswerClass::Unknown
    }

    /// Whether nobody knows if it happened, and the agent was not told so: a person may say it.
    pub fn waits_for_a_word(&self) -> bool {
        self.class() == AnswerClass::Unknown && self.fault().is_none()
    }

    /// Whether it was refused after its intent. Then nothing was sent.
    pub fn was_refused(&self) -> bool {
        !self.was_sent() && self.class().is_refusal()
    }
}
