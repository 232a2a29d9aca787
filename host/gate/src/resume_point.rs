//! What a rebuild hands to the live world at the end of the record.

use std::collections::BTreeMap;

use effects::Observation;
use sha2::Sha256;
use vocabulary::record::{AnswerClass, Object};
use vocabulary::{Act, Ask, Door, Fault, FileAsk, FileId, FileOpen, OpId, Reason, Stop, Timeline};

use crate::alike::{Alike, Several};
use crate::observed::Aggregate;
use crate::trace::ProgressSlot;

/// A world that can continue where a record ends.
pub trait LiveWorld: Door + Timeline {
    /// Continues from this point: clocks, counters, timers, operations under way. It is called at most once, before anything else except
    /// `observe_unrecorded`.
    ///
    /// # Errors
    /// Only what ends the run; [`Stop::Unsettled`] if a person must settle an act first.
    fn resume_at(&mut self, at: ResumePoint) -> Result<(), Stop>;

    /// Looks at a mount without recording it, for an auditor's rebuild of a run whose looks were not kept.
    ///
    /// # Errors
    /// Only what ends the run.
    fn observe_unrecorded(&mut self, ask: &FileAsk) -> Result<Observation, Stop>;
}

/// The state of a run where its record ends.
#[derive(Debug)]
pub struct ResumePoint {
    /// Whether the guest has ended. If so, no act is sent again.
    pub ended: bool,
    /// The time on the run's clock, in nanoseconds.
    pub mono_ns: u64,
    /// How many polls found nothing since the last release.
    pub empty: u64,
    /// Counters and sums of the gate.
    pub gate: GateState,
    /// Timers that have not run out: operation, and deadline on the run's clock in nanoseconds.
    pub timers: Vec<(OpId, u64)>,
    /// Acts whose end the guest has not seen.
    pub in_flight: Vec<InFlight>,
    /// Files and directories that the guest has open, how it opened them, and the directories that led to them; mounts are not
    /// among them.
    pub files: Vec<(FileId, FileOpen)>,
    /// Those of `files` that it has closed.
    pub closed: Vec<FileId>,
    /// The next number of a file.
    pub next_file: u64,
}

/// What the gate must know to continue the run.
#[derive(Debug)]
pub struct GateState {
    pub(crate) alike: Alike,
    pub(crate) kept_bytes: u64,
    pub(crate) requests_bytes: u64,
    pub(crate) next_op: u64,
    pub(crate) observed: Aggregate,
    pub(crate) owed: Vec<Owed>,
    pub(crate) progress: ProgressSlot,
    /// The settlements of acts, by operation: whether the act happened.
    pub(crate) words: BTreeMap<u64, bool>,
}

/// What the record lacks because the run was cut off, so that it must still be written.
#[derive(Debug)]
pub(crate) enum Owed {
    Objects(Vec<Object>),
    Refusal(Box<Ask>, Reason),
    Several(Vec<Several>),
}

/// An act whose end the guest has not seen.
#[derive(Debug)]
pub struct InFlight {
    /// Number of the operation.
    pub op: OpId,
    /// The ask, as the guest made it in the rebuild.
    pub ask: Act,
    /// Under which key it was asked last, if its server does it only once.
    pub keyed: Option<KeyedAct>,
    /// What the record has of its end.
    pub known: RecordedEnd,
    /// What the guest has seen of its answer.
    pub seen: SeenAnswer,
    /// Whether the guest has abandoned it.
    pub abandoned: bool,
}

/// An act whose server honours an idempotency key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyedAct {
    /// The header of the key.
    pub header: String,
    /// When it was asked first, in milliseconds since 1970.
    pub at: u64,
}

/// What the record has of an act's end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordedEnd {
    /// It was refused, and the guest is to get this fault.
    Refused(Fault),
    /// It is held back until people have decided.
    Held,
    /// It has an intent and no answer.
    Asked,
    /// It has a response, and a record of what the guest got of the body.
    Received,
    /// It has an answer, and the fault that the guest is to get, if any.
    Answered(AnswerClass, Option<Fault>),
}

/// What the guest has seen of an answer.
#[derive(Clone, Debug, Default)]
pub struct SeenAnswer {
    /// The head's status, if it has seen one.
    pub status: Option<u16>,
    /// How many bytes of the body it has seen.
    pub bytes: u64,
    /// Hash over these bytes.
    pub hash: Sha256,
}
