//! Ctrl-C, SIGTERM, and a terminal that was closed: told to the run, never the death of a process that is writing the record.
//!
//! A signal that this process was started with as ignored stays ignored: that is how `nohup` and a shell's `&` ask for it.

use std::future::{Future, pending};
use std::io;
use std::sync::{Mutex, OnceLock, PoisonError};

use futures_util::FutureExt as _;
use run::{CleanUp, SignalEnded};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::{JoinError, spawn_blocking};
use vocabulary::Means;

use crate::out;

/// From when this is made, the three signals are words and no longer an end.
pub(crate) struct Signals {
    interrupt: Option<Signal>,
    terminate: Option<Signal>,
    hang_up: Option<Signal>,
}

/// The signals that were ignored when this process began, a bit for each, that of signal 1 first.
static IGNORED: OnceLock<u64> = OnceLock::new();

/// What ends a wait of this process's own thread, once a verb listens to signals.
static WAITS: OnceLock<Mutex<Signals>> = OnceLock::new();

/// Notes which signals are ignored. Afterwards this program sets handlers, and it could not be told any more.
pub(crate) fn note_ignored() {
    IGNORED.get_or_init(ignored);
}

/// What proc_pid_status(5) says. If it says nothing, nothing is ignored.
#[expect(clippy::disallowed_methods, reason = "door: how this process was started")]
fn ignored() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0)
}

fn is_ignored(kind: SignalKind) -> bool {
    let bit = kind.as_raw_value() - 1;
    u32::try_from(bit).ok().and_then(|bit| IGNORED.get()?.checked_shr(bit)).is_some_and(|mask| mask & 1 == 1)
}

/// The signal that has ended a wait, for [`home::Patience`].
pub(crate) fn ended() -> Option<home::Signal> {
    let mut signals = WAITS.get()?.lock().unwrap_or_else(PoisonError::into_inner);
    match signals.pending()? {
        Means::CtrlC => Some(home::Signal::Interrupt),
        Means::Sighup => Some(home::Signal::HangUp),
        _ => Some(home::Signal::Terminate),
    }
}

/// What the record calls a signal.
pub(crate) fn means(signal: home::Signal) -> Means {
    match signal {
        home::Signal::Interrupt => Means::CtrlC,
        home::Signal::Terminate => Means::Sigterm,
        home::Signal::HangUp => Means::Sighup,
    }
}

async fn comes(signal: &mut Option<Signal>) {
    let came = match signal {
        Some(signal) => signal.recv().await,
        None => None,
    };
    if came.is_none() {
        pending::<()>().await;
    }
}

/// Why something was not done though nothing was wrong with it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SignalError {
    /// The system does not let this process listen to a signal.
    #[error("could not listen to signals")]
    Listen(#[source] io::Error),
    /// The thread that did it is gone.
    #[error("a thread was lost")]
    Thread(#[source] io::Error),
    /// A signal came before it was done.
    #[error("ended by {means} before it was done")]
    Ended { means: Means },
    /// A signal came before it was done, and what it had made was removed again.
    #[error("ended by {means} before it was done; what it had made is removed again")]
    Undone { means: Means },
}

/// Why a wait has ended without what it waited for.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WaitError<E> {
    /// A signal came first.
    #[error("ended by {means} before it was done")]
    Ended { means: Means },
    /// What was waited for has failed.
    #[error(transparent)]
    Failed(E),
}

fn joined<T, E: From<SignalError>>(done: Result<Result<T, E>, JoinError>) -> Result<T, E> {
    done.map_err(|lost| SignalError::Thread(lost.into()))?
}

impl Signals {
    pub(crate) fn new() -> Result<Self, SignalError> {
        let signals = Self::listen()?;
        if WAITS.get().is_none() {
            // Another thread can't have been quicker: verbs begin on one.
            let _ = WAITS.set(Mutex::new(Self::listen()?));
        }
        Ok(signals)
    }

    fn listen() -> Result<Self, SignalError> {
        note_ignored();
        let listen = |kind| if is_ignored(kind) { Ok(None) } else { signal(kind).map(Some).map_err(SignalError::Listen) };
        Ok(Self {
            interrupt: listen(SignalKind::interrupt())?,
            terminate: listen(SignalKind::terminate())?,
            hang_up: listen(SignalKind::hangup())?,
        })
    }

    /// A signal that has arrived already.
    pub(crate) fn pending(&mut self) -> Option<Means> {
        self.next().now_or_never()
    }

    /// The next signal, in the form of the record. Cancel-safe.
    pub(crate) async fn next(&mut self) -> Means {
        tokio::select! {
            () = comes(&mut self.interrupt) => Means::CtrlC,
            () = comes(&mut self.terminate) => Means::Sigterm,
            () = comes(&mut self.hang_up) => Means::Sighup,
        }
    }

    /// Does what only reads on a thread of its own, but no longer than until a signal comes.
    ///
    /// # Errors
    /// Its own, or [`SignalError::Ended`].
    pub(crate) async fn reading<T, E>(&mut self, work: impl FnOnce() -> Result<T, E> + Send + 'static) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<SignalError> + Send + 'static,
    {
        let work = spawn_blocking(work);
        tokio::select! {
            biased;
            done = work => joined(done),
            means = self.next() => Err(SignalError::Ended { means }.into()),
        }
    }

    /// Does what is not to be cut in two, and is short, on a thread of its own. The first signal is answered with a word, the second ends it.
    ///
    /// # Errors
    /// Its own, or [`SignalError::Ended`].
    pub(crate) async fn finishing<T, E>(&mut self, work: impl FnOnce() -> Result<T, E> + Send + 'static) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<SignalError> + Send + 'static,
    {
        let mut work = spawn_blocking(work);
        tokio::select! {
            biased;
            done = &mut work => return joined(done),
            means = self.next() => out::words(&format!("{means}: this is finished first, so that nothing is half done; once more ends it at once")),
        }
        tokio::select! {
            biased;
            done = work => joined(done),
            means = self.next() => Err(SignalError::Ended { means }.into()),
        }
    }

    /// Does what makes files on a thread of its own. With the first signal it is undone, and with the second one it is left as it is.
    ///
    /// # Errors
    /// Its own, [`SignalError::Undone`], or [`SignalError::Ended`].
    pub(crate) async fn undoing<T, E>(&mut self, ending: &CleanUp, work: impl FnOnce() -> Result<T, E> + Send + 'static) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<SignalError> + Send + 'static,
    {
        let mut work = spawn_blocking(work);
        let means = tokio::select! {
            biased;
            done = &mut work => return joined(done),
            means = self.next() => means,
        };
        if ending.end() == SignalEnded::Soon {
            tokio::select! {
                biased;
                // It may just have been done.
                done = &mut work => if let Ok(value) = joined(done) { return Ok(value) },
                means = self.next() => return Err(SignalError::Ended { means }.into()),
            }
        }
        Err(SignalError::Undone { means }.into())
    }

    /// Waits for this, but no longer than until a signal comes.
    ///
    /// # Errors
    /// Its own as [`WaitError::Failed`], or [`WaitError::Ended`].
    pub(crate) async fn or<T, E>(&mut self, done: impl Future<Output = Result<T, E>>) -> Result<T, WaitError<E>> {
        tokio::select! {
            biased;
            done = done => done.map_err(WaitError::Failed),
            means = self.next() => Err(WaitError::Ended { means }),
        }
    }
}
