//! Why a run can't be rolled back, or not without a further word.

use vocabulary::{RunId, SafeText, exit};

/// Why a run can't be rolled back, or not without a further word.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RollbackError {
    /// It has not ended.
    #[error("it has not ended: wait for its end, or end it with `bailiwick stop`")]
    Open,
    /// It is a rollback itself.
    #[error("it is a rollback itself, and nothing was registered that takes it back; run the agent again")]
    OfRollback,
    /// Another rollback of the run has not ended.
    #[error("its rollback `{0}` has not ended")]
    UnderWay(RunId),
    /// Nothing of it is left to be taken back.
    #[error("nothing is left that could be taken back")]
    NothingLeft,
    /// It did something that can't be taken back.
    #[error("{0} of its acts can't be taken back; to take back the others, add `--partial`")]
    Partial(usize),
    /// The outcome of an undo is unknown.
    #[error("it is unknown whether an undo was done: {}; find out, then add `--settle did` or `--settle did-not`", list(.0))]
    Unknown(Vec<u64>),
    /// The person said something about an undo, and none is unknown.
    #[error("there is no undo with an unknown outcome, so there is nothing to settle")]
    NothingUnknown,
    /// It was another agent's run.
    #[error("it was a run of agent `{was}`, not of `{asked}`")]
    OtherAgent {
        /// The agent of the run.
        was: SafeText,
        /// The agent of the order.
        asked: SafeText,
    },
    /// The request of an undo can't be opened.
    #[error("the request of undo {id} can't be opened: {why}")]
    Sealed {
        /// The number of the undo.
        id: u64,
        /// Why not.
        why: String,
    },
    /// The plan of the rollback is damaged.
    #[error("its plan is damaged")]
    Plan,
    /// It can't be kept as a case for tests: it has no component that could be replayed.
    #[error("it is a rollback, so there is no agent that a test could replay")]
    NoCase,
}

impl RollbackError {
    /// The exit code that says so to a shell.
    pub fn exit(&self) -> u8 {
        match self {
            Self::Unknown(_) => exit::UNSETTLED,
            Self::Sealed { .. } | Self::Plan => exit::RECORD,
            Self::Partial(_) => exit::REFUSED,
            Self::Open
            | Self::OfRollback
            | Self::UnderWay(_)
            | Self::NothingLeft
            | Self::NothingUnknown
            | Self::OtherAgent { .. }
            | Self::NoCase => exit::USAGE,
        }
    }
}

fn list(ids: &[u64]) -> String {
    ids.iter().map(|id| format!("undo {id}")).collect::<Vec<_>>().join(", ")
}
