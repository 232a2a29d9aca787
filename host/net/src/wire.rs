//! A request that is ready to be sent, and the checks of its response.

use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, HOST, TRANSFER_ENCODING};
use http::{HeaderName, HeaderValue, Request, Uri};
use http_body_util::Full;
use vocabulary::record::Sent;
use vocabulary::{Bounds, Header, HttpFault, HttpHead, HttpTarget, Method, Reason, SafeText};

use crate::err::NetError;

/// One permitted and complete request. It may contain a secret, so it can't be printed.
#[derive(Clone)]
pub struct WireRequest {
    /// The target.
    pub target: HttpTarget,
    /// The method.
    pub method: Method,
    /// The headers in this order. `Host` and `Content-Length` are added here.
    pub headers: Vec<Header>,
    /// The whole body.
    pub body: Bytes,
    /// The bounds of the permit, for addresses.
    pub bounds: Bounds,
    /// How long each part may take.
    pub timeouts: Timeouts,
    /// How large the response may be.
    pub limits: ResponseLimits,
}

/// How long each part of a request may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// The time until the connection is established, including name, address and TLS.
    pub connect: Duration,
    /// The time from there until the head of the response is complete.
    pub first_byte: Duration,
    /// The time between two pieces of the body.
    pub between_bytes: Duration,
}

impl Default for Timeouts {
    /// - `connect`: 10 s
    /// - `first_byte`: 60 s
    /// - `between_bytes`: 30 s
    fn default() -> Self {
        Self { connect: Duration::from_secs(10), first_byte: Duration::from_secs(60), between_bytes: Duration::from_secs(30) }
    }
}

/// How large a response may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResponseLimits {
    /// The bytes of the head, with its status line and header fields. The trailers may have as many again.
    pub header_bytes: u64,
    /// The number of header fields.
    pub header_count: usize,
    /// The bytes of the body.
    pub response_bytes: u64,
}

impl Default for ResponseLimits {
    /// - `header_bytes`: 32 KiB
    /// - `header_count`: 256
    /// - `response_bytes`: 8 MiB
    fn default() -> Self {
        Self { header_bytes: 32 << 10, header_count: 256, response_bytes: 8 << 20 }
    }
}

/// Fields that concern one connection, or how a message ends on it. In requests they are made here, and in responses they are not passed
/// on.
pub(crate) fn is_of_the_connection(name: &str) -> bool {
    matches!(name, "connection" | "keep-alive" | "proxy-connection" | "te" | "trailer" | "transfer-encoding" | "upgrade" | "http2-settings")
}

/// The request as hyper sends it.
pub(crate) fn to_http(request: &WireRequest) -> Result<Request<Full<Bytes>>, NetError> {
    let malformed = |what: &str| NetError::refused(Reason::Malformed(SafeText::new(what, 64)));
    let mut to = Request::new(Full::new(request.body.clone()));
    *to.method_mut() = http::Method::from_bytes(request.method.as_str().as_bytes()).map_err(|_| malformed("the method"))?;
    let path = request.target.path_and_query();
    let uri: Uri = path.parse().map_err(|_| malformed("the path"))?;
    // SECURITY: what is sent must be exactly what was judged.
    if uri.path_and_query().is_none_or(|sent| sent.as_str() != path) || uri.authority().is_some() {
        return Err(malformed("the path"));
    }
    *to.uri_mut() = uri;
    let headers = to.headers_mut();
    headers.reserve(request.headers.len() + 2);
    headers.insert(HOST, HeaderValue::from_maybe_shared(Bytes::from(request.target.authority())).map_err(|_| malformed("the host"))?);
    for header in &request.headers {
        if header.name == "content-length" {
            continue;
        }
        // SECURITY: policy refuses these fields. If it failed to do so, they still must not become a second message.
        if header.name == "host" || is_of_the_connection(&header.name) {
            return Err(NetError::refused(Reason::HeaderNotYours(SafeText::new(&header.name, 64))));
        }
        let name = HeaderName::from_lowercase(header.name.as_bytes()).map_err(|_| malformed("the name of a header"))?;
        let value = HeaderValue::from_bytes(&header.value).map_err(|_| malformed("the value of a header"))?;
        headers.append(name, value);
    }
    let says_nothing = request.body.is_empty() && matches!(request.method.as_str(), "GET" | "HEAD" | "OPTIONS" | "DELETE");
    if !says_nothing {
        headers.insert(CONTENT_LENGTH, HeaderValue::from(request.body.len()));
    }
    Ok(to)
}

/// The number of bytes of a request as it is sent: hyper writes the request line and the fields of the map as they are, and adds none.
pub(crate) fn sent_of(request: &Request<Full<Bytes>>) -> Sent {
    const LINE: usize = " / HTTP/1.1\r\n".len() - "/".len();
    const FIELD: usize = ": \r\n".len();
    const END: usize = "\r\n".len();
    let path = request.uri().path_and_query().map_or(0, |path| path.as_str().len());
    let fields: usize = request.headers().iter().map(|(name, value)| name.as_str().len() + value.len() + FIELD).sum();
    let body = hyper::body::Body::size_hint(request.body()).lower();
    Sent { body, head: (request.method().as_str().len() + path + LINE + fields + END) as u64 }
}

/// Checks the head of a response and converts it.
pub(crate) fn from_http(head: &http::response::Parts) -> Result<HttpHead, NetError> {
    let protocol = |what: &str| NetError::new(HttpFault::Protocol, what);
    let status = head.status.as_u16();
    if !(200..=599).contains(&status) {
        return Err(protocol("the status is not from 200 to 599"));
    }
    let mut lengths = head.headers.get_all(CONTENT_LENGTH).iter();
    let mut codings = head.headers.get_all(TRANSFER_ENCODING).iter();
    let (length, coding) = (lengths.next(), codings.next());
    // SECURITY: if two readers could disagree on where a message ends, it is not read at all (RFC 9112 section 6.3).
    if lengths.next().is_some() || length.is_some_and(|length| !length.as_bytes().iter().all(u8::is_ascii_digit)) {
        return Err(protocol("more than one length"));
    }
    if codings.next().is_some() || coding.is_some_and(|coding| !coding.as_bytes().eq_ignore_ascii_case(b"chunked")) {
        return Err(protocol("a transfer coding other than `chunked`"));
    }
    if length.is_some() && coding.is_some() {
        return Err(protocol("both a length and a transfer coding"));
    }
    Ok(HttpHead { headers: fields(&head.headers), status })
}

/// The header fields or trailers without those that concern the connection.
pub(crate) fn fields(from: &http::HeaderMap) -> Vec<Header> {
    let mut to = Vec::with_capacity(from.len());
    for (name, value) in from {
        if !is_of_the_connection(name.as_str()) {
            to.push(Header { name: name.as_str().to_owned(), value: value.as_bytes().to_vec() });
        }
    }
    to
}
