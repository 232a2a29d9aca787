//! What the gate drives: [`Effects`] carries out permits and reports what happens.
//!
//! `broker` is the implementation that has real effects; tests have other ones. The two rooms exchange only values that could be sent to
//! another process: the gate passes a [`Permit`] down, and [`EffectProgress`] and [`HostWant`] come back. An implementation knows neither
//! the record nor the order of events, and never calls the gate: it waits until the gate asks what has happened next.
//!
//! - INVARIANT: [`Effects::start`] and [`Effects::observe`] take their permit by value, and nothing else of this trait has an effect on the
//!   world.
//! - INVARIANT: an effect makes no progress between two calls of [`Effect::poll_progress`]. So the gate records each step before the next
//!   one happens.

mod host_request;
mod progress;
mod trail;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use vocabulary::{Act, Claim, FileAnswer, FileAsk, FileFault, FileId, FileOpen, Outcome, Reason, SafeText, Stop};

pub use host_request::{ChangeNoted, HostAsk, HostEnd, HostRequest, HostWant, VaultChange};
pub use permit::Permit;
pub use progress::{EffectProgress, Failure, HttpAnswered};
pub use trail::Trail;

/// Carries out the permits of one run.
pub trait Effects: Send + Sync {
    /// Carries out an act. Nothing happens before the returned effect is polled. Dropping it cancels the act.
    fn start(&self, permit: Permit<Act>) -> Box<dyn Effect>;

    /// Looks at a mount and returns the answer at once.
    ///
    /// # Errors
    /// A limit was reached that ends the run.
    fn observe(&self, permit: Permit<FileAsk>) -> Result<Observation, Stop>;

    /// Takes over the files that a run had open when it was cut off. Each is opened again when the run uses it.
    fn reopen(&self, open: OpenFiles);

    /// The next thing that the host itself wants to do for this run, besides what the agent asked.
    fn poll_wanted(&self, ctx: &mut Context<'_>) -> Poll<HostWant>;

    /// Ends the lease of this credential: closes connections that use it, and begins nothing more with it.
    fn revoke(&self, credential: &str);

    /// Returns a text for the record, with stars in place of known secrets.
    fn redact(&self, text: &SafeText) -> SafeText;

    /// Returns a claim of the agent without known secrets.
    fn redact_claim(&self, claim: Claim) -> Claim;

    /// Removes known secrets from what the agent returned, or from how it failed.
    fn redact_end(&self, outcome: &mut Outcome, output: &mut [u8]);

    /// Whether an exchange of the host itself with a server is under way for the run.
    fn is_under_way(&self) -> bool;

    /// Returns when no such exchange is under way any more. An exchange that was begun is finished first.
    fn finished(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>>;

    /// The run is over: the host's wants are refused from now on.
    fn end(&self);
}

/// One act that is being carried out.
pub trait Effect: Send {
    /// The next thing that happens; `None` after the last. By the time of the call, what was returned before is recorded, so the act may
    /// proceed.
    fn poll_progress(&mut self, ctx: &mut Context<'_>) -> Poll<Option<EffectProgress>>;

    /// What was passed to a connection so far.
    fn trail(&self) -> Arc<Trail>;
}

/// What the host saw of a mount.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Observation {
    /// The answer that the guest gets.
    pub answer: FileAnswer,
    /// Why the look was refused, if it was. For the record.
    pub refused: Option<Reason>,
}

impl From<FileAnswer> for Observation {
    fn from(answer: FileAnswer) -> Self {
        Self { answer, refused: None }
    }
}

impl From<FileFault> for Observation {
    fn from(fault: FileFault) -> Self {
        Self { answer: FileAnswer::Fault(fault), refused: None }
    }
}

impl From<Reason> for Observation {
    fn from(reason: Reason) -> Self {
        Self { answer: FileAnswer::Fault(FileFault::NotPermitted), refused: Some(reason) }
    }
}

/// The files that a run had open when it was cut off.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OpenFiles {
    /// Files and directories that the guest has opened, the mode in which it opened each, and the directories that led to them. Mounts are
    /// not among them.
    pub files: Vec<(FileId, FileOpen)>,
    /// Those that the guest has closed again.
    pub closed: Vec<FileId>,
    /// The number that the next opened file gets.
    pub next: u64,
}
