//! Responses: the head is there at once, the body is read as it comes.

use super::Error;
#[cfg(target_arch = "wasm32")]
use super::transport::Incoming;
use ::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use serde::de::DeserializeOwned;
use std::io::{self, Cursor, Read};

/// How many bytes of a stream are requested at once.
const CHUNK_BYTES: usize = 64 * 1024;

/// An answer. Its body is read either whole, with `bytes`, `text` or `json`, or piece by piece through [`Read`].
#[derive(Debug)]
pub struct Response {
    status: StatusCode,
    headers: HeaderMap,
    body: Body,
    body_bytes_max: usize,
}

#[derive(Debug)]
enum Body {
    Whole(Cursor<Vec<u8>>),
    #[cfg(target_arch = "wasm32")]
    Coming(Incoming),
}

impl Response {
    /// An answer with that body and no headers, for tests.
    #[must_use]
    pub fn new(status: StatusCode, body: impl Into<Vec<u8>>) -> Self {
        Self::whole(status, HeaderMap::new(), body.into())
    }

    /// The same answer with one more header, for tests.
    #[must_use]
    pub fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.append(name, value);
        self
    }

    pub(crate) fn whole(status: StatusCode, headers: HeaderMap, body: Vec<u8>) -> Self {
        Self { status, headers, body: Body::Whole(Cursor::new(body)), body_bytes_max: usize::MAX }
    }

    #[cfg(not(target_arch = "wasm32"))]
    pub(crate) fn bounded(mut self, body_bytes_max: usize) -> Self {
        self.body_bytes_max = body_bytes_max;
        self
    }

    #[cfg(target_arch = "wasm32")]
    pub(crate) fn coming(status: StatusCode, headers: HeaderMap, body: Incoming, body_bytes_max: usize) -> Self {
        Self { status, headers, body: Body::Coming(body), body_bytes_max }
    }

    /// The status.
    #[must_use]
    pub const fn status(&self) -> StatusCode {
        self.status
    }

    /// The headers.
    #[must_use]
    pub const fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// Returns the response itself, unless its status is 400 or more.
    ///
    /// # Errors
    ///
    /// [`Error::Status`] with that status.
    pub fn error_for_status(self) -> Result<Self, Error> {
        if self.status.is_client_error() || self.status.is_server_error() {
            return Err(Error::Status { status: self.status.as_u16() });
        }
        Ok(self)
    }

    /// The part of the body that has not been read yet.
    ///
    /// # Errors
    ///
    /// [`Error::TooLarge`] past the client's `body_bytes_max`, or the error that broke off the body.
    pub fn bytes(mut self) -> Result<Vec<u8>, Error> {
        let mut bytes = Vec::new();
        let mut chunk = vec![0; CHUNK_BYTES];
        loop {
            let read = self.read_some(&mut chunk)?;
            let Some(read) = chunk.get(..read).filter(|read| !read.is_empty()) else {
                return Ok(bytes);
            };
            if bytes.len().saturating_add(read.len()) > self.body_bytes_max {
                return Err(Error::TooLarge { code: "body-bytes-max" });
            }
            bytes.extend_from_slice(read);
        }
    }

    /// The rest of the body as text; bytes that are not UTF-8 become U+FFFD.
    ///
    /// # Errors
    ///
    /// As [`Self::bytes`].
    pub fn text(self) -> Result<String, Error> {
        let bytes = self.bytes()?;
        Ok(String::from_utf8(bytes).unwrap_or_else(|err| String::from_utf8_lossy(err.as_bytes()).into_owned()))
    }

    /// The rest of the body, parsed as JSON.
    ///
    /// # Errors
    ///
    /// As [`Self::bytes`], and [`Error::Json`].
    pub fn json<T: DeserializeOwned>(self) -> Result<T, Error> {
        serde_json::from_slice(&self.bytes()?).map_err(Error::Json)
    }

    fn read_some(&mut self, buffer: &mut [u8]) -> Result<usize, Error> {
        match &mut self.body {
            Body::Whole(bytes) => Ok(bytes.read(buffer).unwrap_or(0)),
            #[cfg(target_arch = "wasm32")]
            Body::Coming(incoming) => incoming.read(buffer),
        }
    }
}

impl Read for Response {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.read_some(buffer).map_err(|err| match err {
            Error::Timeout { .. } => io::Error::new(io::ErrorKind::TimedOut, err),
            err => io::Error::other(err),
        })
    }
}
