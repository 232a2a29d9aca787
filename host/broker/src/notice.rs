//! Tells people that an act waits for them: one attempt, with the permit that the gate gave for it.
//!
//! What a receiver answers is not read. Only its status counts, so it can send as much as it wants.

mod mail;

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use effects::{HostRequest, Permit};
use ipnet::IpNet;
use net::{NetError, Network, ResponseLimits, Timeouts, WireRequest};
use vault::{Outgoing, Vault};
use vocabulary::{Binding, Bounds, Header, HttpFault, HttpTarget, Method, NoticeEnd, Placement, SafeText};

/// BOUND: how long one attempt may take in all.
const PATIENCE: Duration = Duration::from_secs(10);
/// BOUND: how long each part of a request may take.
const TIMEOUTS: Timeouts =
    Timeouts { connect: Duration::from_secs(5), first_byte: Duration::from_secs(5), between_bytes: Duration::from_secs(5) };
/// BOUND: bytes of the head of an answer.
const HEAD_BYTES_MAX: u64 = 32 << 10;
const HEADERS_MAX: usize = 128;

/// What is sent, and where to.
#[derive(Clone)]
pub enum Parcel {
    /// A `POST` to a server.
    Http {
        /// Private addresses to which the name may resolve.
        addresses: Vec<IpNet>,
        /// The credential with which it is signed or sent.
        binding: Option<Box<Binding>>,
        /// The body.
        body: Bytes,
        /// The headers, without those of the credential.
        headers: Vec<Header>,
        /// The URL, without any secret.
        url: HttpTarget,
    },
    /// A mail that a program of the machine passes on.
    Mail {
        /// The sender.
        from: String,
        /// The program, which understands the options of `sendmail`.
        program: String,
        /// The recipients.
        recipients: Vec<String>,
        /// The whole mail.
        text: Bytes,
    },
}

/// What the host needs to send it.
pub struct NoticeMeans<'a> {
    /// The network, for a request.
    pub network: &'a Network,
    /// The time, in seconds since 1970.
    pub now_s: u64,
    /// The values of credentials.
    pub vault: &'a Vault,
}

/// How an attempt ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoticeOutcome {
    /// What happened, for the operator. It has nothing of a secret, and nothing that the receiver wrote.
    pub detail: SafeText,
    /// How it ended: whether it makes sense to try again.
    pub end: NoticeEnd,
    /// The address of the connection.
    pub peer: Option<SocketAddr>,
    /// The status code of the answer.
    pub status: Option<u16>,
}

impl NoticeOutcome {
    fn failed(end: NoticeEnd, why: &str) -> Self {
        Self { detail: SafeText::new(why, 300), end, peer: None, status: None }
    }
}

/// Makes one attempt. It ends after ten seconds at the latest.
pub async fn tell(permit: Permit<HostRequest>, parcel: Parcel, means: &NoticeMeans<'_>) -> NoticeOutcome {
    let (asked, bounds) = permit.into_ask();
    tracing::debug!(attempt = asked.number, resource = %asked.ask.resource, "telling people");
    let sending = async {
        match parcel {
            Parcel::Http { addresses, binding, body, headers, url } => {
                let bounds = Bounds { addresses, ..bounds };
                http(HttpParcel { body, bounds, headers, url }, binding.as_deref(), means).await
            }
            Parcel::Mail { from, program, recipients, text } => mail::pass_on(&program, &from, &recipients, &text).await,
        }
    };
    let told = tokio::time::timeout(PATIENCE, sending).await;
    told.unwrap_or_else(|_| NoticeOutcome::failed(NoticeEnd::Again, "it took longer than 10 s"))
}

struct HttpParcel {
    body: Bytes,
    bounds: Bounds,
    headers: Vec<Header>,
    url: HttpTarget,
}

async fn http(parcel: HttpParcel, binding: Option<&Binding>, means: &NoticeMeans<'_>) -> NoticeOutcome {
    let HttpParcel { mut body, bounds, mut headers, url: mut target } = parcel;
    let Ok(method) = Method::new("POST") else { return NoticeOutcome::failed(NoticeEnd::GaveUp, "no request could be made") };
    if let Some(binding) = binding
        && let Err(failed) =
            place(binding, means, &mut Outgoing { method: &method, target: &mut target, headers: &mut headers, body: &mut body }).await
    {
        return failed;
    }
    let limits = ResponseLimits { header_bytes: HEAD_BYTES_MAX, header_count: HEADERS_MAX, response_bytes: HEAD_BYTES_MAX };
    let request = WireRequest { target, method, headers, body, bounds, timeouts: TIMEOUTS, limits };
    // The pool is dropped with this attempt, so no connection is kept. The body of the answer is dropped unread, which closes it.
    match means.network.pool().send(request).await {
        Ok(response) => answered(response.head.status, response.peer),
        Err(NetError { fault, reason, peer, detail }) => {
            let end = if reason.is_some() { NoticeEnd::GaveUp } else { NoticeEnd::Again };
            let why = match (&reason, fault) {
                (Some(reason), _) => SafeText::new(&reason.to_string(), 300),
                (None, HttpFault::TimedOut) => SafeText::new("it did not answer in time", 300),
                (None, _) => detail,
            };
            NoticeOutcome { detail: why, end, peer, status: None }
        }
    }
}

/// Only a receiver that is out of order or too busy is asked again. What it refuses it would refuse again.
fn answered(status: u16, peer: SocketAddr) -> NoticeOutcome {
    let (end, detail) = match status {
        200..=299 => (NoticeEnd::Delivered, ""),
        300..=399 => (NoticeEnd::GaveUp, "it redirects, and the host follows no redirect"),
        408 | 425 | 429 | 500..=599 => (NoticeEnd::Again, "it can't take it now"),
        _ => (NoticeEnd::GaveUp, "it refuses it"),
    };
    NoticeOutcome { detail: SafeText::new(detail, 300), end, peer: Some(peer), status: Some(status) }
}

/// Puts the value of a credential into the request, if its owner allows it to go there.
async fn place(binding: &Binding, means: &NoticeMeans<'_>, request: &mut Outgoing<'_>) -> Result<(), NoticeOutcome> {
    let failed = |end, why: String| NoticeOutcome::failed(end, &format!("the credential `{}`: {why}", binding.name));
    if binding.until.is_some_and(|until| means.now_s >= until.unix_s) {
        return Err(failed(NoticeEnd::GaveUp, "its last day was before".to_owned()));
    }
    // A value may be set, or the vault be opened, while the act still waits.
    let value = means.vault.value(binding).await.map_err(|err| failed(NoticeEnd::Again, err.to_string()))?;
    let allowed = value.destinations.unwrap_or_default();
    policy::destination::may_go(&binding.name, &allowed, std::iter::once(&*request.target))
        .map_err(|reason| failed(NoticeEnd::GaveUp, reason.to_string()))?;
    let ends_in_slash = request.target.path.ends_with('/');
    vault::place(&value.secret, &binding.placement, request, means.now_s).map_err(|err| failed(NoticeEnd::GaveUp, err.to_string()))?;
    // `…/T000/B000/` and a value that is the last segment.
    if ends_in_slash && matches!(binding.placement, Placement::Path { .. }) && request.target.path.len() > 1 {
        request.target.path.pop();
    }
    Ok(())
}
