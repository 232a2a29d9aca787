//! What goes wrong at the gate, apart from refusals, which are answers.

use std::error::Error;
use std::sync::Arc;

use vocabulary::{ParseError, RunId, Stop};

/// The record can't be written: nothing further may happen in this run.
#[derive(Clone, Debug, thiserror::Error)]
#[error("the record can't be written")]
pub struct RecordBroken {
    /// What the journal says.
    #[source]
    pub cause: Arc<dyn Error + Send + Sync>,
}

impl RecordBroken {
    /// With its cause.
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
        /// Whose.
        run: RunId,
        /// Why.
        #[source]
        cause: Arc<dyn Error + Send + Sync>,
    },
    /// A record is not of a form that this version knows.
    #[error("could not understand record {seq}")]
    Body {
        /// Its number in the run.
        seq: u64,
        /// Why.
        #[source]
        cause: ParseError,
    },
    /// A payload is not what its record says.
    #[error("the payload of record {seq} is not what the record says")]
    Payload {
        /// The record's number in the run.
        seq: u64,
    },
    /// Records stand in an order that the gate never writes.
    #[error("record {seq} can't stand where it stands")]
    Order {
        /// Its number in the run.
        seq: u64,
    },
    /// The run has ended.
    #[error("run `{0}` has ended")]
    Closed(RunId),
    /// What the run saw was not kept, or is forgotten.
    #[error("what the run saw was not kept")]
    NotKept,
}
