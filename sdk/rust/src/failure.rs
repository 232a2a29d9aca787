//! The agent's own failure.

use std::fmt;

/// The agent's reason why its run failed. Mirrors `types.failure`. A panic is not a `Failure`: it ends the run as `trapped`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// A short stable word for programs: the agent's own, or one of this crate (`bad-input`, `bad-output`, `http-…`).
    pub code: String,
    /// One paragraph for people.
    pub message: String,
}

impl Failure {
    /// The code of a run whose input was not of the agent's input type.
    pub const BAD_INPUT: &str = "bad-input";

    /// A failure with the agent's own code.
    #[must_use]
    pub fn new(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self { code: code.into(), message: message.into() }
    }

    /// A failure with `err` and its causes in the message, each after a colon.
    #[must_use]
    pub fn caused(code: impl Into<String>, err: &dyn std::error::Error) -> Self {
        let mut message = err.to_string();
        let mut cause = err.source();
        while let Some(err) = cause {
            message.push_str(": ");
            message.push_str(&err.to_string());
            cause = err.source();
        }
        Self { code: code.into(), message }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.message)
    }
}

impl std::error::Error for Failure {}

/// Lets `?` work on the SDK's own errors.
impl From<crate::http::Error> for Failure {
    fn from(err: crate::http::Error) -> Self {
        Self::caused(err.code(), &err)
    }
}

impl From<crate::Refusal> for Failure {
    fn from(refusal: crate::Refusal) -> Self {
        Self::new(refusal.code.as_str(), refusal.hint)
    }
}

#[cfg(test)]
mod tests {
    use super::Failure;

    #[derive(Debug, thiserror::Error)]
    #[error("could not read the list")]
    struct Outer(#[source] std::io::Error);

    #[test]
    fn causes_are_in_the_message() {
        let outer = Outer(std::io::Error::other("it is gone"));
        let failure = Failure::caused("list", &outer);
        assert_eq!(failure.to_string(), "list: could not read the list: it is gone");
    }
}
