//! Requests that the host makes on its own behalf: for tokens, for values at a server, and for the steps of a rotation. Their addresses are
//! judged like all others, and the requests are bounded. Each is on the record before it is sent. No guest sees any part of the answer.

use std::time::Duration;

use bytes::Bytes;
use effects::{HostAsk, HostEnd, HostRequest, Permit, Trail};
use ipnet::IpNet;
use net::{NetError, Pool, ResponseLimits, Timeouts, WireRequest};
use vocabulary::record::HostPurpose;
use vocabulary::{Bounds, Header, HttpFault, HttpResource, HttpTarget, Method, OpId, Resource};

use crate::wants::Wants;

/// BOUND: bytes of the body of an answer. Its head has the same bound.
const ANSWER_BYTES_MAX: u64 = 1 << 20;
const HEAD_BYTES_MAX: u64 = 64 << 10;
const HEADERS_MAX: usize = 256;

/// What the host asks for: the credential, and the act of the run.
#[derive(Clone, Copy)]
pub(crate) struct For<'a> {
    pub(crate) credential: &'a str,
    pub(crate) op: OpId,
    pub(crate) purpose: HostPurpose,
}

/// Sends requests on behalf of the host itself.
pub(crate) struct HostLine {
    /// A pool that no guest uses. `None` if no grant needs the network.
    pub(crate) pool: Option<Pool>,
    /// Asks the gate for permits.
    pub(crate) wants: Wants,
}

/// The act of the run that needs a value, and how long fetching the value may take.
#[derive(Clone, Copy)]
pub(crate) struct ValueFor {
    pub(crate) op: OpId,
    pub(crate) timeouts: Timeouts,
}

/// One request of the host.
pub(crate) struct OwnRequest {
    pub(crate) method: Method,
    pub(crate) target: HttpTarget,
    pub(crate) headers: Vec<Header>,
    pub(crate) body: Bytes,
    /// Private addresses to which the name may resolve.
    pub(crate) addresses: Vec<IpNet>,
    /// The time-outs. The whole request may take no longer than their sum.
    pub(crate) timeouts: Timeouts,
    /// The URL for the record, as it was before a value was put into the path.
    resource: HttpResource,
}

/// The answer.
pub(crate) struct OwnAnswer {
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
}

/// How a request ended, with its answer if it succeeded.
struct Exchanged {
    end: HostEnd,
    answer: Option<OwnAnswer>,
}

impl OwnRequest {
    /// A request that has only its method and target. These contain no secret.
    pub(crate) fn new(method: Method, target: HttpTarget, addresses: Vec<IpNet>) -> Self {
        let resource = HttpResource::new(&method, &target);
        Self { method, target, headers: Vec::new(), body: Bytes::new(), addresses, timeouts: Timeouts::default(), resource }
    }

    /// Sends the request under its own rule: its connection is used for the same credential only. The intent is durable before the request
    /// is sent, and its end is on the record when this returns. Returns `None` if there was no complete answer.
    pub(crate) async fn send(self, line: &HostLine, why: For<'_>) -> Option<OwnAnswer> {
        let pool = line.pool.as_ref()?;
        let ask = HostAsk {
            credential: why.credential.to_owned(),
            op: why.op,
            purpose: why.purpose,
            resource: Resource::Http(self.resource.clone()),
        };
        let permit = line.wants.request(ask).await?;
        let ending = RequestEnding { wants: line.wants.clone(), number: permit.ask().number, trail: Trail::default(), is_told: false };
        let purpose = why.purpose;
        tracing::debug!(number = ending.number, credential = why.credential, ?purpose, resource = %self.resource, "the host asks");
        let within = patience(self.timeouts);
        let exchanged = tokio::time::timeout(within, self.exchange(pool, permit, &ending.trail)).await;
        let out_of_time = HostEnd { fault: Some(HttpFault::TimedOut), ..HostEnd::default() };
        let Exchanged { end, answer } = exchanged.unwrap_or(Exchanged { end: out_of_time, answer: None });
        tracing::debug!(number = ending.number, status = end.status, fault = ?end.fault, detail = %end.detail, "the host was answered");
        ending.tell(end).await?;
        answer
    }

    async fn exchange(self, pool: &Pool, permit: Permit<HostRequest>, trail: &Trail) -> Exchanged {
        let (_, bounds) = permit.into_ask();
        let bounds = Bounds { addresses: self.addresses, ..bounds };
        let request = WireRequest {
            target: self.target,
            method: self.method,
            headers: self.headers,
            body: self.body,
            bounds,
            timeouts: self.timeouts,
            limits: ResponseLimits { header_bytes: HEAD_BYTES_MAX, header_count: HEADERS_MAX, response_bytes: ANSWER_BYTES_MAX },
        };
        let response = match pool.send_noting(request, &|going| trail.note(going)).await {
            Ok(response) => response,
            Err(err) => {
                let NetError { fault, reason, peer, detail } = err;
                let end = HostEnd { fault: Some(fault), peer, reason, detail, ..HostEnd::default() };
                return Exchanged { end, answer: None };
            }
        };
        let (status, mut reader) = (response.head.status, response.body);
        let mut end = HostEnd { peer: Some(response.peer), status: Some(status), ..HostEnd::default() };
        let mut body = Vec::new();
        while let Some(piece) = reader.next().await {
            match piece {
                Ok(piece) => body.extend_from_slice(&piece),
                Err(fault) => end.fault = Some(fault),
            }
        }
        end.bytes = body.len() as u64;
        let answer = end.fault.is_none().then_some(OwnAnswer { status, body });
        Exchanged { end, answer }
    }
}

/// Ensures that the end of a request is reported, even if nobody waits for it any more.
struct RequestEnding {
    wants: Wants,
    number: u64,
    trail: Trail,
    is_told: bool,
}

impl RequestEnding {
    async fn tell(mut self, end: HostEnd) -> Option<()> {
        self.is_told = true;
        let end = HostEnd { going: self.trail.get(), ..end };
        self.wants.ended(self.number, end).await
    }
}

impl Drop for RequestEnding {
    fn drop(&mut self) {
        if !self.is_told {
            let end = HostEnd { abandoned: true, going: self.trail.get(), ..HostEnd::default() };
            self.wants.abandoned(self.number, end);
        }
    }
}

/// How long the whole request may take.
pub(crate) fn patience(timeouts: Timeouts) -> Duration {
    timeouts.connect + timeouts.first_byte + timeouts.between_bytes
}
