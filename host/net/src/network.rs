//! What all agents of a host share of the network.

use std::net::SocketAddr;
use std::sync::Arc;

use policy::address::OwnListeners;

use crate::dial::NetShared;
use crate::err::SetupError;
use crate::pool::Pool;
use crate::resolve::Resolver;
use crate::tls;

/// What an operator configures of the network.
#[derive(Clone, Debug, Default)]
pub struct NetworkConfig {
    /// Name servers; those of `/etc/resolv.conf` where none is named.
    pub resolvers: Vec<SocketAddr>,
    /// Certificates trusted beside the public roots: each one DER, or PEM with one or more.
    pub roots: Vec<Vec<u8>>,
    /// What this host listens on itself.
    pub own: OwnListeners,
}

/// What all agents of a host share: name servers, roots, and what is never dialled. Connections are not among it.
#[derive(Clone)]
pub struct Network {
    shared: Arc<NetShared>,
}

impl Network {
    /// Prepares resolver and TLS; opens nothing.
    ///
    /// # Errors
    /// A root that is no certificate.
    pub fn new(config: &NetworkConfig) -> Result<Self, SetupError> {
        let shared = NetShared { resolver: Resolver::new(&config.resolvers), tls: tls::connector(&config.roots)?, own: config.own.clone() };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// A set of connections of its own. SECURITY: one for each agent and policy, so that no agent is handed a connection
    /// that another one has used.
    pub fn pool(&self) -> Pool {
        Pool::new(Arc::clone(&self.shared))
    }
}

impl std::fmt::Debug for Network {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Network")
    }
}
