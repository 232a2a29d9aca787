//! Runs of digits that stand for bytes: base 64 in both alphabets and over line breaks, hexadecimal with any separators that programs write
//! between the bytes, and bytes as decimal numbers in a list. What surrounds a run does not matter: decoding is tried from each digit at
//! which a byte may begin.

use std::ops::Range;

use super::escape::number;
use super::view::{Chars, View};

/// A byte that is not a digit of base 64.
const NONE: u8 = 64;
/// The value of each byte as a digit of base 64.
const SEXTETS: [u8; 256] = sextets();
/// The kind of each byte in a run of hexadecimal or decimal numbers.
const KINDS: [DigitKind; 256] = kinds();
/// The search checks one byte in this many. A run of base 64 has at least this many on one line.
const STEP: usize = 8;
/// BOUND: white space at a line break within base 64.
const BREAK_BYTES_MAX: usize = 32;

#[derive(Clone, Copy, PartialEq, Eq)]
enum DigitKind {
    Other,
    Hex,
    Between,
}

#[expect(clippy::indexing_slicing, reason = "evaluated by the compiler, which refuses an index that is too large")]
const fn sextets() -> [u8; 256] {
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut table = [NONE; 256];
    let mut at = 0;
    while at < alphabet.len() {
        table[alphabet[at] as usize] = at as u8;
        at += 1;
    }
    table[b'-' as usize] = 62;
    table[b'_' as usize] = 63;
    table
}

#[expect(clippy::indexing_slicing, reason = "evaluated by the compiler, which refuses an index that is too large")]
const fn kinds() -> [DigitKind; 256] {
    let mut table = [DigitKind::Other; 256];
    let mut at = 0;
    while at < 256 {
        if (at as u8).is_ascii_hexdigit() {
            table[at] = DigitKind::Hex;
        }
        at += 1;
    }
    let between = b" \t\r\n:-,;._|xX'\"[]+";
    at = 0;
    while at < between.len() {
        table[between[at] as usize] = DigitKind::Between;
        at += 1;
    }
    table
}

fn is_sextet(byte: u8) -> bool {
    SEXTETS.get(usize::from(byte)).is_some_and(|digit| *digit != NONE)
}

fn kind(byte: u8) -> DigitKind {
    KINDS.get(usize::from(byte)).copied().unwrap_or(DigitKind::Other)
}

fn is_hex(byte: u8) -> bool {
    kind(byte) == DigitKind::Hex
}

fn is_number(byte: u8) -> bool {
    kind(byte) != DigitKind::Other
}

/// The longest stretch around a place in which every byte passes. It does not begin before `floor`.
fn around(text: &[u8], floor: usize, at: usize, is_in: impl Fn(u8) -> bool) -> Range<usize> {
    let (before, after) = (text.get(floor..at).unwrap_or_default(), text.get(at + 1..).unwrap_or_default());
    let start = before.iter().rposition(|byte| !is_in(*byte)).map_or(floor, |last| floor + last + 1);
    start..at + 1 + after.iter().position(|byte| !is_in(*byte)).unwrap_or(after.len())
}

/// Whether a stretch of `length` bytes can be around a place. It reaches at least half as far to one side, so a few bytes rule out most
/// places.
fn may_be_around(text: &[u8], at: usize, length: usize, is_in: impl Fn(u8) -> bool) -> bool {
    let (half, quarter) = (length / 2, length / 4);
    let near = at.checked_sub(half).and_then(|start| text.get(start..=at + half));
    let Some(near) = near else { return text.get(at).is_some_and(|byte| is_in(*byte)) };
    let passes = |at: usize| near.get(at).is_some_and(|byte| is_in(*byte));
    // There is no branch between them: in data that is not text, the processor would mispredict each one.
    passes(half) & ((passes(0) & passes(half - quarter)) | (passes(half + quarter) & passes(2 * half)))
}

/// All views of runs of base 64 that are long enough for a value of `shortest` bytes, and that do not end before `from`.
pub(super) fn base64(text: &[u8], from: usize, shortest: usize, mut search: impl FnMut(&View<'_>)) {
    let digits_min = (shortest * 8).div_ceil(6);
    // The last line may be short, so the line before it is checked again.
    let (mut floor, mut at) = (0, from.saturating_sub(BREAK_BYTES_MAX + STEP));
    while at < text.len() {
        if !may_be_around(text, at, STEP, is_sextet) {
            at += STEP;
            continue;
        }
        let run = Lines::around(text, floor, at);
        (floor, at) = (run.end, run.end + STEP - 1);
        if run.digits >= digits_min {
            let digits = run.digits(text);
            for skipped in 0..4 {
                search(&View::Digits { bytes: from_sextets(&digits.bytes, skipped), digits: &digits, skipped, bits: 6 });
            }
        }
    }
}

/// A run of base 64 over several lines.
struct Lines {
    start: usize,
    end: usize,
    digits: usize,
}

impl Lines {
    fn around(text: &[u8], floor: usize, at: usize) -> Self {
        let is_in = |at: &usize| text.get(*at).is_some_and(|byte| is_sextet(*byte));
        let line = around(text, floor, at, is_sextet);
        let mut lines = Self { start: line.start, end: line.end, digits: line.len() };
        while let Some(next) = after_break(text, lines.end).filter(is_in) {
            let line = around(text, next, next, is_sextet);
            lines.digits += line.len();
            lines.end = line.end;
        }
        while let Some(last) = before_break(text, lines.start, floor).filter(is_in) {
            let line = around(text.get(..=last).unwrap_or_default(), floor, last, is_sextet);
            lines.digits += line.len();
            lines.start = line.start;
        }
        lines
    }

    fn digits(&self, text: &[u8]) -> Chars {
        let mut chars = Chars::with_capacity(self.digits);
        let mut at = self.start;
        while at < self.end {
            let line = around(text, at, at, is_sextet);
            chars.copy(text, line.clone());
            at = after_break(text, line.end).unwrap_or(self.end);
        }
        chars.bytes.iter_mut().for_each(|byte| *byte = SEXTETS.get(usize::from(*byte)).copied().unwrap_or(NONE));
        chars
    }
}

/// Where the next line begins, if a line ends here.
fn after_break(text: &[u8], end: usize) -> Option<usize> {
    let blanks = text.get(end..)?.iter().take(BREAK_BYTES_MAX).take_while(|byte| byte.is_ascii_whitespace()).count();
    text.get(end..end + blanks)?.iter().any(|byte| matches!(byte, b'\n' | b'\r')).then_some(end + blanks)
}

/// The last byte of the line before.
fn before_break(text: &[u8], start: usize, floor: usize) -> Option<usize> {
    let before = text.get(floor..start)?;
    let blanks = before.iter().rev().take(BREAK_BYTES_MAX).take_while(|byte| byte.is_ascii_whitespace()).count();
    let is_break = before.iter().rev().take(blanks).any(|byte| matches!(byte, b'\n' | b'\r'));
    is_break.then(|| start.checked_sub(blanks + 1)).flatten().filter(|last| *last >= floor)
}

fn from_sextets(digits: &[u8], skipped: usize) -> Vec<u8> {
    let (whole, rest) = digits.get(skipped..).unwrap_or_default().as_chunks::<4>();
    let mut bytes = vec![0; whole.len() * 3 + 2];
    for (out, [a, b, c, d]) in bytes.as_chunks_mut::<3>().0.iter_mut().zip(whole) {
        *out = [a << 2 | b >> 4, b << 4 | c >> 2, c << 6 | d];
    }
    bytes.truncate(whole.len() * 3);
    match rest {
        [a, b, c] => bytes.extend_from_slice(&[a << 2 | b >> 4, b << 4 | c >> 2]),
        [a, b] => bytes.push(a << 2 | b >> 4),
        _ => {}
    }
    bytes
}

/// All views of runs of hexadecimal digits, and of lists of numbers, that are long enough for a value of `shortest` bytes and that do not
/// end before `from`.
pub(super) fn numbers(text: &[u8], from: usize, shortest: usize, mut search: impl FnMut(&View<'_>)) {
    // A byte takes two hexadecimal digits, or one decimal digit and a separator.
    let bytes_min = shortest * 2 - 1;
    let (mut floor, mut at) = (0, from);
    while at < text.len() {
        if !may_be_around(text, at, bytes_min, is_number) {
            at += bytes_min;
            continue;
        }
        let run = around(text, floor, at, is_number);
        (floor, at) = (run.end, run.end + bytes_min);
        if run.len() < bytes_min {
            continue;
        }
        let digits = nibbles(text, run.clone());
        if digits.bytes.len() >= shortest * 2 {
            for skipped in 0..2 {
                let pairs = digits.bytes.get(skipped..).unwrap_or_default().as_chunks::<2>().0;
                let bytes = pairs.iter().map(|[high, low]| high << 4 | low).collect();
                search(&View::Digits { bytes, digits: &digits, skipped, bits: 4 });
            }
        }
        let list = decimals(text, run);
        if list.bytes.len() >= shortest {
            search(&View::Chars(list));
        }
    }
}

/// The digits of a run, without separators, and without the zero of `0x`.
fn nibbles(text: &[u8], run: Range<usize>) -> Chars {
    let mut chars = Chars::with_capacity(run.len());
    let (mut at, text) = (run.start, text.get(..run.end).unwrap_or_default());
    while let Some(byte) = text.get(at) {
        if is_hex(*byte) {
            let digits = around(text, at, at, is_hex);
            at = digits.end;
            chars.copy(text, digits);
            continue;
        }
        if matches!(byte, b'x' | b'X') && at > run.start && text.get(at - 1) == Some(&b'0') {
            chars.take_back(at);
        }
        at += 1;
    }
    for byte in &mut chars.bytes {
        *byte = char::from(*byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok()).unwrap_or_default();
    }
    chars
}

/// The numbers up to 255 of a list, as bytes.
fn decimals(text: &[u8], run: Range<usize>) -> Chars {
    let mut chars = Chars::default();
    let mut at = run.start;
    while at < run.end {
        let Some((value, digits)) = text.get(at..run.end).and_then(|rest| number(rest, 10)) else {
            at += 1;
            continue;
        };
        if let Ok(byte) = u8::try_from(value) {
            chars.put(&[byte], at..at + digits);
        }
        at += digits;
    }
    chars
}
