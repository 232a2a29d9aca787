//! Requests that the host makes on its own behalf: for tokens, for values at a server, for the steps of a rotation. Their addresses are judged as any
//! other's, they are bounded, and no guest sees anything of what comes back.

use std::net::SocketAddr;

use bytes::Bytes;
use effect::{Bounds, Header, HttpTarget, Method};
use ipnet::IpNet;
use net::{Pool, ResponseLimits, Timeouts, WireRequest};

/// BOUND: bytes of an answer, and of its head.
const ANSWER_BYTES_MAX: u64 = 1 << 20;
const HEAD_BYTES_MAX: u64 = 64 << 10;
const HEADERS_MAX: usize = 256;

/// What is asked.
pub(crate) struct OwnRequest {
    pub(crate) method: Method,
    pub(crate) target: HttpTarget,
    pub(crate) headers: Vec<Header>,
    pub(crate) body: Bytes,
    /// Private addresses that the name may have.
    pub(crate) addresses: Vec<IpNet>,
    /// The whole of it takes no longer than all of them.
    pub(crate) timeouts: Timeouts,
}

/// What came.
pub(crate) struct OwnAnswer {
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
    pub(crate) peer: SocketAddr,
}

impl OwnRequest {
    /// Without anything but its method and target yet.
    pub(crate) fn new(method: Method, target: HttpTarget, addresses: Vec<IpNet>) -> Self {
        Self { method, target, headers: Vec::new(), body: Bytes::new(), addresses, timeouts: Timeouts::default() }
    }

    /// Sends it, under a rule of its own: its connection is used for the same credential only. Nothing, where no whole answer came.
    pub(crate) async fn send(self, pool: &Pool, credential: &str) -> Option<OwnAnswer> {
        let Timeouts { connect, first_byte, between_bytes } = self.timeouts;
        tokio::time::timeout(connect + first_byte + between_bytes, self.exchange(pool, credential)).await.ok()?
    }

    async fn exchange(self, pool: &Pool, credential: &str) -> Option<OwnAnswer> {
        let bounds =
            Bounds { addresses: self.addresses, credential: Some(credential.to_owned()), rule: "own".to_owned(), ..Bounds::default() };
        let request = WireRequest {
            target: self.target,
            method: self.method,
            headers: self.headers,
            body: self.body,
            bounds,
            timeouts: self.timeouts,
            limits: ResponseLimits { header_bytes: HEAD_BYTES_MAX, header_count: HEADERS_MAX, response_bytes: ANSWER_BYTES_MAX },
        };
        let response = pool.send(request).await.ok()?;
        let (status, peer, mut reader) = (response.head.status, response.peer, response.body);
        let mut body = Vec::new();
        while let Some(piece) = reader.next().await {
            body.extend_from_slice(&piece.ok()?);
        }
        Some(OwnAnswer { status, body, peer })
    }
}
