//! Opening a home: lock, keys, index, what follows the index, second state; cutting what was never acknowledged.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};

use effect::{Digest, RunId};
use home::Access;
use rustix::fs::FlockOperation;

use crate::chain::{Chain, Chains};
use crate::disk::{Disk, write_whole};
use crate::err::{Fault, FaultKind, KnownFrom, OpenError};
use crate::frame::{HEADER_BYTES, Header};
use crate::ids::{LogId, Position, log_run};
use crate::index::{self, Index, Snapshot};
use crate::journal::{Committed, Journal, Options, Shared};
use crate::keys::{self, HomeKey, KeyFile, Nonces, SLOT_BYTES};
use crate::mac::Mac;
use crate::note::{Checkpoint, NoteSigner, PublicKey};
use crate::queue::Queue;
use crate::salvage;
use crate::segment::{self, SEGMENT_BYTES_MAX};
use crate::stamp::{Patrol, is_whole_up_to, stamps};
use crate::state::{Remembered, StateFile, remembered, state_path};
use crate::ticket::Herald;
use crate::tree::Tree;
use crate::walk::{Before, End, Head, Known, Signatures, Walker, end_of_checkpoint, root_signed_at, walk};
use crate::wire::{narrow, wide};
use crate::writer::{Tail, Writer};

/// What was found when a home was opened.
#[derive(Clone, Debug)]
pub struct Opened {
    /// The log's name.
    pub log: LogId,
    /// How many records it has.
    pub size: u64,
    /// The root over them.
    pub root: Digest,
    /// Bytes of a batch that was never acknowledged and has been cut. For the caller to record, unless zero.
    pub recovered_bytes: u64,
    /// The summary that the caller handed over last, if it is intact and of this log.
    pub snapshot: Option<Vec<u8>>,
    /// The first record that is not in the snapshot; the first of all when there is none.
    pub unfolded: Position,
    /// Whether the whole log had to be read, since the index was missing or did not fit.
    pub rebuilt: bool,
    /// How many frames were read.
    pub frames_scanned: u64,
}

/// What accepting a log as it is has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AcceptedRollback {
    /// What was remembered of the log, if anything.
    pub was: Option<Remembered>,
    /// What is there, and is remembered from now on.
    pub now: Remembered,
}

/// Takes a log as it is, though it is behind or other than what is remembered of it: the deliberate end of restoring a backup. The
/// log itself must be whole. `record` makes the record of it, which is durable before anything is remembered: until then the home
/// stays refused, and this can be said again.
pub fn accept_rollback(
    home: &Path,
    state: Option<&Path>,
    record: impl FnOnce(&AcceptedRollback) -> Vec<u8>,
) -> Result<AcceptedRollback, OpenError> {
    let accepted = look_past_memory(home, state)?;
    let (journal, _) = open_on(Arc::new(crate::disk::RealDisk), home, None, Options::default())?;
    let written = journal.append(log_run(), record(&accepted), Vec::new()).map_err(OpenError::Unrecorded)?;
    written.ticket.wait_blocking().and_then(|()| journal.clone().close()).map_err(|broken| OpenError::Unrecorded(broken.into()))?;
    let now = Remembered { log: accepted.now.log, size: journal.size(), root: journal.root() };
    let (_lock, _) = hold(home)?;
    if let Some(state) = state {
        StateFile::begin(&crate::disk::RealDisk, state, &now).map_err(|cause| OpenError::Io { path: state.to_owned(), cause })?;
    }
    Ok(accepted)
}

/// What is remembered of a log and what it is; the index, which remembers it too, is put away.
fn look_past_memory(home: &Path, state: Option<&Path>) -> Result<AcceptedRollback, OpenError> {
    let disk = crate::disk::RealDisk;
    let (_lock, folder) = hold(home)?;
    let numbers = list(&folder)?;
    let (signer, _) = keys::load(&disk, home, !numbers.is_empty())?;
    let mut walker = Walker::new(signer.public(), Signatures::Last, Vec::new());
    let mut newer = None;
    let walked = walk(&folder, &numbers, Position::start(), &mut walker, &mut |leaf| newer = newer.or_else(|| leaf.newer()));
    walked.map_err(OpenError::Fault)?;
    if let Some(newer) = newer {
        return Err(OpenError::Newer(newer));
    }
    let now = Remembered { log: signer.public().log(), size: walker.tree.size(), root: walker.tree.root() };
    let index = index::path(home);
    match disk.remove(&index) {
        Err(cause) if cause.kind() != io::ErrorKind::NotFound => return Err(OpenError::Io { path: index, cause }),
        _ => {}
    }
    let was = state.and_then(|state| remembered(&state_path(state, now.log)).ok().flatten());
    Ok(AcceptedRollback { was, now })
}

/// Makes the home if need be and locks it. Gives the folder of the segments.
pub(crate) fn hold(home: &Path) -> Result<(File, PathBuf), OpenError> {
    let folder = segment::folder(home);
    // The caller has checked the home as a whole (`home::check`). Here each file is checked.
    home::make_folder(&folder).map_err(io_at(&folder))?;
    let path = home.join("lock");
    let lock = home::open(&path, Access::Make).map_err(io_at(&path))?;
    match rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok((lock, folder)),
        Err(rustix::io::Errno::WOULDBLOCK) => Err(OpenError::Held { home: home.to_owned() }),
        Err(cause) => Err(io_at(&path)(cause.into())),
    }
}

pub(crate) fn io_at(path: &Path) -> impl FnOnce(io::Error) -> OpenError {
    let path = path.to_owned();
    |cause| OpenError::Io { path, cause }
}

/// The segments, without a gap.
fn list(folder: &Path) -> Result<Vec<u32>, OpenError> {
    let numbers = segment::list(folder).map_err(io_at(folder))?;
    match segment::gap(&numbers) {
        Some(missing) => {
            let at = Position { segment: missing, offset: 0, index: 0 };
            Err(OpenError::Fault(Fault { at, what: FaultKind::SegmentMissing }))
        }
        None => Ok(numbers),
    }
}

/// What is known of a log without taking its home.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Looked {
    /// Nothing was recorded yet.
    NoLog,
    /// Another process holds it, which has looked at it when it began.
    Held,
    /// It would open.
    Opens {
        /// How many records it has.
        size: u64,
    },
}

/// Looks at a log as opening it does: at all that its index does not vouch for. Makes and changes nothing.
///
/// # Errors
/// What opening it would end with.
pub fn look(home: &Path, state: Option<&Path>) -> Result<Looked, OpenError> {
    let folder = segment::folder(home);
    let has_log = std::fs::exists(&folder).map_err(io_at(&folder))?;
    let has_keys = std::fs::exists(keys::run_keys_path(home)).map_err(io_at(home))?;
    let numbers = if has_log { list(&folder)? } else { Vec::new() };
    if numbers.is_empty() && !has_keys {
        return Ok(Looked::NoLog);
    }
    let path = home.join("lock");
    // Held to the end: who writes meanwhile would look like damage.
    let _lock = match home::open(&path, Access::Read) {
        Ok(lock) => match rustix::fs::flock(&lock, FlockOperation::NonBlockingLockShared) {
            Ok(()) => Some(lock),
            Err(rustix::io::Errno::WOULDBLOCK) => return Ok(Looked::Held),
            Err(cause) => return Err(io_at(&path)(cause.into())),
        },
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => None,
        Err(cause) => return Err(io_at(&path)(cause)),
    };
    let (signer, home_key) = keys::look(home)?;
    let known = known_by_state(state, signer.public().log())?;
    let found = recover(home, &folder, &numbers, signer.public(), &home_key.index, known)?;
    Ok(Looked::Opens { size: found.tree.size() })
}

/// What the log is, as far as it was read.
struct Recovered {
    tree: Tree,
    heads: HashMap<RunId, Head>,
    last: Option<Checkpoint>,
    note: Option<String>,
    end: End,
    snapshot: Option<Snapshot>,
    patrol: Patrol,
    key_slots: u64,
    rebuilt: bool,
    /// Whether all of it was read, and nothing was taken for whole.
    is_all_read: bool,
    frames: u64,
}

pub(crate) fn open_on(disk: Arc<dyn Disk>, home: &Path, state: Option<&Path>, options: Options) -> Result<(Journal, Opened), OpenError> {
    let options = Options { segment_bytes: options.segment_bytes.clamp(4096, SEGMENT_BYTES_MAX / 2), ..options };
    let (lock, folder) = hold(home)?;
    segment::remove_unfinished(&*disk, &folder).map_err(io_at(&folder))?;
    let numbers = list(&folder)?;
    let has_keys = std::fs::exists(keys::run_keys_path(home)).map_err(io_at(home))?;
    let (signer, home_key) = keys::load(&*disk, home, !numbers.is_empty() || has_keys)?;
    let known = known_by_state(state, signer.public().log())?;
    let found = recover(home, &folder, &numbers, signer.public(), &home_key.index, known)?;
    if found.is_all_read {
        // And it is whole.
        salvage::unmark(home).map_err(io_at(&salvage::mark_path(home)))?;
    }
    let tail = take_tail(&*disk, &folder, &numbers, &signer, &found, &options)?;
    let opened = Opened {
        log: signer.public().log(),
        size: found.tree.size(),
        root: found.tree.root(),
        recovered_bytes: found.end.torn_bytes,
        snapshot: found.snapshot.as_ref().map(|snapshot| snapshot.bytes.clone()),
        unfolded: found.snapshot.as_ref().map_or_else(Position::start, |snapshot| snapshot.unfolded),
        rebuilt: found.rebuilt,
        frames_scanned: found.frames,
    };
    let start = Start { disk, home: home.to_owned(), options, signer, home_key, lock };
    Ok((start.begin(found, tail, state)?, opened))
}

fn known_by_state(state: Option<&Path>, log: LogId) -> Result<Option<Known>, OpenError> {
    let Some(path) = state.map(|state| state_path(state, log)) else { return Ok(None) };
    match remembered(&path) {
        Ok(None) => Ok(None),
        Ok(Some(known)) if known.log == log => Ok(Some(Known::new(known.size, known.root, KnownFrom::SecondState))),
        Ok(Some(_)) => Err(OpenError::StateUnreadable { path }),
        Err(cause) if cause.kind() == io::ErrorKind::InvalidData => Err(OpenError::StateUnreadable { path }),
        Err(cause) => Err(OpenError::Io { path, cause }),
    }
}

/// Walks what the index does not vouch for, or everything.
fn recover(home: &Path, folder: &Path, numbers: &[u32], key: &PublicKey, mac: &Mac, state: Option<Known>) -> Result<Recovered, OpenError> {
    let mut walker = Walker::new(key, Signatures::Last, Vec::from_iter(state));
    let mut from = Position::start();
    let mut walked = Patrol::start();
    let mut trusted = None;
    if let Some(index) = Index::read(home, mac).filter(|index| index.checkpoint.log == key.log()) {
        let patrol = rely_on(home, folder, key, &index);
        let Checkpoint { size, root, segment, .. } = index.checkpoint;
        if let Some(reached) = patrol {
            walked = reached;
            from = Position { segment, offset: index.next, index: size };
            walker.tree = index.tree.clone();
            walker.heads = index.heads.clone();
            walker.before = Before::EndedRuns;
            for known in walker.known.iter_mut().filter(|known| known.size <= size) {
                let signed = if known.size == size { Some(root) } else { root_signed_at(folder, numbers, key, known.size) };
                known.met |= signed == Some(known.root);
            }
            trusted = Some(index);
        } else {
            // Written after the sync of what it speaks of: the log must have had this size and root.
            walker.known.push(Known::new(size, root, KnownFrom::Index));
        }
    }
    let mut newer = None;
    let end = walk(folder, numbers, from, &mut walker, &mut |leaf| newer = newer.or_else(|| leaf.newer())).map_err(OpenError::Fault)?;
    if let Some(newer) = newer {
        return Err(OpenError::Newer(newer));
    }
    if let Some(known) = walker.unmet() {
        let (log, size, root) = (key.log(), walker.tree.size(), walker.tree.root());
        return Err(OpenError::Behind { log, size, root, known: known.size, from: known.from });
    }
    walker.heads.retain(|_, head| !head.ended);
    let noted = walker.last_note.as_deref().and_then(|note| Checkpoint::read(note).ok());
    Ok(Recovered {
        last: noted.or(trusted.as_ref().map(|index| index.checkpoint)),
        is_all_read: trusted.is_none(),
        rebuilt: trusted.is_none() && walker.tree.size() > 0,
        key_slots: trusted.as_ref().map_or(0, |index| index.key_slots),
        snapshot: trusted.and_then(|index| index.snapshot),
        patrol: walked,
        note: walker.last_note,
        frames: walker.frames,
        tree: walker.tree,
        heads: walker.heads,
        end,
    })
}

/// Whether the part that an index covers may be left unread: no reader has found damage, the index's checkpoint is there, and no segment
/// before it was written to since. Returns how far the older part has been read again.
pub(crate) fn rely_on(home: &Path, folder: &Path, key: &PublicKey, index: &Index) -> Option<Patrol> {
    let end = Patrol { segment: index.checkpoint.segment, offset: index.next };
    if salvage::is_marked(home) || end_of_checkpoint(folder, key, &index.checkpoint) != Some(index.next) {
        return None;
    }
    let now = stamps(folder, end.segment).ok()?;
    let (last, before) = now.split_last()?;
    let (last_was, before_were) = index.stamps.get(..now.len())?.split_last()?;
    // The last segment is still written to after the index was, and a crash leaves the index behind it. So its checksums are checked then.
    let whole = before == before_were && (last == last_was || is_whole_up_to(folder, key.log(), end));
    if whole { index.patrol.go_on(folder, key.log(), end) } else { None }
}

/// Opens the segment that grows: cuts its torn end, gives it its space back, and makes sure that its last batch is on the disk.
fn take_tail(
    disk: &dyn Disk,
    folder: &Path,
    numbers: &[u32],
    signer: &NoteSigner,
    found: &Recovered,
    options: &Options,
) -> Result<Tail, OpenError> {
    let Some(number) = numbers.last().copied() else {
        let header = Header { log: signer.public().log(), number: 1, first: 0 };
        let capacity = options.segment_bytes;
        let file = segment::create(disk, folder, header, capacity).map_err(io_at(folder))?;
        return Ok(Tail { file, number: 1, end: wide(HEADER_BYTES), capacity });
    };
    let path = segment::path(folder, number);
    let end = found.end.at.offset;
    let settle = || -> io::Result<Tail> {
        let file = home::open(&path, Access::Write)?;
        if found.end.torn_bytes > 0 {
            disk.truncate(&file, end)?;
        }
        let capacity = file.metadata()?.len().max(options.segment_bytes);
        disk.allocate(&file, capacity)?;
        if let Some(start) = found.end.last_batch {
            // A sync that failed may have left this batch in memory only, where it reads well until the power goes. Writing it again
            // makes the sync below speak of it.
            let mut bytes = vec![0; narrow(end - start)];
            segment::read_up_to(&file, &mut bytes, start)?;
            write_whole(disk, &file, &bytes, start)?;
        }
        if found.end.last_batch.is_some() || found.end.torn_bytes > 0 {
            disk.sync(&file)?;
            disk.sync_folder(folder)?;
        }
        Ok(Tail { file, number, end, capacity })
    };
    settle().map_err(io_at(&path))
}

/// What an opened home brings to its writer.
struct Start {
    disk: Arc<dyn Disk>,
    home: PathBuf,
    options: Options,
    signer: NoteSigner,
    home_key: HomeKey,
    lock: File,
}

impl Start {
    fn begin(self, mut found: Recovered, tail: Tail, state: Option<&Path>) -> Result<Journal, OpenError> {
        let log = self.signer.public().log();
        let (size, root) = (found.tree.size(), found.tree.root());
        let (keys, slots) = self.run_keys(&mut found)?;
        let state = match state {
            Some(path) => {
                let now = Remembered { log, size, root };
                Some(StateFile::begin(&*self.disk, path, &now).map_err(io_at(path))?)
            }
            None => None,
        };
        let heads = found.heads.iter().map(|(run, head)| (*run, Chain::resumed(head.seq, head.last, head.slot)));
        let shared = Arc::new(Shared {
            log,
            home_path: self.home.clone(),
            home: self.home_key,
            keys: KeyFile::new(keys.try_clone().map_err(io_at(&self.home))?),
            nonces: Nonces::new().ok_or(OpenError::NoRandomness)?,
            queue: Queue::new(found.tree.clone(), slots, self.options.batch_bytes, self.options.queue_bytes),
            chains: Chains::new(heads),
            committed: Mutex::new(Committed { size, root, note: found.note }),
            snapshot_due: AtomicBool::new(found.rebuilt || found.snapshot.is_none() && size > 0),
        });
        let writer = Writer {
            shared: shared.clone(),
            disk: self.disk,
            options: self.options,
            home: self.home,
            signer: self.signer,
            tail,
            keys,
            key_slots: slots,
            state,
            tree: found.tree,
            herald: Herald::start().map_err(OpenError::Thread)?,
            heads: found.heads,
            last: found.last,
            snapshot: found.snapshot,
            patrol: found.patrol,
            // This holds even if nothing is written: opening has touched the last segment, and has read further in older ones.
            index_is_old: true,
        };
        let thread = std::thread::Builder::new().name("journal".to_owned()).spawn(move || writer.run());
        Ok(Journal::new(shared, thread.map_err(OpenError::Thread)?, self.lock))
    }

    /// Opens the file of run keys, and finds the slots of open runs that were opened after the index.
    fn run_keys(&self, found: &mut Recovered) -> Result<(File, u64), OpenError> {
        let path = keys::run_keys_path(&self.home);
        let mut open = || -> io::Result<(File, u64)> {
            let is_new = !std::fs::exists(&path)?;
            let file = home::open(&path, Access::Make)?;
            if is_new {
                self.disk.sync_folder(&self.home)?;
            }
            let keys = KeyFile::new(file);
            let slots = keys.slots()?;
            if keys.file().metadata()?.len() != slots * wide(SLOT_BYTES) {
                // Part of a slot: never acknowledged.
                self.disk.truncate(keys.file(), slots * wide(SLOT_BYTES))?;
            }
            keys.owners(found.key_slots.min(slots), &mut |slot, run| {
                if let Some(head) = found.heads.get_mut(&run) {
                    head.slot = Some(slot);
                }
            })?;
            Ok((keys.file().try_clone()?, slots))
        };
        open().map_err(io_at(&path))
    }
}
