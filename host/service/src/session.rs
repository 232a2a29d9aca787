//! A caller's session with the host in this process.

use run::{
    CredentialWord, HoldSaid, LocalHost, NetworkOrder, PruneDone, PruneOrder, Revoking, RunError, Running, SettleReport, Settlement,
    Status, Surroundings, TakenOver, TrustChange, TrustSaid, VoteOrder, VoteReport,
};
use vocabulary::record::SealedUnder;
use vocabulary::{ApprovalId, Means, Principal, RunId, SafeText, Stopping};

use crate::admission::{self, Admitted};
use crate::err::ServiceError;
use crate::host::{Host, HostFuture, PruneListener};
use crate::policies::policies_of;
use crate::request::{ConfigRef, Continuation, ResumeRequest, RunRequest, TrustBasis};

/// One caller's access to the host in this process.
///
/// SECURITY: `by` comes from this process itself or from the kernel, never from what a caller wrote.
#[derive(Clone)]
pub struct Session {
    host: LocalHost,
    by: Principal,
}

impl Session {
    /// A session of this caller.
    pub fn new(host: LocalHost, by: Principal) -> Self {
        Self { host, by }
    }

    /// The host in this process.
    pub fn local(&self) -> &LocalHost {
        &self.host
    }

    /// Starts the run that a caller in another process requests.
    ///
    /// # Errors
    /// The configuration is not trusted, the component is not the one that the caller means, or the run can't start.
    pub(crate) async fn start_named(&self, request: RunRequest) -> Result<Running, ServiceError> {
        let admitted = admission::resolve(self.host.place(), request).await?;
        self.open(&admitted).await
    }

    async fn open(&self, admitted: &Admitted) -> Result<Running, ServiceError> {
        if let TrustBasis::Once { authority } = admitted.request().trust
            && !admitted.is_recorded()
        {
            self.record_once(admitted.request(), authority).await?;
        }
        Ok(self.host.open_run(admitted.order().clone(), self.by.clone()).await?)
    }

    /// Records that a configuration is trusted once, before anything runs under it. A client that had to build something first has already
    /// recorded this for one run.
    async fn record_once(&self, request: &RunRequest, authority: vocabulary::Digest) -> Result<(), ServiceError> {
        let (config, path) = (request.config.digest, request.config.path.to_string_lossy().into_owned());
        if self.host.use_trust_once(&path, config, authority) {
            return Ok(());
        }
        let change = TrustChange::Trusted { authority, config, once: true };
        self.host.record_trust(&TrustSaid { path: path.clone(), change }, &self.by).await?;
        self.host.use_trust_once(&path, config, authority);
        Ok(())
    }

    /// Resumes a suspended run whose wait is over.
    ///
    /// # Errors
    /// The run can't be resumed.
    pub(crate) async fn wake(&self, run: RunId) -> Result<(), ServiceError> {
        let around = self.own_surroundings(run).await?;
        Ok(self.host.wake(run, self.by.clone(), &around).await?)
    }

    /// What a run needs of the configuration that it was started with.
    async fn own_surroundings(&self, run: RunId) -> Result<Surroundings, ServiceError> {
        let config = admission::config_of(self.host.place(), run).await?;
        let network = self.network_if_any(run, config.as_ref()).await?;
        self.with_policies(run, network).await
    }

    /// The policies of now, beside these name servers and certificates.
    async fn with_policies(&self, run: RunId, network: NetworkOrder) -> Result<Surroundings, ServiceError> {
        Ok(Surroundings { network, policies: policies_of(self.host.place(), run).await? })
    }

    /// The name servers and certificates of a configuration. If it is gone or was changed, a run that was begun under it still continues, like
    /// one that is resumed without a configuration.
    async fn network_if_any(&self, run: RunId, config: Option<&ConfigRef>) -> Result<NetworkOrder, ServiceError> {
        match admission::network_of(self.host.place(), run, config).await {
            Err(ServiceError::Config(_) | ServiceError::ConfigChanged { .. }) => Ok(NetworkOrder::default()),
            network => network,
        }
    }

    async fn begin_again(&self, run: RunId, as_begun: &Continuation) -> Result<Running, ServiceError> {
        let network = self.network_if_any(run, as_begun.config()).await?;
        let around = self.with_policies(run, network).await?;
        let is_on_record = match self.host.continue_here(run, self.by.clone(), &around).await? {
            TakenOver::Running(running) => return Ok(running),
            TakenOver::Anew { is_on_record } => is_on_record,
        };
        let Continuation::Started(request) = as_begun else { return Err(LocalHost::not_kept(run, is_on_record).into()) };
        let admitted = admission::resolve(self.host.place(), (**request).clone()).await?;
        if is_on_record {
            self.host.end(run, Stopping { by: self.by.clone(), means: Means::HolderGone }).await?;
        }
        self.open(&admitted).await
    }
}

impl Host for Session {
    fn start<'a>(&'a self, run: &'a Admitted) -> HostFuture<'a, Running> {
        Box::pin(self.open(run))
    }

    fn resume<'a>(&'a self, request: &'a ResumeRequest) -> HostFuture<'a, Running> {
        Box::pin(async move {
            let around = match &request.config {
                Some(config) => {
                    let network = admission::network_of(self.host.place(), request.run, Some(config)).await?;
                    self.with_policies(request.run, network).await?
                }
                None if !self.host.is_open(request.run) => return Err(RunError::NoSuchRun(request.run).into()),
                None => self.own_surroundings(request.run).await?,
            };
            Ok(self.host.open_again(request.run, self.by.clone(), &around).await?)
        })
    }

    fn continue_run<'a>(&'a self, run: RunId, as_begun: &'a Continuation) -> HostFuture<'a, Running> {
        Box::pin(self.begin_again(run, as_begun))
    }

    fn stop(&self, run: RunId) -> HostFuture<'_, bool> {
        Box::pin(async move { Ok(self.host.end(run, Stopping { by: self.by.clone(), means: Means::Stop }).await?) })
    }

    fn settle(&self, run: RunId, word: Settlement) -> HostFuture<'_, SettleReport> {
        Box::pin(async move { Ok(self.host.settle(run, &word, &self.by).await?) })
    }

    fn vote(&self, order: VoteOrder) -> HostFuture<'_, VoteReport> {
        Box::pin(async move {
            let run = order.run;
            if !self.host.is_open(run) {
                return Err(RunError::NoSuchRun(run).into());
            }
            let policies = policies_of(self.host.place(), run).await?.ok_or(RunError::NoPolicies(run))?;
            Ok(self.host.vote(&order, &policies, &self.by).await?)
        })
    }

    fn revoke_approval(&self, id: ApprovalId) -> HostFuture<'_, ()> {
        Box::pin(async move { Ok(self.host.revoke_approval(id, &self.by).await?) })
    }

    fn release(&self, run: RunId) -> HostFuture<'_, ()> {
        Box::pin(async move { Ok(self.host.release(run, &self.by).await?) })
    }

    fn going(&self) -> HostFuture<'_, Vec<(RunId, SafeText)>> {
        Box::pin(async move { Ok(self.host.going()) })
    }

    fn status(&self) -> HostFuture<'_, Status> {
        Box::pin(async move { Ok(self.host.status()) })
    }

    fn record_trust(&self, said: TrustSaid) -> HostFuture<'_, ()> {
        Box::pin(async move { Ok(self.host.record_trust(&said, &self.by).await?) })
    }

    fn record_hold(&self, said: HoldSaid) -> HostFuture<'_, ()> {
        Box::pin(async move { Ok(self.host.record_hold(&said, &self.by).await?) })
    }

    fn record_credential(&self, word: CredentialWord) -> HostFuture<'_, ()> {
        Box::pin(async move { Ok(self.host.record_credential(&word, &self.by).await?) })
    }

    fn record_sealed(&self, under: SealedUnder) -> HostFuture<'_, ()> {
        Box::pin(async move { Ok(self.host.record_sealed(under, &self.by).await?) })
    }

    fn revoke(&self, revoking: Revoking, word: Option<CredentialWord>) -> HostFuture<'_, Vec<SafeText>> {
        Box::pin(async move { Ok(self.host.take_back(&revoking, word.as_ref(), &self.by).await?) })
    }

    fn prune(&self, order: PruneOrder, progress: PruneListener) -> HostFuture<'_, PruneDone> {
        Box::pin(async move { Ok(self.host.prune(order, self.by.clone(), progress).await?) })
    }
}
