//! Why something could not be decided: a word for each reason, the same in the output and in the documentation.

use bailiwick_sdk::http::Error;

/// A reason why a check could not be decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Why {
    /// The answer is not HTTP, or broke off.
    BrokenAnswer,
    /// The target or the run has no requests left.
    BudgetSpent,
    /// The server says that it is overloaded, or that the agent asks too often (503, 429).
    Busy,
    /// The host could not carry the request.
    Host,
    /// The target's own page does not exist, so it can't be checked.
    NoPage,
    /// The target redirects to another origin, which would be another target.
    OtherOrigin,
    /// There were too many redirects.
    RedirectLoop,
    /// The operator's grant does not cover the request.
    Refused,
    /// The same was also found at a path that can't exist.
    SoftNotFound,
    TimedOut,
    TooLarge,
    /// Found, but the random path beside it had no answer.
    Unconfirmed,
    /// The name does not resolve, nothing listens, or the host does not accept the certificate: the host reports all three alike.
    Unreachable,
}

impl Why {
    /// All reasons, for the test of the README.
    #[cfg(test)]
    pub(crate) const ALL: [Self; 13] = [
        Self::BrokenAnswer,
        Self::BudgetSpent,
        Self::Busy,
        Self::Host,
        Self::NoPage,
        Self::OtherOrigin,
        Self::RedirectLoop,
        Self::Refused,
        Self::SoftNotFound,
        Self::TimedOut,
        Self::TooLarge,
        Self::Unconfirmed,
        Self::Unreachable,
    ];

    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::BrokenAnswer => "broken-answer",
            Self::BudgetSpent => "budget-spent",
            Self::Busy => "busy",
            Self::Host => "host",
            Self::NoPage => "no-page",
            Self::OtherOrigin => "other-origin",
            Self::RedirectLoop => "redirect-loop",
            Self::Refused => "refused",
            Self::SoftNotFound => "soft-404",
            Self::TimedOut => "timed-out",
            Self::TooLarge => "too-large",
            Self::Unconfirmed => "unconfirmed",
            Self::Unreachable => "unreachable",
        }
    }

    /// Whether a target is given up if this reason occurs again and again.
    pub(crate) const fn is_lasting(self) -> bool {
        matches!(self, Self::TimedOut | Self::Unreachable)
    }

    pub(crate) const fn of(err: &Error) -> Self {
        match err {
            Error::Refused | Error::Malformed { .. } => Self::Refused,
            Error::Timeout { .. } => Self::TimedOut,
            Error::Connection { .. } => Self::Unreachable,
            Error::TooLarge { .. } => Self::TooLarge,
            Error::Protocol { .. } | Error::Json(_) | Error::Status { .. } => Self::BrokenAnswer,
            Error::Host { .. } => Self::Host,
        }
    }
}
