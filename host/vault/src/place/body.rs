//! A value in the body of a request: a field of a form, or of a JSON object. All other bytes stay as the guest wrote them.

use bytes::Bytes;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};
use vocabulary::Header;
use zeroize::Zeroizing;

use super::encode::{check_no_field, percent};
use super::{Outgoing, PlaceError, alike};

/// Adds a field at the end of a form that does not have this field yet.
pub(super) fn form(value: &[u8], name: &str, request: &mut Outgoing<'_>) -> Result<(), PlaceError> {
    check_plain(request.headers)?;
    if !is_form(request.headers) {
        return Err(PlaceError::NotForm);
    }
    check_no_field(request.body, name)?;
    // Servers in Java and PHP merge query and form, each in its own order.
    check_no_field(request.target.query.as_deref().unwrap_or_default().as_bytes(), name)?;
    let value = percent(value);
    let own = &*request.body;
    let between: &[u8] = if own.is_empty() { b"" } else { b"&" };
    *request.body = Bytes::from([own, between, name.as_bytes(), b"=", value.as_bytes()].concat());
    Ok(())
}

/// Adds the first field of an object that does not have this field yet. Returns the value as it is written there, without its quotes.
pub(super) fn json(value: &[u8], field: &str, request: &mut Outgoing<'_>) -> Result<Zeroizing<Vec<u8>>, PlaceError> {
    check_plain(request.headers)?;
    if !content_type(request.headers).is_some_and(|essence| essence == "application/json" || essence.ends_with("+json")) {
        return Err(PlaceError::NotJson);
    }
    let value = str::from_utf8(value).map_err(|_| PlaceError::NotText)?;
    let own = str::from_utf8(request.body).map_err(|_| PlaceError::NotJson)?;
    let mut parsed = serde_json::Deserializer::from_str(own);
    let found = Fields { name: fold(field) }.deserialize(&mut parsed).map_err(|_| PlaceError::NotJson)?;
    parsed.end().map_err(|_| PlaceError::NotJson)?;
    if found.taken {
        return Err(PlaceError::Taken(field.to_owned()));
    }
    let (front, back) = own.split_once('{').ok_or(PlaceError::NotJson)?;
    let (field, value) = (quoted(field)?, quoted(value)?);
    let between: &[u8] = if found.empty { b"" } else { b"," };
    *request.body = Bytes::from([front.as_bytes(), b"{", &field, b":", &value, between, back.as_bytes()].concat());
    Ok(Zeroizing::new(value.get(1..value.len() - 1).unwrap_or_default().to_vec()))
}

/// A JSON string. The buffer has room for the longest escaped form of a text without control characters.
fn quoted(text: &str) -> Result<Zeroizing<Vec<u8>>, PlaceError> {
    let mut to = Zeroizing::new(Vec::with_capacity(text.len() * 2 + 2));
    serde_json::to_writer(&mut *to, text).map_err(|_| PlaceError::NotText)?;
    Ok(to)
}

/// SECURITY: Go accepts `Password`, and `paſſword`, for `password`, and the last field counts. C programs end a name at its NUL.
fn fold(name: &str) -> String {
    name.split('\0').next().unwrap_or_default().to_uppercase().to_lowercase()
}

/// Searches the fields of the outermost object for one name.
struct Fields {
    name: String,
}

struct FieldFound {
    taken: bool,
    empty: bool,
}

impl<'de> DeserializeSeed<'de> for Fields {
    type Value = FieldFound;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<FieldFound, D::Error> {
        from.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Fields {
    type Value = FieldFound;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<FieldFound, A::Error> {
        let mut found = FieldFound { taken: false, empty: true };
        while let Some((name, IgnoredAny)) = map.next_entry::<String, IgnoredAny>()? {
            found.taken |= fold(&name) == self.name;
            found.empty = false;
        }
        Ok(found)
    }
}

/// Whether the body is a form.
pub(super) fn is_form(headers: &[Header]) -> bool {
    content_type(headers).as_deref() == Some("application/x-www-form-urlencoded")
}

fn check_plain(headers: &[Header]) -> Result<(), PlaceError> {
    let packs = |header: &Header| alike(&header.name, "content-encoding") && !header.value.trim_ascii().eq_ignore_ascii_case(b"identity");
    if headers.iter().any(packs) { Err(PlaceError::Packed) } else { Ok(()) }
}

/// The one content type, in lower case and without its parameters.
///
/// SECURITY: with `ibm037` or UTF-16 the server would read other names than those that are checked here. So such a type is refused.
fn content_type(headers: &[Header]) -> Option<String> {
    let mut all = headers.iter().filter(|header| alike(&header.name, "content-type"));
    let (one, None) = (all.next()?, all.next()) else { return None };
    let text = str::from_utf8(&one.value).ok().filter(|text| !text.contains(','))?.to_ascii_lowercase();
    let mut parts = text.split(';').map(str::trim);
    let essence = parts.next()?.to_owned();
    let is_ours = |part: &str| match part.split_once('=') {
        Some((name, value)) if name.trim() == "charset" => ["utf-8", "utf8", "us-ascii"].contains(&value.trim().trim_matches('"')),
        Some(_) | None => true,
    };
    parts.all(is_ours).then_some(essence)
}
