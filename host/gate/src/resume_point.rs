//! What a rebuild hands to the live world at the end of the record.

use std::collections::BTreeMap;

use effects::Observation;
use sha2::Sha256;
use vocabulary::record::{AnswerClass, Object};
use vocabulary::{Act, Ask, Door, Fault, FileAsk, FileId, FileOpen, OpId, Reason, Stop, Timeline};

use crate::alike::{Alike, Several};
use crate::observed::Aggregate;
use crate::trace::ProgressSlot;

/// A world that can go on where a record ends.
pub trait LiveWorld: Door + Timeline {
    /// Goes on from here: clocks, counters, timers, operations under way. Called at most once, before anything else but `observe_unrecorded`.
    ///
    /// # Errors
    /// Only what ends the run; [`Stop::Unsettled`] when an act's outcome must be settled by a person first.
    fn resume_at(&mut self, at: ResumePoint) -> Result<(), Stop>;

    /// Looks at a mount without putting it on a record: for an auditor's rebuild of a run whose reading was not kept.
    ///
    /// # Errors
    /// Only what ends the run.
    fn observe_unrecorded(&mut self, ask: &FileAsk) -> Result<Observation, Stop>;
}

/// Where a run stands when its record ends.
#[derive(Debug)]
pub struct ResumePoint {
    /// The guest has ended: nothing is sent again.
    pub ended: bool,
    /// The run's clock.
    pub mono_ns: u64,
    /// Looks that found nothing since the last release.
    pub empty: u64,
    /// Counters and sums of the gate.
    pub gate: GateState,
    /// Timers that have not run out: operation, deadline on the run's clock.
    pub timers: Vec<(OpId, u64)>,
    /// Acts whose end the guest has not seen.
    pub in_flight: Vec<InFlight>,
    /// Files and directories that the guest has open, how it opened them, and the directories that led to them; mounts are not
    /// among them.
    pub files: Vec<(FileId, FileOpen)>,
    /// Those among them that it has closed.
    pub closed: Vec<FileId>,
    /// The next number of a file.
    pub next_file: u64,
}

/// What the gate itself must know to go on.
#[derive(Debug)]
pub struct GateState {
    pub(crate) alike: Alike,
    pub(crate) kept_bytes: u64,
    pub(crate) requests_bytes: u64,
    pub(crate) next_op: u64,
    pub(crate) observed: Aggregate,
    pub(crate) owed: Vec<Owed>,
    pub(crate) progress: ProgressSlot,
    /// What a person said of acts, by operation.
    pub(crate) words: BTreeMap<u64, bool>,
}

/// What had not reached the record when it was cut off.
#[derive(Debug)]
pub(crate) enum Owed {
    Objects(Vec<Object>),
    Refusal(Box<Ask>, Reason),
    Several(Vec<Several>),
}

/// An act whose end the guest has not seen.
#[derive(Debug)]
pub struct InFlight {
    /// Which.
    pub op: OpId,
    /// The ask, as the guest made it again.
    pub ask: Act,
    /// What the record has of its end.
    pub known: RecordedEnd,
    /// What the guest has seen of its answer.
    pub seen: SeenAnswer,
    /// The guest lost interest.
    pub abandoned: bool,
}

/// What the record has of an act's end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordedEnd {
    /// It was refused; the guest is to be told this.
    Refused(Fault),
    /// An intent and no answer.
    Asked,
    /// A response, and what the guest was given of its body.
    Received,
    /// An answer.
    Answered(AnswerClass, Option<Fault>),
}

/// What the guest has seen of an answer.
#[derive(Clone, Debug, Default)]
pub struct SeenAnswer {
    /// The head's status, if it has seen one.
    pub status: Option<u16>,
    /// Bytes of the body.
    pub bytes: u64,
    /// Over those bytes.
    pub hash: Sha256,
}
