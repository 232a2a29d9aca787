//! The folder in which a home is unpacked, and how it takes the home's place.
//!
//! It lies beside the home and takes its place in one step, where that is possible. A folder on which a disk is mounted can't be replaced, nor one in a
//! folder that this user may not write to; and a new disk has a folder `lost+found`. There the home is unpacked within, and what was unpacked is moved
//! up. Until that is done, the folder `restoring` is there, and nothing uses such a home ([`home::form`]).

use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use home::{Access, LOST_FOUND, RESTORING};
use rustix::fs::{AtFlags, CWD, FlockOperation, Mode, OFlags, RenameFlags, StatxAttributes, StatxFlags};
use rustix::io::Errno;

use super::err::BackupError;
use super::take::failed;

/// What the name of the folder ends with where it lies beside the home.
const BESIDE: &str = ".restoring";
/// The file in such a folder that says that a restore has made it. No backup has a file of this name, and the next run sweeps it ([`home::sweep`]).
/// Within a home it names what is moved up, a line each.
const BEGUN: &str = "restored.0.0.new";
/// BOUND: bytes of that file.
const BEGUN_BYTES_MAX: u64 = 1 << 20;

/// Locked by its maker, as a file in the making is ([`home::AsideFile`]), and removed if it was not put in place.
pub(super) struct Unpacking {
    pub(super) folder: PathBuf,
    home: PathBuf,
    is_within: bool,
    _lock: File,
    is_put: bool,
}

impl Unpacking {
    /// Makes the folder. What a process that was killed has left there is taken away.
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

    /// It takes the place of the home, which is empty or not there.
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
        // The system replaces an empty folder, and no other.
        fs::rename(&self.folder, &self.home).map_err(|cause| match cause.kind() {
            io::ErrorKind::DirectoryNotEmpty => BackupError::NotEmpty(self.home.clone()),
            _ => failed("name", &self.home)(cause),
        })?;
        self.is_put = true;
        // Only now: a restore that is killed before leaves a folder that the next one may remove. If it stays, the next run sweeps it.
        let _ = fs::remove_file(self.home.join(BEGUN));
        Ok(())
    }

    #[expect(clippy::disallowed_methods, reason = "door: the folder in which a home is unpacked")]
    fn move_up(&mut self) -> Result<(), BackupError> {
        let mut names = home::list(&self.folder).map_err(failed("list", &self.folder))?;
        names.retain(|name| name != BEGUN);
        let begun = self.folder.join(BEGUN);
        let lines: Vec<&str> = names.iter().filter_map(|name| name.to_str()).collect();
        // Durable before the first is moved: by this the next restore knows what may be removed.
        let noted = home::open(&begun, Access::Write)
            .and_then(|mut file| file.write_all(lines.join("\n").as_bytes()).and_then(|()| file.sync_all()));
        noted.and_then(|()| home::sync_folder(&self.folder)).map_err(failed("write", &begun))?;
        for name in &names {
            let (from, to) = (self.folder.join(name), self.home.join(name));
            // Nothing is replaced that somebody has put there meanwhile.
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
            // That it can't be removed either changes nothing: the next restore removes it.
            let _ = remove(&self.home, &self.folder);
        }
    }
}

fn beside(home: &Path) -> PathBuf {
    let mut name = home.file_name().unwrap_or_default().to_owned();
    name.push(BESIDE);
    home.with_file_name(name)
}

/// Whether a home is unpacked in the folder itself: nothing can be put in its place.
fn is_within(home: &Path) -> bool {
    let Ok(found) = rustix::fs::statx(CWD, home, AtFlags::SYMLINK_NOFOLLOW, StatxFlags::BASIC_STATS) else { return false };
    let above = home.parent().unwrap_or(home);
    let may_write = rustix::fs::accessat(CWD, above, rustix::fs::Access::WRITE_OK | rustix::fs::Access::EXEC_OK, AtFlags::EACCESS).is_ok();
    found.stx_attributes.contains(StatxAttributes::MOUNT_ROOT) || !may_write || fs::symlink_metadata(home.join(LOST_FOUND)).is_ok()
}

/// A home that is not there, or has nothing in it but what a restore that was killed has left, which is taken away.
pub(super) fn empty(home: &Path) -> Result<(), BackupError> {
    take_away(home, &home.join(RESTORING))?;
    match home::list(home) {
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => Ok(()),
        Ok(names) if names.iter().any(|name| name != LOST_FOUND) => Err(BackupError::NotEmpty(home.to_owned())),
        names => names.map(drop).map_err(failed("look at", home)),
    }
}

/// Takes away what a restore has left that was killed.
fn take_away(home: &Path, folder: &Path) -> Result<(), BackupError> {
    if fs::symlink_metadata(folder).is_err() {
        return Ok(());
    }
    // SECURITY: only what a restore has begun is removed, and nothing else that has such a name.
    if fs::symlink_metadata(folder.join(BEGUN)).is_err() {
        // An empty one is what is left if it was just made, or just emptied.
        return fs::remove_dir(folder).map_err(|_| BackupError::NotEmpty(folder.to_owned()));
    }
    let left = lock_folder(folder).map_err(failed("lock", folder))?.ok_or_else(|| BackupError::Busy(home.to_owned()))?;
    remove(home, folder).map_err(failed("remove", folder))?;
    drop(left);
    Ok(())
}

/// Removes the folder, and what was moved up from it. Whatever cuts this off, the next time goes on with it.
#[expect(clippy::disallowed_methods, reason = "door: the folder in which a home is unpacked")]
fn remove(home: &Path, folder: &Path) -> io::Result<()> {
    if folder.parent() == Some(home) {
        for name in moved(folder) {
            remove_one(&home.join(name))?;
        }
        home::open(&folder.join(BEGUN), Access::Write)?.set_len(0)?;
    }
    // The file that says whose the folder is goes last.
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

/// What the folder says was moved up from it: names, and no paths.
fn moved(folder: &Path) -> Vec<String> {
    let mut text = String::new();
    let read = home::open(&folder.join(BEGUN), Access::Read).and_then(|file| file.take(BEGUN_BYTES_MAX).read_to_string(&mut text));
    let is_name = |name: &&str| !name.is_empty() && !name.contains('/') && ![".", "..", RESTORING, LOST_FOUND].contains(name);
    // One that is there still was not moved: what has its name in the home is somebody else's.
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

/// Locks a folder until what is returned is dropped. `None` if another process has locked it, or it is another folder by now.
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
