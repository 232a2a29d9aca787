//! An open journal: appending, run keys, waiting, closing.

use std::collections::HashSet;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use vocabulary::{Digest, RunId};

use crate::chain::Chain;
use crate::entry::{Appended, Entry};
use crate::err::{AppendError, Broken, ReadError};
use crate::frame::ENTRIES_BYTES_MAX;
use crate::ids::{LogId, Position, log_run};
use crate::key_paths;
use crate::keys::new_run_key;
use crate::locked::Locked;
use crate::payload::Payload;
use crate::pulse::DiskTimes;
use crate::queue::Queued;
use crate::read::Reader;
use crate::shared::JournalShared;
use crate::ticket::{Ticket, lock};

/// Ends the writer and releases the lock when the last clone of the journal is dropped.
struct WriteLock {
    shared: Arc<JournalShared>,
    writer: Mutex<Option<JoinHandle<()>>>,
    lock: Mutex<Option<Locked>>,
}

impl WriteLock {
    fn close(&self) {
        self.shared.queue.close();
        if let Some(writer) = lock(&self.writer).take() {
            // A writer that panicked has failed every ticket on its way out.
            let _ = writer.join();
        }
        // Released after the writer has ended, since the writer has the lock on the segment that grows.
        drop(lock(&self.lock).take());
    }
}

impl Drop for WriteLock {
    fn drop(&mut self) {
        self.close();
    }
}

/// An open log that this process alone holds. Cheap to clone.
#[derive(Clone)]
pub struct Journal {
    held: Arc<WriteLock>,
}

impl Journal {
    pub(crate) fn new(shared: Arc<JournalShared>, writer: JoinHandle<()>, lock: Locked) -> Self {
        let held = WriteLock { shared, writer: Mutex::new(Some(writer)), lock: Mutex::new(Some(lock)) };
        Self { held: Arc::new(held) }
    }

    fn shared(&self) -> &JournalShared {
        &self.held.shared
    }

    /// Begins a run without a key, so without payloads. Its first record gets number 1.
    pub fn open_run(&self, run: RunId) -> Result<(), AppendError> {
        self.shared().chains.insert(run, Chain::new())
    }

    /// Begins a run with a new key, which is durable when the run's first record is, or earlier.
    pub fn open_run_key(&self, run: RunId) -> Result<(), AppendError> {
        let shared = self.shared();
        let slot = shared.queue.reserve_slot()?;
        let (key, bytes) = new_run_key(&shared.home, &shared.nonces, run, slot).ok_or(AppendError::Seal { run })?;
        shared.chains.insert(run, Chain::with_key(slot, key))?;
        Ok(shared.queue.push_key(slot, bytes)?)
    }

    /// Reopens a run that had ended, and returns the number of its last record. Reads the log from `from` on to find that record, or the
    /// whole log without `from`. Waits until everything that was appended is durable.
    pub fn reopen_run(&self, run: RunId, from: Option<Position>) -> Result<u64, AppendError> {
        let shared = self.shared();
        if shared.chains.get(run).is_ok() {
            return Err(AppendError::RunOpen { run });
        }
        self.durable().wait_blocking()?;
        let history = |cause: ReadError| AppendError::History { run, cause: Arc::new(cause) };
        let reader = Reader::open(&shared.home_path).map_err(history)?;
        let mut last = None;
        for record in reader.of_run_from(run, from.unwrap_or_else(Position::start)) {
            let record = record.map_err(history)?;
            last = Some((record.seq, record.leaf));
        }
        let (seq, leaf) = last.ok_or(AppendError::RunNotOpen { run })?;
        shared.chains.insert(run, Chain::resumed(seq, leaf, None))?;
        Ok(seq)
    }

    /// The runs that are open, including the log's own.
    pub fn open_runs(&self) -> Vec<RunId> {
        self.shared().chains.runs()
    }

    /// Appends a record. Does not wait for the disk. If too much is queued already (`queue_bytes`), it blocks the thread until the writer
    /// has caught up.
    pub fn append(&self, run: RunId, body: Vec<u8>, payloads: Vec<Payload>) -> Result<Appended, AppendError> {
        self.append_entry(Entry { run, body, payloads, ends: false, later: false })
    }

    /// Appends the last record of a run, and frees the memory of the run.
    pub fn append_last(&self, run: RunId, body: Vec<u8>, payloads: Vec<Payload>) -> Result<Appended, AppendError> {
        self.append_entry(Entry { run, body, payloads, ends: true, later: false })
    }

    /// Appends one record, which may be its run's last.
    pub fn append_entry(&self, entry: Entry) -> Result<Appended, AppendError> {
        if entry.check()? > ENTRIES_BYTES_MAX {
            return Err(AppendError::TooLarge { run: entry.run });
        }
        let shared = self.shared();
        shared.chains.append_one(&shared.sealer(), &shared.queue, &entry)
    }

    /// Appends several records, of one run or of several, in this order and in one batch: all of them become durable, or none.
    pub fn append_all(&self, entries: Vec<Entry>) -> Result<Vec<Appended>, AppendError> {
        let mut bytes = 0usize;
        for entry in &entries {
            bytes = bytes.saturating_add(entry.check()?);
            if bytes > ENTRIES_BYTES_MAX {
                return Err(AppendError::TooLarge { run: entry.run });
            }
        }
        let shared = self.shared();
        if entries.is_empty() {
            return Ok(Vec::new());
        }
        shared.chains.append(&shared.sealer(), &shared.queue, &entries)
    }

    /// A ticket for everything that was appended so far.
    pub fn durable(&self) -> Ticket {
        Ticket::new(self.shared().queue.last())
    }

    /// Makes the payloads and keyed digests of a run unreadable for good, by overwriting its key. Its records stay, and still verify. The
    /// ticket resolves when the key is gone from the file.
    pub fn forget(&self, run: RunId) -> Result<Ticket, AppendError> {
        let shared = self.shared();
        let known = match shared.chains.get(run) {
            Ok(chain) => lock(&chain).forget(),
            Err(_) => None,
        };
        let io = |cause| {
            let path = key_paths::run_keys_path(&shared.home_path);
            AppendError::History { run, cause: Arc::new(ReadError::Io { path, cause }) }
        };
        let slot = match known {
            Some(slot) => Some(slot),
            None => shared.keys.find(run).map_err(io)?,
        };
        let slot = slot.ok_or(AppendError::NoKey { run })?;
        Ok(Ticket::new(shared.queue.push_forgotten(slot)?))
    }

    /// The same for many runs that are not open, in one pass through the keys. Returns how many of them had a key.
    ///
    /// # Errors
    /// As for [`Journal::forget`].
    pub fn forget_all(&self, runs: &HashSet<RunId>) -> Result<(u64, Ticket), AppendError> {
        let shared = self.shared();
        let mut slots = Vec::new();
        let found = shared.keys.owners(0, &mut |slot, run| {
            if runs.contains(&run) && shared.chains.get(run).is_err() {
                slots.push(slot);
            }
        });
        found.map_err(|cause| {
            let path = key_paths::run_keys_path(&shared.home_path);
            AppendError::History { run: log_run(), cause: Arc::new(ReadError::Io { path, cause }) }
        })?;
        let mut outcome = shared.queue.last();
        for slot in &slots {
            outcome = shared.queue.push_forgotten(*slot)?;
        }
        Ok((crate::wire::wide(slots.len()), Ticket::new(outcome)))
    }

    /// The path of the home.
    pub(crate) fn home(&self) -> &Path {
        &self.shared().home_path
    }

    /// A digest that only the run's key can make, for correlating values within a run. After the run is forgotten, nobody can make it.
    pub fn keyed_digest(&self, run: RunId, bytes: &[u8]) -> Result<Digest, AppendError> {
        let mut hasher = self.keyed_hasher(run)?;
        hasher.update(bytes);
        Ok(hasher.finish())
    }

    /// The same digest for bytes that come in pieces.
    pub fn keyed_hasher(&self, run: RunId) -> Result<KeyedHasher, AppendError> {
        let shared = self.shared();
        let chain = shared.chains.get(run)?;
        let key = lock(&chain).key(&shared.home, &shared.keys, run)?;
        Ok(KeyedHasher(key.1.correlation()))
    }

    /// Whether enough was recorded since the last snapshot that a new one would make the next opening faster.
    pub fn wants_snapshot(&self) -> bool {
        self.shared().snapshot_due.load(Ordering::Relaxed)
    }

    /// Keeps the caller's summary of exactly the records that it appended before this call, bound to the size and root at that point. A
    /// caller that appends from several threads must ensure that none of them appends between making the summary and this call.
    pub fn snapshot(&self, bytes: Vec<u8>) -> Result<(), Broken> {
        self.shared().snapshot_due.store(false, Ordering::Relaxed);
        self.shared().queue.push_snapshot(bytes)
    }

    /// Finishes what was appended, writes the index, and releases the home's lock, even if clones of the journal remain.
    pub fn close(self) -> Result<(), Broken> {
        let last = self.durable();
        self.held.close();
        last.wait_blocking()
    }

    /// The log's name.
    pub fn log(&self) -> LogId {
        self.shared().log
    }

    /// How many records are durable.
    pub fn size(&self) -> u64 {
        lock(&self.shared().committed).size
    }

    /// The root over the records that are durable.
    pub fn root(&self) -> Digest {
        lock(&self.shared().committed).root
    }

    /// The signed note of the last batch, unless the log is empty.
    pub fn checkpoint(&self) -> Option<String> {
        lock(&self.shared().committed).note.clone()
    }

    /// How long the batch that is being written has been waiting for the disk; `None` if no batch is being written.
    pub fn disk_wait(&self) -> Option<Duration> {
        self.shared().pulse.waiting()
    }

    /// How long the disk took for the last batches.
    pub fn disk_times(&self) -> DiskTimes {
        self.shared().pulse.times()
    }

    /// How much was appended and is not durable yet.
    pub fn queued(&self) -> Queued {
        self.shared().queue.queued()
    }

    /// Why nothing more can be recorded, if that is the case.
    pub fn broken(&self) -> Option<Broken> {
        self.shared().queue.broken()
    }

    /// A reader of this home.
    pub fn reader(&self) -> Result<Reader, ReadError> {
        Reader::open(&self.shared().home_path)
    }
}

impl std::fmt::Debug for Journal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Journal({}, {} records)", self.log(), self.size())
    }
}

/// Makes a keyed digest.
pub struct KeyedHasher(crate::mac::Mac);

impl KeyedHasher {
    /// Adds the next piece.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The digest of all pieces.
    pub fn finish(self) -> Digest {
        Digest::from_bytes(self.0.finish())
    }
}
