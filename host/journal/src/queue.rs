//! The queue of records that were appended and are not yet on the disk: many threads add records, and the writer takes batches.
//!
//! While a batch is being synced, the next one grows here, with its leaves already in the tree. If anybody waits for a record, the writer takes
//! what is there and does not wait for more. (A short wait, so that threads which were woken together could append together again, was
//! tried: on a disk that syncs in a tenth of a millisecond it cost more than it gained.) Records for which nobody waits are given a
//! moment, because a record for which somebody waits often follows at once: a guest that has its answer asks for the next thing. Then one sync
//! serves both.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use vocabulary::RunId;

use crate::err::Broken;
use crate::keys::SLOT_BYTES;
use crate::ticket::{BatchOutcome, lock};
use crate::tree::{Node, Tree};

/// What the writer must know about a leaf besides its bytes.
pub(crate) struct Meta {
    pub(crate) run: RunId,
    pub(crate) seq: u64,
    pub(crate) hash: Node,
    pub(crate) ends: bool,
    pub(crate) slot: Option<u64>,
}

/// Buffers that a later batch reuses: fresh memory for each batch would cost more than filling it.
pub(crate) type Buffers = (Vec<u8>, Vec<Meta>);

/// BOUND: larger buffers are freed.
const SPARE_BYTES_MAX: usize = 4 << 20;

/// BOUND: how long records for which nobody waits may stay in memory. If the process is killed meanwhile, they are lost, as they would be during
/// a sync.
const LATER: Duration = Duration::from_millis(1);

/// A batch that grows.
pub(crate) struct PendingBatch {
    /// Frames, without the trailer.
    pub(crate) bytes: Vec<u8>,
    pub(crate) leaves: Vec<Meta>,
    /// Slots of new run keys. They are written with the batch that has the run's first record.
    pub(crate) keys: Vec<(u64, [u8; SLOT_BYTES])>,
    /// Slots to overwrite with zeros.
    pub(crate) forgotten: Vec<u64>,
    /// A snapshot of everything up to the end of this batch.
    pub(crate) snapshot: Option<Vec<u8>>,
    /// The tree up to the end of this batch.
    pub(crate) tree: Tree,
    pub(crate) outcome: Arc<BatchOutcome>,
    /// Whether somebody waits for one of its records.
    is_urgent: bool,
}

impl PendingBatch {
    fn new((bytes, leaves): Buffers) -> Self {
        Self {
            bytes,
            leaves,
            tree: Tree::default(),
            keys: Vec::new(),
            forgotten: Vec::new(),
            snapshot: None,
            outcome: BatchOutcome::pending(),
            is_urgent: false,
        }
    }

    /// Whether the batch has anything that must be written soon.
    fn is_work(&self) -> bool {
        !self.leaves.is_empty() || !self.forgotten.is_empty() || self.snapshot.is_some()
    }
}

struct QueueState {
    sealed: VecDeque<PendingBatch>,
    open: PendingBatch,
    /// The outcome of the batch that the writer took last.
    taken: Arc<BatchOutcome>,
    /// How many bytes were added and are not yet durable.
    bytes: usize,
    /// The tree over everything that was ever added.
    tree: Tree,
    next_slot: u64,
    spare: Buffers,
    /// Whether the writer waits for work.
    idle: bool,
    /// Whether the writer gives records for which nobody waits a moment.
    lingers: bool,
    closing: bool,
    broken: Option<Broken>,
}

/// How much was appended and is not durable yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Queued {
    /// How many batches wait for the writer, without the one that is being written.
    pub batches: u64,
    /// How many bytes wait, including those that are being written.
    pub bytes: u64,
}

/// The queue between many threads and one writer.
pub(crate) struct Queue {
    state: Mutex<QueueState>,
    work: Condvar,
    space: Condvar,
    batch_bytes: usize,
    bytes_max: usize,
    /// How long records for which nobody waits are kept back: [`LATER`].
    pub(crate) later: Duration,
}

impl Queue {
    pub(crate) fn new(tree: Tree, slots: u64, batch_bytes: usize, bytes_max: usize) -> Self {
        let state = QueueState {
            sealed: VecDeque::new(),
            open: PendingBatch::new(Buffers::default()),
            taken: BatchOutcome::durable(),
            bytes: 0,
            tree,
            next_slot: slots,
            spare: Buffers::default(),
            idle: false,
            lingers: false,
            closing: false,
            broken: None,
        };
        Self { state: Mutex::new(state), work: Condvar::new(), space: Condvar::new(), batch_bytes, bytes_max, later: LATER }
    }

    /// Adds whole records, all to one batch. Returns the index of the first record and the outcome of the batch. Waits while too much is
    /// queued. `is_urgent` says that somebody waits for them.
    pub(crate) fn push(
        &self,
        bytes: &[u8],
        leaves: impl IntoIterator<Item = Meta>,
        is_urgent: bool,
    ) -> Result<(u64, Arc<BatchOutcome>), Broken> {
        let mut state = lock(&self.state);
        while state.bytes != 0 && state.bytes + bytes.len() > self.bytes_max && state.broken.is_none() {
            state = self.space.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.accepts()?;
        state.bytes += bytes.len();
        let index = state.tree.size();
        state.open.bytes.extend_from_slice(bytes);
        for leaf in leaves {
            state.tree.push(leaf.hash);
            state.open.leaves.push(leaf);
        }
        let outcome = state.open.outcome.clone();
        state.open.is_urgent |= is_urgent;
        let is_full = state.open.bytes.len() >= self.batch_bytes;
        if is_full {
            state.seal();
        }
        self.wake(&mut state, is_urgent || is_full);
        Ok((index, outcome))
    }

    /// Reserves a new key slot, and returns its number.
    pub(crate) fn reserve_slot(&self) -> Result<u64, Broken> {
        let mut state = lock(&self.state);
        state.accepts()?;
        let slot = state.next_slot;
        state.next_slot += 1;
        Ok(slot)
    }

    pub(crate) fn push_key(&self, slot: u64, bytes: [u8; SLOT_BYTES]) -> Result<(), Broken> {
        let mut state = lock(&self.state);
        state.accepts()?;
        state.open.keys.push((slot, bytes));
        Ok(())
    }

    pub(crate) fn push_forgotten(&self, slot: u64) -> Result<Arc<BatchOutcome>, Broken> {
        let mut state = lock(&self.state);
        state.accepts()?;
        state.open.forgotten.push(slot);
        state.open.is_urgent = true;
        let outcome = state.open.outcome.clone();
        self.wake(&mut state, true);
        Ok(outcome)
    }

    /// Adds a snapshot and ends the batch, so that the snapshot covers exactly what was appended before it.
    pub(crate) fn push_snapshot(&self, bytes: Vec<u8>) -> Result<(), Broken> {
        let mut state = lock(&self.state);
        state.accepts()?;
        state.open.snapshot = Some(bytes);
        state.seal();
        self.wake(&mut state, true);
        Ok(())
    }

    /// The outcome of the last batch that has anything in it, for somebody who waits for it.
    pub(crate) fn last(&self) -> Arc<BatchOutcome> {
        let mut state = lock(&self.state);
        if state.open.is_work() {
            state.open.is_urgent = true;
            self.wake(&mut state, true);
            state.open.outcome.clone()
        } else {
            state.sealed.back().map_or_else(|| state.taken.clone(), |pending| pending.outcome.clone())
        }
    }

    pub(crate) fn queued(&self) -> Queued {
        let state = lock(&self.state);
        let batches = state.sealed.len() as u64 + u64::from(state.open.is_work());
        Queued { batches, bytes: state.bytes as u64 }
    }

    /// Wakes a writer that has nothing to do. One that gives records a moment is woken only for something urgent.
    fn wake(&self, state: &mut QueueState, is_urgent: bool) {
        if std::mem::take(&mut state.idle) || is_urgent && std::mem::take(&mut state.lingers) {
            self.work.notify_one();
        }
    }

    /// Waits for the next batch and returns it to the writer; `None` when the queue is closed and empty.
    pub(crate) fn take(&self) -> Option<PendingBatch> {
        let mut state = lock(&self.state);
        let mut has_lingered = false;
        loop {
            if state.sealed.is_empty() && state.open.is_work() {
                if !state.open.is_urgent && !state.closing && !std::mem::replace(&mut has_lingered, true) {
                    state.lingers = true;
                    state = self.work.wait_timeout(state, self.later).unwrap_or_else(PoisonError::into_inner).0;
                    state.lingers = false;
                    continue;
                }
                state.seal();
            }
            if let Some(next) = state.sealed.pop_front() {
                state.taken = next.outcome.clone();
                return Some(next);
            }
            if state.closing {
                return None;
            }
            state.idle = true;
            state = self.work.wait(state).unwrap_or_else(PoisonError::into_inner);
            state.idle = false;
        }
    }

    /// Called by the writer when a batch is durable: its bytes no longer count as queued, and its buffers are reused.
    pub(crate) fn release(&self, bytes: usize, buffers: Buffers) {
        let (mut frames, mut leaves) = buffers;
        frames.clear();
        leaves.clear();
        let mut state = lock(&self.state);
        state.bytes = state.bytes.saturating_sub(bytes);
        if frames.capacity() <= SPARE_BYTES_MAX {
            state.spare = (frames, leaves);
        }
        self.space.notify_all();
    }

    /// Closes the queue: nothing more is accepted, and the writer finishes what is there.
    pub(crate) fn close(&self) {
        let mut state = lock(&self.state);
        state.closing = true;
        self.work.notify_one();
    }

    /// Fails everything that waits, and everything that is added later. The first reason is kept.
    pub(crate) fn stop(&self, broken: &Broken) {
        let mut state = lock(&self.state);
        let broken = state.broken.get_or_insert_with(|| broken.clone()).clone();
        state.seal();
        let waiting = std::mem::take(&mut state.sealed);
        let taken = state.taken.clone();
        drop(state);
        self.space.notify_all();
        taken.settle(Err(broken.clone()));
        waiting.iter().for_each(|pending| pending.outcome.settle(Err(broken.clone())));
    }

    pub(crate) fn broken(&self) -> Option<Broken> {
        lock(&self.state).accepts().err()
    }
}

impl QueueState {
    fn accepts(&self) -> Result<(), Broken> {
        match &self.broken {
            Some(broken) => Err(broken.clone()),
            None if self.closing => Err(Broken::closed()),
            None => Ok(()),
        }
    }

    fn seal(&mut self) {
        let spare = std::mem::take(&mut self.spare);
        let mut full = std::mem::replace(&mut self.open, PendingBatch::new(spare));
        full.tree = self.tree.clone();
        self.sealed.push_back(full);
    }
}
