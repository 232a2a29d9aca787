//! Escapes of one character each: percent, HTML entities and backslashes, as programs write them in any mixture.
//!
//! Escapes of escapes of the same kind are decoded in one step: `%2541` and `&amp;#65;` become an `A`, and several backslashes become at
//! most one. So it does not matter where in a run of them a text begins. If a value itself contains such letters, the form that this
//! decoder makes of it is searched for, too.

use memchr::memchr3;

use super::entity;
use super::view::Chars;

/// BOUND: digits of a number that stands for a character. Ordinary programs write fewer.
const DIGITS_MAX: usize = 10;

/// The character that an escape stands for, and the number of bytes of the escape.
pub(super) struct Decoded {
    pub(super) bytes: [u8; 4],
    pub(super) len: usize,
    pub(super) taken: usize,
}

impl Decoded {
    pub(super) fn byte(byte: u8, taken: usize) -> Self {
        Self { bytes: [byte, 0, 0, 0], len: 1, taken }
    }

    pub(super) fn letter(number: u32, taken: usize) -> Option<Self> {
        let mut bytes = [0; 4];
        let len = char::from_u32(number)?.encode_utf8(&mut bytes).len();
        Some(Self { bytes, len, taken })
    }
}

/// A text without its escapes. `None` if it has none.
pub(super) fn unescaped(text: &[u8]) -> Option<Chars> {
    let mut chars: Option<Chars> = None;
    let (mut done, mut at) = (0, 0);
    while let Some(next) = next_sign(text, at) {
        at = next + 1;
        let Some(found) = text.get(next..).and_then(escape) else { continue };
        let chars = chars.get_or_insert_with(|| Chars::with_capacity(text.len()));
        chars.copy(text, done..next);
        at = next + found.taken;
        done = at;
        chars.put(found.bytes.get(..found.len).unwrap_or_default(), next..at);
    }
    chars.map(|mut chars| {
        chars.copy(text, done..text.len());
        chars
    })
}

/// The place where the next escape may begin. Escapes often follow each other directly, so a search is set up only where none does.
fn next_sign(text: &[u8], at: usize) -> Option<usize> {
    let rest = text.get(at..)?;
    match rest.first()? {
        b'%' | b'&' | b'\\' => Some(at),
        _ => memchr3(b'%', b'&', b'\\', rest).map(|more| at + more),
    }
}

fn escape(text: &[u8]) -> Option<Decoded> {
    match text.first()? {
        b'%' => percent(text),
        b'&' => entity::decoded(text),
        _ => backslashes(text),
    }
}

/// Percent-encoding (RFC 3986) in which the percent sign may itself be escaped any number of times; and `%uXXXX`, as old JavaScript writes
/// it.
fn percent(text: &[u8]) -> Option<Decoded> {
    let mut at = 1;
    while text.get(at..at + 2) == Some(b"25") && (hex(text, at + 2, 2).is_some() || is_unit(text, at + 2)) {
        at += 2;
    }
    match hex(text, at, 2) {
        Some(byte) => Some(Decoded::byte(u8::try_from(byte).ok()?, at + 2)),
        None if is_unit(text, at) => Decoded::letter(hex(text, at + 1, 4)?, at + 5),
        None => None,
    }
}

fn is_unit(text: &[u8], at: usize) -> bool {
    matches!(text.get(at), Some(b'u' | b'U')) && hex(text, at + 1, 4).is_some()
}

/// Escapes with backslashes in JSON, JavaScript, C, Python and Rust, with any number of backslashes.
fn backslashes(text: &[u8]) -> Option<Decoded> {
    let slashes = text.iter().take_while(|byte| **byte == b'\\').count();
    // If the backslashes escape nothing else, they stand for a backslash.
    let one = (slashes > 1).then(|| Decoded::byte(b'\\', slashes));
    let Some(letter) = text.get(slashes) else { return one };
    let numbered = match letter {
        b'u' => unit(text, slashes),
        b'U' => hex(text, slashes + 1, 8).and_then(|number| Decoded::letter(number, slashes + 9)),
        b'x' => hex(text, slashes + 1, 2).and_then(|byte| Some(Decoded::byte(u8::try_from(byte).ok()?, slashes + 3))),
        b'0'..=b'3' => octal(text, slashes),
        _ => None,
    };
    let control = match letter {
        b'n' => Some(b'\n'),
        b'r' => Some(b'\r'),
        b't' => Some(b'\t'),
        b'b' => Some(8),
        b'f' => Some(12),
        b'"' | b'\'' | b'/' => Some(*letter),
        _ => None,
    };
    numbered.or_else(|| control.map(|byte| Decoded::byte(byte, slashes + 1))).or(one)
}

fn octal(text: &[u8], slashes: usize) -> Option<Decoded> {
    let digits = str::from_utf8(text.get(slashes..slashes + 3)?).ok()?;
    Some(Decoded::byte(u8::from_str_radix(digits, 8).ok()?, slashes + 3))
}

/// `uXXXX` or `u{X…}` after backslashes. A letter with two units of UTF-16 takes two of these.
fn unit(text: &[u8], slashes: usize) -> Option<Decoded> {
    if text.get(slashes + 1) == Some(&b'{') {
        let (number, digits) = number(text.get(slashes + 2..)?, 16)?;
        let end = slashes + 2 + digits;
        return (text.get(end) == Some(&b'}')).then(|| Decoded::letter(number, end + 1))?;
    }
    let (first, end) = (hex(text, slashes + 1, 4)?, slashes + 5);
    if !(0xd800..0xdc00).contains(&first) {
        return Decoded::letter(first, end);
    }
    let more = text.get(end..)?.iter().take_while(|byte| **byte == b'\\').count();
    let second = (text.get(end + more) == Some(&b'u')).then(|| hex(text, end + more + 1, 4))??;
    let pair = char::decode_utf16([u16::try_from(first).ok()?, u16::try_from(second).ok()?]).next()?.ok()?;
    Decoded::letter(u32::from(pair), end + more + 5)
}

/// The number in `digits` hexadecimal digits at a place.
pub(super) fn hex(text: &[u8], at: usize, digits: usize) -> Option<u32> {
    text.get(at..at + digits)?.iter().try_fold(0, |number, digit| Some(number * 16 + char::from(*digit).to_digit(16)?))
}

/// A number of any length at the beginning of a text, and the number of its digits.
pub(super) fn number(text: &[u8], base: u32) -> Option<(u32, usize)> {
    let digits = text.iter().take(DIGITS_MAX).map_while(|digit| char::from(*digit).to_digit(base));
    let (number, digits) =
        digits.fold((0_u32, 0), |(number, digits), digit| (number.saturating_mul(base).saturating_add(digit), digits + 1));
    (digits > 0).then_some((number, digits))
}
