//! A folder of the disk, and the only way to what is in it.
//!
//! SECURITY: no path of this file leads through a link, out of the folder, or into another file system. The kernel finds the folder of an
//! object in that way, and the object is then named within it by its last name alone.

use std::io;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::path::Path;
use std::sync::Arc;

use rustix::fs::{AtFlags, Mode, OFlags, RenameFlags, ResolveFlags, Stat, Timespec, Timestamps};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};
use vocabulary::FileKind;

/// BOUND: bytes of the target of a link.
const TARGET_BYTES_MAX: usize = 4096;
/// BOUND: how often a look-up is repeated that a rename has disturbed.
const TRIES_MAX: usize = 100;
/// The bits of a mode that a commit ever gives: no bit that makes a program run as somebody else.
pub(crate) const MODE_MASK: u32 = 0o777;

/// A folder of the disk. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Root(Arc<OwnedFd>);

/// What tells an object of the disk from others, and from itself before a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Print {
    pub(crate) changed: (i64, i64),
    pub(crate) device: u64,
    pub(crate) group: u32,
    pub(crate) inode: u64,
    pub(crate) mode: u32,
    pub(crate) modified: (i64, i64),
    pub(crate) owner: u32,
    pub(crate) size: u64,
}

impl Print {
    /// Whether it is the same object with the same content, whatever its name is by now: a rename changes the time of its last change.
    pub(crate) fn is_same_content(&self, other: &Self) -> bool {
        let content = |print: &Self| (print.device, print.inode, print.mode, print.modified, print.size);
        content(self) == content(other)
    }

    /// Whether it is the same object.
    pub(crate) fn is_same_object(&self, other: &Self) -> bool {
        (self.device, self.inode) == (other.device, other.inode)
    }
}

/// An object of the disk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Found {
    pub(crate) kind: FileKind,
    pub(crate) print: Print,
    /// The target of a link.
    pub(crate) target: Option<String>,
}

/// The time of a file, in nanoseconds since 1970.
#[expect(clippy::cast_possible_wrap, reason = "the nanoseconds of a second are far below the bound")]
pub(crate) fn timespec(ns: u64) -> Timespec {
    const NS_PER_S: u64 = 1_000_000_000;
    Timespec { tv_sec: i64::try_from(ns / NS_PER_S).unwrap_or(i64::MAX), tv_nsec: (ns % NS_PER_S) as i64 }
}

/// The folder and the last name of a path.
pub(crate) fn split(path: &str) -> (&str, &str) {
    path.rsplit_once('/').unwrap_or(("", path))
}

/// A path within a folder.
pub(crate) fn join(folder: &str, name: &str) -> String {
    if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") }
}

#[expect(clippy::unnecessary_cast, reason = "the types of these fields differ between machines")]
fn found_of(stat: &Stat) -> (FileKind, Print) {
    let kind = match rustix::fs::FileType::from_raw_mode(stat.st_mode) {
        rustix::fs::FileType::RegularFile => FileKind::File,
        rustix::fs::FileType::Directory => FileKind::Directory,
        rustix::fs::FileType::Symlink => FileKind::Link,
        _ => FileKind::Other,
    };
    let print = Print {
        changed: (stat.st_ctime as i64, stat.st_ctime_nsec as i64),
        device: stat.st_dev as u64,
        group: stat.st_gid,
        inode: stat.st_ino as u64,
        mode: stat.st_mode & 0o7777,
        modified: (stat.st_mtime as i64, stat.st_mtime_nsec as i64),
        owner: stat.st_uid,
        size: if kind == FileKind::Directory { 0 } else { u64::try_from(stat.st_size).unwrap_or(0) },
    };
    (kind, print)
}

/// What an open file is.
pub(crate) fn print_of(file: impl std::os::fd::AsFd) -> io::Result<Print> {
    Ok(found_of(&rustix::fs::fstat(file)?).1)
}

impl Root {
    /// A folder that is open already.
    pub fn new(folder: OwnedFd) -> Self {
        Self(Arc::new(folder))
    }

    /// The folder at a path of the home, which is made for this user alone if it is not there.
    ///
    /// # Errors
    /// What the system says.
    pub fn of_home(path: &Path) -> io::Result<Self> {
        home::make_folder(path)?;
        Self::at(path)
    }

    /// The folder at a path.
    ///
    /// # Errors
    /// What the system says.
    pub fn at(path: &Path) -> io::Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        Ok(Self::new(rustix::fs::open(path, flags, Mode::empty())?))
    }

    fn within(&self, path: &str, flags: OFlags, mode: Mode) -> io::Result<OwnedFd> {
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_XDEV | ResolveFlags::NO_MAGICLINKS | ResolveFlags::NO_SYMLINKS;
        let path = if path.is_empty() { "." } else { path };
        for _ in 0..TRIES_MAX {
            match rustix::fs::openat2(&self.0, path, flags | OFlags::CLOEXEC | OFlags::NOFOLLOW, mode, resolve) {
                Err(Errno::AGAIN | Errno::INTR) => {}
                found => return Ok(found?),
            }
        }
        Err(io::ErrorKind::Interrupted.into())
    }

    /// The folder of an object, and the name of the object in it.
    fn parent<'a>(&self, path: &'a str) -> io::Result<(OwnedFd, &'a str)> {
        let (folder, name) = split(path);
        Ok((self.within(folder, OFlags::PATH | OFlags::DIRECTORY, Mode::empty())?, name))
    }

    /// What is at a path; `None` if nothing is.
    pub(crate) fn find(&self, path: &str) -> io::Result<Option<Found>> {
        let found = match self.within(path, OFlags::PATH, Mode::empty()) {
            Err(err) if matches!(err.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => return Ok(None),
            found => found?,
        };
        let (kind, print) = found_of(&rustix::fs::fstat(&found)?);
        let target = if kind == FileKind::Link { Some(target_of(&found)?) } else { None };
        Ok(Some(Found { kind, print, target }))
    }

    /// Opens a regular file for reading: the very object that has this print.
    pub(crate) fn open(&self, path: &str, print: &Print) -> io::Result<std::fs::File> {
        let found = self.within(path, OFlags::PATH, Mode::empty())?;
        let (kind, now) = found_of(&rustix::fs::fstat(&found)?);
        if kind != FileKind::File || !now.is_same_object(print) {
            return Err(Errno::STALE.into());
        }
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let file = rustix::fs::open(format!("/proc/self/fd/{}", found.as_raw_fd()), flags, Mode::empty())?;
        Ok(file.into())
    }

    /// Opens a file of one's own for reading and writing.
    pub(crate) fn open_own(&self, path: &str) -> io::Result<std::fs::File> {
        Ok(self.within(path, OFlags::RDWR | OFlags::NONBLOCK, Mode::empty())?.into())
    }

    /// Makes a file that is not there.
    pub(crate) fn create(&self, path: &str, mode: u32) -> io::Result<std::fs::File> {
        Ok(self.within(path, OFlags::RDWR | OFlags::CREATE | OFlags::EXCL, Mode::from_raw_mode(mode & MODE_MASK))?.into())
    }

    /// The names in a folder, in no order. A name that is no text is `None`.
    pub(crate) fn names(&self, path: &str) -> io::Result<Vec<Option<String>>> {
        let folder = self.within(path, OFlags::RDONLY | OFlags::DIRECTORY, Mode::empty())?;
        let mut names = Vec::new();
        for entry in rustix::fs::Dir::read_from(folder)? {
            let entry = entry?;
            match entry.file_name().to_bytes() {
                b"." | b".." => {}
                name => names.push(str::from_utf8(name).ok().map(str::to_owned)),
            }
        }
        Ok(names)
    }

    pub(crate) fn make_folder(&self, path: &str, mode: u32) -> io::Result<()> {
        let (parent, name) = self.parent(path)?;
        rustix::fs::mkdirat(&parent, name, Mode::from_raw_mode(mode & MODE_MASK))?;
        // The mask of the process may have taken bits away.
        rustix::fs::fchmod(self.within(path, OFlags::RDONLY | OFlags::DIRECTORY, Mode::empty())?, Mode::from_raw_mode(mode & MODE_MASK))?;
        Ok(())
    }

    pub(crate) fn make_link(&self, path: &str, target: &str) -> io::Result<()> {
        let (parent, name) = self.parent(path)?;
        Ok(rustix::fs::symlinkat(target, &parent, name)?)
    }

    pub(crate) fn remove_file(&self, path: &str) -> io::Result<()> {
        let (parent, name) = self.parent(path)?;
        Ok(rustix::fs::unlinkat(&parent, name, AtFlags::empty())?)
    }

    pub(crate) fn remove_folder(&self, path: &str) -> io::Result<()> {
        let (parent, name) = self.parent(path)?;
        Ok(rustix::fs::unlinkat(&parent, name, AtFlags::REMOVEDIR)?)
    }

    /// Moves an object to a name at which nothing is.
    pub(crate) fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.rename_with(from, to, RenameFlags::NOREPLACE)
    }

    /// Makes two objects change places.
    pub(crate) fn swap(&self, one: &str, other: &str) -> io::Result<()> {
        self.rename_with(one, other, RenameFlags::EXCHANGE)
    }

    fn rename_with(&self, from: &str, to: &str, flags: RenameFlags) -> io::Result<()> {
        let ((from_folder, from), (to_folder, to)) = (self.parent(from)?, self.parent(to)?);
        Ok(rustix::fs::renameat_with(&from_folder, from, &to_folder, to, flags)?)
    }

    /// Sets the time of the last change of a file's content.
    pub(crate) fn set_modified(&self, path: &str, modified: Timespec) -> io::Result<()> {
        let (parent, name) = self.parent(path)?;
        let omit = Timespec { tv_sec: 0, tv_nsec: rustix::fs::UTIME_OMIT };
        let times = Timestamps { last_access: omit, last_modification: modified };
        Ok(rustix::fs::utimensat(&parent, name, &times, AtFlags::SYMLINK_NOFOLLOW)?)
    }

    /// Makes everything on this disk durable.
    pub(crate) fn sync_all(&self) -> io::Result<()> {
        // The folder may be held by a descriptor that only names it.
        Ok(rustix::fs::syncfs(self.within("", OFlags::RDONLY | OFlags::DIRECTORY, Mode::empty())?)?)
    }

    /// Makes the names in a folder durable.
    pub(crate) fn sync(&self, path: &str) -> io::Result<()> {
        Ok(rustix::fs::fsync(self.within(path, OFlags::RDONLY | OFlags::DIRECTORY, Mode::empty())?)?)
    }
}

fn target_of(link: &OwnedFd) -> io::Result<String> {
    let target = rustix::fs::readlinkat(link, "", Vec::new())?.into_bytes();
    if target.len() > TARGET_BYTES_MAX {
        return Err(Errno::NAMETOOLONG.into());
    }
    String::from_utf8(target).map_err(|_| Errno::INVAL.into())
}
