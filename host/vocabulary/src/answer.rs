//! What comes back, in one piece, of an act that the host itself answers.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The answer to an act that is answered in one piece: a variant of its capability. A response to a request comes in pieces of its own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Answer {
    /// To a step with a credential.
    Credential(CredentialAnswer),
}

/// What became of a step with a credential. No value is ever in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CredentialAnswer {
    /// The credential that has this value, if it is one that the agent may ask for.
    Identified(Option<Identified>),
    /// A new value was made, and is staged.
    Created {
        /// The version that it will have.
        version: u64,
    },
    /// The target was asked with the new value: either to accept it, or whether it accepts it.
    Tried {
        /// Whether it answered with a status from 200 to 299.
        accepted: bool,
        /// The status of the answer. `None` if there was no answer.
        status: Option<u16>,
    },
    /// The new value is in use from now on.
    Finished {
        /// The version of the new value.
        version: u64,
        /// Whether the target refused the old value afterwards.
        old_refused: bool,
        /// The status of the target's answer to the old value. `None` if there was no answer.
        status: Option<u16>,
    },
    /// Nothing was done.
    NotDone(NotDone),
}

/// A credential whose value was identified.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identified {
    /// The name of the credential.
    pub name: String,
    /// The version of the value. 0 if its source does not count versions.
    pub version: u64,
}

/// Why a step with a credential was not done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NotDone {
    /// No new value is staged.
    NoNewValue,
    /// The target does not accept the new value.
    NotAccepted,
    /// The credential has no value.
    NoValue,
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Credential(answer) => answer.fmt(f),
        }
    }
}

impl fmt::Display for CredentialAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let status = |status: &Option<u16>| status.map_or_else(|| "no answer".to_owned(), |status| format!("status {status}"));
        match self {
            Self::Identified(Some(found)) => write!(f, "it is the value of `{}`, version {}", found.name, found.version),
            Self::Identified(None) => f.write_str("it is the value of no credential that the agent may ask for"),
            Self::Created { version } => write!(f, "a new value is staged, as version {version}"),
            Self::Tried { accepted: true, status: got } => write!(f, "the target accepted it, {}", status(got)),
            Self::Tried { accepted: false, status: got } => write!(f, "the target did not accept it, {}", status(got)),
            Self::Finished { version, old_refused: true, status: got } => {
                write!(f, "version {version} is in use, and the target refused the old value, {}", status(got))
            }
            Self::Finished { version, old_refused: false, status: got } => {
                write!(f, "version {version} is in use; the target did not refuse the old value, {}", status(got))
            }
            Self::NotDone(why) => why.fmt(f),
        }
    }
}

impl fmt::Display for NotDone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoNewValue => "not done: no new value is staged",
            Self::NotAccepted => "not done: the target does not accept the new value",
            Self::NoValue => "not done: the credential has no value",
        })
    }
}
