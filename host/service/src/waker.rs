//! Resumes suspended runs when their waits are over.
//!
//! Every process that holds the home does this, so a run that was due while no process held it is resumed by the next one.

use std::collections::HashMap;
use std::time::Duration;

use run::{LocalHost, RunError, now};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use vocabulary::RunId;

use crate::err::ServiceError;
use crate::session::Session;

/// BOUND: a suspended run is resumed only while fewer runs than this are active. The others follow as these end.
const ACTIVE_MAX: usize = 64;
/// The longest time between two looks at the clock: the machine may sleep meanwhile.
const LOOK: Duration = Duration::from_secs(30);
/// How long it takes until a run that could not be resumed is tried again, the first time and at most. Each time it takes twice as long.
const AGAIN: Duration = Duration::from_secs(60);
const AGAIN_MAX: Duration = Duration::from_secs(3600);

/// Is called with a run that can't be resumed, and the reason.
pub type NotResumed = fn(RunId, &str);

/// Resumes suspended runs until it is dropped.
pub(crate) struct Waker {
    task: JoinHandle<()>,
    /// Whether all runs that were due at the beginning are resumed.
    is_begun: watch::Receiver<bool>,
}

impl Drop for Waker {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Waker {
    /// Resumes the runs that are due now, and later each run when its wait is over. `not_resumed` is called once for each run that can't be
    /// resumed; it is tried again later.
    pub(crate) fn begin(session: Session, not_resumed: NotResumed) -> Self {
        let (begun, is_begun) = watch::channel(false);
        let waking = Waking { session, not_resumed, failed: HashMap::new() };
        Self { task: tokio::spawn(waking.wake(begun)), is_begun }
    }

    /// Returns when all runs that were due at the beginning are resumed.
    pub(crate) async fn begun(&self) {
        // If the sender is gone, the task has ended.
        let _ = self.is_begun.clone().wait_for(|is_begun| *is_begun).await;
    }
}

struct Waking {
    session: Session,
    not_resumed: NotResumed,
    /// Runs that could not be resumed, with the time at which each is tried again, and how long that takes.
    failed: HashMap<RunId, (Instant, Duration)>,
}

impl Waking {
    async fn wake(mut self, begun: watch::Sender<bool>) {
        let mut next = self.wake_due().await;
        begun.send_replace(true);
        let host: LocalHost = self.session.local().clone();
        loop {
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
            if !waiting.left.is_zero() {
                return waiting.left;
            }
            if self.failed.get(&waiting.run).is_some_and(|(again, _)| *again > now()) {
                continue;
            }
            if host.going().len() >= ACTIVE_MAX {
                return LOOK;
            }
            match self.session.wake(waiting.run).await {
                Ok(()) => drop(self.failed.remove(&waiting.run)),
                // Somebody else has resumed, settled or ended it meanwhile, or is just doing so.
                Err(ServiceError::Run(RunError::Running(_) | RunError::Taken(_) | RunError::NoSuchRun(_) | RunError::Leaving)) => {}
                Err(err) => self.note(waiting.run, &err),
            }
        }
        LOOK
    }

    fn note(&mut self, run: RunId, err: &ServiceError) {
        tracing::warn!(%run, error = err.chain(), "a suspended run can't be resumed");
        let before = self.failed.get(&run).map(|(_, after)| *after);
        if before.is_none() {
            (self.not_resumed)(run, &err.chain());
        }
        let after = before.map_or(AGAIN, |before| AGAIN_MAX.min(before * 2));
        self.failed.insert(run, (now() + after, after));
    }
}
