//! Reading records back, with or without a process that writes.
//!
//! A reader sees whole batches whose trailer is in its place. It checks checksums and places, not signatures and roots: that is the
//! verifier's work. While a process writes, the newest batch may be seen a moment before it is durable.

use std::collections::VecDeque;
use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use effect::{Digest, RunId};

use crate::derived::{Derived, Mark};
use crate::err::{Fault, FaultKind, Newer, ReadError};
use crate::frame::{CONTENT_BYTES_MAX, HEAD_BYTES, LeafView, Parsed, frame_bytes, leaf, parse};
use crate::ids::{LogId, Position};
use crate::index::Index;
use crate::keys::{HomeKey, KeyFile, load_public};
use crate::note::Checkpoint;
use crate::open::rely_on;
use crate::payload::{self, Place};
use crate::salvage::{Damage, Salvage, next_batch};
use crate::scan::{Batch, Found, Scanner};
use crate::segment::{self, has_later_batch, written_after};
use crate::state::{remembered, state_path};
use crate::tree::leaf_hash;
use crate::walk::end_of_checkpoint;
use crate::wire::wide;

/// A record that was read back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Where it lies.
    pub at: Position,
    /// Whose it is.
    pub run: RunId,
    /// Its number in the run, from 1.
    pub seq: u64,
    /// The leaf hash of the run's previous record, or zeros.
    pub prev: Digest,
    /// Its own leaf hash.
    pub leaf: Digest,
    /// Whether the run ended with it.
    pub ends: bool,
    /// What was appended.
    pub body: Vec<u8>,
    digests: Vec<[u8; 32]>,
    /// Where the first payload begins.
    payloads_at: u64,
}

impl Record {
    fn new(at: Position, content: &[u8], view: &LeafView<'_>) -> Self {
        Self {
            at,
            run: view.head.run,
            seq: view.head.seq,
            prev: view.head.prev,
            leaf: Digest::from_bytes(leaf_hash(content)),
            ends: view.head.ends,
            body: view.body.to_vec(),
            digests: view.digests.chunks_exact(32).filter_map(|digest| digest.try_into().ok()).collect(),
            payloads_at: at.offset.saturating_add(frame_bytes(content.len())),
        }
    }

    /// How many payloads it has.
    pub fn payloads(&self) -> usize {
        self.digests.len()
    }
}

/// Reads the log of a home. Needs no lock.
#[derive(Clone, Debug)]
pub struct Reader {
    home: PathBuf,
    folder: PathBuf,
    log: LogId,
    /// The damage that it has passed over, if it passes over damage.
    salvage: Option<Salvage>,
}

impl Reader {
    /// A reader of the log in this home.
    pub fn open(home: &Path) -> Result<Self, ReadError> {
        let folder = segment::folder(home);
        match segment::open(&folder, 1, None) {
            Ok((_, header)) => Ok(Self { home: home.to_owned(), folder, log: header.log, salvage: None }),
            Err(fault) if fault.what == FaultKind::SegmentMissing => Err(ReadError::NoLog { home: home.to_owned() }),
            Err(fault) => Err(ReadError::Fault(fault)),
        }
    }

    /// A file that was derived from this log. `None` if the home's key is not here.
    pub fn derived(&self, name: &str) -> Option<Derived> {
        if !self.relies_on_index() {
            return None;
        }
        Derived::open(&self.home, name, self.log)
    }

    /// The last summary that the home's holder has kept, and the first record that is not in it. `None` if there is none, if it is not of
    /// this log, or if the home's key is not here.
    pub fn snapshot(&self) -> Option<(Vec<u8>, Position)> {
        let index = Index::read(&self.home, &HomeKey::load(&self.home).ok()?.index)?;
        let key = load_public(&self.home)?;
        if !self.relies_on_index() {
            return None;
        }
        let stands = end_of_checkpoint(&self.folder, &key, &index.checkpoint) == Some(index.next);
        index.snapshot.filter(|_| stands).map(|snapshot| (snapshot.bytes, snapshot.unfolded))
    }

    /// A reader that passes over damage and returns everything else. Afterwards [`Reader::damage`] says what it passed over. With a folder
    /// of second state, a missing end is damage too. The records of one run are returned up to the first one that does not follow the one
    /// before.
    pub fn of_what_is_whole(home: &Path, state: Option<&Path>) -> Result<Self, ReadError> {
        let folder = segment::folder(home);
        let io = |cause| ReadError::Io { path: folder.clone(), cause };
        let numbers = segment::list(&folder).map_err(io)?;
        let first = numbers.first().copied().ok_or_else(|| ReadError::NoLog { home: home.to_owned() })?;
        let header = numbers.iter().find_map(|number| segment::open(&folder, *number, None).ok());
        let log = match header {
            Some((_, header)) => header.log,
            None => return Err(ReadError::Fault(segment::open(&folder, first, None).err().unwrap_or_else(|| no_header(first)))),
        };
        let known = state.and_then(|state| remembered(&state_path(state, log)).ok().flatten()).map(|known| known.size);
        Ok(Self { home: home.to_owned(), folder, log, salvage: Some(Salvage::new(known)) })
    }

    /// Whether an earlier summary may be used instead of reading its records again: no segment was written to since. A reader that must not
    /// pass over anything reads everything anyway.
    fn relies_on_index(&self) -> bool {
        let relied = || {
            let index = Index::read(&self.home, &HomeKey::load(&self.home).ok()?.index)?;
            rely_on(&self.home, &self.folder, &load_public(&self.home)?, &index)
        };
        self.salvage.is_none() || relied().is_some()
    }

    /// What was passed over so far.
    pub fn damage(&self) -> Vec<Damage> {
        self.salvage.as_ref().map(Salvage::damage).unwrap_or_default()
    }

    /// The log's name.
    pub fn log(&self) -> LogId {
        self.log
    }

    /// All records.
    pub fn records(&self) -> Records {
        self.records_from(Position::start())
    }

    /// The records from a place on, which must be one that the journal gave.
    pub fn records_from(&self, from: Position) -> Records {
        Records { reader: self.clone(), at: from, scanner: None, ready: VecDeque::new(), only: None, began: from, last: None, mark: None }
    }

    /// The records from this index on. Reads the rest of one segment to find it.
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
        while records.at.index <= index {
            records.ready.clear();
            if !records.more()? {
                break;
            }
        }
        records.ready.retain(|record| record.at.index >= index);
        Ok(records)
    }

    /// The records of one run. Reads the whole log.
    pub fn of_run(&self, run: RunId) -> Records {
        self.of_run_from(run, Position::start())
    }

    /// The records of one run from a place on.
    pub fn of_run_from(&self, run: RunId, from: Position) -> Records {
        Records { only: Some(run), ..self.records_from(from) }
    }

    /// The record at a place that an earlier reading gave.
    pub fn fetch(&self, at: Position) -> Result<Record, ReadError> {
        let content = self.frame(at)?;
        let view = leaf(&content).filter(|_| content.first() != Some(&crate::frame::TRAILER));
        let view = view.filter(|_| content.first() != Some(&crate::frame::PAYLOAD)).ok_or(ReadError::NotThere)?;
        Ok(Record::new(at, &content, &view))
    }

    /// The plain bytes of a record's payload. Needs the home's key and the run's.
    pub fn payload(&self, record: &Record, number: usize) -> Result<Vec<u8>, ReadError> {
        let run = record.run;
        let named = record.digests.get(number).ok_or(ReadError::NotThere)?;
        let mut at = Position { offset: record.payloads_at, ..record.at };
        let mut content = self.frame(at)?;
        for _ in 0..number {
            at.offset = at.offset.saturating_add(frame_bytes(content.len()));
            content = self.frame(at)?;
        }
        if payload::digest(&content) != *named {
            return Err(ReadError::Fault(Fault { at, what: FaultKind::PayloadDiffers }));
        }
        let no_key = || ReadError::NoKey { run };
        let home = HomeKey::load(&self.home).map_err(|_| no_key())?;
        let keys = KeyFile::open(&self.home).map_err(|cause| self.io(cause))?.ok_or_else(no_key)?;
        let slot = payload::slot(&content).ok_or(ReadError::Sealed { run })?;
        let key = keys.key(&home, run, slot).ok_or_else(no_key)?;
        let number = u8::try_from(number).map_err(|_| ReadError::NotThere)?;
        let place = Place { run, seq: record.seq, number, slot };
        payload::open(&content, &key, &place).ok_or(ReadError::Sealed { run })
    }

    /// The content of the frame at a place.
    fn frame(&self, at: Position) -> Result<Vec<u8>, ReadError> {
        let broken = || ReadError::Fault(Fault { at, what: FaultKind::FrameBroken });
        let (file, _) = segment::open(&self.folder, at.segment, Some(self.log)).map_err(ReadError::Fault)?;
        let mut head = [0; HEAD_BYTES];
        file.read_exact_at(&mut head, at.offset).map_err(|_| ReadError::NotThere)?;
        let Parsed::Incomplete(needed) = parse(&head) else { return Err(ReadError::NotThere) };
        // BOUND: parse refuses longer ones already.
        let mut bytes = vec![0; needed.min(CONTENT_BYTES_MAX + HEAD_BYTES)];
        file.read_exact_at(&mut bytes, at.offset).map_err(|_| broken())?;
        match parse(&bytes) {
            Parsed::Frame(content) => Ok(content.to_vec()),
            Parsed::Incomplete(_) | Parsed::Blank | Parsed::Broken => Err(broken()),
        }
    }

    fn io(&self, cause: std::io::Error) -> ReadError {
        ReadError::Io { path: self.folder.clone(), cause }
    }
}

fn no_header(segment: u32) -> Fault {
    Fault { at: Position { segment, offset: 0, index: 0 }, what: FaultKind::HeaderBroken }
}

/// Records in their order. After the last one it gives nothing, and goes on when there are more.
pub struct Records {
    reader: Reader,
    /// Where the next batch to be read begins.
    at: Position,
    scanner: Option<Scanner>,
    ready: VecDeque<Record>,
    only: Option<RunId>,
    /// Where reading began.
    began: Position,
    /// The last record of that run: the next one names it.
    last: Option<Digest>,
    /// The end of the batch that was read last.
    mark: Option<Mark>,
}

impl Records {
    /// The end of a batch, when all records up to it have been given out.
    pub fn mark(&self) -> Option<Mark> {
        // What was read past damage says nothing about the whole log.
        self.mark.filter(|_| self.ready.is_empty() && self.reader.damage().is_empty())
    }

    /// Reads the next batch; false at the end of the log.
    fn more(&mut self) -> Result<bool, ReadError> {
        let Some(salvage) = self.reader.salvage.clone() else { return self.step() };
        loop {
            let fault = match self.step() {
                // The writer has begun it since the reader looked for it.
                Ok(false) if segment::path(&self.reader.folder, self.at.segment.saturating_add(1)).exists() => continue,
                Ok(false) => match self.missing_end(&salvage)? {
                    Some(fault) => fault,
                    None => return Ok(false),
                },
                Err(ReadError::Fault(fault)) if !matches!(fault.what, FaultKind::ChainBroken { .. }) => fault,
                read => return read,
            };
            let until = next_batch(&self.reader.folder, self.reader.log, self.at).map_err(|cause| self.reader.io(cause))?;
            salvage.note(&self.reader.home, Damage { fault, until });
            let Some(until) = until else { return Ok(false) };
            self.scanner = None;
            self.at = until;
        }
    }

    /// At what seems to be the end: checks whether there is known to have been more.
    fn missing_end(&self, salvage: &Salvage) -> Result<Option<Fault>, ReadError> {
        let numbers = segment::list(&self.reader.folder).map_err(|cause| self.reader.io(cause))?;
        if numbers.iter().any(|number| *number > self.at.segment) {
            let at = Position { segment: self.at.segment + 1, offset: 0, index: self.at.index };
            return Ok(Some(Fault { at, what: FaultKind::SegmentMissing }));
        }
        let known = salvage.known.filter(|known| *known > self.at.index);
        let behind = known.map(|known| Fault { at: self.at, what: FaultKind::Behind { size: self.at.index, known } });
        Ok(behind.filter(|fault| !salvage.damage().iter().any(|damage| damage.fault == *fault)))
    }

    fn step(&mut self) -> Result<bool, ReadError> {
        loop {
            let mut scanner = match self.scanner.take() {
                Some(scanner) => scanner,
                None => Scanner::new(self.segment(self.at.segment)?, self.at.offset),
            };
            // Looked for before reading: if there is a next segment, nothing more will be written to this one.
            let next = self.at.segment.saturating_add(1);
            let is_last = !segment::path(&self.reader.folder, next).exists();
            let mut found = scanner.advance().map_err(|cause| self.reader.io(cause))?;
            if found != Found::Batch {
                // What was read a while ago may have grown since.
                scanner.look_again();
                found = scanner.advance().map_err(|cause| self.reader.io(cause))?;
            }
            let taken = match found {
                Found::Batch => self.take(&scanner.batch())?,
                Found::End if is_last => false,
                Found::End => {
                    self.at = Position { segment: next, offset: Position::start().offset, ..self.at };
                    continue;
                }
                Found::Broken { at, leaves, .. } => {
                    let at = Position { offset: at, index: self.at.index + leaves, ..self.at };
                    self.judge(&mut scanner, at, is_last)?
                }
            };
            self.scanner = Some(scanner);
            return Ok(taken);
        }
    }

    fn segment(&self, number: u32) -> Result<File, ReadError> {
        let (file, _) = segment::open(&self.reader.folder, number, Some(self.reader.log)).map_err(ReadError::Fault)?;
        Ok(file)
    }

    /// What is no batch is either being written just now, or damaged. It is damaged when a later batch was completed, and it still is
    /// no batch when looked at after that.
    fn judge(&mut self, scanner: &mut Scanner, at: Position, is_last: bool) -> Result<bool, ReadError> {
        let start = self.at.offset;
        let rest = written_after(scanner.file(), start).map_err(|cause| self.reader.io(cause))?;
        if is_last && !has_later_batch(&rest, start, at.segment, self.reader.log, None) {
            return Ok(false);
        }
        scanner.look_again();
        match scanner.advance().map_err(|cause| self.reader.io(cause))? {
            Found::Batch => self.take(&scanner.batch()),
            Found::End | Found::Broken { .. } => Err(ReadError::Fault(Fault { at, what: FaultKind::FrameBroken })),
        }
    }

    /// Takes the records of a batch whose trailer is of this place. Reading may have begun within the batch.
    fn take(&mut self, batch: &Batch<'_>) -> Result<bool, ReadError> {
        let moved = || ReadError::Fault(Fault { at: self.at, what: FaultKind::TrailerMoved });
        let (note, end) = batch.trailer().ok_or_else(moved)?;
        let signed = Checkpoint::read(note).map_err(|_| moved())?;
        let here = signed.segment == self.at.segment
            && signed.log == self.reader.log
            && signed.start <= batch.start
            && signed.start.checked_add(signed.bytes) == Some(end);
        if !here {
            return Err(moved());
        }
        let mut at = self.at;
        for span in batch.frames.iter().filter(|span| span.is_leaf()) {
            at.offset = batch.start + wide(span.start());
            let malformed = || ReadError::Fault(Fault { at, what: FaultKind::LeafMalformed });
            let view = batch.leaf(span).ok_or_else(malformed)?;
            if self.only.is_none_or(|only| only == view.head.run) {
                if let Some(form) = effect::record::newer_form(view.body) {
                    return Err(ReadError::Newer(Newer { at, run: view.head.run, form }));
                }
                let record = Record::new(at, batch.content(span), &view);
                let is_first = self.last.is_none() && self.reader.salvage.is_some() && self.began == Position::start();
                let follows = self.last.map_or(!is_first || record.seq == 1, |last| last == record.prev);
                if self.only.is_some() && !follows {
                    return Err(ReadError::Fault(Fault { at, what: FaultKind::ChainBroken { run: record.run } }));
                }
                self.last = Some(record.leaf);
                self.ready.push_back(record);
            }
            at.index += 1;
        }
        self.at = Position { offset: batch.end(), ..at };
        self.mark = Some(Mark { checkpoint: signed, next: self.at });
        Ok(true)
    }
}

impl Iterator for Records {
    type Item = Result<Record, ReadError>;

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
