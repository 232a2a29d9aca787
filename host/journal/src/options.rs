//! The options of a journal.

/// The options of a journal. The defaults:
///
/// - `segment_bytes`: 16 MiB, reserved at once; at most 128 MiB. A reader that proves one run begins to read at the start of the run's
///   segment, so large segments make it slow
/// - `batch_bytes`: 4 MiB, after which a batch accepts no more records
/// - `queue_bytes`: 64 MiB that are not yet durable, after which appending waits
/// - `file_systems`: none
/// - `index_bytes`: 4 MiB of log, and `index_batches`: 1,000 batches; after either, a snapshot is due
#[derive(Clone, Debug)]
pub struct Options {
    /// The size of a segment in bytes.
    pub segment_bytes: u64,
    /// The size in bytes at which a batch is closed.
    pub batch_bytes: usize,
    /// How many bytes may be queued.
    pub queue_bytes: usize,
    /// How many bytes of log may follow the index.
    pub index_bytes: u64,
    /// How many batches may follow the index.
    pub index_batches: u64,
    /// Kinds of shared file systems on which the operator allows a home nevertheless, such as `nfs` or `fuse`.
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
