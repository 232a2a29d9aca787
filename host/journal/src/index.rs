//! The index, which lets a log be opened without reading all of it. It is authenticated with the home's key and bound to a checkpoint of
//! the log.
//!
//! It holds the tree's right edge, the last record of each open run, and the last snapshot of the caller with the position up to which the
//! snapshot covers the log. The index is derived: losing it only costs a pass through the log. It is written after the sync of the records
//! that it covers, so a log that is shorter than its index was restored from an older copy.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};

use vocabulary::{Digest, RunId};

use crate::disk::{Disk, Replace, read_own, replace};
use crate::err::OpenError;
use crate::hold::io_at;
use crate::ids::{LogId, Position};
use crate::mac::{Mac, same};
use crate::note::Checkpoint;
use crate::stamp::{Patrol, STAMP_BYTES, Stamp};
use crate::tree::Tree;
use crate::walk::WalkHead;
use crate::wire::{Fields, wide};

const MAGIC: [u8; 8] = *b"BWIDX\0\0\x03";
/// BOUND: a larger file is not read.
const FILE_BYTES_MAX: u64 = 1 << 30;
const HEAD_BYTES: usize = 64;

/// A caller's snapshot, and the position of the first record that is not in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct IndexSnapshot {
    pub(crate) unfolded: Position,
    pub(crate) bytes: Vec<u8>,
}

/// The content of the index.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Index {
    /// The last batch that the index covers. Its root is that of `tree`.
    pub(crate) checkpoint: Checkpoint,
    /// Where the next batch begins.
    pub(crate) next: u64,
    pub(crate) tree: Tree,
    pub(crate) heads: HashMap<RunId, WalkHead>,
    /// How many slots the file of run keys had.
    pub(crate) key_slots: u64,
    /// The first segment of the log when the index was written.
    pub(crate) first: u32,
    /// The stamp of each segment's file at that time, from the first segment on.
    pub(crate) stamps: Vec<Stamp>,
    /// The position up to which openings have read the older part again.
    pub(crate) patrol: Patrol,
    pub(crate) snapshot: Option<IndexSnapshot>,
}

pub(crate) fn path(home: &Path) -> PathBuf {
    home.join("journal.index")
}

/// Removes the index and syncs that: an index that came back after a power failure would know more of the log than a person has just
/// accepted.
pub(crate) fn put_away(disk: &dyn Disk, home: &Path) -> Result<(), OpenError> {
    let path = path(home);
    match disk.remove(&path) {
        Err(cause) if cause.kind() != io::ErrorKind::NotFound => Err(io_at(&path)(cause)),
        _ => disk.sync_folder(home).map_err(io_at(home)),
    }
}

impl Index {
    fn encode(&self, mac: &Mac) -> Vec<u8> {
        let mut out = MAGIC.to_vec();
        let mut put = |bytes: &[u8]| out.extend_from_slice(bytes);
        put(&self.checkpoint.log.to_bytes());
        put(&u64::from(self.checkpoint.segment).to_le_bytes());
        for number in [self.checkpoint.start, self.checkpoint.bytes, self.next, self.key_slots, self.tree.size()] {
            put(&number.to_le_bytes());
        }
        put(&wide(self.tree.edge().len()).to_le_bytes());
        self.tree.edge().iter().for_each(|node| put(node));
        put(&wide(self.heads.len()).to_le_bytes());
        for (run, head) in &self.heads {
            put(&run.to_bytes());
            put(&head.seq.to_le_bytes());
            put(head.last.as_bytes());
            // Zero means that there is no slot.
            put(&head.slot.map_or(0, |slot| slot.saturating_add(1)).to_le_bytes());
        }
        put(&u64::from(self.first).to_le_bytes());
        put(&wide(self.stamps.len()).to_le_bytes());
        self.stamps.iter().for_each(|stamp| put(&stamp.encode()));
        put(&u64::from(self.patrol.segment).to_le_bytes());
        put(&self.patrol.offset.to_le_bytes());
        if let Some(snapshot) = &self.snapshot {
            put(&u64::from(snapshot.unfolded.segment).to_le_bytes());
            put(&snapshot.unfolded.offset.to_le_bytes());
            put(&snapshot.unfolded.index.to_le_bytes());
            put(&snapshot.bytes);
        }
        let tag = mac.of(&out);
        out.extend_from_slice(&tag);
        out
    }

    fn decode(bytes: &[u8], mac: &Mac) -> Option<Self> {
        let (body, tag) = bytes.split_last_chunk::<32>()?;
        if !same(&mac.of(body), tag) {
            return None;
        }
        let mut fields = Fields::new(body);
        if fields.array()? != MAGIC {
            return None;
        }
        let log = LogId::from_bytes(fields.array()?);
        let segment = u32::try_from(fields.int64()?).ok()?;
        let [start, bytes, next, key_slots, size] = [fields.int64()?, fields.int64()?, fields.int64()?, fields.int64()?, fields.int64()?];
        let edge = (0..fields.count(32)?).map(|_| fields.array()).collect::<Option<Vec<_>>>()?;
        let tree = Tree::from_edge(size, edge)?;
        let heads = (0..fields.count(HEAD_BYTES)?).map(|_| head(&mut fields)).collect::<Option<HashMap<_, _>>>()?;
        let first = u32::try_from(fields.int64()?).ok()?;
        let stamps = (0..fields.count(STAMP_BYTES)?).map(|_| Stamp::decode(&mut fields)).collect::<Option<Vec<_>>>()?;
        let patrol = Patrol { segment: u32::try_from(fields.int64()?).ok()?, offset: fields.int64()? };
        let snapshot = if fields.is_empty() { None } else { Some(snapshot(fields)?) };
        let checkpoint = Checkpoint { log, size, root: tree.root(), segment, start, bytes };
        Some(Self { checkpoint, next, tree, heads, key_slots, first, stamps, patrol, snapshot })
    }

    pub(crate) fn write(&self, disk: &dyn Disk, home: &Path, mac: &Mac) -> io::Result<()> {
        replace(disk, &path(home), &self.encode(mac), Replace::Derived)
    }

    /// Reads the index of a home. `None` if it is missing or damaged, or was not written with this home's key.
    pub(crate) fn read(home: &Path, mac: &Mac) -> Option<Self> {
        Self::decode(&read_own(&path(home), FILE_BYTES_MAX).ok()??, mac)
    }
}

fn head(fields: &mut Fields<'_>) -> Option<(RunId, WalkHead)> {
    let run = RunId::from_bytes(fields.array()?);
    let seq = fields.int64()?;
    let last = Digest::from_bytes(fields.array()?);
    let slot = fields.int64()?.checked_sub(1);
    Some((run, WalkHead { seq, last, ended: false, slot }))
}

fn snapshot(mut fields: Fields<'_>) -> Option<IndexSnapshot> {
    let segment = u32::try_from(fields.int64()?).ok()?;
    let unfolded = Position { segment, offset: fields.int64()?, index: fields.int64()? };
    Some(IndexSnapshot { unfolded, bytes: fields.rest().to_vec() })
}

/// The approximate size of the index. The larger it is, the more of the log must be new before it is written again.
pub(crate) fn weight(heads: usize, snapshot: usize) -> u64 {
    wide(heads.saturating_mul(HEAD_BYTES).saturating_add(snapshot))
}

#[cfg(test)]
#[expect(clippy::indexing_slicing, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    fn sample() -> Index {
        let mut tree = Tree::default();
        (0u8..5).for_each(|leaf| tree.push([leaf; 32]));
        let head = WalkHead { seq: 4, last: Digest::of(b"x"), ended: false, slot: Some(0) };
        Index {
            checkpoint: Checkpoint { log: LogId::from_bytes([1; 16]), size: 5, root: tree.root(), segment: 2, start: 100, bytes: 50 },
            next: 400,
            tree,
            heads: HashMap::from([(RunId::from_bytes([2; 16]), head)]),
            key_slots: 1,
            first: 1,
            stamps: Vec::new(),
            patrol: Patrol::start(),
            snapshot: Some(IndexSnapshot { unfolded: Position { segment: 1, offset: 64, index: 3 }, bytes: vec![7; 9] }),
        }
    }

    #[test]
    fn an_index_comes_back_as_it_was() {
        let mac = Mac::new(&[8; 32]);
        assert_eq!(Index::decode(&sample().encode(&mac), &mac), Some(sample()));
    }

    #[test]
    fn a_changed_or_foreign_index_is_no_index() {
        let mac = Mac::new(&[8; 32]);
        let bytes = sample().encode(&mac);
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            assert_eq!(Index::decode(&changed, &mac), None, "byte {at}");
            assert_eq!(Index::decode(&bytes[..at], &mac), None, "cut at {at}");
        }
        assert_eq!(Index::decode(&bytes, &Mac::new(&[9; 32])), None);
    }
}
