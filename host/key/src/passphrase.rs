//! Keys that are made of a passphrase, and the file that the passphrase is read from.

use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use argon2::{Algorithm, Argon2, Block, Params, Version};
use zeroize::Zeroizing;

use crate::pinned;

/// Bytes of a key.
pub const KEY_BYTES: usize = 32;
/// Bytes of a salt.
pub const SALT_BYTES: usize = 16;
/// BOUND: a shorter one is guessed from a copy of what it seals, however slowly each guess goes.
pub const PASSPHRASE_BYTES_MIN: usize = 8;
/// BOUND: more is no passphrase but some other file.
pub const PASSPHRASE_BYTES_MAX: usize = 1024;

/// A key. Overwritten when it is dropped.
pub type Key = Zeroizing<[u8; KEY_BYTES]>;

/// What a guess costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cost {
    /// Memory, in KiB.
    pub memory_kib: u32,
    /// Passes over it.
    pub passes: u32,
    /// Lanes.
    pub lanes: u32,
}

/// The second recommended option of RFC 9106, section 4 (64 MiB, 3 passes), in one lane.
/// BOUND: no file may ask for more.
pub const COST: Cost = Cost { memory_kib: 64 << 10, passes: 3, lanes: 1 };

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
pub enum PassphraseError {
    /// It can't be one.
    #[error("a passphrase has {PASSPHRASE_BYTES_MIN} bytes at least and {PASSPHRASE_BYTES_MAX} at most")]
    Length,
    /// The memory that a key is made in is not there.
    #[error("there is not enough memory to make a key from a passphrase")]
    Memory,
    /// Others may read or change the file that it is in.
    #[error("`{}` may be read by everybody or changed by others: `chmod 600` it, and take another passphrase", .0.display())]
    IsOpen(PathBuf),
    /// The file can't be read.
    #[error("could not {verb} `{}`", path.display())]
    File {
        /// What was tried.
        verb: &'static str,
        /// Which file.
        path: PathBuf,
        /// What the system said.
        #[source]
        cause: io::Error,
    },
}

/// Random bytes of the system; nothing where it gives none.
pub fn random<const N: usize>() -> Option<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).ok()?;
    Some(bytes)
}

/// What Argon2id makes of a passphrase; one line end at its end is left out. Takes as long as `cost` says, and as much memory; all of that
/// is overwritten afterwards.
///
/// # Errors
/// A passphrase that can't be one; no memory.
pub fn derive(passphrase: &[u8], cost: Cost, salt: &[u8; SALT_BYTES]) -> Result<Key, PassphraseError> {
    let line = passphrase.strip_suffix(b"\n").map_or(passphrase, |line| line.strip_suffix(b"\r").unwrap_or(line));
    if !(PASSPHRASE_BYTES_MIN..=PASSPHRASE_BYTES_MAX).contains(&line.len()) {
        return Err(PassphraseError::Length);
    }
    let params = Params::new(cost.memory_kib, cost.passes, cost.lanes, Some(KEY_BYTES)).map_err(|_| PassphraseError::Length)?;
    let mut blocks = Zeroizing::new(Vec::new());
    // A host with many runs has little left at times: that is an error here, and not the end of all of them.
    blocks.try_reserve_exact(params.block_count()).map_err(|_| PassphraseError::Memory)?;
    blocks.resize(params.block_count(), Block::new());
    let mut key = Key::default();
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into_with_memory(line, salt, &mut *key, blocks.as_mut_slice())
        .map_err(|_| PassphraseError::Memory)?;
    Ok(key)
}

/// The passphrase in a file of one line.
///
/// SECURITY: as for a key. A group may read it, as secrets in a pod have it; nobody else, and nobody but its owner may write it.
///
/// # Errors
/// A file that can't be read, or that others may read or change.
pub fn read_passphrase(path: &Path) -> Result<Zeroizing<Vec<u8>>, PassphraseError> {
    let failed = |verb| move |cause| PassphraseError::File { verb, path: path.to_owned(), cause };
    // The path comes from the operator's own environment, so a link in it is the operator's. A link that is put there later is not followed.
    let file = path.canonicalize().and_then(|real| pinned::open(&real)).map_err(failed("open"))?;
    pinned::check_passphrase(&file).map_err(failed("read"))?;
    let mode = file.metadata().map_err(failed("read"))?.permissions().mode();
    if mode & 0o027 != 0 {
        return Err(PassphraseError::IsOpen(path.to_owned()));
    }
    bounded(&file).map_err(failed("read"))
}

/// Room for all of it at once: a buffer that grows leaves copies behind.
fn bounded(mut file: &File) -> io::Result<Zeroizing<Vec<u8>>> {
    let mut bytes = Zeroizing::new(vec![0; PASSPHRASE_BYTES_MAX + 3]);
    let mut length = 0;
    while let Some(rest) = bytes.get_mut(length..).filter(|rest| !rest.is_empty()) {
        match file.read(rest) {
            Ok(0) => break,
            Ok(read) => length += read,
            Err(err) if err.kind() == io::ErrorKind::Interrupted => {}
            Err(err) => return Err(err),
        }
    }
    bytes.truncate(length);
    Ok(bytes)
}
