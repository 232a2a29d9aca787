//! Names in a query or a body that make common servers treat a request as another one: with another method, with other headers, or as
//! another user.

use std::fmt;

use serde::Deserializer as _;
use serde::de::{IgnoredAny, MapAccess, Visitor};
use vocabulary::{HttpAsk, Reason, SafeText};

use crate::headers;
use crate::text::decoded;

/// Rails, Laravel, Symfony, Spring and Express read the method from these names. Google's APIs also read headers.
const OTHER_REQUEST: &[&str] = &[
    "_method",
    "$httpheaders",
    "$httpmethod",
    "$method",
    "http_method_override",
    "http-method-override",
    "httpmethod",
    "x-http-method",
    "_httpmethod",
];

/// Names that pass another credential than the host's (RFC 6750 section 2.3 and the forms of forges), or another user under it.
const OTHER_USER: &[&str] = &[
    "_switch_user",
    "access_token",
    "act_as",
    "as_user",
    "impersonate",
    "impersonate_user",
    "impersonated_user",
    "job_token",
    "oauth_token",
    "on_behalf_of",
    "private_token",
    "run_as",
    "runas",
    "sudo",
];

/// Judges the query and the body of a request. `is_under_credential` says whether the host adds a credential.
pub(crate) fn check(ask: &HttpAsk, is_under_credential: bool) -> Result<(), Reason> {
    let changes = |name: &str| Reason::ChangesMeaning(SafeText::new(&format!("?{name}="), 64));
    for name in names(ask.target.query.as_deref().unwrap_or_default().as_bytes()) {
        let lower = plain(&name);
        let listed = OTHER_REQUEST.contains(&lower.as_str()) || (is_under_credential && OTHER_USER.contains(&lower.as_str()));
        if listed || headers::is_closed_in_query(&lower) {
            return Err(changes(&lower));
        }
    }
    if has_method_in_body(ask) { Err(Reason::ChangesMeaning(SafeText::new("_method in the body", 64))) } else { Ok(()) }
}

/// A name as servers read it. PHP and Rails read text in brackets after the name as the key of a map. PHP reads `.`, a blank, and a bracket
/// that is not closed as `_`.
fn plain(name: &[u8]) -> String {
    let text = String::from_utf8_lossy(name).to_ascii_lowercase();
    let text = text.trim_start_matches([' ', '+']);
    let end = text.get(1..).and_then(|rest| rest.find('[')).map_or(text.len(), |at| at + 1);
    text.get(..end).unwrap_or_default().replace(['.', ' ', '+', '['], "_")
}

/// The names of a query or a form, decoded.
fn names(text: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    let pairs = text.split(|byte| matches!(byte, b'&' | b';'));
    pairs.map(|pair| decoded(pair.split(|byte| *byte == b'=').next().unwrap_or_default())).filter(|name| !name.is_empty())
}

/// Servers that read the method from the body do so only in a `POST`, and only if they parse the body as a form or an object.
fn has_method_in_body(ask: &HttpAsk) -> bool {
    if ask.method.as_str() != "POST" {
        return false;
    }
    let value =
        ask.headers.iter().find(|header| header.name.eq_ignore_ascii_case("content-type")).map(|header| header.value.to_ascii_lowercase());
    let kind = String::from_utf8_lossy(value.as_deref().unwrap_or_default()).into_owned();
    if kind.contains("multipart") {
        return parts_name(&ask.body);
    }
    if kind.contains("json") {
        return is_key(&ask.body);
    }
    (kind.is_empty() || kind.contains("form")) && names(&ask.body).any(|name| plain(&name) == "_method")
}

const METHOD: &[u8] = b"_method";

/// Whether it is the name of a part, with any kind of quotes.
fn parts_name(body: &[u8]) -> bool {
    let lower = body.to_ascii_lowercase();
    memchr::memmem::find_iter(&lower, METHOD).any(|at| {
        let before = lower.get(..at).unwrap_or_default().trim_ascii_end();
        let bare = before.strip_suffix(b"\"").or_else(|| before.strip_suffix(b"'")).unwrap_or(before);
        bare.trim_ascii_end().ends_with(b"=")
    })
}

/// Whether it is a key of the outermost object, however deeply other values nest.
fn is_key(body: &[u8]) -> bool {
    let may_be = memchr::memmem::find(body, METHOD).is_some() || memchr::memmem::find(body, b"\\u00").is_some();
    may_be && serde_json::Deserializer::from_slice(body).deserialize_map(Keys).unwrap_or(false)
}

struct Keys;

impl<'de> Visitor<'de> for Keys {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<bool, A::Error> {
        let mut found = false;
        while let Some((key, IgnoredAny)) = map.next_entry::<String, IgnoredAny>()? {
            found |= key.eq_ignore_ascii_case("_method");
        }
        Ok(found)
    }
}
