//! The locks that give the right to write a log.
//!
//! The host takes two locks. The file `lock` exists from the beginning, before there is a log. But a person can remove it, and then the
//! next process makes another one. So the segment that grows is locked as well: without that segment, nobody can write the same log.
//!
//! INVARIANT: the process that writes a segment holds the lock on it, from before the segment has its name until after the next one has.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use home::Access;
use rustix::fs::FlockOperation;
use rustix::io::Errno;

use crate::err::OpenError;
use crate::locked::{Locked, TRIES};
use crate::segment;

/// A home that is held.
pub(crate) struct Hold {
    /// The file `lock`.
    pub(crate) lock: Locked,
    /// The segment that grows, and its number, if there is one.
    pub(crate) tail: Option<(u32, Locked)>,
    /// Where the segments are.
    pub(crate) folder: PathBuf,
}

/// Makes the home if it does not exist, and locks it.
pub(crate) fn hold(home: &Path) -> Result<Hold, OpenError> {
    let folder = segment::folder(home);
    // The caller has checked the home as a whole (`home::check`). Here each file is checked.
    home::make_folder(&folder).map_err(io_at(&folder))?;
    let held = || held(home);
    let path = lock_path(home);
    let lock = Locked::take(&path, Access::Make).map_err(io_at(&path))?.ok_or_else(held)?;
    let tail = lock_tail(&folder)?.ok_or_else(held)?;
    Ok(Hold { lock, tail, folder })
}

/// The error that says which process holds a home.
pub(crate) fn held(home: &Path) -> OpenError {
    let others = lock_files(home).into_iter().map(|file| home::holder(&file));
    OpenError::Held { home: home.to_owned(), other: Box::new(others.max_by_key(|other| other.pid.is_some()).unwrap_or_default()) }
}

/// The files of a home that its host has locked: `lock`, and the segment that grows.
pub fn lock_files(home: &Path) -> Vec<PathBuf> {
    let folder = segment::folder(home);
    let last = segment::list(&folder).ok().and_then(|numbers| numbers.last().map(|number| segment::path(&folder, *number)));
    std::iter::once(lock_path(home)).chain(last).collect()
}

pub(crate) fn lock_path(home: &Path) -> PathBuf {
    home.join("lock")
}

/// Locks the last segment, if there is one. The outer `None` means that another process has locked it.
#[expect(clippy::option_option, reason = "whether it is free, and whether there is one")]
fn lock_tail(folder: &Path) -> Result<Option<Option<(u32, Locked)>>, OpenError> {
    for _ in 0..TRIES {
        let last = || Ok(segment::list(folder).map_err(io_at(folder))?.last().copied());
        let Some(number) = last()? else { return Ok(Some(None)) };
        let path = segment::path(folder, number);
        let locked = match Locked::take(&path, Access::Write) {
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => continue,
            taken => taken.map_err(io_at(&path))?,
        };
        let Some(locked) = locked else { return Ok(None) };
        // The process that held it may have begun the next segment meanwhile.
        if last()? == Some(number) {
            return Ok(Some(Some((number, locked))));
        }
    }
    Err(io_at(folder)(io::ErrorKind::ResourceBusy.into()))
}

/// Checks whether another process holds a home, by `lock` or by the segment that grows. Returns `None` if one does. Otherwise it returns
/// shared locks, which keep other processes from taking the home until they are dropped.
///
/// # Errors
/// What the system says.
pub(crate) fn inspect_locks(home: &Path) -> Result<Option<Vec<File>>, OpenError> {
    let folder = segment::folder(home);
    let last = segment::list(&folder).map_err(io_at(&folder))?.last().map(|number| segment::path(&folder, *number));
    let mut free = Vec::new();
    for path in std::iter::once(lock_path(home)).chain(last) {
        let file = match home::open(&path, Access::Read) {
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => continue,
            file => file.map_err(io_at(&path))?,
        };
        match rustix::fs::flock(&file, FlockOperation::NonBlockingLockShared) {
            Ok(()) => free.push(file),
            Err(Errno::WOULDBLOCK) => return Ok(None),
            Err(cause) => return Err(io_at(&path)(cause.into())),
        }
    }
    Ok(Some(free))
}

pub(crate) fn io_at(path: &Path) -> impl FnOnce(io::Error) -> OpenError {
    let path = path.to_owned();
    |cause| OpenError::Io { cause: home::told(&path, cause), path }
}

/// The same for a caller that knows how many bytes it needed.
pub(crate) fn io_needing(path: &Path, bytes: u64) -> impl FnOnce(io::Error) -> OpenError {
    let path = path.to_owned();
    move |cause| OpenError::Io { cause: home::told_of(&path, bytes, cause), path }
}
