//! How the host says no.

use std::fmt;

/// Why the host said no. Mirrors `types.refusal-code`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefusalCode {
    /// Nothing was granted that covers this. Asking again will not help.
    NotGranted,
    /// What was asked for is not well formed. Correct it and ask again.
    Malformed,
    /// A limit of this run would be passed. Ask for less.
    OverLimit,
}

impl RefusalCode {
    /// The word that the contract uses.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotGranted => "not-granted",
            Self::Malformed => "malformed",
            Self::OverLimit => "over-limit",
        }
    }
}

/// A refusal by the host. Mirrors `types.refusal`; it never tells whether the thing asked for exists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// What the agent may do about it.
    pub code: RefusalCode,
    /// One sentence for the author of the agent.
    pub hint: String,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "refused as `{}`: {}", self.code.as_str(), self.hint)
    }
}

impl std::error::Error for Refusal {}
