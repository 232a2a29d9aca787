//! The errors of a request.

/// Why a request has no answer, grouped by what the agent can do about it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The request can't be sent as it is. Correct it.
    #[error("not a request that can be sent: {what}")]
    Malformed {
        /// What is wrong with it.
        what: String,
    },
    /// The host refused. Asking again does not help; the operator's record has the reason.
    #[error("the host refused the request")]
    Refused,
    /// There was no answer in time, or only a part of it.
    #[error("no answer in time (`{code}`)")]
    Timeout {
        /// The name of the case in `wasi:http`, or `timeout` for the agent's own.
        code: &'static str,
    },
    /// Nothing answers there, or the connection was closed.
    #[error("no connection (`{code}`)")]
    Connection {
        /// The name of the case in `wasi:http`.
        code: &'static str,
    },
    /// A body or a header section is larger than the host or the client's `body_bytes_max` allows.
    #[error("too large (`{code}`)")]
    TooLarge {
        /// The name of the case in `wasi:http`, or `body-bytes-max` for the agent's own.
        code: &'static str,
    },
    /// The answer is not HTTP, or broke off.
    #[error("the answer is broken (`{code}`)")]
    Protocol {
        /// The name of the case in `wasi:http`.
        code: &'static str,
    },
    /// The host could not carry the request; neither the agent nor the server is at fault.
    #[error("the host could not carry the request (`{code}`)")]
    Host {
        /// The name of the case in `wasi:http`.
        code: &'static str,
    },
    /// The status is an error. Only [`super::Response::error_for_status`] returns this.
    #[error("the answer's status is {status}")]
    Status {
        /// The status, 400 to 599.
        status: u16,
    },
    /// The body is not JSON, or not of that type.
    #[error("the answer is not the JSON expected")]
    Json(#[source] serde_json::Error),
}

impl Error {
    /// As many requests are in flight as the operator allows; nothing of this one was sent.
    pub(crate) const LIMIT_REACHED: &str = "connection-limit-reached";

    /// A short stable word for each case, for [`crate::Failure::code`].
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Malformed { .. } => "http-malformed",
            Self::Refused => "http-refused",
            Self::Timeout { .. } => "http-timeout",
            Self::Connection { .. } => "http-connection",
            Self::TooLarge { .. } => "http-too-large",
            Self::Protocol { .. } => "http-protocol",
            Self::Host { .. } => "http-host",
            Self::Status { .. } => "http-status",
            Self::Json(_) => "http-json",
        }
    }

    /// Whether the same request may find room once another request is over.
    pub(crate) fn wants_room(&self) -> bool {
        matches!(self, Self::Connection { code: Self::LIMIT_REACHED })
    }

    pub(crate) fn malformed(what: impl Into<String>) -> Self {
        Self::Malformed { what: what.into() }
    }
}
