//! Sets the damaged part of a log aside, so that the home can be used again. A person decides that, and it is recorded.
//!
//! The log is cut before the first damaged batch. A copy of that segment as it was, and all later segments, are kept in a folder of the
//! home. The record names that folder with its digest. Nothing is deleted. The intact part before the cut stays where it is and verifies as
//! before.

use std::ffi::{OsStr, OsString};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use home::Access;
use sha2::{Digest as _, Sha256};
use vocabulary::{Digest, RunId};

use crate::base::Base;
use crate::base::base_of;
use crate::custody::{self, Custody, Missing};
use crate::disk::{Disk, RealDisk, Replace, hash_file, read_own, replace};
use crate::entry::Entry;
use crate::err::{FaultKind, LogFault, OpenError};
use crate::hold::{hold, io_at};
use crate::ids::HEADER_BYTES;
use crate::ids::{Position, log_run};
use crate::index::{self, Index};
use crate::memory::remember_home;
use crate::open::{OpenPlan, check_ground};
use crate::options::Options;
use crate::segment;
use crate::state::{Remembered, StateFile, remembered, state_path};
use crate::walk::{Leaf, Signatures, WalkEnd, Walker, walk};
use crate::wire::wide;

/// The beginning of the name of such a folder. A number follows.
const ASIDE: &str = "set-aside-";
/// The name of a file in the folder that says what was wrong, and where. It is there until the record describes the folder.
const PENDING: &str = "pending";
/// BOUND: the size of that file.
const PENDING_BYTES_MAX: u64 = 4096;
/// BOUND: how many such folders there can be.
const FOLDERS_MAX: u32 = 9999;

/// What setting a part of the log aside has changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reanchored {
    /// What second state remembered of the log, or else the index.
    pub was: Option<Remembered>,
    /// Size and root of the intact part, from which the log continues.
    pub now: Remembered,
    /// What was wrong, and where.
    pub what: String,
    /// The name of the folder in the home in which the damaged part is kept.
    pub aside: String,
    /// How many bytes that part has.
    pub bytes: u64,
    /// The SHA-256 over the files in that folder, in the order of their numbers.
    pub digest: Digest,
    /// Runs that had not ended where the log was cut: their later records are in the part that was set aside.
    pub not_ended: Vec<RunId>,
}

/// Sets the damaged part of a log aside. `record` makes the records of this: one in the log's own run, and the last record of each run that
/// had not ended. They are durable before anything new is remembered. Until then the home is still refused, and this can be repeated.
///
/// # Errors
/// [`OpenError::Whole`] if nothing is damaged; else as for [`crate::Journal::open`].
pub fn reanchor(
    home: &Path,
    state: Option<&Path>,
    options: Options,
    record: impl FnOnce(&Reanchored) -> Vec<Entry>,
) -> Result<Reanchored, OpenError> {
    check_ground(&RealDisk, home, state, &options)?;
    let done = set_aside(home, state)?;
    // All segments may have been set aside, but the keys of runs stay where they are.
    let (journal, _) = OpenPlan { disk: Arc::new(RealDisk), home, state: None, options, missing: Missing::Accepted }.open()?;
    let written = journal.append_all(record(&done)).map_err(OpenError::Unrecorded)?;
    let durable = written.last().map_or(Ok(()), |last| last.ticket.wait_blocking());
    durable.map_err(|broken| OpenError::Unrecorded(broken.into()))?;
    let now = Remembered { log: done.now.log, size: journal.size(), root: journal.root() };
    // The journal holds the home until this is done, so that no other process changes it after the record was made.
    if let Some(state) = state {
        StateFile::begin(&RealDisk, state, &now).map_err(io_at(state))?;
        remember_home(&RealDisk, state, home, now.log).map_err(io_at(state))?;
    }
    let pending = home.join(&done.aside).join(PENDING);
    RealDisk.remove(&pending).map_err(io_at(&pending))?;
    journal.close().map_err(|broken| OpenError::Unrecorded(broken.into()))?;
    Ok(done)
}

/// The present size and digest of a part that was set aside. `None` if it is missing, or if this is not the name of such a part.
pub fn aside_now(home: &Path, name: &str) -> Option<(u64, Digest)> {
    let number = name.strip_prefix(ASIDE).filter(|number| number.len() == 4 && number.bytes().all(|digit| digit.is_ascii_digit()))?;
    let folder = home.join(format!("{ASIDE}{number}"));
    SetAside { name: name.to_owned(), folder, what: String::new() }.sum().ok().filter(|(bytes, _)| *bytes > 0)
}

/// The damage, and where to cut the log.
struct DamageCut {
    fault: LogFault,
    /// The segment with the first damaged batch.
    segment: u32,
    offset: u64,
}

fn set_aside(home: &Path, state: Option<&Path>) -> Result<Reanchored, OpenError> {
    let held = hold(home)?;
    let folder = held.folder.clone();
    segment::remove_unfinished(&RealDisk, &folder).map_err(io_at(&folder))?;
    let mut numbers = segment::list(&folder).map_err(io_at(&folder))?;
    let custody = match custody::inspect_checked(home, state, &numbers) {
        // Accepting a rollback needs an intact record. So if second state is lost and the record is damaged, this comes first.
        Err(OpenError::StateUnreadable { .. }) => custody::inspect_checked(home, None, &numbers),
        inspected => inspected,
    };
    let Custody { signer, home_key } = custody?;
    let key = signer.public();
    let was = match state {
        Some(state) => remembered(&state_path(state, key.log())).ok().flatten(),
        None => None,
    };
    let was = was.or_else(|| {
        let checkpoint = Index::read(home, &home_key.index)?.checkpoint;
        Some(Remembered { log: checkpoint.log, size: checkpoint.size, root: checkpoint.root })
    });
    let base = base_of(home, key)?;
    numbers.retain(|number| *number >= Base::first(base.as_ref()));
    let mut walker = Walker::new(key, Signatures::Each, Vec::new());
    let mut newer = None;
    let cut = find((&folder, &numbers), &mut walker, (was, base.as_ref()), &mut |leaf| newer = newer.or_else(|| leaf.newer()));
    if let Some(newer) = newer {
        return Err(OpenError::Newer(newer));
    }
    let aside = SetAside::of(home, cut.as_ref().map(|cut| &cut.fault))?.ok_or(OpenError::Whole)?;
    if let Some(cut) = &cut {
        aside.take(&folder, &numbers, cut)?;
        // The walk has already added a part of the damaged batch, which does not count.
        walker = Walker::new(key, Signatures::Each, Vec::new());
        let numbers = segment::list(&folder).map_err(io_at(&folder))?;
        let from = walker.begin(&folder, base.as_ref()).map_err(OpenError::Fault)?;
        walk(&folder, &numbers, from, &mut walker, &mut |_| {}).map_err(OpenError::Fault)?;
    }
    index::put_away(&RealDisk, home)?;
    crate::salvage::unmark(home).map_err(io_at(&crate::salvage::mark_path(home)))?;
    let (bytes, digest) = aside.sum().map_err(io_at(&aside.folder))?;
    let mut not_ended: Vec<RunId> =
        walker.heads.iter().filter(|(run, head)| !head.ended && **run != log_run()).map(|(run, _)| *run).collect();
    not_ended.sort_unstable();
    let now = Remembered { log: key.log(), size: walker.tree.size(), root: walker.tree.root() };
    Ok(Reanchored { was, now, what: aside.what, aside: aside.name, bytes, digest, not_ended })
}

/// Finds the damage: the first fault, or a torn end of the log if more records are remembered.
fn find(
    (folder, numbers): (&Path, &[u32]),
    walker: &mut Walker<'_>,
    (was, base): (Option<Remembered>, Option<&Base>),
    each: &mut dyn FnMut(&Leaf<'_>),
) -> Option<DamageCut> {
    let first = Base::first(base);
    let until_gap: Vec<u32> = (first..).zip(numbers).take_while(|(expected, found)| expected == *found).map(|(number, _)| number).collect();
    let walked = match walker.begin(folder, base) {
        Ok(from) => walk(folder, &until_gap, from, walker, each),
        Err(fault) => Err(fault),
    };
    match walked {
        // Only a newer program can say what is damaged in a segment that it wrote.
        Err(LogFault { what: FaultKind::SegmentNewer { .. }, .. }) => None,
        Err(fault) => {
            let (segment, offset) = walker.next;
            // If a header is damaged, its whole segment is cut.
            let (segment, offset) = if fault.at.segment > segment { (fault.at.segment, 0) } else { (segment, offset) };
            Some(DamageCut { fault, segment, offset })
        }
        Ok(_) if until_gap.len() < numbers.len() => {
            let segment = u32::try_from(until_gap.len()).unwrap_or(u32::MAX).saturating_add(first);
            let fault = LogFault { at: Position { segment, offset: 0, index: walker.tree.size() }, what: FaultKind::SegmentMissing };
            Some(DamageCut { fault, segment, offset: 0 })
        }
        Ok(WalkEnd { at, torn_bytes, .. }) => {
            let known = was.map_or(0, |was| was.size);
            let size = walker.tree.size();
            let behind = torn_bytes > 0 && known > size;
            behind.then_some(DamageCut {
                fault: LogFault { at, what: FaultKind::Behind { size, known } },
                segment: at.segment,
                offset: at.offset,
            })
        }
    }
}

/// The folder in which the damaged part is kept.
struct SetAside {
    name: String,
    folder: PathBuf,
    what: String,
}

impl SetAside {
    /// Returns a folder that was begun and not recorded, or makes one for this fault. `None` if there is no such folder and no fault.
    fn of(home: &Path, fault: Option<&LogFault>) -> Result<Option<Self>, OpenError> {
        for number in 1..=FOLDERS_MAX {
            let name = format!("{ASIDE}{number:04}");
            let folder = home.join(&name);
            let pending = folder.join(PENDING);
            // If only an unfinished `pending` file is in the folder, nothing else was put there yet.
            let is_free = match home::list(&folder) {
                Err(cause) if cause.kind() == io::ErrorKind::NotFound => true,
                names => names.map_err(io_at(&folder))?.iter().map(OsString::as_os_str).eq([OsStr::new("pending.new")]),
            };
            if is_free {
                let Some(fault) = fault else { return Ok(None) };
                home::make_folder(&folder).map_err(io_at(&folder))?;
                replace(&RealDisk, &pending, fault.to_string().as_bytes(), Replace::Durable).map_err(io_at(&pending))?;
                RealDisk.sync_folder(home).map_err(io_at(home))?;
                return Ok(Some(Self { name, folder, what: fault.to_string() }));
            }
            if let Some(what) = read_own(&pending, PENDING_BYTES_MAX).map_err(io_at(&pending))? {
                return Ok(Some(Self { name, folder, what: String::from_utf8_lossy(&what).into_owned() }));
            }
        }
        Err(io_at(home)(io::ErrorKind::StorageFull.into()))
    }

    /// Moves the segments after the cut, copies the segment with the cut, and cuts it. If the process dies in between, this can be
    /// repeated.
    fn take(&self, folder: &Path, numbers: &[u32], cut: &DamageCut) -> Result<(), OpenError> {
        // This begins with the last segment, so that the remaining segments have no gap.
        for number in numbers.iter().rev().copied().filter(|number| *number > cut.segment) {
            let from = segment::path(folder, number);
            RealDisk.rename(&from, &segment::path(&self.folder, number)).map_err(io_at(&from))?;
        }
        let from = segment::path(folder, cut.segment);
        if std::fs::exists(&from).map_err(io_at(&from))? {
            self.take_cut(&from, cut).map_err(io_at(&from))?;
        }
        RealDisk.sync_folder(folder).and_then(|()| RealDisk.sync_folder(&self.folder)).map_err(io_at(folder))
    }

    fn take_cut(&self, from: &Path, cut: &DamageCut) -> io::Result<()> {
        let to = segment::path(&self.folder, cut.segment);
        if cut.offset <= wide(HEADER_BYTES) && cut.segment > 1 {
            // No batch of it is intact.
            return RealDisk.rename(from, &to);
        }
        if !std::fs::exists(&to)? {
            let mut bytes = Vec::new();
            home::open(from, Access::Read)?.read_to_end(&mut bytes)?;
            replace(&RealDisk, &to, &bytes, Replace::Durable)?;
        }
        if cut.offset <= wide(HEADER_BYTES) {
            return RealDisk.remove(from);
        }
        let file = home::open(from, Access::Write)?;
        RealDisk.truncate(&file, cut.offset)?;
        RealDisk.sync(&file)
    }

    /// How many bytes the part has, and their digest.
    fn sum(&self) -> io::Result<(u64, Digest)> {
        let (mut bytes, mut hasher) = (0, Sha256::new());
        for number in segment::list(&self.folder)? {
            bytes += hash_file(&home::open(&segment::path(&self.folder, number), Access::Read)?, &mut hasher)?;
        }
        Ok((bytes, Digest::from_bytes(hasher.finalize().into())))
    }
}
