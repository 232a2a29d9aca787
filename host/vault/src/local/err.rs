//! What a vault of a home says where it can't be used.

use std::io;
use std::path::PathBuf;

use super::entries::{REVOKED_MAX, SECRETS_MAX};
use super::seal::VAULT_FORM;
use crate::secret::UnfitError;
use key::{KeyringError, PASSPHRASE_BYTES_MAX, PASSPHRASE_BYTES_MIN, PassphraseError};

/// The vault can't be used.
#[derive(Debug, thiserror::Error)]
pub enum LocalError {
    /// Whoever was to see the change first did not let it be made.
    #[error("the vault was not changed")]
    Unwitnessed(#[source] io::Error),
    /// The system said no.
    #[error("could not {verb} `{}`", path.display())]
    Io {
        /// What was tried.
        verb: &'static str,
        /// On which file.
        path: PathBuf,
        /// What the system said.
        #[source]
        cause: io::Error,
    },
    /// Others may read the key.
    #[error("`{}` may be read by others: `chmod 600` it, and set its secrets anew", .0.display())]
    KeyIsOpen(PathBuf),
    /// The key is no key.
    #[error("`{}` is not a key of 32 bytes", .0.display())]
    Key(PathBuf),
    /// The file of the key is gone.
    #[error("`{}` is not there: the key that `{}` is sealed under", key.display(), vault.display())]
    NoKey {
        /// Of the key.
        key: PathBuf,
        /// What it would open.
        vault: PathBuf,
    },
    /// The key in the key ring of the kernel is not there, or is none.
    #[error("no key of 32 bytes could be read from the key ring of the kernel: type `user`, description `{description}`")]
    Keyring {
        /// Of the key.
        description: String,
        /// What the kernel said.
        #[source]
        cause: KeyringError,
    },
    /// It needs a passphrase, and none was given for it.
    #[error("`{}` is sealed under a passphrase: `BAILIWICK_PASSPHRASE_FILE` names the file that holds it", .0.display())]
    Locked(PathBuf),
    /// Another passphrase than the one that it is sealed under, or a changed file: nobody can tell which.
    #[error("`{}` does not open with the passphrase in `{}`, which `BAILIWICK_PASSPHRASE_FILE` names: it is another one, or the vault was changed", vault.display(), passphrase.display())]
    OtherPassphrase {
        /// What it was to open.
        vault: PathBuf,
        /// The file that it is in.
        passphrase: PathBuf,
    },
    /// A passphrase was given for one that needs none.
    #[error("`{}` is not sealed under a passphrase", .0.display())]
    NotLocked(PathBuf),
    /// Others may read or change the file of the passphrase.
    #[error("`{}` may be read by everybody or changed by others: `chmod 600` it, and seal the vault under another passphrase", .0.display())]
    PassphraseIsOpen(PathBuf),
    /// A passphrase that can't be one.
    #[error("a passphrase has {PASSPHRASE_BYTES_MIN} bytes at least and {PASSPHRASE_BYTES_MAX} at most")]
    Passphrase,
    /// Its header asks for more memory or time than a vault of ours does.
    #[error("`{}` asks for more memory or time to be opened than any vault does: it was changed", .0.display())]
    Costly(PathBuf),
    /// The memory that a key is made in from a passphrase is not there.
    #[error("there is not enough memory to make a key from a passphrase")]
    Memory,
    /// Somebody has set another value meanwhile.
    #[error("`{0}` has another value by now")]
    Changed(String),
    /// A newer program wrote it.
    #[error("`{}` is of form {form}, and this program opens forms up to {VAULT_FORM}: a newer one wrote it", vault.display())]
    Newer {
        /// The vault.
        vault: PathBuf,
        /// Its form.
        form: u32,
    },
    /// The seal does not hold.
    #[error("`{}` does not open: it was changed, cut short, or belongs to another key", .0.display())]
    Sealed(PathBuf),
    /// There is no more room.
    #[error("the vault holds {SECRETS_MAX} secrets at most")]
    Full,
    /// There is no more room for names.
    #[error("the vault remembers {REVOKED_MAX} revoked names at most")]
    FullOfRevoked,
    /// There is no more room for values that could still let somebody in.
    #[error("too many values could still let somebody in: no other one is made until some of them have lapsed")]
    FullOfLive,
    /// It could not name a credential.
    #[error("`{}` is no name of a credential: lower-case letters, digits and hyphens, a letter first, 64 at most", .0.escape_debug())]
    NotAName(String),
    /// More destinations than are kept.
    #[error("a value has {} destinations at most, of {} bytes together", vocabulary::DESTINATIONS_MAX, vocabulary::DESTINATIONS_BYTES_MAX)]
    Destinations,
    /// Nothing of that name.
    #[error("the vault has no credential `{0}`")]
    Absent(String),
    /// It was taken back.
    #[error("the credential `{0}` was revoked")]
    Revoked(String),
    /// There is nothing to lift.
    #[error("the credential `{0}` is not revoked")]
    NotRevoked(String),
    /// Its next value is there already.
    #[error("a new value for `{0}` waits already: it is taken over or given up first")]
    Staged(String),
    /// It has no next value.
    #[error("no new value for `{0}` waits")]
    NotStaged(String),
    /// The value is none.
    #[error(transparent)]
    Unfit(#[from] UnfitError),
    /// No random numbers.
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
