//! The locks of a home: files that one process at a time locks with flock(2).
//!
//! A process that waits for a lock says which process holds it, stops waiting at a signal, and gives up after a time
//! ([`crate::Patience`]).

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, flock, major, minor};

use crate::open::{Access, open};
use crate::other::Other;
use crate::patience::{GaveUp, TELL_AFTER, WAIT_MAX, Waiting, ended_here, patience};

/// How often a wait checks whether a signal came.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// Whether a lock is held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LockState {
    /// No process holds the lock.
    Free,
    /// This process holds the lock.
    Held(Other),
}

/// Takes a lock of the home, and makes its file if the file does not exist. The lock is held until the returned file is dropped. `what` says for a
/// message what a process does that holds the lock, such as `changes the vault`.
///
/// # Errors
/// An error with [`GaveUp`] inside if the time is over or a signal came; else the system's error.
pub fn lock(path: &Path, what: &str) -> io::Result<File> {
    lock_within(path, what, WAIT_MAX)
}

/// The same for a lock that is usually held for up to this time.
///
/// # Errors
/// As [`lock`].
pub fn lock_within(path: &Path, what: &str, usual: Duration) -> io::Result<File> {
    let end = now() + patience().max_or(usual);
    loop {
        let file = open(path, Access::Make)?;
        let file = match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => file,
            Err(rustix::io::Errno::WOULDBLOCK) => wait(file, path, what, end)?,
            Err(err) => return Err(err.into()),
        };
        // While this process waited, somebody may have put another file in its place. A lock on the old file would keep nobody out.
        if is_at(&file, path) {
            return Ok(file);
        }
        if now() >= end {
            return Err(io::Error::other("the file of the lock is replaced again and again"));
        }
    }
}

/// Waits for the lock on a separate thread, since flock(2) returns only with the lock. If this gives up, that thread releases the lock as
/// soon as it gets it.
fn wait(file: File, path: &Path, what: &str, end: Instant) -> io::Result<File> {
    let began = now();
    let (give, got) = sync_channel(1);
    std::thread::Builder::new().name("lock".to_owned()).spawn(move || {
        let locked = flock(&file, FlockOperation::LockExclusive).map(|()| file);
        drop(give.send(locked));
    })?;
    let mut is_told = false;
    loop {
        match got.recv_timeout(LOOK_AGAIN) {
            Ok(locked) => return Ok(locked?),
            Err(RecvTimeoutError::Disconnected) => return Err(io::Error::other("the thread that waits for the lock has ended")),
            Err(RecvTimeoutError::Timeout) => {}
        }
        if let Some(signal) = ended_here() {
            return Err(GaveUp::Ended(signal).into());
        }
        let now = now();
        if now >= end {
            return Err(GaveUp::TimedOut { other: holder(path), what: what.to_owned(), after: now - began }.into());
        }
        if !is_told && now >= began + TELL_AFTER {
            is_told = true;
            (patience().say)(&Waiting { other: holder(path), what: what.to_owned(), left: end - now });
        }
    }
}

/// Whether a lock is held, and by which process. This locks the file for a moment, for reading: so the answer is right even if the system
/// does not list its locks. A missing file is not locked.
///
/// # Errors
/// The file can't be opened, for instance because it belongs to another user.
pub fn inspect_lock(path: &Path) -> io::Result<LockState> {
    let file = match open(path, Access::Read) {
        Err(err) if err.kind() == io::ErrorKind::NotFound => return Ok(LockState::Free),
        file => file?,
    };
    match flock(&file, FlockOperation::NonBlockingLockShared) {
        Ok(()) => Ok(LockState::Free),
        Err(rustix::io::Errno::WOULDBLOCK) => Ok(LockState::Held(holder(path))),
        Err(err) => Err(err.into()),
    }
}

/// The process that has locked a file, as far as the system lists it in proc_locks(5).
#[must_use]
pub fn holder(path: &Path) -> Other {
    let Ok(found) = fs::symlink_metadata(path) else { return Other::default() };
    let device = (u64::from(major(found.dev())), u64::from(minor(found.dev())), found.ino());
    let listed = listed();
    let exact = listed.iter().find(|lock| lock.file == device);
    // Some file systems (overlayfs, btrfs) report another device to programs than the one in the list. The inode number alone may belong to
    // another file, so it only counts if just one lock has it.
    let mut same_number = listed.iter().filter(|lock| lock.file.2 == found.ino());
    let only = || same_number.next().filter(|_| same_number.next().is_none());
    exact.or_else(only).map_or_else(Other::default, |lock| Other::of(lock.pid))
}

/// One lock that is held for writing.
struct Listed {
    pid: u32,
    /// Major and minor number of the device, and the inode number.
    file: (u64, u64, u64),
}

#[expect(clippy::disallowed_methods, reason = "door: what the system says of a process")]
fn listed() -> Vec<Listed> {
    fs::read_to_string("/proc/locks").map(|text| text.lines().filter_map(parse).collect()).unwrap_or_default()
}

/// Parses a line such as `1: FLOCK  ADVISORY  WRITE 4711 fe:00:131 0 EOF`. A line with `->` stands for a process that waits.
fn parse(line: &str) -> Option<Listed> {
    let mut words = line.split_whitespace().skip(1);
    if words.next()? != "FLOCK" {
        return None;
    }
    let (_advisory, kind, pid, file) = (words.next()?, words.next()?, words.next()?, words.next()?);
    let mut parts = file.split(':');
    let major = u64::from_str_radix(parts.next()?, 16).ok()?;
    let minor = u64::from_str_radix(parts.next()?, 16).ok()?;
    let number = parts.next()?.parse().ok()?;
    (kind == "WRITE").then_some(Listed { pid: pid.parse().ok()?, file: (major, minor, number) })
}

fn is_at(file: &File, path: &Path) -> bool {
    match (file.metadata(), fs::symlink_metadata(path)) {
        (Ok(file), Ok(there)) => (file.dev(), file.ino()) == (there.dev(), there.ino()),
        _ => false,
    }
}

#[expect(clippy::disallowed_methods, reason = "door: how long it was waited")]
fn now() -> Instant {
    Instant::now()
}

#[cfg(test)]
#[expect(clippy::panic, clippy::unwrap_used, clippy::disallowed_methods, reason = "a test fails by panicking, and looks at what it made")]
mod tests {
    use super::*;

    #[test]
    fn a_lock_that_is_held_names_who_holds_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.lock");
        assert_eq!(inspect_lock(&path).unwrap(), LockState::Free, "a file that is not there is not locked");
        let held = lock(&path, "tests").unwrap();
        let LockState::Held(other) = inspect_lock(&path).unwrap() else { panic!("it is held") };
        assert_eq!(other.pid, Some(std::process::id()));
        drop(held);
        assert_eq!(inspect_lock(&path).unwrap(), LockState::Free);
    }

    #[test]
    fn a_lock_that_is_not_given_back_is_given_up_with_the_name_of_its_holder() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.lock");
        let held = lock(&path, "tests").unwrap();
        let err = lock_within(&path, "tests patience", Duration::from_millis(120)).unwrap_err();
        let Some(GaveUp::TimedOut { other, what, .. }) = GaveUp::of(&err) else { panic!("{err}") };
        assert_eq!((other.pid, what.as_str()), (Some(std::process::id()), "tests patience"));
        // The control: a lock that is released is taken, also by a process that waits already.
        let path_there = path.clone();
        let waits = std::thread::spawn(move || lock(&path_there, "tests").map(drop));
        drop(held);
        waits.join().unwrap().unwrap();
    }

    #[test]
    fn a_lock_whose_file_was_exchanged_keeps_others_out() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.lock");
        let held = lock(&path, "tests").unwrap();
        let waiting = path.clone();
        let waits = std::thread::spawn(move || lock(&waiting, "tests").unwrap());
        fs::remove_file(&path).unwrap();
        let others = open(&path, Access::Make).unwrap();
        drop((held, others));
        let got = waits.join().unwrap();
        assert!(is_at(&got, &path), "the lock is that of the file at its path");
    }

    #[test]
    fn only_whole_locks_for_writing_are_read() {
        let line = "1: FLOCK  ADVISORY  WRITE 4711 fe:0a:131 0 EOF";
        let lock = parse(line).unwrap();
        assert_eq!((lock.pid, lock.file), (4711, (0xfe, 0x0a, 131)));
        for other in [line.replace("WRITE", "READ"), line.replace("FLOCK", "POSIX"), line.replace("1: ", "1: -> "), "1:".to_owned()] {
            assert!(parse(&other).is_none(), "{other}");
        }
    }
}
