//! Supports reading a damaged log: finds the next intact batch after damage.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock};

use crate::disk::Disk as _;
use crate::err::{FaultKind, LogFault};
use crate::ids::{LogId, Position};
use crate::scan::{Scanned, Scanner};
use crate::segment::{self, next_checkpoint, written_after};
use crate::ticket::lock;
use crate::wire::wide;

/// BOUND: how many damaged parts are reported one by one.
const DAMAGES_MAX: usize = 1000;

/// A part of a log that can't be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// Where the part begins, and what is wrong there.
    pub fault: LogFault,
    /// Where the next intact part begins. `None` if none follows.
    pub until: Option<Position>,
}

/// The damage that a reader has skipped, and how long the log is known to have been when reading began.
#[derive(Clone, Debug, Default)]
pub(crate) struct Salvage {
    found: Arc<Mutex<Vec<Damage>>>,
    known: Arc<OnceLock<u64>>,
}

impl Damage {
    /// Whether this is the same part, even if its begin and end are known less precisely.
    fn is_at(&self, fault: &LogFault) -> bool {
        match (&self.fault.what, &fault.what) {
            (FaultKind::SegmentMissing, FaultKind::SegmentMissing) => self.fault.at.segment == fault.at.segment,
            (FaultKind::Behind { .. }, FaultKind::Behind { .. }) => true,
            _ => self.fault == *fault,
        }
    }
}

impl Salvage {
    pub(crate) fn damage(&self) -> Vec<Damage> {
        lock(&self.found).clone()
    }

    /// How many records the log was known to have when reading began.
    pub(crate) fn known(&self) -> Option<u64> {
        self.known.get().copied()
    }

    pub(crate) fn know(&self, size: u64) {
        // Set once, when the reader is made.
        let _ = self.known.set(size);
    }

    /// Whether this fault was noted.
    pub(crate) fn has(&self, fault: &LogFault) -> bool {
        lock(&self.found).iter().any(|damage| damage.is_at(fault))
    }

    /// Notes a damaged part, once, even if it is read several times.
    pub(crate) fn note(&self, home: &Path, damage: Damage) {
        let mut found = lock(&self.found);
        if found.len() < DAMAGES_MAX && !found.iter().any(|other| other.is_at(&damage.fault)) {
            // The mark makes the next opening read everything. That would not show that this is the log of another home, and a part that
            // could not be read may be intact.
            if !matches!(damage.fault.what, FaultKind::OtherLog { .. } | FaultKind::Unreadable(_)) {
                mark(home, &damage.fault);
            }
            found.push(damage);
        }
    }
}

/// Finds the next intact batch after a position, in this segment or a later one.
///
/// The number of records before that batch comes from its own checkpoint, which was not verified. It is at least the number of records read
/// so far, so that no record gets the number of an earlier one.
pub(crate) fn next_batch(folder: &Path, log: LogId, behind: Position) -> io::Result<Option<Position>> {
    if let Ok((file, _)) = segment::open(folder, behind.segment, Some(log)) {
        let rest = written_after(&file, behind.offset)?;
        if let Some(checkpoint) = next_checkpoint(&rest, behind.offset, behind.segment, log, None) {
            let mut scanner = Scanner::new(file, checkpoint.start);
            if scanner.advance()? == Scanned::Batch {
                let leaves = wide(scanner.batch().frames.iter().filter(|span| span.is_leaf()).count());
                let index = checkpoint.size.saturating_sub(leaves).max(behind.index);
                return Ok(Some(Position { segment: behind.segment, offset: checkpoint.start, index }));
            }
        }
    }
    let later = segment::list(folder)?.into_iter().filter(|number| *number > behind.segment);
    for number in later {
        if let Ok((_, header)) = segment::open(folder, number, Some(log)) {
            return Ok(Some(Position { segment: number, offset: Position::start().offset, index: header.first.max(behind.index) }));
        }
    }
    Ok(None)
}

pub(crate) fn mark_path(home: &Path) -> PathBuf {
    home.join("journal.damaged")
}

/// Makes the next opening read everything. An error is ignored, since a reader that can't write here still reports the damage.
fn mark(home: &Path, fault: &LogFault) {
    let made = home::open(&mark_path(home), home::Access::Make);
    let _ = made.and_then(|file| crate::disk::write_whole(&crate::disk::RealDisk, &file, format!("{fault}\n").as_bytes(), 0));
}

pub(crate) fn is_marked(home: &Path) -> bool {
    // If this can't be checked, the mark may exist.
    std::fs::exists(mark_path(home)).unwrap_or(true)
}

pub(crate) fn unmark(home: &Path) -> io::Result<()> {
    match crate::disk::RealDisk.remove(&mark_path(home)) {
        Err(cause) if cause.kind() != io::ErrorKind::NotFound => Err(cause),
        _ => Ok(()),
    }
}
