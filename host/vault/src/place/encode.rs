//! How bytes are encoded in paths, queries and forms, and how names there are compared.

use zeroize::Zeroizing;

use super::PlaceError;

/// Whether the character is unreserved (RFC 3986 section 2.3).
fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~".contains(&byte)
}

/// Encodes every byte that is not an unreserved character as `%XX`, in capitals.
pub(crate) fn percent(bytes: &[u8]) -> Zeroizing<String> {
    let mut text = Zeroizing::new(String::with_capacity(bytes.len() * 3));
    for byte in bytes {
        if is_unreserved(*byte) {
            text.push(char::from(*byte));
        } else {
            text.push('%');
            text.extend([byte >> 4, byte & 15].map(|half| digit_of(half).to_ascii_uppercase()));
        }
    }
    text
}

/// Hexadecimal in lower case.
pub(super) fn hex(bytes: &[u8]) -> Zeroizing<String> {
    Zeroizing::new(bytes.iter().flat_map(|byte| [digit_of(byte >> 4), digit_of(byte & 15)]).collect())
}

fn digit_of(half: u8) -> char {
    char::from_digit(u32::from(half), 16).unwrap_or('0')
}

/// Decodes each `%XX`. A `%` before anything else stands for itself, as in most servers.
pub(super) fn decoded(text: &[u8]) -> Vec<u8> {
    let (mut out, mut rest) = (Vec::with_capacity(text.len()), text);
    while let Some((first, after)) = rest.split_first() {
        let digit = |at: usize| after.get(at).and_then(|byte| char::from(*byte).to_digit(16)).and_then(|digit| u8::try_from(digit).ok());
        match (digit(0), digit(1)) {
            (Some(high), Some(low)) if *first == b'%' => {
                out.push(high * 16 + low);
                rest = after.get(2..).unwrap_or_default();
            }
            _ => {
                out.push(*first);
                rest = after;
            }
        }
    }
    out
}

/// Like [`decoded`], and with `+` for a blank, as in HTML forms.
pub(super) fn decoded_form(text: &[u8]) -> Vec<u8> {
    decoded(&text.iter().map(|byte| if *byte == b'+' { b' ' } else { *byte }).collect::<Vec<u8>>())
}

/// Checks that a query or a form has no field that a server may take for this one.
pub(super) fn check_no_field(pairs: &[u8], name: &str) -> Result<(), PlaceError> {
    let name_of = |pair: &[u8]| fold_field(&decoded_form(pair.split(|byte| *byte == b'=').next().unwrap_or_default()));
    // Some servers also split fields at `;` (HTML 4.01, appendix B.2.2).
    let taken = pairs.split(|byte| matches!(byte, b'&' | b';')).any(|pair| name_of(pair) == fold_field(name.as_bytes()));
    if taken { Err(PlaceError::Taken(name.to_owned())) } else { Ok(()) }
}

/// SECURITY: servers fold case. C programs end a name at a NUL. PHP skips blanks, replaces a dot, a blank or an open bracket by `_`, and
/// with `a[]` puts an array where `a` was.
fn fold_field(name: &[u8]) -> Vec<u8> {
    let closed = name.contains(&b']');
    let end = name.iter().position(|byte| *byte == 0 || (*byte == b'[' && closed)).filter(|end| *end > 0).unwrap_or(name.len());
    let name = name.get(..end).unwrap_or_default().trim_ascii();
    name.iter().map(|byte| if b". [".contains(byte) { b'_' } else { byte.to_ascii_lowercase() }).collect()
}
