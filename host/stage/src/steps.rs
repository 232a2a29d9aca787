//! The steps of a commit. Each is one change of a name, so that it happens or does not happen, and can be taken back.
//!
//! INVARIANT: what is taken away is only moved aside, and is there until all steps are done.

use std::io;

use rustix::fs::Timespec;
use rustix::io::Errno;
use serde::{Deserialize, Serialize};

use crate::root::{Print, Root, join};

/// A step. Names without a path are in the commit's own folder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Step {
    /// Moves an object aside.
    Aside { path: String, name: String, print: Print },
    /// Removes an empty folder.
    RemoveFolder { path: String, print: Print },
    /// Makes a folder.
    MakeFolder { path: String, mode: u32 },
    /// Moves an object to its place, at which nothing is.
    Place { name: String, path: String, inode: u64 },
    /// Makes a new file and the old one change places.
    Swap { name: String, path: String, print: Print, inode: u64 },
    /// Sets the time of the last change.
    Times { path: String, print: Print, modified: (i64, i64) },
}

/// Why a step was not done.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StepError {
    /// Somebody else has changed what is there.
    #[error("`{0}` is not as it was when the run looked at it")]
    Conflict(String),
    /// The system says something.
    #[error("`{path}`: {cause}")]
    System { path: String, cause: io::Error },
}

impl Step {
    pub(crate) fn path(&self) -> &str {
        match self {
            Self::Aside { path, .. }
            | Self::RemoveFolder { path, .. }
            | Self::MakeFolder { path, .. }
            | Self::Place { path, .. }
            | Self::Swap { path, .. }
            | Self::Times { path, .. } => path,
        }
    }

    fn told(&self, cause: io::Error) -> StepError {
        match Errno::from_io_error(&cause) {
            // Something is there, or is gone, that was not or was there.
            Some(Errno::EXIST | Errno::NOENT | Errno::NOTEMPTY | Errno::NOTDIR | Errno::ISDIR | Errno::STALE | Errno::LOOP) => {
                self.conflict()
            }
            _ => StepError::System { path: self.path().to_owned(), cause },
        }
    }

    fn conflict(&self) -> StepError {
        StepError::Conflict(self.path().to_owned())
    }

    /// Whether the folder is as the run saw it, as far as this step is concerned.
    pub(crate) fn check(&self, root: &Root, leaves: impl Fn(&str) -> bool) -> Result<(), StepError> {
        let now = root.find(self.path()).map_err(|cause| self.told(cause))?;
        let is_fine = match self {
            Self::Aside { print, .. } | Self::RemoveFolder { print, .. } | Self::Swap { print, .. } | Self::Times { print, .. } => {
                now.is_some_and(|now| match self {
                    // What is in a folder is checked one by one.
                    Self::RemoveFolder { .. } => now.print.is_same_object(print),
                    _ => now.print == *print,
                })
            }
            Self::MakeFolder { path, .. } | Self::Place { path, .. } => now.is_none() || leaves(path),
        };
        if is_fine { Ok(()) } else { Err(self.conflict()) }
    }

    /// Does the step, unless it was done before.
    pub(crate) fn redo(&self, root: &Root, work: &str) -> Result<(), StepError> {
        self.done(root, work).map_err(|cause| self.told(cause))
    }

    fn done(&self, root: &Root, work: &str) -> io::Result<()> {
        let in_work = |name: &str| join(work, name);
        let conflict = || io::Error::from(Errno::STALE);
        match self {
            Self::Aside { path, name, print } => {
                let aside = in_work(name);
                if root.find(&aside)?.is_none() {
                    root.rename(path, &aside)?;
                }
                // SECURITY: what was moved is looked at once more, because it may have been exchanged just before.
                match root.find(&aside)? {
                    Some(found) if found.print.is_same_content(print) => Ok(()),
                    _ => {
                        root.rename(&aside, path)?;
                        Err(conflict())
                    }
                }
            }
            Self::RemoveFolder { path, print } => match root.find(path)? {
                None => Ok(()),
                Some(found) if found.print.is_same_object(print) => root.remove_folder(path),
                Some(_) => Err(conflict()),
            },
            Self::MakeFolder { path, mode } => match root.find(path)? {
                None => root.make_folder(path, *mode),
                Some(found) if found.kind == vocabulary::FileKind::Directory => Ok(()),
                Some(_) => Err(conflict()),
            },
            Self::Place { name, path, inode } => match root.find(path)? {
                Some(found) if found.print.inode == *inode => Ok(()),
                Some(_) => Err(conflict()),
                None => root.rename(&in_work(name), path),
            },
            Self::Swap { name, path, print, inode } => {
                let aside = in_work(name);
                if root.find(path)?.ok_or_else(conflict)?.print.inode != *inode {
                    root.swap(&aside, path)?;
                }
                match root.find(&aside)? {
                    Some(found) if found.print.is_same_content(print) => Ok(()),
                    _ => {
                        root.swap(&aside, path)?;
                        Err(conflict())
                    }
                }
            }
            Self::Times { path, print, modified } => match root.find(path)? {
                Some(found) if found.print.is_same_object(print) => root.set_modified(path, spec(*modified)),
                _ => Err(conflict()),
            },
        }
    }

    /// Takes the step back, if it was done.
    pub(crate) fn undo(&self, root: &Root, work: &str) -> Result<(), StepError> {
        self.undone(root, work).map_err(|cause| StepError::System { path: self.path().to_owned(), cause })
    }

    fn undone(&self, root: &Root, work: &str) -> io::Result<()> {
        let in_work = |name: &str| join(work, name);
        match self {
            Self::Aside { path, name, .. } => match root.find(&in_work(name))? {
                Some(_) => root.rename(&in_work(name), path),
                None => Ok(()),
            },
            Self::RemoveFolder { path, print } => match root.find(path)? {
                None => root.make_folder(path, print.mode),
                Some(_) => Ok(()),
            },
            // What somebody else has put into the folder meanwhile stays, and the folder with it.
            Self::MakeFolder { path, .. } => match root.remove_folder(path) {
                Err(err) if matches!(Errno::from_io_error(&err), Some(Errno::NOENT | Errno::NOTEMPTY | Errno::NOTDIR)) => Ok(()),
                removed => removed,
            },
            Self::Place { name, path, inode } => match root.find(path)? {
                Some(found) if found.print.inode == *inode && root.find(&in_work(name))?.is_none() => root.rename(path, &in_work(name)),
                _ => Ok(()),
            },
            Self::Swap { name, path, inode, .. } => match root.find(path)? {
                Some(found) if found.print.inode == *inode => root.swap(&in_work(name), path),
                _ => Ok(()),
            },
            Self::Times { path, print, .. } => match root.find(path)? {
                Some(found) if found.print.is_same_object(print) => root.set_modified(path, spec(print.modified)),
                _ => Ok(()),
            },
        }
    }
}

fn spec((tv_sec, tv_nsec): (i64, i64)) -> Timespec {
    Timespec { tv_sec, tv_nsec }
}
