//! Requests: a client with its defaults, and a builder for requests.

use super::{Error, Response, transport};
use ::http::header::CONTENT_TYPE;
use ::http::{HeaderMap, HeaderName, HeaderValue, Method, Uri};
use serde::Serialize;
use std::time::Duration;

/// BOUND: the default of [`Client::body_bytes_max`].
const BODY_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Defaults for requests. The host holds the connections; a client holds none.
#[derive(Debug, Clone)]
pub struct Client {
    timeout: Option<Duration>,
    body_bytes_max: usize,
}

impl Default for Client {
    fn default() -> Self {
        Self::new()
    }
}

impl Client {
    /// A client with these defaults:
    ///
    /// - no timeout of its own; the host's limits still apply
    /// - bodies up to 16 MiB in memory
    #[must_use]
    pub const fn new() -> Self {
        Self { timeout: None, body_bytes_max: BODY_BYTES_MAX }
    }

    /// The same client with a timeout for each request, from sending it to the end of the answer's body.
    #[must_use]
    pub const fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// The same client with another bound on the bytes that `bytes`, `text`, `json` and [`super::all`] read into memory. Reading
    /// through [`std::io::Read`] is not bounded.
    #[must_use]
    pub const fn body_bytes_max(mut self, bytes: usize) -> Self {
        self.body_bytes_max = bytes;
        self
    }

    /// A GET.
    pub fn get(&self, url: &str) -> RequestBuilder {
        self.request(Method::GET, url)
    }

    /// A HEAD.
    pub fn head(&self, url: &str) -> RequestBuilder {
        self.request(Method::HEAD, url)
    }

    /// A POST.
    pub fn post(&self, url: &str) -> RequestBuilder {
        self.request(Method::POST, url)
    }

    /// A PUT.
    pub fn put(&self, url: &str) -> RequestBuilder {
        self.request(Method::PUT, url)
    }

    /// A PATCH.
    pub fn patch(&self, url: &str) -> RequestBuilder {
        self.request(Method::PATCH, url)
    }

    /// A DELETE.
    pub fn delete(&self, url: &str) -> RequestBuilder {
        self.request(Method::DELETE, url)
    }

    /// A request with any method.
    pub fn request(&self, method: Method, url: &str) -> RequestBuilder {
        RequestBuilder(parsed(url).map(|uri| Request {
            method,
            uri,
            headers: HeaderMap::new(),
            body: Vec::new(),
            timeout: self.timeout,
            body_bytes_max: self.body_bytes_max,
        }))
    }
}

/// A request as it is sent.
#[derive(Debug)]
pub struct Request {
    pub(crate) method: Method,
    pub(crate) uri: Uri,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
    pub(crate) timeout: Option<Duration>,
    pub(crate) body_bytes_max: usize,
}

impl Request {
    /// The method.
    #[must_use]
    pub const fn method(&self) -> &Method {
        &self.method
    }

    /// The destination; always an absolute URI.
    #[must_use]
    pub const fn uri(&self) -> &Uri {
        &self.uri
    }

    /// The headers, before the host adds its own.
    #[must_use]
    pub const fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// The body; empty if there is none.
    #[must_use]
    pub fn body(&self) -> &[u8] {
        &self.body
    }
}

/// A request that is being built. The first mistake is kept and returned when the request is sent.
#[derive(Debug)]
#[must_use = "a request does nothing until it is sent"]
pub struct RequestBuilder(Result<Request, Error>);

impl RequestBuilder {
    /// The same request with one more header; earlier headers of that name stay.
    pub fn header<K, V>(self, name: K, value: V) -> Self
    where
        K: TryInto<HeaderName, Error: std::fmt::Display>,
        V: TryInto<HeaderValue, Error: std::fmt::Display>,
    {
        self.and_then(|mut request| {
            let name = name.try_into().map_err(|err| Error::malformed(err.to_string()))?;
            let value = value.try_into().map_err(|err| Error::malformed(format!("header `{name}`: {err}")))?;
            request.headers.append(name, value);
            Ok(request)
        })
    }

    /// The same request with all of these headers added.
    pub fn headers(self, headers: HeaderMap) -> Self {
        self.and_then(|mut request| {
            request.headers.extend(headers);
            Ok(request)
        })
    }

    /// The same request with a body.
    pub fn body(self, body: impl Into<Vec<u8>>) -> Self {
        self.and_then(|mut request| {
            request.body = body.into();
            Ok(request)
        })
    }

    /// The same request with a value as JSON for its body, and with the content type of JSON unless one is set.
    pub fn json<T: Serialize + ?Sized>(self, value: &T) -> Self {
        self.and_then(|mut request| {
            request.body = serde_json::to_vec(value).map_err(|err| Error::malformed(format!("its JSON: {err}")))?;
            request.headers.entry(CONTENT_TYPE).or_insert(HeaderValue::from_static("application/json"));
            Ok(request)
        })
    }

    /// The same request with a timeout, from sending it to the end of the answer's body.
    pub fn timeout(self, timeout: Duration) -> Self {
        self.and_then(|mut request| {
            request.timeout = Some(timeout);
            Ok(request)
        })
    }

    /// The finished request.
    ///
    /// # Errors
    ///
    /// [`Error::Malformed`] if a part of it was not well formed.
    pub fn build(self) -> Result<Request, Error> {
        self.0
    }

    /// Sends the request and waits for the head of the answer. The body is read as it comes.
    ///
    /// # Errors
    ///
    /// If there is no answer. A status of 400 or more is an answer; see [`Response::error_for_status`].
    pub fn send(self) -> Result<Response, Error> {
        transport::send(self.0?)
    }

    fn and_then(self, change: impl FnOnce(Request) -> Result<Request, Error>) -> Self {
        Self(self.0.and_then(change))
    }
}

fn parsed(url: &str) -> Result<Uri, Error> {
    let uri: Uri = url.parse().map_err(|err| Error::malformed(format!("its URL: {err}")))?;
    match uri.scheme_str() {
        Some("http" | "https") => {}
        Some(_) | None => return Err(Error::malformed("its URL begins with neither `http://` nor `https://`")),
    }
    // SECURITY: a credential in a URL would end up in logs and on the record, and the host would refuse it anyway.
    if uri.authority().is_some_and(|authority| authority.as_str().contains('@')) {
        return Err(Error::malformed("its URL contains a user name"));
    }
    Ok(uri)
}
