//! Proves what a reader gives out: each batch against the tree that the log's key has signed.
//!
//! A checksum shows what a disk has done, and not what a person has: whoever changes a record can make its checksum right. The tree
//! shows it, since its root is signed. Reading begins where the tree is known, which is at the beginning of a segment at the latest.

use std::fs::File;

use vocabulary::RunId;

use crate::err::{FaultKind, LogFault};
use crate::frame::FrameHeader;
use crate::ids::Position;
use crate::note::{Checkpoint, PublicKey};
use crate::scan::Batch;
use crate::segment;
use crate::tree::{Node, Tree, leaf_hash};

/// What is known of the tree while a log is read.
#[derive(Clone)]
pub(crate) struct Proof {
    key: PublicKey,
    /// The tree before the batch that is read next. `None` behind damage, until a segment begins with its base.
    tree: Option<Tree>,
    /// Where each batch begins whose signature was not checked yet, with its note. A note covers every batch before it.
    unchecked: Vec<(Position, String)>,
}

/// BOUND: batches that are held back until a signature over them is checked. Each check costs about as much as reading a hundred records.
const UNCHECKED_MAX: usize = 64;

impl Proof {
    pub(crate) fn new(key: PublicKey, tree: Option<Tree>) -> Self {
        Self { key, tree, unchecked: Vec::new() }
    }

    /// At the beginning of a segment: its base must be the tree that was read up to here.
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

    /// Takes a batch in. Returns the hashes of its leaves.
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

    /// Whether a signature is to be checked now: so many batches were taken in since the last one, or none that has one.
    pub(crate) fn is_due(&self) -> bool {
        self.unchecked.is_empty() || self.unchecked.len() >= UNCHECKED_MAX
    }

    /// What is read next does not follow what was read last.
    pub(crate) fn lose(&mut self) {
        self.tree = None;
    }

    /// Checks the last signature, which covers everything that was taken in.
    ///
    /// # Errors
    /// It is not by the log's key. The fault lies where the first batch begins that no good signature covers.
    pub(crate) fn check(&mut self) -> Result<(), LogFault> {
        let unchecked = std::mem::take(&mut self.unchecked);
        let Some((last, before)) = unchecked.split_last() else { return Ok(()) };
        let Err(err) = self.key.check(&last.1) else { return Ok(()) };
        let covered = before.iter().rposition(|(_, note)| self.key.check(note).is_ok()).map_or(0, |good| good + 1);
        let at = unchecked.get(covered).unwrap_or(last).0;
        Err(LogFault { at, what: FaultKind::Trailer(err) })
    }
}

/// Whether a record may be the first that is given out of a run: it is the run's first, or follows the one before the cut of a log whose
/// earlier segments were taken away.
pub(crate) fn begins_run(base: Option<&crate::base::Base>, run: RunId, seq: u64, prev: vocabulary::Digest) -> bool {
    let heads = || base.into_iter().flat_map(|base| &base.heads);
    seq == 1 || heads().any(|(other, last, leaf)| *other == run && last.checked_add(1) == Some(seq) && *leaf == prev)
}
