//! Proof, offline: hashes every byte as it was written, and needs nothing but the folder and the public key.
//!
//! It shows that the records are those that were signed, in that order, each run's without a gap. It can't show that the log was not cut
//! exactly at a checkpoint: for that it must be given second state. The report says which evidence it had.

use std::path::Path;

use effect::{Digest, RunId};

use crate::ahead::Ahead;
use crate::err::{Fault, FaultKind, KnownFrom};
use crate::ids::{LogId, Position};
use crate::keys::load_public;
use crate::note::PublicKey;
use crate::segment;
use crate::state::remembered;
use crate::walk::{Known, Leaf, Signatures, Walker, walk};

/// Where the key came from that the signatures were checked with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignerEvidence {
    /// It was given: the signer was checked.
    Given,
    /// It lay in the folder: whoever made the folder may have made the key.
    InFolder,
    /// There was none.
    None,
}

/// What the verifier was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Evidence {
    /// The public key.
    pub signer: SignerEvidence,
    /// The size that second state remembers, if it was given.
    pub state: Option<u64>,
}

/// What was found.
#[derive(Clone, Debug)]
pub struct Report {
    /// The log, when there was a key to tell it by.
    pub log: Option<LogId>,
    /// How many records hold, from the first on.
    pub size: u64,
    /// The root over them.
    pub root: Digest,
    /// In how many batches.
    pub batches: u64,
    /// In how many segments the log lies.
    pub segments: usize,
    /// The signed note over them.
    pub checkpoint: Option<String>,
    /// Bytes after the last batch that were never acknowledged, or are what is left of a last batch that was damaged.
    pub torn_bytes: u64,
    /// Where the log ends, or the first fault.
    pub end: Position,
    /// Runs whose last record does not end them; the log's own is not counted.
    pub not_ended: Vec<RunId>,
    /// How many runs there are, with the log's own if it has records.
    pub runs: usize,
    /// What it was checked with.
    pub evidence: Evidence,
    /// The first thing that is wrong.
    pub fault: Option<Fault>,
}

impl Report {
    /// Whether nothing is wrong with the records that are there. Torn bytes are no fault.
    pub fn holds(&self) -> bool {
        self.fault.is_none()
    }
}

/// Verifies the log in a folder: a home, a copy of one, or the folder of segments alone. Without a key the folder's own is used.
/// `state` is a file of second state. `each` is called for every leaf of every batch that holds, in order.
pub fn verify(folder: &Path, key: Option<&PublicKey>, state: Option<&Path>, each: &mut dyn FnMut(&Leaf<'_>)) -> Report {
    let inner = segment::folder(folder);
    let segments = if inner.is_dir() { inner } else { folder.to_owned() };
    let own = if key.is_some() { None } else { load_public(folder) };
    let signer = match (key, &own) {
        (Some(_), _) => SignerEvidence::Given,
        (None, Some(_)) => SignerEvidence::InFolder,
        (None, None) => SignerEvidence::None,
    };
    let mut report = Report {
        log: None,
        size: 0,
        root: crate::tree::Tree::default().root(),
        batches: 0,
        segments: 0,
        checkpoint: None,
        torn_bytes: 0,
        end: Position::start(),
        not_ended: Vec::new(),
        runs: 0,
        evidence: Evidence { signer, state: None },
        fault: None,
    };
    let checked = match key.or(own.as_ref()) {
        Some(key) => check(&segments, key, state, each, &mut report),
        None => Err(fault_at(Position::start(), FaultKind::KeyUnreadable)),
    };
    if let Err(fault) = checked {
        report.end = fault.at;
        report.fault = Some(fault);
    }
    report
}

fn fault_at(at: Position, what: FaultKind) -> Fault {
    Fault { at, what }
}

fn check(folder: &Path, key: &PublicKey, state: Option<&Path>, each: &mut dyn FnMut(&Leaf<'_>), report: &mut Report) -> Result<(), Fault> {
    let start = Position { offset: 0, ..Position::start() };
    report.log = Some(key.log());
    let known = match state {
        Some(path) => Some(known_from(path, key.log()).map_err(|what| fault_at(start, what))?),
        None => None,
    };
    report.evidence.state = known.map(|known| known.size);
    let unreadable = |cause: std::io::Error| fault_at(start, FaultKind::Unreadable(cause.kind()));
    let numbers = segment::list(folder).map_err(unreadable)?;
    report.segments = numbers.len();
    if let Some(missing) = segment::gap(&numbers).or(numbers.is_empty().then_some(1)) {
        let at = Position { segment: missing, ..start };
        return Err(fault_at(at, FaultKind::SegmentMissing));
    }
    let ahead = Ahead::default();
    let mut walker = Walker::new(key, Signatures::Each, Vec::from_iter(known));
    walker.ahead = Some(&ahead);
    let walked = std::thread::scope(|scope| {
        ahead.start(scope, (folder, &numbers), key);
        let walked = walk(folder, &numbers, Position::start(), &mut walker, each);
        ahead.end();
        walked
    });
    report.size = walker.tree.size();
    report.root = walker.tree.root();
    report.batches = walker.batches;
    report.runs = walker.heads.len();
    report.checkpoint = walker.last_note.take();
    let not_ended = walker.heads.iter().filter(|(run, head)| !head.ended && **run != crate::ids::log_run());
    report.not_ended = not_ended.map(|(run, _)| *run).collect();
    report.not_ended.sort_unstable();
    let end = walked?;
    report.end = end.at;
    report.torn_bytes = end.torn_bytes;
    match walker.unmet() {
        Some(known) if known.size > report.size => Err(fault_at(end.at, FaultKind::Behind { size: report.size, known: known.size })),
        Some(known) => Err(fault_at(end.at, FaultKind::OtherHistory { known: known.size })),
        None => Ok(()),
    }
}

fn known_from(path: &Path, log: LogId) -> Result<Known, FaultKind> {
    match remembered(path) {
        Ok(Some(known)) if known.log == log => Ok(Known::new(known.size, known.root, KnownFrom::SecondState)),
        Ok(Some(_)) => Err(FaultKind::StateForeign),
        Ok(None) => Err(FaultKind::StateUnreadable),
        Err(_) => Err(FaultKind::StateUnreadable),
    }
}
