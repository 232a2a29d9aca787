//! The TLS client: version 1.2 or later, the public roots and the operator's, and no state that is kept between connections.

use std::sync::Arc;

use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::client::Resumption;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, ProtocolVersion, RootCertStore, crypto::ring, version};
use vocabulary::record::Tls;
use vocabulary::{Digest, HostName, HttpFault, SafeText};

use crate::err::{NetError, SetupError};

/// The settings of every handshake of this host.
pub(crate) fn connector(roots: &[Vec<u8>]) -> Result<TlsConnector, SetupError> {
    let mut store = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    for (index, root) in roots.iter().enumerate() {
        for certificate in certificates(root).ok_or(SetupError::Root { index })? {
            store.add(certificate).map_err(|_| SetupError::Root { index })?;
        }
    }
    let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(&[&version::TLS13, &version::TLS12])
        .map_err(|cause| SetupError::Tls { cause })?
        .with_root_certificates(store)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    // SECURITY: a session ticket would link connections of different agents, and the server would not have to show its certificate again.
    config.resumption = Resumption::disabled();
    Ok(TlsConnector::from(Arc::new(config)))
}

fn certificates(root: &[u8]) -> Option<Vec<CertificateDer<'static>>> {
    if !root.windows(11).any(|window| window == b"-----BEGIN ") {
        return Some(vec![CertificateDer::from(root.to_vec())]);
    }
    let found: Vec<_> = CertificateDer::pem_slice_iter(root).collect::<Result<_, _>>().ok()?;
    if found.is_empty() { None } else { Some(found) }
}

/// Does the handshake for exactly this name or address.
pub(crate) async fn handshake(connector: &TlsConnector, host: &HostName, tcp: TcpStream) -> Result<(TlsStream<TcpStream>, Tls), NetError> {
    let unreachable = |detail: &str| NetError::new(HttpFault::Unreachable, detail);
    let name = match host {
        HostName::Name(name) => ServerName::try_from(name.clone()).map_err(|_| unreachable("not a valid name for TLS"))?,
        HostName::V4(address) => ServerName::from(std::net::IpAddr::V4(*address)),
        HostName::V6(address) => ServerName::from(std::net::IpAddr::V6(*address)),
    };
    let stream = connector.connect(name, tcp).await.map_err(|err| unreachable(&format!("TLS: {err}")))?;
    let (_, session) = stream.get_ref();
    let version = match session.protocol_version() {
        Some(ProtocolVersion::TLSv1_3) => "TLSv1.3",
        Some(ProtocolVersion::TLSv1_2) => "TLSv1.2",
        _ => return Err(unreachable("TLS of an unknown version")),
    };
    let leaf = session.peer_certificates().and_then(<[_]>::first).ok_or_else(|| unreachable("TLS without a certificate"))?;
    let leaf = webpki::EndEntityCert::try_from(leaf).map_err(|_| unreachable("TLS with a certificate that can't be read"))?;
    let key = Digest::of(leaf.subject_public_key_info().as_ref());
    Ok((stream, Tls { key, version: SafeText::new(version, 16) }))
}
