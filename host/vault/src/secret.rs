//! One secret value.

use zeroize::Zeroizing;

/// BOUND: a shorter one would be found by chance in what comes back, and be guessed.
pub const VALUE_BYTES_MIN: usize = 8;
/// BOUND: servers take 8 KiB of a header.
pub const VALUE_BYTES_MAX: usize = 4096;

/// A value that can't be a secret here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnfitError {
    /// Too short to be taken out of what comes back.
    #[error("a secret has {VALUE_BYTES_MIN} bytes at least")]
    Short,
    /// Longer than it could be sent.
    #[error("a secret has {VALUE_BYTES_MAX} bytes at most")]
    Long,
    /// A blank where servers take it away: what comes back would be another value.
    #[error("a secret neither begins nor ends with a blank")]
    Blank,
    /// A line end, a NUL, or another byte that ends a header field.
    #[error("a secret holds no line ends and no control characters; is there one at its end?")]
    Control,
}

/// A secret: overwritten when it is dropped, and unprintable.
#[derive(Clone)]
pub struct Secret(Zeroizing<Vec<u8>>);

impl Secret {
    /// Takes a value over.
    ///
    /// # Errors
    /// One that could not go into a request, or be taken out of an answer.
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

    /// The value on a line: one line end at its end is a text editor's, or the return key's.
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

    /// Whether both are the same value. For a value of one's own and its older self; nobody else can tell how long it took.
    pub fn is(&self, other: &Self) -> bool {
        self.0 == other.0
    }

    /// Only for what is in this room: whoever calls it must not keep it.
    pub(crate) fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(…)")
    }
}

#[cfg(test)]
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

    #[test]
    fn nothing_prints_it() {
        let secret = Secret::new(b"correct-horse".to_vec());
        assert_eq!(format!("{secret:?}"), "Ok(Secret(…))");
    }
}
