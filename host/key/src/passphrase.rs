//! Keys that are derived from a passphrase, and the file that the passphrase is read from.

use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use argon2::{Algorithm, Argon2, Block, Params, Version};
use zeroize::Zeroizing;

use crate::pinned;

/// The length of a key in bytes.
pub const KEY_BYTES: usize = 32;
/// The length of a salt in bytes.
pub const SALT_BYTES: usize = 16;
/// BOUND: a shorter passphrase can be guessed from a copy of what it seals, even if each guess is slow.
pub const PASSPHRASE_BYTES_MIN: usize = 8;
/// BOUND: a longer content is not a passphrase but some other file.
pub const PASSPHRASE_BYTES_MAX: usize = 1024;

/// A key. It is overwritten when it is dropped.
pub type Key = Zeroizing<[u8; KEY_BYTES]>;

/// What one guess costs: the parameters of Argon2id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cost {
    /// The memory, in KiB.
    pub memory_kib: u32,
    /// The number of passes over the memory.
    pub passes: u32,
    /// The number of lanes.
    pub lanes: u32,
}

/// The second recommended option of RFC 9106, section 4 (64 MiB, 3 passes), in one lane.
/// BOUND: no file may ask for more.
pub const COST: Cost = Cost { memory_kib: 64 << 10, passes: 3, lanes: 1 };

/// Why no key could be derived from a passphrase.
#[derive(Debug, thiserror::Error)]
pub enum PassphraseError {
    /// The passphrase is too short or too long.
    #[error("a passphrase must have at least {PASSPHRASE_BYTES_MIN} and at most {PASSPHRASE_BYTES_MAX} bytes")]
    Length,
    /// There is not enough memory to derive the key.
    #[error("there is not enough memory to make a key from a passphrase")]
    Memory,
    /// Others may read or change the file of the passphrase.
    #[error("everybody can read `{}`, or others can change it: `chmod 600` it, and choose another passphrase", .0.display())]
    IsOpen(PathBuf),
    /// The file can't be read.
    #[error("could not {verb} `{}`", path.display())]
    File {
        /// What was tried, as a verb: `open` or `read`.
        verb: &'static str,
        /// The path of the file.
        path: PathBuf,
        /// What the system said.
        #[source]
        cause: io::Error,
    },
}

/// Random bytes from the system; `None` if it gives none.
pub fn random<const N: usize>() -> Option<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).ok()?;
    Some(bytes)
}

/// Derives a key from a passphrase with Argon2id, without one line end at the end of the passphrase. `cost` says how much time and memory
/// this takes; the memory is overwritten afterwards.
///
/// # Errors
/// The passphrase is too short or too long, or there is not enough memory.
pub fn derive(passphrase: &[u8], cost: Cost, salt: &[u8; SALT_BYTES]) -> Result<Key, PassphraseError> {
    let line = passphrase.strip_suffix(b"\n").map_or(passphrase, |line| line.strip_suffix(b"\r").unwrap_or(line));
    if !(PASSPHRASE_BYTES_MIN..=PASSPHRASE_BYTES_MAX).contains(&line.len()) {
        return Err(PassphraseError::Length);
    }
    let params = Params::new(cost.memory_kib, cost.passes, cost.lanes, Some(KEY_BYTES)).map_err(|_| PassphraseError::Length)?;
    let mut blocks = Zeroizing::new(Vec::new());
    // A host with many runs may have little memory left: then this returns an error instead of ending all runs.
    blocks.try_reserve_exact(params.block_count()).map_err(|_| PassphraseError::Memory)?;
    blocks.resize(params.block_count(), Block::new());
    let mut key = Key::default();
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into_with_memory(line, salt, &mut *key, blocks.as_mut_slice())
        .map_err(|_| PassphraseError::Memory)?;
    Ok(key)
}

/// Reads the passphrase in a file of one line.
///
/// SECURITY: the checks are those for a key, except that a group may read the file, as it may read secrets in a pod. Nobody else may read
/// it, and only its owner may write it.
///
/// # Errors
/// The file can't be read, or others may read or change it.
pub fn read_passphrase(path: &Path) -> Result<Zeroizing<Vec<u8>>, PassphraseError> {
    let failed = |verb| move |cause| PassphraseError::File { verb, path: path.to_owned(), cause };
    // The path comes from the operator's own environment, so a link in it is the operator's. A link that is put there meanwhile is not
    // followed.
    let file = path.canonicalize().and_then(|real| pinned::open(&real)).map_err(failed("open"))?;
    pinned::check_passphrase(&file).map_err(failed("read"))?;
    let mode = file.metadata().map_err(failed("read"))?.permissions().mode();
    if mode & 0o027 != 0 {
        return Err(PassphraseError::IsOpen(path.to_owned()));
    }
    bounded(&file).map_err(failed("read"))
}

/// Reads into a buffer that has room for everything from the start: a buffer that grows leaves copies behind.
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
