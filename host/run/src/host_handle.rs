//! The host of the home: this process, or another one that it speaks to.

use std::ops::ControlFlow;
use std::path::Path;
use std::time::Duration;

use home::{Other, WAIT_MAX, patience};
use vocabulary::record::SealedUnder;
use vocabulary::{Means, RunId, SafeText, Stopping};

use crate::control::PAUSE;
use crate::control::client::{Client, Unreached};
use crate::control::server::{Server, serve};
use crate::err::RunError;
use crate::local_host::{HomePlace, HostOptions, LocalHost};
use crate::order::{NetworkOrder, RunOrder};
use crate::principal::own_principal;
use crate::prune::{HoldSaid, PruneDone, PruneOrder};
use crate::revoke::{CredentialWord, Revoking};
use crate::run_task::Running;
use crate::say_trust::TrustSaid;
use crate::settle::{SettleReport, Settlement};
use crate::status::Status;
use crate::wait::{Wait, holder};

/// The longest pause between two tries to take the home.
const PAUSE_MAX: Duration = Duration::from_millis(200);

/// The one that can change something in a home.
pub enum HostHandle {
    /// This process, which also serves the others.
    Here(LocalHost, HostSocket),
    /// Another one.
    There(HostClient),
}

/// Keeps the control socket open.
pub struct HostSocket(#[expect(dead_code, reason = "held for its drop")] Server);

/// Speaks to the other process.
pub struct HostClient(Client);

impl HostHandle {
    /// Takes the home, or finds who has it. Says for whom it waits, and gives up after a time ([`home::Patience`]).
    ///
    /// # Errors
    /// A home that can't be used, or whose host can't be spoken to.
    pub async fn find(place: &HomePlace, options: &HostOptions) -> Result<Self, RunError> {
        let mut wait = Wait::begin();
        let mut pause = PAUSE;
        loop {
            let home = match open(place, options).await {
                Ok(host) => {
                    let socket =
                        serve(&host).map_err(|cause| RunError::Home { cause: home::told(&place.home, cause), path: place.home.clone() })?;
                    return Ok(Self::Here(host, HostSocket(socket)));
                }
                Err(RunError::Held(home)) => home,
                Err(err) => return Err(err),
            };
            match Client::connect(place, &mut wait).await {
                Ok(client) => return Ok(Self::There(HostClient(client))),
                Err(unreached) => again(&home, unreached, &mut wait)?,
            }
            // It may be just leaving, or not be serving yet.
            tokio::time::sleep(pause).await;
            pause = PAUSE_MAX.min(pause * 2);
        }
    }

    /// Finds the host of a home whose host went away. It may be this process now.
    ///
    /// # Errors
    /// As [`HostHandle::find`].
    pub async fn find_again(&mut self, options: &HostOptions) -> Result<(), RunError> {
        if let Self::There(client) = self {
            let place = client.0.place().clone();
            *self = Self::find(&place, options).await?;
        }
        Ok(())
    }

    /// The number of the process that holds the home, where it is known.
    pub fn pid(&self) -> Option<u32> {
        match self {
            Self::Here(..) => Some(std::process::id()),
            Self::There(client) => client.0.pid(),
        }
    }

    /// See [`LocalHost::start`].
    ///
    /// # Errors
    /// As there.
    pub async fn start(&self, order: RunOrder) -> Result<Running, RunError> {
        match self {
            Self::Here(host, _) => host.start(order, own_principal()).await,
            Self::There(client) => client.0.start(order).await,
        }
    }

    /// See [`LocalHost::resume`].
    ///
    /// # Errors
    /// As there.
    pub async fn resume(&self, run: RunId, network: NetworkOrder) -> Result<Running, RunError> {
        match self {
            Self::Here(host, _) => host.resume(run, own_principal(), &network).await,
            Self::There(client) => client.0.resume(run, network).await,
        }
    }

    /// See [`LocalHost::settle`].
    ///
    /// # Errors
    /// As there.
    pub async fn settle(&self, run: RunId, word: Settlement) -> Result<SettleReport, RunError> {
        match self {
            Self::Here(host, _) => host.settle(run, &word, &own_principal()).await,
            Self::There(client) => client.0.settle(run, word).await,
        }
    }

    /// Continues a run whose host went away ([`crate::RunEvent::Left`]). A run that only looked, and of which nothing was kept, begins anew by
    /// its order, as does one that had not come onto the record; it has another id then. One that has ended meanwhile tells its end.
    ///
    /// # Errors
    /// As [`LocalHost::resume`] and [`LocalHost::start`].
    pub async fn continue_here(&self, run: RunId, order: Option<RunOrder>, network: NetworkOrder) -> Result<Running, RunError> {
        match self {
            Self::Here(host, _) => host.continue_here(run, order, own_principal(), &network).await.map(Running::gone_ahead),
            Self::There(client) => client.0.continue_here(run, order, network).await,
        }
    }

    /// See [`LocalHost::end`].
    ///
    /// # Errors
    /// As there, or a host that does not answer.
    pub async fn stop(&self, run: RunId) -> Result<bool, RunError> {
        match self {
            Self::Here(host, _) => host.end(run, Stopping { by: own_principal(), means: Means::Stop }).await,
            Self::There(client) => client.0.stop(run).await,
        }
    }

    /// Runs that go on.
    ///
    /// # Errors
    /// A host that does not answer.
    pub async fn going(&self) -> Result<Vec<(RunId, SafeText)>, RunError> {
        match self {
            Self::Here(host, _) => Ok(host.going()),
            Self::There(client) => client.0.going().await,
        }
    }

    /// See [`LocalHost::status`].
    ///
    /// # Errors
    /// A host that does not answer.
    pub async fn status(&self) -> Result<Status, RunError> {
        match self {
            Self::Here(host, _) => Ok(host.status()),
            Self::There(client) => client.0.status().await,
        }
    }

    /// See [`LocalHost::record_trust`].
    ///
    /// # Errors
    /// As there.
    pub async fn record_trust(&self, said: TrustSaid) -> Result<(), RunError> {
        match self {
            Self::Here(host, _) => host.record_trust(&said, &own_principal()).await,
            Self::There(client) => client.0.record_trust(said).await,
        }
    }

    /// See [`LocalHost::prune`]. What another process does is not heard of.
    ///
    /// # Errors
    /// As there.
    pub async fn prune(
        &self,
        order: PruneOrder,
        progress: impl FnMut(&str, u32) -> ControlFlow<()> + Send + 'static,
    ) -> Result<PruneDone, RunError> {
        match self {
            Self::Here(host, _) => host.prune(order, own_principal(), progress).await,
            Self::There(client) => client.0.prune(order).await,
        }
    }

    /// See [`LocalHost::record_hold`].
    ///
    /// # Errors
    /// As there.
    pub async fn record_hold(&self, said: HoldSaid) -> Result<(), RunError> {
        match self {
            Self::Here(host, _) => host.record_hold(&said, &own_principal()).await,
            Self::There(client) => client.0.record_hold(said).await,
        }
    }

    /// See [`LocalHost::record_credential`].
    ///
    /// # Errors
    /// As there.
    pub async fn record_credential(&self, word: CredentialWord) -> Result<(), RunError> {
        match self {
            Self::Here(host, _) => host.record_credential(&word, &own_principal()).await,
            Self::There(client) => client.0.record_credential(word).await,
        }
    }

    /// See [`LocalHost::record_sealed`].
    ///
    /// # Errors
    /// As there.
    pub async fn record_sealed(&self, under: SealedUnder) -> Result<(), RunError> {
        match self {
            Self::Here(host, _) => host.record_sealed(under, &own_principal()).await,
            Self::There(client) => client.0.record_sealed(under).await,
        }
    }

    /// See [`LocalHost::release`].
    ///
    /// # Errors
    /// As there.
    pub async fn release(&self, run: RunId) -> Result<(), RunError> {
        match self {
            Self::Here(host, _) => host.release(run, &own_principal()).await,
            Self::There(client) => client.0.release(run).await,
        }
    }

    /// See [`LocalHost::take_back`].
    ///
    /// # Errors
    /// As there.
    pub async fn take_back(&self, revoking: Revoking, word: Option<CredentialWord>) -> Result<Vec<SafeText>, RunError> {
        match self {
            Self::Here(host, _) => host.take_back(&revoking, word.as_ref(), &own_principal()).await,
            Self::There(client) => client.0.take_back(revoking, word).await,
        }
    }

    /// Leaves the home. A host first waits for the runs of others and until their clients have the end, and leaves the home in order.
    ///
    /// # Errors
    /// The record can't be written.
    pub async fn leave(self) -> Result<(), RunError> {
        match self {
            Self::Here(host, socket) => {
                host.empty().await;
                drop(socket);
                host.close()
            }
            Self::There(_) => Ok(()),
        }
    }

    /// The process that holds a home, as the system describes it: it is not asked. `None` where nobody holds it.
    #[must_use]
    pub fn seen(place: &HomePlace) -> Option<Other> {
        holder(&place.home)
    }

    /// Asks who holds a home, without taking it; `None` where nobody does.
    ///
    /// # Errors
    /// Somebody holds it and can't be spoken to.
    pub async fn ask(place: &HomePlace) -> Result<Option<Self>, RunError> {
        Self::ask_within(place, patience().max_or(WAIT_MAX)).await
    }

    /// The same, for a caller that has no more time than this.
    ///
    /// # Errors
    /// As there.
    pub async fn ask_within(place: &HomePlace, max: Duration) -> Result<Option<Self>, RunError> {
        let mut wait = Wait::of(max);
        loop {
            match Client::connect(place, &mut wait).await {
                Ok(client) => return Ok(Some(Self::There(HostClient(client)))),
                Err(Unreached::GaveUp(gave_up)) => return Err(gave_up.into()),
                Err(Unreached::OtherVersion(err)) => return Err(err),
                Err(_) if holder(&place.home).is_none() => return Ok(None),
                Err(unreached) => again(&place.home, unreached, &mut wait)?,
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
}

/// Opens the home on a thread of its own: reading a long record, or a disk that does not answer, must not keep signals from being heard.
async fn open(place: &HomePlace, options: &HostOptions) -> Result<LocalHost, RunError> {
    let (place, options) = (place.clone(), options.clone());
    let opened = tokio::task::spawn_blocking(move || LocalHost::open(&place, &options)).await;
    opened.unwrap_or(Err(RunError::Holder("the task that opens the home ended without a word".to_owned())))
}

/// Whether it makes sense to try once more.
fn again(home: &Path, unreached: Unreached, wait: &mut Wait) -> Result<(), RunError> {
    let other = || holder(home).unwrap_or_default();
    let unspoken = |cause| RunError::Unspoken { other: other(), home: home.to_owned(), cause };
    match unreached {
        Unreached::GaveUp(gave_up) => Err(gave_up.into()),
        Unreached::OtherVersion(err) => Err(err),
        Unreached::Never(cause) => Err(unspoken(cause)),
        // The reason says more than that time has passed.
        Unreached::NotYet(cause) => wait.check(&other).map_err(|_| unspoken(cause)),
    }
}
