//! Walks through a log and checks everything that can be checked without a secret: frames, order, chains, roots, signatures. Opening walks
//! through the part that the index does not cover; the verifier walks through everything.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use vocabulary::record::newer_form;
use vocabulary::{Digest, RunId};

use crate::ahead::Ahead;
use crate::base::Base;
use crate::err::{FaultKind, KnownFrom, LogFault, Newer};
use crate::frame::{LeafView, PAYLOAD};
use crate::ids::Position;
use crate::note::{Checkpoint, PublicKey};
use crate::payload;
use crate::scan::{Batch, Scanned, Scanner, Span};
use crate::segment::{base, has_later_batch, open, path, scanner, written_after};
use crate::tree::{Node, Tree, leaf_hash};
use crate::unread::Unread;
use crate::wire::wide;

/// A committed record, as it is on the disk.
#[derive(Clone, Copy, Debug)]
pub struct Leaf<'a> {
    /// Where the record lies.
    pub at: Position,
    /// The run of the record.
    pub run: RunId,
    /// The number of the record in its run, from 1.
    pub seq: u64,
    /// The leaf hash of the run's previous record, or zeros.
    pub prev: Digest,
    /// The leaf hash of this record.
    pub leaf: Digest,
    /// Whether the run ended with this record.
    pub ends: bool,
    /// The body that was appended.
    pub body: &'a [u8],
    /// How many payloads the record has.
    pub payloads: usize,
}

impl Leaf<'_> {
    /// Returns the form of the record if a newer program wrote it. Such a record is counted and proved, but its content is not understood.
    pub fn newer(&self) -> Option<Newer> {
        newer_form(self.body).map(|form| Newer { at: self.at, run: self.run, form })
    }
}

/// The last record of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct WalkHead {
    pub(crate) seq: u64,
    pub(crate) last: Digest,
    pub(crate) ended: bool,
    /// The slot of the run's key, if a payload of the run has named it.
    pub(crate) slot: Option<u64>,
}

/// What is known about runs that began before the walk.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Before {
    /// The walk began at the start of the log, so a run that is not known begins here.
    Nothing,
    /// The walk began in the middle of the log, so an unknown run may be one that had ended and continues here.
    EndedRuns,
}

/// Which signatures a walk checks.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Signatures {
    /// Each signature.
    Each,
    /// Only the last one, which covers every record before it. Checking a signature costs more than checking the rest of a small batch.
    Last,
}

/// A size and root that are known from elsewhere, and whether the walk has found that the log had them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct KnownLeaves {
    pub(crate) size: u64,
    pub(crate) root: Digest,
    pub(crate) from: KnownFrom,
    pub(crate) met: bool,
}

impl KnownLeaves {
    pub(crate) fn new(size: u64, root: Digest, from: KnownFrom) -> Self {
        Self { size, root, from, met: size == 0 }
    }
}

/// The state of a walk: what was checked so far.
pub(crate) struct Walker<'k> {
    pub(crate) key: &'k PublicKey,
    pub(crate) tree: Tree,
    pub(crate) heads: HashMap<RunId, WalkHead>,
    pub(crate) before: Before,
    pub(crate) signatures: Signatures,
    /// The threads that check signatures ahead, if there are any.
    pub(crate) ahead: Option<&'k Ahead>,
    pub(crate) known: Vec<KnownLeaves>,
    pub(crate) last_note: Option<String>,
    pub(crate) batches: u64,
    pub(crate) frames: u64,
    /// How many slots for keys of runs there must be: one more than the highest slot that a payload names.
    pub(crate) key_slots: u64,
    /// The segment and the byte offset after the last valid batch.
    pub(crate) next: (u32, u64),
}

/// Where the log ends.
pub(crate) struct WalkEnd {
    pub(crate) at: Position,
    /// How many bytes follow the end, without the zeros of unused space.
    pub(crate) torn_bytes: u64,
    /// Where the last batch begins, if the walk found one in the last segment.
    pub(crate) last_batch: Option<u64>,
}

impl<'k> Walker<'k> {
    pub(crate) fn new(key: &'k PublicKey, signatures: Signatures, known: Vec<KnownLeaves>) -> Self {
        Self {
            key,
            tree: Tree::default(),
            heads: HashMap::new(),
            before: Before::Nothing,
            signatures,
            ahead: None,
            known,
            last_note: None,
            batches: 0,
            frames: 0,
            key_slots: 0,
            next: (1, Position::start().offset),
        }
    }

    /// Begins a walk. For a log whose earlier segments were pruned, it begins with the signed tree of the first segment, which must be the
    /// one that the base names, and with the runs that continue there. Returns the position of the first record.
    pub(crate) fn begin(&mut self, folder: &Path, base: Option<&Base>) -> Result<Position, LogFault> {
        let Some(base) = base else { return Ok(Position::start()) };
        let at = Position { segment: base.segment, index: base.size, ..Position::start() };
        let fault = |what| LogFault { at: Position { offset: 0, ..at }, what };
        let (file, header) = open(folder, base.segment, Some(self.key.log()))?;
        let tree = crate::segment::base(&file, &header, self.key).map_err(fault)?;
        self.tree =
            tree.filter(|tree| (tree.size(), tree.root()) == (base.size, base.root)).ok_or_else(|| fault(FaultKind::HeaderDiffers))?;
        let head = |(run, seq, last): &(RunId, u64, Digest)| (*run, WalkHead { seq: *seq, last: *last, ended: false, slot: None });
        self.heads = base.heads.iter().map(head).collect();
        self.next = (at.segment, at.offset);
        for known in self.known.iter_mut().filter(|known| known.size == base.size) {
            known.met = known.root == base.root;
        }
        Ok(at)
    }

    /// Checks one batch and adds it. `each` is called for its leaves after the whole batch was checked.
    fn batch(&mut self, segment: u32, batch: &Batch<'_>, each: &mut dyn FnMut(&Leaf<'_>)) -> Result<(), LogFault> {
        let before = self.tree.size();
        let mut hashes = Vec::with_capacity(batch.frames.len());
        let mut payloads = [].chunks_exact(32);
        for span in batch.frames {
            let at = Position { segment, offset: batch.start + wide(span.start()), index: self.tree.size() };
            let fault = |what| LogFault { at, what };
            if span.kind == PAYLOAD {
                let named = payloads.next().ok_or_else(|| fault(FaultKind::FrameOrder))?;
                self.payload(batch.content(span), named, hashes.last()).map_err(fault)?;
            } else if payloads.next().is_some() {
                return Err(fault(FaultKind::FrameOrder));
            } else if span.is_leaf() {
                let view = batch.leaf(span).ok_or_else(|| fault(FaultKind::LeafMalformed))?;
                let hash = leaf_hash(batch.content(span));
                self.chain(&view, &hash).map_err(fault)?;
                self.tree.push(hash);
                payloads = view.digests.chunks_exact(32);
                hashes.push((view.head.run, hash));
            } else {
                self.trailer(segment, batch).map_err(fault)?;
            }
        }
        if hashes.is_empty() {
            let at = Position { segment, offset: batch.start, index: before };
            return Err(LogFault { at, what: FaultKind::FrameOrder });
        }
        self.frames += wide(batch.frames.len());
        self.batches += 1;
        self.next = (segment, batch.end());
        let leaves = batch.frames.iter().filter(|span| span.is_leaf());
        for ((span, (_, hash)), index) in leaves.zip(&hashes).zip(before..) {
            if let Some(view) = batch.leaf(span) {
                each(&as_leaf(Position { segment, offset: 0, index }, batch, span, &view, hash));
            }
        }
        Ok(())
    }

    fn payload(&mut self, content: &[u8], named: &[u8], of: Option<&(RunId, Node)>) -> Result<(), FaultKind> {
        if payload::digest(content) != named {
            return Err(FaultKind::PayloadDiffers);
        }
        let slot = payload::slot(content);
        self.key_slots = self.key_slots.max(slot.map_or(0, |slot| slot.saturating_add(1)));
        if let Some(head) = of.and_then(|(run, _)| self.heads.get_mut(run)) {
            head.slot = slot;
        }
        Ok(())
    }

    fn chain(&mut self, view: &LeafView<'_>, hash: &Node) -> Result<(), FaultKind> {
        let run = view.head.run;
        let previous = self.heads.get(&run);
        let follows = match previous {
            Some(head) => head.seq.checked_add(1) == Some(view.head.seq) && head.last == view.head.prev,
            None if view.head.seq == 1 => view.head.prev.as_bytes() == &[0; 32],
            None => self.before == Before::EndedRuns && view.head.seq != 0,
        };
        if !follows {
            return Err(FaultKind::ChainBroken { run });
        }
        let head = WalkHead {
            seq: view.head.seq,
            last: Digest::from_bytes(*hash),
            ended: view.head.ends,
            slot: previous.and_then(|head| head.slot),
        };
        self.heads.insert(run, head);
        Ok(())
    }

    fn trailer(&mut self, segment: u32, batch: &Batch<'_>) -> Result<(), FaultKind> {
        let (note, at) = batch.trailer().ok_or(FaultKind::Trailer(crate::note::NoteError::Malformed))?;
        let signed = match self.signatures {
            Signatures::Each if self.ahead.is_some_and(|ahead| ahead.has(note)) => Checkpoint::read(note),
            Signatures::Each => self.key.check(note),
            Signatures::Last => Checkpoint::read(note),
        };
        let signed = signed.map_err(FaultKind::Trailer)?;
        let place = Checkpoint { segment, start: batch.start, bytes: at - batch.start, size: self.tree.size(), ..signed };
        if signed != place || signed.log != self.key.log() {
            return Err(FaultKind::TrailerMoved);
        }
        if signed.root != self.tree.root() {
            return Err(FaultKind::RootDiffers);
        }
        for known in self.known.iter_mut().filter(|known| known.size == signed.size) {
            known.met = known.root == signed.root;
        }
        self.last_note = Some(note.to_owned());
        Ok(())
    }

    /// Checks the last signature, if the walk checks only that one.
    fn finish(&self) -> Result<(), FaultKind> {
        match (self.signatures, &self.last_note) {
            (Signatures::Last, Some(note)) => self.key.check(note).map(drop).map_err(FaultKind::Trailer),
            _ => Ok(()),
        }
    }

    /// A size and root that are known from elsewhere and that the log does not have: it is shorter, or is another log.
    pub(crate) fn unmet(&self) -> Option<KnownLeaves> {
        self.known.iter().copied().find(|known| !known.met)
    }
}

/// Makes the public view of a leaf in a batch.
pub(crate) fn as_leaf<'a>(batch_at: Position, batch: &Batch<'_>, span: &Span, view: &LeafView<'a>, hash: &Node) -> Leaf<'a> {
    Leaf {
        at: Position { offset: batch.start + wide(span.start()), ..batch_at },
        run: view.head.run,
        seq: view.head.seq,
        prev: view.head.prev,
        leaf: Digest::from_bytes(*hash),
        ends: view.head.ends,
        body: view.body,
        payloads: view.digests.len() / 32,
    }
}

/// Walks from a position to the end of the log.
pub(crate) fn walk(
    folder: &Path,
    numbers: &[u32],
    from: Position,
    walker: &mut Walker<'_>,
    each: &mut dyn FnMut(&Leaf<'_>),
) -> Result<WalkEnd, LogFault> {
    walk_in(&|_| folder.to_owned(), numbers, from, walker, each)
}

/// The same for a log whose segments lie in several folders.
pub(crate) fn walk_in(
    folder_of: &dyn Fn(u32) -> PathBuf,
    numbers: &[u32],
    from: Position,
    walker: &mut Walker<'_>,
    each: &mut dyn FnMut(&Leaf<'_>),
) -> Result<WalkEnd, LogFault> {
    let log = walker.key.log();
    let mut end = WalkEnd { at: from, torn_bytes: 0, last_batch: None };
    for number in numbers.iter().copied().filter(|number| *number >= from.segment) {
        let (file, header) = open(&folder_of(number), number, Some(log))?;
        let begins_here = number != from.segment || from.offset == Position::start().offset;
        let offset = if number == from.segment { from.offset } else { Position::start().offset };
        let size = walker.tree.size();
        let at = Position { segment: number, offset: 0, index: size };
        if header.first > size || (begins_here && header.first != size) {
            return Err(LogFault { at, what: FaultKind::HeaderDiffers });
        }
        let fault = |what| LogFault { at: Position { offset: Position::start().offset, ..at }, what };
        let base = base(&file, &header, walker.key).map_err(fault)?;
        if begins_here && base.is_some_and(|base| base != walker.tree) {
            return Err(fault(FaultKind::RootDiffers));
        }
        let last = numbers.last() == Some(&number);
        end = segment((&path(&folder_of(number), number), number), last, scanner(file, &header, offset), walker, each)?;
    }
    walker.finish().map_err(|what| LogFault { at: end.at, what })?;
    Ok(end)
}

/// Walks through one segment. `last` says whether it is the last one.
fn segment(
    (path, number): (&Path, u32),
    last: bool,
    mut scanner: Scanner,
    walker: &mut Walker<'_>,
    each: &mut dyn FnMut(&Leaf<'_>),
) -> Result<WalkEnd, LogFault> {
    let here = |offset, index| Position { segment: number, offset, index };
    let unreadable = |at: Position| move |cause: io::Error| LogFault { at, what: FaultKind::Unreadable(Unread::new(path, cause)) };
    let mut last_batch = None;
    loop {
        let size = walker.tree.size();
        let place = here(scanner.at(), size);
        let found = match scanner.advance().map_err(unreadable(place))? {
            Scanned::Batch => Scanned::Batch,
            Scanned::End | Scanned::Broken { .. } => rescan(&mut scanner).map_err(unreadable(place))?,
        };
        let fault = match found {
            Scanned::Batch => {
                walker.batch(number, &scanner.batch(), each)?;
                last_batch = Some(place.offset);
                continue;
            }
            Scanned::End => LogFault { at: place, what: FaultKind::TrailingBytes },
            Scanned::Broken { at, leaves, missing_trailer: true } => {
                LogFault { at: here(at, size + leaves), what: FaultKind::TrailerMissing }
            }
            Scanned::Broken { at, leaves, missing_trailer: false } => {
                LogFault { at: here(at, size + leaves), what: FaultKind::FrameBroken }
            }
        };
        let torn = torn_bytes(scanner.file(), place, last, walker.key).map_err(unreadable(place))?;
        return match torn {
            Some(torn_bytes) => Ok(WalkEnd { at: place, torn_bytes, last_batch }),
            // There is a later batch. So the bytes here were completed meanwhile, or are damaged.
            None if rescan(&mut scanner).map_err(unreadable(place))? == Scanned::Batch => {
                walker.batch(number, &scanner.batch(), each)?;
                last_batch = Some(place.offset);
                continue;
            }
            None => Err(fault),
        };
    }
}

/// Reads again, since a log that is being written may have more by now.
fn rescan(scanner: &mut Scanner) -> io::Result<Scanned> {
    scanner.rescan();
    scanner.advance()
}

/// How many bytes after the last batch were never acknowledged. `None` if they can't be the end of a torn write.
fn torn_bytes(file: &File, place: Position, last: bool, key: &PublicKey) -> io::Result<Option<u64>> {
    let rest = written_after(file, place.offset)?;
    let torn = rest.is_empty() || (last && !has_later_batch(&rest, place.offset, place.segment, key.log(), Some(key)));
    Ok(torn.then(|| wide(rest.len())))
}

/// Where the batch after this checkpoint begins, if the checkpoint is there, is signed, and is at the position that it names.
pub(crate) fn end_of_checkpoint(folder: &Path, key: &PublicKey, expected: &Checkpoint) -> Option<u64> {
    let (file, header) = open(folder, expected.segment, Some(key.log())).ok()?;
    let mut scanner = Scanner::new(file, expected.start.checked_add(expected.bytes)?);
    let found = header.first < expected.size && scanner.advance().ok()? == Scanned::Batch;
    let batch = scanner.batch();
    let (note, _) = batch.trailer()?;
    (found && batch.frames.len() == 1 && key.check(note) == Ok(*expected)).then(|| batch.end())
}

/// The root that was signed at this size. Only the one segment that can have it is searched.
pub(crate) fn root_signed_at(folder: &Path, numbers: &[u32], key: &PublicKey, size: u64) -> Option<Digest> {
    for number in numbers.iter().rev() {
        let (file, header) = open(folder, *number, Some(key.log())).ok()?;
        if header.first >= size {
            continue;
        }
        let mut scanner = scanner(file, &header, 0);
        while scanner.advance().ok()? == Scanned::Batch {
            let batch = scanner.batch();
            let (note, _) = batch.trailer()?;
            if Checkpoint::read(note).ok()?.size == size {
                return key.check(note).ok().map(|checkpoint| checkpoint.root);
            }
        }
        return None;
    }
    None
}
