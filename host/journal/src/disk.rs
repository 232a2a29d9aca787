//! Every change of a file is made through this trait, so that a test can make any change fail.

use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use home::{Access, Ground};
use rustix::fs::FallocateFlags;
use sha2::{Digest as _, Sha256};

use crate::wire::wide;

/// The changes that a journal makes to a disk. Reads do not use this trait.
pub(crate) trait Disk: Send + Sync {
    /// Makes an empty file that only its owner can read. An existing file is emptied.
    fn create(&self, path: &Path) -> io::Result<File>;
    /// Reserves space up to `bytes`, which reads as zeros.
    fn allocate(&self, file: &File, bytes: u64) -> io::Result<()>;
    /// Makes one write, and returns how many bytes were written. The caller handles a short write.
    fn write(&self, file: &File, bytes: &[u8], at: u64) -> io::Result<usize>;
    /// Returns when what was written to the file is on the disk.
    fn sync(&self, file: &File) -> io::Result<()>;
    /// Returns when the names in a folder are on the disk.
    fn sync_folder(&self, path: &Path) -> io::Result<()>;
    /// Renames a file, and replaces a file that is there.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Renames a file to a name that is free. Some systems can't ensure that nothing is replaced; for those, the caller has checked before.
    fn rename_new(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.rename(from, to)
    }
    /// Shortens or extends a file to this length.
    fn truncate(&self, file: &File, bytes: u64) -> io::Result<()>;
    /// Removes a file.
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// The file system that a folder lies on, or would lie on. This is part of the trait so that a test can simulate any kind.
    fn ground(&self, path: &Path) -> io::Result<Ground> {
        home::ground(path)
    }
    /// The length limit for files that this process writes (setrlimit(2)), in bytes.
    fn longest(&self) -> u64 {
        rustix::process::getrlimit(rustix::process::Resource::Fsize).current.unwrap_or(u64::MAX)
    }
}

/// The disk of this machine.
pub(crate) struct RealDisk;

impl Disk for RealDisk {
    fn create(&self, path: &Path) -> io::Result<File> {
        let file = home::open(path, Access::Make)?;
        file.set_len(0)?;
        Ok(file)
    }

    fn allocate(&self, file: &File, bytes: u64) -> io::Result<()> {
        match rustix::fs::fallocate(file, FallocateFlags::empty(), 0, bytes) {
            // Not every file system supports it. Then a later write fails on a full disk.
            Err(rustix::io::Errno::OPNOTSUPP) => file.set_len(bytes),
            result => Ok(result?),
        }
    }

    fn write(&self, file: &File, bytes: &[u8], at: u64) -> io::Result<usize> {
        loop {
            match file.write_at(bytes, at) {
                Err(cause) if cause.kind() == io::ErrorKind::Interrupted => {}
                result => return result,
            }
        }
    }

    fn sync(&self, file: &File) -> io::Result<()> {
        Ok(rustix::fs::fdatasync(file)?)
    }

    fn sync_folder(&self, path: &Path) -> io::Result<()> {
        home::sync_folder(path)
    }

    #[expect(clippy::disallowed_methods, reason = "door: the log's own files")]
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        std::fs::rename(from, to)
    }

    fn rename_new(&self, from: &Path, to: &Path) -> io::Result<()> {
        use rustix::fs::{CWD, RenameFlags, renameat_with};
        match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
            Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOSYS | rustix::io::Errno::NOTSUP) => self.rename(from, to),
            renamed => Ok(renamed?),
        }
    }

    fn truncate(&self, file: &File, bytes: u64) -> io::Result<()> {
        file.set_len(bytes)
    }

    #[expect(clippy::disallowed_methods, reason = "door: the log's own files")]
    fn remove(&self, path: &Path) -> io::Result<()> {
        std::fs::remove_file(path)
    }
}

/// Writes all bytes or fails. After a short write it writes the rest, since only that write returns the error: with a full disk, a quota or
/// a limit, the first write still succeeds for the part that fits.
pub(crate) fn write_whole(disk: &dyn Disk, file: &File, bytes: &[u8], at: u64) -> io::Result<()> {
    let mut rest = bytes;
    while !rest.is_empty() {
        let written = disk.write(file, rest, at + wide(bytes.len() - rest.len()))?;
        rest = match rest.get(written..) {
            Some(left) if written > 0 => left,
            _ => {
                let text = format!("the last {} of {} bytes could not be written", rest.len(), bytes.len());
                return Err(io::Error::new(io::ErrorKind::WriteZero, text));
            }
        };
    }
    Ok(())
}

/// Whether new content must be on the disk before it replaces the old content.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Replace {
    /// No: it can be derived again if a power failure loses it.
    Derived,
    /// Yes: it can't be derived again.
    Durable,
}

/// Replaces the content of a file in one step: the file has the old content or the new content, never a part.
pub(crate) fn replace(disk: &dyn Disk, path: &Path, bytes: &[u8], how: Replace) -> io::Result<()> {
    let aside = path.with_extension("new");
    let file = disk.create(&aside)?;
    write_whole(disk, &file, bytes, 0)?;
    if how == Replace::Durable {
        disk.sync(&file)?;
    }
    disk.rename(&aside, path)?;
    match path.parent() {
        Some(folder) if how == Replace::Durable => disk.sync_folder(folder),
        _ => Ok(()),
    }
}

/// Reads a file of the home. `None` if there is no file.
pub(crate) fn read_own(path: &Path, bytes_max: u64) -> io::Result<Option<Vec<u8>>> {
    read(home::open(path, Access::Read), bytes_max)
}

/// The same for a file that may be part of a copy that an auditor was given.
pub(crate) fn read_handed(path: &Path, bytes_max: u64) -> io::Result<Option<Vec<u8>>> {
    read(home::open_handed(path), bytes_max)
}

/// BOUND: a longer file is an error, not an allocation.
fn read(file: io::Result<File>, bytes_max: u64) -> io::Result<Option<Vec<u8>>> {
    use std::io::Read as _;
    let file = match file {
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(None),
        file => file?,
    };
    let mut bytes = Vec::new();
    file.take(bytes_max.saturating_add(1)).read_to_end(&mut bytes)?;
    if wide(bytes.len()) > bytes_max {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    Ok(Some(bytes))
}

/// Adds the rest of a file to a digest, and returns how many bytes that was.
pub(crate) fn hash_file(mut file: &File, hasher: &mut Sha256) -> io::Result<u64> {
    let (mut piece, mut bytes) = (vec![0; 256 << 10], 0);
    loop {
        let read = file.read(&mut piece)?;
        let Some(read) = piece.get(..read).filter(|read| !read.is_empty()) else { return Ok(bytes) };
        hasher.update(read);
        bytes += wide(read.len());
    }
}

/// Reads until the buffer is full or the file ends.
pub(crate) fn read_up_to(file: &File, buffer: &mut [u8], at: u64) -> io::Result<usize> {
    let mut done = 0;
    while let Some(rest) = buffer.get_mut(done..).filter(|rest| !rest.is_empty()) {
        match file.read_at(rest, at + wide(done)) {
            Ok(0) => break,
            Ok(read) => done += read,
            Err(cause) if cause.kind() == io::ErrorKind::Interrupted => {}
            Err(cause) => return Err(cause),
        }
    }
    Ok(done)
}
