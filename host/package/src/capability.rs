//! What can be declared by an agent and granted by an operator, in this version.

use std::fmt;
use std::str::FromStr;

use effect::ParseError;
use serde::{Deserialize, Serialize};

/// A capability, as both sides write it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Capability {
    /// Something done with credentials besides having them sent along.
    Credentials,
    /// Folders of the host.
    Files,
    /// Requests.
    Http,
}

impl Capability {
    /// All of them, in the order in which they are shown.
    pub const ALL: &[Self] = &[Self::Files, Self::Http, Self::Credentials];

    /// As written.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Credentials => "credentials",
            Self::Files => "files",
            Self::Http => "http",
        }
    }
}

impl fmt::Display for Capability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Capability {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let known = Self::ALL.iter().copied().find(|known| known.as_str() == text);
        known.ok_or_else(|| ParseError::new("a capability", text, "`files`, `http` or `credentials`"))
    }
}

/// What is written in the same places and comes later, and with what.
pub(crate) const LATER: &[(&str, &str)] =
    &[("approvals", "approvals"), ("undo", "approvals"), ("agents", "agents that call agents"), ("model", "models")];
