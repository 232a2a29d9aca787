//! How much of a request was passed to a connection. Can be read at any time.

use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};

use vocabulary::record::Sent;

/// The address to which a request was passed for sending, and how many bytes of it. Code that cancels a request reads here whether the
/// request may have been sent.
#[derive(Debug, Default)]
pub struct Trail(Mutex<Option<(SocketAddr, Sent)>>);

impl Trail {
    /// Notes that the request was passed to a connection, so that it may have been sent. `None` notes that nothing was written after all.
    pub fn note(&self, going: Option<(SocketAddr, Sent)>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = going;
    }

    /// Returns what was noted last.
    pub fn get(&self) -> Option<(SocketAddr, Sent)> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
