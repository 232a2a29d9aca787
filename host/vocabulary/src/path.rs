//! Which paths may be asked for: only those that every server reads in the same way.
//!
//! Nothing here rewrites a path. A spelling is refused if some server could fold it, decode it twice or cut it short, and so reach another
//! place. An encoded slash is allowed, because some APIs need one. [`crate::PathPattern`] ensures that a grant must name it.

use crate::err::ParseError;

/// BOUND: bytes of the path of a request. Common servers accept 8 KiB for the whole request line.
pub const PATH_BYTES_MAX: usize = 4096;

/// SECURITY: characters that a lenient server turns into a slash, a backslash or a percent sign, by Unicode normalisation (NFKC) or by the
/// "best fit" tables of Windows code pages.
const LOOK_ALIKES: &[char] = &[
    '\u{A5}', '\u{20A9}', '\u{2044}', '\u{2100}', '\u{2101}', '\u{2105}', '\u{2106}', '\u{2215}', '\u{2216}', '\u{29F5}', '\u{29F8}',
    '\u{29F9}', '\u{FE68}', '\u{FE6A}', '\u{FF05}', '\u{FF0F}', '\u{FF3C}',
];

pub(crate) fn check(path: &str) -> Result<(), ParseError> {
    let bad = |form| Err(ParseError::new("a path", path, form));
    if path.len() > PATH_BYTES_MAX {
        return bad("at most 4096 bytes");
    }
    let Some(segments) = path.strip_prefix('/') else { return bad("a `/` first") };
    if path.bytes().any(|byte| !byte.is_ascii_graphic() || byte == b'\\' || byte == b'#') {
        return bad("visible ASCII without `\\` and `#`; write others as %XX");
    }
    let count = segments.split('/').count();
    for (n, segment) in segments.split('/').enumerate() {
        if segment.is_empty() && n + 1 < count {
            return bad("no empty segment before the last");
        }
        if let Err(form) = check_segment(segment) {
            return bad(form);
        }
    }
    Ok(())
}

/// A segment is checked after decoding, with both readings of an encoded slash: as a character of the segment, and as its end.
fn check_segment(segment: &str) -> Result<(), &'static str> {
    let decoded = percent_decode(segment).ok_or("`%` only before two hexadecimal digits")?;
    if decoded.iter().any(|byte| *byte == b'\\' || byte.is_ascii_control()) {
        return Err("no encoded backslash or control character");
    }
    if decoded.windows(3).any(is_overlong) || decoded.windows(2).any(is_overlong) {
        return Err("no character in an overlong encoding");
    }
    if decoded.windows(3).any(is_escape) || decoded.windows(6).any(is_wide_escape) {
        return Err("nothing that is encoded twice");
    }
    for piece in decoded.split(|byte| *byte == b'/') {
        let piece = String::from_utf8_lossy(piece);
        if piece.chars().any(|letter| LOOK_ALIKES.contains(&letter)) {
            return Err("no character that some servers read as a slash, a backslash or `%`");
        }
        if is_dots(&piece) {
            return Err("no `.` or `..` segment, in any spelling, and only a name after such dots");
        }
        if piece.starts_with(';') {
            return Err("a name before `;`");
        }
    }
    Ok(())
}

/// SECURITY: whether a segment may mean this folder or the one above it. Servers end a segment at `;`, `?`, `#` or a NUL, trim blanks and
/// dots, drop bytes that are not UTF-8, and normalise dots of other scripts. So only a name may follow dots at the beginning of a segment.
fn is_dots(piece: &str) -> bool {
    let bare = piece.trim_start_matches(is_blank);
    let after = bare.trim_start_matches(is_dot);
    if after.len() == bare.len() {
        return false;
    }
    match after.chars().next() {
        Some(next) => !(next.is_alphanumeric() || matches!(next, '-' | '_' | '~')),
        // Three plain dots are a name like any other.
        None => !(piece.len() > 2 && piece.bytes().all(|byte| byte == b'.')),
    }
}

fn is_dot(letter: char) -> bool {
    matches!(letter, '.' | '\u{2024}'..='\u{2026}' | '\u{3002}' | '\u{FE19}' | '\u{FE30}' | '\u{FE52}' | '\u{FF0E}' | '\u{FF61}')
}

fn is_blank(letter: char) -> bool {
    letter.is_whitespace() || crate::is_misleading(letter) || matches!(letter, '+' | '\u{34F}' | '\u{FE00}'..='\u{FE0F}' | '\u{FFFD}')
}

/// Whether these bytes are an escape that a second decoding would read as one byte. It is searched for everywhere: a server that decodes
/// twice may skip a `%` that has no digits after it.
fn is_escape(bytes: &[u8]) -> bool {
    matches!(bytes, [b'%', high, low] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit())
}

/// Whether these bytes are an escape in the form of IIS: `%u002e`.
fn is_wide_escape(bytes: &[u8]) -> bool {
    matches!(bytes, [b'%', b'u' | b'U', digits @ ..] if digits.iter().all(u8::is_ascii_hexdigit))
}

/// Bytes that never occur in UTF-8 (RFC 3629 section 3), and that a lenient decoder reads as ASCII: `%c0%ae` as a dot.
fn is_overlong(bytes: &[u8]) -> bool {
    matches!(bytes, [0xC0 | 0xC1, 0x80..=0xBF] | [0xE0, 0x80..=0x9F, 0x80..=0xBF] | [0xF0, 0x80..=0x8F, 0x80..=0xBF])
}

pub(crate) fn percent_decode(text: &str) -> Option<Vec<u8>> {
    let mut bytes = text.bytes();
    let mut decoded = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            decoded.push(byte);
            continue;
        }
        let (high, low) = (bytes.next()?, bytes.next()?);
        let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        decoded.push(digit(high)? * 16 + digit(low)?);
    }
    Some(decoded)
}

#[cfg(test)]
mod tests {
    use super::check;

    #[test]
    fn a_segment_of_dots_is_refused_whatever_stands_behind_them() {
        let behind = [
            "",
            "%20",
            "%23",
            "%3f",
            "%3F",
            "%09",
            "%00",
            "%0a",
            ";",
            ";x",
            "%3b",
            "%23x",
            "%3fx=1",
            "%20%20",
            "%c2%a0",
            "%e2%80%8b",
            "%ef%bb%bf",
            "%85",
            "%ff",
            "%2f",
            "%2Fx",
            "%5c",
            "+",
            "%2b",
            "%26",
            "&",
            ",",
            ":",
            "*",
            "%",
            "%2e%20",
            ".%20",
            "%20.",
        ];
        for dots in ["..", ".%2e", "%2e.", "%2E%2e", "%ef%bc%8e%ef%bc%8e", "%e2%80%a4.", "%e2%80%a5", "%20..", ".%ff.", "."] {
            for behind in behind {
                for path in [format!("/a/{dots}{behind}"), format!("/a/{dots}{behind}/b"), format!("/{dots}{behind}/b")] {
                    assert!(check(&path).is_err(), "{path}");
                }
            }
        }
    }

    #[test]
    fn a_slash_in_any_other_alphabet_and_an_escape_of_an_escape_are_refused() {
        for bad in [
            "%ef%bc%8f",
            "%e2%88%95",
            "%e2%81%84",
            "%ef%bc%bc",
            "%c2%a5",
            "%e2%84%80",
            "%ef%bc%852e",
            "%252e",
            "%25u002e",
            "%25U002E",
            "%5c",
        ] {
            assert!(check(&format!("/a/x{bad}x")).is_err(), "{bad}");
        }
        for bad in ["/;x/a", "/a/;/b", "/a%2f..%2fb", "/a%2f..", "/..%2fa", "/a%2f%2e", "/a%2f;x"] {
            assert!(check(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn names_that_begin_with_dots_and_encoded_slashes_may_be_asked_for() {
        for good in [
            "/",
            "/.git/config",
            "/...",
            "/....",
            "/..data",
            "/.well-known/x",
            "/._a",
            "/.-",
            "/a..",
            "/a...b",
            "/a%20b",
            "/a;v=1",
            "/a%23b",
            "/c%23",
            "/100%25",
            "/what%3f",
            "/api/queues/%2F/q",
            "/projects/group%2fproject",
            "/x%2F%2Fy",
            "/%E2%82%AC",
            "/%C0x",
            "/%F0%9F%94%90",
        ] {
            assert!(check(good).is_ok(), "{good}: {:?}", check(good));
        }
    }
}
