//! Files that are locked for the lifetime of a value.

use std::fs::File;
use std::io;
use std::ops::Deref;
use std::path::Path;

use home::Access;
use rustix::fs::FlockOperation;
use rustix::io::Errno;

use crate::left::Node;

/// BOUND: how often a file is opened again because it was replaced between opening and locking.
pub(crate) const TRIES: usize = 100;

/// A file that is locked until this is dropped.
pub(crate) struct Locked(File);

impl Deref for Locked {
    type Target = File;

    fn deref(&self) -> &File {
        &self.0
    }
}

impl Drop for Locked {
    fn drop(&mut self) {
        // Unlocked explicitly: a forked child that has not called exec(2) yet also has the file open.
        let _ = rustix::fs::flock(&self.0, FlockOperation::Unlock);
    }
}

impl Locked {
    /// Locks a new file. Nobody else can have locked it, since no other process looks for its name.
    pub(crate) fn new(file: File) -> io::Result<Self> {
        match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
            // A file system without locks already fails when `lock` is taken.
            Ok(()) => Ok(Self(file)),
            Err(cause) => Err(cause.into()),
        }
    }

    /// Opens a file and locks it. `None` if another process has locked it.
    pub(crate) fn take(path: &Path, access: Access) -> io::Result<Option<Self>> {
        for _ in 0..TRIES {
            let file = home::open(path, access)?;
            match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => {}
                Err(Errno::WOULDBLOCK) => return Ok(None),
                Err(cause) => return Err(cause.into()),
            }
            let locked = Self(file);
            // If the file was removed or replaced meanwhile, this lock protects nothing.
            if Node::at(path)? == Some(Node::of(&locked.metadata()?)) {
                return Ok(Some(locked));
            }
        }
        Err(io::ErrorKind::ResourceBusy.into())
    }
}
