//! What all code for the credentials of one run shares: the vault, the values that are searched for, and the leases that were revoked.

use std::collections::BTreeSet;
use std::sync::Arc;

use tokio::sync::watch;
use vault::{Scrubber, Secret, Vault};
use vocabulary::{Binding, Clock, HostPattern, Placement, RunSpec};

use crate::finishing::Finishing;
use crate::host_request::HostLine;
use crate::searched_values::{SearchedValues, Unsearched, outstanding};

/// The shared values. See the documentation of the module.
pub(crate) struct RunContext {
    pub(crate) vault: Vault,
    pub(crate) spec: Arc<RunSpec>,
    pub(crate) clock: Arc<dyn Clock>,
    /// Sends requests on behalf of the host itself.
    pub(crate) own: HostLine,
    /// Exchanges that are finished even if nobody waits for them.
    pub(crate) finishing: Finishing,
    pub(crate) searched: SearchedValues,
    /// Credentials whose lease was revoked.
    ended: watch::Sender<BTreeSet<String>>,
}

impl RunContext {
    pub(crate) fn new(vault: Vault, spec: Arc<RunSpec>, clock: Arc<dyn Clock>, own: HostLine, finishing: Finishing) -> Self {
        let searched = SearchedValues::new(Arc::clone(vault.register()), &spec.grants);
        Self { vault, spec, clock, own, finishing, searched, ended: watch::Sender::default() }
    }

    pub(crate) fn bindings(&self) -> &[Binding] {
        &self.spec.grants.credentials
    }

    pub(crate) fn now_s(&self) -> u64 {
        self.clock.unix_ns() / 1_000_000_000
    }

    pub(crate) fn scrubber(&self) -> Option<Arc<Scrubber>> {
        self.searched.scrubber(self.clock.earliest_s())
    }

    /// Revokes the lease of this credential. Code that waits for an answer under it is notified.
    pub(crate) fn end(&self, credential: &str) {
        self.ended.send_modify(|ended| {
            ended.insert(credential.to_owned());
        });
    }

    /// Whether the lease was revoked.
    pub(crate) fn has_ended(&self, credential: &str) -> bool {
        self.ended.borrow().contains(credential)
    }

    /// Notes values of a binding before they leave the host, or when they arrive.
    pub(crate) async fn note(&self, binding: &Binding, secrets: &[&Secret]) -> Result<(), Unsearched> {
        let values = secrets.iter().map(|secret| outstanding(&binding.name, reach(binding), None, secret)).collect();
        self.searched.note(values, self.clock.earliest_s()).await
    }
}

/// The hosts to which the value of a binding could give access, including the endpoint that issues tokens for it.
pub(crate) fn reach(binding: &Binding) -> Vec<HostPattern> {
    let mut hosts = binding.hosts.clone();
    if let Placement::Oauth2(oauth2) = &binding.placement {
        hosts.push(HostPattern::Exact(oauth2.token.host.clone()));
    }
    hosts
}
