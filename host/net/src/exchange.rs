//! One request and its response on one connection.

use std::net::SocketAddr;

use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use tokio::time::timeout;
use vocabulary::record::Tls;
use vocabulary::{HttpFault, HttpHead};

use crate::body::BodyReader;
use crate::conn::{Conn, Lost};
use crate::err::NetError;
use crate::idle::Returns;
use crate::wire::{ResponseLimits, Timeouts, from_http};

/// A request in the form of hyper, and the way back to the pool for the connection that it will use.
pub(crate) struct Ready {
    pub(crate) request: Request<Full<Bytes>>,
    pub(crate) returns: Returns,
}

/// A response whose body has not been read yet.
#[derive(Debug)]
pub struct Response {
    /// The status and the header fields, without those that only concern the connection.
    pub head: HttpHead,
    /// The address of the server. It was judged, dialled and compared.
    pub peer: SocketAddr,
    /// The TLS connection, for `https`.
    pub tls: Option<Tls>,
    /// The body. Dropping it closes the connection.
    pub body: BodyReader,
}

/// Sends a request and waits for the head of its response.
pub(crate) async fn exchange(
    mut conn: Box<Conn>,
    Ready { request, returns }: Ready,
    timeouts: Timeouts,
    limits: ResponseLimits,
) -> Result<Response, Lost<Ready>> {
    let peer = conn.peer;
    let answered = match timeout(timeouts.first_byte, conn.send(request)).await {
        Ok(Ok(answered)) => answered,
        Ok(Err(Lost::Unsent(request))) => return Err(Lost::Unsent(Box::new(Ready { request: *request, returns }))),
        Ok(Err(Lost::Failed(err))) => return Err(Lost::Failed(err)),
        Err(_) => {
            let waited = format!("no response within {} ms", timeouts.first_byte.as_millis());
            return Err(Lost::Failed(NetError::new(HttpFault::TimedOut, &waited).with_peer(peer)));
        }
    };
    let (parts, body) = answered.into_parts();
    let head = from_http(&parts).map_err(|err| Lost::Failed(err.with_peer(peer)))?;
    tracing::debug!(%peer, status = head.status, "answered");
    let tls = conn.tls.clone();
    let body = BodyReader::new(conn, body, returns, timeouts.between_bytes, limits.response_bytes);
    Ok(Response { head, peer, tls, body })
}
