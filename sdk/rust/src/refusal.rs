//! A refusal by the host.

use std::fmt;

/// Why the host refused. Mirrors `types.refusal-code`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefusalCode {
    /// No grant covers this. Asking again does not help.
    NotGranted,
    /// The ask is not well formed. Correct it and ask again.
    Malformed,
    /// The ask would exceed a limit of this run. Ask for less.
    OverLimit,
}

impl RefusalCode {
    /// The code as the WIT interface spells it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotGranted => "not-granted",
            Self::Malformed => "malformed",
            Self::OverLimit => "over-limit",
        }
    }
}

/// A refusal by the host. Mirrors `types.refusal`; it never says whether the resource exists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Why the host refused, and so what the agent can do about it.
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
