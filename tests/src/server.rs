//! A server on loopback that does exactly what a test says: it can be honest, slow, lying, or close in the middle.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};

/// A request as it arrived.
#[derive(Clone, Debug)]
pub struct Heard {
    /// The method: `GET`, `POST`, …
    pub method: String,
    /// Path and query, as sent.
    pub path: String,
    /// Everything before the body.
    pub head: String,
    /// The body.
    pub body: Vec<u8>,
}

impl Heard {
    /// Whether the head has this line, without regard to case.
    pub fn has_header(&self, line: &str) -> bool {
        self.head.lines().any(|header| header.eq_ignore_ascii_case(line))
    }
}

/// The only request for a path. Panics if there is none, or more than one.
pub fn only<'a>(heard: &'a [Heard], path: &str) -> &'a Heard {
    let of_it: Vec<_> = heard.iter().filter(|heard| heard.path == path).collect();
    assert_eq!(of_it.len(), 1, "{path}: {of_it:?}");
    of_it.first().expect("there is one")
}

/// One step of a server.
#[derive(Clone, Debug)]
pub enum Step {
    /// Sends these bytes.
    Say(Vec<u8>),
    /// Waits for this time.
    Wait(Duration),
    /// Waits until the test adds a permit, and uses it up.
    Until(Arc<Semaphore>),
    /// Sends these bytes again and again, until the client closes.
    Flood(Vec<u8>),
    /// Sends nothing more, and waits until the client closes.
    Hang,
    /// Closes the connection.
    Close,
}

/// The requests so far, and the counts.
#[derive(Debug, Default)]
struct Seen {
    heard: Mutex<Vec<Heard>>,
    counts: watch::Sender<Counts>,
}

/// Counts of what has happened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Connections that were accepted.
    pub accepted: usize,
    /// Requests that arrived completely.
    pub heard: usize,
    /// Steps that were taken.
    pub steps: usize,
    /// Answers whose steps were all taken.
    pub answered: usize,
}

/// The server. Its connections end with the runtime.
#[derive(Clone, Debug)]
pub struct Server {
    address: SocketAddr,
    seen: Arc<Seen>,
}

type Answer = dyn Fn(usize, &Heard) -> Vec<Step> + Send + Sync;

impl Server {
    /// Starts a server; `answer` gets the number of the request, from 0 over all connections, and returns the steps.
    ///
    /// # Panics
    /// If there is no free port.
    pub async fn answering(answer: impl Fn(usize, &Heard) -> Vec<Step> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let server = Self { address: listener.local_addr().expect("its address"), seen: Arc::default() };
        let (seen, answer): (_, Arc<Answer>) = (Arc::clone(&server.seen), Arc::new(answer));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                seen.count(|counts| counts.accepted += 1);
                tokio::spawn(speak(stream, Arc::clone(&seen), Arc::clone(&answer)));
            }
        });
        server
    }

    /// Starts a server that answers each request with the same steps.
    pub async fn doing(steps: Vec<Step>) -> Self {
        Self::answering(move |_, _| steps.clone()).await
    }

    /// The port on which the server listens.
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// `http://127.0.0.1:PORT` and the path.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// The requests so far.
    pub fn heard(&self) -> Vec<Heard> {
        self.seen.heard().clone()
    }

    /// The counts so far.
    pub fn counts(&self) -> Counts {
        *self.seen.counts.borrow()
    }

    /// Returns when `so` returns true for the counts.
    ///
    /// # Panics
    /// Never: the counts live as long as the server.
    pub async fn until(&self, so: impl FnMut(&Counts) -> bool) {
        self.seen.counts.subscribe().wait_for(so).await.expect("the server lives");
    }
}

impl Seen {
    fn heard(&self) -> MutexGuard<'_, Vec<Heard>> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn count(&self, change: impl FnOnce(&mut Counts)) {
        self.counts.send_modify(change);
    }
}

/// An answer with a body of known length.
#[must_use]
pub fn response(status: u16, body: &[u8]) -> Vec<u8> {
    [format!("HTTP/1.1 {status} Said\r\ncontent-length: {}\r\n\r\n", body.len()).as_bytes(), body].concat()
}

/// The head of an answer whose body comes in pieces.
pub const CHUNKED: &[u8] = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";

/// A piece of such a body; an empty one ends it.
#[must_use]
pub fn chunk(bytes: &[u8]) -> Vec<u8> {
    [format!("{:x}\r\n", bytes.len()).as_bytes(), bytes, b"\r\n"].concat()
}

async fn speak(mut stream: TcpStream, seen: Arc<Seen>, answer: Arc<Answer>) {
    let _ = stream.set_nodelay(true);
    let mut rest = Vec::new();
    while let Some(heard) = hear(&mut stream, &mut rest).await {
        let steps = {
            let mut all = seen.heard();
            let steps = answer(all.len(), &heard);
            all.push(heard);
            steps
        };
        seen.count(|counts| counts.heard += 1);
        for step in steps {
            if !take(&mut stream, step).await {
                return;
            }
            seen.count(|counts| counts.steps += 1);
        }
        seen.count(|counts| counts.answered += 1);
    }
}

/// Takes one step; returns whether the connection is still open.
async fn take(stream: &mut TcpStream, step: Step) -> bool {
    match step {
        Step::Say(bytes) => stream.write_all(&bytes).await.is_ok(),
        Step::Wait(time) => {
            tokio::time::sleep(time).await;
            true
        }
        Step::Until(semaphore) => semaphore.acquire().await.map(tokio::sync::SemaphorePermit::forget).is_ok(),
        Step::Flood(bytes) => {
            while stream.write_all(&bytes).await.is_ok() {}
            false
        }
        Step::Hang => {
            let mut rest = [0; 1024];
            while stream.read(&mut rest).await.is_ok_and(|read| read > 0) {}
            false
        }
        Step::Close => {
            let _ = stream.shutdown().await;
            false
        }
    }
}

/// Reads the next request completely.
async fn hear(stream: &mut TcpStream, rest: &mut Vec<u8>) -> Option<Heard> {
    loop {
        if let Some((heard, used)) = whole(rest) {
            rest.drain(..used);
            return Some(heard);
        }
        if stream.read_buf(rest).await.ok()? == 0 {
            return None;
        }
    }
}

fn whole(bytes: &[u8]) -> Option<(Heard, usize)> {
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
    let head = String::from_utf8_lossy(bytes.get(..end)?).into_owned();
    let length = head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ").map(str::to_owned));
    let length: usize = length.map_or(0, |length| length.parse().unwrap_or(0));
    let body = bytes.get(end..end + length)?.to_vec();
    let mut words = head.split(' ');
    let (method, path) = (words.next()?.to_owned(), words.next()?.to_owned());
    Some((Heard { method, path, head, body }, end + length))
}
