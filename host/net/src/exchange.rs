//! One request and its response on one connection, and what to call it when that fails.

use std::error::Error as _;

use bytes::Bytes;
use effect::HttpFault;
use http::Request;
use http_body_util::Full;
use tokio::time::timeout;

use crate::body::BodyReader;
use crate::conn::{Conn, Lost};
use crate::err::NetError;
use crate::pool::Returns;
use crate::wire::{Response, ResponseLimits, Timeouts, from_http};

/// Sends, and waits for the head.
pub(crate) async fn exchange(
    mut conn: Box<Conn>,
    request: Request<Full<Bytes>>,
    home: Returns,
    (timeouts, limits): (Timeouts, ResponseLimits),
) -> Result<Response, Lost<(Request<Full<Bytes>>, Returns)>> {
    let peer = conn.peer;
    let answered = match timeout(timeouts.first_byte, conn.send(request)).await {
        Ok(Ok(answered)) => answered,
        Ok(Err(Lost::Unsent(request))) => return Err(Lost::Unsent(Box::new((*request, home)))),
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
    let body = BodyReader::new(conn, body, home, timeouts.between_bytes, limits.response_bytes);
    Ok(Response { head, peer, tls, body })
}

/// hyper's errors in our words.
pub(crate) fn fault_of(err: &hyper::Error) -> NetError {
    let io = err.source().and_then(|cause| cause.downcast_ref::<std::io::Error>()).map(std::io::Error::kind);
    let text = err.to_string();
    // hyper offers the question `is_parse_too_large` to servers only; a test holds its words.
    let fault = if err.is_parse() && text == "message head is too large" {
        HttpFault::HeadersTooLarge
    } else if err.is_parse() {
        HttpFault::Protocol
    } else if err.is_timeout() {
        HttpFault::TimedOut
    } else {
        match io {
            // hyper's decoder of chunks says so where what came was none.
            Some(std::io::ErrorKind::InvalidInput | std::io::ErrorKind::InvalidData) => HttpFault::Protocol,
            _ => HttpFault::Incomplete,
        }
    };
    NetError::new(fault, &text)
}
