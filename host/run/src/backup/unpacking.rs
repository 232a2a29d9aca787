//! The folder in which a home is unpacked, and how it takes the home's place.
//!
//! If possible, the folder lies beside the home and takes its place in one step. This is not possible if a disk is mounted on the home, if
//! this user may not write to the folder above it, or if the home has a folder `lost+found`, as a new disk does. In these cases the backup
//! is unpacked in the home's folder `restoring`, and its content is then moved up. While that folder exists, nothing uses the home
//! ([`home::form`]).

use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use home::{Access, LOST_FOUND, RESTORING};
use rustix::fs::{AtFlags, CWD, FlockOperation, Mode, OFlags, RenameFlags, StatxAttributes, StatxFlags};
use rustix::io::Errno;

use super::err::BackupError;
use super::take::failed;

/// The suffix of the folder's name if it lies beside the home.
const BESIDE: &str = ".restoring";
/// The file that marks such a folder as made by a restore. No backup has a file of this name, and the next run sweeps it ([`home::sweep`]).
/// In a folder within the home, it names what is moved up, one name per line.
const BEGUN: &str = "restored.0.0.new";
/// BOUND: size of that file in bytes.
const BEGUN_BYTES_MAX: u64 = 1 << 20;

/// The folder in which a backup is unpacked. It is locked, like a file that is being written ([`home::AsideFile`]), and it is removed if it
/// was not put in place.
pub(super) struct Unpacking {
    pub(super) folder: PathBuf,
    home: PathBuf,
    is_within: bool,
    _lock: File,
    is_put: bool,
}

impl Unpacking {
    /// Makes the folder. Removes one that a killed process has left there.
    pub(super) fn begin(home: &Path) -> Result<Self, BackupError> {
        let is_within = is_within(home);
        let folder = if is_within { home.join(RESTORING) } else { beside(home) };
        let busy = || BackupError::Busy(home.to_owned());
        take_away(home, &folder)?;
        make_new(&folder).map_err(|cause| match cause.kind() {
            io::ErrorKind::AlreadyExists => busy(),
            _ => failed("make", &folder)(cause),
        })?;
        let lock = lock_folder(&folder).map_err(failed("lock", &folder))?.ok_or_else(busy)?;
        home::create_new(&folder.join(BEGUN)).map_err(failed("write", &folder))?;
        Ok(Self { folder, home: home.to_owned(), is_within, _lock: lock, is_put: false })
    }

    /// Puts the folder in the place of the home, which is empty or does not exist.
    pub(super) fn put(&mut self) -> Result<(), BackupError> {
        if self.is_within {
            self.move_up()?
        } else {
            self.replace()?
        }
        home::sync_name(&self.home).map_err(failed("sync", &self.home))
    }

    #[expect(clippy::disallowed_methods, reason = "door: the folder in which a home is unpacked")]
    fn replace(&mut self) -> Result<(), BackupError> {
        // The system replaces only an empty folder.
        fs::rename(&self.folder, &self.home).map_err(|cause| match cause.kind() {
            io::ErrorKind::DirectoryNotEmpty => BackupError::NotEmpty(self.home.clone()),
            _ => failed("name", &self.home)(cause),
        })?;
        self.is_put = true;
        // Removed only now: if a restore is killed earlier, the next one sees that it may remove the folder. If it stays, the next run
        // sweeps it.
        let _ = fs::remove_file(self.home.join(BEGUN));
        Ok(())
    }

    #[expect(clippy::disallowed_methods, reason = "door: the folder in which a home is unpacked")]
    fn move_up(&mut self) -> Result<(), BackupError> {
        let mut names = home::list(&self.folder).map_err(failed("list", &self.folder))?;
        names.retain(|name| name != BEGUN);
        let begun = self.folder.join(BEGUN);
        let lines: Vec<&str> = names.iter().filter_map(|name| name.to_str()).collect();
        // The list is durable before the first move, because it tells the next restore what may be removed.
        let noted = home::open(&begun, Access::Write)
            .and_then(|mut file| file.write_all(lines.join("\n").as_bytes()).and_then(|()| file.sync_all()));
        noted.and_then(|()| home::sync_folder(&self.folder)).map_err(failed("write", &begun))?;
        for name in &names {
            let (from, to) = (self.folder.join(name), self.home.join(name));
            // A file that somebody has put there meanwhile is not replaced.
            match rustix::fs::renameat_with(CWD, &from, CWD, &to, RenameFlags::NOREPLACE) {
                Err(Errno::EXIST | Errno::NOTEMPTY) => return Err(BackupError::NotEmpty(self.home.clone())),
                Err(Errno::INVAL | Errno::NOSYS) if fs::symlink_metadata(&to).is_err() => {
                    fs::rename(&from, &to).map_err(failed("move", &from))?
                }
                moved => moved.map_err(|cause| failed("move", &from)(cause.into()))?,
            }
        }
        home::sync_folder(&self.home).map_err(failed("sync", &self.home))?;
        fs::remove_file(&begun).and_then(|()| fs::remove_dir(&self.folder)).map_err(failed("remove", &self.folder))?;
        self.is_put = true;
        home::sync_folder(&self.home).map_err(failed("sync", &self.home))
    }
}

impl Drop for Unpacking {
    fn drop(&mut self) {
        if !self.is_put {
            // A failure is ignored, because the next restore removes the folder.
            let _ = remove(&self.home, &self.folder);
        }
    }
}

fn beside(home: &Path) -> PathBuf {
    let mut name = home.file_name().unwrap_or_default().to_owned();
    name.push(BESIDE);
    home.with_file_name(name)
}

/// Whether the backup has to be unpacked within the home's folder, because no other folder can take its place.
fn is_within(home: &Path) -> bool {
    let Ok(found) = rustix::fs::statx(CWD, home, AtFlags::SYMLINK_NOFOLLOW, StatxFlags::BASIC_STATS) else { return false };
    let above = home.parent().unwrap_or(home);
    let may_write = rustix::fs::accessat(CWD, above, rustix::fs::Access::WRITE_OK | rustix::fs::Access::EXEC_OK, AtFlags::EACCESS).is_ok();
    found.stx_attributes.contains(StatxAttributes::MOUNT_ROOT) || !may_write || fs::symlink_metadata(home.join(LOST_FOUND)).is_ok()
}

/// Checks that a home does not exist or is empty. Removes what a killed restore has left in it.
pub(super) fn empty(home: &Path) -> Result<(), BackupError> {
    take_away(home, &home.join(RESTORING))?;
    match home::list(home) {
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => Ok(()),
        Ok(names) if names.iter().any(|name| name != LOST_FOUND) => Err(BackupError::NotEmpty(home.to_owned())),
        names => names.map(drop).map_err(failed("look at", home)),
    }
}

/// Removes what a killed restore has left.
fn take_away(home: &Path, folder: &Path) -> Result<(), BackupError> {
    if fs::symlink_metadata(folder).is_err() {
        return Ok(());
    }
    // SECURITY: a folder is removed only if a restore has made it, whatever its name is.
    if fs::symlink_metadata(folder.join(BEGUN)).is_err() {
        // An empty folder was left by a restore that was killed just after making or emptying it.
        return fs::remove_dir(folder).map_err(|_| BackupError::NotEmpty(folder.to_owned()));
    }
    let left = lock_folder(folder).map_err(failed("lock", folder))?.ok_or_else(|| BackupError::Busy(home.to_owned()))?;
    remove(home, folder).map_err(failed("remove", folder))?;
    drop(left);
    Ok(())
}

/// Removes the folder, and what was moved up from it. If this is cut off, the next call continues it.
#[expect(clippy::disallowed_methods, reason = "door: the folder in which a home is unpacked")]
fn remove(home: &Path, folder: &Path) -> io::Result<()> {
    if folder.parent() == Some(home) {
        for name in moved(folder) {
            remove_one(&home.join(name))?;
        }
        home::open(&folder.join(BEGUN), Access::Write)?.set_len(0)?;
    }
    // The file that marks the folder is removed last.
    for name in home::list(folder)?.into_iter().filter(|name| name != BEGUN) {
        remove_one(&folder.join(name))?;
    }
    fs::remove_file(folder.join(BEGUN))?;
    fs::remove_dir(folder)
}

#[expect(clippy::disallowed_methods, reason = "door: the folder in which a home is unpacked")]
fn remove_one(path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Ok(found) if found.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(_) => Ok(()),
    }
}

/// The names of what was moved up, according to the folder. They are names and not paths.
fn moved(folder: &Path) -> Vec<String> {
    let mut text = String::new();
    let read = home::open(&folder.join(BEGUN), Access::Read).and_then(|file| file.take(BEGUN_BYTES_MAX).read_to_string(&mut text));
    let is_name = |name: &&str| !name.is_empty() && !name.contains('/') && ![".", "..", RESTORING, LOST_FOUND].contains(name);
    // A name that is still in the folder was not moved. So a file of this name in the home is not ours.
    let was_moved = |name: &&str| fs::symlink_metadata(folder.join(name)).is_err();
    read.map_or_else(|_| Vec::new(), |_| text.lines().filter(is_name).filter(was_moved).map(str::to_owned).collect())
}

#[expect(clippy::disallowed_methods, reason = "door: the folder in which a home is unpacked")]
fn make_new(folder: &Path) -> io::Result<()> {
    if let Some(above) = folder.parent().filter(|above| !above.as_os_str().is_empty() && !above.exists()) {
        home::make_folder(above)?;
    }
    fs::DirBuilder::new().mode(0o700).create(folder)
}

/// Locks a folder until the returned value is dropped. `None` if another process has locked it, or if it was replaced by another folder.
fn lock_folder(folder: &Path) -> io::Result<Option<File>> {
    let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let open = File::from(rustix::fs::open(folder, flags, Mode::empty())?);
    match rustix::fs::flock(&open, FlockOperation::NonBlockingLockExclusive) {
        Err(Errno::WOULDBLOCK) => return Ok(None),
        locked => locked?,
    }
    let (there, own) = (fs::symlink_metadata(folder), open.metadata()?);
    Ok(there.is_ok_and(|there| (there.dev(), there.ino()) == (own.dev(), own.ino())).then_some(open))
}
