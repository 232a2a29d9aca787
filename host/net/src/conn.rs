//! One HTTP/1.1 connection, which is driven by the task that waits for it. No other task runs for it, so dropping it closes it.

use std::future::poll_fn;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::client::conn::http1::{Builder, Connection, SendRequest};
use hyper_util::rt::TokioIo;
use rustix::net::{RecvFlags, recv};
use vocabulary::HttpFault;
use vocabulary::record::Tls;

use crate::dial::{Dialled, Stream};
use crate::err::{NetError, fault_of};
use crate::wire::ResponseLimits;

/// BOUND: informational responses (1xx) before the final one.
const INFORMATIONAL_MAX: u32 = 16;
/// BOUND: bytes that are read ahead of the caller, which is also the largest piece of a body.
const READ_AHEAD_BYTES: usize = 64 << 10;
/// The least that hyper allows.
const READ_AHEAD_BYTES_MIN: usize = 8 << 10;

/// A connection between two requests, or in the middle of one.
pub(crate) struct Conn {
    pub(crate) peer: SocketAddr,
    pub(crate) tls: Option<Tls>,
    sender: SendRequest<Full<Bytes>>,
    /// `None` once the connection has ended.
    driver: Option<Connection<TokioIo<Stream>, Full<Bytes>>>,
    /// How many informational responses to the present request have arrived.
    informational: Arc<AtomicU32>,
    socket: OwnedFd,
}

/// What is left after a connection failed.
pub(crate) enum Lost<T> {
    /// The connection had ended before any of the request was written, so the request may be sent on another one.
    Unsent(Box<T>),
    /// The request failed, or may have been sent.
    Failed(NetError),
}

impl Conn {
    pub(crate) async fn open(dialled: Dialled, limits: &ResponseLimits) -> Result<Self, NetError> {
        let Dialled { stream, peer, tls, socket } = dialled;
        let header_bytes = usize::try_from(limits.header_bytes).unwrap_or(usize::MAX).clamp(READ_AHEAD_BYTES_MIN, 1 << 20);
        let (sender, driver) = Builder::new()
            .max_headers(limits.header_count)
            .max_header_size(usize::try_from(limits.header_bytes).unwrap_or(usize::MAX))
            .max_buf_size(header_bytes.max(READ_AHEAD_BYTES))
            .handshake(TokioIo::new(stream))
            .await
            .map_err(|err| NetError::new(HttpFault::Unreachable, &err.to_string()).with_peer(peer))?;
        Ok(Self { peer, tls, sender, driver: Some(driver), informational: Arc::default(), socket })
    }

    /// Moves as many bytes as possible without waiting.
    pub(crate) fn drive(&mut self, cx: &mut Context<'_>) {
        if let Some(driver) = &mut self.driver
            && Pin::new(driver).poll(cx).is_ready()
        {
            // The error is reported by the response or by its body.
            self.driver = None;
        }
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.driver.is_none()
    }

    /// Whether another request can be sent on it now. This notices a server that has closed the connection, or that has sent bytes without
    /// a request.
    pub(crate) fn is_free(&mut self) -> bool {
        // Nothing wakes an idle connection. The cooperative budget of this task must not hide that it was closed.
        let driven = tokio::task::unconstrained(poll_fn(|cx| {
            self.drive(cx);
            Poll::Ready(())
        }));
        let _ = pin!(driven).poll(&mut Context::from_waker(Waker::noop()));
        !self.has_ended() && self.sender.is_ready()
    }

    /// Whether the server has neither sent bytes nor closed the connection. SECURITY: the kernel is asked, because the runtime learns of it
    /// later. Bytes that arrive before a request is sent would be read as its response.
    pub(crate) fn is_quiet(&self) -> bool {
        let looked = recv(&self.socket, &mut [0u8; 1], RecvFlags::PEEK | RecvFlags::DONTWAIT);
        matches!(looked, Err(rustix::io::Errno::AGAIN))
    }

    /// Sends a request and waits for the head of its response.
    pub(crate) async fn send(&mut self, mut request: Request<Full<Bytes>>) -> Result<http::Response<Incoming>, Lost<Request<Full<Bytes>>>> {
        self.informational.store(0, Ordering::Relaxed);
        let seen = Arc::clone(&self.informational);
        hyper::ext::on_informational(&mut request, move |_| {
            seen.fetch_add(1, Ordering::Relaxed);
        });
        let mut answer = pin!(self.sender.try_send_request(request));
        let driver = &mut self.driver;
        let answered = poll_fn(|cx| {
            if let Some(running) = driver
                && Pin::new(running).poll(cx).is_ready()
            {
                *driver = None;
            }
            if self.informational.load(Ordering::Relaxed) > INFORMATIONAL_MAX {
                return Poll::Ready(None);
            }
            answer.as_mut().poll(cx).map(Some)
        });
        let failed = |err: NetError| Err(Lost::Failed(err.with_peer(self.peer)));
        match answered.await {
            Some(Ok(response)) => Ok(response),
            Some(Err(mut lost)) => match lost.take_message() {
                Some(request) => Err(Lost::Unsent(Box::new(request))),
                None => failed(fault_of(lost.error())),
            },
            None => failed(NetError::new(HttpFault::Protocol, "too many informational responses")),
        }
    }
}
