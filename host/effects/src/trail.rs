//! What of a request was handed to a connection, readable at any moment.

use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};

use vocabulary::record::Sent;

/// To whom a request went, once it was handed to a connection, and how many bytes of it. Whoever cancels a request reads here whether it
/// may have been sent.
#[derive(Debug, Default)]
pub struct Trail(Mutex<Option<(SocketAddr, Sent)>>);

impl Trail {
    /// It is handed to a connection, so it may have been sent from now on; or, with `None`, nothing of it was written after all.
    pub fn note(&self, going: Option<(SocketAddr, Sent)>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = going;
    }

    /// What was noted last.
    pub fn get(&self) -> Option<(SocketAddr, Sent)> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
