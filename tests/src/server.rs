//! A server on loopback that does what it is told, byte for byte: honest, slow, lying, or gone in the middle.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};

/// A request as it came.
#[derive(Clone, Debug)]
pub struct Heard {
    /// `GET`, `POST`, …
    pub method: String,
    /// Path and query, as on the wire.
    pub path: String,
    /// Everything before the body.
    pub head: String,
    /// The body.
    pub body: Vec<u8>,
}

impl Heard {
    /// Whether its head has this line, in whatever case.
    pub fn has_header(&self, line: &str) -> bool {
        self.head.lines().any(|header| header.eq_ignore_ascii_case(line))
    }
}

/// The only request for a path that a server heard. Panics where there is none, or more.
pub fn only<'a>(heard: &'a [Heard], path: &str) -> &'a Heard {
    let of_it: Vec<_> = heard.iter().filter(|heard| heard.path == path).collect();
    assert_eq!(of_it.len(), 1, "{path}: {of_it:?}");
    of_it.first().expect("there is one")
}

/// One thing that a server does.
#[derive(Clone, Debug)]
pub enum Step {
    /// Says this.
    Say(Vec<u8>),
    /// Waits so long.
    Wait(Duration),
    /// Waits until the test adds a permit, and uses it up.
    Until(Arc<Semaphore>),
    /// Says this again and again, until nobody listens.
    Flood(Vec<u8>),
    /// Says nothing more, and stays until the other side closes.
    Hang,
    /// Closes.
    Close,
}

/// What was heard and how often somebody came.
#[derive(Debug, Default)]
struct Seen {
    heard: Mutex<Vec<Heard>>,
    counts: watch::Sender<Counts>,
}

/// How often something happened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Connections that were accepted.
    pub accepted: usize,
    /// Requests that were heard whole.
    pub heard: usize,
    /// Steps that were taken.
    pub steps: usize,
    /// Answers whose steps were all taken.
    pub answered: usize,
}

/// See the module. Its connections end with the runtime.
#[derive(Clone, Debug)]
pub struct Server {
    address: SocketAddr,
    seen: Arc<Seen>,
}

type Answer = dyn Fn(usize, &Heard) -> Vec<Step> + Send + Sync;

impl Server {
    /// Answers the n-th request, from 0, over all connections.
    ///
    /// # Panics
    /// Where there is no port left.
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

    /// Answers each request with the same steps.
    pub async fn doing(steps: Vec<Step>) -> Self {
        Self::answering(move |_, _| steps.clone()).await
    }

    /// Where it is.
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// `http://127.0.0.1:PORT` and the path.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// What was heard so far.
    pub fn heard(&self) -> Vec<Heard> {
        self.seen.heard().clone()
    }

    /// What was counted so far.
    pub fn counts(&self) -> Counts {
        *self.seen.counts.borrow()
    }

    /// Returns when the counts are so.
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

/// Takes one step; whether the connection still stands.
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

/// The next request, whole.
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
