//! Makes a connection to a permitted target: resolves the name, judges all addresses, dials one, compares it, and does the TLS handshake.

use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd as _, OwnedFd};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use policy::address::{AskedBy, OwnListeners, verdict};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tracing::Instrument as _;
use vocabulary::record::Tls;
use vocabulary::{Bounds, HostName, HttpFault, Reason, SafeText, Scheme};

use crate::err::NetError;
use crate::resolve::Resolver;
use crate::tls;

/// BOUND: addresses of one name that are tried in turn.
const TRIES_MAX: usize = 4;

/// What all connections of a host have in common.
pub(crate) struct NetShared {
    pub(crate) resolver: Resolver,
    pub(crate) tls: TlsConnector,
    pub(crate) own: OwnListeners,
}

/// The target of a connection, which is the key of a pool.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct DialTarget {
    pub(crate) scheme: Scheme,
    pub(crate) host: HostName,
    pub(crate) port: u16,
}

/// An established connection, with the address of its other end.
pub(crate) struct Dialled {
    pub(crate) stream: Stream,
    pub(crate) peer: SocketAddr,
    pub(crate) tls: Option<Tls>,
    /// The same socket, to query while the stream belongs to hyper.
    pub(crate) socket: OwnedFd,
}

/// A TCP connection to an address that was judged. The connected address was compared with it.
struct Connected {
    tcp: TcpStream,
    peer: SocketAddr,
}

/// Connects to a target within the given time.
pub(crate) async fn dial(shared: &NetShared, place: &DialTarget, bounds: &Bounds, within: Duration) -> Result<Dialled, NetError> {
    let span = tracing::debug_span!("dial", host = %place.host, port = place.port);
    let dialled = connected(shared, place, bounds, within).instrument(span.clone()).await;
    span.in_scope(|| match &dialled {
        Ok(dialled) => tracing::debug!(peer = %dialled.peer, tls = dialled.tls.as_ref().map(|tls| tls.version.as_str()), "connected"),
        Err(err) => {
            tracing::debug!(fault = ?err.fault, reason = err.reason.as_ref().map(Reason::code), detail = %err.detail, "not connected")
        }
    });
    dialled
}

#[expect(clippy::disallowed_methods, reason = "door: time-outs")]
async fn connected(shared: &NetShared, place: &DialTarget, bounds: &Bounds, within: Duration) -> Result<Dialled, NetError> {
    let out_of_time = |_| NetError::new(HttpFault::TimedOut, &format!("no connection within {} ms", within.as_millis()));
    let until = Instant::now() + within;
    let addresses = timeout(within, judged(shared, place, bounds)).await.map_err(out_of_time)??;
    let Connected { tcp, peer } = connect_one_of(&addresses, until).await?;
    let socket = tcp.as_fd().try_clone_to_owned().map_err(|err| NetError::new(HttpFault::Unreachable, &err.to_string()))?;
    let shaking = shake_hands(shared, place, tcp).instrument(tracing::debug_span!("tls", %peer));
    let shaken = timeout(until.saturating_duration_since(Instant::now()), shaking).await;
    let (stream, tls) = shaken.map_err(out_of_time).flatten().map_err(|err| err.with_peer(peer))?;
    // SECURITY: this comes before a byte of the request is written. In clear text there is no key.
    if !bounds.pins.is_empty() && !tls.as_ref().is_some_and(|tls| bounds.pins.contains(&tls.key)) {
        return Err(NetError::refused(Reason::KeyNotPinned).with_peer(peer));
    }
    Ok(Dialled { stream, peer, tls, socket })
}

/// Every address of the target, each one judged. INVARIANT: only addresses from here are dialled.
async fn judged(shared: &NetShared, place: &DialTarget, bounds: &Bounds) -> Result<Vec<SocketAddr>, NetError> {
    let (asked, found) = match &place.host {
        HostName::V4(v4) => (AskedBy::Literal, vec![IpAddr::V4(*v4)]),
        HostName::V6(v6) => (AskedBy::Literal, vec![IpAddr::V6(*v6)]),
        HostName::Name(name) => (AskedBy::Name, shared.resolver.lookup(name).await?),
    };
    let mut good: Vec<SocketAddr> = Vec::with_capacity(found.len());
    for ip in found {
        let address = SocketAddr::new(ip, place.port);
        // SECURITY: one address that is not allowed refuses them all. Otherwise a name could hide a private address among public ones.
        verdict(address, asked, bounds, &shared.own).map_err(NetError::refused)?;
        if !good.contains(&address) {
            good.push(address);
        }
    }
    Ok(good)
}

#[expect(clippy::disallowed_methods, reason = "door: time-outs")]
async fn connect_one_of(addresses: &[SocketAddr], until: Instant) -> Result<Connected, NetError> {
    let mut last = NetError::new(HttpFault::Unreachable, "no address");
    let mut left = u32::try_from(addresses.len().min(TRIES_MAX)).unwrap_or(1);
    for address in addresses.iter().take(TRIES_MAX) {
        let share = until.saturating_duration_since(Instant::now()) / left.max(1);
        left = left.saturating_sub(1);
        match timeout(share, TcpStream::connect(*address)).await {
            Ok(Ok(tcp)) => return compared(tcp, *address),
            Ok(Err(err)) => last = NetError::new(HttpFault::Unreachable, &format!("{address}: {err}")),
            Err(_) => last = NetError::new(HttpFault::TimedOut, &format!("{address}: no connection within {} ms", share.as_millis())),
        }
    }
    Err(last)
}

/// SECURITY: the address to which the kernel connected must be the one that was judged, whatever is in between (translation rules, a
/// proxy).
fn compared(tcp: TcpStream, judged: SocketAddr) -> Result<Connected, NetError> {
    let broken = |err: std::io::Error| NetError::new(HttpFault::Unreachable, &err.to_string());
    let peer = tcp.peer_addr().map_err(broken)?;
    if (peer.ip(), peer.port()) != (judged.ip(), judged.port()) {
        return Err(NetError::refused(Reason::AddressNotGranted(SafeText::new("peer-differs", 64))).with_peer(peer));
    }
    tcp.set_nodelay(true).map_err(broken)?;
    Ok(Connected { tcp, peer })
}

async fn shake_hands(shared: &NetShared, place: &DialTarget, tcp: TcpStream) -> Result<(Stream, Option<Tls>), NetError> {
    match place.scheme {
        Scheme::Http => Ok((Stream::Plain(tcp), None)),
        Scheme::Https => {
            let (stream, facts) = tls::handshake(&shared.tls, &place.host, tcp).await?;
            Ok((Stream::Tls(Box::new(stream)), Some(facts)))
        }
    }
}

/// A byte stream to and from the other end.
pub(crate) enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<std::io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::Tls(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<std::io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(cx, buf),
            Self::Tls(stream) => Pin::new(stream).poll_write(cx, buf),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Self::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }

    fn poll_write_vectored(self: Pin<&mut Self>, cx: &mut Context<'_>, bufs: &[std::io::IoSlice<'_>]) -> Poll<std::io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
            Self::Tls(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Plain(stream) => stream.is_write_vectored(),
            Self::Tls(stream) => stream.is_write_vectored(),
        }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test fails by panicking, and has both ends of a connection")]
mod tests {
    use tokio::net::{TcpListener, TcpStream};

    use super::compared;

    #[tokio::test]
    async fn a_peer_that_is_not_the_judged_one_is_refused_and_named() {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let real = listener.local_addr().unwrap();
        let connected = || async { TcpStream::connect(real).await.unwrap() };
        assert_eq!(compared(connected().await, real).map(|connected| connected.peer), Ok(real));
        let judged = "127.0.0.2:80".parse().unwrap();
        let err = compared(connected().await, judged).err().unwrap();
        assert_eq!(err.peer, Some(real), "{err:?}");
        assert_eq!(err.reason.as_ref().map(vocabulary::Reason::code), Some("address-not-granted"), "{err:?}");
    }
}
