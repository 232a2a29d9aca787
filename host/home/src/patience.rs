//! How long this process waits for another one, whom it tells, and what ends the wait.
//!
//! There is one patience for a process. The program sets it before it does anything; a library that never sets it waits for the usual time
//! and says nothing.

use std::error::Error;
use std::io;
use std::sync::OnceLock;
use std::thread::ThreadId;
use std::time::Duration;

use crate::other::Other;

/// After how long it is said for whom something waits.
pub const TELL_AFTER: Duration = Duration::from_millis(500);
/// How long is waited where nobody has said anything else.
pub const WAIT_MAX: Duration = Duration::from_secs(30);

/// How one process waits.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// BOUND: how long it waits for a process that does not answer. `None` means the usual time.
    pub max: Option<Duration>,
    /// Tells a person. It is called once a wait.
    pub say: fn(&Waiting),
    /// The signal that has ended the wait, if one has.
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

/// A wait that goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// For whom.
    pub other: Other,
    /// What the other one has or does, as `holds the home`.
    pub what: String,
    /// When this is given up, from now on.
    pub left: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self { max: None, say: |_| {}, ended: || None }
    }
}

impl Patience {
    /// The time after which a wait is given up. Some waits are long by nature and have a usual time of their own.
    #[must_use]
    pub fn max_or(&self, usual: Duration) -> Duration {
        self.max.unwrap_or(usual)
    }
}

static PATIENCE: OnceLock<(Patience, ThreadId)> = OnceLock::new();

/// Says how this process waits. Only the first call counts. Waits on the calling thread are ended by [`Patience::ended`]; waits on other
/// threads are for runs, which signals end in another way.
pub fn set_patience(patience: Patience) {
    let _ = PATIENCE.set((patience, std::thread::current().id()));
}

/// How this process waits.
#[must_use]
pub fn patience() -> Patience {
    PATIENCE.get().map_or_else(Patience::default, |(patience, _)| *patience)
}

/// The signal that has ended what this thread waits for.
pub(crate) fn ended_here() -> Option<Signal> {
    let (patience, thread) = PATIENCE.get()?;
    if *thread == std::thread::current().id() { (patience.ended)() } else { None }
}

/// Why a wait has ended without that for which it was. It is the inner error of an [`io::Error`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GaveUp {
    /// The time is over.
    #[error("{other}, which {what}, has not answered for {} s", after.as_secs())]
    TimedOut {
        /// Who did not come forward.
        other: Other,
        /// What the other one has or does.
        what: String,
        /// How long it was waited.
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
