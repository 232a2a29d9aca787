//! Checks before each batch that the files which the writer writes are as it left them.
//!
//! A lock protects nothing once somebody has removed its file or has put a copy of the home in its place, or if another machine does not
//! see the lock. So the writer checks that everything still lies as it left it. That costs a few calls that read nothing from a disk, which
//! is little compared with the sync of the batch.

use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use crate::disk::read_up_to;
use crate::wire::{narrow, wide};

/// How many bytes at the end of the log are compared: at least a whole trailer.
const LAST_BYTES: usize = 512;
/// How many bytes after the end must be zero: the head of a frame.
const BLANK_BYTES: usize = 8;
/// BOUND: the size of a file of second state.
const STATE_BYTES_MAX: usize = 4096;

/// The identity of a file, independent of its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Node {
    device: u64,
    number: u64,
}

impl Node {
    pub(crate) fn of(found: &Metadata) -> Self {
        Self { device: found.dev(), number: found.ino() }
    }

    /// The file at a path, if there is one.
    pub(crate) fn at(path: &Path) -> io::Result<Option<Self>> {
        match std::fs::symlink_metadata(path) {
            Ok(found) => Ok(Some(Self::of(&found))),
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(cause) => Err(cause),
        }
    }
}

/// A file is not as the writer left it.
#[derive(Debug, thiserror::Error)]
#[error("`{}` {what}", path.display())]
pub struct Exchanged {
    /// The path of the file.
    pub path: PathBuf,
    /// What differs, as the predicate of a sentence about the file.
    pub what: &'static str,
}

impl Exchanged {
    fn new(path: &Path, what: &'static str) -> Self {
        Self { path: path.to_owned(), what }
    }
}

impl From<Exchanged> for io::Error {
    fn from(exchanged: Exchanged) -> Self {
        Self::other(exchanged)
    }
}

/// A file that the writer writes, with its path.
pub(crate) struct Watched {
    path: PathBuf,
    node: Node,
}

impl Watched {
    pub(crate) fn new(path: PathBuf, file: &File) -> io::Result<Self> {
        Ok(Self { node: Node::of(&file.metadata()?), path })
    }

    /// Checks that the file at the path is still this one. Returns its length.
    pub(crate) fn check(&self) -> io::Result<u64> {
        let found = match std::fs::symlink_metadata(&self.path) {
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => {
                return Err(Exchanged::new(&self.path, "is no longer there").into());
            }
            found => found?,
        };
        if Node::of(&found) != self.node {
            return Err(Exchanged::new(&self.path, "was replaced by another file").into());
        }
        Ok(found.len())
    }

    /// The same, and checks that it has the length that it was left with.
    pub(crate) fn check_length(&self, bytes: u64) -> io::Result<()> {
        let is_so_long = self.check()? == bytes;
        is_so_long.then_some(()).ok_or_else(|| Exchanged::new(&self.path, "does not have the length that it was left with").into())
    }

    /// The same, and checks that it has the content that was written last.
    pub(crate) fn check_content(&self, file: &File, left: &[u8]) -> io::Result<()> {
        self.check_length(wide(left.len()))?;
        let mut now = vec![0; left.len().min(STATE_BYTES_MAX)];
        let read = read_up_to(file, &mut now, 0)?;
        let is_same = read == left.len() && now == left;
        is_same.then_some(()).ok_or_else(|| Exchanged::new(&self.path, "does not hold what was written to it last").into())
    }
}

/// The segment that grows, as it was left.
pub(crate) struct LeftTail {
    pub(crate) file: Watched,
    /// The length of the file, including reserved space.
    bytes: u64,
    /// The path of the next segment, which nobody else may have begun.
    next: PathBuf,
    /// Where the log ends.
    end: u64,
    last: Vec<u8>,
}

impl LeftTail {
    /// Takes the present content of the file as what was left: for a tail that was just opened or laid out.
    pub(crate) fn now(path: PathBuf, next: PathBuf, file: &File, end: u64) -> io::Result<Self> {
        let mut last = vec![0; narrow(end).min(LAST_BYTES)];
        let from = end - wide(last.len());
        file.read_exact_at(&mut last, from)?;
        Ok(Self { bytes: file.metadata()?.len(), file: Watched::new(path, file)?, next, end, last })
    }

    /// Notes that a batch was written at the end.
    pub(crate) fn wrote(&mut self, batch: &[u8]) {
        self.end += wide(batch.len());
        self.bytes = self.bytes.max(self.end);
        let last = batch.get(batch.len().saturating_sub(LAST_BYTES)..).unwrap_or_default();
        self.last.clear();
        self.last.extend_from_slice(last);
    }

    pub(crate) fn check(&self, file: &File) -> io::Result<()> {
        self.file.check_length(self.bytes)?;
        if Node::at(&self.next)?.is_some() {
            return Err(Exchanged::new(&self.next, "was begun by somebody else").into());
        }
        let mut now = [0; LAST_BYTES + BLANK_BYTES];
        let from = self.end - wide(self.last.len());
        let read = read_up_to(file, now.get_mut(..self.last.len() + BLANK_BYTES).unwrap_or_default(), from)?;
        let (last, behind) = now.get(..read).unwrap_or_default().split_at_checked(self.last.len()).unwrap_or_default();
        if last != self.last {
            return Err(Exchanged::new(&self.file.path, "does not end with what was written to it last").into());
        }
        if behind.iter().any(|byte| *byte != 0) {
            return Err(Exchanged::new(&self.file.path, "has bytes of somebody else behind the last batch").into());
        }
        Ok(())
    }
}
