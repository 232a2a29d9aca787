//! Signals that ended a verb, as its error.

use super::CliError;
use crate::signals::{SignalError, WaitError};

impl From<SignalError> for CliError {
    fn from(err: SignalError) -> Self {
        match err {
            SignalError::Listen(err) | SignalError::Thread(err) => Self::Runtime(err),
            SignalError::Ended { means } => Self::EndedWaiting { means },
            SignalError::Undone { means } => Self::Undone { means },
        }
    }
}

impl<E: Into<Self>> From<WaitError<E>> for CliError {
    fn from(err: WaitError<E>) -> Self {
        match err {
            WaitError::Ended { means } => Self::EndedWaiting { means },
            WaitError::Failed(err) => err.into(),
        }
    }
}
