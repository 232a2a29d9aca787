//! Checks whether segments are unchanged, so that opening need not read all of them again.
//!
//! The index keeps the metadata of each segment's file as of when the index was written. If a file was written to since then, its metadata
//! differ, and the whole log is read. The metadata do not show changes beneath the file system (a failing disk). So each opening also reads
//! a bounded piece of the part that it relies on, from where the previous opening stopped; over time, all of it is read.

use std::fs::Metadata;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use crate::ids::HEADER_BYTES;
use crate::ids::LogId;
use crate::scan::Scanned;
use crate::segment;
use crate::wire::{Fields, wide};

/// BOUND: how many bytes one opening reads of the part that it relies on.
const PATROL_BYTES: u64 = 2 << 20;
/// The length of a stamp in the index.
pub(crate) const STAMP_BYTES: usize = 48;

/// Metadata of a file. Any write changes them, and no process can set the time of the last change (ctime).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp([u64; 6]);

impl Stamp {
    fn of(found: &Metadata) -> Self {
        let bits = |number: i64| number.cast_unsigned();
        let times = [found.mtime(), found.mtime_nsec(), found.ctime(), found.ctime_nsec()].map(bits);
        let [modified, modified_ns, changed, changed_ns] = times;
        Self([found.ino(), found.len(), modified, modified_ns, changed, changed_ns])
    }

    pub(crate) fn encode(&self) -> [u8; STAMP_BYTES] {
        let mut bytes = [0; STAMP_BYTES];
        for (to, from) in bytes.chunks_exact_mut(8).zip(self.0) {
            to.copy_from_slice(&from.to_le_bytes());
        }
        bytes
    }

    pub(crate) fn decode(fields: &mut Fields<'_>) -> Option<Self> {
        let mut numbers = [0; 6];
        for number in &mut numbers {
            *number = fields.int64()?;
        }
        Some(Self(numbers))
    }
}

/// The stamps of the segments from `first` to `last`, both included.
pub(crate) fn stamps(folder: &Path, first: u32, last: u32) -> io::Result<Vec<Stamp>> {
    (first..=last).map(|number| Ok(Stamp::of(&std::fs::symlink_metadata(segment::path(folder, number))?))).collect()
}

/// A position in a log up to which openings have read the older part again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Patrol {
    pub(crate) segment: u32,
    pub(crate) offset: u64,
}

impl Patrol {
    /// The beginning of a log.
    pub(crate) fn start() -> Self {
        Self { segment: 1, offset: wide(HEADER_BYTES) }
    }

    /// Reads a piece from here, and starts again at the beginning when it reaches the end. Returns the position where it stopped, or `None`
    /// if something that should be a batch is not one.
    pub(crate) fn go_on(self, folder: &Path, log: LogId, first: u32, end: Self) -> Option<Self> {
        let start = Self { segment: first, ..Self::start() };
        let from = if (self.segment, self.offset) < (end.segment, end.offset) { self.max(start) } else { start };
        let until = if from.segment == end.segment { Some(end.offset) } else { None };
        let reached = read_batches(folder, log, from, until, PATROL_BYTES)?;
        match reached {
            Reached::Bound(offset) => Some(Self { segment: from.segment, offset }),
            Reached::End if from.segment < end.segment => Some(Self { segment: from.segment + 1, ..Self::start() }),
            Reached::End => Some(start),
        }
    }
}

pub(crate) enum Reached {
    /// The bound was reached. The next batch begins at this byte.
    Bound(u64),
    /// The end of the segment, or of the part to read, was reached.
    End,
}

pub(crate) fn read_batches(folder: &Path, log: LogId, from: Patrol, until: Option<u64>, bytes_max: u64) -> Option<Reached> {
    let (file, header) = segment::open(folder, from.segment, Some(log)).ok()?;
    let mut scanner = segment::scanner(file, &header, from.offset);
    loop {
        let at = scanner.at();
        match until {
            Some(until) if at == until => return Some(Reached::End),
            Some(until) if at > until => return None,
            _ if at - from.offset >= bytes_max => return Some(Reached::Bound(at)),
            _ => {}
        }
        match scanner.advance().ok()? {
            Scanned::Batch => {}
            Scanned::End if until.is_none() => return Some(Reached::End),
            Scanned::End | Scanned::Broken { .. } => return None,
        }
    }
}
