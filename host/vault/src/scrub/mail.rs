//! Quoted-printable (RFC 2045, section 6.7), and text in units of two or four bytes (UTF-16, UTF-32).

use memchr::memchr_iter;

use super::escape::hex;
use super::view::Chars;

/// A text without the escapes and soft line breaks of quoted-printable. `None` if it has none.
pub(super) fn unquoted(text: &[u8]) -> Option<Chars> {
    let mut chars: Option<Chars> = None;
    let mut done = 0;
    for at in memchr_iter(b'=', text).filter(|at| hex(text, at + 1, 2).is_some() || soft_break(text, *at).is_some()) {
        if at < done {
            continue;
        }
        let chars = chars.get_or_insert_with(|| Chars::with_capacity(text.len()));
        chars.copy(text, done..at);
        done = match (soft_break(text, at), hex(text, at + 1, 2).and_then(|byte| u8::try_from(byte).ok())) {
            (Some(end), _) => end,
            (None, Some(byte)) => {
                chars.put(&[byte], at..at + 3);
                at + 3
            }
            (None, None) => at,
        };
    }
    chars.map(|mut chars| {
        chars.copy(text, done..text.len());
        chars
    })
}

/// The start of the next line after an equals sign at the end of a line.
fn soft_break(text: &[u8], at: usize) -> Option<usize> {
    let rest = text.get(at + 1..)?;
    let blanks = rest.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
    match rest.get(blanks..)? {
        [b'\r', b'\n', ..] => Some(at + 3 + blanks),
        [b'\n' | b'\r', ..] => Some(at + 2 + blanks),
        _ => None,
    }
}

/// The least number of NUL bytes, each two places after the one before, by which such a text is recognised. Every value that is searched
/// for has at least eight characters, of which the first or the last may have lost its NUL. Data that is not text hardly ever has so many.
const WIDE_MIN: usize = 7;

/// A text without its NUL bytes, in the places where wide characters have them: UTF-16 and UTF-32 of ASCII, in both byte orders.
pub(super) fn narrowed(text: &[u8]) -> Option<Chars> {
    let is_wide = |at: &usize| (1..WIDE_MIN).all(|more| text.get(at + 2 * more) == Some(&0));
    let first = memchr_iter(0, text).find(is_wide)?;
    let mut chars = Chars::with_capacity(text.len());
    let mut done = 0;
    for at in memchr_iter(0, text).skip_while(|at| *at < first) {
        chars.copy(text, done..at);
        done = at + 1;
    }
    chars.copy(text, done..text.len());
    Some(chars)
}
