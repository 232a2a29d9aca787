//! What the gate drives: [`Effects`] takes permits to their effects, and says what comes of them.
//!
//! `broker` is the implementation that has effects; tests have others. Between the two rooms go values that could cross the border of a
//! process: a [`Permit`] down, [`EffectProgress`] and [`HostWant`] up. An implementation knows no order of events and no record, and it never calls the gate:
//! it waits until the gate asks it for the next thing that has happened.
//!
//! - INVARIANT: [`Effects::start`] and [`Effects::observe`] take their permit by value, and nothing else of this trait has an effect on the
//!   world.
//! - INVARIANT: an effect stands still between two calls of [`Effect::poll_progress`]. So the gate has recorded what it was told before
//!   anything follows from it.

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

/// What permits lead to, for one run.
pub trait Effects: Send + Sync {
    /// Takes an act to its effect. Nothing of it happens before the result is polled, and it is cancelled when the result is dropped.
    fn start(&self, permit: Permit<Act>) -> Box<dyn Effect>;

    /// Looks at a mount, at once.
    ///
    /// # Errors
    /// A limit that ends the run.
    fn observe(&self, permit: Permit<FileAsk>) -> Result<Observation, Stop>;

    /// Goes on with what a run had open when it was cut off. It is opened again when it is used.
    fn reopen(&self, open: OpenFiles);

    /// What the host itself wants to do for this run, besides what the agent asked: one thing at a time, as soon as there is any.
    fn poll_wanted(&self, ctx: &mut Context<'_>) -> Poll<HostWant>;

    /// The lease of this credential was ended: what is connected under it is closed, and nothing is begun under it.
    fn revoke(&self, credential: &str);

    /// A text for the record, with stars in place of known secrets.
    fn redact(&self, text: &SafeText) -> SafeText;

    /// What the agent says, without what it should not have.
    fn redact_claim(&self, claim: Claim) -> Claim;

    /// What the agent returned, or how it failed, without what it should not have.
    fn redact_end(&self, outcome: &mut Outcome, output: &mut [u8]);

    /// Whether the host itself talks to a server for the run.
    fn is_under_way(&self) -> bool;

    /// Returns when it does so no more: an exchange that was begun is finished.
    fn finished(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>>;

    /// The run is over: nothing that is wanted from now on is given.
    fn end(&self);
}

/// One act on its way.
pub trait Effect: Send {
    /// The next thing that happens; `None` after the last. What was told before is on the record by now, and may have its consequences.
    fn poll_progress(&mut self, ctx: &mut Context<'_>) -> Poll<Option<EffectProgress>>;

    /// What of it was handed to a connection.
    fn trail(&self) -> Arc<Trail>;
}

/// What was seen of a mount, with why it was refused if it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Observation {
    /// What the guest is told.
    pub answer: FileAnswer,
    /// For the record.
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

/// What a run had open when it was cut off.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OpenFiles {
    /// Files and directories that the guest has open, how it opened them, and the directories that led to them. Mounts are not among them.
    pub files: Vec<(FileId, FileOpen)>,
    /// Those among them that it has closed.
    pub closed: Vec<FileId>,
    /// The next number of a file.
    pub next: u64,
}
