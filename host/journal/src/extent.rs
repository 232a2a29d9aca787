//! How much of a log there must be, according to everything that knows of it: second state, the index, derived files, keys, and the
//! segments themselves.
//!
//! A reader compares this with what is there before it returns any record, so that a part of a log never counts as the whole log.

use std::path::Path;
use std::sync::Arc;

use vocabulary::Digest;

use crate::base::base_fault;
use crate::derived::known_by_derived;
use crate::err::{FaultKind, LogFault, ReadError};
use crate::ids::{LogId, Position};
use crate::index::Index;
use crate::keys::{HomeKey, KeyFile, load_public};
use crate::memory::{log_of_home, what_was};
use crate::note::Checkpoint;
use crate::read::{Reader, Sight};
use crate::salvage::{Damage, Salvage, next_batch};
use crate::scan::Scanned;
use crate::segment;
use crate::state::Remembered;
use crate::used::is_used;

/// What second state remembers of a home.
pub(crate) struct Memory {
    /// The log that the home had.
    of_home: Option<LogId>,
    /// What is remembered of that log, or else of the log of the home's key.
    was: Option<Remembered>,
    /// Whether a file of second state can't be read, or is missing although it was written.
    is_unreadable: bool,
}

impl Memory {
    pub(crate) fn of(home: &Path, state: Option<&Path>) -> Self {
        let none = Self { of_home: None, was: None, is_unreadable: false };
        let Some(state) = state else { return none };
        let of_home = log_of_home(state, home);
        let mut is_unreadable = of_home.is_err();
        let of_home = of_home.ok().flatten();
        let log = of_home.or_else(|| load_public(home).map(|key| key.log())).or_else(|| log_of_first(home));
        let was = log.map(|log| what_was(state, log)).transpose();
        is_unreadable |= was.is_err();
        let is_lost = of_home.is_none() && log.is_some_and(|log| matches!(was, Ok(Some(None)) if is_used(state, home, log)));
        is_unreadable |= is_lost;
        Self { of_home, was: was.ok().flatten().flatten(), is_unreadable }
    }

    /// For a home without any segment: the error that says what is known of its log. `None` if nothing is known.
    pub(crate) fn gone(&self, home: &Path) -> Option<ReadError> {
        let index = HomeKey::load(home).ok().and_then(|key| Index::read(home, &key.index)).map(|index| index.checkpoint);
        let sizes = [self.was.map(|was| was.size), index.map(|checkpoint| checkpoint.size)];
        let known = sizes.into_iter().flatten().max().filter(|known| *known > 0);
        let has_runs = KeyFile::open(home).ok().flatten().and_then(|keys| keys.slots().ok()).is_some_and(|slots| slots > 0);
        let is_known = known.is_some() || has_runs || index.is_some() || self.is_unreadable;
        let log = self.of_home.or_else(|| load_public(home).map(|key| key.log()));
        is_known.then(|| ReadError::Gone { home: home.to_owned(), log, known })
    }

    /// The parts that are missing from the log that is there.
    pub(crate) fn missing(&self, reader: &Reader, numbers: &[u32]) -> Vec<Damage> {
        let mut missing = Vec::new();
        let start = Position { segment: reader.sight.first(), offset: 0, index: 0 };
        let said =
            |what| Damage { fault: LogFault { at: start, what }, until: Some(Position { segment: start.segment, ..Position::start() }) };
        if self.is_unreadable {
            missing.push(said(FaultKind::StateUnreadable));
        }
        if let Some(was) = self.of_home.filter(|was| *was != reader.log) {
            let size = self.was.map(|was| was.size);
            missing.extend((size != Some(0)).then(|| said(FaultKind::OtherLog { was, size })));
        }
        let was = self.was.filter(|was| was.log == reader.log);
        let index = reader.sight.index.as_ref().map(|index| index.checkpoint);
        let others = index.map(|it| it.size).max(was.map(|was| was.size)).unwrap_or(0);
        let derived = known_by_derived(&reader.home, reader.log, others);
        let last = index.iter().chain(&derived).map(|checkpoint| checkpoint.segment).chain(numbers.last().copied()).max().unwrap_or(0);
        missing.extend(segments(reader, numbers, last));
        let known = index.iter().chain(&derived).map(|it| it.size).chain(was.map(|was| was.size)).max();
        let Some(known) = known else { return missing };
        if let Some(salvage) = &reader.salvage {
            salvage.know(known);
        }
        missing.extend(numbers.last().and_then(|last| end(reader, *last, index.as_ref(), known, was)));
        missing
    }
}

/// The log that the first readable segment names.
fn log_of_first(home: &Path) -> Option<LogId> {
    let folder = segment::folder(home);
    segment::list(&folder).ok()?.iter().find_map(|number| segment::open(&folder, *number, None).ok()).map(|(_, header)| header.log)
}

/// The segments that are missing, up to the last one that is known.
fn segments(reader: &Reader, numbers: &[u32], last: u32) -> Vec<Damage> {
    let mut missing = Vec::new();
    let mut number = reader.sight.first();
    // BOUND: each missing segment is reported once, and at most 1000 are.
    while number <= last && missing.len() < 1000 {
        if !numbers.contains(&number) {
            let before = numbers.iter().rev().find(|other| **other < number).and_then(|before| ends_at(reader, *before, None));
            let index = before.map_or_else(|| reader.sight.base.as_ref().map_or(0, |base| base.size), |(end, _)| end.index);
            let at = Position { segment: number, offset: 0, index };
            let until = next_batch(&reader.folder, reader.log, at).ok().flatten();
            missing.push(Damage { fault: LogFault { at, what: FaultKind::SegmentMissing }, until });
        }
        number += 1;
    }
    missing
}

/// What is missing after the end of the last segment.
fn end(reader: &Reader, last: u32, index: Option<&Checkpoint>, known: u64, was: Option<Remembered>) -> Option<Damage> {
    let from = reader.sight.index.as_ref().filter(|_| index.is_some_and(|index| index.segment == last)).map(|index| index.next);
    let read = |from| ends_at(reader, last, from);
    // The place that the index names may no longer exist.
    let (end, root) = read(from).filter(|(end, _)| end.index >= known).or_else(|| read(None))?;
    let differs = was.filter(|was| was.size == end.index && root.is_some_and(|root| root != was.root));
    let what = match differs {
        Some(was) => FaultKind::OtherHistory { known: was.size },
        None if end.index < known => FaultKind::Behind { size: end.index, known },
        None => return None,
    };
    Some(Damage { fault: LogFault { at: end, what }, until: None })
}

/// Where the intact batches of a segment end, and the root there. Trusts checksums.
fn ends_at(reader: &Reader, number: u32, from: Option<u64>) -> Option<(Position, Option<Digest>)> {
    let (file, header) = segment::open(&reader.folder, number, Some(reader.log)).ok()?;
    let mut scanner = segment::scanner(file, &header, from.unwrap_or(0));
    let (mut size, mut root) = (header.first, None);
    if from.is_some() {
        size = reader.sight.index.as_ref().map_or(size, |index| index.checkpoint.size);
        root = reader.sight.index.as_ref().map(|index| index.checkpoint.root);
    }
    while scanner.advance().ok()? == Scanned::Batch {
        let signed = scanner.batch().trailer().and_then(|(note, _)| Checkpoint::read(note).ok());
        if let Some(signed) = signed {
            (size, root) = (signed.size, Some(signed.root));
        }
    }
    Some((Position { segment: number, offset: scanner.at(), index: size }, root))
}

impl Reader {
    /// A reader that skips damage and proves every record that it returns, except for records after damage in the same segment: for those,
    /// up to the next segment, which begins with a signed base, only the checksums are checked. [`Reader::damage`] returns what it skipped,
    /// and what is missing according to second state (`state` is its folder), the index, derived files and the segments. The records of one
    /// run are returned up to the first record that does not follow the one before it.
    ///
    /// # Errors
    /// [`ReadError::NoLog`] if nothing is known to have been recorded; [`ReadError::Gone`] if the whole log is gone.
    pub fn of_what_is_whole(home: &Path, state: Option<&Path>) -> Result<Self, ReadError> {
        let (reader, missing) = Self::inspected(home, state)?;
        if missing.is_empty() {
            return Ok(reader);
        }
        // A process may have written or pruned segments between two looks, so this looks again.
        let (reader, missing) = Self::inspected(home, state)?;
        if let Some(salvage) = &reader.salvage {
            missing.into_iter().for_each(|damage| salvage.note(home, damage));
        }
        Ok(reader)
    }

    /// Returns a reader, and what is missing from the log.
    fn inspected(home: &Path, state: Option<&Path>) -> Result<(Self, Vec<Damage>), ReadError> {
        // Second state is read first: a process that writes meanwhile only adds to the log.
        let remembered = Memory::of(home, state);
        let folder = segment::folder(home);
        let numbers = segment::list(&folder).map_err(|cause| ReadError::Io { cause: home::told(&folder, cause), path: folder.clone() })?;
        let Some(first) = numbers.first().copied() else {
            return Err(remembered.gone(home).unwrap_or_else(|| ReadError::NoLog { home: home.to_owned() }));
        };
        let header = numbers.iter().find_map(|number| segment::open(&folder, *number, None).ok());
        let log = match header {
            Some((_, header)) => header.log,
            None => return Err(ReadError::Fault(segment::open(&folder, first, None).err().unwrap_or_else(|| no_header(first)))),
        };
        let (sight, forged) = match Sight::of(home, log) {
            Ok(sight) => (sight, None),
            Err(err) => (Sight::default(), Some(Damage { fault: base_fault(err), until: None })),
        };
        let sight = Arc::new(sight.with_index(home, log));
        let reader = Self { home: home.to_owned(), folder, log, salvage: Some(Salvage::default()), sight, proves: true };
        // Listed again, since the index was read after the first list and may know more segments.
        let mut numbers = segment::list(&reader.folder).map_err(|cause| reader.io(cause))?;
        numbers.retain(|number| *number >= reader.sight.first());
        let mut missing = remembered.missing(&reader, &numbers);
        missing.extend(forged);
        Ok((reader, missing))
    }
}

fn no_header(segment: u32) -> LogFault {
    LogFault { at: Position { segment, offset: 0, index: 0 }, what: FaultKind::HeaderBroken }
}
