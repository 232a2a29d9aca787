//! What every host does, wherever it is.

use std::future::Future;
use std::ops::ControlFlow;
use std::pin::Pin;

use run::{CredentialWord, HoldSaid, PruneDone, PruneOrder, Revoking, Running, SettleReport, Settlement, Status, TrustSaid};
use vocabulary::record::SealedUnder;
use vocabulary::{RunId, SafeText};

use crate::admission::Admitted;
use crate::err::ServiceError;
use crate::request::{Continuation, ResumeRequest};

/// What is being done for a caller.
pub type Doing<'a, T> = Pin<Box<dyn Future<Output = Result<T, ServiceError>> + Send + 'a>>;

/// Hears of each step of pruning: its name, and how many percent of it are done. `Break` ends it where that is still possible.
pub type PruneProgress = Box<dyn FnMut(&str, u32) -> ControlFlow<()> + Send>;

/// The process that can change something in a home, for one caller: this process, or another one behind the control socket. Whoever calls is known by
/// the kernel: no method takes a name.
pub trait Host: Send + Sync {
    /// Starts a run. Returns when `run-opened` has its place on the record. The agent begins once [`Running::go`] is called.
    ///
    /// # Errors
    /// Anything that keeps the run from starting. Then nothing of it is on the record.
    fn start<'a>(&'a self, run: &'a Admitted) -> Doing<'a, Running>;

    /// Resumes a run that was cut off: its record answers first. The agent begins once [`Running::go`] is called.
    ///
    /// # Errors
    /// A run that is not open, is running, or can't be rebuilt; acts that wait for a person's word.
    fn resume<'a>(&'a self, request: &'a ResumeRequest) -> Doing<'a, Running>;

    /// Continues a run of this caller whose host is gone ([`run::RunEvent::Left`]). A run of which nothing has left the machine and nothing was kept begins
    /// anew, and has another id then. A run that has ended meanwhile reports its end. The agent begins once [`Running::go`] is called.
    ///
    /// # Errors
    /// As [`Host::resume`] and [`Host::start`].
    fn continue_run<'a>(&'a self, run: RunId, as_begun: &'a Continuation) -> Doing<'a, Running>;

    /// Ends a run. Returns whether there was one to end.
    ///
    /// # Errors
    /// Acts that wait for a person's word; a record that can't be written.
    fn stop(&self, run: RunId) -> Doing<'_, bool>;

    /// Puts a person's word on acts of a run on the record.
    ///
    /// # Errors
    /// Acts that need no word, or have another one.
    fn settle(&self, run: RunId, word: Settlement) -> Doing<'_, SettleReport>;

    /// Lets a run go on that was open in a copy of the home which was put back.
    ///
    /// # Errors
    /// A run that is not open.
    fn release(&self, run: RunId) -> Doing<'_, ()>;

    /// The runs that are running, with their agents.
    ///
    /// # Errors
    /// A host that does not answer.
    fn going(&self) -> Doing<'_, Vec<(RunId, SafeText)>>;

    /// How the host is doing.
    ///
    /// # Errors
    /// A host that does not answer.
    fn status(&self) -> Doing<'_, Status>;

    /// Puts a decision about a configuration or an agent on the record.
    ///
    /// # Errors
    /// A record that can't be written.
    fn record_trust(&self, said: TrustSaid) -> Doing<'_, ()>;

    /// Puts it on the record that a run is kept, or no longer kept.
    ///
    /// # Errors
    /// A run that was pruned meanwhile; a record that can't be written.
    fn record_hold(&self, said: HoldSaid) -> Doing<'_, ()>;

    /// Puts a change of a credential on the record.
    ///
    /// # Errors
    /// A record that can't be written.
    fn record_credential(&self, word: CredentialWord) -> Doing<'_, ()>;

    /// Puts it on the record that the vault is sealed under another key.
    ///
    /// # Errors
    /// A record that can't be written.
    fn record_sealed(&self, under: SealedUnder) -> Doing<'_, ()>;

    /// Ends leases of runs that are running, and puts the revocation of a credential on the record. Returns the leases that ended, as `RUN/NAME`.
    ///
    /// # Errors
    /// A run that is not running here; a record that can't be written.
    fn revoke(&self, revoking: Revoking, word: Option<CredentialWord>) -> Doing<'_, Vec<SafeText>>;

    /// Takes the beginning of the record away. `progress` is called only by a host in this process.
    ///
    /// # Errors
    /// See [`run::RunError::Prune`].
    fn prune(&self, order: PruneOrder, progress: PruneProgress) -> Doing<'_, PruneDone>;
}
