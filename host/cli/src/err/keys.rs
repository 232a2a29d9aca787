//! Errors of the keys of a home: a key that could not be rotated, and a key that does not open.

use std::path::PathBuf;

use vocabulary::exit;

use super::CliError;
use super::advice::of_opening;

/// Why keys were not rotated.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KeysError {
    #[error("the key of the {of} was not rotated{}", done_before(.done))]
    Failed {
        of: &'static str,
        done: Vec<&'static str>,
        #[source]
        cause: Box<journal::RotateError>,
    },
    #[error("`{other}.key` is sealed under a passphrase as well, and one command takes only one passphrase")]
    TwoPassphrases { other: &'static str },
    #[error("the vault is sealed under another passphrase than the one in `{}`, and one command takes only one passphrase", .0.display())]
    VaultUnderOther(PathBuf),
}

/// Names the keys that were rotated before the one that failed.
fn done_before(done: &[&str]) -> String {
    done.iter().map(|of| format!("; the key of the {of} was rotated, and is kept as you asked")).collect()
}

impl KeysError {
    /// A usage error for what the operator named, an error of the record for a record or key that is not as it should be.
    pub(super) fn exit(&self) -> u8 {
        use journal::{OpenError, RotateError};
        let Self::Failed { cause, .. } = self else { return exit::USAGE };
        let (RotateError::NotBegun(cause) | RotateError::CutOff(cause) | RotateError::NotInPlace(cause)) = cause.as_ref();
        match cause {
            OpenError::Held { .. } | OpenError::Io { .. } | OpenError::Unfit { .. } | OpenError::Newer(_) => exit::HOST,
            OpenError::KeyInHome { .. } | OpenError::NotSealed { .. } => exit::USAGE,
            _ => exit::RECORD,
        }
    }

    /// Why the rotation did not begin, if it did not.
    fn not_begun(&self) -> Option<&journal::OpenError> {
        match self {
            Self::Failed { cause, .. } => match cause.as_ref() {
                journal::RotateError::NotBegun(cause) => Some(cause),
                journal::RotateError::CutOff(_) | journal::RotateError::NotInPlace(_) => None,
            },
            Self::TwoPassphrases { .. } | Self::VaultUnderOther(_) => None,
        }
    }

    /// The process that holds the home, if that is the cause.
    pub(super) fn holder(&self) -> Option<&home::Other> {
        match self.not_begun()? {
            journal::OpenError::Held { other, .. } => Some(other),
            _ => None,
        }
    }

    /// What to do next. The message of a rotation that was cut off says it itself.
    pub(super) fn advice(&self) -> Option<&'static str> {
        match self {
            Self::Failed { .. } => self.not_begun().and_then(rotate_advice),
            Self::TwoPassphrases { .. } => Some("rotate both at once: `bailiwick keys rotate journal home --passphrase-file FILE`"),
            Self::VaultUnderOther(_) => Some(
                "first run `bailiwick credentials seal passphrase` with the new passphrase; then run this command again, and leave the variable as it is",
            ),
        }
    }
}

/// Why a key of the home does not open, if that is the cause. A new key that can't be sealed does not count.
pub(super) fn sealed_under(err: &CliError) -> Option<&key::UnderError> {
    match err {
        CliError::Keys(err) if matches!(err.not_begun(), Some(journal::OpenError::NotSealed { .. })) => None,
        _ => journal::sealed_of(err),
    }
}

fn rotate_advice(cause: &journal::OpenError) -> Option<&'static str> {
    use journal::OpenError;
    match cause {
        OpenError::KeyInHome { .. } => Some("name a file on another disk, or at least in another folder, that only you can read"),
        OpenError::NotSealed { cause } => Some(match **cause {
            key::UnderError::NoPassphrase | key::UnderError::Passphrase(_) | key::UnderError::OtherPassphrase(_) => {
                "name a file with a passphrase that only you can read: `--passphrase-file FILE`"
            }
            key::UnderError::Keyring { .. } => {
                "put 32 bytes into the key ring: `head -c 32 /dev/urandom > COPY`, `keyctl padd user DESCRIPTION @u < COPY`; the present key stays in use"
            }
            _ => "name a file that only you can read and that has 32 bytes, or one that is not there yet; the present key stays in use",
        }),
        _ => of_opening(cause),
    }
}

/// What to do about a key that does not open.
pub(super) fn sealed_advice(cause: &key::UnderError) -> &'static str {
    use key::UnderError;
    match cause {
        UnderError::NoPassphrase => "put the path of the file into that variable, for this and every other command",
        UnderError::Passphrase(_) | UnderError::OtherPassphrase(_) => {
            "set `BAILIWICK_PASSPHRASE_FILE` to the file with the passphrase of the last `bailiwick keys rotate`. If that rotation was cut off and only one of the two keys has the new passphrase, set the variable to the old file and run `bailiwick keys rotate journal home --passphrase-file NEW`"
        }
        UnderError::File { .. } => "is its disk there, and mounted (`findmnt`)? put the file back from a copy; nothing was changed",
        UnderError::OtherKey(_) => "put the right one back from a copy; nothing was changed",
        UnderError::Keyring { .. } => {
            "put it back: `keyctl padd user DESCRIPTION @u < COPY`; a restart, and for some key rings a log-out, removes it"
        }
        UnderError::NotText => "choose another path",
        UnderError::NoRandomness => "the system has no entropy yet: try again",
    }
}
