//! TLS needs the right name, a trusted root and a valid date. Otherwise nothing is sent.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use net::{Network, NetworkConfig, Pool};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, PublicKeyData as _, date_time_ymd};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio_rustls::rustls::{ServerConfig, SupportedProtocolVersion, crypto::ring, version};
use vocabulary::{Digest, HttpFault};

use crate::kit::{Then, fetch, get, listing, speak};
use crate::name_server::{NameServer, has};

struct Secure {
    port: u16,
    /// The digest of the server's key.
    key: Digest,
    /// The number of requests that arrived.
    heard: Arc<std::sync::Mutex<Vec<String>>>,
    accepted: Arc<AtomicUsize>,
}

fn authority() -> CertifiedIssuer<'static, KeyPair> {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

async fn serve(
    params: CertificateParams,
    issuer: Option<&CertifiedIssuer<'static, KeyPair>>,
    versions: &[&'static SupportedProtocolVersion],
) -> Secure {
    let key = KeyPair::generate().unwrap();
    let cert = match issuer {
        Some(issuer) => params.signed_by(&key, issuer).unwrap(),
        None => params.self_signed(&key).unwrap(),
    };
    let private = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(versions)
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], private)
        .unwrap();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let secure = Secure {
        port: listener.local_addr().unwrap().port(),
        key: Digest::of(&key.subject_public_key_info()),
        heard: Arc::default(),
        accepted: Arc::default(),
    };
    let (heard, accepted) = (Arc::clone(&secure.heard), Arc::clone(&secure.accepted));
    tokio::spawn(async move {
        while let Ok((tcp, _)) = listener.accept().await {
            accepted.fetch_add(1, Ordering::SeqCst);
            let (acceptor, heard) = (acceptor.clone(), Arc::clone(&heard));
            tokio::spawn(async move {
                if let Ok(stream) = acceptor.accept(tcp).await {
                    let ok = |_: usize, _: &str| (b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok".to_vec(), Then::Listen);
                    speak(stream, heard, Arc::new(ok)).await;
                }
            });
        }
    });
    secure
}

const BOTH: &[&SupportedProtocolVersion] = &[&version::TLS13, &version::TLS12];

fn params(name: &str) -> CertificateParams {
    CertificateParams::new(vec![name.to_owned()]).unwrap()
}

async fn pool(roots: Vec<Vec<u8>>) -> Pool {
    let names = NameServer::answering(|_, _| has(&["127.0.0.1"])).await;
    Network::new(&NetworkConfig { resolvers: vec![names.address], roots, ..NetworkConfig::default() }).unwrap().pool()
}

#[tokio::test]
async fn a_certificate_of_a_trusted_root_is_accepted_and_its_key_is_named() {
    let root = authority();
    for (versions, version) in [(BOTH, "TLSv1.3"), (&BOTH[1..], "TLSv1.2")] {
        let server = serve(params("api.test"), Some(&root), versions).await;
        for roots in [vec![root.der().to_vec()], vec![root.pem().into_bytes()]] {
            let request = listing(get(&format!("https://api.test:{}/", server.port)), &["127.0.0.1/32"]);
            let response = pool(roots).await.send(request).await.unwrap();
            let tls = response.tls.unwrap();
            assert_eq!((tls.key, tls.version.as_str()), (server.key, version));
        }
        assert_eq!(server.heard.lock().unwrap().len(), 2);
    }
}

#[tokio::test]
async fn a_server_with_another_key_than_those_that_are_pinned_is_sent_nothing() {
    let root = authority();
    let server = serve(params("api.test"), Some(&root), BOTH).await;
    let pool = pool(vec![root.der().to_vec()]).await;
    let pinned = |pins: Vec<Digest>| {
        let mut request = listing(get(&format!("https://api.test:{}/", server.port)), &["127.0.0.1/32"]);
        request.bounds.pins = pins;
        request
    };
    let err = pool.send(pinned(vec![Digest::of(b"another")])).await.unwrap_err();
    assert_eq!(err.reason, Some(vocabulary::Reason::KeyNotPinned));
    assert!(server.heard.lock().unwrap().is_empty());
    assert!(pool.send(pinned(vec![Digest::of(b"another"), server.key])).await.is_ok());
    // A connection that was made without a pin is not used for a request with one.
    assert!(fetch(&pool, pinned(Vec::new())).await.is_ok());
    assert!(pool.send(pinned(vec![Digest::of(b"another")])).await.is_err());
}

#[tokio::test]
async fn a_connection_over_tls_is_used_again() {
    let root = authority();
    let server = serve(params("api.test"), Some(&root), BOTH).await;
    let pool = pool(vec![root.der().to_vec()]).await;
    for _ in 0..5 {
        let request = listing(get(&format!("https://api.test:{}/", server.port)), &["127.0.0.1/32"]);
        assert_eq!(fetch(&pool, request).await.unwrap().body, b"ok");
    }
    assert_eq!(server.accepted.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_literal_address_is_held_against_the_addresses_of_the_certificate() {
    let root = authority();
    let pool = pool(vec![root.der().to_vec()]).await;
    let server = serve(params("127.0.0.1"), Some(&root), BOTH).await;
    assert_eq!(fetch(&pool, get(&format!("https://127.0.0.1:{}/", server.port))).await.unwrap().body, b"ok");
    let server = serve(params("api.test"), Some(&root), BOTH).await;
    let err = fetch(&pool, get(&format!("https://127.0.0.1:{}/", server.port))).await.unwrap_err();
    assert_eq!(err.fault, HttpFault::Unreachable);
}

#[tokio::test]
async fn bad_certificates_are_refused_before_anything_is_sent() {
    let root = authority();
    let mut expired = params("api.test");
    (expired.not_before, expired.not_after) = (date_time_ymd(2020, 1, 1), date_time_ymd(2021, 1, 1));
    let mut early = params("api.test");
    (early.not_before, early.not_after) = (date_time_ymd(3000, 1, 1), date_time_ymd(3001, 1, 1));
    let stranger = authority();
    let cases = [
        ("wrong name", params("other.test"), Some(&root)),
        ("wildcard of another level", params("*.api.test"), Some(&root)),
        ("expired", expired, Some(&root)),
        ("not yet good", early, Some(&root)),
        ("self-signed", params("api.test"), None),
        ("unknown root", params("api.test"), Some(&stranger)),
    ];
    let pool = pool(vec![root.der().to_vec()]).await;
    for (what, params, issuer) in cases {
        let server = serve(params, issuer, BOTH).await;
        let request = listing(get(&format!("https://api.test:{}/", server.port)), &["127.0.0.1/32"]);
        let err = fetch(&pool, request).await.unwrap_err();
        assert_eq!((err.fault, err.reason.clone()), (HttpFault::Unreachable, None), "{what}");
        assert!(err.detail.as_str().starts_with("TLS: "), "{what}: {}", err.detail);
        assert_eq!(server.heard.lock().unwrap().len(), 0, "{what}");
    }
}

#[tokio::test]
async fn a_server_without_tls_is_unreachable_over_https() {
    let server = crate::kit::Server::saying("HTTP/1.1 200 OK\r\n\r\n", Then::Close).await;
    let mut request = get(&format!("https://{}/", server.address));
    request.timeouts.connect = crate::kit::SHORT;
    let err = fetch(&pool(Vec::new()).await, request).await.unwrap_err();
    assert!(matches!(err.fault, HttpFault::Unreachable | HttpFault::TimedOut), "{err:?}");
    assert_eq!(server.heard(), Vec::<String>::new());
}

#[tokio::test]
async fn roots_that_are_none_are_refused_at_once() {
    for bad in [b"nonsense".to_vec(), Vec::new(), b"-----BEGIN PRIVATE KEY-----\nAA==\n-----END PRIVATE KEY-----\n".to_vec()] {
        let config = NetworkConfig { roots: vec![bad], ..NetworkConfig::default() };
        assert_eq!(Network::new(&config).unwrap_err().to_string(), "root 0 is not a certificate in PEM or DER");
    }
}
