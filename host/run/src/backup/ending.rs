//! How a backup or a restore is ended from outside, such that nothing of it stays.
//!
//! The work runs on a thread of its own, which nobody can stop. So it says where it is, and that says who removes what it has made.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// Ends the work, from another thread.
#[derive(Debug, Default)]
pub struct CleanUp(Mutex<BackupStage>);

/// Where the work is.
#[derive(Debug, Default)]
pub(super) enum BackupStage {
    /// It has made nothing yet.
    #[default]
    Reading,
    /// It makes files, looks often whether it is ended, and removes them then.
    Making,
    /// All that it has made is this file or folder, and it makes nothing else until it says so.
    Made(PathBuf),
    /// What it made is being put in place, and that is finished.
    Putting,
    /// It is ended.
    Ended,
}

/// What there is to be waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignalEnded {
    /// Nothing: nothing of it is there.
    AtOnce,
    /// The work, which ends soon, or is done soon.
    Soon,
}

impl CleanUp {
    /// Ends the work. What it has made is removed, or is about to be.
    pub fn end(&self) -> SignalEnded {
        let mut stage = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match std::mem::replace(&mut *stage, BackupStage::Ended) {
            BackupStage::Reading => SignalEnded::AtOnce,
            BackupStage::Made(path) => {
                remove(&path);
                SignalEnded::AtOnce
            }
            BackupStage::Putting => {
                *stage = BackupStage::Putting;
                SignalEnded::Soon
            }
            BackupStage::Making | BackupStage::Ended => SignalEnded::Soon,
        }
    }

    /// From now on the work is there.
    pub(super) fn enter(&self, next: BackupStage) -> io::Result<()> {
        let mut stage = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if matches!(*stage, BackupStage::Ended) {
            return Err(ended());
        }
        *stage = next;
        Ok(())
    }

    /// Whether the work may go on.
    pub(super) fn check(&self) -> io::Result<()> {
        let stage = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if matches!(*stage, BackupStage::Ended) { Err(ended()) } else { Ok(()) }
    }
}

fn ended() -> io::Error {
    io::Error::other("it was ended")
}

/// That it can't be removed changes nothing: the next one of the same name removes it.
#[expect(clippy::disallowed_methods, reason = "door: what a backup or a restore has made")]
fn remove(path: &Path) {
    let _ = if fs::symlink_metadata(path).is_ok_and(|found| found.is_dir()) { fs::remove_dir_all(path) } else { fs::remove_file(path) };
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn what_was_made_is_gone_when_it_is_ended_and_what_is_being_put_in_place_is_finished() {
        let folder = tempfile::tempdir().unwrap();
        let made = folder.path().join("made");
        let ending = CleanUp::default();
        assert!(ending.check().is_ok());
        assert_eq!(ending.end(), SignalEnded::AtOnce, "nothing was made");
        assert!(ending.check().is_err() && ending.enter(BackupStage::Making).is_err());
        for is_folder in [false, true] {
            if is_folder {
                home::make_folder(&made).unwrap()
            } else {
                drop(home::create_new(&made).unwrap())
            }
            let ending = CleanUp::default();
            ending.enter(BackupStage::Made(made.clone())).unwrap();
            assert!(made.exists(), "the control");
            assert_eq!((ending.end(), made.exists()), (SignalEnded::AtOnce, false));
        }
        let ending = CleanUp::default();
        ending.enter(BackupStage::Making).unwrap();
        assert_eq!((ending.end(), ending.check().is_err()), (SignalEnded::Soon, true), "it removes that itself");
        let ending = CleanUp::default();
        ending.enter(BackupStage::Putting).unwrap();
        assert_eq!((ending.end(), ending.check().is_ok()), (SignalEnded::Soon, true), "it is too late");
    }
}
