//! What goes wrong when text is turned into values.

use std::borrow::Cow;

/// A text was not what it should have been. Names what it should be, quotes what it was (bounded), and says the form.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{found}` is not {wanted}; it takes {form}")]
pub struct ParseError {
    wanted: &'static str,
    found: String,
    form: Cow<'static, str>,
}

impl ParseError {
    /// `wanted` names the thing, `form` says how it is written. At most 80 characters of `found` are kept, escaped.
    pub fn new(wanted: &'static str, found: &str, form: impl Into<Cow<'static, str>>) -> Self {
        Self { wanted, found: found.chars().take(80).flat_map(char::escape_default).collect(), form: form.into() }
    }
}
