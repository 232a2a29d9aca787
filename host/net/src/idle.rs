//! Connections between two requests: which ones are kept, and under which terms they are used again.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use vocabulary::Bounds;

use crate::conn::Conn;
use crate::dial::DialTarget;
use crate::wire::ResponseLimits;

/// BOUND: connections kept for one target.
const IDLE_MAX_PER_PLACE: usize = 64;
/// BOUND: connections kept in all.
const IDLE_MAX: usize = 256;
/// BOUND: how long a connection is kept. Common servers close idle connections after 60 to 75 s.
const IDLE_AGE_MAX: Duration = Duration::from_secs(60);

/// The connections of one pool that no request uses now. Clones share them; dropping the last clone closes them.
#[derive(Clone, Default)]
pub(crate) struct IdleConns(Arc<Mutex<Idle>>);

#[derive(Default)]
struct Idle {
    places: HashMap<DialTarget, Vec<PooledConn>>,
    count: usize,
    /// Credentials whose connections are no longer kept.
    revoked: HashSet<String>,
}

struct PooledConn {
    conn: Box<Conn>,
    terms: ConnectionTerms,
    since: Instant,
}

/// The terms under which a connection was opened. Another request uses it only if its own terms are the same.
#[derive(Clone, Debug, PartialEq, Eq)]
struct ConnectionTerms {
    bounds: Bounds,
    header_bytes: u64,
    header_count: usize,
}

impl ConnectionTerms {
    fn is_under(&self, credential: &str) -> bool {
        self.bounds.credential.as_deref() == Some(credential)
    }
}

/// The way of one connection back to the idle ones.
pub(crate) struct Returns {
    idle: IdleConns,
    place: DialTarget,
    terms: ConnectionTerms,
}

impl IdleConns {
    /// The way back for a connection to this target. Only requests with the same bounds and limits may use the connection again.
    pub(crate) fn way_back(&self, place: DialTarget, bounds: Bounds, limits: &ResponseLimits) -> Returns {
        let terms = ConnectionTerms { bounds, header_bytes: limits.header_bytes, header_count: limits.header_count };
        Returns { idle: self.clone(), place, terms }
    }

    /// Closes connections that were opened under a credential, and keeps none of them from now on.
    pub(crate) fn revoke(&self, credential: &str) {
        let closed = self.lock().revoke(credential);
        // Closing sends the end of TLS, so it does not happen under the lock.
        drop(closed);
    }

    /// The number of idle connections.
    pub(crate) fn count(&self) -> usize {
        self.lock().count
    }

    fn lock(&self) -> MutexGuard<'_, Idle> {
        // The state is complete after every statement, so a panic elsewhere leaves nothing half done.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Idle {
    /// The connection that was used last, so that superfluous ones grow old.
    fn take(&mut self, place: &DialTarget, terms: &ConnectionTerms) -> Option<Box<Conn>> {
        let kept = self.places.get_mut(place)?;
        let at = kept.iter().rposition(|kept| kept.terms == *terms && kept.since.elapsed() < IDLE_AGE_MAX)?;
        self.count -= 1;
        Some(kept.remove(at).conn)
    }

    fn put(&mut self, place: DialTarget, kept: PooledConn) {
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

    fn revoke(&mut self, credential: &str) -> Vec<PooledConn> {
        self.revoked.insert(credential.to_owned());
        let mut closed = Vec::new();
        for kept in self.places.values_mut() {
            let (under, others) = std::mem::take(kept).into_iter().partition(|kept| kept.terms.is_under(credential));
            *kept = others;
            closed.extend::<Vec<PooledConn>>(under);
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
    pub(crate) fn place(&self) -> &DialTarget {
        &self.place
    }

    pub(crate) fn bounds(&self) -> &Bounds {
        &self.terms.bounds
    }

    /// An idle connection for this target and these terms that is still open. Connections found to be closed are dropped.
    pub(crate) fn take(&self) -> Option<Box<Conn>> {
        loop {
            let mut conn = self.idle.lock().take(&self.place, &self.terms)?;
            if conn.is_free() && conn.is_quiet() {
                return Some(conn);
            }
        }
    }

    #[expect(clippy::disallowed_methods, reason = "door: time-outs")]
    pub(crate) fn put(self, conn: Box<Conn>) {
        let kept = PooledConn { conn, terms: self.terms, since: Instant::now() };
        self.idle.lock().put(self.place, kept);
    }
}
