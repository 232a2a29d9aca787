//! The reasons why the vault of a home can't be used.

use std::io;
use std::path::PathBuf;

use super::entries::{REVOKED_MAX, SECRETS_MAX};
use super::seal::VAULT_FORM;
use crate::secret::UnfitError;
use key::{KeyringError, PASSPHRASE_BYTES_MAX, PASSPHRASE_BYTES_MIN, PassphraseError};

/// The vault can't be used.
#[derive(Debug, thiserror::Error)]
pub enum LocalError {
    /// The witness of the change returned an error.
    #[error("the vault was not changed")]
    Unwitnessed(#[source] io::Error),
    /// The system returned an error.
    #[error("could not {verb} `{}`", path.display())]
    Io {
        /// The operation, a verb.
        verb: &'static str,
        /// The file.
        path: PathBuf,
        /// The error of the system.
        #[source]
        cause: io::Error,
    },
    /// Other users may read the key.
    #[error("`{}` can be read by other users; `chmod 600` it, and set all secrets of the vault again", .0.display())]
    KeyIsOpen(PathBuf),
    /// The key file does not contain a key.
    #[error("`{}` is not a key of 32 bytes", .0.display())]
    Key(PathBuf),
    /// The key file does not exist.
    #[error("`{}` does not exist; it is the key under which `{}` is sealed", key.display(), vault.display())]
    NoKey {
        /// The file of the key.
        key: PathBuf,
        /// The vault that it would open.
        vault: PathBuf,
    },
    /// The key in the key ring of the kernel does not exist, or is not a key.
    #[error("no key of 32 bytes could be read from the key ring of the kernel: type `user`, description `{description}`")]
    Keyring {
        /// The description of the key.
        description: String,
        /// The error of the kernel.
        #[source]
        cause: KeyringError,
    },
    /// The vault needs a passphrase, and there is none.
    #[error("`{}` is sealed under a passphrase; set `BAILIWICK_PASSPHRASE_FILE` to the file that contains it", .0.display())]
    Locked(PathBuf),
    /// The passphrase is wrong, or the file was changed. The two can't be told apart.
    #[error("`{}` does not open with the passphrase in `{}`, which `BAILIWICK_PASSPHRASE_FILE` names: the passphrase is wrong, or the vault was changed", vault.display(), passphrase.display())]
    OtherPassphrase {
        /// The vault.
        vault: PathBuf,
        /// The file with the passphrase.
        passphrase: PathBuf,
    },
    /// A passphrase was given for a vault that needs none.
    #[error("`{}` is not sealed under a passphrase", .0.display())]
    NotLocked(PathBuf),
    /// Other users may read or change the passphrase file.
    #[error("`{}` can be read by everybody or changed by other users; `chmod 600` it, and seal the vault under another passphrase", .0.display())]
    PassphraseIsOpen(PathBuf),
    /// The passphrase has a length that is not allowed.
    #[error("a passphrase must have {PASSPHRASE_BYTES_MIN} to {PASSPHRASE_BYTES_MAX} bytes")]
    Passphrase,
    /// The header requires more memory or time than any vault that this program writes.
    #[error("opening `{}` would need more memory or time than any vault does: it was changed", .0.display())]
    Costly(PathBuf),
    /// There is not enough memory to make a key from a passphrase.
    #[error("there is not enough memory to make a key from a passphrase")]
    Memory,
    /// Another value was set meanwhile.
    #[error("`{0}` was changed meanwhile")]
    Changed(String),
    /// A newer program wrote the vault.
    #[error("`{}` is of form {form}, but this program opens forms up to {VAULT_FORM}: a newer program wrote it", vault.display())]
    Newer {
        /// The vault.
        vault: PathBuf,
        /// Its form.
        form: u32,
    },
    /// The file does not open under its key.
    #[error("`{}` does not open: it was changed, cut short, or belongs to another key", .0.display())]
    Sealed(PathBuf),
    /// There is no room for another secret.
    #[error("the vault holds {SECRETS_MAX} secrets at most")]
    Full,
    /// There is no room for another revoked name.
    #[error("the vault remembers {REVOKED_MAX} revoked names at most")]
    FullOfRevoked,
    /// There is no room for another value that could give access to a host.
    #[error("too many values could still give access to a host; no further value is made until some of them have expired")]
    FullOfLive,
    /// The name is not a valid name of a credential.
    #[error("`{}` is not a valid credential name: lower-case letters, digits and hyphens, a letter first, 64 at most", .0.escape_debug())]
    NotAName(String),
    /// There are more destinations than can be kept.
    #[error(
        "a value can have at most {} destinations, with at most {} bytes in all",
        vocabulary::DESTINATIONS_MAX,
        vocabulary::DESTINATIONS_BYTES_MAX
    )]
    Destinations,
    /// There is no such name.
    #[error("the vault has no credential `{0}`")]
    Absent(String),
    /// The name was revoked.
    #[error("the credential `{0}` was revoked")]
    Revoked(String),
    /// The name is not revoked, so there is nothing to lift.
    #[error("the credential `{0}` is not revoked")]
    NotRevoked(String),
    /// The name has a staged value already.
    #[error("a new value for `{0}` is staged already; make it the present one, or give it up")]
    Staged(String),
    /// The name has no staged value.
    #[error("no new value for `{0}` is staged")]
    NotStaged(String),
    /// The value can't be a secret.
    #[error(transparent)]
    Unfit(#[from] UnfitError),
    /// The system gives no random numbers.
    #[error("the system gives no random numbers")]
    Random,
}

impl From<PassphraseError> for LocalError {
    fn from(err: PassphraseError) -> Self {
        match err {
            PassphraseError::Length => Self::Passphrase,
            PassphraseError::Memory => Self::Memory,
            PassphraseError::IsOpen(path) => Self::PassphraseIsOpen(path),
            PassphraseError::File { verb, path, cause } => Self::Io { verb, path, cause },
        }
    }
}
