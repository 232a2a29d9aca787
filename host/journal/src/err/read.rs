//! Why a record or a payload can't be read back.

use std::io;
use std::path::PathBuf;

use vocabulary::RunId;

use super::{LogFault, Newer, OpenError, of_fault};
use crate::ids::LogId;

/// Why a record or payload can't be read back.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// A newer program has written to the log.
    #[error("this program can't read the record further")]
    Newer(#[source] Newer),
    /// A file could not be read.
    #[error("could not read `{}`", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        cause: io::Error,
    },
    /// The record differs from what was written, or can't be read.
    #[error("{}", of_fault(.0))]
    Fault(#[source] LogFault),
    /// The folder has no log.
    #[error("there is no log in `{}`", home.display())]
    NoLog {
        /// The folder.
        home: PathBuf,
    },
    /// The whole log is gone, although something is known of it.
    #[error("the record of `{}` is gone{}", home.display(), gone(*log, *known))]
    Gone {
        /// The folder.
        home: PathBuf,
        /// The log, if that is known.
        log: Option<LogId>,
        /// How many records the log had, if that is known.
        known: Option<u64>,
    },
    /// No record begins at that position, or no payload has that number.
    #[error("there is no such record or payload")]
    NotThere,
    /// The run's key was overwritten, so that nobody can open the run's payloads.
    #[error("the key of run `{run}` was forgotten")]
    KeyForgotten {
        /// The run.
        run: RunId,
    },
    /// A key that opens payloads of the run is not in this home.
    #[error("a key that opens payloads of run `{run}` is not here: it should be in `{}`", path.display())]
    KeyMissing {
        /// The run.
        run: RunId,
        /// The file in which the key should be.
        path: PathBuf,
    },
    /// The slot of a key has something other than that key.
    #[error("a key that opens payloads of run `{run}` is damaged, or belongs to another home: `{}`", path.display())]
    KeyDamaged {
        /// The run.
        run: RunId,
        /// The file of the key.
        path: PathBuf,
    },
    /// The key of the home can't be read or opened.
    #[error("the key of the home is not available")]
    HomeKey(#[source] Box<OpenError>),
    /// The payload does not open with the run's key.
    #[error("a payload of run `{run}` does not open")]
    Sealed {
        /// The run.
        run: RunId,
    },
}

fn gone(log: Option<LogId>, known: Option<u64>) -> String {
    let log = log.map_or_else(String::new, |log| format!(": log `{log}`"));
    let known = known.map_or_else(String::new, |known| format!(", of which {known} records are remembered"));
    format!("{log}{known}")
}
