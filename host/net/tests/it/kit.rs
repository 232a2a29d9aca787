//! A server whose answers the test chooses, and a client with short time-outs.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use net::{NetError, Network, NetworkConfig, Pool, ResponseLimits, Timeouts, WireRequest};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpListener;
use vocabulary::{Bounds, Header, HttpFault, HttpHead, HttpTarget, Method, Scheme};

/// The time-out of a wait that is meant to expire.
pub(crate) const SHORT: Duration = Duration::from_millis(60);

/// What a server does after its answer.
#[derive(Clone)]
pub(crate) enum Then {
    /// Waits for the next request.
    Listen,
    /// Closes.
    Close,
    /// Sends nothing more, and keeps the connection.
    Hang,
    /// Sends this again and again.
    Flood(Vec<u8>),
    /// Sends this one byte at a time.
    Drip(Vec<u8>),
}

pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    accepted: Arc<AtomicUsize>,
    heard: Arc<Mutex<Vec<String>>>,
}

impl Server {
    /// Answers the n-th request, counted from 0 over all connections.
    pub(crate) async fn answering(answer: impl Fn(usize, &str) -> (Vec<u8>, Then) + Send + Sync + 'static) -> Self {
        Self::at("127.0.0.1:0", answer).await.unwrap()
    }

    pub(crate) async fn saying(text: &str, then: Then) -> Self {
        let text = text.to_owned();
        Self::answering(move |_, _| (text.clone().into_bytes(), then.clone())).await
    }

    /// `None` if another process has the port.
    pub(crate) async fn at(address: &str, answer: impl Fn(usize, &str) -> (Vec<u8>, Then) + Send + Sync + 'static) -> Option<Self> {
        let listener = TcpListener::bind(address).await.ok()?;
        let server = Self { address: listener.local_addr().unwrap(), accepted: Arc::default(), heard: Arc::default() };
        let (accepted, heard, answer) = (Arc::clone(&server.accepted), Arc::clone(&server.heard), Arc::new(answer));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                accepted.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(speak(stream, Arc::clone(&heard), Arc::clone(&answer)));
            }
        });
        Some(server)
    }

    /// The number of connections so far.
    pub(crate) fn accepted(&self) -> usize {
        self.accepted.load(Ordering::SeqCst)
    }

    /// The requests so far, as they arrived.
    pub(crate) fn heard(&self) -> Vec<String> {
        self.heard.lock().unwrap().clone()
    }
}

pub(crate) async fn speak<S, F>(mut stream: S, heard: Arc<Mutex<Vec<String>>>, answer: Arc<F>)
where
    S: AsyncRead + AsyncWrite + Unpin,
    F: Fn(usize, &str) -> (Vec<u8>, Then),
{
    while let Some(request) = read_request(&mut stream).await {
        let n = {
            let mut heard = heard.lock().unwrap();
            heard.push(request.clone());
            heard.len() - 1
        };
        let (text, then) = answer(n, &request);
        if stream.write_all(&text).await.is_err() || stream.flush().await.is_err() {
            return;
        }
        match then {
            Then::Listen => {}
            Then::Close => {
                let _ = stream.shutdown().await;
                return;
            }
            Then::Hang => {
                let _ = stream.read(&mut [0]).await;
                return;
            }
            Then::Flood(text) => while stream.write_all(&text).await.is_ok() {},
            Then::Drip(text) => {
                let mut beat = tokio::time::interval(SHORT / 4);
                for byte in text {
                    beat.tick().await;
                    if stream.write_all(&[byte]).await.is_err() {
                        return;
                    }
                }
            }
        }
    }
}

pub(crate) async fn read_request(stream: &mut (impl AsyncRead + Unpin)) -> Option<String> {
    let mut text = Vec::new();
    loop {
        let mut byte = [0; 4096];
        let count = stream.read(&mut byte).await.ok()?;
        if count == 0 {
            return None;
        }
        text.extend_from_slice(&byte[..count]);
        let Some(at) = text.windows(4).position(|window| window == b"\r\n\r\n") else { continue };
        let head = String::from_utf8_lossy(&text[..at]).to_lowercase();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).map_or(0, |length| length.parse().unwrap());
        if text.len() >= at + 4 + length {
            return Some(String::from_utf8_lossy(&text).into_owned());
        }
    }
}

pub(crate) fn network() -> Network {
    Network::new(&NetworkConfig::default()).unwrap()
}

pub(crate) fn pool() -> Pool {
    network().pool()
}

/// A GET within ample bounds and short times.
pub(crate) fn get(url: &str) -> WireRequest {
    let (scheme, rest) = url.split_once("://").unwrap();
    let scheme = if scheme == "http" { Scheme::Http } else { Scheme::Https };
    let (authority, path) = rest.split_at(rest.find('/').unwrap());
    WireRequest {
        target: HttpTarget::parse(scheme, authority, path).unwrap(),
        method: Method::new("GET").unwrap(),
        headers: Vec::new(),
        body: bytes::Bytes::new(),
        bounds: Bounds::default(),
        timeouts: Timeouts { connect: Duration::from_secs(5), first_byte: Duration::from_secs(5), between_bytes: Duration::from_secs(5) },
        limits: ResponseLimits::default(),
    }
}

pub(crate) fn get_from(server: &Server, path: &str) -> WireRequest {
    get(&format!("http://{}{path}", server.address))
}

/// Lists these networks in the bounds.
pub(crate) fn listing(mut request: WireRequest, nets: &[&str]) -> WireRequest {
    request.bounds.addresses = nets.iter().map(|net| net.parse().unwrap()).collect();
    request
}

pub(crate) fn header(name: &str, value: &str) -> Header {
    Header { name: name.to_owned(), value: value.into() }
}

/// A response, read to its end or as far as it arrived.
#[derive(Debug)]
pub(crate) struct Whole {
    pub(crate) head: HttpHead,
    pub(crate) body: Vec<u8>,
    pub(crate) largest: usize,
    pub(crate) trailers: Vec<Header>,
    pub(crate) fault: Option<HttpFault>,
}

pub(crate) async fn fetch(pool: &Pool, request: WireRequest) -> Result<Whole, NetError> {
    let mut response = pool.send(request).await?;
    let mut whole = Whole { head: response.head, body: Vec::new(), largest: 0, trailers: Vec::new(), fault: None };
    while let Some(piece) = response.body.next().await {
        match piece {
            Ok(piece) => {
                whole.largest = whole.largest.max(piece.len());
                whole.body.extend_from_slice(&piece);
            }
            Err(fault) => whole.fault = Some(fault),
        }
    }
    assert_eq!(response.body.is_whole(), whole.fault.is_none(), "a body is whole or faulty");
    whole.trailers = response.body.take_trailers();
    Ok(whole)
}

/// The fault of a request that has no response.
#[track_caller]
pub(crate) fn fault(fetched: Result<Whole, NetError>) -> HttpFault {
    match fetched {
        Err(err) => err.fault,
        Ok(whole) => panic!("a response came: {whole:?}"),
    }
}

/// Status and body of a request that went well.
#[track_caller]
pub(crate) fn good(fetched: Result<Whole, NetError>) -> (u16, String) {
    let whole = fetched.unwrap();
    assert_eq!(whole.fault, None, "{whole:?}");
    (whole.head.status, String::from_utf8(whole.body).unwrap())
}
