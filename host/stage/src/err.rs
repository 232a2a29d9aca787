//! Why a commit was not done.

use std::io;

use crate::steps::StepError;

/// Why changes were not put into a folder. Nothing of it is changed then.
#[derive(Debug, thiserror::Error)]
pub enum CommitError {
    /// Somebody else has changed the folder since the run looked at it.
    #[error("`{0}` was changed by somebody else since the run looked at it")]
    Conflict(String),
    /// A link would lead out of the mount.
    #[error("the link `{0}` would lead out of the mount")]
    LinkLeaves(String),
    /// A path is too long for the system.
    #[error("the path `{0}` is too long")]
    TooLong(String),
    /// The system says something.
    #[error("`{path}`: {cause}")]
    System {
        /// Where.
        path: String,
        /// What.
        #[source]
        cause: io::Error,
    },
    /// The commit was begun, and could be neither finished nor taken back.
    #[error("{why}. The commit could be neither finished nor taken back; what was there before is in `{}` of the folder", work)]
    Stuck {
        /// Why.
        why: String,
        /// The folder in which the original files are.
        work: String,
    },
}

impl CommitError {
    pub(crate) fn of(path: &str, cause: io::Error) -> Self {
        match cause.raw_os_error().map(rustix::io::Errno::from_raw_os_error) {
            Some(rustix::io::Errno::STALE | rustix::io::Errno::NOENT) => Self::Conflict(path.to_owned()),
            _ => Self::System { path: path.to_owned(), cause },
        }
    }
}

impl From<StepError> for CommitError {
    fn from(err: StepError) -> Self {
        match err {
            StepError::Conflict(path) => Self::Conflict(path),
            StepError::System { path, cause } => Self::System { path, cause },
        }
    }
}
