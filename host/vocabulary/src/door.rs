//! The two traits that are the sandbox's only knowledge of the rest: what goes out, and what comes back and when.
//!
//! INVARIANT: what a guest can observe changes only by a [`Release`] (or by the answer to an observation, which is on the record too). So
//! an implementation of these traits decides everything that the guest does not compute itself. A second implementation, which answers from
//! a record, rebuilds the run.

use std::any::Any;
use std::task::{Context, Poll};

use crate::ask::{Act, ClosedAsk};
use crate::claim::Claim;
use crate::file::{FileAnswer, FileAsk};
use crate::ids::OpId;
use crate::limits::Limit;
use crate::release::Release;

/// The way out.
pub trait Door: Send {
    /// An act. It is judged at once and in order; whatever comes of it, a refusal too, comes back as releases for the
    /// returned operation. Operations are counted from 1, timers with them.
    ///
    /// # Errors
    /// Only what ends the run.
    fn submit(&mut self, act: Act) -> Result<OpId, Stop>;

    /// An observation of a mount, answered at once. A refusal is [`crate::FileFault::NotPermitted`].
    ///
    /// # Errors
    /// Only what ends the run.
    fn observe(&mut self, ask: FileAsk) -> Result<FileAnswer, Stop>;

    /// Something that nothing can allow, so that the refusal is on the record. The caller tells the guest no.
    ///
    /// # Errors
    /// Only what ends the run.
    fn refuse(&mut self, ask: ClosedAsk) -> Result<(), Stop>;

    /// The guest has read a chunk of this operation to its end: another one may be fetched.
    fn read_on(&mut self, op: OpId);

    /// The guest lost interest: nothing of this operation is released any more, and its effect is broken off.
    ///
    /// # Errors
    /// Only what ends the run.
    fn abandon(&mut self, op: OpId) -> Result<(), Stop>;

    /// The agent says something.
    ///
    /// # Errors
    /// Only what ends the run.
    fn say(&mut self, claim: Claim) -> Result<(), Stop>;
}

/// Time, readiness, randomness.
pub trait Timeline: Send {
    /// The run's monotonic clock, nanoseconds since the run was opened: as of the last release, or 0.
    fn mono_ns(&self) -> u64;

    /// Wall time at the moment when the run was opened, nanoseconds since 1970. Wall time is this plus the clock above.
    fn opened_unix_ns(&self) -> u64;

    /// From which all randomness of the run is made.
    fn seed(&self) -> [u8; 32];

    /// A timer that is released at or after the deadline on the run's monotonic clock.
    ///
    /// # Errors
    /// Only what ends the run.
    fn timer(&mut self, deadline_ns: u64) -> Result<OpId, Stop>;

    /// Releases at most one event, without waiting.
    ///
    /// # Errors
    /// Only what ends the run.
    fn poll(&mut self) -> Result<Option<Release>, Stop>;

    /// Releases exactly one event, as soon as there is one. Cancel-safe: a release is either returned or still there.
    fn poll_release(&mut self, ctx: &mut Context<'_>) -> Poll<Result<Release, Stop>>;

    /// Ready once the listener has taken in enough of what was said. A guest waits for that before it says more. This is no release: the
    /// guest sees nothing of it.
    fn poll_heard(&mut self, ctx: &mut Context<'_>) -> Poll<()> {
        let _ = ctx;
        Poll::Ready(())
    }

    /// Lets the clock jump to real time: a release with [`crate::GuestEvent::Clock`].
    ///
    /// # Errors
    /// Only what ends the run.
    fn jump(&mut self) -> Result<Release, Stop>;
}

/// Both traits: what a sandbox is given. `Any`, so that the caller gets its own type back when the run has ended.
pub trait World: Door + Timeline + Any {}

impl<T: Door + Timeline + Any> World for T {}

/// Why a run must end now. Never shown to the guest: it traps.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Stop {
    /// A limit was hit.
    #[error("the limit `{0}` was reached")]
    Limit(Limit),
    /// The record can't be written: nothing further happens.
    #[error("the record can't be written")]
    RecordBroken,
    /// Somebody ordered the end of the run.
    #[error("the run was ordered to end")]
    Ordered,
    /// This process leaves the home: it asks nothing more for the run, which has not ended. Another process goes on with it.
    #[error("this process asks nothing more for the run")]
    Leaving,
    /// The run has ended: nothing more is asked for it, or recorded of it.
    #[error("the run has ended")]
    Ended,
    /// An audit has come to the end of a record that was cut off: there is nothing more to compare with.
    #[error("the record ends here")]
    RecordEnds,
    /// This rebuild does not do what the recorded run did.
    #[error("the rebuild diverged: {0}")]
    Diverged(Box<Divergence>),
    /// An act has an intent on the record and no answer, and is not one that may be made again.
    #[error("the outcome of operation {0} is unknown")]
    Unsettled(OpId),
    /// The guest can't go on: everything it waits for can never come.
    #[error("it waits for something that can never come")]
    Stuck,
}

/// The first place where a rebuild differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Divergence {
    /// Run sequence of the record that was expected next; 0 where none was.
    pub seq: u64,
    /// What the record has.
    pub recorded: String,
    /// What the rebuild did.
    pub rebuilt: String,
}

impl std::fmt::Display for Divergence {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "record {} has {}; now {}", self.seq, self.recorded, self.rebuilt)
    }
}
