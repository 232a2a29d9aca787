//! How long this process waits for another one, how it says so, and what ends the wait.
//!
//! There is one [`Patience`] for a process. The program sets it before it does anything else. If it is never set, waits have the usual
//! length and say nothing.

use std::error::Error;
use std::io;
use std::sync::OnceLock;
use std::thread::ThreadId;
use std::time::Duration;

use crate::other::Other;

/// How long a wait lasts before it is reported.
pub const TELL_AFTER: Duration = Duration::from_millis(500);
/// How long a process waits if nothing else was set.
pub const WAIT_MAX: Duration = Duration::from_secs(30);

/// How one process waits.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// BOUND: how long it waits for a process that does not answer. `None` means the usual time of that wait.
    pub max: Option<Duration>,
    /// Reports a wait to a person. It is called at most once for each wait.
    pub say: fn(&Waiting),
    /// Returns the signal that ends the wait, if one came.
    pub ended: fn() -> Option<Signal>,
}

/// A signal that asks a process to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// Ctrl-C.
    Interrupt,
    /// SIGTERM.
    Terminate,
    /// SIGHUP.
    HangUp,
}

impl std::fmt::Display for Signal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Interrupt => "Ctrl-C",
            Self::Terminate => "SIGTERM",
            Self::HangUp => "SIGHUP",
        })
    }
}

/// A wait that is under way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// The process that is waited for.
    pub other: Other,
    /// What that process has or does, such as `holds the home`.
    pub what: String,
    /// How much time is left until this process gives up.
    pub left: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self { max: None, say: |_| {}, ended: || None }
    }
}

impl Patience {
    /// The time after which a process gives up. `usual` is the usual time of that wait, since some waits are long by nature.
    #[must_use]
    pub fn max_or(&self, usual: Duration) -> Duration {
        self.max.unwrap_or(usual)
    }
}

static PATIENCE: OnceLock<(Patience, ThreadId)> = OnceLock::new();

/// Sets how this process waits. Only the first call counts. [`Patience::ended`] ends waits on the calling thread; waits on other threads
/// belong to runs, which signals end in another way.
pub fn set_patience(patience: Patience) {
    let _ = PATIENCE.set((patience, std::thread::current().id()));
}

/// How this process waits.
#[must_use]
pub fn patience() -> Patience {
    PATIENCE.get().map_or_else(Patience::default, |(patience, _)| *patience)
}

/// The signal that ends the wait of this thread, if one came.
pub(crate) fn ended_here() -> Option<Signal> {
    let (patience, thread) = PATIENCE.get()?;
    if *thread == std::thread::current().id() { (patience.ended)() } else { None }
}

/// Why a wait has ended without success. It is the inner error of an [`io::Error`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GaveUp {
    /// The time is over.
    #[error("{other}, which {what}, has not answered for {} s", after.as_secs())]
    TimedOut {
        /// The process that was waited for.
        other: Other,
        /// What that process has or does.
        what: String,
        /// How long the wait lasted.
        after: Duration,
    },
    /// A signal came.
    #[error("ended by {0} while waiting for another process")]
    Ended(Signal),
}

impl GaveUp {
    /// Finds the `GaveUp` within an error, or within one of its causes.
    pub fn of<'e>(err: &'e (dyn Error + 'static)) -> Option<&'e Self> {
        let mut next = Some(err);
        while let Some(err) = next {
            let inner = err.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
            if let Some(found) = inner.and_then(|inner| inner.downcast_ref()).or_else(|| err.downcast_ref()) {
                return Some(found);
            }
            next = err.source();
        }
        None
    }
}

impl From<GaveUp> for io::Error {
    fn from(gave_up: GaveUp) -> Self {
        let kind = match gave_up {
            GaveUp::TimedOut { .. } => io::ErrorKind::TimedOut,
            GaveUp::Ended(_) => io::ErrorKind::Interrupted,
        };
        Self::new(kind, gave_up)
    }
}
