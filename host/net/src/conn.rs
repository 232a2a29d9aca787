//! One HTTP/1.1 connection, driven by whoever waits for it: no task runs beside, so dropping it closes it.

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

/// BOUND: informational responses (1xx) before the one that counts.
const INFORMATIONAL_MAX: u32 = 16;
/// BOUND: what is read ahead of the caller, in bytes; also the largest piece of a body.
const READ_AHEAD_BYTES: usize = 64 << 10;
/// hyper's own least.
const READ_AHEAD_BYTES_MIN: usize = 8 << 10;

/// A connection between two requests, or in the middle of one.
pub(crate) struct Conn {
    pub(crate) peer: SocketAddr,
    pub(crate) tls: Option<Tls>,
    sender: SendRequest<Full<Bytes>>,
    /// None once it has ended.
    driver: Option<Connection<TokioIo<Stream>, Full<Bytes>>>,
    /// Informational responses to the present request.
    informational: Arc<AtomicU32>,
    socket: OwnedFd,
}

/// What a connection that failed leaves behind.
pub(crate) enum Lost<T> {
    /// It had ended before any of the request was written: this may be sent on another.
    Unsent(Box<T>),
    /// It failed, or may have been sent.
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

    /// Moves bytes, as far as that goes now.
    pub(crate) fn drive(&mut self, cx: &mut Context<'_>) {
        if let Some(driver) = &mut self.driver
            && Pin::new(driver).poll(cx).is_ready()
        {
            // What went wrong comes out of the response or of its body.
            self.driver = None;
        }
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.driver.is_none()
    }

    /// Whether another request can go out on it now. Notices that the other side has closed, or says what nobody asked for.
    pub(crate) fn is_free(&mut self) -> bool {
        // An idle connection has nobody to wake; and what was spent of this task's turn must not hide that it was closed.
        let driven = tokio::task::unconstrained(poll_fn(|cx| {
            self.drive(cx);
            Poll::Ready(())
        }));
        let _ = pin!(driven).poll(&mut Context::from_waker(Waker::noop()));
        !self.has_ended() && self.sender.is_ready()
    }

    /// Whether the other side has said nothing since, nor closed. SECURITY: asked of the kernel, because the runtime learns of
    /// it later: what is there before a request was sent would be taken for its response.
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
