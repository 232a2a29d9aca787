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
    /// Whose value it is, if it is one that the agent may ask for.
    Identified(Option<Identified>),
    /// A new value was made, and waits to be set.
    Created {
        /// The version that it will be.
        version: u64,
    },
    /// The target was asked with the new value: to take it, or whether it takes it.
    Tried {
        /// Whether it answered with a status from 200 to 299.
        accepted: bool,
        /// What it answered, if it did.
        status: Option<u16>,
    },
    /// The new value is the credential's from now on.
    Finished {
        /// The version that it is.
        version: u64,
        /// Whether the target refused the old value afterwards.
        old_refused: bool,
        /// What the target answered to the old value, if it did.
        status: Option<u16>,
    },
    /// Nothing was done.
    NotDone(NotDone),
}

/// A value that was identified.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identified {
    /// The credential.
    pub name: String,
    /// Its version; 0 where its source does not count them.
    pub version: u64,
}

/// Why a step with a credential was not done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NotDone {
    /// No new value waits.
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
            Self::Created { version } => write!(f, "a new value waits, to be version {version}"),
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
            Self::NoNewValue => "not done: no new value waits",
            Self::NotAccepted => "not done: the target does not accept the new value",
            Self::NoValue => "not done: the credential has no value",
        })
    }
}
