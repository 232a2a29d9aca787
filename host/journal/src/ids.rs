//! The name of a log, and positions in it.

use std::fmt;
use std::str::FromStr;

use sha2::{Digest as _, Sha256};
use vocabulary::RunId;

use crate::wire::{hex, unhex, wide};

/// Size of the header of a segment.
pub(crate) const HEADER_BYTES: usize = 64;

/// A log's name: the beginning of the hash of the key that first signed it. So if a log is made anew under the same key, a reader that
/// remembers the old log still compares the two.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LogId([u8; 16]);

impl LogId {
    pub(crate) fn of_key(public: &[u8; 32]) -> Self {
        let hash = Sha256::new().chain_update(b"bailiwick.log\0").chain_update(public).finalize();
        let mut id = [0; 16];
        for (to, from) in id.iter_mut().zip(hash) {
            *to = from;
        }
        Self(id)
    }

    /// Makes an id from sixteen bytes.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The sixteen bytes of the id.
    pub const fn to_bytes(self) -> [u8; 16] {
        self.0
    }

    /// The origin line of the log's checkpoints.
    pub fn origin(self) -> String {
        format!("bailiwick.log/{self}")
    }

    /// Parses the origin line of a checkpoint.
    pub fn from_origin(text: &str) -> Option<Self> {
        text.strip_prefix("bailiwick.log/").and_then(unhex).map(Self)
    }
}

impl fmt::Display for LogId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(&self.0))
    }
}

impl fmt::Debug for LogId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LogId({self})")
    }
}

/// The text is not a log's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a log id is 32 lower-case hexadecimal digits")]
pub struct LogIdError;

impl FromStr for LogId {
    type Err = LogIdError;

    fn from_str(text: &str) -> Result<Self, LogIdError> {
        unhex(text).map(Self).ok_or(LogIdError)
    }
}

/// A position in the log: the beginning of a frame, and the index of the next leaf.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// The segment, counted from 1.
    pub segment: u32,
    /// The byte offset in the segment.
    pub offset: u64,
    /// The index in the tree of the first leaf at or after this position.
    pub index: u64,
}

impl Position {
    /// Where the first record of any log lies.
    pub fn start() -> Self {
        Self { segment: 1, offset: wide(HEADER_BYTES), index: 0 }
    }
}

/// The id of the chain of records that belong to the log itself and not to the run of an agent. It is always open.
pub fn log_run() -> RunId {
    RunId::from_bytes([0; 16])
}
