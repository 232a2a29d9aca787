//! Ends a backup or a restore from outside, so that nothing of it is left behind.
//!
//! The work runs on its own thread, which can't be stopped from outside. So it reports its stage, and the stage says who removes its files.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// Ends the work, from another thread.
#[derive(Debug, Default)]
pub struct CleanUp(Mutex<BackupStage>);

/// The stage of the work.
#[derive(Debug, Default)]
pub(super) enum BackupStage {
    /// It has made nothing yet.
    #[default]
    Reading,
    /// It is making files. It checks often whether it was ended, and then removes them itself.
    Making,
    /// It has made only this file or folder, and makes nothing else before it enters another stage.
    Made(PathBuf),
    /// It is putting the result in place, and this is not interrupted.
    Putting,
    /// It was ended.
    Ended,
}

/// What a caller that ended the work has to wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignalEnded {
    /// Nothing. No file of the work is left.
    AtOnce,
    /// The work, which is aborted soon or done soon.
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

    /// Enters the next stage, unless the work was ended.
    pub(super) fn enter(&self, next: BackupStage) -> io::Result<()> {
        let mut stage = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if matches!(*stage, BackupStage::Ended) {
            return Err(ended());
        }
        *stage = next;
        Ok(())
    }

    /// Returns an error if the work was ended.
    pub(super) fn check(&self) -> io::Result<()> {
        let stage = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if matches!(*stage, BackupStage::Ended) { Err(ended()) } else { Ok(()) }
    }
}

fn ended() -> io::Error {
    io::Error::other("the backup or restore was ended")
}

/// Removes a file or folder. A failure is ignored, because the next backup or restore of the same name removes it.
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
