//! The trait of every host, in this process or in another one.

use std::future::Future;
use std::ops::ControlFlow;
use std::pin::Pin;

use run::{
    CredentialWord, HoldSaid, PruneDone, PruneOrder, Revoking, Running, SettleReport, Settlement, Status, TrustSaid, VoteOrder, VoteReport,
};
use vocabulary::record::SealedUnder;
use vocabulary::{ApprovalId, RunId, SafeText};

use crate::admission::Admitted;
use crate::err::ServiceError;
use crate::request::{Continuation, ResumeRequest};

/// The future of a request of a caller.
pub type HostFuture<'a, T> = Pin<Box<dyn Future<Output = Result<T, ServiceError>> + Send + 'a>>;

/// Is called with each step of pruning: its name, and how many percent of it are done. `Break` ends the pruning if that is still possible.
pub type PruneListener = Box<dyn FnMut(&str, u32) -> ControlFlow<()> + Send>;

/// The process that can change a home, as one caller sees it: this process, or another one behind the control socket. The kernel says which
/// user the caller is, so no method takes a name.
pub trait Host: Send + Sync {
    /// Starts a run. Returns when `run-opened` has its place on the record. The agent begins once [`Running::go`] is called.
    ///
    /// # Errors
    /// Anything that keeps the run from starting. In that case it has no record.
    fn start<'a>(&'a self, run: &'a Admitted) -> HostFuture<'a, Running>;

    /// Resumes a run that was cut off: its record answers first. The agent begins once [`Running::go`] is called.
    ///
    /// # Errors
    /// A run that is not open, is running, or can't be rebuilt; acts that a person has to settle first.
    fn resume<'a>(&'a self, request: &'a ResumeRequest) -> HostFuture<'a, Running>;

    /// Continues a run of this caller whose host is gone ([`run::RunEvent::Left`]). If none of its acts has left the machine and
    /// what it saw was not kept, it begins anew with another id. A run that has ended meanwhile reports its end. The agent begins once
    /// [`Running::go`] is called.
    ///
    /// # Errors
    /// As [`Host::resume`] and [`Host::start`].
    fn continue_run<'a>(&'a self, run: RunId, as_begun: &'a Continuation) -> HostFuture<'a, Running>;

    /// Ends a run. Returns whether there was one to end.
    ///
    /// # Errors
    /// Acts that a person has to settle first; a record that can't be written.
    fn stop(&self, run: RunId) -> HostFuture<'_, bool>;

    /// Records a person's settlement of acts of a run.
    ///
    /// # Errors
    /// Acts that need no settlement, or have a different one.
    fn settle(&self, run: RunId, word: Settlement) -> HostFuture<'_, SettleReport>;

    /// Hands in a person's vote on an act that is held back.
    ///
    /// # Errors
    /// The act is not held back, or is another one than the person has seen; the vote does not count.
    fn vote(&self, order: VoteOrder) -> HostFuture<'_, VoteReport>;

    /// Takes back an approval that was not used, or ends one that is pending. The act is refused.
    ///
    /// # Errors
    /// The act is not held back, or not any more.
    fn revoke_approval(&self, id: ApprovalId) -> HostFuture<'_, ()>;

    /// Releases a run that was open in the copy from which the home was restored, so that it can be resumed.
    ///
    /// # Errors
    /// A run that is not open.
    fn release(&self, run: RunId) -> HostFuture<'_, ()>;

    /// The runs that are running, with their agents.
    ///
    /// # Errors
    /// A host that does not answer.
    fn going(&self) -> HostFuture<'_, Vec<(RunId, SafeText)>>;

    /// The status of the host.
    ///
    /// # Errors
    /// A host that does not answer.
    fn status(&self) -> HostFuture<'_, Status>;

    /// Records a decision about a configuration or an agent.
    ///
    /// # Errors
    /// A record that can't be written.
    fn record_trust(&self, said: TrustSaid) -> HostFuture<'_, ()>;

    /// Records that a run is put on hold, or that its hold is lifted.
    ///
    /// # Errors
    /// A run that was pruned meanwhile; a record that can't be written.
    fn record_hold(&self, said: HoldSaid) -> HostFuture<'_, ()>;

    /// Records a change of a credential.
    ///
    /// # Errors
    /// A record that can't be written.
    fn record_credential(&self, word: CredentialWord) -> HostFuture<'_, ()>;

    /// Records that the vault is sealed under another key.
    ///
    /// # Errors
    /// A record that can't be written.
    fn record_sealed(&self, under: SealedUnder) -> HostFuture<'_, ()>;

    /// Ends leases of active runs, and records the revocation of a credential. Returns the leases that ended, as `RUN/NAME`.
    ///
    /// # Errors
    /// A run that is not running here; a record that can't be written.
    fn revoke(&self, revoking: Revoking, word: Option<CredentialWord>) -> HostFuture<'_, Vec<SafeText>>;

    /// Removes the beginning of the record. `progress` is called only by a host in this process.
    ///
    /// # Errors
    /// See [`run::RunError::Prune`].
    fn prune(&self, order: PruneOrder, progress: PruneListener) -> HostFuture<'_, PruneDone>;
}
