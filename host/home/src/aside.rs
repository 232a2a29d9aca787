//! Writes a file whole or not at all: it is written beside its place under another name ("aside"), synced, and renamed. Files that a killed
//! process has left aside are swept.
//!
//! The process that writes such a file has locked it (`flock`), and the system releases the lock however that process ends. So the sweep
//! needs to know nothing about other processes: a file that nobody has locked is left over.
//!
//! - INVARIANT: [`sweep`] removes no file that a process is still writing.
//! - INVARIANT: the path has the old content or the new content, never a part of it.

use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::fs::{CWD, FlockOperation, OFlags, RenameFlags, flock, renameat_with};

use crate::accounts::own;
use crate::open::{flags, sync_name};
use crate::trouble::{told, told_of};

/// The mode of a file for its owner alone.
pub const PRIVATE: u32 = 0o600;
/// The mode of a file that others may read.
pub const SHARED: u32 = 0o644;

/// BOUND: how many names are tried. A name may be taken by a file that another process has left, or that a sweep is just looking at.
const TRIES_MAX: usize = 16;

/// A file that is being written aside. If it is dropped before it was put in its place, it is removed.
#[derive(Debug)]
pub struct AsideFile {
    file: File,
    aside: PathBuf,
    to: PathBuf,
    is_put: bool,
}

/// Replaces a file: afterwards the new content is on the disk, or the file is as it was. `mode` is its new mode.
///
/// # Errors
/// What the system says, in words.
pub fn replace(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let mut aside = AsideFile::begin(path, mode)?;
    aside.write(bytes)?;
    aside.put()
}

impl AsideFile {
    /// Begins a file that will be put at this path.
    ///
    /// # Errors
    /// What the system says, in words.
    pub fn begin(to: &Path, mode: u32) -> io::Result<Self> {
        for _ in 0..TRIES_MAX {
            let aside = name_beside(to);
            let file = match make(&aside, mode) {
                Err(err) if err.kind() == io::ErrorKind::AlreadyExists => continue,
                file => file.map_err(|cause| told(&aside, cause))?,
            };
            let is_mine = match flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Err(rustix::io::Errno::WOULDBLOCK) => false,
                // On a file system without locks, no sweep can lock the file and remove it either.
                Ok(()) | Err(_) => is_at(&file, &aside),
            };
            // Otherwise a sweep has just locked the file and removes it.
            if is_mine {
                give_to_owner_of_folder(&file, to).map_err(|cause| told(&aside, cause))?;
                return Ok(Self { file, aside, to: to.to_owned(), is_put: false });
            }
        }
        Err(io::Error::new(io::ErrorKind::AlreadyExists, format!("no name is free for a new file beside `{}`", to.display())))
    }

    /// Appends bytes to the file.
    ///
    /// # Errors
    /// What the system says, in words.
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes).map_err(|cause| told_of(&self.aside, bytes.len() as u64, cause))
    }

    /// The open file, for a caller that writes it piece by piece.
    pub fn file(&self) -> &File {
        &self.file
    }

    /// Where the file is until it is put in its place.
    pub fn path(&self) -> &Path {
        &self.aside
    }

    /// A second handle of the file, which keeps the file locked after it was put in its place.
    ///
    /// # Errors
    /// What the system says, in words.
    pub fn lock_of(&self) -> io::Result<File> {
        self.file.try_clone().map_err(|cause| told(&self.aside, cause))
    }

    /// Puts the file in its place. It is on the disk when this returns.
    ///
    /// # Errors
    /// What the system says, in words. The old file is as it was, unless syncing the folder failed.
    pub fn put(mut self) -> io::Result<()> {
        self.file.sync_all().map_err(|cause| told(&self.aside, cause))?;
        self.put_unsynced()?;
        sync_name(&self.to)
    }

    /// The same for a file that can be made again, and so may be lost when the power fails.
    ///
    /// # Errors
    /// As [`AsideFile::put`].
    pub fn put_derived(mut self) -> io::Result<()> {
        self.put_unsynced()
    }

    #[expect(clippy::disallowed_methods, reason = "door: the home's own files")]
    fn put_unsynced(&mut self) -> io::Result<()> {
        fs::rename(&self.aside, &self.to).map_err(|cause| told(&self.to, cause))?;
        self.is_put = true;
        Ok(())
    }

    /// Puts the file in its place if nothing is there yet, and returns whether it did: then the file is on the disk. A file that is there
    /// already stays as it is.
    ///
    /// # Errors
    /// What the system says, in words.
    pub fn put_first(mut self) -> io::Result<bool> {
        self.file.sync_all().map_err(|cause| told(&self.aside, cause))?;
        // A link, and not a plain rename, since a link replaces nothing.
        let put = match fs::hard_link(&self.aside, &self.to) {
            Err(cause) if cause.kind() != io::ErrorKind::AlreadyExists => self.rename_first(),
            linked => linked,
        };
        match put {
            Ok(()) => sync_name(&self.to).map(|()| true),
            Err(cause) if cause.kind() == io::ErrorKind::AlreadyExists => Ok(false),
            Err(cause) => Err(told(&self.to, cause)),
        }
    }

    /// For a file system without hard links, as on a USB stick.
    fn rename_first(&mut self) -> io::Result<()> {
        renameat_with(CWD, &self.aside, CWD, &self.to, RenameFlags::NOREPLACE)?;
        self.is_put = true;
        Ok(())
    }
}

impl Drop for AsideFile {
    #[expect(clippy::disallowed_methods, reason = "door: the home's own files")]
    fn drop(&mut self) {
        if !self.is_put {
            // If it can't be removed, a later sweep removes it.
            let _ = fs::remove_file(&self.aside);
        }
    }
}

/// Removes files that were left aside in a folder, for those names of which `is_ours` returns true. Returns how many it removed. A file
/// that can't be removed stays, and does no harm.
///
/// SECURITY: only a regular file of this user is removed, and only under a name that [`AsideFile`] gives.
pub fn sweep(folder: &Path, is_ours: impl Fn(&str) -> bool) -> u64 {
    let names = crate::list(folder).unwrap_or_default();
    let left = names.iter().filter(|name| stem(name).is_some_and(&is_ours));
    left.map(|name| u64::from(remove_unlocked(&folder.join(name)).unwrap_or(false))).sum()
}

#[expect(clippy::disallowed_methods, reason = "door: the home's own files")]
fn remove_unlocked(path: &Path) -> io::Result<bool> {
    let found = fs::symlink_metadata(path)?;
    if !found.is_file() || found.uid() != own() {
        return Ok(false);
    }
    let file = OpenOptions::new().read(true).custom_flags(flags(OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC)).open(path)?;
    if flock(&file, FlockOperation::NonBlockingLockExclusive).is_err() || !is_at(&file, path) {
        return Ok(false);
    }
    fs::remove_file(path).map(|()| true)
}

/// The name of the file for which a file was written aside: `NAME.PID.COUNT.new` was written for `NAME`.
fn stem(name: &OsStr) -> Option<&str> {
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let (rest, count) = name.to_str()?.strip_suffix(".new")?.rsplit_once('.')?;
    let (stem, pid) = rest.rsplit_once('.')?;
    (is_number(count) && is_number(pid) && !stem.is_empty()).then_some(stem)
}

fn name_beside(path: &Path) -> PathBuf {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.{}.new", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed)));
    path.with_file_name(name)
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

#[expect(clippy::disallowed_methods, reason = "door: the home's own files")]
fn make(path: &Path, mode: u32) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).create_new(true).mode(mode).open(path)
}

/// Whether the open file is still the one at this path.
fn is_at(file: &File, path: &Path) -> bool {
    let same = |there: fs::Metadata, open: fs::Metadata| (there.dev(), there.ino()) == (open.dev(), open.ino());
    fs::symlink_metadata(path).and_then(|there| Ok(same(there, file.metadata()?))).unwrap_or(false)
}

/// Gives a file that root writes into a user's folder (`sudo bailiwick accept` in a checkout) to that user, who must be able to change it.
///
/// SECURITY: this changes the owner by descriptor, of a file that was just created under a new name, so no other file can get a new owner.
fn give_to_owner_of_folder(file: &File, to: &Path) -> io::Result<()> {
    if own() != 0 {
        return Ok(());
    }
    let found = fs::metadata(folder_of(to))?;
    if found.uid() == 0 {
        return Ok(());
    }
    std::os::unix::fs::fchown(file, Some(found.uid()), Some(found.gid()))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test fails by panicking, and puts things in a file's place")]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, chown, symlink};

    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<_> = crate::list(folder).unwrap().into_iter().map(|name| name.into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_file_is_put_whole_or_not_at_all_and_leaves_nothing_aside() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("list");
        replace(&path, b"old", PRIVATE).unwrap();
        let mut aside = AsideFile::begin(&path, SHARED).unwrap();
        aside.write(b"ne").unwrap();
        assert_eq!((fs::read(&path).unwrap(), names(folder.path()).len()), (b"old".to_vec(), 2));
        drop(aside);
        assert_eq!(names(folder.path()), ["list"], "what was not put is gone");
        replace(&path, b"new", SHARED).unwrap();
        assert_eq!((fs::read(&path).unwrap(), names(folder.path())), (b"new".to_vec(), vec!["list".to_owned()]));
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o644);
        assert!(!AsideFile::begin(&path, PRIVATE).unwrap().put_first().unwrap(), "what is there stays");
        assert!(AsideFile::begin(&folder.path().join("first"), PRIVATE).unwrap().put_first().unwrap());
        assert_eq!(names(folder.path()), ["first", "list"]);
    }

    #[test]
    fn only_what_nobody_is_writing_is_swept() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let mut going = AsideFile::begin(&at("list"), PRIVATE).unwrap();
        going.write(b"a part").unwrap();
        for left in ["list.1.0.new", "list.4194304.17.new", "other.1.0.new"] {
            fs::write(at(left), b"a part").unwrap();
        }
        let others = ["list", "list.new", "list.1.new", "list.x.0.new", "list.1.0.newer", ".1.0.new"];
        others.iter().for_each(|other| fs::write(at(other), b"").unwrap());
        symlink(at("list"), at("list.2.0.new")).unwrap();
        fs::create_dir(at("list.3.0.new")).unwrap();
        assert_eq!(sweep(folder.path(), |name| name == "list"), 2);
        let left = names(folder.path());
        assert!(!left.iter().any(|name| name == "list.1.0.new" || name == "list.4194304.17.new"), "{left:?}");
        assert_eq!(left.len(), others.len() + 4, "{left:?}");
        going.put().unwrap();
        assert_eq!(fs::read(at("list")).unwrap(), b"a part");
        assert_eq!(sweep(&at("nowhere"), |_| true), 0);
    }

    #[test]
    fn sweepers_and_writers_at_once_lose_no_file() {
        let folder = tempfile::tempdir().unwrap();
        std::thread::scope(|scope| {
            let writers: Vec<_> = (0..4)
                .map(|number| {
                    let path = folder.path().join(format!("file-{number}"));
                    scope.spawn(move || (0..200u32).for_each(|turn| replace(&path, &turn.to_le_bytes(), PRIVATE).unwrap()))
                })
                .collect();
            while writers.iter().any(|writer| !writer.is_finished()) {
                sweep(folder.path(), |_| true);
            }
        });
        assert_eq!(names(folder.path()), ["file-0", "file-1", "file-2", "file-3"]);
    }

    #[test]
    fn what_root_puts_into_a_users_folder_belongs_to_the_user() {
        if own() != 0 {
            return;
        }
        let folder = tempfile::tempdir().unwrap();
        let owner = |name: &str| fs::metadata(folder.path().join(name)).unwrap().uid();
        replace(&folder.path().join("a"), b"", SHARED).unwrap();
        chown(folder.path(), Some(65_534), Some(65_534)).unwrap();
        replace(&folder.path().join("b"), b"", SHARED).unwrap();
        assert_eq!([owner("a"), owner("b")], [0, 65_534]);
    }
}
