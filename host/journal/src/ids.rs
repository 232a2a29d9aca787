//! Names of a log and of places in it.

use std::fmt;
use std::str::FromStr;

use sha2::{Digest as _, Sha256};
use vocabulary::RunId;

use crate::wire::{hex, unhex, wide};

/// Size of the header of a segment.
pub(crate) const HEADER_BYTES: usize = 64;

/// A log's name: the beginning of the hash of the key that first signed it, so that a log that was made anew under the same key is
/// still known to whoever remembers the old one.
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

    /// The id with these sixteen bytes.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The sixteen bytes.
    pub const fn to_bytes(self) -> [u8; 16] {
        self.0
    }

    /// The origin line of the log's checkpoints.
    pub fn origin(self) -> String {
        format!("bailiwick.log/{self}")
    }

    /// The log whose checkpoints have this origin line.
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

/// Text that is not a log's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a log id is 32 lower-case hexadecimal digits")]
pub struct LogIdError;

impl FromStr for LogId {
    type Err = LogIdError;

    fn from_str(text: &str) -> Result<Self, LogIdError> {
        unhex(text).map(Self).ok_or(LogIdError)
    }
}

/// A place in the log: the frame that begins here, and the index of the next leaf from here on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// The segment, counted from 1.
    pub segment: u32,
    /// The byte in the segment.
    pub offset: u64,
    /// The index in the tree of the first leaf at or after this place.
    pub index: u64,
}

impl Position {
    /// Where the first record of any log lies.
    pub fn start() -> Self {
        Self { segment: 1, offset: wide(HEADER_BYTES), index: 0 }
    }
}

/// The chain of records that belong to the log itself and to no agent's run. It is always open.
pub fn log_run() -> RunId {
    RunId::from_bytes([0; 16])
}
