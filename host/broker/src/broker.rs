//! The effects of one run.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use effects::{Effect, EffectProgress, Effects, HostWant, Observation, OpenFiles, Permit};
use net::{Network, Pool};
use tokio::runtime::Handle;
use vault::Vault;
use vocabulary::{Act as Asked, Claim, Clock, Fault, FileAsk, Outcome, RunSpec, SafeText, Stop};

use crate::act::HttpEffect;
use crate::context::RunContext;
use crate::files::Files;
use crate::finishing::Finishing;
use crate::host_request::HostLine;
use crate::mounts::Mounts;
use crate::run_credentials::RunCredentials;
use crate::steps::Stepping;
use crate::wants::{self, WantQueue};

/// The parts from which the effects of a run are made.
pub struct BrokerParts {
    /// The agent, the grants and the limits of the run.
    pub spec: Arc<RunSpec>,
    /// The seed of all randomness of the run. Here it is used for the identities of files.
    pub seed: [u8; 32],
    /// The mounts, opened from the run's grants.
    pub mounts: Mounts,
    /// The clock of the host.
    pub clock: Arc<dyn Clock>,
    /// The network, for the agent's connections and for the host's own. `None` if no grant needs it.
    pub network: Option<Network>,
    /// The vault, with the values of the run's credentials.
    pub vault: Vault,
    /// The runtime that finishes exchanges which nobody waits for any more.
    pub runtime: Handle,
}

/// The effects of one run.
pub struct Broker {
    files: Mutex<Files>,
    acts: Option<ActParts>,
}

struct ActParts {
    run_credentials: Arc<RunCredentials>,
    pool: Option<Pool>,
    line: WantQueue,
}

impl Broker {
    /// The effects of a run that is opened or resumed.
    pub fn new(parts: BrokerParts) -> Self {
        let BrokerParts { spec, seed, mounts, clock, network, vault, runtime } = parts;
        let (wants, line) = wants::line();
        let own = HostLine { pool: network.as_ref().map(Network::pool), wants };
        let pool = network.as_ref().map(Network::pool);
        let context = Arc::new(RunContext::new(vault, Arc::clone(&spec), clock, own, Finishing::new(runtime)));
        let acts = ActParts { run_credentials: Arc::new(RunCredentials::new(context)), pool, line };
        Self { files: Mutex::new(Files::new(spec, mounts, &seed)), acts: Some(acts) }
    }

    /// The effects of an audit, which only observes mounts.
    pub fn for_audit(spec: Arc<RunSpec>, seed: &[u8; 32], mounts: Mounts) -> Self {
        Self { files: Mutex::new(Files::new(spec, mounts, seed)), acts: None }
    }

    fn files(&self) -> std::sync::MutexGuard<'_, Files> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Effects for Broker {
    fn start(&self, permit: Permit<Asked>) -> Box<dyn Effect> {
        let Some(ActParts { run_credentials, pool, .. }) = &self.acts else {
            let denied = Fault::denied(permit.ask().kind());
            return Box::new(Stepping::new(async move |steps, _| steps.tell(EffectProgress::Failed(Box::new(denied.into()))).await));
        };
        let (run_credentials, pool) = (Arc::clone(run_credentials), pool.clone());
        Box::new(Stepping::new(|steps, trail| HttpEffect { run_credentials, pool, steps, trail }.run(permit)))
    }

    fn observe(&self, permit: Permit<FileAsk>) -> Result<Observation, Stop> {
        self.files().observe(permit)
    }

    fn reopen(&self, open: OpenFiles) {
        self.files().go_on(open);
    }

    fn poll_wanted(&self, ctx: &mut Context<'_>) -> Poll<HostWant> {
        self.acts.as_ref().map_or(Poll::Pending, |acts| acts.line.poll(ctx))
    }

    fn revoke(&self, credential: &str) {
        if let Some(ActParts { run_credentials, pool, .. }) = &self.acts {
            run_credentials.context().end(credential);
            pool.iter().chain(&run_credentials.context().own.pool).for_each(|pool| pool.revoke(credential));
        }
    }

    fn redact(&self, text: &SafeText) -> SafeText {
        self.acts.as_ref().map_or_else(|| text.clone(), |acts| acts.run_credentials.scrub_text(text))
    }

    fn redact_claim(&self, claim: Claim) -> Claim {
        match &self.acts {
            Some(acts) => acts.run_credentials.scrub_claim(claim),
            None => claim,
        }
    }

    fn redact_end(&self, outcome: &mut Outcome, output: &mut [u8]) {
        if let Some(acts) = &self.acts {
            acts.run_credentials.scrub_end(outcome, output);
        }
    }

    fn is_under_way(&self) -> bool {
        self.acts.as_ref().is_some_and(|acts| acts.run_credentials.context().finishing.is_under_way())
    }

    fn finished(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        match &self.acts {
            Some(acts) => Box::pin(acts.run_credentials.context().finishing.finished()),
            None => Box::pin(std::future::ready(())),
        }
    }

    fn end(&self) {
        if let Some(acts) = &self.acts {
            acts.line.close();
        }
    }
}
