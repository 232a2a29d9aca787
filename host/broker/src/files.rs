//! Observations of mounts. Paths are resolved beneath an open directory, and only regular files and directories are opened.

use std::collections::{BTreeMap, BTreeSet};
use std::os::fd::AsRawFd as _;
use std::path::Path;
use std::sync::Arc;

use cap_std::fs::{Dir, Metadata, MetadataExt as _};
use effects::{Observation, OpenFiles, Permit};
use vocabulary::{DirEntry, FileAnswer, FileAsk, FileFault, FileId, FileKind, FileOpen, FileStat, FilesGrant, Reason, RunSpec, Stop};

use crate::beneath::{self, PathEnd};
use crate::mounts::Mounts;
use crate::not_observed::NotObserved;
use crate::pread::read_at;

/// BOUND: bytes of one read, whatever was asked for.
const READ_BYTES_MAX: u32 = 64 << 10;

/// An open file or directory.
enum Thing {
    File { file: std::fs::File, size: u64 },
    Dir(Arc<Dir>),
}

struct Open {
    mount: usize,
    thing: Thing,
    /// The path by which it was opened, as the guest would write it. `None` if it is too long to be kept.
    said: Option<String>,
}

/// One run's view of its mounts.
pub(crate) struct Files {
    spec: Arc<RunSpec>,
    identity: [u8; 32],
    open: BTreeMap<u64, Open>,
    mounts: Mounts,
    next: u64,
    /// Files that were opened before the run was cut off. They are opened again when they are used.
    before: BTreeMap<u64, FileOpen>,
    /// Those among them that are closed, and are only needed to open others.
    closed: BTreeSet<u64>,
}

impl Files {
    pub(crate) fn new(spec: Arc<RunSpec>, mounts: Mounts, seed: &[u8; 32]) -> Self {
        let next = mounts.len() as u64 + 1;
        let identity = blake3::derive_key("bailiwick file identity 1", seed);
        let open = BTreeMap::new();
        Self { spec, identity, open, mounts, next, before: BTreeMap::new(), closed: BTreeSet::new() }
    }

    /// Continues a run that was cut off.
    pub(crate) fn go_on(&mut self, open: OpenFiles) {
        self.next = open.next;
        self.before = open.files.into_iter().map(|(file, open)| (file.0, open)).collect();
        self.closed = open.closed.into_iter().map(|file| file.0).collect();
    }

    /// Makes one observation.
    ///
    /// # Errors
    /// A limit that ends the run.
    pub(crate) fn observe(&mut self, permit: Permit<FileAsk>) -> Result<Observation, Stop> {
        let (ask, _) = permit.into_ask();
        if let FileAsk::List { dir } = ask {
            return self.list(dir);
        }
        Ok(match self.try_look(&ask) {
            Ok(answer) => answer.into(),
            Err(NotObserved::Refused(reason)) => reason.into(),
            Err(NotObserved::Fault(fault)) => fault.into(),
        })
    }

    fn try_look(&mut self, ask: &FileAsk) -> Result<FileAnswer, NotObserved> {
        match ask {
            FileAsk::Open(open) => self.open(open),
            FileAsk::Read { file, offset, len } => self.read(*file, *offset, *len),
            FileAsk::Stat { file } => self.stat(*file),
            FileAsk::StatAt { dir, path, follow } => {
                let (_, dir) = self.dir(*dir)?;
                let found = beneath::find(&dir, path.as_str(), end(*follow))?;
                let meta = Metadata::from_file(&found)?;
                if path.as_str().ends_with('/') && kind_of(&meta) != FileKind::Directory {
                    return Err(FileFault::NotDirectory.into());
                }
                Ok(FileAnswer::Stat(self.stat_of(&meta)))
            }
            FileAsk::ReadLink { dir, path } => {
                let (_, dir) = self.dir(*dir)?;
                let link = beneath::find(&dir, path.as_str(), PathEnd::AsItIs)?;
                if kind_of(&Metadata::from_file(&link)?) != FileKind::Link {
                    return Err(FileFault::Invalid.into());
                }
                beneath::target(&link).map(FileAnswer::Link)
            }
            FileAsk::Close { file } => {
                let before = self.before.contains_key(&file.0) && self.closed.insert(file.0);
                let known = self.open.remove(&file.0).is_some() | before;
                let mount = usize::try_from(file.0).is_ok_and(|file| (1..=self.mounts.len()).contains(&file));
                if known || mount { Ok(FileAnswer::Closed) } else { Err(FileFault::Invalid.into()) }
            }
            // SECURITY: nothing in this version changes a file, whatever was permitted.
            FileAsk::Change { .. } => Err(NotObserved::Refused(Reason::WriteNotGranted)),
            // This case was handled before.
            FileAsk::List { .. } => Err(FileFault::Invalid.into()),
        }
    }

    fn mount_of(&self, file: FileId) -> Option<usize> {
        match usize::try_from(file.0).ok()? {
            mount @ 1.. if mount <= self.mounts.len() => Some(mount - 1),
            _ => self.open.get(&file.0).map(|open| open.mount),
        }
    }

    /// The number of files that are open for the guest. Files that are opened again when they are used count too.
    fn count_open(&self) -> usize {
        let unused = self.before.keys().filter(|file| !self.closed.contains(file) && !self.open.contains_key(file)).count();
        self.open.len() + unused
    }

    /// An open directory, with the number of its mount.
    fn dir(&mut self, dir: FileId) -> Result<(usize, Arc<Dir>), NotObserved> {
        self.reopen(dir)?;
        let mount = self.mount_of(dir).ok_or(FileFault::Invalid)?;
        match self.open.get(&dir.0) {
            Some(Open { thing: Thing::Dir(dir), .. }) => Ok((mount, Arc::clone(dir))),
            Some(Open { thing: Thing::File { .. }, .. }) => Err(FileFault::NotDirectory.into()),
            None => self.mounts.get(mount).map(|dir| (mount, Arc::clone(dir))).ok_or(NotObserved::Fault(FileFault::Invalid)),
        }
    }

    fn open(&mut self, open: &FileOpen) -> Result<FileAnswer, NotObserved> {
        let (mount, dir) = self.dir(open.dir)?;
        if self.count_open() as u64 >= self.spec.limits.files_open {
            return Err(FileFault::TooManyOpen.into());
        }
        let said = joined(self.said(open.dir), open.path.as_str());
        let thing = open_at(&dir, open)?;
        let kind = if matches!(thing, Thing::Dir(_)) { FileKind::Directory } else { FileKind::File };
        let file = FileId(self.next);
        self.next += 1;
        let real = self.spec.grants.files.get(mount).and_then(|grant| real_path(grant, &thing)).filter(|real| said.as_ref() != Some(real));
        self.open.insert(file.0, Open { mount, thing, said });
        Ok(FileAnswer::Opened { file, kind, real })
    }

    /// The path by which an open file was opened, or the path of a mount.
    fn said(&self, file: FileId) -> Option<String> {
        match self.open.get(&file.0) {
            Some(open) => open.said.clone(),
            None => self.mount_of(file).and_then(|mount| Some(self.spec.grants.files.get(mount)?.guest.clone())),
        }
    }

    /// Opens again what a run had open when it was cut off, outermost directory first.
    fn reopen(&mut self, file: FileId) -> Result<(), NotObserved> {
        if self.open.contains_key(&file.0) || self.closed.contains(&file.0) {
            return Ok(());
        }
        let (mut chain, mut next) = (Vec::new(), file.0);
        while let Some(open) = self.before.get(&next).filter(|_| !self.open.contains_key(&next)) {
            chain.push((next, open.clone()));
            next = open.dir.0;
        }
        let mut parent = match self.open.get(&next) {
            Some(Open { thing: Thing::Dir(dir), mount, .. }) => Some((*mount, Arc::clone(dir))),
            Some(Open { thing: Thing::File { .. }, .. }) => return Err(FileFault::NotDirectory.into()),
            None => self.mount_of(FileId(next)).and_then(|mount| Some((mount, Arc::clone(self.mounts.get(mount)?)))),
        };
        let mut said = self.said(FileId(next));
        for (id, open) in chain.into_iter().rev() {
            let (mount, dir) = parent.take().ok_or(FileFault::Invalid)?;
            let thing = open_at(&dir, &open)?;
            said = joined(said, open.path.as_str());
            if let Thing::Dir(dir) = &thing {
                parent = Some((mount, Arc::clone(dir)));
            }
            if !self.closed.contains(&id) {
                self.open.insert(id, Open { mount, thing, said: said.clone() });
            }
        }
        Ok(())
    }

    fn read(&mut self, file: FileId, offset: u64, len: u32) -> Result<FileAnswer, NotObserved> {
        self.reopen(file)?;
        match self.open.get(&file.0) {
            Some(Open { thing: Thing::File { file, size }, .. }) => {
                Ok(FileAnswer::Bytes(read_at(file, offset, len.min(READ_BYTES_MAX), *size)?))
            }
            Some(Open { thing: Thing::Dir(_), .. }) => Err(FileFault::IsDirectory.into()),
            None if self.mount_of(file).is_some() => Err(FileFault::IsDirectory.into()),
            None => Err(FileFault::Invalid.into()),
        }
    }

    fn stat(&mut self, file: FileId) -> Result<FileAnswer, NotObserved> {
        self.reopen(file)?;
        let meta = match self.open.get(&file.0) {
            Some(Open { thing: Thing::File { file, .. }, .. }) => Metadata::from_file(file)?,
            Some(Open { thing: Thing::Dir(dir), .. }) => dir.dir_metadata()?,
            None => match self.mount_of(file).and_then(|mount| self.mounts.get(mount)) {
                Some(dir) => dir.dir_metadata()?,
                None => return Err(FileFault::Invalid.into()),
            },
        };
        Ok(FileAnswer::Stat(self.stat_of(&meta)))
    }

    fn stat_of(&self, meta: &Metadata) -> FileStat {
        let kind = kind_of(meta);
        let mut hasher = blake3::Hasher::new_keyed(&self.identity);
        hasher.update(&meta.dev().to_le_bytes());
        hasher.update(&meta.ino().to_le_bytes());
        let mut halves = [[0u8; 8]; 2];
        for (to, from) in halves.iter_mut().flatten().zip(hasher.finalize().as_bytes()) {
            *to = *from;
        }
        FileStat {
            identity: halves.map(u64::from_le_bytes),
            kind,
            modified_ns: nanoseconds(meta.mtime(), meta.mtime_nsec()),
            size: if kind == FileKind::Directory { 0 } else { meta.len() },
        }
    }

    fn list(&mut self, dir: FileId) -> Result<Observation, Stop> {
        let opened = match self.dir(dir) {
            Ok((_, dir)) => dir,
            Err(NotObserved::Refused(reason)) => return Ok(reason.into()),
            Err(NotObserved::Fault(fault)) => return Ok(fault.into()),
        };
        let Ok(found) = opened.entries() else { return Ok(FileFault::Io.into()) };
        let (mut entries, mut unreadable) = (Vec::new(), 0u64);
        for entry in found {
            // BOUND: the names are held in memory to be sorted.
            if entries.len() as u64 + unreadable >= self.spec.limits.listing_entries {
                return Err(Stop::Limit(vocabulary::Limit::ListingEntries));
            }
            let Ok(entry) = entry else { return Ok(FileFault::Io.into()) };
            let kind = match entry.file_type() {
                Ok(kind) if kind.is_file() => FileKind::File,
                Ok(kind) if kind.is_dir() => FileKind::Directory,
                Ok(kind) if kind.is_symlink() => FileKind::Link,
                Ok(_) | Err(_) => FileKind::Other,
            };
            match entry.file_name().into_string() {
                Ok(name) => entries.push(DirEntry { kind, name }),
                Err(_) => unreadable += 1,
            }
        }
        entries.sort_unstable_by(|left, right| left.name.as_bytes().cmp(right.name.as_bytes()));
        Ok(FileAnswer::List { entries, unreadable }.into())
    }
}

/// A path beneath another one, as it is on the record. BOUND: a guest can walk `d/../d/..` without end.
fn joined(dir: Option<String>, path: &str) -> Option<String> {
    let mut whole = dir?;
    for part in path.split('/').filter(|part| !part.is_empty() && *part != ".") {
        if !whole.ends_with('/') {
            whole.push('/');
        }
        whole.push_str(part);
    }
    (whole.len() <= vocabulary::GUEST_PATH_BYTES_MAX).then_some(whole)
}

/// Where a file that was opened in a mount really is, as the guest would write it. The kernel provides this path (proc(5)), without links
/// in it.
fn real_path(grant: &FilesGrant, thing: &Thing) -> Option<String> {
    let fd = match thing {
        Thing::File { file, .. } => file.as_raw_fd(),
        Thing::Dir(dir) => dir.as_raw_fd(),
    };
    let real = rustix::fs::readlink(format!("/proc/self/fd/{fd}"), Vec::new()).ok()?.into_string().ok()?;
    let beneath = Path::new(&real).strip_prefix(&grant.host).ok()?;
    joined(Some(grant.guest.clone()), beneath.to_str()?)
}

/// Opens what is at a path, if it is a regular file or a directory.
///
/// SECURITY: the file is held before it is opened, because opening a device can have an effect, and opening a FIFO blocks. What is opened
/// is exactly what was held.
fn open_at(dir: &Dir, open: &FileOpen) -> Result<Thing, NotObserved> {
    let path = open.path.as_str();
    let found = beneath::find(dir, path, end(open.follow))?;
    let meta = Metadata::from_file(&found)?;
    match kind_of(&meta) {
        FileKind::Link => Err(FileFault::Loop.into()),
        FileKind::Other => Err(NotObserved::Refused(Reason::NotRegular)),
        FileKind::File if open.directory || path.ends_with('/') => Err(FileFault::NotDirectory.into()),
        FileKind::File => Ok(Thing::File { file: beneath::open(&found, false)?, size: meta.len() }),
        FileKind::Directory => Ok(Thing::Dir(Arc::new(Dir::from_std_file(beneath::open(&found, true)?)))),
    }
}

fn end(follow: bool) -> PathEnd {
    if follow { PathEnd::Followed } else { PathEnd::AsItIs }
}

fn kind_of(meta: &Metadata) -> FileKind {
    let kind = meta.file_type();
    if kind.is_file() {
        FileKind::File
    } else if kind.is_dir() {
        FileKind::Directory
    } else if kind.is_symlink() {
        FileKind::Link
    } else {
        FileKind::Other
    }
}

/// The time clamped to what the guest's type holds: no time before 1970 or after 2554.
fn nanoseconds(seconds: i64, nanoseconds: i64) -> u64 {
    let (Ok(seconds), Ok(nanoseconds)) = (u64::try_from(seconds), u64::try_from(nanoseconds)) else { return 0 };
    seconds.checked_mul(1_000_000_000).and_then(|whole| whole.checked_add(nanoseconds)).unwrap_or(u64::MAX)
}
