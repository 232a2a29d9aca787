//! Rules about one request, in addition to its host, methods and paths: its port, the parameters of its query, the fields of its body, and
//! whether it only reads.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::err::ParseError;
use crate::method::Method;
use crate::pattern::{PathPattern, written_as_text};

/// A port, or a range of ports, written `443` or `8000-8100`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PortRange {
    /// The first port.
    pub first: u16,
    /// The last port, which belongs to the range.
    pub last: u16,
}

impl PortRange {
    /// Whether the port is in the range.
    pub fn has(&self, port: u16) -> bool {
        (self.first..=self.last).contains(&port)
    }
}

impl FromStr for PortRange {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let bad = || ParseError::new("a port or a range of ports", text, "numbers from 1 to 65535, the lower one first: 443 or 8000-8100");
        let port = |digits: &str| {
            let plain = !digits.starts_with('0') && digits.bytes().all(|byte| byte.is_ascii_digit());
            digits.parse::<u16>().ok().filter(|_| plain).ok_or_else(bad)
        };
        let (first, last) = match text.split_once('-') {
            Some((first, last)) => (port(first)?, port(last)?),
            None => (port(text)?, port(text)?),
        };
        // A range of one port would be a second way to write that port.
        let is_range = first < last || !text.contains('-');
        is_range.then_some(Self { first, last }).ok_or_else(bad)
    }
}

impl fmt::Display for PortRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.first == self.last { write!(f, "{}", self.first) } else { write!(f, "{}-{}", self.first, self.last) }
    }
}

written_as_text!(PortRange);

/// What a query or a body may hold. A parameter or field that is not named is refused, and so is one whose value is not listed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct FieldRules {
    /// What may be there, by name, each with the values that it may have.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub may: BTreeMap<String, Vec<FieldValue>>,
    /// What must be there, by name, each with the values that it may have.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub must: BTreeMap<String, Vec<FieldValue>>,
}

/// A value that a parameter or field may have.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum FieldValue {
    /// `true` or `false`.
    Bool(bool),
    /// A whole number.
    Number(i64),
    /// A text. With `*` at its end it stands for all texts that begin so; `*` alone stands for any value.
    Text(String),
}

impl FieldValue {
    /// Whether it stands for any value.
    pub fn is_any(&self) -> bool {
        matches!(self, Self::Text(text) if text == "*")
    }

    /// Whether a text has this value. A number or a truth value stands for the text in which it is written.
    pub fn is_text(&self, value: &str) -> bool {
        match self {
            Self::Bool(own) => own.to_string() == value,
            Self::Number(own) => own.to_string() == value,
            Self::Text(own) => own.strip_suffix('*').map_or(own == value, |front| value.starts_with(front)),
        }
    }
}

impl fmt::Display for FieldValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bool(value) => value.fmt(f),
            Self::Number(value) => value.fmt(f),
            Self::Text(value) => write!(f, "{value:?}"),
        }
    }
}

/// Requests of a grant that change nothing, whatever their method says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ReadRule {
    /// What the body must and may hold. `None` for any body.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<FieldRules>,
    /// The method.
    pub method: Method,
    /// The path.
    pub path: PathPattern,
    /// What the query must and may hold. `None` for any query.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub query: Option<FieldRules>,
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::{FieldValue, PortRange};

    #[test]
    fn ports_are_read_as_people_write_them_and_in_no_other_way() {
        for good in ["1", "443", "65535", "8000-8100", "1-65535"] {
            assert_eq!(good.parse::<PortRange>().unwrap().to_string(), good);
        }
        for bad in ["", "0", "080", "+1", "65536", "8100-8000", "80-80", "0-9", "1-", "-1", "1-2-3", "1 - 2", "*"] {
            assert!(bad.parse::<PortRange>().is_err(), "{bad}");
        }
        let range: PortRange = "8000-8100".parse().unwrap();
        assert_eq!([7999, 8000, 8100, 8101].map(|port| range.has(port)), [false, true, true, false]);
    }

    #[test]
    fn a_value_is_that_value_and_only_a_star_at_the_end_stands_for_more() {
        let text = |text: &str| FieldValue::Text(text.to_owned());
        for (rule, value, has_it) in [
            (text("list"), "list", true),
            (text("list"), "List", false),
            (text("list"), "list2", false),
            (text("list*"), "list2", true),
            (text("list*"), "a-list", false),
            (text("*"), "", true),
            (FieldValue::Number(7), "7", true),
            (FieldValue::Number(7), "07", false),
            (FieldValue::Bool(true), "true", true),
            (FieldValue::Bool(true), "1", false),
        ] {
            assert_eq!(rule.is_text(value), has_it, "{rule} {value}");
        }
    }
}
