//! What all agents of a host share of the network.

use std::net::SocketAddr;
use std::sync::Arc;

use policy::address::OwnListeners;

use crate::dial::NetShared;
use crate::err::SetupError;
use crate::pool::Pool;
use crate::resolve::Resolver;
use crate::tls;

/// The network settings of an operator.
#[derive(Clone, Debug, Default)]
pub struct NetworkConfig {
    /// The name servers. If empty, those of `/etc/resolv.conf`.
    pub resolvers: Vec<SocketAddr>,
    /// Certificates that are trusted in addition to the public roots. Each is in DER, or is PEM with one or more certificates.
    pub roots: Vec<Vec<u8>>,
    /// The addresses on which this host itself listens.
    pub own: OwnListeners,
}

/// What all agents of a host share: name servers, roots, and the addresses that are never dialled. Connections are not shared.
#[derive(Clone)]
pub struct Network {
    shared: Arc<NetShared>,
}

impl Network {
    /// Prepares the resolver and TLS. Opens no connection.
    ///
    /// # Errors
    /// A root that is not a certificate.
    pub fn new(config: &NetworkConfig) -> Result<Self, SetupError> {
        let shared = NetShared { resolver: Resolver::new(&config.resolvers), tls: tls::connector(&config.roots)?, own: config.own.clone() };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// A new set of connections. SECURITY: each agent and policy has its own, so that no agent gets a connection that another one has used.
    pub fn pool(&self) -> Pool {
        Pool::new(Arc::clone(&self.shared))
    }
}

impl std::fmt::Debug for Network {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Network")
    }
}
