//! Opens files and folders of a home.

use std::ffi::OsString;
use std::fs::{self, DirBuilder, File, Metadata, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;

use rustix::fs::{AtFlags, CWD, OFlags, Timespec, Timestamps, UTIME_NOW, UTIME_OMIT, utimensat};

use crate::accounts::own;
use crate::exposed::{Exposed, PathKind};
use crate::trouble::told;

/// The permission bits of a mode.
const PERMISSIONS: u32 = 0o7777;
/// The permission bits of other users.
pub(crate) const OTHERS: u32 = 0o077;

/// What a file is opened for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// To read it.
    Read,
    /// To read and change it; it must exist.
    Write,
    /// To read and change it; an empty file is made if it does not exist.
    Make,
}

/// Opens a file of the home.
///
/// SECURITY: the file is checked before it is opened, since opening a device can have an effect. It is opened without following a link and
/// without waiting for the other end of a FIFO. It is checked again once it is open, since only that shows what was opened.
///
/// # Errors
/// An error with [`Exposed`] inside if it is not a regular file of this user alone; else the system's error, in words.
pub fn open(path: &Path, access: Access) -> io::Result<File> {
    open_here(path, access).map_err(|cause| told(path, cause))
}

#[expect(clippy::disallowed_methods, reason = "door: the home's own files")]
fn open_here(path: &Path, access: Access) -> io::Result<File> {
    match fs::symlink_metadata(path) {
        Ok(found) => judge(path, &found, PathKind::File)?,
        Err(err) if access == Access::Make && err.kind() == io::ErrorKind::NotFound => {}
        Err(err) => return Err(err),
    }
    let mut options = OpenOptions::new();
    options.read(true).write(access != Access::Read).create(access == Access::Make).truncate(false).mode(0o600);
    let file = options.custom_flags(flags(OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC)).open(path)?;
    judge(path, &file.metadata()?, PathKind::File)?;
    Ok(file)
}

/// Makes a new file of the home that only its owner may read or write.
///
/// # Errors
/// The system's error, for instance because something is there already.
#[expect(clippy::disallowed_methods, reason = "door: the home's own files")]
pub fn create_new(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(path).map_err(|cause| told(path, cause))
}

/// Opens a regular file that may belong to any user: a file in a copy of a home that an auditor was given. Links are followed. Anything
/// but a regular file is refused.
///
/// # Errors
/// An error with [`Exposed`] inside if it is not a regular file; else the system's error.
pub fn open_handed(path: &Path) -> io::Result<File> {
    open_any(path).map_err(|cause| told(path, cause))
}

#[expect(clippy::disallowed_methods, reason = "door: the home's own files")]
fn open_any(path: &Path) -> io::Result<File> {
    let regular = |found: &Metadata| match PathKind::of(found.file_type()) {
        PathKind::File => Ok(()),
        kind => Err(Exposed::Kind { path: path.to_owned(), kind, expected: PathKind::File }),
    };
    regular(&fs::metadata(path)?)?;
    let file = OpenOptions::new().read(true).custom_flags(flags(OFlags::NONBLOCK | OFlags::CLOEXEC)).open(path)?;
    regular(&file.metadata()?)?;
    Ok(file)
}

pub(crate) fn flags(flags: OFlags) -> i32 {
    i32::try_from(flags.bits()).unwrap_or(0)
}

/// Makes a folder of the home for its owner alone, and missing folders above it. A folder that exists stays as it is.
///
/// # Errors
/// An error with [`Exposed`] inside if it is not a folder of this user alone; else the system's error.
pub fn make_folder(path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Err(err) if err.kind() == io::ErrorKind::NotFound => make(path).map_err(|cause| told(path, cause))?,
        Err(err) => return Err(told(path, err)),
        Ok(_) => {}
    }
    judge(path, &fs::symlink_metadata(path).map_err(|cause| told(path, cause))?, PathKind::Folder)
}

/// Makes the folder, and returns when its name is on the disk, together with the names of the missing folders above it. Otherwise a power
/// failure could lose the folder with everything that was synced in it.
#[expect(clippy::disallowed_methods, reason = "door: the home's own files")]
fn make(path: &Path) -> io::Result<()> {
    let missing: Vec<&Path> = path.ancestors().take_while(|folder| fs::symlink_metadata(folder).is_err()).collect();
    DirBuilder::new().recursive(true).mode(0o700).create(path)?;
    missing.into_iter().filter(|folder| folder.parent().is_some()).try_for_each(sync_name)
}

/// Whether a process leaves a file of this name behind if it dies while it writes the file.
#[must_use]
pub fn is_unfinished(name: &str) -> bool {
    name.ends_with(".next") || name.ends_with(".new")
}

/// Lists the names in a folder of the home.
///
/// # Errors
/// An error with [`Exposed`] inside if a link or something else is in the folder's place; else the system's error.
#[expect(clippy::disallowed_methods, reason = "door: the home's own files")]
pub fn list(path: &Path) -> io::Result<Vec<OsString>> {
    let kind = PathKind::of(fs::symlink_metadata(path).map_err(|cause| told(path, cause))?.file_type());
    if kind != PathKind::Folder {
        return Err(Exposed::Kind { path: path.to_owned(), kind, expected: PathKind::Folder }.into());
    }
    let names = || -> io::Result<Vec<OsString>> { fs::read_dir(path)?.map(|entry| entry.map(|entry| entry.file_name())).collect() };
    names().map_err(|cause| told(path, cause))
}

/// Sets the time of a file's last change to now, which notes that it was used.
///
/// # Errors
/// What the system says.
pub fn touch(path: &Path) -> io::Result<()> {
    let omit = Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT };
    let times = Timestamps { last_access: omit, last_modification: Timespec { tv_sec: 0, tv_nsec: UTIME_NOW } };
    Ok(utimensat(CWD, path, &times, AtFlags::SYMLINK_NOFOLLOW)?)
}

/// Removes a file of the home that can be made again.
///
/// # Errors
/// What the system says.
#[expect(clippy::disallowed_methods, reason = "door: the home's own files")]
pub fn remove(path: &Path) -> io::Result<()> {
    fs::remove_file(path)
}

/// Syncs a folder: returns when the names in it are on the disk.
///
/// # Errors
/// What the system says.
#[expect(clippy::disallowed_methods, reason = "door: the home's own files")]
pub fn sync_folder(path: &Path) -> io::Result<()> {
    // A link is followed, since a person has chosen where a home or a backup lies.
    let flags = flags(OFlags::DIRECTORY | OFlags::CLOEXEC);
    OpenOptions::new().read(true).custom_flags(flags).open(path).and_then(|folder| folder.sync_all()).map_err(|cause| told(path, cause))
}

/// Syncs the folder of a path: returns when this name and all others in the folder are on the disk.
///
/// # Errors
/// What the system says.
pub fn sync_name(path: &Path) -> io::Result<()> {
    match sync_folder(path.parent().filter(|above| !above.as_os_str().is_empty()).unwrap_or(Path::new("."))) {
        // If this user may make files in the folder but not list it, the folder can't be opened and so not synced.
        Err(err) if err.kind() == io::ErrorKind::PermissionDenied => Ok(()),
        synced => synced,
    }
}

/// Checks that it has the expected type, that it belongs to this user, and that no other user has rights on it.
pub(crate) fn judge(path: &Path, found: &Metadata, expected: PathKind) -> io::Result<()> {
    let (kind, own) = (PathKind::of(found.file_type()), own());
    let path = || path.to_owned();
    if kind != expected {
        return Err(Exposed::Kind { path: path(), kind, expected }.into());
    }
    if found.uid() != own {
        return Err(Exposed::Owner { path: path(), owner: found.uid(), own, is_whole: false }.into());
    }
    if found.mode() & OTHERS != 0 {
        return Err(Exposed::Mode { path: path(), mode: found.mode() & PERMISSIONS, kind }.into());
    }
    Ok(())
}

#[cfg(test)]
#[expect(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test fails by panicking, and puts things in a file's place")]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};
    use std::os::unix::net::UnixListener;

    use rustix::fs::{FileType, Mode, mknodat};

    use super::*;

    const ALL: [Access; 3] = [Access::Read, Access::Write, Access::Make];

    #[test]
    fn what_is_half_written_is_known_by_its_name() {
        for name in ["form.12.0.new", "journal.pub.new", "home.key.next", "00000002.new"] {
            assert!(is_unfinished(name), "{name}");
        }
        for name in ["form", "journal.base", "news", "a.newer", "set-aside-0001"] {
            assert!(!is_unfinished(name), "{name}");
        }
    }

    fn refused(path: &Path, access: Access) -> Exposed {
        let err = open(path, access).err().unwrap();
        Exposed::of(&err).cloned().unwrap_or_else(|| unreachable!("{path:?}: {err}"))
    }

    #[test]
    fn nothing_but_a_regular_file_is_opened_and_nothing_waits() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::write(at("file"), b"x").unwrap();
        fs::set_permissions(at("file"), fs::Permissions::from_mode(0o600)).unwrap();
        mknodat(CWD, at("fifo"), FileType::Fifo, Mode::RUSR, 0).unwrap();
        symlink(at("file"), at("link")).unwrap();
        fs::create_dir(at("folder")).unwrap();
        let _listener = UnixListener::bind(at("socket")).unwrap();
        for access in ALL {
            for (name, kind) in
                [("fifo", PathKind::Fifo), ("link", PathKind::Link), ("folder", PathKind::Folder), ("socket", PathKind::Socket)]
            {
                let expected = Exposed::Kind { path: at(name), kind, expected: PathKind::File };
                assert_eq!(refused(&at(name), access), expected, "{access:?}");
            }
            assert!(matches!(refused(Path::new("/dev/null"), access), Exposed::Kind { kind: PathKind::Device, .. }));
            assert!(open(&at("file"), access).is_ok(), "the control");
        }
        assert!(open_handed(&at("link")).is_ok() && open_handed(&at("fifo")).is_err() && open_handed(Path::new("/dev/null")).is_err());
        assert!(list(&at("link")).is_err() && list(folder.path()).is_ok());
    }

    #[test]
    fn a_file_that_others_have_rights_on_is_refused_with_each_bit() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        drop(open(&path, Access::Make).unwrap());
        for bit in 0..9 {
            let mode = 0o600 | 1 << bit;
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            let is_others = mode & 0o077 != 0;
            assert_eq!(open(&path, Access::Read).is_err(), is_others, "{mode:o}");
            if is_others {
                assert_eq!(refused(&path, Access::Write), Exposed::Mode { path: path.clone(), mode, kind: PathKind::File });
            }
        }
    }

    #[test]
    fn a_file_of_another_user_is_refused() {
        // Root can read it, but must not use it.
        let path = Path::new("/etc/passwd");
        let owner = fs::metadata(path).unwrap().uid();
        let exposed = refused(path, Access::Read);
        assert_eq!(matches!(exposed, Exposed::Owner { .. }), owner != own(), "{exposed:?}");
    }
}
