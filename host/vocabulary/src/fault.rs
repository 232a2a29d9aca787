//! Why an act has no (more) answer, as far as a guest may know: one type for each capability, so that none borrows the words of another.
//! The operator's record says more.

use serde::{Deserialize, Serialize};

use crate::function::ActKind;

/// Why an act has no (more) answer: a variant of its capability.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fault {
    /// Of a step with a credential.
    Credential(CredentialFault),
    /// Of a request.
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

    /// A bound was reached: of how many may be under way, or of how often it may be done.
    pub fn over_limit(kind: ActKind) -> Self {
        match kind {
            ActKind::Credential => CredentialFault::OverLimit.into(),
            ActKind::Http => HttpFault::TooMany.into(),
        }
    }

    /// Its answer will not come, or not to its end. It may have happened.
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
    /// Refused, or it could not be done. The operator's record says which.
    Denied,
    /// Its answer is lost, and it may have happened.
    Lost,
    /// A bound was reached: of how many acts may be under way, or of how often it may be done.
    OverLimit,
}

/// Why a request has no (more) response. Whether a name exists, or which address it has, is never among it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HttpFault {
    /// Refused; the operator's record says why.
    Denied,
    /// It could not be reached: no name, no route, no listener, no TLS, for one plain word.
    Unreachable,
    /// It took longer than it may.
    TimedOut,
    /// The other side closed before the response was whole.
    Incomplete,
    /// What came was not HTTP.
    Protocol,
    /// More header bytes than may come.
    HeadersTooLarge,
    /// More body bytes than may come.
    BodyTooLarge,
    /// The run has as many requests under way as it may.
    TooMany,
    /// The guest waits for a response whose request it has not finished.
    Unfinished,
}
