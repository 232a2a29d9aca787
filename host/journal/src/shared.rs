//! What the appending threads share with the writer.

use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use vocabulary::Digest;

use crate::chain::{Chains, Sealer};
use crate::ids::LogId;
use crate::keys::{HomeKey, KeyFile, Nonces};
use crate::pulse::Pulse;
use crate::queue::Queue;

/// The durable part of the log.
#[derive(Clone, Debug)]
pub(crate) struct Committed {
    pub(crate) size: u64,
    pub(crate) root: Digest,
    pub(crate) note: Option<String>,
}

/// The state that appending threads and the writer share.
pub(crate) struct JournalShared {
    pub(crate) log: LogId,
    pub(crate) home_path: PathBuf,
    pub(crate) home: HomeKey,
    pub(crate) keys: KeyFile,
    pub(crate) nonces: Nonces,
    pub(crate) queue: Queue,
    pub(crate) chains: Chains,
    pub(crate) committed: Mutex<Committed>,
    pub(crate) snapshot_due: AtomicBool,
    pub(crate) pulse: Pulse,
}

impl JournalShared {
    pub(crate) fn sealer(&self) -> Sealer<'_> {
        Sealer { home: &self.home, keys: &self.keys, nonces: &self.nonces }
    }

    pub(crate) fn set_snapshot_due(&self) {
        self.snapshot_due.store(true, Ordering::Relaxed);
    }
}
