//! An answer as the checks look at it: status, headers, and so much of its body as is worth looking at.

use crate::show;
use bailiwick_sdk::http::{HeaderMap, Response, StatusCode};
use serde_json::Value;
use std::io::{self, Read};

/// BOUND: how much of a body is looked at. As many as are in flight are held at once, in the sandbox's memory.
pub(crate) const BODY_BYTES_MAX: usize = 256 * 1024;
/// BOUND: how much of a body goes into its digest.
const DIGEST_BYTES_MAX: usize = 4096;
/// BOUND: how many header fields of one name are looked at.
const FIELDS_MAX: usize = 1000;

/// An answer.
#[derive(Debug)]
pub(crate) struct Page {
    /// Path and query that it answers.
    pub(crate) path: String,
    pub(crate) status: StatusCode,
    headers: HeaderMap,
    body: Vec<u8>,
    text: String,
    /// There was more than is looked at.
    is_cut: bool,
}

impl Page {
    pub(crate) fn whole(path: &str, response: Response) -> Result<Self, bailiwick_sdk::http::Error> {
        let (status, headers) = (response.status(), response.headers().clone());
        let body = response.bytes()?;
        Ok(Self::new(path, status, headers, body, false))
    }

    /// Of an answer that is too long, its beginning. The rest is never asked of the host.
    pub(crate) fn beginning(path: &str, mut response: Response) -> io::Result<Self> {
        let (status, headers) = (response.status(), response.headers().clone());
        let mut body = Vec::new();
        Read::by_ref(&mut response).take(BODY_BYTES_MAX as u64).read_to_end(&mut body)?;
        Ok(Self::new(path, status, headers, body, true))
    }

    fn new(path: &str, status: StatusCode, headers: HeaderMap, body: Vec<u8>, is_cut: bool) -> Self {
        // What is not text becomes U+FFFD, which is in no sign.
        let text = String::from_utf8_lossy(&body).into_owned();
        Self { path: path.to_owned(), status, headers, body, text, is_cut }
    }

    /// Whether the server says that this is there. Of a part, too: some were asked for by their beginning.
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

    /// Its body as JSON, where it is that.
    pub(crate) fn json(&self) -> Option<Value> {
        let looks_so = self.text.trim_start().starts_with(['{', '[']);
        if looks_so && !self.is_cut { serde_json::from_slice(&self.body).ok() } else { None }
    }

    /// Whether it is a page for people rather than a file: what such a page shows of a file is a mention.
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

    /// Of the whole that is looked at: whether two answers say the same.
    pub(crate) fn says_the_same_as(&self, other: &Self) -> bool {
        self.body == other.body
    }

    /// What a finding rests on: the status, the headers, and either the beginning of the body, or what is shown of it.
    ///
    /// SECURITY: a digest of a body with a secret in it would let anybody who holds the report try out guesses. So would one of a
    /// cookie: of these only the names go in.
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
