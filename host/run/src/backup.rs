//! Backups: one file with everything of a home that can't be made again, taken while runs go on, and put back whole or not at all.
//!
//! What a backup has: the record up to a batch that was proved, the keys as they are kept in the home, the vault as it is sealed, what is trusted and
//! accepted, the components of the runs that were open, and whatever else lies in the home that this program does not know to be derived. Its last
//! part names each file with its length and digest, and is signed by the key of the record.
//!
//! What it has not: caches and what was compiled, locks and sockets, indexes, half-written files.

mod container;
mod ending;
mod err;
mod mark;
mod names;
mod restore;
mod stream;
mod take;
mod unpacking;

use serde::{Deserialize, Serialize};
use vocabulary::{Digest, RunId};

pub use ending::{CleanUp, SignalEnded};
pub use err::BackupError;
pub(crate) use mark::mark;
pub use mark::{unmark, was_put_back};
pub use restore::{Restored, Signer, restore};
pub use take::{BackupStep, Content, Taken, backup};

/// The form of the manifest.
const FORM: u32 = 1;
/// What is signed begins with it, so that no other signature of the same key can stand for one of a backup.
const CONTEXT: &[u8] = b"bailiwick backup manifest\n";

/// A file in a backup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Filed {
    /// Its path in the home, with `/`.
    name: String,
    bytes: u64,
    sha256: Digest,
}

/// What a backup says of itself. Signed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct BackupManifest {
    /// When it was begun, milliseconds since 1970.
    at: u64,
    /// The signed note over the last batch in it.
    checkpoint: String,
    files: Vec<Filed>,
    log: String,
    /// Runs that had not ended.
    open: Vec<RunId>,
    /// The version of the program that made it.
    program: String,
    root: Digest,
    /// How many records.
    size: u64,
    /// Form of this manifest.
    v: u32,
    /// Whether the files with keys are in it.
    with_keys: bool,
}
