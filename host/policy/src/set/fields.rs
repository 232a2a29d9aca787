//! The fields of a request, as a server reads them: of its query, its headers, a form, or a JSON body.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use vocabulary::{Header, HttpAsk};

use super::reads::ReadsBodies;
use crate::text::decoded;

/// BOUND: fields of one request, and the depth of a JSON body. A body with more can't be judged, and is refused.
const FIELDS_MAX: usize = 4096;
const DEPTH_MAX: usize = 32;
/// BOUND: bytes of the name of a field within objects.
const NAME_BYTES_MAX: usize = 1024;

/// Fields by name, each with all of its values.
pub(super) type Fields = BTreeMap<String, BTreeSet<String>>;

/// A body that a server could read in another way than the host, so that no policy can judge it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unclear {
    /// The body is said to be JSON, or looks like it, and is not.
    #[error("the body is not the JSON that it is said to be")]
    NotJson,
    /// A name occurs twice in an object.
    #[error("a name occurs twice in an object of the JSON body")]
    Twice,
    /// A name contains a dot, so it looks like a field within an object.
    #[error("a name in the JSON body contains a dot, or is empty")]
    Dotted,
    /// The body has too many fields, or nests too deeply.
    #[error("the body has too many fields, or nests too deeply")]
    TooMuch,
    /// A text is not UTF-8.
    #[error("a field of the query or of the form is not UTF-8")]
    NotText,
    /// The type of the body is stated twice, or is not the one that it looks like.
    #[error("the type of the body is stated in two ways")]
    Types,
    /// The body is compressed.
    #[error("the body is encoded")]
    Encoded,
    /// The body has no fields that a policy could see.
    #[error("the body is neither JSON nor a form, and policies look into bodies")]
    Other,
}

/// The fields of a body, and its kind.
pub(super) struct Body {
    pub(super) fields: Fields,
    pub(super) kind: &'static str,
}

/// A field under its own name, and under the name by which servers that are less strict know it: in lower case, without blanks before it, and
/// without what follows in brackets.
fn insert(fields: &mut Fields, name: String, value: String) {
    let lower = name.to_lowercase();
    let plain = lower.trim_start_matches([' ', '+']);
    let end = plain.char_indices().skip(1).find(|(_, letter)| *letter == '[').map_or(plain.len(), |(at, _)| at);
    let plain = plain.get(..end).unwrap_or_default();
    if plain != name {
        fields.entry(plain.to_owned()).or_default().insert(value.clone());
    }
    fields.entry(name).or_default().insert(value);
}

/// The fields of a query or a form. Some servers take `;` for a separator and others do not, so such text is read in both ways.
pub(super) fn of_pairs(text: &[u8]) -> Result<Fields, Unclear> {
    let mut fields = Fields::new();
    let by_ampersand = text.split(|byte| *byte == b'&');
    let by_both = text.contains(&b';').then(|| text.split(|byte| matches!(byte, b'&' | b';')));
    for (n, pair) in by_ampersand.chain(by_both.into_iter().flatten()).filter(|pair| !pair.is_empty()).enumerate() {
        if n >= FIELDS_MAX {
            return Err(Unclear::TooMuch);
        }
        let mut parts = pair.splitn(2, |byte| *byte == b'=');
        let mut part = || {
            let spaced: Vec<u8> = parts.next().unwrap_or_default().iter().map(|byte| if *byte == b'+' { b' ' } else { *byte }).collect();
            String::from_utf8(decoded(&spaced)).map_err(|_| Unclear::NotText)
        };
        let (name, value) = (part()?, part()?);
        insert(&mut fields, name, value);
    }
    Ok(fields)
}

/// The header fields, also with `-` in place of `_`, as servers that pass them as variables have them. A value that is not UTF-8 has U+FFFD in
/// place of what is not.
pub(super) fn of_headers(headers: &[Header]) -> Fields {
    let mut fields = Fields::new();
    for header in headers {
        let (name, value) = (header.name.to_ascii_lowercase(), String::from_utf8_lossy(&header.value).trim().to_owned());
        insert(&mut fields, name.replace('_', "-"), value.clone());
        insert(&mut fields, name, value);
    }
    fields
}

/// The segments of a path, decoded: "1", "2" and so on.
pub(super) fn of_path(path: &str) -> Fields {
    let segments = path.split('/').skip(1).enumerate();
    let decoded = |text: &str| String::from_utf8_lossy(&decoded(text.as_bytes())).into_owned();
    segments.map(|(n, segment)| ((n + 1).to_string(), BTreeSet::from([decoded(segment)]))).collect()
}

/// The fields of the body.
///
/// SECURITY: if policies look into bodies, a body that they can't see into is refused: one that different servers read in different ways, one
/// that is encoded, and one of another kind, unless the policies say which kinds they mean.
pub(super) fn of_body(ask: &HttpAsk, reads: ReadsBodies) -> Result<Body, Unclear> {
    if ask.body.is_empty() {
        return Ok(Body { fields: Fields::new(), kind: "none" });
    }
    let other = Body { fields: Fields::new(), kind: "other" };
    match (read_body(ask), reads) {
        (Ok(Body { kind: "other", .. }), ReadsBodies::Yes) => Err(Unclear::Other),
        (Err(_), ReadsBodies::No) => Ok(other),
        (body, _) => body,
    }
}

/// Whether a body is JSON is not only a matter of its type: many servers read JSON whatever its type is. So a body without a type of its own that
/// begins like a JSON object or list is read as such, if it is one.
fn read_body(ask: &HttpAsk) -> Result<Body, Unclear> {
    let values = |name: &str| {
        let of_it = ask.headers.iter().filter(|header| header.name.replace('_', "-").eq_ignore_ascii_case(name));
        of_it.map(|header| String::from_utf8_lossy(&header.value).to_ascii_lowercase()).collect::<Vec<String>>()
    };
    if values("content-encoding").iter().any(|value| value.trim() != "identity") {
        return Err(Unclear::Encoded);
    }
    let types = values("content-type");
    let of = match types.as_slice() {
        [] => "",
        [only] => only.as_str(),
        _ => return Err(Unclear::Types),
    };
    let essence = of.split(';').next().unwrap_or_default().trim();
    let begins_as_json = matches!(ask.body.iter().find(|byte| !byte.is_ascii_whitespace()), Some(b'{' | b'['));
    let is_form = essence == "application/x-www-form-urlencoded";
    if essence.contains("json") || essence.ends_with("graphql") {
        return Ok(Body { fields: of_json(&ask.body)?, kind: "json" });
    }
    if of.contains("form-urlencoded") && !is_form {
        return Err(Unclear::Types);
    }
    let json = if begins_as_json { of_json(&ask.body) } else { Err(Unclear::NotJson) };
    match json {
        Ok(_) if is_form => Err(Unclear::Types),
        Ok(fields) => Ok(Body { fields, kind: "json" }),
        Err(Unclear::NotJson) if is_form || essence.is_empty() => Ok(Body { fields: of_pairs(&ask.body)?, kind: "form" }),
        Err(Unclear::NotJson) => Ok(Body { fields: Fields::new(), kind: "other" }),
        Err(unclear) => Err(unclear),
    }
}

fn of_json(bytes: &[u8]) -> Result<Fields, Unclear> {
    let mut reading = Reading { fields: Fields::new(), count: 0, unclear: None };
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let read = JsonValue { reading: &mut reading, name: String::new(), depth: 0 }.deserialize(&mut json).and_then(|()| json.end());
    match (read, reading.unclear) {
        (Ok(()), None) => Ok(reading.fields),
        (_, Some(unclear)) => Err(unclear),
        (Err(_), None) => Err(Unclear::NotJson),
    }
}

struct Reading {
    fields: Fields,
    count: usize,
    unclear: Option<Unclear>,
}

/// Reads one value, whose field has this name.
struct JsonValue<'a> {
    reading: &'a mut Reading,
    name: String,
    depth: usize,
}

impl JsonValue<'_> {
    fn unclear<E: serde::de::Error>(self, why: Unclear) -> E {
        let words = why.to_string();
        self.reading.unclear = Some(why);
        E::custom(words)
    }

    fn leaf<E: serde::de::Error>(self, value: String) -> Result<(), E> {
        insert(&mut self.reading.fields, self.name, value);
        Ok(())
    }
}

impl<'de> DeserializeSeed<'de> for JsonValue<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        // Each value counts, also one that holds others.
        self.reading.count += 1;
        if self.depth > DEPTH_MAX || self.reading.count > FIELDS_MAX || self.name.len() > NAME_BYTES_MAX {
            return Err(self.unclear(Unclear::TooMuch));
        }
        json.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for JsonValue<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_bool<E: serde::de::Error>(self, value: bool) -> Result<(), E> {
        self.leaf(value.to_string())
    }

    fn visit_i64<E: serde::de::Error>(self, value: i64) -> Result<(), E> {
        self.leaf(value.to_string())
    }

    fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<(), E> {
        self.leaf(value.to_string())
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<(), E> {
        self.leaf(value.to_string())
    }

    fn visit_str<E: serde::de::Error>(self, value: &str) -> Result<(), E> {
        self.leaf(value.to_owned())
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<(), E> {
        self.leaf("null".to_owned())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let Self { reading, name, depth } = self;
        let mut is_empty = true;
        while items.next_element_seed(JsonValue { reading: &mut *reading, name: name.clone(), depth: depth + 1 })?.is_some() {
            is_empty = false;
        }
        if is_empty {
            insert(&mut reading.fields, name, "[]".to_owned());
        }
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<(), A::Error> {
        let Self { reading, name, depth } = self;
        // That there is an object can be asked too, whatever it holds.
        if !name.is_empty() {
            insert(&mut reading.fields, name.clone(), "{}".to_owned());
        }
        let mut known = BTreeSet::new();
        while let Some(key) = entries.next_key::<String>()? {
            let fault = match &key {
                _ if key.is_empty() || key.contains('.') => Some(Unclear::Dotted),
                // Servers that fold the case of names would take one of the two.
                _ if !known.insert(key.to_lowercase()) => Some(Unclear::Twice),
                _ => None,
            };
            if let Some(fault) = fault {
                let words = fault.to_string();
                reading.unclear = Some(fault);
                return Err(A::Error::custom(words));
            }
            let name = if name.is_empty() { key } else { format!("{name}.{key}") };
            entries.next_value_seed(JsonValue { reading: &mut *reading, name, depth: depth + 1 })?;
        }
        Ok(())
    }
}
