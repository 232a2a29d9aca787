//! The connections of one agent under one policy. They are kept for its next request to the same target within the same bounds.

use std::net::SocketAddr;
use std::sync::Arc;

use vocabulary::record::Sent;

use crate::conn::{Conn, Lost};
use crate::dial::{DialTarget, NetShared, dial};
use crate::err::NetError;
use crate::exchange::{Ready, Response, exchange};
use crate::idle::IdleConns;
use crate::wire::{WireRequest, sent_of, to_http};

/// The connections of one agent under one policy. Clones share them; dropping the last clone closes them.
#[derive(Clone)]
pub struct Pool {
    shared: Arc<NetShared>,
    idle: IdleConns,
}

/// Is called with the address to which a request is sent, and the number of its bytes.
pub type Noting<'a> = &'a (dyn Fn(Option<(SocketAddr, Sent)>) + Send + Sync);

impl std::fmt::Debug for Pool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Pool")
    }
}

impl Pool {
    pub(crate) fn new(shared: Arc<NetShared>) -> Self {
        Self { shared, idle: IdleConns::default() }
    }

    /// Sends a permitted request and waits for the head of its response. Dropping the future closes its connection.
    ///
    /// If a kept connection turns out to be closed before a byte of the request was written, it is replaced by a new one, once. Nothing
    /// else is ever retried.
    ///
    /// # Errors
    /// [`NetError`]. If an address was refused, it has a `reason`, and nothing was sent.
    pub async fn send(&self, request: WireRequest) -> Result<Response, NetError> {
        self.send_noting(request, &|_| ()).await
    }

    /// Like [`Pool::send`], for a caller that records the address to which a request was sent, and the number of its bytes. The callback is
    /// called just before the request is passed to a connection. It is called again with `None` if nothing of the request was written after
    /// all. Whatever happens to the request, the last call is right.
    ///
    /// # Errors
    /// As [`Pool::send`].
    pub async fn send_noting(&self, request: WireRequest, noting: Noting<'_>) -> Result<Response, NetError> {
        let wire = to_http(&request)?;
        let sent = sent_of(&wire);
        let WireRequest { target, bounds, timeouts, limits, .. } = request;
        let place = DialTarget { scheme: target.scheme, host: target.host, port: target.port };
        let mut ready = Ready { request: wire, returns: self.idle.way_back(place, bounds, &limits) };
        if let Some(conn) = ready.returns.take() {
            noting(Some((conn.peer, sent)));
            match exchange(conn, ready, timeouts, limits).await {
                Ok(response) => return Ok(response),
                Err(Lost::Failed(err)) => return Err(err),
                Err(Lost::Unsent(unsent)) => ready = *unsent,
            }
            noting(None);
        }
        let dialled = dial(&self.shared, ready.returns.place(), ready.returns.bounds(), timeouts.connect).await?;
        let peer = dialled.peer;
        let conn = Box::new(Conn::open(dialled, &limits).await?);
        noting(Some((peer, sent)));
        exchange(conn, ready, timeouts, limits).await.map_err(|lost| match lost {
            Lost::Failed(err) => err,
            Lost::Unsent(_) => {
                noting(None);
                NetError::new(vocabulary::HttpFault::Incomplete, "closed before anything was sent").with_peer(peer)
            }
        })
    }

    /// Closes idle connections that were opened under a credential, and keeps none of them from now on. A connection whose response is
    /// still being read is closed by its reader.
    pub fn revoke(&self, credential: &str) {
        self.idle.revoke(credential);
    }

    /// The number of connections that are kept now.
    pub fn idle(&self) -> usize {
        self.idle.count()
    }
}
