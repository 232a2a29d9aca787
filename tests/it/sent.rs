//! A request that was handed to a connection and not answered may have happened, whatever broke then: its outcome is `unknown`. Only a
//! request that was never sent is `failed`.

use std::sync::Arc;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tests::certs::Authority;
use tests::host::{TestHost, loopback};
use tests::server::{Server, Step};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use vocabulary::record::{AnswerClass, Record};
use vocabulary::{HttpFault, Scheme};

/// A fatal alert (handshake_failure) in the form before keys are agreed. A client with keys can't read it, and ends the connection.
const ALERT: &[u8] = &[21, 3, 3, 0, 2, 2, 40];
/// A short and a long time-out, in nanoseconds.
const SOON: &str = "150000000";
const LATE: &str = "60000000000";

/// What a server does after a request, or instead of reading one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Does {
    SaysGoodbye,
    SendsAnAlert,
    Resets,
    RefusesTheHandshake,
    ClosesAtOnce,
}

/// Starts a server over TLS that does this; returns its port.
async fn tls(authority: &Authority, does: Does) -> u16 {
    let certified = authority.certifies("127.0.0.1", false);
    let chain = vec![CertificateDer::from_pem_slice(certified.certificate.as_bytes()).unwrap()];
    let key = PrivateKeyDer::from_pem_slice(certified.key.as_bytes()).unwrap();
    let config = rustls::ServerConfig::builder().with_no_client_auth().with_single_cert(chain, key).unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(speak(stream, acceptor.clone(), does));
        }
    });
    port
}

async fn speak(mut stream: TcpStream, acceptor: TlsAcceptor, does: Does) {
    match does {
        Does::ClosesAtOnce => return,
        Does::RefusesTheHandshake => {
            let mut hello = [0; 512];
            let _ = stream.read(&mut hello).await;
            let _ = stream.write_all(ALERT).await;
            return;
        }
        Does::SaysGoodbye | Does::SendsAnAlert | Does::Resets => {}
    }
    let Ok(mut stream) = acceptor.accept(stream).await else { return };
    hear(&mut stream).await;
    match does {
        Does::SaysGoodbye => drop(stream.shutdown().await),
        Does::SendsAnAlert => drop(stream.get_mut().0.write_all(ALERT).await),
        _ => stream.get_ref().0.set_zero_linger().unwrap(),
    }
}

/// Reads a request whose body is `hello`, to its end.
async fn hear(stream: &mut TlsStream<TcpStream>) {
    let (mut heard, mut piece) = (Vec::new(), [0; 1024]);
    while !heard.ends_with(b"\r\n\r\nhello") {
        let read = stream.read(&mut piece).await.unwrap();
        assert!(read > 0, "the client closed before it had sent everything");
        heard.extend_from_slice(&piece[..read]);
    }
}

/// The outcome of the only act of a run, its fault, and whether a part of it was sent.
async fn outcome(host: &TestHost, order: run::RunOrder) -> (AnswerClass, Option<HttpFault>, bool) {
    let report = host.run(order).await;
    let answered = host.records(report.run).into_iter().find_map(|record| match record {
        Record::Answered(answered) => Some(answered),
        _ => None,
    });
    let answered = answered.expect("there is one");
    let [http] = &report.evidence.touched.http[..] else { panic!("{:?}", report.evidence.touched) };
    let counted = (u64::from(answered.class() == AnswerClass::Failed), u64::from(answered.class() == AnswerClass::Unknown));
    assert_eq!((http.failed, http.unknown), counted, "the report says the same");
    assert_eq!(http.sent > 0, answered.sent().is_some());
    (answered.class(), answered.how.http().and_then(|http| http.fault), answered.sent().is_some())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_server_over_tls_heard_and_broke_off_is_unknown_and_a_handshake_that_failed_is_failed() {
    let (host, authority) = (TestHost::new(), Authority::new());
    for (does, class) in [
        (Does::SaysGoodbye, AnswerClass::Unknown),
        (Does::SendsAnAlert, AnswerClass::Unknown),
        (Does::Resets, AnswerClass::Unknown),
        (Does::RefusesTheHandshake, AnswerClass::Failed),
        (Does::ClosesAtOnce, AnswerClass::Failed),
    ] {
        let port = tls(&authority, does).await;
        let mut order = host.order("post", &[&format!("https://127.0.0.1:{port}/x")]);
        loopback(&mut order.grants, port, &["POST"], &["/**"]);
        order.grants.http[0].scheme = Scheme::Https;
        order.network.roots.push(authority.root());
        let (found, _, sent) = outcome(&host, order).await;
        assert_eq!((found, sent), (class, class == AnswerClass::Unknown), "{does:?}");
    }
    // A certificate of an untrusted authority.
    let port = tls(&Authority::new(), Does::SaysGoodbye).await;
    let mut order = host.order("post", &[&format!("https://127.0.0.1:{port}/x")]);
    loopback(&mut order.grants, port, &["POST"], &["/**"]);
    order.grants.http[0].scheme = Scheme::Https;
    order.network.roots.push(authority.root());
    let (found, _, sent) = outcome(&host, order).await;
    assert_eq!((found, sent), (AnswerClass::Failed, false));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_timed_out_after_it_was_sent_is_unknown_and_what_timed_out_while_connecting_is_failed() {
    let host = TestHost::new();
    let silent = Server::doing(vec![Step::Hang]).await;
    // The system accepts the connection, but no program ever answers.
    let deaf = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let deaf_port = deaf.local_addr().unwrap().port();
    for (scheme, port, timeouts, class) in [
        (Scheme::Http, silent.port(), [LATE, SOON, LATE], AnswerClass::Unknown),
        (Scheme::Https, deaf_port, [SOON, LATE, LATE], AnswerClass::Failed),
    ] {
        let url = format!("{}://127.0.0.1:{port}/x", if scheme == Scheme::Http { "http" } else { "https" });
        let mut order = host.order("sets_timeouts", &[&url, timeouts[0], timeouts[1], timeouts[2]]);
        loopback(&mut order.grants, port, &["GET"], &["/**"]);
        order.grants.http[0].scheme = scheme;
        assert_eq!(outcome(&host, order).await, (class, Some(HttpFault::TimedOut), class == AnswerClass::Unknown), "{url}");
    }
    assert_eq!(silent.heard().len(), 1);
}
