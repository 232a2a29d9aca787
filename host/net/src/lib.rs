//! The only sockets of the host to the world: resolves names, judges every address, dials what was judged, speaks HTTP/1.1 within bounds.
//!
//! Whether a request may be made at all is decided before it comes here (`policy::decide`, kept by `gate`); this room only
//! applies the address table to what a name turns out to be, and never decides again. Secrets, redaction and what the guest
//! is told are `broker`'s.
//!
//! INVARIANTS: a name is looked up anew for every new connection, and every address it has is judged; a connection goes to
//! an address that was judged, and is compared with it; no redirect is followed, no proxy of the environment is asked, no
//! cookie kept, no other protocol switched to; whatever a server sends is bounded in bytes and in time. Dropping a future or
//! a body closes its connection: nothing runs beside the caller.

mod body;
mod conn;
mod dial;
mod err;
mod exchange;
mod pool;
mod resolve;
mod tls;
mod wire;

use std::sync::Arc;

use policy::address::OwnListeners;

pub use body::BodyReader;
pub use err::{NetError, SetupError};
pub use pool::{Noting, Pool};
pub use resolve::Resolver;
pub use wire::{Response, ResponseLimits, Timeouts, WireRequest};

/// What an operator configures of the network.
#[derive(Clone, Debug, Default)]
pub struct NetworkConfig {
    /// Name servers; those of `/etc/resolv.conf` where none is named.
    pub resolvers: Vec<std::net::SocketAddr>,
    /// Certificates trusted beside the public roots: each one DER, or PEM with one or more.
    pub roots: Vec<Vec<u8>>,
    /// What this host listens on itself.
    pub own: OwnListeners,
}

/// What all agents of a host share: name servers, roots, and what is never dialled. Connections are not among it.
#[derive(Clone)]
pub struct Network {
    shared: Arc<Shared>,
}

struct Shared {
    resolver: Resolver,
    tls: tokio_rustls::TlsConnector,
    own: OwnListeners,
}

impl Network {
    /// Prepares resolver and TLS; opens nothing.
    ///
    /// # Errors
    /// A root that is no certificate.
    pub fn new(config: &NetworkConfig) -> Result<Self, SetupError> {
        let shared = Shared { resolver: Resolver::new(config), tls: tls::connector(&config.roots)?, own: config.own.clone() };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// A set of connections of its own. SECURITY: one for each agent and policy, so that no agent is handed a connection
    /// that another one has used.
    pub fn pool(&self) -> Pool {
        Pool::new(self.clone())
    }
}

impl std::fmt::Debug for Network {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Network")
    }
}
