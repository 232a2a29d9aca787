//! Resumes suspended runs when their waits are over.
//!
//! Every process that holds the home does this, so a run that was due while no process held it is resumed by the next one.

use std::collections::HashSet;
use std::time::Duration;

use run::LocalHost;
use tokio::task::JoinHandle;
use vocabulary::RunId;

use crate::session::Session;

/// BOUND: a suspended run is resumed only while fewer runs than this are active. The others follow as these end.
const ACTIVE_MAX: usize = 16;
/// The longest time between two looks at the clock: the machine may sleep meanwhile.
const LOOK: Duration = Duration::from_secs(30);

/// Resumes suspended runs until it is dropped.
pub(crate) struct Waker(JoinHandle<()>);

impl Drop for Waker {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Waker {
    /// Resumes the runs that are due now, and later each run when its wait is over. `not_resumed` is called once for each run that can't be
    /// resumed.
    pub(crate) async fn begin(session: Session, not_resumed: NotResumed) -> Self {
        let mut waking = Waking { session, not_resumed, failed: HashSet::new() };
        let next = waking.wake_due().await;
        Self(tokio::spawn(waking.wake(next)))
    }
}

/// Is called with a run that can't be resumed, and the reason.
pub type NotResumed = fn(RunId, &str);

struct Waking {
    session: Session,
    not_resumed: NotResumed,
    /// Runs that can't be resumed. This process does not try them again.
    failed: HashSet<RunId>,
}

impl Waking {
    async fn wake(mut self, mut next: Duration) {
        loop {
            let host: LocalHost = self.session.local().clone();
            tokio::select! {
                () = tokio::time::sleep(next.min(LOOK)) => {}
                () = host.waits_changed() => {}
            }
            next = self.wake_due().await;
        }
    }

    /// Resumes the runs whose wait is over. Returns for how long the next one has to wait.
    async fn wake_due(&mut self) -> Duration {
        let host = self.session.local().clone();
        for waiting in host.waiting() {
            if self.failed.contains(&waiting.run) {
                continue;
            }
            if !waiting.left.is_zero() {
                return waiting.left;
            }
            if host.going().len() >= ACTIVE_MAX {
                return LOOK;
            }
            if let Err(err) = self.session.wake(waiting.run).await {
                tracing::warn!(run = %waiting.run, error = err.chain(), "a suspended run can't be resumed");
                (self.not_resumed)(waiting.run, &err.chain());
                self.failed.insert(waiting.run);
            }
        }
        LOOK
    }
}
