//! Backups: one file with everything in a home that can't be made again. A backup can be taken while runs are active, and is restored whole
//! or not at all.
//!
//! A backup contains the record up to a batch that was proved, the keys as they are kept in the home, the sealed vault, what is trusted and
//! accepted, the components of open runs, and all other files in the home that this program does not know to be derived. Its last part, the
//! manifest, names each file with its length and digest, and is signed by the key of the record.
//!
//! A backup does not contain caches, compiled code, locks, sockets, indexes or half-written files.

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
/// Prefix of the signed bytes, so that no other signature of the same key is valid for a backup.
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

/// The signed description of a backup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct BackupManifest {
    /// When the backup was begun, in milliseconds since 1970.
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
    /// How many records the log has.
    size: u64,
    /// Form of this manifest.
    v: u32,
    /// Whether the files with keys are in it.
    with_keys: bool,
}
