//! Leaves a home while runs are active in it, and lets other processes continue them.
//!
//! A run is its record, so another process can continue where the record ends. Acts under way get some time to be answered, so that as few
//! as possible have to be repeated or settled by a person. No record is written that would end a run.

use std::sync::atomic::Ordering;
use std::time::Duration;

use sandbox::RunEnded;
use vocabulary::{RunId, SafeText, Stop};

use crate::err::RunError;
use crate::local_host::LocalHost;
use crate::now::now;
use crate::place::held;

/// BOUND: how long a leaving host waits for answers to acts under way.
pub const ANSWERS_MAX: Duration = Duration::from_secs(5);
/// BOUND: how long it then waits for the disk.
const DISK_MAX: Duration = Duration::from_secs(5);
/// How often it checks whether acts are still under way.
const LOOK: Duration = Duration::from_millis(10);

/// Why a guest has ended although its run has not.
pub(crate) enum Left {
    /// This process is leaving the home and asks nothing more for any run. Another process continues the run.
    ByThisProcess,
    /// The run waits for something that takes long.
    Suspended,
}

/// Whether a guest has ended although its run has not. `None` if the run ends with its guest.
pub(crate) fn left(ended: &RunEnded, is_leaving: bool) -> Option<Left> {
    match &ended.stop {
        // The record is closed before the process ends.
        Some(Stop::Leaving | Stop::RecordBroken) if is_leaving => Some(Left::ByThisProcess),
        Some(
            Stop::Limit(_)
            | Stop::RecordBroken
            | Stop::Ordered
            | Stop::Leaving
            | Stop::Suspended
            | Stop::Ended
            | Stop::RecordEnds
            | Stop::Diverged(_)
            | Stop::Unsettled(_)
            | Stop::Stuck,
        )
        | None => None,
    }
}

impl LocalHost {
    /// Whether the host is leaving the home while runs are active.
    pub(crate) fn is_leaving(&self) -> bool {
        self.inner.leaving.load(Ordering::Acquire)
    }

    /// Prepares to leave the home without ending the active runs: from now on no run or client is admitted and no run may ask for anything.
    pub fn ask_no_more(&self) {
        self.inner.leaving.store(true, Ordering::Release);
        self.shut();
        held(&self.inner.going).values().for_each(|going| going.live.ask_no_more());
    }

    /// Leaves the home without ending the active runs. Waits for answers to acts under way, at most [`ANSWERS_MAX`]. Returns the runs that
    /// other processes may continue.
    ///
    /// The caller ends the process next, and acts that are still under way end with it.
    ///
    /// # Errors
    /// The record can't be written, or the disk does not answer.
    pub async fn hand_over(&self) -> Result<Vec<(RunId, SafeText)>, RunError> {
        // Once more, for runs that were just being started.
        self.ask_no_more();
        let began = now();
        while began.elapsed() < ANSWERS_MAX && held(&self.inner.going).values().any(|going| going.live.is_under_way()) {
            tokio::time::sleep(LOOK).await;
        }
        let host = self.clone();
        let closed = tokio::time::timeout(DISK_MAX, tokio::task::spawn_blocking(move || host.close())).await;
        let going = self.going();
        match closed {
            Ok(Ok(closed)) => closed.map(|()| going),
            Ok(Err(_)) | Err(_) => Err(self.record_broken(None)),
        }
    }
}
