//! Why something could not be decided: a word for each reason, the same in the output and in the documentation.

use bailiwick_sdk::http::Error;

/// See the module.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Why {
    /// The answer is no HTTP, or broke off.
    BrokenAnswer,
    /// The target or the run has no requests left.
    BudgetSpent,
    /// The server says that it has too much to do, or that this is too often.
    Busy,
    /// The host could not carry the request.
    Host,
    /// The target's own page is not there to be looked at.
    NoPage,
    /// It leads to another origin, which is another target.
    OtherOrigin,
    /// Redirects without an end.
    RedirectLoop,
    /// The operator's grant does not cover it.
    Refused,
    /// What was found is also found where nothing can be.
    SoftNotFound,
    TimedOut,
    TooLarge,
    /// Found, but the random path beside it had no answer.
    Unconfirmed,
    /// No name, no listener, or no TLS with a certificate that the host accepts: the host says one word for all of them.
    Unreachable,
}

impl Why {
    /// All of them, for the documentation's test.
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

    /// Whether a target that gives this again and again is not worth asking any longer.
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
