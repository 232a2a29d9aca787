//! Known findings: fingerprints from an earlier report in any format. A list in JSON, the host's report and SARIF all have fingerprints
//! as `sha256:` and 64 hexadecimal digits in quotes, so this module looks for that text.
//!
//! Digests of other things in the same file do no harm: no fingerprint equals one.

use crate::read::regular;
use std::collections::BTreeSet;
use std::io::{self, Read};
use std::path::Path;

/// BOUND: how much of a file is read, and how many fingerprints are kept.
const BYTES_MAX: u64 = 256 * 1024 * 1024;
const FINGERPRINTS_MAX: usize = 200_000;
const PREFIX: &[u8] = b"\"sha256:";
/// How long a fingerprint with both quotes is.
const WRITTEN_BYTES: usize = PREFIX.len() + 64 + 1;
const PIECE_BYTES: usize = 64 * 1024;

/// The fingerprints of known findings.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Baseline(BTreeSet<[u8; 32]>);

impl Baseline {
    /// Reads the fingerprints in a file, which must have at least one unless it is an empty list.
    pub(crate) fn load(path: &Path) -> io::Result<Self> {
        Self::read(regular(path)?.take(BYTES_MAX + 1))
    }

    fn read(mut file: impl Read) -> io::Result<Self> {
        let mut known = BTreeSet::new();
        let (mut text, mut total) = (Vec::new(), 0);
        loop {
            let read = file.by_ref().take(PIECE_BYTES as u64).read_to_end(&mut text)?;
            total += read as u64;
            if total > BYTES_MAX || known.len() > FINGERPRINTS_MAX {
                let bounds = format!("more than {BYTES_MAX} bytes, or {FINGERPRINTS_MAX} fingerprints");
                return Err(io::Error::new(io::ErrorKind::FileTooLarge, bounds));
            }
            known.extend(text.windows(WRITTEN_BYTES).filter_map(written));
            if read == 0 {
                return Ok(Self(known));
            }
            // A fingerprint that is cut in two is whole in the next piece. One that was whole here is found again, which does no harm.
            let keep = text.len().min(WRITTEN_BYTES);
            text.drain(..text.len() - keep);
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn knows(&self, fingerprint: &str) -> bool {
        fingerprint.strip_prefix("sha256:").and_then(|digits| digest(digits.as_bytes())).is_some_and(|digest| self.0.contains(&digest))
    }
}

fn written(window: &[u8]) -> Option<[u8; 32]> {
    digest(window.strip_prefix(PREFIX)?.strip_suffix(b"\"")?)
}

fn digest(digits: &[u8]) -> Option<[u8; 32]> {
    let mut digest = [0; 32];
    let pairs = digits.chunks_exact(2);
    if pairs.len() != digest.len() || digits.len() != 64 {
        return None;
    }
    for (byte, pair) in digest.iter_mut().zip(pairs) {
        let [high, low] = *pair else { return None };
        let value = char::from(high).to_digit(16)? << 4 | char::from(low).to_digit(16)?;
        *byte = u8::try_from(value).ok()?;
    }
    Some(digest)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::{Baseline, PIECE_BYTES};

    fn fingerprint(n: usize) -> String {
        format!("sha256:{n:064x}")
    }

    #[test]
    fn fingerprints_are_read_from_whatever_holds_them() {
        let (one, two) = (fingerprint(1), fingerprint(2));
        for text in [
            format!("[\"{one}\", \"{two}\"]"),
            format!("{{\"findings\":[{{\"fingerprint\":\"{one}\"}},{{\"fingerprint\":\"{two}\"}}]}}"),
            format!("{{\"runs\":[{{\"results\":[{{\"partialFingerprints\":{{\"bailiwick/v1\":\"{one}\"}}}},\n \"{two}\"]}}]}}"),
        ] {
            let known = Baseline::read(text.as_bytes()).unwrap();
            assert!(known.len() == 2 && known.knows(&one) && known.knows(&two), "{text}");
            assert!(!known.knows(&fingerprint(3)) && !known.knows("") && !known.knows(&one.to_uppercase()));
        }
    }

    #[test]
    fn one_that_lies_across_two_pieces_is_read() {
        for before in PIECE_BYTES - 80..PIECE_BYTES + 3 {
            let text = format!("{}\"{}\"{}", " ".repeat(before), fingerprint(7), " ".repeat(10));
            assert!(Baseline::read(text.as_bytes()).unwrap().knows(&fingerprint(7)), "{before}");
        }
    }

    #[test]
    fn what_holds_none_knows_none() {
        let cut = format!("\"{}", fingerprint(1));
        for text in ["", "[]", "\"sha256:12\"", "sha256:", &"\"sha256:".repeat(20_000), &cut] {
            assert_eq!(Baseline::read(text.as_bytes()).unwrap(), Baseline::default());
        }
    }
}
