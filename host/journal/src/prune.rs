//! Prunes a log: moves its earlier segments into an archive, or removes them for good.
//!
//! The order of the steps makes it safe. First the archive is on the disk; then a record says what is removed; then the signed base says
//! where the log begins now; only then the files are removed. If the process dies in between, the log is whole, either with the earlier
//! segments or without them. The next opening removes files that are left.
//!
//! What this does not do: it does not decide which segments may be pruned. `gate` does.

use std::collections::{HashMap, HashSet};
use std::io::{self, Read as _, Write as _};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use home::Access;
use sha2::{Digest as _, Sha256};
use vocabulary::{Digest, RunId};

use crate::base::base_of;
use crate::base::{self, Base};
use crate::disk::{Disk, RealDisk, Replace, hash_file, read_own, replace};
use crate::err::{AppendError, Broken, FaultKind, LogFault, OpenError};
use crate::ids::{Position, log_run};
use crate::journal::Journal;
use crate::key_paths;
use crate::keys;
use crate::note::PublicKey;
use crate::scan::Scanned;
use crate::segment;
use crate::walk::{Signatures, WalkHead, Walker, walk};

/// Which segments to prune.
#[derive(Clone, Debug)]
pub struct Pruning {
    /// The first segment that stays.
    pub until: u32,
    /// The folder of the archive to which the segments are moved. Without one, they are dropped.
    pub to: Option<PathBuf>,
}

/// What was pruned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pruned {
    /// The first segment that was pruned.
    pub first: u32,
    /// The first segment that stays.
    pub until: u32,
    /// How many records the log had before the cut, counted from its first record ever.
    pub size: u64,
    /// The root over them.
    pub root: Digest,
    /// How many bytes the pruned segments had.
    pub bytes: u64,
    /// The SHA-256 over their files, in the order of their numbers.
    pub digest: Digest,
    /// The index in the log of the record of the prune; `None` while that record is made.
    pub recorded: Option<u64>,
}

/// Why nothing, or not everything, was pruned.
#[derive(Debug, thiserror::Error)]
pub enum PruneError {
    /// The log can't begin with this segment: it is not there, or no segment comes before it.
    #[error("the record can't begin with segment {until}: it has segments {first} to {last}")]
    NoSuchSegment {
        /// The segment that was asked for.
        until: u32,
        /// The first segment of the log.
        first: u32,
        /// The last segment of the log.
        last: u32,
    },
    /// A run that has not ended began before the cut.
    #[error("run `{run}` has not ended, and began in the part that would be removed")]
    Open {
        /// The run.
        run: RunId,
    },
    /// The part that would be pruned, or the rest of the log, is damaged.
    #[error("the record is damaged")]
    Fault(#[source] LogFault),
    /// A file could not be read or written.
    #[error("could not use `{}`", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        cause: io::Error,
    },
    /// The archive has a different file under that name.
    #[error("the archive has another file `{}`", .0.display())]
    OtherArchive(PathBuf),
    /// The archive would lie in the home.
    #[error("`{}` lies in the home itself: an archive there would be lost together with the home", .0.display())]
    ArchiveInHome(PathBuf),
    /// The caller's progress function stopped the prune. Nothing was pruned.
    #[error("stopped before anything was removed")]
    Ended,
    /// The prune could not be recorded. Nothing was pruned.
    #[error("the record of this change could not be written")]
    Unrecorded(#[source] AppendError),
}

/// Is called with what was done and the number of the segment, and returns whether to continue. It is not called after the prune is
/// recorded.
pub type PruneProgress<'a> = dyn FnMut(&str, u32) -> ControlFlow<()> + 'a;

fn go_on(said: ControlFlow<()>) -> Result<(), PruneError> {
    if said.is_break() { Err(PruneError::Ended) } else { Ok(()) }
}

impl From<OpenError> for PruneError {
    fn from(err: OpenError) -> Self {
        match err {
            OpenError::Fault(fault) => Self::Fault(fault),
            OpenError::Io { path, cause } => Self::Io { path, cause },
            other => Self::Io { path: PathBuf::from("journal"), cause: io::Error::other(other) },
        }
    }
}

fn io_at(path: &Path) -> impl FnOnce(io::Error) -> PruneError {
    let path = path.to_owned();
    |cause| PruneError::Io { cause: home::told(&path, cause), path }
}

impl Journal {
    /// Prunes the segments before `pruning.until`. They are read and verified first. `record` makes the record of this, which is durable
    /// before anything is removed. `progress` is called for each step with a segment, and returns whether to continue.
    ///
    /// Meanwhile, nobody may reopen a run that has ended.
    ///
    /// # Errors
    /// See [`PruneError`]. Until the record is made, only the archive has changed.
    pub fn prune(
        &self,
        pruning: &Pruning,
        record: impl FnOnce(&Pruned) -> Vec<u8>,
        progress: &mut PruneProgress<'_>,
    ) -> Result<Pruned, PruneError> {
        self.prune_on(&RealDisk, pruning, record, progress)
    }

    pub(crate) fn prune_on(
        &self,
        disk: &dyn Disk,
        pruning: &Pruning,
        record: impl FnOnce(&Pruned) -> Vec<u8>,
        progress: &mut PruneProgress<'_>,
    ) -> Result<Pruned, PruneError> {
        let home = self.home();
        let signer = keys::signer(home)?;
        let cut = PruneCut::find(home, signer.public(), pruning.until, progress)?;
        // The log's own run never ends.
        let open = self.open_runs().into_iter().find(|run| *run != log_run() && cut.begun.contains(run));
        if let Some(run) = open {
            return Err(PruneError::Open { run });
        }
        if let Some(to) = &pruning.to {
            archive(disk, home, to, &cut, progress)?;
        }
        let (bytes, digest) = sum(&cut)?;
        let base = cut.base;
        let pruned = Pruned { first: cut.first, until: base.segment, size: base.size, root: base.root, bytes, digest, recorded: None };
        let written = self.append(log_run(), record(&pruned), Vec::new()).map_err(PruneError::Unrecorded)?;
        written.ticket.wait_blocking().map_err(|broken: Broken| PruneError::Unrecorded(broken.into()))?;
        // The derived file covers records that are about to be removed.
        remove(disk, &home.join("journal.touched"))?;
        base.write(disk, home, &signer).map_err(io_at(&base::path(home)))?;
        segment::sweep(disk, &cut.folder, base.segment).map_err(io_at(&cut.folder))?;
        Ok(Pruned { recorded: Some(written.index), ..pruned })
    }
}

fn remove(disk: &dyn Disk, path: &Path) -> Result<(), PruneError> {
    match disk.remove(path) {
        Err(cause) if cause.kind() != io::ErrorKind::NotFound => Err(io_at(path)(cause)),
        _ => Ok(()),
    }
}

/// Where to cut a log.
struct PruneCut {
    folder: PathBuf,
    /// The first segment that is there.
    first: u32,
    /// The segments that are pruned.
    numbers: Vec<u32>,
    base: Base,
    /// Runs that have records before the cut and had not ended there.
    begun: HashSet<RunId>,
}

impl PruneCut {
    /// Verifies what is pruned, and finds the runs that continue in what stays.
    fn find(home: &Path, key: &PublicKey, until: u32, progress: &mut PruneProgress<'_>) -> Result<Self, PruneError> {
        let folder = segment::folder(home);
        let before = base_of(home, key)?;
        let first = Base::first(before.as_ref());
        let mut numbers = segment::list(&folder).map_err(io_at(&folder))?;
        numbers.retain(|number| *number >= first);
        let last = numbers.last().copied().unwrap_or(first);
        if !numbers.contains(&until) || until <= first || segment::gap(first, &numbers).is_some() {
            return Err(PruneError::NoSuchSegment { until, first, last });
        }
        let (gone, stay): (Vec<u32>, Vec<u32>) = numbers.into_iter().partition(|number| *number < until);
        let mut walker = Walker::new(key, Signatures::Last, Vec::new());
        let mut from = walker.begin(&folder, before.as_ref()).map_err(PruneError::Fault)?;
        for number in &gone {
            go_on(progress("verified", *number))?;
            let end = walk(&folder, &[*number], from, &mut walker, &mut |_| {}).map_err(PruneError::Fault)?;
            if end.torn_bytes > 0 {
                return Err(PruneError::Fault(LogFault { at: end.at, what: FaultKind::TrailingBytes }));
            }
            from = Position { segment: number + 1, index: walker.tree.size(), ..Position::start() };
        }
        let (file, header) = segment::open(&folder, until, Some(key.log())).map_err(PruneError::Fault)?;
        let at = Position { segment: until, offset: 0, index: walker.tree.size() };
        let tree = segment::base(&file, &header, key).map_err(|what| PruneError::Fault(LogFault { at, what }))?;
        if tree.as_ref() != Some(&walker.tree) {
            return Err(PruneError::Fault(LogFault { at, what: FaultKind::HeaderDiffers }));
        }
        let heads = carried_on(&folder, key, &stay, &walker.heads)?;
        let begun = walker.heads.iter().filter(|(_, head)| !head.ended).map(|(run, _)| *run).collect();
        let base = Base { log: key.log(), segment: until, size: walker.tree.size(), root: walker.tree.root(), heads };
        Ok(Self { folder, first, numbers: gone, base, begun })
    }
}

/// For each run that has records after the cut: its last record before the cut.
fn carried_on(
    folder: &Path,
    key: &PublicKey,
    stay: &[u32],
    heads: &HashMap<RunId, WalkHead>,
) -> Result<Vec<(RunId, u64, Digest)>, PruneError> {
    let mut going = HashSet::from([log_run()]);
    for number in stay {
        let (file, header) = segment::open(folder, *number, Some(key.log())).map_err(PruneError::Fault)?;
        let mut scanner = segment::scanner(file, &header, 0);
        while scanner.advance().map_err(io_at(&segment::path(folder, *number)))? == Scanned::Batch {
            let batch = scanner.batch();
            let leaves = batch.frames.iter().filter(|span| span.is_leaf()).filter_map(|span| batch.leaf(span));
            going.extend(leaves.map(|leaf| leaf.head.run).filter(|run| heads.contains_key(run)));
        }
    }
    let mut on: Vec<_> = going.iter().filter_map(|run| heads.get(run).map(|head| (*run, head.seq, head.last))).collect();
    on.sort_unstable();
    Ok(on)
}

/// Copies what is pruned into the archive, with the public key and base that verify it there.
fn archive(disk: &dyn Disk, home: &Path, to: &Path, cut: &PruneCut, progress: &mut PruneProgress<'_>) -> Result<(), PruneError> {
    let folder = segment::folder(to);
    home::make_folder(&folder).map_err(io_at(&folder))?;
    apart(home, to, &folder)?;
    // First check which log the archive belongs to, so that nothing of this log is put into the archive of another.
    let public = key_paths::public_path(to);
    let read = |path: &Path| read_own(path, base::FILE_BYTES_MAX).map_err(io_at(path));
    let own = read(&key_paths::public_path(home))?.unwrap_or_default();
    match read(&public)? {
        Some(there) if there == own => {}
        // The key may have been rotated since the archive was begun.
        Some(there) if !leads_to(&there, &own) => return Err(PruneError::OtherArchive(public)),
        Some(_) | None => replace(disk, &public, &own, Replace::Durable).map_err(io_at(&public))?,
    }
    for number in &cut.numbers {
        let (from, there) = (segment::path(&cut.folder, *number), segment::path(&folder, *number));
        if std::fs::exists(&there).map_err(io_at(&there))? {
            if hash(&from).map_err(io_at(&from))? != hash(&there).map_err(io_at(&there))? {
                return Err(PruneError::OtherArchive(there));
            }
        } else {
            copy(disk, &from, &there).map_err(io_at(&there))?;
        }
        go_on(progress("archived", *number))?;
    }
    disk.sync_folder(&folder).map_err(io_at(&folder))?;
    // An archive that does not begin with the first record says where it begins.
    let begins = segment::list(&folder).map_err(io_at(&folder))?.first().copied();
    let there = base::path(to);
    if cut.first > 1 && begins == Some(cut.first) && !std::fs::exists(&there).map_err(io_at(&there))? {
        let own = read(&base::path(home))?.unwrap_or_default();
        replace(disk, &there, &own, Replace::Durable).map_err(io_at(&there))?;
    }
    disk.sync_folder(to).map_err(io_at(to))
}

/// Whether `before` is the same file of public keys as `after`, from before a rotation.
fn leads_to(before: &[u8], after: &[u8]) -> bool {
    let key = |bytes: &[u8]| str::from_utf8(bytes).ok()?.parse::<PublicKey>().ok();
    key(before).zip(key(after)).is_some_and(|(before, after)| before.extended(&after) == after)
}

/// Checks that the archive is not in the home, under any name of the folder: its files could be the originals, and be removed with them.
fn apart(home: &Path, to: &Path, folder: &Path) -> Result<(), PruneError> {
    let real = |path: &Path| path.canonicalize().map_err(io_at(path));
    let home = real(home)?;
    let within = [real(to)?, real(folder)?].iter().any(|path| path.starts_with(&home));
    if within { Err(PruneError::ArchiveInHome(to.to_owned())) } else { Ok(()) }
}

/// Copies a file. The copy has its name only when it is complete.
fn copy(disk: &dyn Disk, from: &Path, to: &Path) -> io::Result<()> {
    let aside = to.with_extension("new");
    let mut source = home::open(from, Access::Read)?;
    let mut target = disk.create(&aside)?;
    let mut fill = || -> io::Result<()> {
        let mut piece = vec![0; 1 << 20];
        loop {
            let read = source.read(&mut piece)?;
            let Some(read) = piece.get(..read).filter(|read| !read.is_empty()) else { break };
            target.write_all(read)?;
        }
        disk.sync(&target)?;
        disk.rename_new(&aside, to)
    };
    // A partial copy is useless, and takes space that a full disk needs.
    fill().inspect_err(|_| drop(disk.remove(&aside)))?;
    if hash(from)? == hash(to)? { Ok(()) } else { Err(io::Error::new(io::ErrorKind::InvalidData, "the copy differs from its source")) }
}

fn hash(path: &Path) -> io::Result<[u8; 32]> {
    let mut hasher = Sha256::new();
    hash_file(&home::open(path, Access::Read)?, &mut hasher)?;
    Ok(hasher.finalize().into())
}

/// How many bytes are pruned, and their digest.
fn sum(cut: &PruneCut) -> Result<(u64, Digest), PruneError> {
    let (mut bytes, mut hasher) = (0, Sha256::new());
    for number in &cut.numbers {
        let path = segment::path(&cut.folder, *number);
        let file = home::open(&path, Access::Read).map_err(io_at(&path))?;
        bytes += hash_file(&file, &mut hasher).map_err(io_at(&path))?;
    }
    Ok((bytes, Digest::from_bytes(hasher.finalize().into())))
}
