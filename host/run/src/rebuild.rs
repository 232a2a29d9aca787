//! Runs a recorded run again without any effect, and reports whether it does the same as its record.

use std::sync::Arc;

use broker::{Broker, Mounts};
use gate::{Live, Recorded, RunWorld, SystemClock};
use sandbox::Prepared;
use vocabulary::{Digest, Divergence, Limits, Outcome, RunId, Stop, Stopping};

use crate::component_cache::ComponentCache;
use crate::err::RunError;
use crate::guest_start::{start_of, world_back};
use crate::local_host::LocalHost;
use crate::place::{HomePlace, HostOptions};

/// What is to be rebuilt.
#[derive(Clone, Debug)]
pub struct Rebuilding {
    /// The run.
    pub run: RunId,
    /// Another component to run in place of the recorded one. It must be in the home's store.
    pub with: Option<Digest>,
}

/// The result of a rebuild.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rebuilt {
    /// The first place that differs; `None` if the rebuild is identical as far as the record reaches.
    pub divergence: Option<Divergence>,
    /// How the recorded run ended; `None` if it was cut off.
    pub outcome: Option<Outcome>,
}

/// Rebuilds a run. Needs no lock. Looks at mounts again if what the run read was not kept.
///
/// # Errors
/// A run that does not exist or can't be rebuilt; a component that can't be run.
pub async fn rebuild(place: &HomePlace, options: &HostOptions, rebuilding: &Rebuilding) -> Result<Rebuilt, RunError> {
    let recorded = load(&journal::Reader::of_what_is_whole(&place.home, Some(&place.state))?, rebuilding.run)?;
    let (digest, limits) = component_of(&recorded, rebuilding);
    play(recorded, &prepared(place, options, digest, &limits).await?).await
}

/// A component of the home, made ready without the home's lock.
pub(crate) async fn prepared(place: &HomePlace, options: &HostOptions, digest: Digest, limits: &Limits) -> Result<Prepared, RunError> {
    let component_cache = ComponentCache::new(place, &HostOptions { slots: 1, ..options.clone() })?;
    let limits = limits.clone();
    let prepared = tokio::task::spawn_blocking(move || component_cache.prepare(digest, &limits)).await;
    prepared.unwrap_or(Err(RunError::TaskLost("compiles")))
}

impl LocalHost {
    /// As [`rebuild`], with the engines and components that this host has ready.
    ///
    /// # Errors
    /// As [`rebuild`].
    pub async fn rebuild(&self, rebuilding: &Rebuilding) -> Result<Rebuilt, RunError> {
        let recorded = load(&self.inner.journal.reader()?, rebuilding.run)?;
        let (digest, limits) = component_of(&recorded, rebuilding);
        let prepared = self.prepare(digest, &limits).await?;
        play(recorded, &prepared).await
    }
}

fn load(reader: &journal::Reader, run: RunId) -> Result<Recorded, RunError> {
    Recorded::load(reader, run).map_err(|cause| RunError::Load { run, cause })
}

fn component_of(recorded: &Recorded, rebuilding: &Rebuilding) -> (Digest, Limits) {
    let spec = &recorded.header().spec;
    (rebuilding.with.unwrap_or(spec.agent.digest), spec.limits.clone())
}

pub(crate) async fn play(recorded: Recorded, prepared: &Prepared) -> Result<Rebuilt, RunError> {
    let header = recorded.header().clone();
    let recorded_outcome = recorded.closed().map(|closed| closed.outcome.clone());
    // If what the run saw was kept, looks are answered from the record. Then the mounts need not exist any more.
    let mounts = if header.spec.durable && recorded.is_kept() { Mounts::default() } else { Mounts::open(&header.spec.grants)? };
    let clock = Arc::new(SystemClock::new());
    let broker = Arc::new(Broker::for_audit(Arc::clone(&header.spec), &header.seed, mounts));
    let world =
        RunWorld::audit(recorded, Live::for_audit(&header, broker, clock)).map_err(|cause| RunError::Load { run: header.run, cause })?;
    let ended = sandbox::enter(prepared, start_of(&header), Box::new(world), std::future::pending::<Stopping>()).await?;
    let divergence = match ended.stop {
        Some(Stop::Diverged(divergence)) => Some(*divergence),
        _ => {
            let mut world = world_back(ended.world).ok_or_else(|| RunError::TaskLost("runs the guest"))?;
            let output = (!ended.output.is_empty() || ended.outcome == Outcome::Done).then_some(&*ended.output);
            world.verdict(&ended.outcome, output).err()
        }
    };
    Ok(Rebuilt { divergence, outcome: recorded_outcome })
}
