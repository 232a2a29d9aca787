//! An index of what was touched, beside the log. It has sums for each run and each stretch of records. A question adds up these sums, so a
//! question about a million records reads none of them.
//!
//! The index is derived from the log and proves nothing. A file that does not belong to the log is made again (`journal::Derived`), and
//! `audit verify` never reads it. A reader, or the host of the home, extends it when it reads past its end and may write.

use std::collections::{BTreeSet, HashMap, HashSet};

use journal::{Derived, Mark, Position, ReadError, Reader, log_run};
use serde::{Deserialize, Serialize};
use vocabulary::record::{Record, RecordKind};
use vocabulary::{Digest, RunId, SafeText};

use crate::times::Times;
use crate::touched::{Touched, TouchedLine, TouchedLines};

/// The name of the file: `journal.touched`.
const NAME: &str = "touched";
/// A block is written only for at least this many records past the end of the index.
const WORTH: u64 = 4096;
/// BOUND: rows or records that are summed up before a block is written, at the next end of a batch.
const BLOCK_ROWS_MAX: usize = 60_000;
const BLOCK_RECORDS_MAX: u64 = 65_536;

/// The part of a run in one stretch of records.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// The place of its first record in the stretch.
    pub at: IndexPlace,
    /// Whether the run ended in the stretch.
    pub ended: bool,
    /// How the run was opened, if it was opened in the stretch.
    pub opened: Option<OpenedIndex>,
    /// How many of its records are in the stretch.
    pub records: u64,
    /// The id of the run.
    pub run: RunId,
}

/// A position in the log (segment, offset, index), in a form that can be stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IndexPlace(u32, u64, u64);

impl From<Position> for IndexPlace {
    fn from(at: Position) -> Self {
        Self(at.segment, at.offset, at.index)
    }
}

impl From<IndexPlace> for Position {
    fn from(IndexPlace(segment, offset, index): IndexPlace) -> Self {
        Self { segment, offset, index }
    }
}

/// What a question needs of a run's first record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenedIndex {
    /// The agent's name.
    pub agent: SafeText,
    /// Digest of the component.
    pub component: Digest,
    /// Digest of the configuration, if there was one.
    pub config: Option<Digest>,
}

/// The front of a block: what is known without reading its lines.
#[derive(Default, Serialize, Deserialize)]
struct IndexFront {
    /// The place of its first record. `None` only in a block without records.
    from: Option<IndexPlace>,
    /// Kinds of its records, by name, because another version may know other kinds.
    kinds: BTreeSet<String>,
    parts: Vec<Part>,
    /// Names of credentials that were changed.
    credentials: Vec<SafeText>,
}

/// A pass through the record with its index: first the blocks, then the records after them.
pub(crate) trait Visitor {
    /// Everything that was reported so far is wrong, and is reported again.
    fn begin_anew(&mut self);
    /// A run has records in the next stretch.
    fn part(&mut self, part: &Part);
    /// The value of a credential was changed.
    fn credential(&mut self, name: &SafeText);
    /// A run touched something.
    fn line(&mut self, run: RunId, line: TouchedLine);
    /// The next stretch begins here, and has records of these kinds, as far as this version knows them.
    fn stretch(&mut self, _from: IndexPlace, _kinds: &BTreeSet<String>) {}
    /// Whether the visitor needs lines at all.
    fn wants_lines(&self) -> bool {
        true
    }
}

/// Passes through the whole record.
///
/// # Errors
/// The log can't be read.
pub(crate) fn visit(reader: &Reader, visitor: &mut dyn Visitor) -> Result<(), ReadError> {
    let mut derived = reader.derived(NAME);
    let lines = match derived.as_mut().map(|derived| blocks(derived, visitor)) {
        Some(Some(lines)) => lines,
        // The index can't be used.
        Some(None) => {
            visitor.begin_anew();
            if let Some(derived) = &mut derived {
                derived.forget();
            }
            TouchedLines::default()
        }
        None => TouchedLines::default(),
    };
    rest(reader, (derived, lines), visitor)
}

/// Extends the index to the end of a log with this number of records, if there are enough new ones.
///
/// # Errors
/// The log can't be read.
pub fn catch_up(reader: &Reader, size: u64) -> Result<(), ReadError> {
    let Some(mut derived) = reader.derived(NAME) else { return Ok(()) };
    if size.saturating_sub(derived.mark().map_or(0, |mark| mark.next().index)) < WORTH {
        return Ok(());
    }
    let lines = match derived.read_last() {
        Ok(Some(block)) => decode(&block).map(|(.., lines)| lines),
        Ok(None) | Err(_) => None,
    };
    let lines = lines.unwrap_or_else(|| {
        derived.forget();
        TouchedLines::default()
    });
    rest(reader, (Some(derived), lines), &mut Nobody)
}

struct Nobody;

impl Visitor for Nobody {
    fn begin_anew(&mut self) {}
    fn part(&mut self, _part: &Part) {}
    fn credential(&mut self, _name: &SafeText) {}
    fn line(&mut self, _run: RunId, _line: TouchedLine) {}
}

/// Reports the blocks, and returns the acts that are under way at their end. `None` if a block can't be used.
fn blocks(derived: &mut Derived, visitor: &mut dyn Visitor) -> Option<TouchedLines> {
    let mut lines = TouchedLines::default();
    while let Some(block) = derived.read().ok()? {
        let (front, body, open) = decode(&block)?;
        if let Some(from) = front.from {
            visitor.stretch(from, &front.kinds);
        }
        front.parts.iter().for_each(|part| visitor.part(part));
        front.credentials.iter().for_each(|name| visitor.credential(name));
        if visitor.wants_lines() {
            let mut body = body;
            while !body.is_empty() {
                let ((part, line), rest) = postcard::take_from_bytes::<(u32, TouchedLine)>(body).ok()?;
                visitor.line(front.parts.get(usize::try_from(part).ok()?)?.run, line);
                body = rest;
            }
        }
        lines = open;
    }
    Some(lines)
}

/// Splits a block into its front, the bytes of its lines, and the acts that are under way at its end.
fn decode(block: &[u8]) -> Option<(IndexFront, &[u8], TouchedLines)> {
    let (front, rest) = postcard::take_from_bytes(block).ok()?;
    let (body, rest) = postcard::take_from_bytes::<&[u8]>(rest).ok()?;
    Some((front, body, postcard::from_bytes(rest).ok()?))
}

/// Reports the records after the blocks, and sums them up for further blocks.
fn rest(reader: &Reader, (mut derived, mut lines): (Option<Derived>, TouchedLines), visitor: &mut dyn Visitor) -> Result<(), ReadError> {
    let from = derived.as_ref().and_then(Derived::mark).map_or_else(Position::start, |mark| mark.next());
    let mut records = reader.records_from(from);
    let mut block = Block::default();
    while let Some(record) = records.next() {
        let record = record?;
        let part = Part::of(&record);
        block.front.from.get_or_insert(part.at);
        // This version can't sum up a kind that it does not know.
        if let Ok(body) = Record::parse(&record.body) {
            let part = part.with(&body);
            block.kind(body.kind());
            visitor.part(&part);
            block.add(part);
            if let Record::CredentialChanged(changed) = &body {
                visitor.credential(&changed.credential);
                block.front.credentials.push(changed.credential.clone());
            }
            lines.take(record.run, record.seq, &body, &mut |line| {
                if derived.is_some() {
                    block.line(record.run, line.clone());
                }
                visitor.line(record.run, line);
            });
        } else {
            visitor.part(&part);
            block.add(part);
        }
        if let (true, Some(mark)) = (block.is_full(), records.mark()) {
            write(&mut derived, std::mem::take(&mut block), &lines, mark);
        }
    }
    if let (true, Some(mark)) = (block.records >= WORTH, records.mark()) {
        write(&mut derived, block, &lines, mark);
    }
    if visitor.wants_lines() {
        lines.without_end(&mut |run, line| visitor.line(run, line));
    }
    Ok(())
}

/// Writes a block. If that fails, the next reader reads the same records again.
fn write(derived: &mut Option<Derived>, block: Block, lines: &TouchedLines, mark: Mark) {
    let written = match (derived.as_mut(), block.encode(lines)) {
        (Some(derived), Some(bytes)) => derived.append(&bytes, mark),
        _ => false,
    };
    if !written {
        *derived = None;
    }
}

impl Part {
    /// When the run began, in milliseconds since 1970, if its first record is in this stretch.
    pub fn opened_ms(&self, times: &Times) -> u64 {
        // The id of a run and its first record have the same time.
        times.of(Position::from(self.at).index, self.run.unix_ms())
    }

    fn of(record: &journal::StoredRecord) -> Self {
        Self { at: record.at.into(), ended: record.ends, opened: None, records: 1, run: record.run }
    }

    fn with(self, record: &Record) -> Self {
        let Record::RunOpened(opened) = record else { return self };
        let (agent, component) = (opened.agent.name.clone(), opened.agent.digest);
        Self { opened: Some(OpenedIndex { agent, component, config: opened.config }), ..self }
    }
}

/// The name of a kind as records have it.
fn kind_name(kind: RecordKind) -> String {
    serde_json::to_value(kind).ok().and_then(|name| name.as_str().map(str::to_owned)).unwrap_or_default()
}

/// The stretches of the log that may have a record of this kind, in order: where each begins, and the index at which it ends. The last one
/// has no end.
pub fn stretches_with(reader: &Reader, kind: &str) -> Vec<(Position, Option<u64>)> {
    let mut looked = Stretches { kind, all: Vec::new() };
    // The records after the last block are read again by the caller.
    let end = indexed(reader, &mut looked);
    looked.all.push((end, true));
    let ends = looked.all.iter().skip(1).map(|(from, _)| Some(from.index)).chain([None]);
    looked.all.iter().zip(ends).filter(|((_, has), _)| *has).map(|((from, _), end)| (*from, end)).collect()
}

struct Stretches<'a> {
    kind: &'a str,
    /// Where each stretch begins, and whether it has a record of the kind.
    all: Vec<(Position, bool)>,
}

impl Visitor for Stretches<'_> {
    fn begin_anew(&mut self) {
        self.all.clear();
    }
    fn part(&mut self, _part: &Part) {}
    fn credential(&mut self, _name: &SafeText) {}
    fn line(&mut self, _run: RunId, _line: TouchedLine) {}
    fn stretch(&mut self, from: IndexPlace, kinds: &BTreeSet<String>) {
        self.all.push((from.into(), kinds.contains(self.kind)));
    }
    fn wants_lines(&self) -> bool {
        false
    }
}

/// Passes through the index alone. Returns where the records after it begin.
fn indexed(reader: &Reader, visitor: &mut dyn Visitor) -> Position {
    let Some(mut derived) = reader.derived(NAME) else { return Position::start() };
    if blocks(&mut derived, visitor).is_none() {
        visitor.begin_anew();
        return Position::start();
    }
    derived.mark().map_or_else(Position::start, |mark| mark.next())
}

/// A block that is being made.
#[derive(Default)]
struct Block {
    front: IndexFront,
    kinds: HashSet<RecordKind>,
    places: HashMap<RunId, usize>,
    sums: HashMap<RunId, Touched>,
    rows: usize,
    records: u64,
}

impl Block {
    fn add(&mut self, part: Part) {
        self.records += 1;
        if part.run == log_run() {
            return;
        }
        let next = self.front.parts.len();
        let place = *self.places.entry(part.run).or_insert(next);
        match self.front.parts.get_mut(place) {
            Some(here) => {
                here.ended = part.ended;
                here.opened = here.opened.take().or(part.opened);
                here.records += 1;
            }
            None => self.front.parts.push(part),
        }
    }

    fn kind(&mut self, kind: RecordKind) {
        if self.kinds.insert(kind) {
            self.front.kinds.insert(kind_name(kind));
        }
    }

    fn line(&mut self, run: RunId, line: TouchedLine) {
        self.rows += 1;
        self.sums.entry(run).or_insert_with(Touched::unbounded).add(line);
    }

    fn is_full(&self) -> bool {
        self.records >= BLOCK_RECORDS_MAX || self.rows >= BLOCK_ROWS_MAX
    }

    fn encode(mut self, lines: &TouchedLines) -> Option<Vec<u8>> {
        let mut body = Vec::new();
        for (at, part) in (0u32..).zip(&self.front.parts) {
            for line in self.sums.remove(&part.run).map(Touched::into_lines).into_iter().flatten() {
                body = postcard::to_extend(&(at, line), body).ok()?;
            }
        }
        let bytes = postcard::to_extend(&self.front, Vec::new()).ok()?;
        let bytes = postcard::to_extend(&body, bytes).ok()?;
        postcard::to_extend(lines, bytes).ok()
    }
}
