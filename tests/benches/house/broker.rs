//! The broker's cost for a request over TLS, the time from revoking a lease until its streams end, and the memory of many slow answers.

use std::cell::Cell;
use std::convert::Infallible;
use std::fs::File;
use std::io::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http_body_util::{BodyExt as _, Empty, Full};
use hyper::body::Bytes;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use run::{Revoking, RunOrder};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tests::certs::{Authority, Certified};
use tests::host::{TestHost, loopback};
use tests::server::{Server, Step};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use vault::{Local, Secret};
use vocabulary::{Binding, Placement, Scheme, Source};

use crate::http::log_state;
use crate::{median, pairs, row};

const ASKS: u32 = 400;
const SLOW: usize = 5000;
const VALUE: &str = "tok_Zm9vYmFyYmF6cXV4cXV1eA";

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

/// An order whose requests are sent with a credential.
fn order(host: &TestHost, guest: &str, port: u16, args: &[&str]) -> RunOrder {
    Local::new(&host.place().home)
        .set_for("inventory", Secret::new(VALUE.as_bytes().to_vec()).unwrap(), &tests::asks::loopback(), 1)
        .unwrap();
    let mut order = host.order(guest, args);
    loopback(&mut order.grants, port, &["GET"], &["/**"]);
    order.grants.http[0].credential = Some("inventory".to_owned());
    let hosts = vec!["127.0.0.1".parse().unwrap()];
    order.grants.credentials.push(Binding { scheme: Scheme::Http, ..Binding::new("inventory", hosts, Placement::Bearer, Source::Local) });
    order
}

async fn tls_server(certified: &Certified) -> u16 {
    let chain = vec![CertificateDer::from_pem_slice(certified.certificate.as_bytes()).unwrap()];
    let key = PrivateKeyDer::from_pem_slice(certified.key.as_bytes()).unwrap();
    let config = rustls::ServerConfig::builder().with_no_client_auth().with_single_cert(chain, key).unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            stream.set_nodelay(true).unwrap();
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let Ok(stream) = acceptor.accept(stream).await else { return };
                let answer = service_fn(|_| async { Ok::<_, Infallible>(hyper::Response::new(Full::new(Bytes::from_static(b"hello")))) });
                let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), answer).await;
            });
        }
    });
    port
}

/// Sends one request after the other over one connection, each after syncing a batch like that of an intent.
async fn bare(port: u16, root: &[u8], file: &mut File, batch: &[u8], batches: u64) {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(root).unwrap()).unwrap();
    let config = rustls::ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    let stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
    let stream = connector.connect(ServerName::try_from("127.0.0.1").unwrap(), stream).await.unwrap();
    let (mut sender, conn) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(conn);
    for n in 0..ASKS {
        if u64::from(n) < batches {
            file.write_all(batch).unwrap();
            file.sync_data().unwrap();
        }
        sender.ready().await.unwrap();
        let request = hyper::Request::get(format!("/{n}")).header("host", "127.0.0.1").header("authorization", format!("Bearer {VALUE}"));
        let answer = sender.send_request(request.body(Empty::<Bytes>::new()).unwrap()).await.unwrap();
        answer.into_body().collect().await.unwrap();
    }
}

/// Asks with a credential over TLS, with scrubbing and recording, one after the other.
pub(crate) fn ask() {
    let runtime = runtime();
    let _inside = runtime.enter();
    let authority = Authority::new();
    let port = runtime.block_on(tls_server(&authority.certifies("127.0.0.1", false)));
    let host = TestHost::new();
    let mut order = order(&host, "many_gets", port, &[&format!("https://127.0.0.1:{port}"), &ASKS.to_string(), "1"]);
    order.grants.http[0].scheme = Scheme::Https;
    order.grants.credentials[0].scheme = Scheme::Https;
    order.network.roots = vec![authority.root()];
    let state = || log_state(&host.place().home);
    let (mut before, written) = (state(), Cell::new((1, 1)));
    let mut ours = || {
        let began = Instant::now();
        let report = runtime.block_on(host.run(order.clone()));
        let taken = began.elapsed();
        assert_eq!(report.evidence.touched.leases[0].sent, u64::from(ASKS), "{report:?}");
        let after = state();
        written.set((after.0 - before.0, after.1 - before.1));
        before = after;
        taken
    };
    ours();
    let mut file = File::create(host.folder.path().join("raw")).unwrap();
    let root = authority.root();
    let base = || {
        let (batches, bytes) = written.get();
        let batch = vec![7; usize::try_from(bytes / batches).unwrap()];
        let began = Instant::now();
        runtime.block_on(bare(port, &root, &mut file, &batch, batches));
        began.elapsed()
    };
    let (_, base, candidate) = pairs(base, ours);
    let added = candidate.saturating_sub(base) / ASKS;
    let us = |time: Duration| time.as_secs_f64() * 1e6;
    let figure = format!("{:.0} µs added ({:.0} µs against {:.0} µs)", us(added), us(candidate / ASKS), us(base / ASKS));
    row(
        "an ask with injection, scrub and record over TLS, one after the other",
        &figure,
        "60 µs added",
        "bare pooled hyper with rustls, and as many batches synced",
    );
}

/// The time from the order to revoke until the run ends whose stream is cut.
pub(crate) fn revoke() {
    let runtime = runtime();
    let mut taken: Vec<Duration> = (0..crate::PAIRS)
        .map(|_| {
            runtime.block_on(async {
                let host = TestHost::new();
                let head = b"HTTP/1.1 200 OK\r\ncontent-length: 999999\r\n\r\n".to_vec();
                let server = Server::doing(vec![Step::Say([head, vec![b'x'; 30_000]].concat()), Step::Hang]).await;
                let running = host.start(order(&host, "get", server.port(), &[&server.url("/")])).await;
                server.until(|counts| counts.steps >= 1).await;
                let began = Instant::now();
                let what = Revoking { agent: None, credential: Some("inventory".to_owned()), run: None };
                assert_eq!(host.house.revoke(&what, &run::own_principal()).unwrap().len(), 1);
                tests::host::report(running).await;
                began.elapsed()
            })
        })
        .collect();
    let figure = format!("{:.1} ms", median(&mut taken).as_secs_f64() * 1e3);
    row("from revoking a lease until its streams and its run have ended", &figure, "100 ms", "absolute");
}

fn resident_bytes() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    statm.split(' ').nth(1).unwrap().parse::<u64>().unwrap() * 4096
}

/// A server that sends a head and the beginning of a body to each client, and nothing more; it counts the clients.
async fn slow_server() -> (u16, watch::Receiver<usize>) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (count, told) = watch::channel(0);
    let count = Arc::new(count);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let count = Arc::clone(&count);
            tokio::spawn(async move {
                let mut request = [0; 2048];
                if stream.read(&mut request).await.unwrap_or(0) == 0 {
                    return;
                }
                let head = b"HTTP/1.1 200 OK\r\ncontent-length: 99999\r\n\r\n".to_vec();
                stream.write_all(&[head, vec![b'x'; 4096]].concat()).await.unwrap();
                count.send_modify(|told| *told += 1);
                let _ = stream.read(&mut request).await;
            });
        }
    });
    (port, told)
}

/// The memory of 5,000 answers that arrive at the same time, under credentials. The server is in this process and is included.
pub(crate) fn slow() {
    let most = rustix::process::getrlimit(rustix::process::Resource::Nofile).maximum;
    let limit = rustix::process::Rlimit { current: most.or(Some(1 << 16)), maximum: most };
    rustix::process::setrlimit(rustix::process::Resource::Nofile, limit).unwrap();
    let runtime = runtime();
    runtime.block_on(async {
        let (port, mut told) = slow_server().await;
        let host = TestHost::new();
        let url = format!("http://127.0.0.1:{port}");
        let mut order = order(&host, "many_gets", port, &[&url, "1000", "1000"]);
        (order.limits.concurrent, order.limits.memory_bytes) = (1000, 64 << 20);
        let before = resident_bytes();
        let mut runs = Vec::new();
        for _ in 0..SLOW / 1000 {
            runs.push(host.start(order.clone()).await);
        }
        told.wait_for(|told| *told == SLOW).await.unwrap();
        // Wait until nothing is under way any more.
        tokio::time::sleep(Duration::from_secs(1)).await;
        let grown = resident_bytes() - before;
        let figure = format!("{} MiB ({:.0} KiB each)", grown >> 20, grown as f64 / SLOW as f64 / 1024.0);
        row("RSS growth with 5,000 slow answers coming in at once, 5 runs", &figure, "1 GiB", "including the server in the same process");
        for running in runs {
            running.stop(vocabulary::Stopping { by: run::own_principal(), means: vocabulary::Means::Stop });
            tests::host::report(running).await;
        }
    });
}
