//! The files of this room: bounded reads of regular files, and writes that are either whole or not there.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use home::Access;
use rustix::fs::{FlockOperation, OFlags, flock};
use sha2::{Digest as _, Sha256};
use vocabulary::Digest;

/// A file could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// The system returned an error.
    #[error("could not {verb} `{}`", path.display())]
    Io {
        /// The operation, a verb.
        verb: &'static str,
        /// The file.
        path: PathBuf,
        /// The error of the system.
        #[source]
        cause: io::Error,
    },
    /// The path leads to a folder, pipe, socket or device.
    #[error("`{}` is not a regular file", .0.display())]
    NotRegular(PathBuf),
    /// The file is too long.
    #[error("`{}` has more than {max} bytes", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The largest number of bytes.
        max: u64,
    },
}

impl FileError {
    /// Whether the error is that the file does not exist.
    pub fn is_absence(&self) -> bool {
        matches!(self, Self::Io { cause, .. } if cause.kind() == io::ErrorKind::NotFound)
    }

    /// Whether the error is that the file is a link, where links are not followed.
    pub(crate) fn is_link(&self) -> bool {
        matches!(self, Self::Io { cause, .. } if cause.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error()))
    }
}

pub(crate) fn failed(verb: &'static str, path: &Path) -> impl FnOnce(io::Error) -> FileError {
    move |cause| FileError::Io { verb, path: path.to_owned(), cause: home::told(path, cause) }
}

/// Opens a regular file for reading. Any other file is refused, without waiting for the other end of a pipe. The caller has resolved the
/// path, or it is in the home.
pub(crate) fn open_regular(path: &Path) -> Result<File, FileError> {
    open_with(path, OFlags::NONBLOCK)
}

#[expect(clippy::disallowed_methods, reason = "door: configuration, agents and the home's own files")]
fn open_with(path: &Path, flags: OFlags) -> Result<File, FileError> {
    let flags = i32::try_from(flags.bits()).unwrap_or(0);
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path).map_err(failed("open", path))?;
    let metadata = file.metadata().map_err(failed("look at", path))?;
    if metadata.is_file() { Ok(file) } else { Err(FileError::NotRegular(path.to_owned())) }
}

/// The contents of a regular file, unless it is longer than `max`.
pub(crate) fn read(path: &Path, max: u64) -> Result<Vec<u8>, FileError> {
    read_open(open_regular(path)?, path, max)
}

/// Like [`read`], for a path without links. If the file has become a link since the path was resolved, it is refused.
pub(crate) fn read_here(path: &Path, max: u64) -> Result<Vec<u8>, FileError> {
    read_open(open_with(path, OFlags::NONBLOCK | OFlags::NOFOLLOW)?, path, max)
}

fn read_open(file: File, path: &Path, max: u64) -> Result<Vec<u8>, FileError> {
    let mut bytes = Vec::new();
    file.take(max.saturating_add(1)).read_to_end(&mut bytes).map_err(failed("read", path))?;
    if bytes.len() as u64 > max { Err(FileError::TooLarge { path: path.to_owned(), max }) } else { Ok(bytes) }
}

/// The digest and length of a regular file, unless it is longer than `max`.
pub(crate) fn digest(path: &Path, max: u64) -> Result<(Digest, u64), FileError> {
    let (mut file, mut sum, mut piece, mut length) = (open_regular(path)?, Sha256::new(), vec![0; 256 << 10], 0_u64);
    loop {
        match file.read(&mut piece) {
            Ok(0) => return Ok((Digest::from_bytes(sum.finalize().into()), length)),
            Ok(read) => {
                length += read as u64;
                if length > max {
                    return Err(FileError::TooLarge { path: path.to_owned(), max });
                }
                sum.update(piece.get(..read).unwrap_or_default());
            }
            Err(err) if err.kind() == io::ErrorKind::Interrupted => {}
            Err(err) => return Err(failed("read", path)(err)),
        }
    }
}

/// The contents of a file in the home, unless it is longer than `max`.
pub(crate) fn read_own(path: &Path, max: u64) -> Result<Vec<u8>, FileError> {
    let mut bytes = Vec::new();
    let file = home::open(path, Access::Read).map_err(failed("open", path))?;
    file.take(max.saturating_add(1)).read_to_end(&mut bytes).map_err(failed("read", path))?;
    if bytes.len() as u64 > max { Err(FileError::TooLarge { path: path.to_owned(), max }) } else { Ok(bytes) }
}

/// Takes a lock in the home, and holds it until it is dropped. A caller that has to wait learns which process it waits for; `what` says
/// what that process does.
pub(crate) fn lock_own(path: &Path, what: &str, usual: Duration) -> Result<File, FileError> {
    home::lock_within(path, what, usual).map_err(failed("lock", path))
}

/// Removes everything in a folder of the home except its lock file, unless another process has that lock. Returns whether there was
/// anything to remove.
#[expect(clippy::disallowed_methods, reason = "door: configuration, agents and the home's own files")]
pub(crate) fn clear_unlocked(folder: &Path, lock: &str) -> io::Result<bool> {
    let held = home::open(&folder.join(lock), Access::Write)?;
    if flock(&held, FlockOperation::NonBlockingLockExclusive).is_err() {
        return Ok(false);
    }
    let mut any = false;
    for name in home::list(folder)?.into_iter().filter(|name| name != lock) {
        let path = folder.join(name);
        if std::fs::symlink_metadata(&path)?.is_dir() {
            std::fs::remove_dir_all(&path)?
        } else {
            std::fs::remove_file(&path)?
        }
        any = true;
    }
    Ok(any)
}

/// Whether a regular file holds exactly these bytes. They are compared piece by piece: memory for the whole of a large file would cost more
/// than reading it.
pub(crate) fn holds(path: &Path, bytes: &[u8]) -> bool {
    let Ok(mut file) = open_regular(path) else { return false };
    let (mut piece, mut rest) = (vec![0; 256 << 10], bytes);
    loop {
        match file.read(&mut piece) {
            Ok(0) => return rest.is_empty(),
            Ok(read) => match (piece.get(..read), rest.split_at_checked(read)) {
                (Some(read), Some((expected, further))) if read == expected => rest = further,
                _ => return false,
            },
            Err(err) if err.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return false,
        }
    }
}

/// Makes a folder that only its owner may use, and the folders above it.
#[expect(clippy::disallowed_methods, reason = "door: configuration, agents and the home's own files")]
pub(crate) fn folder(path: &Path) -> Result<(), FileError> {
    DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(failed("make", path))
}

/// Writes a file for its owner alone. Afterwards the file is whole and on disk, or as it was before.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    write_as(path, bytes, home::PRIVATE)
}

/// Like [`write()`], for a file that is checked in: others may read it, as they may read the file beside it.
pub(crate) fn write_shared(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    write_as(path, bytes, home::SHARED)
}

fn write_as(path: &Path, bytes: &[u8], mode: u32) -> Result<(), FileError> {
    folder(path.parent().unwrap_or(Path::new("/")))?;
    home::replace(path, bytes, mode).map_err(failed("write", path))
}

/// Writes a file unless it holds these bytes already, so that tools which compare times have nothing to do.
pub(crate) fn write_if_changed(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    if holds(path, bytes) { Ok(()) } else { write(path, bytes) }
}
