//! How a journal behaves.

/// How a journal behaves. The defaults:
///
/// - `segment_bytes`: 16 MiB, reserved at once; at most 128 MiB. A reader that proves one run begins where the run's segment begins, so a
///   large one makes it slow
/// - `batch_bytes`: 4 MiB, after which a batch takes nothing more
/// - `queue_bytes`: 64 MiB not yet durable, after which appending waits
/// - `file_systems`: none
/// - `index_bytes`: 4 MiB and `index_batches`: 1,000 of log, after which a snapshot is due
#[derive(Clone, Debug)]
pub struct Options {
    /// The size of a segment.
    pub segment_bytes: u64,
    /// The size at which a batch is closed.
    pub batch_bytes: usize,
    /// How much may be queued.
    pub queue_bytes: usize,
    /// How much log may follow the index.
    pub index_bytes: u64,
    /// How many batches may follow the index.
    pub index_batches: u64,
    /// Kinds of file systems that other machines share, on which the operator wants a home nevertheless: `nfs`, `fuse`.
    pub file_systems: Vec<String>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            segment_bytes: 16 << 20,
            batch_bytes: 4 << 20,
            queue_bytes: 64 << 20,
            index_bytes: 4 << 20,
            index_batches: 1000,
            file_systems: Vec::new(),
        }
    }
}
