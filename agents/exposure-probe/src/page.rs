//! An answer as the checks see it: status, headers, and a bounded part of its body.

use crate::show;
use bailiwick_sdk::http::{HeaderMap, Response, StatusCode};
use serde_json::Value;
use std::io::{self, Read};

/// BOUND: how much of a body is examined. The sandbox's memory holds one body for each request in flight.
pub(crate) const BODY_BYTES_MAX: usize = 256 * 1024;
/// BOUND: how much of a body goes into its digest.
const DIGEST_BYTES_MAX: usize = 4096;
/// BOUND: how many header fields of one name are examined.
const FIELDS_MAX: usize = 1000;

/// One answer of a server.
#[derive(Debug)]
pub(crate) struct Page {
    /// Path and query of the request.
    pub(crate) path: String,
    pub(crate) status: StatusCode,
    headers: HeaderMap,
    body: Vec<u8>,
    text: String,
    /// Whether the body is longer than what is examined.
    is_cut: bool,
}

impl Page {
    pub(crate) fn whole(path: &str, response: Response) -> Result<Self, bailiwick_sdk::http::Error> {
        let (status, headers) = (response.status(), response.headers().clone());
        let body = response.bytes()?;
        Ok(Self::new(path, status, headers, body, false))
    }

    /// The beginning of an answer that is too long. The rest is never requested from the host.
    pub(crate) fn beginning(path: &str, mut response: Response) -> io::Result<Self> {
        let (status, headers) = (response.status(), response.headers().clone());
        let mut body = Vec::new();
        Read::by_ref(&mut response).take(BODY_BYTES_MAX as u64).read_to_end(&mut body)?;
        Ok(Self::new(path, status, headers, body, true))
    }

    fn new(path: &str, status: StatusCode, headers: HeaderMap, body: Vec<u8>, is_cut: bool) -> Self {
        // Bytes that are not text become U+FFFD, which no check looks for.
        let text = String::from_utf8_lossy(&body).into_owned();
        Self { path: path.to_owned(), status, headers, body, text, is_cut }
    }

    /// Whether the server says that this path exists. A partial answer counts too: of some files only the beginning was asked for.
    pub(crate) fn is_there(&self) -> bool {
        self.status == StatusCode::OK || self.status == StatusCode::PARTIAL_CONTENT
    }

    pub(crate) fn is_error(&self) -> bool {
        self.status.is_client_error() || self.status.is_server_error()
    }

    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    pub(crate) fn begins(&self, bytes: &[u8]) -> bool {
        self.body.starts_with(bytes)
    }

    pub(crate) fn has(&self, word: &str) -> bool {
        self.text.contains(word)
    }

    pub(crate) fn has_all(&self, words: &[&str]) -> bool {
        words.iter().all(|word| self.has(word))
    }

    pub(crate) const fn is_cut(&self) -> bool {
        self.is_cut
    }

    /// The body as JSON, if it is JSON.
    pub(crate) fn json(&self) -> Option<Value> {
        let looks_so = self.text.trim_start().starts_with(['{', '[']);
        if looks_so && !self.is_cut { serde_json::from_slice(&self.body).ok() } else { None }
    }

    /// Whether this is a page for people rather than a file: such a page only mentions a file.
    pub(crate) fn is_html(&self) -> bool {
        let front: String = self.text.chars().take(1024).collect::<String>().to_ascii_lowercase();
        front.trim_start().starts_with("<!doctype html") || ["<html", "<head", "<body", "<title"].iter().any(|tag| front.contains(tag))
    }

    pub(crate) fn says_html(&self) -> bool {
        self.header("content-type").is_some_and(|kind| kind.to_ascii_lowercase().contains("html"))
    }

    /// The first field of that name, as text.
    pub(crate) fn header(&self, name: &str) -> Option<String> {
        self.headers(name).next()
    }

    pub(crate) fn headers<'a>(&'a self, name: &str) -> impl Iterator<Item = String> + use<'a> {
        let values = self.headers.get_all(name).iter().take(FIELDS_MAX);
        values.map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
    }

    /// Whether two answers are the same, in the part that is examined.
    pub(crate) fn says_the_same_as(&self, other: &Self) -> bool {
        self.body == other.body
    }

    /// The digest of the evidence for a finding: the status, the headers, and either the beginning of the body, or the text that is
    /// shown instead.
    ///
    /// SECURITY: a digest of a body with a secret in it would let anybody who has the report test guesses. So would a digest of a
    /// cookie's value: only the names of cookies go in.
    pub(crate) fn evidence(&self, shown_instead: Option<&str>) -> String {
        let mut head = format!("{}\n", self.status.as_u16()).into_bytes();
        for (name, value) in &self.headers {
            let value = value.as_bytes();
            let value = if name == "set-cookie" { value.split(|byte| *byte == b'=').next().unwrap_or_default() } else { value };
            head.extend_from_slice(name.as_str().as_bytes());
            head.extend_from_slice(b": ");
            head.extend_from_slice(value);
            head.push(b'\n');
        }
        let front = self.body.get(..DIGEST_BYTES_MAX.min(self.body.len())).unwrap_or_default();
        show::digest([head.as_slice(), shown_instead.map_or(front, str::as_bytes)])
    }
}
