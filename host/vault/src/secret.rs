//! One secret value.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use zeroize::Zeroizing;

/// BOUND: a shorter value would occur in answers by chance, and could be guessed.
pub const VALUE_BYTES_MIN: usize = 8;
/// BOUND: servers accept headers of 8 KiB. A private RSA key of 4,096 bits, the longest that signs here, has 3,188 bytes in the form of
/// [`Secret::of_text`].
pub const VALUE_BYTES_MAX: usize = 4096;

/// The label of a private key in PKCS#8 (RFC 7468 section 10).
pub(crate) const PKCS8: &str = "PRIVATE KEY";
/// The label of a private RSA key in PKCS#1.
pub(crate) const PKCS1: &str = "RSA PRIVATE KEY";
/// The prefix of a private key in the form of [`Secret::of_text`].
const KEY_FRONT: &str = "pem:";

/// A value that can't be a secret here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnfitError {
    /// The value is too short to be removed from answers.
    #[error("a value must have at least {VALUE_BYTES_MIN} bytes")]
    Short,
    /// The value is too long to be sent.
    #[error("a value must have at most {VALUE_BYTES_MAX} bytes")]
    Long,
    /// The value begins or ends with a blank. Servers remove it, so answers would contain another value.
    #[error("a value must not begin or end with a blank")]
    Blank,
    /// The value has a line end, a NUL, or another byte that ends a header field.
    #[error("a value must not contain line ends or control characters; is there one at its end?")]
    Control,
    /// The text is a PEM block of another kind, more than one, or a broken one.
    #[error("a private key must be exactly one PEM block, `PRIVATE KEY` or `RSA PRIVATE KEY`, without encryption")]
    Pem,
    /// The text is a private key in the form that only elliptic curves have.
    #[error("a private key in `EC PRIVATE KEY` must be converted first: `openssl pkcs8 -topk8 -nocrypt -in OLD -out NEW`")]
    EcPem,
}

/// A secret. It is overwritten when it is dropped, and can't be printed.
#[derive(Clone)]
pub struct Secret(Zeroizing<Vec<u8>>);

impl Secret {
    /// Makes a secret of a value.
    ///
    /// # Errors
    /// A value that can't be put into a request, or be removed from an answer.
    pub fn new(value: Vec<u8>) -> Result<Self, UnfitError> {
        let value = Zeroizing::new(value);
        match value.len() {
            0..VALUE_BYTES_MIN => Err(UnfitError::Short),
            _ if value.len() > VALUE_BYTES_MAX => Err(UnfitError::Long),
            _ if value.iter().any(u8::is_ascii_control) => Err(UnfitError::Control),
            _ if value.starts_with(b" ") || value.ends_with(b" ") => Err(UnfitError::Blank),
            _ => Ok(Self(value)),
        }
    }

    /// The value on a line. One line end at its end is removed, because it comes from a text editor or the return key.
    ///
    /// # Errors
    /// As [`Secret::new`].
    pub fn of_line(line: Vec<u8>) -> Result<Self, UnfitError> {
        let mut line = Zeroizing::new(line);
        if line.ends_with(b"\n") {
            line.pop();
            if line.ends_with(b"\r") {
                line.pop();
            }
        }
        Self::new(std::mem::take(&mut *line))
    }

    /// The value in a text. A private key in a PEM block (RFC 7468) is kept on one line as `pem:LABEL:BASE64`. Any other text must be one
    /// line.
    ///
    /// # Errors
    /// As [`Secret::new`], and a PEM block that is not the private key of a signature.
    pub fn of_text(text: Vec<u8>) -> Result<Self, UnfitError> {
        let mut text = Zeroizing::new(text);
        if !text.trim_ascii_start().starts_with(b"-----BEGIN ") {
            return Self::of_line(std::mem::take(&mut *text));
        }
        Self::new(std::mem::take(&mut *line_of_pem(&text)?))
    }

    /// The label and the DER of a private key in the form of [`Secret::of_text`].
    pub(crate) fn private_key(&self) -> Option<(&str, Zeroizing<Vec<u8>>)> {
        let (label, encoded) = str::from_utf8(&self.0).ok()?.strip_prefix(KEY_FRONT)?.split_once(':')?;
        Some((label, Zeroizing::new(STANDARD.decode(encoded).ok()?)))
    }

    /// Whether both are the same value. The comparison is not in constant time. It is for a value and an older value of its owner, where
    /// nobody else can measure the time.
    pub fn is(&self, other: &Self) -> bool {
        self.0 == other.0
    }

    /// Whether a value that somebody found is this one. Both are compared by hashes under a key that is random for each call, so the time
    /// says nothing about how similar the values are. Returns false if the system gives no random numbers.
    pub fn is_value(&self, found: &[u8]) -> bool {
        let Ok(key) = ring::hmac::Key::generate(ring::hmac::HMAC_SHA256, &ring::rand::SystemRandom::new()) else { return false };
        let tag = ring::hmac::sign(&key, found);
        ring::hmac::verify(&key, &self.0, tag.as_ref()).is_ok()
    }

    /// A new value of 256 random bits, as letters, digits, `-` and `_`. `None` if the system gives no random numbers.
    pub fn random() -> Option<Self> {
        let mut bytes = Zeroizing::new([0; 32]);
        getrandom::fill(&mut *bytes).ok()?;
        Self::new(URL_SAFE_NO_PAD.encode(bytes.as_ref()).into_bytes()).ok()
    }

    /// The bytes, only for code in this room. A caller must not keep them.
    pub(crate) fn expose(&self) -> &[u8] {
        &self.0
    }
}

/// Each buffer has room for the whole value at once, because a buffer that grows leaves copies behind.
fn line_of_pem(text: &[u8]) -> Result<Zeroizing<Vec<u8>>, UnfitError> {
    /// The first byte of a DER sequence, which each kind of private key is.
    const SEQUENCE: u8 = 0x30;
    let text = str::from_utf8(text).map_err(|_| UnfitError::Pem)?.trim();
    // OpenSSL writes the parameters of a curve before such a key.
    if text.starts_with("-----BEGIN EC P") {
        return Err(UnfitError::EcPem);
    }
    let mut lines = text.lines().map(str::trim_end);
    let label = lines.next().and_then(|line| line.strip_prefix("-----BEGIN ")?.strip_suffix("-----")).ok_or(UnfitError::Pem)?;
    let end = lines.next_back().and_then(|line| line.strip_prefix("-----END ")?.strip_suffix("-----"));
    if ![PKCS8, PKCS1].contains(&label) || end != Some(label) {
        return Err(UnfitError::Pem);
    }
    let mut line = Zeroizing::new(Vec::with_capacity(text.len()));
    [KEY_FRONT, label, ":"].iter().for_each(|part| line.extend_from_slice(part.as_bytes()));
    let front = line.len();
    lines.for_each(|part| line.extend_from_slice(part.as_bytes()));
    let key = STANDARD.decode(line.get(front..).unwrap_or_default()).map(Zeroizing::new).map_err(|_| UnfitError::Pem)?;
    if key.first() == Some(&SEQUENCE) { Ok(line) } else { Err(UnfitError::Pem) }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(…)")
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::{Secret, UnfitError, VALUE_BYTES_MAX};

    #[test]
    fn what_can_not_be_sent_or_found_again_is_no_secret() {
        let error = |value: &[u8]| Secret::new(value.to_vec()).err();
        assert_eq!(error(b""), Some(UnfitError::Short));
        assert_eq!(error(b"seven77"), Some(UnfitError::Short));
        assert_eq!(error(&[b'x'; VALUE_BYTES_MAX + 1]), Some(UnfitError::Long));
        for unfit in [&b"with\nline-end"[..], b"with\rreturn", b"with\0nul-byte", b"with\x7fdelete", b"at-its-end\n"] {
            assert_eq!(error(unfit), Some(UnfitError::Control));
        }
        assert_eq!((error(b" leading-blank"), error(b"blank-at-its-end ")), (Some(UnfitError::Blank), Some(UnfitError::Blank)));
        assert_eq!(error(b"eight 88"), None);
    }

    fn pem(label: &str, lines: &str) -> String {
        format!("-----BEGIN {label}-----\n{lines}\n-----END {label}-----\n")
    }

    #[test]
    fn a_private_key_is_kept_on_one_line_and_anything_else_is_a_line() {
        let kept = |text: &str| Secret::of_text(text.as_bytes().to_vec()).map(|secret| secret.expose().to_vec());
        for label in ["PRIVATE KEY", "RSA PRIVATE KEY"] {
            let line = format!("pem:{label}:MAMCAQAwAwIBAA==").into_bytes();
            for text in [
                pem(label, "MAMCAQAw\nAwIBAA=="),
                pem(label, "MAMCAQAwAwIBAA==").replace('\n', "\r\n"),
                format!("\n {} \n", pem(label, "MAMCAQAw \nAwIBAA==")),
            ] {
                assert_eq!(kept(&text), Ok(line.clone()));
            }
            let (read, key) = (kept(&pem(label, "MAMCAQAwAwIBAA==")).unwrap(), [0x30, 3, 2, 1, 0, 0x30, 3, 2, 1, 0]);
            let secret = Secret::new(read).unwrap();
            let (read_label, read_key) = secret.private_key().unwrap();
            assert_eq!((read_label, read_key.as_slice()), (label, &key[..]));
        }
        assert_eq!(kept("correct horse\r\n"), Ok(b"correct horse".to_vec()));
        assert_eq!(kept("correct\nhorse"), Err(UnfitError::Control));
        assert!(Secret::new(b"correct horse".to_vec()).unwrap().private_key().is_none());
    }

    #[test]
    fn what_is_not_one_private_key_is_no_key() {
        let error = |text: &str| Secret::of_text(text.as_bytes().to_vec()).err();
        let good = pem("PRIVATE KEY", "MAMCAQAw");
        let bad = [
            pem("CERTIFICATE", "MAMCAQAw"),
            pem("ENCRYPTED PRIVATE KEY", "MAMCAQAw"),
            pem("OPENSSH PRIVATE KEY", "MAMCAQAw"),
            pem("RSA PRIVATE KEY", "Proc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\nMAMCAQAw"),
            pem("PRIVATE KEY", ""),
            pem("PRIVATE KEY", "MAMCAQA"),
            pem("PRIVATE KEY", "correct horse"),
            pem("PRIVATE KEY", "Y29ycmVjdCBob3JzZQ=="),
            format!("{good}{good}"),
            format!("{good}correct horse"),
            good.replace("END PRIVATE", "END RSA PRIVATE"),
            good.replace("-----END PRIVATE KEY-----\n", ""),
            "-----BEGIN PRIVATE KEY-----".to_owned(),
            "-----BEGIN ".to_owned(),
        ];
        for text in bad {
            assert_eq!(error(&text), Some(UnfitError::Pem), "{text}");
        }
        for text in [
            pem("EC PRIVATE KEY", "MAMCAQAw"),
            format!("{}{}", pem("EC PARAMETERS", "BggqhkjOPQMBBw=="), pem("EC PRIVATE KEY", "MAMCAQAw")),
        ] {
            assert_eq!(error(&text), Some(UnfitError::EcPem));
        }
        assert!(UnfitError::EcPem.to_string().contains("openssl pkcs8 -topk8"));
        assert_eq!(error(&pem("PRIVATE KEY", &"MAMC".repeat(1024))), Some(UnfitError::Long));
    }

    #[test]
    fn nothing_prints_it() {
        let secret = Secret::new(b"correct-horse".to_vec());
        assert_eq!(format!("{secret:?}"), "Ok(Secret(…))");
    }
}
