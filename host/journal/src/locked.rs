//! Files that are locked as long as a value lives.

use std::fs::File;
use std::io;
use std::ops::Deref;
use std::path::Path;

use home::Access;
use rustix::fs::FlockOperation;
use rustix::io::Errno;

use crate::left::Node;

/// BOUND: how often a file is opened again that was exchanged between its opening and its locking.
pub(crate) const TRIES: usize = 100;

/// A file that is locked as long as this lives.
pub(crate) struct Locked(File);

impl Deref for Locked {
    type Target = File;

    fn deref(&self) -> &File {
        &self.0
    }
}

impl Drop for Locked {
    fn drop(&mut self) {
        // Unlocked by name: a child that was forked and has not yet become another program holds the file open too.
        let _ = rustix::fs::flock(&self.0, FlockOperation::Unlock);
    }
}

impl Locked {
    /// Locks a file that nobody else can have locked yet, since it has no name that anybody looks for.
    pub(crate) fn new(file: File) -> io::Result<Self> {
        match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
            // A file system without locks is met when `lock` is taken.
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
            // Removed or replaced meanwhile: then this locks nothing that anybody looks at.
            if Node::at(path)? == Some(Node::of(&locked.metadata()?)) {
                return Ok(Some(locked));
            }
        }
        Err(io::ErrorKind::ResourceBusy.into())
    }
}
