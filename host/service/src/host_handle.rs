//! The host of the home: this process, or another one behind the control socket.

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
use crate::waker::{NotResumed, Waker};

/// The longest pause between two tries to take the home.
const PAUSE_MAX: Duration = Duration::from_millis(200);

/// The host of a home, and how to reach it.
pub enum HostHandle {
    /// This process, which also serves other processes.
    Here(Session, HostSocket),
    /// Another process.
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

/// Keeps the control socket open, and resumes suspended runs once [`HostHandle::wake_runs`] was called, until it is dropped.
pub struct HostSocket {
    #[expect(dead_code, reason = "held for its drop")]
    server: Server,
    waker: Option<Waker>,
}

/// A client of the host in another process.
pub struct HostClient(Client);

impl HostHandle {
    /// Takes the home, or connects to the process that holds it. Reports which process it waits for, and gives up after a time
    /// ([`home::Patience`]).
    ///
    /// # Errors
    /// A home that can't be used, or whose host can't be reached.
    pub async fn find(place: &HomePlace, options: &HostOptions) -> Result<Self, ServiceError> {
        let mut wait = Wait::begin();
        let mut pause = PAUSE;
        loop {
            let home = match open(place, options).await {
                Ok(host) => {
                    let socket =
                        serve(&host).map_err(|cause| RunError::Home { cause: home::told(&place.home, cause), path: place.home.clone() })?;
                    let socket = HostSocket { server: socket, waker: None };
                    return Ok(Self::Here(Session::new(host, own_principal()), socket));
                }
                Err(RunError::Held(home)) => home,
                Err(err) => return Err(err.into()),
            };
            match Client::connect(place, &mut wait).await {
                Ok(client) => return Ok(Self::There(HostClient(client))),
                Err(unreached) => again(&home, unreached, &mut wait)?,
            }
            // The host may be just leaving the home, or not serving yet.
            tokio::time::sleep(pause).await;
            pause = PAUSE_MAX.min(pause * 2);
        }
    }

    /// Finds the new host of a home after its host went away. This process may become the host.
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

    /// Resumes the suspended runs whose waits are over, and from now on each when its wait is over, if this process is the host. `not_resumed`
    /// is called with each run that can't be resumed.
    pub fn wake_runs(&mut self, not_resumed: NotResumed) {
        if let Self::Here(session, socket) = self
            && socket.waker.is_none()
        {
            socket.waker = Some(Waker::begin(session.clone(), not_resumed));
        }
    }

    /// Returns when the runs that were due when [`HostHandle::wake_runs`] was called are resumed.
    pub async fn woken(&self) {
        if let Self::Here(_, HostSocket { waker: Some(waker), .. }) = self {
            waker.begun().await;
        }
    }

    /// The id of the process that holds the home, if it is known.
    pub fn pid(&self) -> Option<u32> {
        match self {
            Self::Here(..) => Some(std::process::id()),
            Self::There(client) => client.0.pid(),
        }
    }

    /// Leaves the home. If this process is the host, it first waits until the runs of other clients have ended and these clients have the
    /// result.
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

    /// The process that holds a home, as the system describes it, without asking that process. `None` if the home is free.
    #[must_use]
    pub fn seen(place: &HomePlace) -> Option<Other> {
        holder(&place.home)
    }

    /// Connects to the process that holds a home, without taking the home. `None` if the home is free.
    ///
    /// # Errors
    /// A process holds the home and can't be reached.
    pub async fn ask(place: &HomePlace) -> Result<Option<Self>, ServiceError> {
        Self::ask_within(place, patience().max_or(WAIT_MAX)).await
    }

    /// As [`HostHandle::ask`], for a caller that waits at most this long.
    ///
    /// # Errors
    /// As [`HostHandle::ask`].
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

/// Opens the home on a separate thread: a long record, or a disk that does not answer, must not delay the handling of signals.
async fn open(place: &HomePlace, options: &HostOptions) -> Result<LocalHost, RunError> {
    let (place, options) = (place.clone(), options.clone());
    let opened = tokio::task::spawn_blocking(move || LocalHost::open(&place, &options)).await;
    opened.unwrap_or(Err(RunError::TaskLost("opens the home")))
}

/// Returns an error if it makes no sense to try again.
fn again(home: &Path, unreached: Unreached, wait: &mut Wait) -> Result<(), ServiceError> {
    let other = || holder(home).unwrap_or_default();
    let unspoken = |cause| ServiceError::Unspoken { other: other(), home: home.to_owned(), cause };
    match unreached {
        Unreached::GaveUp(gave_up) => Err(gave_up.into()),
        Unreached::OtherVersion(err) => Err(err),
        Unreached::Never(cause) => Err(unspoken(cause)),
        // The cause says more than the error that the time is over.
        Unreached::NotYet(cause) => wait.check(&other).map_err(|_| unspoken(cause)),
    }
}
