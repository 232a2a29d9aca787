//! Text of guests that is made safe to keep and to show: bounded and escaped.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

/// Text that came from a guest or a server, at most `max` bytes of it. It contains nothing that misleads a terminal, a log reader or a
/// person: control characters, bidirectional overrides and invisible characters are written as `\u{..}`, and a backslash as `\\`. If it was
/// cut, it ends with `…[+N bytes]`.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SafeText(String);

/// BOUND: bytes of one line of text that others wrote.
const LINE_BYTES_MAX: usize = 8192;

/// Text on one line that may contain words of others, escaped. Parts that are escaped already stay as they are.
pub fn safe(text: &str) -> String {
    let parts: Vec<String> = text.split('\\').map(|part| SafeText::new(part, LINE_BYTES_MAX).to_string()).collect();
    parts.join("\\")
}

impl SafeText {
    /// Escapes and bounds the text. `max` counts bytes of the input, so the result is at most a small multiple of it.
    pub fn new(text: &str, max: usize) -> Self {
        let mut end = text.len().min(max);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        Self(escape(text.get(..end).unwrap_or(""), text.len() - end))
    }

    /// Texts that were escaped before, joined with text that needs no escaping.
    pub(crate) fn of_safe(text: String) -> Self {
        Self(text)
    }

    /// Whether the text is empty.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// As [`SafeText::new`], for bytes that need not be UTF-8. Invalid bytes become U+FFFD.
    pub fn from_bytes(bytes: &[u8], max: usize) -> Self {
        let kept = bytes.get(..max).unwrap_or(bytes);
        Self(escape(&String::from_utf8_lossy(kept), bytes.len() - kept.len()))
    }

    /// The same text in at most `max` bytes, plus a note in place of the rest. The beginning and the end are kept, because they identify a
    /// name best. The note has the digest of what is left out, so that names which differ only there stay different.
    pub fn shortened(&self, max: usize) -> Self {
        if self.0.len() <= max {
            return self.clone();
        }
        let (mut front, mut back) = (max / 2, self.0.len() - max / 2);
        while !self.0.is_char_boundary(front) {
            front -= 1;
        }
        while !self.0.is_char_boundary(back) {
            back += 1;
        }
        let part = |range| self.0.get(range).unwrap_or_default();
        let left_out = part(front..back);
        let digest = crate::Digest::of(left_out.as_bytes()).hex();
        let digest = digest.get(..16).unwrap_or_default();
        Self(format!("{}…[{} bytes, {digest}]…{}", part(0..front), left_out.len(), part(back..self.0.len())))
    }

    /// The escaped text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for SafeText {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

fn escape(kept: &str, dropped: usize) -> String {
    let mut safe = String::with_capacity(kept.len());
    for letter in kept.chars() {
        if letter == '\\' {
            safe.push_str("\\\\");
        } else if is_misleading(letter) {
            // Writing to a `String` can't fail.
            let _ = write!(safe, "\\u{{{:x}}}", u32::from(letter));
        } else {
            safe.push(letter);
        }
    }
    if dropped > 0 {
        let _ = write!(safe, "…[+{dropped} bytes]");
    }
    safe
}

/// Whether a character moves a cursor, hides, or reverses text. These are controls, line and paragraph separators, and bidirectional and
/// other format characters (Unicode Cc, Zl, Zp, and those of Cf that change how text looks).
pub fn is_misleading(letter: char) -> bool {
    letter.is_control()
        || matches!(u32::from(letter), 0xAD | 0x61C | 0x180E | 0x200B..=0x200F | 0x2028..=0x202E | 0x2060..=0x206F | 0xFEFF | 0xFFF9..=0xFFFB | 0xE0000..=0xE007F)
}

#[cfg(test)]
mod tests {
    use super::SafeText;

    #[test]
    fn escape_codes_newlines_and_bidi_overrides_do_not_survive() {
        let safe = SafeText::new("a\u{1b}[31m\nb\u{202e}c\0\\", 100);
        assert_eq!(safe.as_str(), "a\\u{1b}[31m\\u{a}b\\u{202e}c\\u{0}\\\\");
    }

    #[test]
    fn a_name_that_is_too_long_keeps_both_ends_and_stays_told_from_others() {
        let long = |letter: &str| SafeText::new(&format!("/begin/{}/end", letter.repeat(500)), 2000);
        let short = long("ä").shortened(101);
        assert!(short.as_str().starts_with("/begin/ä") && short.as_str().ends_with("ä/end"), "{short}");
        assert!(short.as_str().len() < 150, "{short}");
        assert_ne!(short, long("ö").shortened(101));
        assert_eq!(long("a").shortened(10_000), long("a"));
    }

    #[test]
    fn the_bound_falls_between_characters_and_is_said() {
        assert_eq!(SafeText::new("äöü", 3).as_str(), "ä…[+4 bytes]");
        assert_eq!(SafeText::from_bytes(b"xxxx\xff\xfe", 5).as_str(), "xxxx\u{fffd}…[+1 bytes]");
    }
}
