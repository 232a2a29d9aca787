//! Why a record, or what lies sealed beside it, can't be read back.

use std::io;
use std::path::PathBuf;

use vocabulary::RunId;

use super::{LogFault, Newer, OpenError, of_fault};
use crate::ids::LogId;

/// Why a record or payload can't be read back.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// A newer program has written to the log.
    #[error("the record can't be read further by this program")]
    Newer(#[source] Newer),
    /// A file could not be read.
    #[error("could not read `{}`", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        cause: io::Error,
    },
    /// What is there is not what was written, or can't be read.
    #[error("{}", of_fault(.0))]
    Fault(#[source] LogFault),
    /// There is no log here.
    #[error("there is no log in `{}`", home.display())]
    NoLog {
        /// The folder.
        home: PathBuf,
    },
    /// All of it is gone, although something is known of it.
    #[error("the record of `{}` is gone{}", home.display(), gone(*log, *known))]
    Gone {
        /// The folder.
        home: PathBuf,
        /// The log, if that is known.
        log: Option<LogId>,
        /// How many records it had, if that is known.
        known: Option<u64>,
    },
    /// No record begins there, or no payload has that number.
    #[error("there is no such record or payload")]
    NotThere,
    /// The run's key was overwritten, so that nobody can open what the run has sealed.
    #[error("the key of run `{run}` was forgotten")]
    KeyForgotten {
        /// The run.
        run: RunId,
    },
    /// A key that opens what the run has sealed is not in this home.
    #[error("a key for what run `{run}` has sealed is not here: it should be in `{}`", path.display())]
    KeyMissing {
        /// The run.
        run: RunId,
        /// Where it should be.
        path: PathBuf,
    },
    /// What lies in the place of a key is not that key.
    #[error("a key for what run `{run}` has sealed is damaged, or of another home: `{}`", path.display())]
    KeyDamaged {
        /// The run.
        run: RunId,
        /// Where it lies.
        path: PathBuf,
    },
    /// The key of the home can't be had.
    #[error("the key of the home can't be had")]
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
