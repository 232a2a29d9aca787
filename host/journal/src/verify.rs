//! Offline verification: hashes every byte as it was written, and needs only the folder and the public key.
//!
//! It shows that the records are those that were signed, in the same order, and that no run has a gap. To show that the log was not cut
//! exactly at a checkpoint, it needs second state. The report says which evidence it had.

use std::path::{Path, PathBuf};

use vocabulary::record::RotatedKey;
use vocabulary::{Digest, RunId};

use crate::ahead::Ahead;
use crate::base::Base;
use crate::base::base_fault;
use crate::causes::trouble_of;
use crate::custody;
use crate::err::{FaultKind, KnownFrom, LogFault, OpenError, ReadError};
use crate::extent::Memory;
use crate::ids::{LogId, Position};
use crate::index::Index;
use crate::key_paths;
use crate::keys::{self, HomeKey, KeyFile, load_public};
use crate::lacking::{self, RunKeys};
use crate::memory::check_home;
use crate::named::Named;
use crate::note::PublicKey;
use crate::secret::SecretFile;
use crate::segment;
use crate::state::{remembered, state_path};
use crate::unread::Unread;
use crate::walk::{KnownLeaves, Leaf, Signatures, Walker, walk_in};

/// The source of the key with which the signatures were checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignerEvidence {
    /// The key was given, so the signer was checked.
    Given,
    /// The key was in the folder. The person who made the folder may have made the key.
    InFolder,
    /// There was no key.
    None,
}

/// What the verifier was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VerifyEvidence {
    /// The source of the public key.
    pub signer: SignerEvidence,
    /// The size that second state remembers, if it was given.
    pub state: Option<u64>,
}

/// The result of verifying a log.
#[derive(Clone, Debug)]
pub struct VerifyReport {
    /// The name of the log, if there was a key.
    pub log: Option<LogId>,
    /// How many records were verified, from the first on.
    pub size: u64,
    /// The root over them.
    pub root: Digest,
    /// How many batches were verified.
    pub batches: u64,
    /// How many segments the log has.
    pub segments: usize,
    /// The signed note over the verified records.
    pub checkpoint: Option<String>,
    /// How many bytes follow the last batch. They were never acknowledged, or are the rest of a damaged last batch.
    pub torn_bytes: u64,
    /// The end of the log, or the position of the first fault.
    pub end: Position,
    /// Runs that have not ended, without the log's own run.
    pub not_ended: Vec<RunId>,
    /// How many runs there are, including the log's own if it has records.
    pub runs: usize,
    /// Where the log begins, if its earlier segments were pruned.
    pub base: Option<Base>,
    /// How many keys of runs there must be, according to the records that were read.
    pub key_slots: u64,
    /// The name of the home's key on the record, if it was rotated.
    pub(crate) home_key_name: Option<String>,
    /// What is wrong with the keys of the home, if they were checked and something is wrong.
    pub keys: Option<String>,
    /// The evidence that the verifier was given.
    pub evidence: VerifyEvidence,
    /// The first fault.
    pub fault: Option<LogFault>,
    /// How many of the keys that its log needs the folder has; `None` if it has no file of keys.
    pub run_keys: Option<RunKeys>,
}

impl VerifyReport {
    /// Whether the records and the keys have no fault. Torn bytes are not a fault.
    pub fn holds(&self) -> bool {
        self.fault.is_none() && self.keys.is_none()
    }
}

/// Verifies the log in a folder: a home, a copy of a home, or the folder of segments alone. Without `key`, the key in the folder is used.
/// `state` is a file of second state. `each` is called in order for every leaf of every batch that is right.
pub fn verify(folder: &Path, key: Option<&PublicKey>, state: Option<&Path>, each: &mut dyn FnMut(&Leaf<'_>)) -> VerifyReport {
    verify_with((folder, None), key, state, each)
}

/// The same with a folder of archived segments (`with`), which come before those in the first folder.
pub fn verify_with(
    (folder, with): (&Path, Option<&Path>),
    key: Option<&PublicKey>,
    state: Option<&Path>,
    each: &mut dyn FnMut(&Leaf<'_>),
) -> VerifyReport {
    let found = if key.is_some() { Ok(None) } else { keys::read_public(folder) };
    let (own, unread) = match found {
        Ok(own) => (own, None),
        Err(cause) => (None, Some(Unread::new(&key_paths::public_path(folder), cause))),
    };
    let key = key.map(|key| with_later(key, folder));
    let key = key.as_ref();
    let signer = match (key, &own) {
        (Some(_), _) => SignerEvidence::Given,
        (None, Some(_)) => SignerEvidence::InFolder,
        (None, None) => SignerEvidence::None,
    };
    let mut report = VerifyReport::new(signer);
    let checked = match key.or(own.as_ref()) {
        Some(key) => check((folder, with), key, known_from_file(state, key.log()), each, &mut report),
        None => Err(fault_at(Position::start(), unread.map_or(FaultKind::KeyUnreadable, FaultKind::Unreadable))),
    };
    report.end_with(checked);
    report
}

/// Adds to a key the keys that followed it, from the file beside the log or else from the log itself.
fn with_later(key: &PublicKey, folder: &Path) -> PublicKey {
    let beside = load_public(folder).or_else(|| keys::chain_on_record(folder));
    beside.map_or_else(|| key.clone(), |beside| key.extended(&beside))
}

/// Verifies the home of this host: the log, compared with second state and the index, and the keys. `state` is the folder of second state.
/// `with` can name a folder of archived segments.
///
/// # Errors
/// [`ReadError::NoLog`] if nothing is known to have been recorded; [`ReadError::Gone`] if the whole log is gone.
pub fn verify_home(home: &Path, state: &Path, with: Option<&Path>, each: &mut dyn FnMut(&Leaf<'_>)) -> Result<VerifyReport, ReadError> {
    let memory = Memory::of(home, Some(state));
    let folder = segment::folder(home);
    let numbers = segment::list(&folder).map_err(|cause| ReadError::Io { cause: home::told(&folder, cause), path: folder.clone() })?;
    if numbers.is_empty() {
        return Err(memory.gone(home).unwrap_or_else(|| ReadError::NoLog { home: home.to_owned() }));
    }
    let own = keys::signer(home).ok().map(|signer| signer.public().clone());
    // If keys were rotated, the record names them, so no key has to be opened.
    let Some(key) = load_public(home).or(own).or_else(|| keys::chain_on_record(home)) else {
        return Ok(verify_with((home, with), None, None, each));
    };
    let mut report = VerifyReport::new(SignerEvidence::InFolder);
    let file = Some(state_path(state, key.log())).filter(|file| file.exists());
    let known = known_from_file(file.as_deref(), key.log()).map(|mut known| {
        let index = HomeKey::load(home).ok().and_then(|key| Index::read(home, &key.index)).map(|index| index.checkpoint);
        let index = index.filter(|checkpoint| checkpoint.log == key.log());
        known.extend(index.map(|checkpoint| KnownLeaves::new(checkpoint.size, checkpoint.root, KnownFrom::Index)));
        known
    });
    let checked = check((home, with), &key, known, each, &mut report);
    let checked = checked.and_then(|()| other(home, state, key.log()));
    report.end_with(checked);
    let begins = Base::read(home, &key).ok().flatten();
    if report.fault.is_some() && Base::first(begins.as_ref()) > Base::first(report.base.as_ref()) {
        report.fault = Some(fault_at(Position::start(), FaultKind::Unreadable(Unread::pruned())));
    }
    match keys_fault(home, &numbers, &report) {
        Ok(keys) => report.keys = keys,
        Err(unread) => drop(report.fault.get_or_insert(fault_at(Position::start(), FaultKind::Unreadable(unread)))),
    }
    Ok(report)
}

/// Where the log in a folder begins, if its earlier segments were pruned. Without `key`, the key in the folder is used.
///
/// # Errors
/// The base is damaged, or there is no key.
pub fn base(folder: &Path, key: Option<&PublicKey>) -> Result<Option<Base>, LogFault> {
    let own = if key.is_some() { None } else { load_public(folder) };
    let key = key.map(|key| with_later(key, folder));
    let key = key.as_ref().or(own.as_ref()).ok_or_else(|| fault_at(Position::start(), FaultKind::KeyUnreadable))?;
    Base::read(folder, key).map_err(base_fault)
}

/// Checks that the home is not known to have had another log, and that no second state of it is lost.
fn other(home: &Path, state: &Path, log: LogId) -> Result<(), LogFault> {
    let start = Position { offset: 0, ..Position::start() };
    match check_home(Some(state), home, Some(log)) {
        Ok(()) => Ok(()),
        Err(OpenError::OtherLog { was, size, .. }) => Err(fault_at(start, FaultKind::OtherLog { was, size })),
        Err(_) => Err(fault_at(start, FaultKind::StateUnreadable)),
    }
}

/// Says in words what is wrong with the keys of a home.
fn keys_fault(home: &Path, numbers: &[u32], report: &VerifyReport) -> Result<Option<String>, Unread> {
    // Second state was compared already.
    if let Err(err) = custody::inspect_checked(home, None, numbers) {
        return match (trouble_of(&err), &err) {
            (Some(trouble), _) => Err(Unread::of(&err, trouble)),
            // A key that is not available is not damaged.
            (None, OpenError::KeySealed { cause, .. }) => Err(Unread::sealed(&err, cause.as_ref())),
            (None, _) => Ok(Some(err.to_string())),
        };
    }
    let path = key_paths::home_key_path(home);
    let is_named = |path: &Path| SecretFile::read(path).is_ok_and(|file| Some(file.name(RotatedKey::Home)) == report.home_key_name);
    if report.home_key_name.is_some() && !is_named(&path) && !is_named(&key_paths::next(&path)) {
        return Ok(Some(OpenError::OtherHomeKey { path }.to_string()));
    }
    let path = key_paths::run_keys_path(home);
    KeyFile::open(home).and_then(|keys| keys.map_or(Ok(0), |keys| keys.slots())).map_err(|cause| Unread::new(&path, cause))?;
    // Without the file, all keys are missing.
    let RunKeys { lacking, damaged, .. } = report.run_keys.unwrap_or(RunKeys { lacking: report.key_slots, ..RunKeys::default() });
    let words = |count: u64, what: &str| {
        format!("`{}` {what} {count} {}: payloads that they seal can't be opened", path.display(), if count == 1 { "run" } else { "runs" })
    };
    Ok(match (lacking, damaged) {
        (0, 0) => None,
        (0, damaged) => Some(words(damaged, "has no valid keys for")),
        (lacking, _) => Some(words(lacking, "lacks the keys of")),
    })
}

impl VerifyReport {
    fn new(signer: SignerEvidence) -> Self {
        Self {
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
            base: None,
            key_slots: 0,
            home_key_name: None,
            keys: None,
            run_keys: None,
            evidence: VerifyEvidence { signer, state: None },
            fault: None,
        }
    }

    fn end_with(&mut self, checked: Result<(), LogFault>) {
        if let Err(fault) = checked {
            self.end = fault.at;
            self.fault = Some(fault);
        }
    }
}

fn fault_at(at: Position, what: FaultKind) -> LogFault {
    LogFault { at, what }
}

/// The folder of the segments: in a home or a copy of a home, or the folder itself.
fn segments_of(folder: &Path) -> PathBuf {
    let inner = segment::folder(folder);
    if inner.is_dir() { inner } else { folder.to_owned() }
}

/// The segments that are verified together.
struct Shelf {
    folder: PathBuf,
    /// The folder of the earlier segments, and the number of the first segment that is not in it.
    with: Option<(PathBuf, u32)>,
    numbers: Vec<u32>,
    base: Option<Base>,
}

impl Shelf {
    fn of(folder: &Path, with: Option<&Path>, key: &PublicKey) -> Result<Self, LogFault> {
        let start = Position { offset: 0, ..Position::start() };
        let list =
            |folder: &Path| segment::list(folder).map_err(|cause| fault_at(start, FaultKind::Unreadable(Unread::new(folder, cause))));
        let own = Base::read(folder, key).map_err(base_fault)?;
        let folder = segments_of(folder);
        let mut numbers = list(&folder)?;
        let first = Base::first(own.as_ref());
        numbers.retain(|number| *number >= first);
        let Some(with) = with else { return Ok(Self { folder, with: None, numbers, base: own }) };
        let base = Base::read(with, key).map_err(base_fault)?;
        let with = segments_of(with);
        let mut earlier = list(&with)?;
        earlier.retain(|number| *number < first && *number >= Base::first(base.as_ref()));
        Ok(Self { folder, with: Some((with, first)), numbers: [earlier, numbers].concat(), base })
    }

    fn folder_of(&self, number: u32) -> PathBuf {
        let earlier = self.with.as_ref().filter(|(_, until)| number < *until);
        earlier.map_or_else(|| self.folder.clone(), |(folder, _)| folder.clone())
    }
}

fn check(
    (folder, with): (&Path, Option<&Path>),
    key: &PublicKey,
    known: Result<Vec<KnownLeaves>, FaultKind>,
    each: &mut dyn FnMut(&Leaf<'_>),
    report: &mut VerifyReport,
) -> Result<(), LogFault> {
    let start = Position { offset: 0, ..Position::start() };
    report.log = Some(key.log());
    let mut known = known.map_err(|what| fault_at(start, what))?;
    report.evidence.state = known.iter().find(|known| known.from == KnownFrom::SecondState).map(|known| known.size);
    let shelf = Shelf::of(folder, with, key)?;
    if with.is_some() {
        // The archived segments must be those that the home's base says were pruned.
        let cut = Base::read(folder, key).map_err(base_fault)?;
        known.extend(cut.map(|cut| KnownLeaves::new(cut.size, cut.root, KnownFrom::Base)));
    }
    report.base.clone_from(&shelf.base);
    let numbers = &shelf.numbers;
    report.segments = numbers.len();
    let first = Base::first(report.base.as_ref());
    let gap = segment::gap(first, numbers).or(numbers.is_empty().then_some(first));
    let ahead = Ahead::default();
    let mut walker = Walker::new(key, Signatures::Each, known);
    walker.ahead = Some(&ahead);
    let from = match (walker.begin(&shelf.folder_of(first), report.base.as_ref()), gap) {
        // The segments before a gap are useful, and are read.
        (Ok(from), Some(missing)) if missing > first => (from, Some(missing)),
        (_, Some(missing)) => return Err(fault_at(Position { segment: missing, ..start }, FaultKind::SegmentMissing)),
        (from, None) => (from?, None),
    };
    let (from, gap) = from;
    let until_gap: Vec<u32> = numbers.iter().copied().filter(|number| gap.is_none_or(|gap| *number < gap)).collect();
    let folder_of = |number| shelf.folder_of(number);
    let mut named = Named::default();
    let walked = std::thread::scope(|scope| {
        ahead.start(scope, (&folder_of, &until_gap), key);
        let mut judged = |leaf: &Leaf<'_>| {
            named.hear(leaf, key);
            each(leaf);
        };
        let walked = walk_in(&folder_of, &until_gap, from, &mut walker, &mut judged);
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
    report.key_slots = walker.key_slots;
    // If the file of keys can't be read, that is not a fault of the record.
    let needed = walker.heads.iter().filter_map(|(run, head)| Some((*run, head.slot?)));
    report.run_keys = lacking::count(folder, walker.key_slots, needed).ok().flatten();
    let end = walked?;
    // If a rotation was cut off before its new key was in its place, no record follows it, and the next opening completes it.
    report.home_key_name = named.home;
    if let Some((at, from)) = named.unknown.filter(|(_, from)| report.size > *from) {
        return Err(fault_at(at, FaultKind::KeyNotHere { from }));
    }
    if let Some(segment) = gap {
        return Err(fault_at(Position { segment, offset: 0, index: report.size }, FaultKind::SegmentMissing));
    }
    report.end = end.at;
    report.torn_bytes = end.torn_bytes;
    let begins = report.base.as_ref().map_or(0, |base| base.size);
    match walker.unmet() {
        Some(known) if known.size > report.size => Err(fault_at(end.at, FaultKind::Behind { size: report.size, known: known.size })),
        Some(known) if known.size < begins => Err(fault_at(end.at, FaultKind::KnownTakenAway { known: known.size, begins })),
        Some(known) => Err(fault_at(end.at, FaultKind::OtherHistory { known: known.size })),
        None => Ok(()),
    }
}

fn known_from_file(path: Option<&Path>, log: LogId) -> Result<Vec<KnownLeaves>, FaultKind> {
    path.map_or(Ok(Vec::new()), |path| Ok(vec![known_from(path, log)?]))
}

fn known_from(path: &Path, log: LogId) -> Result<KnownLeaves, FaultKind> {
    match remembered(path) {
        Ok(Some(known)) if known.log == log => Ok(KnownLeaves::new(known.size, known.root, KnownFrom::SecondState)),
        Ok(Some(_)) => Err(FaultKind::StateForeign),
        Ok(None) => Err(FaultKind::StateUnreadable),
        Err(cause) if cause.kind() == std::io::ErrorKind::InvalidData => Err(FaultKind::StateUnreadable),
        Err(cause) => Err(FaultKind::Unreadable(Unread::new(path, cause))),
    }
}
