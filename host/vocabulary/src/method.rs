//! Methods of HTTP requests.

use serde::{Deserialize, Serialize};

/// A request method: a known one, or another token of RFC 9110 in upper case. `CONNECT` and `TRACE` are not allowed.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Method(String);

impl Method {
    /// Parses a method.
    ///
    /// # Errors
    /// Anything but 1 to 32 upper-case letters and hyphens, and the two methods that open tunnels or echo requests.
    pub fn new(text: &str) -> Result<Self, crate::ParseError> {
        let well_formed = (1..=32).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'-');
        if !well_formed || text == "CONNECT" || text == "TRACE" {
            return Err(crate::ParseError::new("a method", text, "upper-case letters, for instance GET; never CONNECT or TRACE"));
        }
        Ok(Self(text.to_owned()))
    }

    /// The method as it is sent.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether an interrupted request may be repeated without a person: only `GET` and `HEAD` among the safe methods of RFC 9110 section
    /// 9.2.1.
    pub fn is_safe(&self) -> bool {
        matches!(self.0.as_str(), "GET" | "HEAD")
    }
}

impl std::fmt::Display for Method {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for Method {
    type Error = crate::ParseError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::new(&text)
    }
}

impl From<Method> for String {
    fn from(method: Method) -> Self {
        method.0
    }
}
