//! The only way in which a value becomes the bytes that are hashed: canonical JSON (RFC 8785), without floats.
//!
//! Every type that is part of a record declares its fields in alphabetical order. So serialising it gives the canonical form without a
//! second pass. Tests check every kind of record with [`is_canonical`].

use serde::Serialize;

/// The canonical bytes of a value whose fields are declared in alphabetical order. Any JSON keeps the order of its fields, so take [`of_json`] for
/// that.
///
/// Returns an empty vector for a value that JSON can't hold (a map whose keys are not text). No type of this crate is such a value, and the
/// journal refuses an empty body.
pub fn to_vec<T: Serialize>(value: &T) -> Vec<u8> {
    serde_json::to_vec(value).unwrap_or_default()
}

/// The canonical bytes of any JSON. `None` for JSON with a fraction, or with a number that not every reader holds exactly.
pub fn of_json(value: &serde_json::Value) -> Option<Vec<u8>> {
    let mut text = String::new();
    write(value, &mut text).then(|| text.into_bytes())
}

/// Whether these bytes are JSON in canonical form with whole numbers only.
pub fn is_canonical(bytes: &[u8]) -> bool {
    let Ok(value) = serde_json::from_slice::<serde_json::Value>(bytes) else { return false };
    of_json(&value).is_some_and(|again| again == bytes)
}

fn write(value: &serde_json::Value, to: &mut String) -> bool {
    use serde_json::Value;
    match value {
        Value::Null => to.push_str("null"),
        Value::Bool(yes) => to.push_str(if *yes { "true" } else { "false" }),
        Value::Number(number) => {
            const EXACT: u64 = 1 << 53;
            let whole = number.as_i64().map(i64::unsigned_abs).or_else(|| number.as_u64());
            if whole.is_none_or(|size| size >= EXACT) {
                return false;
            }
            to.push_str(&number.to_string());
        }
        Value::String(text) => return text_into(text, to),
        Value::Array(items) => {
            to.push('[');
            for (n, item) in items.iter().enumerate() {
                if n > 0 {
                    to.push(',');
                }
                if !write(item, to) {
                    return false;
                }
            }
            to.push(']');
        }
        Value::Object(fields) => return object_into(fields, to),
    }
    true
}

fn object_into(fields: &serde_json::Map<String, serde_json::Value>, to: &mut String) -> bool {
    let mut sorted: Vec<_> = fields.iter().collect();
    sorted.sort_by(|(left, _), (right, _)| left.encode_utf16().cmp(right.encode_utf16()));
    to.push('{');
    for (n, (name, item)) in sorted.into_iter().enumerate() {
        if n > 0 {
            to.push(',');
        }
        if !text_into(name, to) {
            return false;
        }
        to.push(':');
        if !write(item, to) {
            return false;
        }
    }
    to.push('}');
    true
}

fn text_into(text: &str, to: &mut String) -> bool {
    match serde_json::to_string(text) {
        Ok(quoted) => {
            to.push_str(&quoted);
            true
        }
        Err(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::is_canonical;

    #[test]
    fn order_spacing_floats_and_wide_integers_are_told_from_canonical_form() {
        assert!(is_canonical(br#"{"a":1,"b":[true,null,"\u0001\n"]}"#));
        for bad in
            [r#"{"b":1,"a":2}"#, r#"{"a": 1}"#, r#"{"a":1.5}"#, r#"{"a":9007199254740992}"#, r#"{"a":1,"a":2}"#, r#"{"a":"\u0041"}"#, "{"]
        {
            assert!(!is_canonical(bad.as_bytes()), "{bad}");
        }
    }
}
