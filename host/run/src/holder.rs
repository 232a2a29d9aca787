//! The holder of the home: this process, or another one that it speaks to.

use effect::record::SealedUnder;
use effect::{Means, RunId, SafeText, Stopping};

use crate::control::client::{Client, gone};
use crate::control::server::{Server, serve};
use crate::err::RunError;
use crate::house::{House, HouseOptions, Place};
use crate::life::Running;
use crate::order::{NetworkOrder, RunOrder};
use crate::principal::own_principal;
use crate::revoke::{CredentialWord, Revoking};
use crate::say_trust::TrustSaid;
use crate::settle::{Settling, Word};

/// The one that can change something in a home.
pub enum Holder {
    /// This process, which also serves the others.
    Here(House, HolderSocket),
    /// Another one.
    There(HolderClient),
}

/// Keeps the control socket open.
pub struct HolderSocket(#[expect(dead_code, reason = "held for its drop")] Server);

/// Speaks to the other process.
pub struct HolderClient(Client);

impl Holder {
    /// Takes the home, or finds who has it.
    ///
    /// # Errors
    /// A home that can't be used, or whose holder does not answer.
    pub async fn find(place: &Place, options: &HouseOptions) -> Result<Self, RunError> {
        // The holder of the home may be just leaving, or not be serving yet. So this is tried a bounded number of times, and then the last
        // error is returned.
        const TURNS: u32 = 200;
        let mut turn = 0;
        loop {
            turn += 1;
            match House::open(place, options) {
                Ok(house) => {
                    let socket = serve(&house).map_err(|cause| RunError::Home { path: place.home.clone(), cause })?;
                    return Ok(Self::Here(house, HolderSocket(socket)));
                }
                Err(RunError::Held(home)) => match Client::connect(place).await {
                    Ok(client) => return Ok(Self::There(HolderClient(client))),
                    // A holder that is there and does not answer will not answer the next time either.
                    Err(cause) if cause.kind() == std::io::ErrorKind::TimedOut => return Err(RunError::Holder(cause.to_string())),
                    Err(cause) if cause.kind() == std::io::ErrorKind::Unsupported => return Err(gone(&cause)),
                    Err(_) if turn < TURNS => tokio::time::sleep(std::time::Duration::from_millis(10)).await,
                    Err(_) => return Err(RunError::Held(home)),
                },
                Err(err) => return Err(err),
            }
        }
    }

    /// See [`House::start`].
    ///
    /// # Errors
    /// As there.
    pub async fn start(&self, order: RunOrder) -> Result<Running, RunError> {
        match self {
            Self::Here(house, _) => house.start(order, own_principal()).await,
            Self::There(client) => client.0.start(order).await,
        }
    }

    /// See [`House::resume`].
    ///
    /// # Errors
    /// As there.
    pub async fn resume(&self, run: RunId, network: NetworkOrder) -> Result<Running, RunError> {
        match self {
            Self::Here(house, _) => house.resume(run, own_principal(), &network).await,
            Self::There(client) => client.0.resume(run, network).await,
        }
    }

    /// See [`House::settle`].
    ///
    /// # Errors
    /// As there.
    pub async fn settle(&self, run: RunId, word: Word) -> Result<Settling, RunError> {
        match self {
            Self::Here(house, _) => house.settle(run, &word, &own_principal()).await,
            Self::There(client) => client.0.settle(run, word).await,
        }
    }

    /// See [`House::end`].
    ///
    /// # Errors
    /// As there, or a holder that does not answer.
    pub async fn stop(&self, run: RunId) -> Result<bool, RunError> {
        match self {
            Self::Here(house, _) => house.end(run, Stopping { by: own_principal(), means: Means::Stop }).await,
            Self::There(client) => client.0.stop(run).await,
        }
    }

    /// Runs that go on.
    ///
    /// # Errors
    /// A holder that does not answer.
    pub async fn going(&self) -> Result<Vec<(RunId, SafeText)>, RunError> {
        match self {
            Self::Here(house, _) => Ok(house.going()),
            Self::There(client) => client.0.going().await,
        }
    }

    /// See [`House::record_trust`].
    ///
    /// # Errors
    /// As there.
    pub async fn record_trust(&self, said: TrustSaid) -> Result<(), RunError> {
        match self {
            Self::Here(house, _) => house.record_trust(&said, &own_principal()).await,
            Self::There(client) => client.0.record_trust(said).await,
        }
    }

    /// See [`House::record_credential`].
    ///
    /// # Errors
    /// As there.
    pub async fn record_credential(&self, word: CredentialWord) -> Result<(), RunError> {
        match self {
            Self::Here(house, _) => house.record_credential(&word, &own_principal()).await,
            Self::There(client) => client.0.record_credential(word).await,
        }
    }

    /// See [`House::record_sealed`].
    ///
    /// # Errors
    /// As there.
    pub async fn record_sealed(&self, under: SealedUnder) -> Result<(), RunError> {
        match self {
            Self::Here(house, _) => house.record_sealed(under, &own_principal()).await,
            Self::There(client) => client.0.record_sealed(under).await,
        }
    }

    /// See [`House::release`].
    ///
    /// # Errors
    /// As there.
    pub async fn release(&self, run: RunId) -> Result<(), RunError> {
        match self {
            Self::Here(house, _) => house.release(run, &own_principal()).await,
            Self::There(client) => client.0.release(run).await,
        }
    }

    /// See [`House::take_back`].
    ///
    /// # Errors
    /// As there.
    pub async fn take_back(&self, revoking: Revoking, word: Option<CredentialWord>) -> Result<Vec<SafeText>, RunError> {
        match self {
            Self::Here(house, _) => house.take_back(&revoking, word.as_ref(), &own_principal()).await,
            Self::There(client) => client.0.take_back(revoking, word).await,
        }
    }

    /// Leaves the home. A holder first waits for the runs of others and until their clients have the end, and leaves the home in order.
    ///
    /// # Errors
    /// The record can't be written.
    pub async fn leave(self) -> Result<(), RunError> {
        match self {
            Self::Here(house, socket) => {
                house.empty().await;
                drop(socket);
                house.close()
            }
            Self::There(_) => Ok(()),
        }
    }

    /// Asks who holds a home, without taking it; `None` where nobody does.
    pub async fn ask(place: &Place) -> Option<Self> {
        Client::connect(place).await.ok().map(|client| Self::There(HolderClient(client)))
    }
}
