//! Ctrl-C, SIGTERM and SIGHUP: they end a run in order, and never kill a process that is writing the record.
//!
//! A signal that was ignored when this process started stays ignored: `nohup` and `&` of a shell rely on that.

use std::future::{Future, pending};
use std::io;
use std::sync::{Mutex, OnceLock, PoisonError};

use futures_util::FutureExt as _;
use run::{CleanUp, SignalEnded};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::{JoinError, spawn_blocking};
use vocabulary::Means;

use crate::out;

/// The three signals as messages. While this exists, they no longer end the process.
pub(crate) struct Signals {
    interrupt: Option<Signal>,
    terminate: Option<Signal>,
    hang_up: Option<Signal>,
}

/// The signals that were ignored when this process started: one bit for each, the lowest for signal 1.
static IGNORED: OnceLock<u64> = OnceLock::new();

/// The signals that end a wait of a thread in this process, once a verb listens to signals.
static WAITS: OnceLock<Mutex<Signals>> = OnceLock::new();

/// Notes which signals are ignored. Later this program sets handlers, and the information is lost.
pub(crate) fn note_ignored() {
    IGNORED.get_or_init(ignored);
}

/// The ignored signals according to proc_pid_status(5). If that can't be read, none.
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

/// The name of a signal on the record.
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

/// Why work was not done although it did not fail itself.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SignalError {
    /// The system does not let this process listen to a signal.
    #[error("could not listen to signals")]
    Listen(#[source] io::Error),
    /// The thread that did the work is gone.
    #[error("a worker thread failed")]
    Thread(#[source] io::Error),
    /// A signal arrived before the work was done.
    #[error("the command was ended by {means} before it was done")]
    Ended { means: Means },
    /// A signal arrived before the work was done, and what the work had made was removed.
    #[error("the command was ended by {means} before it was done; what it had made was removed")]
    Undone { means: Means },
}

/// Why a wait ended without a result.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WaitError<E> {
    /// A signal arrived first.
    #[error("the command was ended by {means} before it was done")]
    Ended { means: Means },
    /// The work failed.
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
            // No other thread can set it first: verbs start on one thread.
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

    /// Waits for the next signal and returns its name on the record. Cancel-safe.
    pub(crate) async fn next(&mut self) -> Means {
        tokio::select! {
            () = comes(&mut self.interrupt) => Means::CtrlC,
            () = comes(&mut self.terminate) => Means::Sigterm,
            () = comes(&mut self.hang_up) => Means::Sighup,
        }
    }

    /// Runs work that only reads on a thread of its own, until it is done or a signal arrives.
    ///
    /// # Errors
    /// The error of the work, or [`SignalError::Ended`].
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

    /// Runs short work that must not be interrupted on a thread of its own. The first signal prints a message, the second ends it.
    ///
    /// # Errors
    /// The error of the work, or [`SignalError::Ended`].
    pub(crate) async fn finishing<T, E>(&mut self, work: impl FnOnce() -> Result<T, E> + Send + 'static) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<SignalError> + Send + 'static,
    {
        let mut work = spawn_blocking(work);
        tokio::select! {
            biased;
            done = &mut work => return joined(done),
            means = self.next() => {
                out::words(&format!("{means}: the present step is finished first; a second signal ends the command at once"));
            }
        }
        tokio::select! {
            biased;
            done = work => joined(done),
            means = self.next() => Err(SignalError::Ended { means }.into()),
        }
    }

    /// Runs work that makes files on a thread of its own. The first signal undoes it, the second leaves it as it is.
    ///
    /// # Errors
    /// The error of the work, [`SignalError::Undone`], or [`SignalError::Ended`].
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
                // The work may have been done just before.
                done = &mut work => if let Ok(value) = joined(done) { return Ok(value) },
                means = self.next() => return Err(SignalError::Ended { means }.into()),
            }
        }
        Err(SignalError::Undone { means }.into())
    }

    /// Waits for `done` until a signal arrives.
    ///
    /// # Errors
    /// The error of `done` as [`WaitError::Failed`], or [`WaitError::Ended`].
    pub(crate) async fn or<T, E>(&mut self, done: impl Future<Output = Result<T, E>>) -> Result<T, WaitError<E>> {
        tokio::select! {
            biased;
            done = done => done.map_err(WaitError::Failed),
            means = self.next() => Err(WaitError::Ended { means }),
        }
    }
}
