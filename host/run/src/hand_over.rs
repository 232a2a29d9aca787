//! Leaving a home although runs go on in it: others go on with them.
//!
//! A run is its record, so another process goes on where the record ends. What is under way is given some time to be answered, so that as
//! little as possible has to be asked again or settled by a person. Nothing is written that would end a run.

use std::sync::atomic::Ordering;
use std::time::Duration;

use sandbox::RunEnded;
use vocabulary::{RunId, SafeText, Stop};

use crate::err::RunError;
use crate::local_host::LocalHost;
use crate::now::now;
use crate::place::held;

/// BOUND: how long a host that leaves waits for answers under way.
pub const ANSWERS_MAX: Duration = Duration::from_secs(5);
/// BOUND: how long it waits for the disk after that.
const DISK_MAX: Duration = Duration::from_secs(5);
/// How often it looks.
const LOOK: Duration = Duration::from_millis(10);

/// What becomes of a run whose guest has ended although the run has not.
pub(crate) enum Left {
    /// This process asks nothing more for any run: another one continues it.
    ByThisProcess,
    /// It was taken out of memory.
    Unloaded,
}

/// `None` if the run ends with its guest.
pub(crate) fn left(ended: &RunEnded, is_leaving: bool) -> Option<Left> {
    match &ended.stop {
        Some(Stop::Leaving) if !is_leaving => Some(Left::Unloaded),
        // The record is closed before the process ends.
        Some(Stop::Leaving | Stop::RecordBroken) if is_leaving => Some(Left::ByThisProcess),
        Some(
            Stop::Limit(_)
            | Stop::RecordBroken
            | Stop::Ordered
            | Stop::Leaving
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
    /// Whether the home is being left while runs go on.
    pub(crate) fn is_leaving(&self) -> bool {
        self.inner.leaving.load(Ordering::Acquire)
    }

    /// The home is about to be left without ending the runs that go on here: from now on nobody comes in and nothing is asked.
    pub fn ask_no_more(&self) {
        self.inner.leaving.store(true, Ordering::Release);
        self.shut();
        held(&self.inner.going).values().for_each(|going| going.live.ask_no_more());
    }

    /// Leaves the home without ending the runs that go on here, once [`LocalHost::ask_no_more`] was called. Answers under way are waited for, but
    /// not for longer than [`ANSWERS_MAX`]. Returns the runs that others may go on with.
    ///
    /// The caller ends the process next: what is still under way here ends with it.
    ///
    /// # Errors
    /// The record can't be written, or the disk does not answer.
    pub async fn hand_over(&self) -> Result<Vec<(RunId, SafeText)>, RunError> {
        // Also those that were just being started.
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
