//! The error for text that can't be parsed into a value.

use std::borrow::Cow;

/// A text does not have the form that is required. The error names what was expected, quotes the text (bounded), and says the form.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{found}` is not {wanted}; expected {form}")]
pub struct ParseError {
    wanted: &'static str,
    found: String,
    form: Cow<'static, str>,
}

impl ParseError {
    /// `wanted` names the kind of value with its article, and `form` says how it is written. At most 80 characters of `found` are kept,
    /// escaped.
    pub fn new(wanted: &'static str, found: &str, form: impl Into<Cow<'static, str>>) -> Self {
        Self { wanted, found: found.chars().take(80).flat_map(char::escape_default).collect(), form: form.into() }
    }
}
