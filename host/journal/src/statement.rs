//! Statements that the key of a log signs besides its checkpoints. Each begins with a context that no checkpoint begins with.

use std::path::Path;

use crate::err::OpenError;
use crate::keys;
use crate::note::PublicKey;

/// The length of a signature in bytes.
pub const SIGNATURE_BYTES: usize = 64;

/// Signs a statement with the key of a home's log. `context` says what kind of statement it is, and ends with a line end.
///
/// # Errors
/// The key can't be read.
pub fn sign_statement(home: &Path, context: &[u8], statement: &[u8]) -> Result<[u8; SIGNATURE_BYTES], OpenError> {
    let signer = keys::signer(home)?;
    Ok(signer.sign_bytes(&[context, statement].concat()))
}

/// The public key of the log in this home, derived from the secret key.
///
/// # Errors
/// The key can't be read.
pub fn public_key(home: &Path) -> Result<PublicKey, OpenError> {
    Ok(keys::signer(home)?.public().clone())
}

/// The public key in a folder. It is not evidence: the person who made the folder may have made the key.
pub fn public_key_in(folder: &Path) -> Option<PublicKey> {
    keys::load_public(folder)
}

impl PublicKey {
    /// Whether this key signed the statement.
    pub fn signed(&self, context: &[u8], statement: &[u8], signature: &[u8; SIGNATURE_BYTES]) -> bool {
        self.check_bytes(&[context, statement].concat(), signature)
    }
}
