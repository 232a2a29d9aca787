//! Errors of the gate. Refusals are answers and not errors.

use std::error::Error;
use std::sync::Arc;

use vocabulary::{ParseError, RunId, Stop};

/// The record can't be written: nothing further may happen in this run.
#[derive(Clone, Debug, thiserror::Error)]
#[error("the record can't be written")]
pub struct RecordBroken {
    /// The error of the journal.
    #[source]
    pub cause: Arc<dyn Error + Send + Sync>,
}

impl RecordBroken {
    /// Makes the error with its cause.
    pub fn new(cause: impl Error + Send + Sync + 'static) -> Self {
        Self { cause: Arc::new(cause) }
    }
}

impl From<RecordBroken> for Stop {
    fn from(_: RecordBroken) -> Self {
        Self::RecordBroken
    }
}

/// Why a run can't be read back from its records.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// There is no record of this run.
    #[error("there is no run `{0}`")]
    NoRun(RunId),
    /// The log could not be read.
    #[error("could not read the records of run `{run}`")]
    Read {
        /// The run.
        run: RunId,
        /// Why not.
        #[source]
        cause: Arc<dyn Error + Send + Sync>,
    },
    /// A record has a form that this version does not know.
    #[error("could not understand record {seq}")]
    Body {
        /// The record's number in the run.
        seq: u64,
        /// Why not.
        #[source]
        cause: ParseError,
    },
    /// A payload does not match its record.
    #[error("the payload of record {seq} is not what the record says")]
    Payload {
        /// The record's number in the run.
        seq: u64,
    },
    /// Records are in an order that the gate never writes.
    #[error("record {seq} is at a place where it can't be")]
    Order {
        /// The record's number in the run.
        seq: u64,
    },
    /// The run has ended.
    #[error("run `{0}` has ended")]
    Closed(RunId),
    /// What the run saw was not kept, or was forgotten.
    #[error("what the run saw was not kept")]
    NotKept,
}
