//! The two traits through which the sandbox reaches the rest of the host: asks that go out, and events that come back.
//!
//! INVARIANT: what a guest can observe changes only by a [`Release`], or by the answer to an observation, which is also on the record. So
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

/// The way out of the sandbox.
pub trait Door: Send {
    /// Submits an act. It is judged at once and in order. Its result, even a refusal, comes back as releases for the returned operation.
    /// Operations are counted from 1, together with timers.
    ///
    /// # Errors
    /// Only errors that end the run.
    fn submit(&mut self, act: Act) -> Result<OpId, Stop>;

    /// Makes an observation of a mount, which is answered at once. A refusal is [`crate::FileFault::NotPermitted`].
    ///
    /// # Errors
    /// Only errors that end the run.
    fn observe(&mut self, ask: FileAsk) -> Result<FileAnswer, Stop>;

    /// Records the refusal of something that nothing can allow. The caller refuses it to the guest.
    ///
    /// # Errors
    /// Only errors that end the run.
    fn refuse(&mut self, ask: ClosedAsk) -> Result<(), Stop>;

    /// The guest has read a chunk of this operation to its end, so the next one may be fetched.
    fn read_on(&mut self, op: OpId);

    /// The guest abandons the operation. Nothing of it is released any more, and its effect is cancelled.
    ///
    /// # Errors
    /// Only errors that end the run.
    fn abandon(&mut self, op: OpId) -> Result<(), Stop>;

    /// Records a claim of the agent.
    ///
    /// # Errors
    /// Only errors that end the run.
    fn say(&mut self, claim: Claim) -> Result<(), Stop>;
}

/// Time, events and randomness.
pub trait Timeline: Send {
    /// The run's monotonic clock, in nanoseconds since the run was opened: its value at the last release, or 0.
    fn mono_ns(&self) -> u64;

    /// The wall time at which the run was opened, in nanoseconds since 1970. Wall time is this plus the clock above.
    fn opened_unix_ns(&self) -> u64;

    /// The seed of all randomness of the run.
    fn seed(&self) -> [u8; 32];

    /// Sets a timer. It is released at or after the deadline on the run's monotonic clock.
    ///
    /// # Errors
    /// Only errors that end the run.
    fn timer(&mut self, deadline_ns: u64) -> Result<OpId, Stop>;

    /// Releases at most one event, without waiting.
    ///
    /// # Errors
    /// Only errors that end the run.
    fn poll(&mut self) -> Result<Option<Release>, Stop>;

    /// Releases exactly one event, as soon as there is one. Cancel-safe: a release is either returned or kept for the next call.
    fn poll_release(&mut self, ctx: &mut Context<'_>) -> Poll<Result<Release, Stop>>;

    /// Ready once the listener has read enough of what the agent said. A guest waits for that before it says more. This is not a release:
    /// the guest can't observe it.
    fn poll_heard(&mut self, ctx: &mut Context<'_>) -> Poll<()> {
        let _ = ctx;
        Poll::Ready(())
    }

    /// Makes the clock jump to real time, by a release with [`crate::GuestEvent::Clock`].
    ///
    /// # Errors
    /// Only errors that end the run.
    fn jump(&mut self) -> Result<Release, Stop>;
}

/// Both traits, which a sandbox needs. `Any` lets the caller get its own type back when the run has ended.
pub trait World: Door + Timeline + Any {}

impl<T: Door + Timeline + Any> World for T {}

/// Why a run must end now. The guest never sees it: it traps.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Stop {
    /// A limit was reached.
    #[error("the limit `{0}` was reached")]
    Limit(Limit),
    /// The record can't be written, so nothing further may happen.
    #[error("the record can't be written")]
    RecordBroken,
    /// A user ordered the end of the run.
    #[error("the run was ordered to end")]
    Ordered,
    /// This process leaves the home, so it asks nothing more for the run. The run has not ended: another process resumes it.
    #[error("this process asks nothing more for the run")]
    Leaving,
    /// The run waits for something that takes long, so it is unloaded from memory. It has not ended: it is resumed when its wait is over.
    #[error("the run was suspended")]
    Suspended,
    /// The run has ended, so nothing more is asked for it or recorded of it.
    #[error("the run has ended")]
    Ended,
    /// An audit has reached the end of a record that was cut off. There is nothing more to compare with.
    #[error("the record ends here")]
    RecordEnds,
    /// This rebuild did something else than the recorded run.
    #[error("the rebuild diverged: {0}")]
    Diverged(Box<Divergence>),
    /// An act has an intent on the record but no answer, and must not be repeated without a person.
    #[error("the outcome of operation {0} is unknown")]
    Unsettled(OpId),
    /// The guest can't continue: everything that it waits for can never happen.
    #[error("it waits for something that can never happen")]
    Stuck,
}

/// The first place where a rebuild differs from the record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Divergence {
    /// The sequence number in the run of the record that was expected next. 0 if none was.
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
