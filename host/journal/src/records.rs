//! Iterates over the records of a log, batch by batch.

use std::collections::VecDeque;

use vocabulary::{Digest, RunId};

use crate::derived::Mark;
use crate::err::{FaultKind, LogFault, Newer, ReadError};
use crate::frame::{HEADER_END, LeafView};
use crate::ids::Position;
use crate::note::Checkpoint;
use crate::proof::{Proof, begins_run};
use crate::read::{Reader, StoredRecord};
use crate::salvage::{Damage, Salvage, next_batch};
use crate::scan::{Batch, Scanned, Scanner};
use crate::segment::{self, has_later_batch, written_after};
use crate::tree::leaf_hash;
use crate::walk::end_of_checkpoint;
use crate::wire::wide;

/// BOUND: bytes of records that are held until their signature is checked, besides those of one batch.
const HELD_BYTES_MAX: usize = 1 << 20;

/// An iterator over records in their order. After the last record it returns `None`, and continues when the log has more.
pub struct Records {
    reader: Reader,
    /// Where the next batch begins.
    pub(crate) at: Position,
    scanner: Option<Scanner>,
    pub(crate) ready: VecDeque<StoredRecord>,
    /// Records that were read, but are not yet covered by a signature that was checked. They are not returned before that.
    held: VecDeque<StoredRecord>,
    /// How many bytes the held records have.
    held_bytes: usize,
    pub(crate) only: Option<RunId>,
    /// The position from which on records are returned.
    began: Position,
    /// The leaf hash of the last record. If only one run is read, the next record must name it.
    last: Option<Digest>,
    /// The end of the batch that was read last.
    mark: Option<Mark>,
    /// The proof, if records are proved. It begins with the first batch.
    proof: Option<Proof>,
}

impl Records {
    pub(crate) fn new(reader: Reader, from: Position) -> Self {
        // A log whose earlier segments were pruned begins later.
        let first = reader.sight.base.as_ref().map(|base| Position { segment: base.segment, index: base.size, ..Position::start() });
        let from = first.map_or(from, |first| from.max(first));
        Self {
            reader,
            at: from,
            scanner: None,
            ready: VecDeque::new(),
            held: VecDeque::new(),
            held_bytes: 0,
            only: None,
            began: from,
            last: None,
            mark: None,
            proof: None,
        }
    }

    /// Returns only the records of one run.
    pub(crate) fn of(self, run: RunId) -> Self {
        Self { only: Some(run), ..self }
    }

    /// The end of the last batch, if all records up to it have been returned.
    pub fn mark(&self) -> Option<Mark> {
        // After damage was skipped, the end of a batch says nothing about the whole log.
        self.mark.filter(|_| self.ready.is_empty() && self.held.is_empty() && self.reader.damage().is_empty())
    }

    /// Checks the signature over everything that was read so far, so that it can be returned. This happens every few batches or bytes, at the end of
    /// the log, and after each batch that has a record of the run, if only one run is read.
    ///
    /// # Errors
    /// The log's key did not sign it.
    fn prove(&mut self) -> Result<(), ReadError> {
        let checked = self.proof.as_mut().map_or(Ok(()), Proof::check).map_err(ReadError::Fault);
        match &checked {
            Ok(()) => self.ready.append(&mut self.held),
            Err(_) => self.held.clear(),
        }
        self.held_bytes = 0;
        checked
    }

    /// Skips the records before this index.
    pub(crate) fn skip_to(&mut self, index: u64) -> Result<(), ReadError> {
        while self.at.index <= index {
            self.ready.clear();
            self.held.clear();
            self.held_bytes = 0;
            if !self.more()? {
                break;
            }
        }
        self.ready.retain(|record| record.at.index >= index);
        self.held.retain(|record| record.at.index >= index);
        Ok(())
    }

    /// Goes back to a position at which the tree is known. It is at or before the position from which on records are returned.
    fn begin_proof(&mut self) -> Result<(), ReadError> {
        let sight = self.reader.sight.clone();
        let Some(key) = sight.key.clone() else {
            return Err(ReadError::Fault(LogFault { at: Position { offset: 0, ..self.at }, what: FaultKind::KeyUnreadable }));
        };
        if let Some(index) = sight.index.as_ref().filter(|index| index.checkpoint.size <= self.began.index)
            && end_of_checkpoint(&self.reader.folder, &key, &index.checkpoint) == Some(index.next)
        {
            self.at = Position { segment: index.checkpoint.segment, offset: index.next, index: index.checkpoint.size };
            self.proof = Some(Proof::new(key, Some(index.tree.clone())));
            return Ok(());
        }
        for number in (sight.first()..=self.began.segment).rev() {
            let Ok((file, header)) = segment::open(&self.reader.folder, number, Some(self.reader.log)) else { continue };
            if let Ok(Some(tree)) = segment::base(&file, &header, &key) {
                self.at = Position { segment: number, offset: u64::from(HEADER_END), index: header.first };
                self.proof = Some(Proof::new(key, Some(tree)));
                return Ok(());
            }
        }
        // No base can be used. Reading from the beginning reports that.
        self.at = Position { segment: sight.first(), index: sight.base.as_ref().map_or(0, |base| base.size), ..Position::start() };
        self.proof = Some(Proof::new(key, None));
        Ok(())
    }

    /// Reads the next batch. Returns false at the end of the log.
    fn more(&mut self) -> Result<bool, ReadError> {
        if self.reader.proves && self.proof.is_none() {
            match (self.begin_proof(), &self.reader.salvage) {
                (Err(ReadError::Fault(fault)), Some(salvage)) => {
                    // The fault is reported, and the records are returned although they can't be proved.
                    salvage.note(&self.reader.home, Damage { until: Some(self.at), fault });
                    self.reader.proves = false;
                }
                (begun, _) => begun?,
            }
        }
        let Some(salvage) = self.reader.salvage.clone() else {
            return match self.step().map_err(|err| self.reader.of_now(err)) {
                Ok(true) => Ok(true),
                Ok(false) => self.prove().map(|()| !self.ready.is_empty()),
                // Records before the error are returned first, if they are proved. The next step finds the same error again.
                Err(_) if !self.held.is_empty() && self.prove().is_ok() => Ok(true),
                Err(err) => Err(err),
            };
        };
        loop {
            let fault = match self.step() {
                // The writer has begun the next segment since the reader looked for it.
                Ok(false) if segment::path(&self.reader.folder, self.at.segment.saturating_add(1)).exists() => continue,
                Ok(false) => match self.prove() {
                    Err(ReadError::Fault(fault)) => fault,
                    Err(other) => return Err(other),
                    Ok(()) if !self.ready.is_empty() => return Ok(true),
                    Ok(()) => match self.missing_end(&salvage)? {
                        Some(fault) => fault,
                        None => return Ok(false),
                    },
                },
                Err(ReadError::Fault(fault)) if is_passed_over(&fault) => fault,
                read => return read,
            };
            if self.reader.is_pruned() {
                return Err(self.reader.of_now(ReadError::Fault(fault)));
            }
            let until = next_batch(&self.reader.folder, self.reader.log, self.at).map_err(|cause| self.reader.io(cause))?;
            // Records before the damage are returned if they are proved. Otherwise the damage begins earlier.
            if let Err(ReadError::Fault(unsigned)) = self.prove() {
                salvage.note(&self.reader.home, Damage { fault: unsigned, until });
            }
            salvage.note(&self.reader.home, Damage { fault, until });
            let Some(until) = until else { return Ok(!self.ready.is_empty()) };
            self.scanner = None;
            self.at = until;
            if let Some(proof) = &mut self.proof {
                proof.lose();
            }
            if !self.ready.is_empty() {
                return Ok(true);
            }
        }
    }

    /// Called at what seems to be the end: checks whether more records are known to have existed.
    fn missing_end(&self, salvage: &Salvage) -> Result<Option<LogFault>, ReadError> {
        let numbers = segment::list(&self.reader.folder).map_err(|cause| self.reader.io(cause))?;
        if numbers.iter().any(|number| *number > self.at.segment) {
            let at = Position { segment: self.at.segment + 1, offset: 0, index: self.at.index };
            return Ok(Some(LogFault { at, what: FaultKind::SegmentMissing }));
        }
        let known = salvage.known().filter(|known| *known > self.at.index);
        let behind = known.map(|known| LogFault { at: self.at, what: FaultKind::Behind { size: self.at.index, known } });
        Ok(behind.filter(|fault| !salvage.has(fault)))
    }

    fn step(&mut self) -> Result<bool, ReadError> {
        loop {
            let mut scanner = match self.scanner.take() {
                Some(scanner) => scanner,
                None => self.enter()?,
            };
            // Checked before reading: if there is a next segment, nothing more will be written to this one.
            let next = self.at.segment.saturating_add(1);
            let is_last = !segment::path(&self.reader.folder, next).exists();
            let mut found = scanner.advance().map_err(|cause| self.reader.io(cause))?;
            if found != Scanned::Batch {
                // The file may have grown since it was read.
                scanner.rescan();
                found = scanner.advance().map_err(|cause| self.reader.io(cause))?;
            }
            let taken = match found {
                Scanned::Batch => self.take(&scanner.batch())?,
                Scanned::End if is_last => self.at_end()?,
                Scanned::End => {
                    self.at = Position { segment: next, offset: Position::start().offset, ..self.at };
                    continue;
                }
                Scanned::Broken { at, leaves, .. } => {
                    let at = Position { offset: at, index: self.at.index + leaves, ..self.at };
                    self.judge(&mut scanner, at, is_last)?
                }
            };
            self.scanner = Some(scanner);
            return Ok(taken);
        }
    }

    /// Opens the segment with the next batch.
    fn enter(&mut self) -> Result<Scanner, ReadError> {
        let (file, header) = segment::open(&self.reader.folder, self.at.segment, Some(self.reader.log)).map_err(ReadError::Fault)?;
        let begins_here = self.at.offset <= u64::from(HEADER_END);
        let scanner = segment::scanner(file.try_clone().map_err(|cause| self.reader.io(cause))?, &header, self.at.offset);
        if begins_here && self.proof.is_some() {
            // The last signature is in the previous segment.
            self.prove()?;
        }
        if begins_here && let Some(proof) = &mut self.proof {
            let at = Position { offset: u64::from(HEADER_END), index: header.first, ..self.at };
            proof.begin_segment(&file, &header).map_err(|what| ReadError::Fault(LogFault { at, what }))?;
        }
        self.at.offset = scanner.at();
        Ok(scanner)
    }

    /// Called where a segment ends and there is no next one: checks whether there are later ones.
    fn at_end(&self) -> Result<bool, ReadError> {
        let next = self.at.segment.saturating_add(1);
        let later = segment::list(&self.reader.folder).map_err(|cause| self.reader.io(cause))?.into_iter().find(|number| *number >= next);
        match later {
            // The segment was begun after the check, and is read the next time.
            None => Ok(false),
            Some(number) if number == next => Ok(false),
            Some(_) => {
                let at = Position { segment: next, offset: 0, index: self.at.index };
                Err(ReadError::Fault(LogFault { at, what: FaultKind::SegmentMissing }))
            }
        }
    }

    /// Bytes that are not a batch are either being written at the moment, or damaged. They are damaged if a later batch is complete and
    /// they still are not a batch when they are read again after that.
    fn judge(&mut self, scanner: &mut Scanner, at: Position, is_last: bool) -> Result<bool, ReadError> {
        let start = self.at.offset;
        let rest = written_after(scanner.file(), start).map_err(|cause| self.reader.io(cause))?;
        if is_last && !has_later_batch(&rest, start, at.segment, self.reader.log, None) {
            return Ok(false);
        }
        scanner.rescan();
        match scanner.advance().map_err(|cause| self.reader.io(cause))? {
            Scanned::Batch => self.take(&scanner.batch()),
            Scanned::End | Scanned::Broken { .. } => Err(ReadError::Fault(LogFault { at, what: FaultKind::FrameBroken })),
        }
    }

    /// Adds the records of a batch, after checking that its trailer belongs to this position. Reading may have begun within the batch.
    fn take(&mut self, batch: &Batch<'_>) -> Result<bool, ReadError> {
        let moved = || ReadError::Fault(LogFault { at: self.at, what: FaultKind::TrailerMoved });
        let (note, end) = batch.trailer().ok_or_else(moved)?;
        let signed = Checkpoint::read(note).map_err(|_| moved())?;
        let here = signed.segment == self.at.segment
            && signed.log == self.reader.log
            && signed.start <= batch.start
            && signed.start.checked_add(signed.bytes) == Some(end);
        if !here {
            return Err(moved());
        }
        let hashes = match &mut self.proof {
            Some(proof) => Some(proof.batch(self.at, batch, &signed, note).map_err(ReadError::Fault)?),
            None => None,
        };
        let mut hashes = hashes.into_iter().flatten();
        let (mut at, mut fresh) = (self.at, VecDeque::new());
        for span in batch.frames.iter().filter(|span| span.is_leaf()) {
            at.offset = batch.start + wide(span.start());
            let malformed = || ReadError::Fault(LogFault { at, what: FaultKind::LeafMalformed });
            let view = batch.leaf(span).ok_or_else(malformed)?;
            let hash = hashes.next();
            if at.index >= self.began.index && self.only.is_none_or(|only| only == view.head.run) {
                if let Some(form) = vocabulary::record::newer_form(view.body) {
                    return Err(ReadError::Newer(Newer { at, run: view.head.run, form }));
                }
                let content = batch.content(span);
                let leaf = Digest::from_bytes(hash.unwrap_or_else(|| leaf_hash(content)));
                self.follows(&view, at, leaf)?;
                self.held_bytes += content.len();
                fresh.push_back(StoredRecord::new(at, content, &view, leaf));
            }
            at.index += 1;
        }
        let is_asked_for = self.only.is_some() && !fresh.is_empty();
        self.held.append(&mut fresh);
        if is_asked_for || self.held_bytes > HELD_BYTES_MAX || self.proof.as_ref().is_none_or(Proof::is_due) {
            self.prove()?;
        }
        self.at = Position { offset: batch.end(), ..at };
        self.mark = Some(Mark { checkpoint: signed, next: self.at });
        Ok(true)
    }
}

impl Records {
    /// If only one run is read, checks that a record follows the previous one.
    fn follows(&mut self, view: &LeafView<'_>, at: Position, leaf: Digest) -> Result<(), ReadError> {
        let (base, head) = (self.reader.sight.base.as_ref(), &view.head);
        // After damage, the beginning of a run may be missing. The damage was reported.
        let must_begin = self.reader.salvage.is_some() && (self.reader.damage().is_empty() || self.began == Position::start());
        let follows = match self.last {
            Some(last) => last == head.prev,
            None => !must_begin || begins_run(base, head.run, head.seq, head.prev),
        };
        if self.only.is_some() && !follows {
            return Err(ReadError::Fault(LogFault { at, what: FaultKind::ChainBroken { run: head.run } }));
        }
        self.last = Some(leaf);
        Ok(())
    }
}

impl Iterator for Records {
    type Item = Result<StoredRecord, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        while self.ready.is_empty() {
            match self.more() {
                Ok(true) => {}
                Ok(false) => return None,
                Err(err) => return Some(Err(err)),
            }
        }
        self.ready.pop_front().map(Ok)
    }
}

/// Whether the fault is skipped and the records after it are returned. If this user may not read the log, that is not damage, and nothing
/// is skipped.
fn is_passed_over(fault: &LogFault) -> bool {
    match &fault.what {
        FaultKind::ChainBroken { .. } => false,
        FaultKind::Unreadable(unread) => unread.trouble.as_ref().is_some_and(|trouble| trouble.cause() == home::Cause::Device),
        _ => true,
    }
}

impl Reader {
    /// All records of the log.
    pub fn records(&self) -> Records {
        self.records_from(Position::start())
    }

    /// The records from a position on, which must be one that the journal returned.
    pub fn records_from(&self, from: Position) -> Records {
        Records::new(self.clone(), from)
    }

    /// The records from this index on. Reads the segment with that record to find it.
    pub fn records_from_index(&self, index: u64) -> Result<Records, ReadError> {
        let numbers = segment::list(&self.folder).map_err(|cause| self.io(cause))?;
        let mut from = Position::start();
        for number in numbers.iter().rev().copied() {
            let (_, header) = segment::open(&self.folder, number, Some(self.log)).map_err(ReadError::Fault)?;
            if header.first <= index {
                from = Position { segment: number, index: header.first, ..from };
                break;
            }
        }
        let mut records = self.records_from(from);
        records.skip_to(index)?;
        Ok(records)
    }

    /// The records of one run. Reads the whole log.
    pub fn of_run(&self, run: RunId) -> Records {
        self.of_run_from(run, Position::start())
    }

    /// The records of one run from a position on.
    pub fn of_run_from(&self, run: RunId, from: Position) -> Records {
        self.records_from(from).of(run)
    }
}
