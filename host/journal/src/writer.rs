//! The one thread that writes: first keys, then the batch with its trailer in one write, then one sync, then second state.
//!
//! It stops at the first error and fails everything that waits. It never retries.

use std::collections::HashMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use vocabulary::{Digest, RunId};

use crate::base::Base;
use crate::disk::{Disk, write_whole};
use crate::err::{Broken, FailedStep};
use crate::frame::{FrameHeader, HEADER_END, TRAILER, begin, finish, put_base};
use crate::ids::HEADER_BYTES;
use crate::ids::Position;
use crate::index::{Index, IndexSnapshot, weight};
use crate::key_paths::run_keys_path;
use crate::keys::SLOT_BYTES;
use crate::left::{LeftTail, Watched};
use crate::locked::Locked;
use crate::note::{Checkpoint, NoteSigner};
use crate::options::Options;
use crate::queue::{Meta, PendingBatch};
use crate::segment::{self, LaidOut, Room};
use crate::shared::{Committed, JournalShared};
use crate::stamp::{Patrol, stamps};
use crate::state::StateFile;
use crate::ticket::{Notifier, lock};
use crate::tree::Tree;
use crate::walk::WalkHead;
use crate::wire::wide;

/// More bytes than any trailer has.
const TRAILER_ROOM: u64 = 512;

/// The segment that grows.
pub(crate) struct Tail {
    pub(crate) file: Locked,
    pub(crate) number: u32,
    /// Where the next batch begins.
    pub(crate) end: u64,
    /// The byte up to which space is reserved.
    pub(crate) capacity: u64,
    left: LeftTail,
}

impl Tail {
    /// A segment that exists, with the lock on it.
    pub(crate) fn new(folder: &Path, file: Locked, number: u32, end: u64, capacity: u64) -> std::io::Result<Self> {
        let left = LeftTail::now(segment::path(folder, number), segment::path(folder, number.saturating_add(1)), &file, end)?;
        Ok(Self { file, number, end, capacity, left })
    }

    /// Lays out a segment, and locks it before it has its name. `base` is its base, empty for the first segment.
    pub(crate) fn create(disk: &dyn Disk, folder: &Path, header: FrameHeader, base: &[u8], room: Room) -> std::io::Result<Self> {
        let LaidOut { file, begins, capacity } = segment::create(disk, folder, header, base, room)?;
        Self::new(folder, file, header.number, begins, capacity)
    }
}

/// How much log was written since the index and since the caller's snapshot.
#[derive(Default)]
struct Lag {
    index_bytes: u64,
    index_batches: u64,
    snapshot_bytes: u64,
    snapshot_batches: u64,
}

/// The state that only the writer uses.
pub(crate) struct Writer {
    pub(crate) shared: Arc<JournalShared>,
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) options: Options,
    pub(crate) home: PathBuf,
    pub(crate) signer: NoteSigner,
    pub(crate) tail: Tail,
    /// The file `lock`, which the journal holds.
    pub(crate) lock: Watched,
    pub(crate) keys: File,
    pub(crate) watched_keys: Watched,
    pub(crate) key_slots: u64,
    pub(crate) state: Option<StateFile>,
    /// The tree over the durable records.
    pub(crate) tree: Tree,
    pub(crate) notifier: Notifier,
    pub(crate) heads: HashMap<RunId, WalkHead>,
    /// The checkpoint of the last batch, unless the log is empty.
    pub(crate) last: Option<Checkpoint>,
    pub(crate) snapshot: Option<IndexSnapshot>,
    pub(crate) patrol: Patrol,
    /// Whether the index on the disk is out of date.
    pub(crate) index_is_old: bool,
}

/// Fails everything that waits, however the writer ends.
struct StopAtEnd(Arc<JournalShared>);

impl Drop for StopAtEnd {
    fn drop(&mut self) {
        self.0.queue.stop(&Broken::closed());
    }
}

impl Writer {
    /// Writes until the journal is closed or something fails.
    pub(crate) fn run(mut self) {
        let _stop = StopAtEnd(self.shared.clone());
        let mut lag = Lag::default();
        while let Some(mut pending) = self.shared.queue.take() {
            let (bytes, snapshots) = (pending.bytes.len(), pending.snapshot.is_some());
            let shared = Arc::clone(&self.shared);
            let waits = shared.pulse.waits();
            let committed = self.commit(&mut pending);
            drop(waits);
            if let Err(broken) = committed {
                self.shared.queue.stop(&broken);
                return;
            }
            self.notifier.settle(pending.outcome);
            pending.leaves.iter().for_each(|leaf| self.follow(leaf));
            self.shared.queue.release(bytes, (pending.bytes, pending.leaves));
            self.keep_snapshot(pending.snapshot);
            self.keep_index(&mut lag, wide(bytes), snapshots);
        }
        // This comes first, so that no batch whose waiters are still being woken can be failed.
        self.notifier.finish();
        if self.index_is_old {
            self.write_index();
        }
    }

    /// Checks that everything is as the writer left it. Otherwise nothing may be written: it could overwrite what another process has
    /// acknowledged.
    fn check_left(&self) -> std::io::Result<()> {
        self.lock.check()?;
        self.tail.left.check(&self.tail.file)?;
        self.watched_keys.check_length(self.key_slots * wide(SLOT_BYTES))?;
        self.state.as_ref().map_or(Ok(()), StateFile::check)
    }

    fn commit(&mut self, pending: &mut PendingBatch) -> Result<(), Broken> {
        self.check_left().map_err(|cause| Broken::of(FailedStep::Exchanged, cause))?;
        let bytes = wide((pending.keys.len() + pending.forgotten.len()) * SLOT_BYTES);
        let written = self.keys(&mut pending.keys, &pending.forgotten);
        written.map_err(|cause| Broken::new(FailedStep::Keys, run_keys_path(&self.home), Some(bytes), cause))?;
        if !pending.leaves.is_empty() {
            self.batch(&mut pending.bytes, &pending.tree)?;
            self.tree = std::mem::take(&mut pending.tree);
            self.index_is_old = true;
        }
        Ok(())
    }

    fn keep_snapshot(&mut self, snapshot: Option<Vec<u8>>) {
        if let Some(bytes) = snapshot {
            self.snapshot = Some(IndexSnapshot { unfolded: self.end(), bytes });
            self.index_is_old = true;
        }
    }

    fn end(&self) -> Position {
        Position { segment: self.tail.number, offset: self.tail.end, index: self.tree.size() }
    }

    fn keys(&mut self, keys: &mut [(u64, [u8; SLOT_BYTES])], forgotten: &[u64]) -> std::io::Result<()> {
        if keys.is_empty() && forgotten.is_empty() {
            return Ok(());
        }
        keys.sort_unstable_by_key(|(slot, _)| *slot);
        for together in keys.chunk_by(|(left, _), (right, _)| left + 1 == *right) {
            if let Some((first, _)) = together.first() {
                let bytes: Vec<u8> = together.iter().flat_map(|(_, bytes)| *bytes).collect();
                write_whole(&*self.disk, &self.keys, &bytes, first * wide(SLOT_BYTES))?;
            }
        }
        for slot in forgotten {
            write_whole(&*self.disk, &self.keys, &[0; SLOT_BYTES], slot * wide(SLOT_BYTES))?;
        }
        if let Some((last, _)) = keys.last() {
            self.key_slots = self.key_slots.max(last + 1);
        }
        self.disk.sync(&self.keys)
    }

    fn batch(&mut self, bytes: &mut Vec<u8>, tree: &Tree) -> Result<(), Broken> {
        let needed = wide(bytes.len()) + TRAILER_ROOM;
        // A limit of this process may be less than what was reserved, perhaps by another process. A new segment stays within it.
        if self.tail.end + needed > self.tail.capacity.min(self.disk.longest()) {
            self.next_segment(needed)?;
        }
        let checkpoint = Checkpoint {
            log: self.signer.public().log(),
            size: tree.size(),
            root: tree.root(),
            segment: self.tail.number,
            start: self.tail.end,
            bytes: wide(bytes.len()),
        };
        let note = self.signer.sign(&checkpoint);
        let start = begin(bytes, TRAILER);
        bytes.extend_from_slice(note.as_bytes());
        finish(bytes, start);
        let (path, length) = (segment::path(&segment::folder(&self.home), self.tail.number), wide(bytes.len()));
        let broken = |step, cause| Broken::new(step, path.clone(), Some(length), cause);
        write_whole(&*self.disk, &self.tail.file, bytes, self.tail.end).map_err(|cause| broken(FailedStep::Write, cause))?;
        self.disk.sync(&self.tail.file).map_err(|cause| broken(FailedStep::Sync, cause))?;
        self.tail.end += wide(bytes.len());
        self.tail.left.wrote(bytes);
        // Somebody may have put another log in its place meanwhile and continued that. Then this batch is in no log, and is not
        // acknowledged.
        self.check_left().map_err(|cause| Broken::of(FailedStep::Exchanged, cause))?;
        self.last = Some(checkpoint);
        if let Some(state) = &mut self.state {
            state
                .write(&*self.disk, checkpoint.size, checkpoint.root)
                .map_err(|cause| Broken::new(FailedStep::State, state.path().to_owned(), None, cause))?;
        }
        *lock(&self.shared.committed) = Committed { size: checkpoint.size, root: checkpoint.root, note: Some(note) };
        Ok(())
    }

    fn follow(&mut self, leaf: &Meta) {
        if leaf.ends {
            self.heads.remove(&leaf.run);
        } else {
            let last = Digest::from_bytes(leaf.hash);
            self.heads.insert(leaf.run, WalkHead { seq: leaf.seq, last, ended: false, slot: leaf.slot });
        }
    }

    fn next_segment(&mut self, needed: u64) -> Result<(), Broken> {
        let folder = segment::folder(&self.home);
        let broken = |number, bytes, cause| Broken::new(FailedStep::Segment, segment::path(&folder, number), bytes, cause);
        let number = self.tail.number.checked_add(1).ok_or_else(Broken::full)?;
        // Signs the last checkpoint again, which gives the same note.
        let base = self.last.map(|last| put_base(&self.tree, &self.signer.sign(&last))).unwrap_or_default();
        let least = needed + wide(HEADER_BYTES + base.len());
        let room = Room { wanted: self.options.segment_bytes.max(least), least };
        // Frees space that was reserved and not used: on a full disk, the new segment may need it.
        self.disk.truncate(&self.tail.file, self.tail.end).map_err(|cause| broken(self.tail.number, None, cause))?;
        let header = FrameHeader { log: self.signer.public().log(), number, first: self.tree.size(), begins: HEADER_END };
        let next = Tail::create(&*self.disk, &folder, header, &base, room);
        self.tail = next.map_err(|cause| broken(number, Some(least), cause))?;
        Ok(())
    }

    /// Asks for a snapshot if much was written since the last one. Writes the index if there is a new snapshot, or if none comes.
    fn keep_index(&mut self, lag: &mut Lag, bytes: u64, snapshots: bool) {
        if snapshots {
            (lag.snapshot_bytes, lag.snapshot_batches) = (0, 0);
        }
        lag.snapshot_bytes += bytes;
        lag.snapshot_batches += 1;
        lag.index_bytes += bytes;
        lag.index_batches += 1;
        // Writing a large index is worth it only after much log was written.
        let weight = weight(self.heads.len(), self.snapshot.as_ref().map_or(0, |snapshot| snapshot.bytes.len()));
        let enough = self.options.index_bytes.max(weight.saturating_mul(2));
        let often = self.options.index_batches;
        if lag.snapshot_bytes >= enough || lag.snapshot_batches >= often {
            self.shared.set_snapshot_due();
        }
        let overdue = lag.index_bytes >= enough.saturating_mul(2) || lag.index_batches >= often.saturating_mul(2);
        if snapshots || overdue {
            self.write_index();
            (lag.index_bytes, lag.index_batches) = (0, 0);
        }
    }

    /// Writes the index. Errors are ignored, since a log can be opened without the index.
    fn write_index(&mut self) {
        let Some(checkpoint) = self.last else { return };
        // An index of records that are no longer there would make the home look as if it had been restored from an older copy.
        if self.check_left().is_err() {
            return;
        }
        // Segments may have been pruned since the log was opened.
        let Ok(base) = Base::read(&self.home, self.signer.public()) else { return };
        let first = Base::first(base.as_ref());
        let Ok(stamps) = stamps(&segment::folder(&self.home), first, self.tail.number) else { return };
        let index = Index {
            checkpoint,
            next: self.tail.end,
            tree: self.tree.clone(),
            heads: self.heads.clone(),
            key_slots: self.key_slots,
            first,
            stamps,
            patrol: self.patrol,
            snapshot: self.snapshot.clone(),
        };
        self.index_is_old = index.write(&*self.disk, &self.home, &self.shared.home.index).is_err();
    }
}
