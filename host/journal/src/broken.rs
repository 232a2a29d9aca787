//! Why a journal has stopped for good: which step, with which file, and what the system said.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

/// What the log was doing when it could not go on.
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
    /// Numbering: no segment number or index is left.
    Number,
    /// Looking whether everything lies as it was left.
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
            Self::State => "second state could not be written",
            Self::Number => "the log is full",
            Self::Exchanged => "somebody else has changed what is written to",
            Self::Closed => "the journal is closed",
        })
    }
}

/// The journal has stopped for good: nothing that waited is durable, and nothing more will be accepted by this process.
///
/// A failed sync is never tried again, since the kernel may forget the pages that it could not write. Opening the home again
/// looks at what is really there.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{step}{}", path.as_ref().map_or_else(String::new, |path| format!(": `{}`", path.display())))]
pub struct Broken {
    /// What failed.
    pub step: FailedStep,
    /// With which file.
    pub path: Option<PathBuf>,
    /// With what error, unless the journal was closed.
    #[source]
    pub cause: Option<Arc<io::Error>>,
}

impl Broken {
    /// `bytes`: how many were to be written, where that is known.
    pub(crate) fn new(step: FailedStep, path: PathBuf, bytes: Option<u64>, cause: io::Error) -> Self {
        let cause = match bytes {
            Some(bytes) => home::told_of(&path, bytes, cause),
            None => home::told(&path, cause),
        };
        Self { step, path: Some(path), cause: Some(Arc::new(cause)) }
    }

    /// What says itself which file it is about.
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
