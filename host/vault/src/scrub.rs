//! Takes secrets out of what comes back: every byte of every form in which one is recognised becomes `*`, so that lengths stay what they were.
//!
//! Forms: as it is, and in base 64, in both alphabets at each of three offsets, which covers what stands beside a user's name in `Basic`; each of
//! these also percent-encoded and escaped for JSON and HTML as common languages do it; and hexadecimal. It never guesses: what is not a form of one of
//! these secrets passes unharmed, however much it looks like one.

use std::collections::BTreeSet;

use aho_corasick::{AhoCorasick, AhoCorasickKind};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use bytes::Bytes;
use zeroize::Zeroizing;

use crate::secret::{Secret, VALUE_BYTES_MIN};

/// BOUND: bytes of all forms together up to which the fastest automaton is built; it takes some 500 times as many.
const FAST_BYTES_MAX: usize = 64 << 10;

/// What was to be found is more than an automaton can hold. Says nothing of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the secrets of this run have more forms than can be looked for")]
pub struct TooManyForms;

/// Finds the forms of some secrets. Cheap to share.
pub struct Scrubber {
    automaton: AhoCorasick,
    longest: usize,
}

impl std::fmt::Debug for Scrubber {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Scrubber({} forms)", self.automaton.patterns_len())
    }
}

impl Scrubber {
    /// For these secrets.
    ///
    /// # Errors
    /// More forms than an automaton can hold.
    pub fn new<'a>(secrets: impl IntoIterator<Item = &'a Secret>) -> Result<Self, TooManyForms> {
        let forms: BTreeSet<Vec<u8>> = secrets.into_iter().flat_map(|secret| forms(secret.expose())).collect();
        let bytes: usize = forms.iter().map(Vec::len).sum();
        let kind = if bytes <= FAST_BYTES_MAX { AhoCorasickKind::DFA } else { AhoCorasickKind::ContiguousNFA };
        let automaton = AhoCorasick::builder().kind(Some(kind)).build(&forms).map_err(|_| TooManyForms)?;
        Ok(Self { automaton, longest: forms.iter().map(Vec::len).max().unwrap_or(0) })
    }

    /// For a few values that stand for one request only: in the forms in which they are likely, so that it is made quickly.
    ///
    /// # Errors
    /// As [`Scrubber::new`].
    pub fn of_few<'a>(secrets: impl IntoIterator<Item = &'a Secret>) -> Result<Self, TooManyForms> {
        let likely = |secret: &Secret| {
            let escapes: [Escape; 2] = [|byte| percent(byte, b"-._~", false), |byte| percent(byte, b"-._~", true)];
            let plain = plain(secret.expose());
            let escaped: Vec<Vec<u8>> =
                plain.iter().flat_map(|text| escapes.map(|escape| text.iter().flat_map(|byte| escape(*byte)).collect())).collect();
            let whole = |upper: bool| secret.expose().iter().flat_map(|byte| hex(*byte, upper)).collect::<Vec<u8>>();
            [plain, escaped, vec![whole(false), whole(true)]].concat()
        };
        let forms: BTreeSet<Vec<u8>> = secrets.into_iter().flat_map(likely).filter(|form| form.len() >= VALUE_BYTES_MIN).collect();
        let automaton = AhoCorasick::builder().kind(Some(AhoCorasickKind::ContiguousNFA)).build(&forms).map_err(|_| TooManyForms)?;
        Ok(Self { automaton, longest: forms.iter().map(Vec::len).max().unwrap_or(0) })
    }

    /// Whether any of them is in a text.
    pub fn finds(&self, text: &[u8]) -> bool {
        self.automaton.is_match(text)
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

/// One stream that is scrubbed.
///
/// SECURITY: the last bytes are held back until more comes, always as many, whatever they are. Were it only where a form may have begun, whoever sees the
/// pieces could have a server try one letter after the other.
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
        self.give(self.held.len().saturating_sub(scrubber.longest.saturating_sub(1)))
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

/// How a byte is written by somebody.
type Escape = fn(u8) -> Vec<u8>;

/// Every form in which a value is recognised. Shorter ones than a secret may be are none: they would be found by chance.
fn forms(value: &[u8]) -> Vec<Vec<u8>> {
    let plain = plain(value);
    let written = |text: &[u8], escape: &Escape| text.iter().flat_map(|byte| escape(*byte)).collect::<Vec<u8>>();
    let mut all: Vec<Vec<u8>> = plain.iter().flat_map(|text| ESCAPES.iter().map(|escape| written(text, escape))).collect();
    all.extend(WHOLE.iter().map(|escape| written(value, escape)));
    all.extend([units(value, false), units(value, true)].into_iter().flatten());
    all.extend(plain);
    all.retain(|form| form.len() >= VALUE_BYTES_MIN);
    all
}

/// As it is, and in base 64 wherever it stands there.
fn plain(value: &[u8]) -> Vec<Vec<u8>> {
    let mut plain = vec![value.to_vec()];
    for before in [&[][..], &[0], &[0, 0]] {
        let bytes = Zeroizing::new([before, value].concat());
        // Letters that hang on what stands before or after are left out.
        let (from, to) = ((before.len() * 8).div_ceil(6), bytes.len() * 8 / 6);
        for encoded in [STANDARD_NO_PAD.encode(&bytes), URL_SAFE_NO_PAD.encode(&bytes)] {
            plain.extend(encoded.as_bytes().get(from..to).map(<[u8]>::to_vec));
        }
    }
    plain
}

fn hex(byte: u8, upper: bool) -> Vec<u8> {
    if upper { format!("{byte:02X}") } else { format!("{byte:02x}") }.into_bytes()
}

/// As languages escape what must be escaped, each in its own way.
const ESCAPES: &[Escape] = &[
    // RFC 3986, in both cases; Python's `quote`; JavaScript's `encodeURIComponent`; HTML forms, as Java and browsers write them.
    |byte| percent(byte, b"-._~", false),
    |byte| percent(byte, b"-._~", true),
    |byte| percent(byte, b"-._~/", false),
    |byte| percent(byte, b"-._~!*'()", false),
    |byte| if byte == b' ' { vec![b'+'] } else { percent(byte, b"-._*", false) },
    |byte| if byte == b' ' { vec![b'+'] } else { percent(byte, b"-._~", false) },
    // JSON: plainly; with slashes, as PHP does; as Go and Rails do; as .NET does.
    |byte| json(byte, b"", false),
    |byte| json(byte, b"/", false),
    |byte| json(byte, b"&<>", false),
    |byte| json(byte, b"&<>'\"+`", true),
    // HTML: Python; Go and Jinja; PHP; XML; with what mustache adds.
    |byte| html(byte, "&quot;", "&#x27;"),
    |byte| html(byte, "&#34;", "&#39;"),
    |byte| html(byte, "&quot;", "&#039;"),
    |byte| html(byte, "&quot;", "&#39;"),
    |byte| html(byte, "&quot;", "&apos;"),
    |byte| html(byte, "&quot;", "'"),
    |byte| if byte == b'+' { b"&#43;".to_vec() } else { html(byte, "&#34;", "&#39;") },
    |byte| match byte {
        b'/' => b"&#x2F;".to_vec(),
        b'=' => b"&#x3D;".to_vec(),
        b'`' => b"&#x60;".to_vec(),
        byte => html(byte, "&quot;", "&#39;"),
    },
];

/// As every byte can be written.
const WHOLE: &[Escape] = &[
    |byte| format!("%{byte:02X}").into_bytes(),
    |byte| format!("%{byte:02x}").into_bytes(),
    |byte| hex(byte, false),
    |byte| hex(byte, true),
    |byte| format!("\\u{byte:04x}").into_bytes(),
    |byte| format!("\\u{byte:04X}").into_bytes(),
];

fn percent(byte: u8, besides: &[u8], lower: bool) -> Vec<u8> {
    match byte {
        byte if byte.is_ascii_alphanumeric() || besides.contains(&byte) => vec![byte],
        byte if lower => format!("%{byte:02x}").into_bytes(),
        byte => format!("%{byte:02X}").into_bytes(),
    }
}

/// `more` is escaped besides what must be: a slash by a backslash, anything else by its number.
fn json(byte: u8, more: &[u8], upper: bool) -> Vec<u8> {
    match byte {
        b'/' if more.contains(&byte) => b"\\/".to_vec(),
        byte if more.contains(&byte) && upper => format!("\\u{byte:04X}").into_bytes(),
        byte if more.contains(&byte) => format!("\\u{byte:04x}").into_bytes(),
        b'"' | b'\\' => vec![b'\\', byte],
        byte => vec![byte],
    }
}

/// JSON in ASCII alone, as Python writes it: letters beyond it by their numbers in UTF-16.
fn units(value: &[u8], upper: bool) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    for letter in std::str::from_utf8(value).ok()?.chars() {
        match u8::try_from(letter).ok().filter(u8::is_ascii) {
            Some(byte) => out.extend(json(byte, b"", false)),
            None => letter.encode_utf16(&mut [0; 2]).iter().for_each(|unit| {
                out.extend(if upper { format!("\\u{unit:04X}") } else { format!("\\u{unit:04x}") }.into_bytes());
            }),
        }
    }
    Some(out)
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
            // Python: `html.escape`, `quote`, `json.dumps`. Go: `html.EscapeString`, `json.Marshal`. JavaScript: `encodeURIComponent`. .NET's JSON.
            "s3cr/t+&quot;v&amp;l&#x27;&lt;&gt;\\ ~=?ü".to_owned(),
            "s3cr/t%2B%22v%26l%27%3C%3E%5C%20~%3D%3F%C3%BC".to_owned(),
            r#"s3cr/t+\"v&l'<>\\ ~=?\u00fc"#.to_owned(),
            "s3cr/t+&#34;v&amp;l&#39;&lt;&gt;\\ ~=?ü".to_owned(),
            r#"s3cr/t+\"v\u0026l'\u003c\u003e\\ ~=?ü"#.to_owned(),
            "s3cr%2Ft%2B%22v%26l'%3C%3E%5C%20~%3D%3F%C3%BC".to_owned(),
            r#"s3cr/t\u002B\u0022v\u0026l\u0027\u003C\u003E\\ ~=?ü"#.to_owned(),
            // What is sent as `Basic`, in the JSON of a server that escapes slashes, and in a query.
            STANDARD.encode(format!("us:{VALUE}")).replace('/', "\\/"),
            STANDARD.encode(format!("us:{VALUE}")).replace('/', "%2F").replace('+', "%2B"),
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
    fn a3_5_each_form_is_taken_out_wherever_a_stream_is_cut() {
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
    fn l7_tokens_that_are_not_ours_pass_unharmed() {
        let scrubber = scrubber();
        let text =
            concat!("ghp_0123456789abcdefghijklmnopqrstuvwxyzAB AK", "IAQ3RTY5UIOPASDF7G plain-value-3 plain-valu s3cr/t \u{fc} Zm9vYmFy");
        let mut scrubbing = Scrubbing::default();
        let out = [scrubbing.push(&scrubber, text.as_bytes()), scrubbing.finish()].concat();
        assert_eq!((out.as_slice(), scrubbing.hits()), (text.as_bytes(), 0));
    }

    /// A server that is told what to try must not be able to show how near it came.
    #[test]
    fn how_much_is_given_out_depends_on_how_much_came_and_on_nothing_else() {
        let scrubber = scrubber();
        let lengths = |text: &str| {
            let mut scrubbing = Scrubbing::default();
            let pieces = text.repeat(60).into_bytes();
            let mut lengths: Vec<usize> = pieces.chunks(7).map(|piece| scrubbing.push(&scrubber, piece).len()).collect();
            lengths.push(scrubbing.finish().len());
            lengths
        };
        let nothing = lengths("zzzzzzzzzzzzz");
        for near in ["plain-value-2", "plain-value-X", "s3cr/t+\"v&l'<", "xxxxxxxplain-"] {
            assert_eq!(lengths(near), nothing, "{near}");
        }
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
