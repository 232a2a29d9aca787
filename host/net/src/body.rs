//! The body of a response, which is read in bounded pieces.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body as _, Frame, Incoming};
use tokio::time::timeout;
use vocabulary::{Header, HttpFault};

use crate::conn::Conn;
use crate::err::fault_of;
use crate::idle::Returns;
use crate::wire::fields;

/// BOUND: bytes of the largest piece that is passed on.
pub(crate) const PIECE_BYTES_MAX: usize = 64 << 10;

/// Reads a body. The connection is used again only after the end was read. Dropping this before the end closes it.
pub struct BodyReader {
    live: Option<LiveBody>,
    /// The rest of the bytes that arrived together with the last piece.
    rest: Bytes,
    trailers: Vec<Header>,
    between: Duration,
    left: u64,
    whole: bool,
}

struct LiveBody {
    body: Incoming,
    conn: Box<Conn>,
    returns: Returns,
}

impl std::fmt::Debug for BodyReader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BodyReader").field("left", &self.left).field("whole", &self.whole).finish_non_exhaustive()
    }
}

impl BodyReader {
    pub(crate) fn new(conn: Box<Conn>, body: Incoming, returns: Returns, between: Duration, most: u64) -> Self {
        let mut reader = Self {
            live: Some(LiveBody { body, conn, returns }),
            rest: Bytes::new(),
            trailers: Vec::new(),
            between,
            left: most,
            whole: false,
        };
        reader.free_if_over();
        reader
    }

    /// The next piece, at most 64 KiB. `None` after the end, and after a fault. Cancel-safe.
    pub async fn next(&mut self) -> Option<Result<Bytes, HttpFault>> {
        loop {
            if !self.rest.is_empty() {
                let piece = self.rest.split_to(self.rest.len().min(PIECE_BYTES_MAX));
                return Some(Ok(piece));
            }
            let live = self.live.as_mut()?;
            if live.body.size_hint().lower() > self.left {
                return Some(Err(self.broken(HttpFault::BodyTooLarge)));
            }
            let next = timeout(self.between, poll_fn(|cx| live.poll_frame(cx))).await;
            match next {
                Err(_) => return Some(Err(self.broken(HttpFault::TimedOut))),
                Ok(Some(Err(fault))) => return Some(Err(self.broken(fault))),
                Ok(Some(Ok(frame))) => {
                    if let Err(fault) = self.take(frame) {
                        return Some(Err(self.broken(fault)));
                    }
                }
                Ok(None) => self.whole = true,
            }
            self.free_if_over();
        }
    }

    /// Whether the body was read to its end.
    pub fn is_whole(&self) -> bool {
        self.whole && self.rest.is_empty()
    }

    /// The trailers, once the end was read. Empty if the server sent none.
    pub fn take_trailers(&mut self) -> Vec<Header> {
        std::mem::take(&mut self.trailers)
    }

    fn take(&mut self, frame: Frame<Bytes>) -> Result<(), HttpFault> {
        match frame.into_data() {
            Ok(data) => {
                let size = u64::try_from(data.len()).unwrap_or(u64::MAX);
                self.left = self.left.checked_sub(size).ok_or(HttpFault::BodyTooLarge)?;
                self.rest = data;
            }
            Err(frame) => {
                if let Ok(trailers) = frame.into_trailers() {
                    self.trailers = fields(&trailers);
                    self.trailers.retain(|field| !is_of_the_head(&field.name));
                }
            }
        }
        Ok(())
    }

    /// Closes the connection.
    fn broken(&mut self, fault: HttpFault) -> HttpFault {
        self.live = None;
        fault
    }

    /// Returns the connection to the pool when nothing more of this body can arrive.
    fn free_if_over(&mut self) {
        if let Some(mut live) = self.live.take_if(|live| self.whole || live.body.is_end_stream()) {
            self.whole = true;
            if live.conn.is_free() {
                live.returns.put(live.conn);
            }
        }
    }
}

/// Whether a field states how a message is read, where it goes or who may see it. After the body it comes too late to be obeyed. A program
/// that merges trailers into the head would see another head than the one that was judged (RFC 9110 section 6.5.1).
fn is_of_the_head(name: &str) -> bool {
    const NAMES: &[&str] = &["age", "authorization", "cache-control", "expires", "host", "location", "retry-after", "set-cookie", "vary"];
    name.starts_with("content-") || name.ends_with("-authenticate") || name.starts_with("access-control-") || NAMES.contains(&name)
}

impl LiveBody {
    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, HttpFault>>> {
        let mut frame = Pin::new(&mut self.body).poll_frame(cx);
        if frame.is_pending() {
            self.conn.drive(cx);
            frame = Pin::new(&mut self.body).poll_frame(cx);
        }
        match frame {
            Poll::Ready(frame) => Poll::Ready(frame.map(|frame| frame.map_err(|err| fault_of(&err).fault))),
            // No task is left that could receive more.
            Poll::Pending if self.conn.has_ended() => Poll::Ready(Some(Err(HttpFault::Incomplete))),
            Poll::Pending => Poll::Pending,
        }
    }
}
