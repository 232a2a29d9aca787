//! Why a journal has stopped for good: the step that failed, the file, and the system's error.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

/// The step that failed when the journal stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailedStep {
    /// Laying out a new segment.
    Segment,
    /// Writing a batch.
    Write,
    /// Syncing a batch.
    Sync,
    /// Writing or syncing the file of run keys.
    Keys,
    /// Writing the second state.
    State,
    /// Numbering: no segment number is left.
    Number,
    /// Checking that everything lies as the writer left it.
    Exchanged,
    /// Nothing failed: the journal was closed.
    Closed,
}

impl std::fmt::Display for FailedStep {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Segment => "a new segment could not be laid out",
            Self::Write => "a batch could not be written",
            Self::Sync => "a batch could not be synced",
            Self::Keys => "a key of a run could not be written",
            Self::State => "the state outside of the home could not be written",
            Self::Number => "the log is full",
            Self::Exchanged => "somebody else has changed a file that the journal writes",
            Self::Closed => "the journal is closed",
        })
    }
}

/// The journal has stopped for good: nothing that was waiting is durable, and this process accepts nothing more.
///
/// A failed sync is never retried, since the kernel may forget the pages that it could not write. Opening the home again reads what is
/// really on the disk.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{step}{}", path.as_ref().map_or_else(String::new, |path| format!(": `{}`", path.display())))]
pub struct Broken {
    /// The step that failed.
    pub step: FailedStep,
    /// The file. `None` if the cause names it, or if no file is concerned.
    pub path: Option<PathBuf>,
    /// The system's error, if there was one.
    #[source]
    pub cause: Option<Arc<io::Error>>,
}

impl Broken {
    /// `bytes` is how many bytes were to be written, if that is known.
    pub(crate) fn new(step: FailedStep, path: PathBuf, bytes: Option<u64>, cause: io::Error) -> Self {
        let cause = match bytes {
            Some(bytes) => home::told_of(&path, bytes, cause),
            None => home::told(&path, cause),
        };
        Self { step, path: Some(path), cause: Some(Arc::new(cause)) }
    }

    /// For a cause that itself names the file.
    pub(crate) fn of(step: FailedStep, cause: io::Error) -> Self {
        Self { step, path: None, cause: Some(Arc::new(cause)) }
    }

    pub(crate) fn closed() -> Self {
        Self { step: FailedStep::Closed, path: None, cause: None }
    }

    pub(crate) fn full() -> Self {
        Self { step: FailedStep::Number, path: None, cause: None }
    }
}
