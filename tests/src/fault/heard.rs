//! A server on loopback that logs its requests, and answers at once or when the test says so.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// The prefix of paths for which the first request is answered only when the test says so.
pub const HELD: &str = "/held/";

#[derive(Debug, Default)]
struct State {
    /// The requests as `METHOD PATH`, in order.
    heard: Vec<String>,
    /// How often the test has released the held requests.
    released: u64,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

/// The server. Its threads end with the process.
#[derive(Clone, Debug)]
pub struct Server {
    address: SocketAddr,
    shared: Arc<Shared>,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Server {
    /// Starts a server on a free port.
    ///
    /// # Panics
    /// If there is no free port.
    #[must_use]
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let server = Self { address: listener.local_addr().expect("its address"), shared: Arc::default() };
        let shared = Arc::clone(&server.shared);
        std::thread::spawn(move || {
            for stream in listener.incoming().filter_map(Result::ok) {
                let shared = Arc::clone(&shared);
                std::thread::spawn(move || speak(stream, &shared));
            }
        });
        server
    }

    /// The port on which the server listens.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// `http://127.0.0.1:PORT` and the path.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// How many requests the server received.
    #[must_use]
    pub fn count(&self) -> usize {
        self.shared.state().heard.len()
    }

    /// The requests from the Nth on, as `METHOD PATH`.
    #[must_use]
    pub fn heard_from(&self, first: usize) -> Vec<String> {
        self.shared.state().heard.iter().skip(first).cloned().collect()
    }

    /// Answers the held requests.
    pub fn release(&self) {
        self.shared.state().released += 1;
        self.shared.changed.notify_all();
    }

    /// Returns when the server holds a request that came after the Nth, or when `is_over` returns true.
    pub fn wait_until_held(&self, first: usize, is_over: impl Fn() -> bool) -> bool {
        let mut state = self.shared.state();
        loop {
            if state.heard.iter().skip(first).any(|heard| heard.contains(HELD)) {
                return true;
            }
            if is_over() {
                return false;
            }
            let waited = self.shared.changed.wait_timeout(state, Duration::from_millis(5));
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

fn speak(mut stream: TcpStream, shared: &Shared) {
    let _ = stream.set_nodelay(true);
    let mut rest = Vec::new();
    while let Some(heard) = hear(&mut stream, &mut rest) {
        let body = format!("well, {heard}");
        let mut state = shared.state();
        // A repeated request is answered at once.
        let is_held = heard.contains(HELD) && !state.heard.contains(&heard);
        state.heard.push(heard);
        shared.changed.notify_all();
        let before = state.released;
        while is_held && state.released == before {
            state = shared.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        drop(state);
        let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len());
        if stream.write_all(answer.as_bytes()).is_err() {
            return;
        }
    }
}

/// Reads the next request completely.
fn hear(stream: &mut TcpStream, rest: &mut Vec<u8>) -> Option<String> {
    loop {
        let text = String::from_utf8_lossy(rest).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok());
            let length: usize = length.unwrap_or(0);
            if body.len() >= length {
                rest.drain(..head.len() + 4 + length);
                let mut words = head.split(' ');
                return Some(format!("{} {}", words.next()?, words.next()?));
            }
        }
        let mut buffer = [0; 4096];
        let read = stream.read(&mut buffer).ok().filter(|read| *read > 0)?;
        rest.extend(buffer.iter().take(read));
    }
}
