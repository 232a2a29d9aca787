//! Decides whether the part of a log that an index covers may be left unread.

use std::path::Path;

use crate::base::Base;
use crate::ids::LogId;
use crate::index::Index;
use crate::note::PublicKey;
use crate::salvage;
use crate::scan::Scanned;
use crate::segment;
use crate::stamp::{Patrol, Reached, read_batches, stamps};
use crate::tree::leaf_hash;
use crate::walk::end_of_checkpoint;
use crate::wire::narrow;

/// How to check the last segment, if its file was changed after the index was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Depth {
    /// By its checksums, for views that are not evidence.
    Checksums,
    /// By its records, which must result in the tree of the index. A checksum does not detect deliberate changes.
    Records,
}

impl Depth {
    fn is_as_indexed(self, folder: &Path, key: &PublicKey, index: &Index) -> bool {
        match self {
            Self::Checksums => is_whole_up_to(folder, key.log(), index),
            Self::Records => is_as_indexed(folder, key, index),
        }
    }
}

/// Checks that no reader has found damage, that the index's checkpoint is there, and that no earlier segment was changed since: then the
/// part that the index covers may be left unread, and this returns up to where the older part has been read again. Otherwise `None`.
pub(crate) fn rely_on(
    home: &Path,
    folder: &Path,
    (key, base): (&PublicKey, Option<&Base>),
    (index, how): (&Index, Depth),
) -> Option<Patrol> {
    let first = Base::first(base);
    let end = Patrol { segment: index.checkpoint.segment, offset: index.next };
    if salvage::is_marked(home) || end_of_checkpoint(folder, key, &index.checkpoint) != Some(index.next) {
        return None;
    }
    let now = stamps(folder, first, end.segment).ok()?;
    // Earlier segments may have been pruned since the index was written.
    let were = index.stamps.get(narrow(u64::from(first.checked_sub(index.first)?))..)?;
    let (last, before) = now.split_last()?;
    let (last_was, before_were) = were.get(..now.len())?.split_last()?;
    // The writer continues the last segment after it has written the index, and after a crash the index is older than that segment. So the
    // last segment is checked if its file was changed.
    let whole = before == before_were && (last == last_was || how.is_as_indexed(folder, key, index));
    if whole { index.patrol.go_on(folder, key.log(), first, end) } else { None }
}

/// Whether the checksums of the last segment that an index covers are right, up to where the index ends.
fn is_whole_up_to(folder: &Path, log: LogId, index: &Index) -> bool {
    let from = Patrol { segment: index.checkpoint.segment, ..Patrol::start() };
    matches!(read_batches(folder, log, from, Some(index.next), u64::MAX), Some(Reached::End))
}

/// Whether the records of the last segment that an index covers result in the tree of the index. A checksum would not detect deliberate
/// changes.
fn is_as_indexed(folder: &Path, key: &PublicKey, index: &Index) -> bool {
    let same = || {
        let (file, header) = segment::open(folder, index.checkpoint.segment, Some(key.log())).ok()?;
        let mut tree = segment::base(&file, &header, key).ok()??;
        let mut scanner = segment::scanner(file, &header, 0);
        while scanner.at() < index.next && scanner.advance().ok()? == Scanned::Batch {
            let batch = scanner.batch();
            batch.frames.iter().filter(|span| span.is_leaf()).for_each(|span| tree.push(leaf_hash(batch.content(span))));
        }
        Some(scanner.at() == index.next && tree == index.tree)
    };
    same().unwrap_or(false)
}
