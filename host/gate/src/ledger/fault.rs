//! Records at places where the gate would never have written them.

use vocabulary::RunId;

/// A record at a place where the gate would never have written it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("record {seq} of run `{run}`: {what}")]
pub struct OrderFault {
    /// The run.
    pub run: RunId,
    /// The record's number in the run.
    pub seq: u64,
    /// What is wrong.
    pub what: OrderFaultKind,
}

/// What is wrong with the order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OrderFaultKind {
    /// A record of a run that is not open.
    #[error("the run is not open")]
    NotOpen,
    /// A run is opened twice, or not by its first record.
    #[error("the run is opened twice")]
    OpenedTwice,
    /// An answer, a body or a settlement without its intent.
    #[error("no such intent precedes it")]
    NoIntent,
    /// A second intent for an operation.
    #[error("the operation has an intent already")]
    AskedTwice,
    /// A vote or an end without its approval, or an act that begins without the approval that it needs.
    #[error("no approval precedes it")]
    NoApproval,
    /// A run ends while an act is neither answered nor recorded as unknown.
    #[error("an act is still under way")]
    ClosedWhilePending,
    /// A run is suspended while an act is under way.
    #[error("an act is under way in a run that is suspended")]
    SuspendedWhilePending,
    /// A run acts although it is suspended.
    #[error("the run is suspended")]
    Suspended,
    /// The body does not fit its kind, although this version knows the kind.
    #[error("the body is malformed")]
    Malformed,
}
