//! Ctrl-C, SIGTERM, and a terminal that was closed: told to the run, never the death of a process that is writing the record.

use effect::Means;
use futures_util::FutureExt as _;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::err::CliError;

/// From when this is made, the three signals are words and no longer an end.
pub(crate) struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hang_up: Signal,
}

impl Signals {
    pub(crate) fn new() -> Result<Self, CliError> {
        let listen = |kind| signal(kind).map_err(CliError::Runtime);
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
            _ = self.interrupt.recv() => Means::CtrlC,
            _ = self.terminate.recv() => Means::Sigterm,
            _ = self.hang_up.recv() => Means::Sighup,
        }
    }
}
