//! Waits for the process that holds the home. Reports which process that is, and gives up after a time ([`home::Patience`]).

use std::future::Future;
use std::path::Path;
use std::pin::pin;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use home::{GaveUp, LockState, Other, TELL_AFTER, WAIT_MAX, Waiting, inspect_lock, patience};
use run::now;
use tokio::time::Instant;

/// The name of the control socket in a home.
pub(crate) const SOCKET: &str = "host.sock";

/// What the process that is waited for does, for messages.
const HOLDS: &str = "holds the home";

/// One wait, which may consist of several tries.
#[derive(Debug)]
pub(crate) struct Wait {
    began: Instant,
    max: Duration,
    is_told: bool,
}

impl Wait {
    pub(crate) fn begin() -> Self {
        Self::of(patience().max_or(WAIT_MAX))
    }

    /// A wait of at most this duration.
    pub(crate) fn of(max: Duration) -> Self {
        Self { began: now(), max, is_told: false }
    }

    pub(crate) fn max(&self) -> Duration {
        self.max
    }

    /// Waits until the future is done. If that takes a while, reports which process it waits for.
    ///
    /// # Errors
    /// The time is over.
    pub(crate) async fn on<T>(&mut self, done: impl Future<Output = T>, other: impl Fn() -> Other) -> Result<T, GaveUp> {
        let mut done = pin!(done);
        loop {
            let next = if self.is_told { self.max } else { TELL_AFTER.min(self.max) };
            tokio::select! {
                biased;
                done = &mut done => return Ok(done),
                () = tokio::time::sleep_until(self.began + next) => self.check(&other)?,
            }
        }
    }

    /// Reports which process is waited for, once that is due.
    ///
    /// # Errors
    /// The time is over.
    pub(crate) fn check(&mut self, other: &impl Fn() -> Other) -> Result<(), GaveUp> {
        let after = self.began.elapsed();
        if after >= self.max {
            return Err(gave_up(other(), HOLDS, after));
        }
        if after >= TELL_AFTER && !std::mem::replace(&mut self.is_told, true) {
            (patience().say)(&Waiting { other: other(), what: HOLDS.to_owned(), left: self.max - after });
        }
        Ok(())
    }
}

pub(crate) fn gave_up(other: Other, what: &str, after: Duration) -> GaveUp {
    GaveUp::TimedOut { other, what: what.to_owned(), after }
}

/// The process that holds a home, as far as this can be seen without asking it; `None` if the home is free. If the lock can't be read, the
/// holder is an unknown process.
pub(crate) fn holder(home: &Path) -> Option<Other> {
    journal::lock_files(home).iter().find_map(|file| match inspect_lock(file) {
        Ok(LockState::Free) => None,
        Ok(LockState::Held(other)) => Some(since(home, other)),
        Err(_) => Some(Other::default()),
    })
}

/// Adds since when a process holds the home. A host makes its socket when it takes the home, so the age of the socket says more than the
/// start of the process.
pub(crate) fn since(home: &Path, other: Other) -> Other {
    let made = std::fs::symlink_metadata(home.join(SOCKET)).and_then(|found| found.modified());
    let made_s = made.ok().and_then(|made: SystemTime| made.duration_since(UNIX_EPOCH).ok()).map(|since| since.as_secs());
    let since_s = match (other.since_s, made_s) {
        // A socket that is older than the process was left by an earlier host.
        (Some(started), Some(made)) => Some(started.max(made)),
        (started, made) => started.or(made),
    };
    Other { since_s, ..other }
}
