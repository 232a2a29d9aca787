//! The host of the home: this process, or another one that it speaks to.

use std::ops::Deref;
use std::path::Path;
use std::time::Duration;

use home::{Other, WAIT_MAX, patience};
use run::{HomePlace, HostOptions, LocalHost, RunError, own_principal};

use crate::err::ServiceError;
use crate::host::Host;
use crate::session::Session;
use crate::socket::PAUSE;
use crate::socket::client::{Client, Unreached};
use crate::socket::server::{Server, serve};
use crate::wait::{Wait, holder};

/// The longest pause between two tries to take the home.
const PAUSE_MAX: Duration = Duration::from_millis(200);

/// The one that can change something in a home, and how to speak to it.
pub enum HostHandle {
    /// This process, which also serves the others.
    Here(Session, HostSocket),
    /// Another one.
    There(HostClient),
}

impl Deref for HostHandle {
    type Target = dyn Host;

    fn deref(&self) -> &Self::Target {
        match self {
            Self::Here(session, _) => session,
            Self::There(client) => &client.0,
        }
    }
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
    pub async fn find(place: &HomePlace, options: &HostOptions) -> Result<Self, ServiceError> {
        let mut wait = Wait::begin();
        let mut pause = PAUSE;
        loop {
            let home = match open(place, options).await {
                Ok(host) => {
                    let socket =
                        serve(&host).map_err(|cause| RunError::Home { cause: home::told(&place.home, cause), path: place.home.clone() })?;
                    return Ok(Self::Here(Session::new(host, own_principal()), HostSocket(socket)));
                }
                Err(RunError::Held(home)) => home,
                Err(err) => return Err(err.into()),
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
    pub async fn find_again(&mut self, options: &HostOptions) -> Result<(), ServiceError> {
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

    /// Leaves the home. A host first waits for the runs of others and until their clients have the end, and leaves the home in order.
    ///
    /// # Errors
    /// The record can't be written.
    pub async fn leave(self) -> Result<(), ServiceError> {
        match self {
            Self::Here(session, socket) => {
                session.local().empty().await;
                drop(socket);
                Ok(session.local().close()?)
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
    pub async fn ask(place: &HomePlace) -> Result<Option<Self>, ServiceError> {
        Self::ask_within(place, patience().max_or(WAIT_MAX)).await
    }

    /// The same, for a caller that has no more time than this.
    ///
    /// # Errors
    /// As there.
    pub async fn ask_within(place: &HomePlace, max: Duration) -> Result<Option<Self>, ServiceError> {
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
    opened.unwrap_or(Err(RunError::TaskLost("opens the home")))
}

/// Whether it makes sense to try once more.
fn again(home: &Path, unreached: Unreached, wait: &mut Wait) -> Result<(), ServiceError> {
    let other = || holder(home).unwrap_or_default();
    let unspoken = |cause| ServiceError::Unspoken { other: other(), home: home.to_owned(), cause };
    match unreached {
        Unreached::GaveUp(gave_up) => Err(gave_up.into()),
        Unreached::OtherVersion(err) => Err(err),
        Unreached::Never(cause) => Err(unspoken(cause)),
        // The reason says more than that time has passed.
        Unreached::NotYet(cause) => wait.check(&other).map_err(|_| unspoken(cause)),
    }
}
