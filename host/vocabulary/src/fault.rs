//! Why an act has no answer, or no further one, as far as a guest may know. There is one type for each capability. The operator's record
//! says more.

use serde::{Deserialize, Serialize};

use crate::function::ActKind;

/// Why an act has no answer, or no further one, for each capability.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fault {
    /// The fault of a step with a credential.
    Credential(CredentialFault),
    /// The fault of a request.
    Http(HttpFault),
}

impl Fault {
    /// Its stable name, as the record has it, without its capability.
    pub fn word(self) -> String {
        let word = match self {
            Self::Credential(fault) => serde_json::to_value(fault),
            Self::Http(fault) => serde_json::to_value(fault),
        };
        word.ok().and_then(|word| word.as_str().map(str::to_owned)).unwrap_or_default()
    }

    /// It was refused.
    pub fn denied(kind: ActKind) -> Self {
        match kind {
            ActKind::Credential => CredentialFault::Denied.into(),
            ActKind::Http => HttpFault::Denied.into(),
        }
    }

    /// A bound was reached: on how many acts may be active, or on how often this may be done.
    pub fn over_limit(kind: ActKind) -> Self {
        match kind {
            ActKind::Credential => CredentialFault::OverLimit.into(),
            ActKind::Http => HttpFault::TooMany.into(),
        }
    }

    /// The answer will not arrive, or not completely. The act may have happened.
    pub fn lost(kind: ActKind) -> Self {
        match kind {
            ActKind::Credential => CredentialFault::Lost.into(),
            ActKind::Http => HttpFault::Incomplete.into(),
        }
    }
}

impl From<HttpFault> for Fault {
    fn from(fault: HttpFault) -> Self {
        Self::Http(fault)
    }
}

impl From<CredentialFault> for Fault {
    fn from(fault: CredentialFault) -> Self {
        Self::Credential(fault)
    }
}

/// Why a step with a credential has no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CredentialFault {
    /// The step was refused, or could not be done. The operator's record says which.
    Denied,
    /// The answer is lost, and the step may have happened.
    Lost,
    /// A bound was reached: on how many acts may be active, or on how often this may be done.
    OverLimit,
}

/// Why a request has no response, or no further part of one. It never reveals whether a name exists, or which address it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HttpFault {
    /// The request was refused. The operator's record has the reason.
    Denied,
    /// The server could not be reached. This one word stands for no name, no route, no listener and no TLS.
    Unreachable,
    /// The request took longer than it may.
    TimedOut,
    /// The server closed the connection before the response was complete.
    Incomplete,
    /// The response was not HTTP.
    Protocol,
    /// The response has more header bytes than it may have.
    HeadersTooLarge,
    /// The response has more body bytes than it may have.
    BodyTooLarge,
    /// The run has as many active requests as it may have.
    TooMany,
    /// The guest waits for the response to a request that it has not finished.
    Unfinished,
}
