//! Takes secrets out of what comes back: every byte of every form in which one is recognised becomes `*`, so that lengths stay what they were.
//!
//! Forms: as it is; percent-encoded, in both cases, all of it or only what must be; base 64 in both alphabets at each of three offsets, which
//! covers what stands beside a user's name in `Basic`; hexadecimal in both cases; escaped for JSON and for HTML. It never guesses: what is
//! not a form of one of these secrets passes unharmed, however much it looks like one.

use std::collections::BTreeSet;

use aho_corasick::{AhoCorasick, AhoCorasickKind};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use bytes::Bytes;
use zeroize::Zeroizing;

use crate::secret::{Secret, VALUE_BYTES_MIN};

/// BOUND: bytes of all forms together up to which the fastest automaton is built; past that it would take too much memory.
const FAST_BYTES_MAX: usize = 256 << 10;

/// What was to be found is more than an automaton can hold. Says nothing of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the secrets of this run have more forms than can be looked for")]
pub struct TooManyForms;

/// Finds the forms of some secrets. Cheap to share.
pub struct Scrubber {
    automaton: AhoCorasick,
    /// Sorted, to tell whether something begins one.
    forms: Vec<Vec<u8>>,
    longest: usize,
}

impl std::fmt::Debug for Scrubber {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Scrubber({} forms)", self.forms.len())
    }
}

impl Scrubber {
    /// For these secrets.
    ///
    /// # Errors
    /// More forms than an automaton can hold.
    pub fn new<'a>(secrets: impl IntoIterator<Item = &'a Secret>) -> Result<Self, TooManyForms> {
        let forms: BTreeSet<Vec<u8>> = secrets.into_iter().flat_map(|secret| forms(secret.expose())).collect();
        let forms: Vec<Vec<u8>> = forms.into_iter().collect();
        let bytes: usize = forms.iter().map(Vec::len).sum();
        let kind = if bytes <= FAST_BYTES_MAX { AhoCorasickKind::DFA } else { AhoCorasickKind::ContiguousNFA };
        let automaton = AhoCorasick::builder().kind(Some(kind)).build(&forms).map_err(|_| TooManyForms)?;
        Ok(Self { automaton, longest: forms.iter().map(Vec::len).max().unwrap_or(0), forms })
    }

    /// All of a text at once; how many were found.
    pub fn scrub(&self, text: &mut [u8]) -> u64 {
        let mut masked = vec![false; text.len()];
        self.mark(text, &mut masked);
        mask(text, &masked, false)
    }

    fn mark(&self, text: &[u8], masked: &mut [bool]) {
        // Overlapping: of two secrets that share bytes, none is left half.
        for found in self.automaton.find_overlapping_iter(text) {
            masked.get_mut(found.range()).into_iter().flatten().for_each(|masked| *masked = true);
        }
    }

    /// How many bytes at the end may be the beginning of a form.
    fn open_end(&self, text: &[u8]) -> usize {
        let most = self.longest.saturating_sub(1).min(text.len());
        let begins = |length: &usize| {
            let end = text.get(text.len() - length..).unwrap_or_default();
            let at = self.forms.partition_point(|form| form.as_slice() < end);
            self.forms.get(at).is_some_and(|form| form.starts_with(end))
        };
        (1..=most).rev().find(begins).unwrap_or(0)
    }
}

/// Writes stars over what is marked; how many runs of stars begin here.
fn mask(text: &mut [u8], masked: &[bool], mut before: bool) -> u64 {
    let mut hits = 0;
    for (byte, masked) in text.iter_mut().zip(masked) {
        if *masked {
            *byte = b'*';
            hits += u64::from(!before);
        }
        before = *masked;
    }
    hits
}

/// One stream that is scrubbed: what may be the beginning of a form is held back until it is known, and no more.
#[derive(Debug, Default)]
pub struct Scrubbing {
    held: Vec<u8>,
    masked: Vec<bool>,
    /// Whether the last byte that was given out was a star.
    in_hit: bool,
    hits: u64,
}

impl Scrubbing {
    /// Takes a piece in, and gives out what is certain.
    pub fn push(&mut self, scrubber: &Scrubber, piece: &[u8]) -> Bytes {
        self.held.extend_from_slice(piece);
        self.masked.resize(self.held.len(), false);
        scrubber.mark(&self.held, &mut self.masked);
        let open = scrubber.open_end(&self.held);
        self.give(self.held.len() - open)
    }

    /// The rest, at the end of the stream.
    pub fn finish(&mut self) -> Bytes {
        self.give(self.held.len())
    }

    /// How many secrets were taken out so far.
    pub fn hits(&self) -> u64 {
        self.hits
    }

    fn give(&mut self, bytes: usize) -> Bytes {
        let mut out: Vec<u8> = self.held.drain(..bytes).collect();
        let masked: Vec<bool> = self.masked.drain(..bytes).collect();
        self.hits += mask(&mut out, &masked, self.in_hit);
        self.in_hit = masked.last().copied().unwrap_or(self.in_hit);
        out.into()
    }
}

/// Every form in which a value is recognised. Shorter ones than a secret may be are none: they would be found by chance.
fn forms(value: &[u8]) -> Vec<Vec<u8>> {
    let each = |change: &dyn Fn(u8) -> Vec<u8>| value.iter().flat_map(|byte| change(*byte)).collect::<Vec<u8>>();
    let is_unreserved = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    let upper = |byte: u8| format!("%{byte:02X}").into_bytes();
    let lower = |byte: u8| format!("%{byte:02x}").into_bytes();
    let mut all = vec![
        value.to_vec(),
        each(&|byte| if is_unreserved(byte) { vec![byte] } else { upper(byte) }),
        each(&|byte| if is_unreserved(byte) { vec![byte] } else { lower(byte) }),
        each(&|byte| {
            if byte == b' ' {
                vec![b'+']
            } else if is_unreserved(byte) {
                vec![byte]
            } else {
                upper(byte)
            }
        }),
        each(&upper),
        each(&lower),
        each(&|byte| format!("{byte:02x}").into_bytes()),
        each(&|byte| format!("{byte:02X}").into_bytes()),
        each(&|byte| json(byte, false)),
        each(&|byte| json(byte, true)),
        each(&|byte| format!("\\u{byte:04x}").into_bytes()),
        each(&|byte| format!("\\u{byte:04X}").into_bytes()),
        each(&|byte| html(byte, "&quot;", "&#39;")),
        each(&|byte| html(byte, "&#34;", "&#x27;")),
        each(&|byte| html(byte, "&quot;", "'")),
        each(&|byte| html(byte, "&quot;", "&apos;")),
    ];
    for before in [&[][..], &[0], &[0, 0]] {
        let bytes = Zeroizing::new([before, value].concat());
        // Letters that hang on what stands before or after are left out.
        let (from, to) = ((before.len() * 8).div_ceil(6), bytes.len() * 8 / 6);
        for encoded in [STANDARD_NO_PAD.encode(&bytes), URL_SAFE_NO_PAD.encode(&bytes)] {
            all.extend(encoded.as_bytes().get(from..to).map(<[u8]>::to_vec));
        }
    }
    all.retain(|form| form.len() >= VALUE_BYTES_MIN);
    all
}

fn json(byte: u8, slashes: bool) -> Vec<u8> {
    match byte {
        b'"' | b'\\' => vec![b'\\', byte],
        b'/' if slashes => b"\\/".to_vec(),
        _ => vec![byte],
    }
}

fn html(byte: u8, quote: &str, apostrophe: &str) -> Vec<u8> {
    match byte {
        b'&' => b"&amp;".to_vec(),
        b'<' => b"&lt;".to_vec(),
        b'>' => b"&gt;".to_vec(),
        b'"' => quote.as_bytes().to_vec(),
        b'\'' => apostrophe.as_bytes().to_vec(),
        _ => vec![byte],
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]
mod tests {
    use base64::engine::general_purpose::{STANDARD, URL_SAFE};

    use super::*;

    /// With everything in it that some form writes otherwise.
    const VALUE: &str = "s3cr/t+\"v&l'<>\\ ~=?ü";

    fn scrubber() -> Scrubber {
        Scrubber::new([&Secret::new(VALUE.as_bytes().to_vec()).unwrap(), &Secret::new(b"plain-value-2".to_vec()).unwrap()]).unwrap()
    }

    /// What other programs make of it, each written here by hand or by another library.
    fn encoded() -> Vec<String> {
        let bytes = VALUE.as_bytes();
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        let percent = "s3cr%2Ft%2B%22v%26l%27%3C%3E%5C%20~%3D%3F%C3%BC";
        let mut all = vec![
            VALUE.to_owned(),
            percent.to_owned(),
            percent
                .replace("%2F", "%2f")
                .replace("%2B", "%2b")
                .replace("%3C", "%3c")
                .replace("%3E", "%3e")
                .replace("%5C", "%5c")
                .replace("%3D", "%3d")
                .replace("%3F", "%3f")
                .replace("%C3%BC", "%c3%bc"),
            percent.replace("%20", "+"),
            hex.to_uppercase(),
            hex,
            r#"s3cr/t+\"v&l'<>\\ ~=?ü"#.to_owned(),
            r#"s3cr\/t+\"v&l'<>\\ ~=?ü"#.to_owned(),
            "s3cr/t+&quot;v&amp;l&#39;&lt;&gt;\\ ~=?ü".to_owned(),
            "s3cr/t+&#34;v&amp;l&#x27;&lt;&gt;\\ ~=?ü".to_owned(),
        ];
        for before in ["", "a", "ab", "user:", "alice:"] {
            all.push(STANDARD.encode(format!("{before}{VALUE}")));
            all.push(URL_SAFE.encode(format!("{before}{VALUE} and more")));
        }
        all
    }

    /// Of the forms above: with something of a neighbour in it.
    fn is_base64(form: &str) -> bool {
        form.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+/-_=".contains(&byte))
            && !form.bytes().all(|byte| byte.is_ascii_hexdigit())
    }

    #[test]
    fn each_form_is_taken_out_wherever_a_stream_is_cut() {
        let scrubber = scrubber();
        for form in encoded() {
            let text = format!("before {form} after");
            for cut in 0..=text.len() {
                let mut scrubbing = Scrubbing::default();
                let (one, other) = text.as_bytes().split_at(cut);
                let out = [scrubbing.push(&scrubber, one), scrubbing.push(&scrubber, other), scrubbing.finish()].concat();
                assert_eq!((out.len(), scrubbing.hits()), (text.len(), 1), "{form} cut at {cut}: {}", String::from_utf8_lossy(&out));
                assert!(out.starts_with(b"before ") && out.ends_with(b" after"));
            }
            let mut bytes = Scrubbing::default();
            let mut out: Vec<u8> = text.bytes().flat_map(|byte| bytes.push(&scrubber, &[byte])).collect();
            out.extend(bytes.finish());
            // In base 64 the letters at either end hang on what stands beside it.
            let stars = out.iter().filter(|byte| **byte == b'*').count();
            assert!(stars + 2 >= VALUE.len() && bytes.hits() == 1, "{form}: {}", String::from_utf8_lossy(&out));
            assert!(stars == form.len() || is_base64(&form), "{form}: {}", String::from_utf8_lossy(&out));
        }
    }

    #[test]
    fn tokens_that_are_not_ours_pass_unharmed_and_nothing_is_held_back_for_them() {
        let scrubber = scrubber();
        let text = "ghp_0123456789abcdefghijklmnopqrstuvwxyzAB AKIAQ3RTY5UIOPASDF7G plain-value-3 plain-valu s3cr/t \u{fc} Zm9vYmFy";
        let mut scrubbing = Scrubbing::default();
        let first = scrubbing.push(&scrubber, text.as_bytes());
        assert_eq!(first, text.as_bytes(), "its end begins no form");
        assert_eq!(scrubbing.hits(), 0);
        assert_eq!(scrubbing.push(&scrubber, b"so plain-va"), &b"so "[..]);
        assert_eq!(scrubbing.push(&scrubber, b"ried"), &b"plain-varied"[..]);
    }

    #[test]
    fn of_two_that_overlap_nothing_is_left() {
        let secrets = ["one-two-three", "three-four-five"].map(|text| Secret::new(text.as_bytes().to_vec()).unwrap());
        let scrubber = Scrubber::new(&secrets).unwrap();
        let text = b"x one-two-three-four-five y";
        for cut in 0..text.len() {
            let mut scrubbing = Scrubbing::default();
            let out = [scrubbing.push(&scrubber, &text[..cut]), scrubbing.push(&scrubber, &text[cut..]), scrubbing.finish()].concat();
            assert_eq!(out, b"x *********************** y", "{}", String::from_utf8_lossy(&out));
        }
        let mut whole = text.to_vec();
        assert_eq!(scrubber.scrub(&mut whole), 1);
    }
}
