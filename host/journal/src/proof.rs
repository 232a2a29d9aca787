//! Proves what a reader returns: each batch is checked against the tree that the log's key has signed.
//!
//! A checksum detects faults of a disk, but not deliberate changes: a person who changes a record can also change its checksum. The tree
//! detects both, since its root is signed. Reading begins where the tree is known, which is the case at the beginning of each segment.

use std::fs::File;

use vocabulary::RunId;

use crate::err::{FaultKind, LogFault};
use crate::frame::FrameHeader;
use crate::ids::Position;
use crate::note::{Checkpoint, PublicKey};
use crate::scan::Batch;
use crate::segment;
use crate::tree::{Node, Tree, leaf_hash};

/// The state of the proof while a log is read.
#[derive(Clone)]
pub(crate) struct Proof {
    key: PublicKey,
    /// The tree before the batch that is read next. `None` after damage, until a segment begins with its base.
    tree: Option<Tree>,
    /// The start and the note of each batch whose signature was not checked yet. A note covers every batch before it.
    unchecked: Vec<(Position, String)>,
}

/// BOUND: how many batches are held back until a signature over them is checked. A check costs about as much as reading a hundred records.
const UNCHECKED_MAX: usize = 64;

impl Proof {
    pub(crate) fn new(key: PublicKey, tree: Option<Tree>) -> Self {
        Self { key, tree, unchecked: Vec::new() }
    }

    /// Called at the beginning of a segment. Checks that its base is the tree that was read up to here.
    pub(crate) fn begin_segment(&mut self, file: &File, header: &FrameHeader) -> Result<(), FaultKind> {
        let base = segment::base(file, header, &self.key).inspect_err(|_| self.lose())?;
        let differs = base.is_some() && self.tree.is_some() && base != self.tree;
        if differs || self.tree.as_ref().is_some_and(|tree| tree.size() != header.first) {
            self.tree = base;
            return Err(FaultKind::HeaderDiffers);
        }
        self.tree = self.tree.take().or(base);
        Ok(())
    }

    /// Adds a batch. Returns the hashes of its leaves.
    pub(crate) fn batch(&mut self, at: Position, batch: &Batch<'_>, signed: &Checkpoint, note: &str) -> Result<Vec<Node>, LogFault> {
        let hashes: Vec<Node> = batch.frames.iter().filter(|span| span.is_leaf()).map(|span| leaf_hash(batch.content(span))).collect();
        let Some(tree) = &mut self.tree else { return Ok(hashes) };
        hashes.iter().for_each(|hash| tree.push(*hash));
        if (tree.size(), tree.root()) != (signed.size, signed.root) {
            self.lose();
            return Err(LogFault { at, what: FaultKind::RootDiffers });
        }
        self.unchecked.push((at, note.to_owned()));
        Ok(hashes)
    }

    /// Whether to call [`Proof::check`] now: enough batches were added since the last check, or none at all.
    pub(crate) fn is_due(&self) -> bool {
        self.unchecked.is_empty() || self.unchecked.len() >= UNCHECKED_MAX
    }

    /// Discards the tree: what is read next does not follow what was read last.
    pub(crate) fn lose(&mut self) {
        self.tree = None;
    }

    /// Checks the last signature, which covers everything that was added.
    ///
    /// # Errors
    /// The signature is not by the log's key. The fault lies where the first batch begins that no valid signature covers.
    pub(crate) fn check(&mut self) -> Result<(), LogFault> {
        let unchecked = std::mem::take(&mut self.unchecked);
        let Some((last, before)) = unchecked.split_last() else { return Ok(()) };
        let Err(err) = self.key.check(&last.1) else { return Ok(()) };
        let covered = before.iter().rposition(|(_, note)| self.key.check(note).is_ok()).map_or(0, |good| good + 1);
        let at = unchecked.get(covered).unwrap_or(last).0;
        Err(LogFault { at, what: FaultKind::Trailer(err) })
    }
}

/// Whether a record may be the first one that is returned of a run: it is the run's first record, or follows the run's last record in the
/// part that was pruned.
pub(crate) fn begins_run(base: Option<&crate::base::Base>, run: RunId, seq: u64, prev: vocabulary::Digest) -> bool {
    let heads = || base.into_iter().flat_map(|base| &base.heads);
    seq == 1 || heads().any(|(other, last, leaf)| *other == run && last.checked_add(1) == Some(seq) && *leaf == prev)
}
