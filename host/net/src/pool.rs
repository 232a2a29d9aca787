//! Connections of one agent under one policy, kept for its next request to the same place within the same bounds.

use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use effect::Bounds;
use effect::record::Sent;
use tokio::time::Instant;

use crate::Network;
use crate::conn::{Conn, Lost};
use crate::dial::{Place, dial};
use crate::err::NetError;
use crate::exchange::exchange;
use crate::wire::{Response, WireRequest, sent_of, to_http};

/// BOUND: connections kept for one place.
const IDLE_MAX_PER_PLACE: usize = 64;
/// BOUND: connections kept in all.
const IDLE_MAX: usize = 256;
/// BOUND: how long one is kept; common servers close after 60 to 75 s.
const IDLE_AGE_MAX: Duration = Duration::from_secs(60);

/// Connections of one agent under one policy. Cloning shares them; the last clone closes them.
#[derive(Clone)]
pub struct Pool {
    network: Network,
    idle: Arc<Mutex<Idle>>,
}

#[derive(Default)]
struct Idle {
    places: HashMap<Place, Vec<Kept>>,
    count: usize,
    /// Credentials under which nothing is kept any more.
    revoked: HashSet<String>,
}

/// Called with the address that a request goes to, and how many bytes of it.
pub type Noting<'a> = &'a (dyn Fn(Option<(SocketAddr, Sent)>) + Send + Sync);

struct Kept {
    conn: Box<Conn>,
    terms: Terms,
    since: Instant,
}

/// What a connection was opened under; another request uses it only if its own are the same.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Terms {
    bounds: Bounds,
    header_bytes: u64,
    header_count: usize,
}

impl Terms {
    fn is_under(&self, credential: &str) -> bool {
        self.bounds.credential.as_deref() == Some(credential)
    }
}

/// The way of one connection back into its pool.
pub(crate) struct Returns {
    idle: Arc<Mutex<Idle>>,
    place: Place,
    terms: Terms,
}

impl std::fmt::Debug for Pool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Pool")
    }
}

impl Pool {
    pub(crate) fn new(network: Network) -> Self {
        Self { network, idle: Arc::default() }
    }

    /// Sends a permitted request and waits for the head of its response. Dropping the future closes its connection.
    ///
    /// A connection that is used again and proves to be closed before a byte of the request was written is replaced by a
    /// new one, once. Nothing else is ever tried again.
    ///
    /// # Errors
    /// [`NetError`]: with a `reason` where an address was refused; nothing was sent then.
    pub async fn send(&self, request: WireRequest) -> Result<Response, NetError> {
        self.send_noting(request, &|_| ()).await
    }

    /// The same, for a caller that notes the address that a request went to, and how many bytes of it. The callback is called just before
    /// the request is handed to a connection, and with `None` if nothing of it was written after all. Whatever becomes of the request, the
    /// last call is right.
    ///
    /// # Errors
    /// As [`Pool::send`].
    pub async fn send_noting(&self, request: WireRequest, noting: Noting<'_>) -> Result<Response, NetError> {
        let mut wire = to_http(&request)?;
        let sent = sent_of(&wire);
        let WireRequest { target, bounds, timeouts, limits, .. } = request;
        let place = Place { scheme: target.scheme, host: target.host, port: target.port };
        let terms = Terms { bounds, header_bytes: limits.header_bytes, header_count: limits.header_count };
        let mut returns = Returns { idle: Arc::clone(&self.idle), place, terms };
        if let Some(conn) = self.free(&returns) {
            noting(Some((conn.peer, sent)));
            match exchange(conn, wire, returns, (timeouts, limits)).await {
                Ok(response) => return Ok(response),
                Err(Lost::Failed(err)) => return Err(err),
                Err(Lost::Unsent(unsent)) => (wire, returns) = *unsent,
            }
            noting(None);
        }
        let dialled = dial(&self.network.shared, &returns.place, &returns.terms.bounds, timeouts.connect).await?;
        let peer = dialled.peer;
        let conn = Box::new(Conn::open(dialled, &limits).await?);
        noting(Some((peer, sent)));
        exchange(conn, wire, returns, (timeouts, limits)).await.map_err(|lost| match lost {
            Lost::Failed(err) => err,
            Lost::Unsent(_) => {
                noting(None);
                NetError::new(effect::HttpFault::Incomplete, "closed before anything was sent").with_peer(peer)
            }
        })
    }

    /// Closes what is kept of connections that were opened under a credential, and keeps none of it from now on. What is still being read is its
    /// reader's to close.
    pub fn revoke(&self, credential: &str) {
        let closed = lock(&self.idle).revoke(credential);
        // Closing sends what TLS has to say: not under the lock.
        drop(closed);
    }

    /// How many connections are kept at the moment.
    pub fn idle(&self) -> usize {
        lock(&self.idle).count
    }

    /// A kept connection that still stands; those met on the way that don't are closed.
    fn free(&self, returns: &Returns) -> Option<Box<Conn>> {
        loop {
            let mut conn = lock(&self.idle).take(&returns.place, &returns.terms)?;
            if conn.is_free() && conn.is_quiet() {
                return Some(conn);
            }
        }
    }
}

fn lock(idle: &Mutex<Idle>) -> MutexGuard<'_, Idle> {
    // What is in there is whole after every statement, so a panic elsewhere leaves nothing half done.
    idle.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Idle {
    /// The one that was used last, so that those in excess grow old.
    fn take(&mut self, place: &Place, terms: &Terms) -> Option<Box<Conn>> {
        let kept = self.places.get_mut(place)?;
        let at = kept.iter().rposition(|kept| kept.terms == *terms && kept.since.elapsed() < IDLE_AGE_MAX)?;
        self.count -= 1;
        Some(kept.remove(at).conn)
    }

    fn put(&mut self, place: Place, kept: Kept) {
        if self.revoked.iter().any(|credential| kept.terms.is_under(credential)) {
            return;
        }
        let here = self.places.get(&place).map_or(0, Vec::len);
        if self.count >= IDLE_MAX || here >= IDLE_MAX_PER_PLACE {
            self.drop_old();
        }
        let here = self.places.entry(place).or_default();
        if self.count < IDLE_MAX && here.len() < IDLE_MAX_PER_PLACE {
            here.push(kept);
            self.count += 1;
        }
    }

    fn revoke(&mut self, credential: &str) -> Vec<Kept> {
        self.revoked.insert(credential.to_owned());
        let mut closed = Vec::new();
        for kept in self.places.values_mut() {
            let (under, others) = std::mem::take(kept).into_iter().partition(|kept| kept.terms.is_under(credential));
            *kept = others;
            closed.extend::<Vec<Kept>>(under);
        }
        self.count -= closed.len();
        closed
    }

    fn drop_old(&mut self) {
        self.places.retain(|_, kept| {
            kept.retain(|kept| kept.since.elapsed() < IDLE_AGE_MAX);
            !kept.is_empty()
        });
        self.count = self.places.values().map(Vec::len).sum();
    }
}

impl Returns {
    #[expect(clippy::disallowed_methods, reason = "door: time-outs")]
    pub(crate) fn put(self, conn: Box<Conn>) {
        let kept = Kept { conn, terms: self.terms, since: Instant::now() };
        lock(&self.idle).put(self.place, kept);
    }
}
