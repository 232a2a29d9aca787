//! Where key material comes from: a file that the operator named, a passphrase, the kernel's key ring. It opens the vault, the keys of the
//! journal, and backups.
//!
//! What this room does not do: it does not know what a key opens, and it writes nothing. Until the process ends, it remembers which files
//! with passphrases were named, and which keys were derived from them.

#![forbid(unsafe_code)]

mod keyring;
mod passphrase;
pub mod pinned;
mod under;

pub use keyring::{KeyringError, read as read_keyring};
pub use passphrase::{
    COST, Cost, KEY_BYTES, Key, PASSPHRASE_BYTES_MAX, PASSPHRASE_BYTES_MIN, PassphraseError, SALT_BYTES, derive, random, read_passphrase,
};
pub use under::{Under, UnderError, name_passphrase_file};
