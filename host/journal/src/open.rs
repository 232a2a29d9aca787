//! Opens a home: takes the locks, checks the keys, reads the index and the log after it, compares second state, and cuts what was never
//! acknowledged.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};

use home::Access;
use vocabulary::{Digest, RunId};

use crate::base::{Base, base_of};
use crate::chain::{Chain, Chains};
use crate::custody::{self, Custody, Missing};
use crate::disk;
use crate::disk::{Disk, RealDisk, write_whole};
use crate::err::{FaultKind, KnownFrom, LogFault, OpenError};
use crate::frame::{FrameHeader, HEADER_END};
use crate::hold::{Hold, hold, io_at, io_needing, lock_path};
use crate::ids::{LogId, Position};
use crate::index::{Index, IndexSnapshot};
use crate::journal::Journal;
use crate::key_paths;
use crate::keys::{HomeKey, KeyFile, Nonces, SLOT_BYTES};
use crate::lacking;
use crate::left::Watched;
use crate::locked::Locked;
use crate::mac::Mac;
use crate::memory::{self, known_by_state};
use crate::named::Named;
use crate::note::{Checkpoint, NoteSigner, PublicKey};
use crate::options::Options;
use crate::pulse::Pulse;
use crate::queue::Queue;
use crate::rely::{Depth, rely_on};
use crate::salvage;
use crate::segment::{self, Room, SEGMENT_BYTES_MAX, is_full};
use crate::shared::{Committed, JournalShared};
use crate::stamp::Patrol;
use crate::state::Remembered;
use crate::ticket::Notifier;
use crate::tree::Tree;
use crate::walk::{Before, KnownLeaves, Leaf, Signatures, WalkEnd, WalkHead, Walker, root_signed_at, walk};
use crate::wire::{narrow, wide};
use crate::writer::{Tail, Writer};

/// BOUND: the least space that a new log needs.
const FIRST_BYTES: u64 = 64 << 10;

/// What was found when a home was opened.
#[derive(Clone, Debug)]
pub struct OpenedLog {
    /// The log's name.
    pub log: LogId,
    /// How many records it has.
    pub size: u64,
    /// The root over them.
    pub root: Digest,
    /// How many bytes of a batch that was never acknowledged were cut. The caller records this, unless it is zero.
    pub recovered_bytes: u64,
    /// The last snapshot that the caller gave, if it is intact and belongs to this log.
    pub snapshot: Option<Vec<u8>>,
    /// The position of the first record that is not in the snapshot, or of the first record of the log if there is no snapshot.
    pub unfolded: Position,
    /// Whether the whole log had to be read, since the index was missing or did not fit.
    pub rebuilt: bool,
    /// How many frames were read.
    pub frames_scanned: u64,
    /// Open runs whose key is missing: their payloads can't be opened.
    pub lacking: Vec<RunId>,
}

/// Checks that there is no gap in the segments, from the first one that must exist.
pub(crate) fn whole(numbers: &[u32], base: Option<&Base>) -> Result<(), OpenError> {
    let first = Base::first(base);
    // If segments were pruned, at least the segment with the record of that must exist.
    let missing = segment::gap(first, numbers).or((numbers.is_empty() && base.is_some()).then_some(first));
    let fault = |segment| OpenError::Fault(LogFault { at: Position { segment, offset: 0, index: 0 }, what: FaultKind::SegmentMissing });
    missing.map_or(Ok(()), |segment| Err(fault(segment)))
}

/// The state of the log, as recovered from the index and the records after it.
pub(crate) struct Recovered {
    pub(crate) tree: Tree,
    heads: HashMap<RunId, WalkHead>,
    last: Option<Checkpoint>,
    note: Option<String>,
    end: WalkEnd,
    snapshot: Option<IndexSnapshot>,
    patrol: Patrol,
    /// How many keys of runs there must be.
    pub(crate) key_slots: u64,
    index_slots: u64,
    /// The keys that the records read here name. If the home's key changed, the index can't be read, and then all records are read.
    named: Named,
    rebuilt: bool,
    /// Whether the whole log was read, without relying on the index.
    is_all_read: bool,
    frames: u64,
}

/// How to open a home.
pub(crate) struct OpenPlan<'a> {
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) home: &'a Path,
    pub(crate) state: Option<&'a Path>,
    pub(crate) options: Options,
    pub(crate) missing: Missing,
}

pub(crate) fn open_on(disk: Arc<dyn Disk>, home: &Path, state: Option<&Path>, options: Options) -> Result<(Journal, OpenedLog), OpenError> {
    OpenPlan { disk, home, state, options, missing: Missing::MadeForANewLog }.open()
}

impl Journal {
    /// Opens the log of a home, or makes it if it does not exist, and takes the home's lock. If a state folder is given, the log is compared
    /// with what is remembered there, and is remembered there from now on.
    ///
    /// The torn end of a batch that was never acknowledged is cut. [`OpenedLog::recovered_bytes`] says how much, and the caller records it.
    pub fn open(home: &Path, state: Option<&Path>, options: Options) -> Result<(Self, OpenedLog), OpenError> {
        open_on(Arc::new(RealDisk), home, state, options)
    }
}

impl OpenPlan<'_> {
    pub(crate) fn open(self) -> Result<(Journal, OpenedLog), OpenError> {
        let Self { disk, home, state, options, missing } = self;
        let options = Options { segment_bytes: options.segment_bytes.clamp(4096, SEGMENT_BYTES_MAX / 2), ..options };
        check_ground(&*disk, home, state, &options)?;
        let Hold { lock, tail, folder } = hold(home)?;
        segment::remove_unfinished(&*disk, &folder).map_err(io_at(&folder))?;
        remove_unfinished(&*disk, home)?;
        let mut numbers = segment::list(&folder).map_err(io_at(&folder))?;
        let Custody { signer, home_key } = custody::take(&*disk, home, (state, &numbers), missing)?;
        let base = base_of(home, signer.public())?;
        if let Some(base) = &base
            && segment::sweep(&*disk, &folder, base.segment).map_err(io_at(&folder))? > 0
        {
            // A prune was cut off while it removed them.
            numbers.retain(|number| *number >= base.segment);
        }
        whole(&numbers, base.as_ref())?;
        let known = known_by_state(state, signer.public().log())?;
        let lies = Lies { home, folder: &folder, numbers: &numbers, base: base.as_ref() };
        let found = recover(&lies, signer.public(), &home_key.index, known)?;
        if missing != Missing::Accepted {
            found.named.check_home_key(home, &home_key)?;
        }
        if numbers.is_empty() && missing != Missing::Accepted && custody::knows_runs(home)? {
            return Err(OpenError::Fault(LogFault { at: Position::start(), what: FaultKind::SegmentMissing }));
        }
        if found.key_slots > 0 && missing != Missing::Accepted && !custody::has_run_keys(home)? {
            return Err(OpenError::KeysGone { path: key_paths::run_keys_path(home), known: found.key_slots });
        }
        if found.is_all_read {
            // The whole log was read and is intact.
            salvage::unmark(home).map_err(io_at(&salvage::mark_path(home)))?;
        }
        let tail = take_tail(&*disk, &folder, tail, &signer, &found, &options)?;
        let opened = OpenedLog {
            log: signer.public().log(),
            size: found.tree.size(),
            root: found.tree.root(),
            recovered_bytes: found.end.torn_bytes,
            snapshot: found.snapshot.as_ref().map(|snapshot| snapshot.bytes.clone()),
            unfolded: found.snapshot.as_ref().map_or_else(|| lies.start(), |snapshot| snapshot.unfolded),
            rebuilt: found.rebuilt,
            frames_scanned: found.frames,
            lacking: lacking::inspect(home, found.heads.iter().filter_map(|(run, head)| Some((*run, head.slot?))))
                .map_err(io_at(&key_paths::run_keys_path(home)))?,
        };
        let start = LogStart { disk, home: home.to_owned(), options, signer, home_key, lock };
        Ok((start.begin(found, tail, state)?, opened))
    }
}

/// Removes files that were left while the log's own files in the home were replaced. One of them may hold a part of a key.
fn remove_unfinished(disk: &dyn Disk, home: &Path) -> Result<(), OpenError> {
    // `journal.key`, `journal.pub` and `journal.index` all have the first name while they are written.
    for aside in [crate::index::path(home), key_paths::home_key_path(home), crate::used::path(home)].map(|path| path.with_extension("new"))
    {
        match disk.remove(&aside) {
            Err(cause) if cause.kind() != io::ErrorKind::NotFound => return Err(io_at(&aside)(cause)),
            _ => {}
        }
    }
    Ok(())
}

/// Refuses a home or a second state on a file system whose locks or syncs are not reliable, unless the operator has named that kind.
pub(crate) fn check_ground(disk: &dyn Disk, home: &Path, state: Option<&Path>, options: &Options) -> Result<(), OpenError> {
    for path in std::iter::once(home).chain(state) {
        let ground = disk.ground(path).map_err(io_at(path))?;
        let is_accepted = options.file_systems.iter().any(|name| name == ground.name);
        if ground.footing == home::Footing::Shared && !is_accepted {
            return Err(OpenError::Unfit { path: path.to_owned(), kind: ground.name });
        }
    }
    Ok(())
}

/// Where a log lies.
pub(crate) struct Lies<'a> {
    pub(crate) home: &'a Path,
    pub(crate) folder: &'a Path,
    pub(crate) numbers: &'a [u32],
    pub(crate) base: Option<&'a Base>,
}

impl Lies<'_> {
    /// The position of its first record.
    pub(crate) fn start(&self) -> Position {
        self.base.map_or_else(Position::start, |base| Position { segment: base.segment, index: base.size, ..Position::start() })
    }
}

/// Reads and checks the part of the log that the index does not cover, or everything.
pub(crate) fn recover(lies: &Lies<'_>, key: &PublicKey, mac: &Mac, state: Option<KnownLeaves>) -> Result<Recovered, OpenError> {
    let Lies { home, folder, numbers, base } = *lies;
    let mut walker = Walker::new(key, Signatures::Last, Vec::from_iter(state));
    let mut from = walker.begin(folder, base).map_err(OpenError::Fault)?;
    let mut walked = Patrol::start();
    let mut trusted = None;
    if let Some(index) = Index::read(home, mac).filter(|index| index.checkpoint.log == key.log()) {
        let patrol = rely_on(home, folder, (key, base), (&index, Depth::Records));
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
            // The index is written after the sync of what it covers, so the log must have had this size and root.
            walker.known.push(KnownLeaves::new(size, root, KnownFrom::Index));
        }
    }
    let (mut newer, mut named) = (None, Named::default());
    let mut each = |leaf: &Leaf<'_>| {
        newer = newer.or_else(|| leaf.newer());
        named.hear(leaf, key);
    };
    let end = walk(folder, numbers, from, &mut walker, &mut each).map_err(OpenError::Fault)?;
    named.check().map_err(OpenError::Fault)?;
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
        key_slots: walker.key_slots.max(trusted.as_ref().map_or(0, |index| index.key_slots)),
        index_slots: trusted.as_ref().map_or(0, |index| index.key_slots),
        named,
        snapshot: trusted.and_then(|index| index.snapshot),
        patrol: walked,
        note: walker.last_note,
        frames: walker.frames,
        tree: walker.tree,
        heads: walker.heads,
        end,
    })
}

/// Opens the segment that grows: cuts its torn end, reserves its space again, and ensures that its last batch is on the disk.
fn take_tail(
    disk: &dyn Disk,
    folder: &Path,
    locked: Option<(u32, Locked)>,
    signer: &NoteSigner,
    found: &Recovered,
    options: &Options,
) -> Result<Tail, OpenError> {
    let Some((number, file)) = locked else {
        let header = FrameHeader { log: signer.public().log(), number: 1, first: 0, begins: HEADER_END };
        // The first segment has room for at least one record.
        let room = Room { wanted: options.segment_bytes, least: FIRST_BYTES.min(options.segment_bytes) };
        return Tail::create(disk, folder, header, &[], room).map_err(io_needing(folder, room.least));
    };
    let path = segment::path(folder, number);
    let end = found.end.at.offset;
    let settle = || -> io::Result<Tail> {
        if found.end.torn_bytes > 0 {
            disk.truncate(&file, end)?;
        }
        let there = file.metadata()?.len();
        let room = Room { wanted: there.max(options.segment_bytes), least: there };
        // If the space can't be reserved, this tries again when the space is needed: the next batch may fit in what is there.
        let capacity = segment::reserve(disk, &file, room).or_else(|cause| if is_full(&cause) { Ok(there) } else { Err(cause) })?;
        if let Some(start) = found.end.last_batch {
            // After a failed sync, this batch may be only in memory, where it can be read until the power fails. Writing it again
            // makes the sync below cover it.
            let mut bytes = vec![0; narrow(end - start)];
            disk::read_up_to(&file, &mut bytes, start)?;
            write_whole(disk, &file, &bytes, start)?;
        }
        if found.end.last_batch.is_some() || found.end.torn_bytes > 0 {
            disk.sync(&file)?;
            disk.sync_folder(folder)?;
        }
        Tail::new(folder, file, number, end, capacity)
    };
    settle().map_err(io_at(&path))
}

/// The parts of an opened home that the writer needs.
struct LogStart {
    disk: Arc<dyn Disk>,
    home: PathBuf,
    options: Options,
    signer: NoteSigner,
    home_key: HomeKey,
    lock: Locked,
}

impl LogStart {
    fn begin(self, mut found: Recovered, tail: Tail, state: Option<&Path>) -> Result<Journal, OpenError> {
        let log = self.signer.public().log();
        let (size, root) = (found.tree.size(), found.tree.root());
        let (keys, slots) = self.run_keys(&mut found)?;
        let keys_path = key_paths::run_keys_path(&self.home);
        let watched_keys = Watched::new(keys_path.clone(), &keys).map_err(io_at(&keys_path))?;
        let watched_lock = Watched::new(lock_path(&self.home), &self.lock).map_err(io_at(&self.home))?;
        let now = Remembered { log, size, root };
        let state = state.map(|path| memory::begin(&*self.disk, path, &self.home, &now)).transpose()?;
        let heads = found.heads.iter().map(|(run, head)| (*run, Chain::resumed(head.seq, head.last, head.slot)));
        let shared = Arc::new(JournalShared {
            log,
            home_path: self.home.clone(),
            home: self.home_key,
            keys: KeyFile::new(keys.try_clone().map_err(io_at(&self.home))?),
            nonces: Nonces::new().ok_or(OpenError::NoRandomness)?,
            queue: Queue::new(found.tree.clone(), slots, self.options.batch_bytes, self.options.queue_bytes),
            chains: Chains::new(heads),
            committed: Mutex::new(Committed { size, root, note: found.note }),
            snapshot_due: AtomicBool::new(found.rebuilt || found.snapshot.is_none() && size > 0),
            pulse: Pulse::new(),
        });
        let writer = Writer {
            shared: shared.clone(),
            disk: self.disk,
            options: self.options,
            home: self.home,
            signer: self.signer,
            tail,
            lock: watched_lock,
            keys,
            watched_keys,
            key_slots: slots,
            state,
            tree: found.tree,
            notifier: Notifier::start().map_err(OpenError::Thread)?,
            heads: found.heads,
            last: found.last,
            snapshot: found.snapshot,
            patrol: found.patrol,
            // This is so even if nothing is written: opening has changed the last segment, and has read more of older segments.
            index_is_old: true,
        };
        let thread = std::thread::Builder::new().name("journal".to_owned()).spawn(move || writer.run());
        Ok(Journal::new(shared, thread.map_err(OpenError::Thread)?, self.lock))
    }

    /// Opens the file of run keys, and finds the slots of runs that were opened after the index was written. A copy that was made while
    /// runs were active may lack the last slots. A slot is never used again, so they are filled with zeros.
    fn run_keys(&self, found: &mut Recovered) -> Result<(File, u64), OpenError> {
        let path = key_paths::run_keys_path(&self.home);
        let mut open = || -> io::Result<(File, u64)> {
            let is_new = !std::fs::exists(&path)?;
            let file = home::open(&path, Access::Make)?;
            if is_new {
                self.disk.sync_folder(&self.home)?;
            }
            let keys = KeyFile::new(file);
            let there = keys.slots()?;
            if keys.file().metadata()?.len() != there * wide(SLOT_BYTES) {
                // A partial slot, which was never acknowledged.
                self.disk.truncate(keys.file(), there * wide(SLOT_BYTES))?;
            }
            let slots = there.max(found.key_slots);
            if slots > there {
                self.disk.truncate(keys.file(), slots * wide(SLOT_BYTES))?;
                self.disk.sync(keys.file())?;
            }
            keys.owners(found.index_slots.min(slots), &mut |slot, run| {
                if let Some(head) = found.heads.get_mut(&run) {
                    head.slot = Some(slot);
                }
            })?;
            Ok((keys.file().try_clone()?, slots))
        };
        open().map_err(io_at(&path))
    }
}
