//! HTTP through the host, with blocking calls that resemble those of `reqwest`.
//!
//! The host resolves names, holds the connections and the credentials, and follows no redirect: a 3xx is returned as an answer.
//! A request that the operator did not grant fails as [`Error::Refused`], whatever the reason. An agent may not set headers that
//! carry a credential (`Authorization`, `Cookie`, `Proxy-*`): the host adds the credentials that were granted.
//!
//! ```no_run
//! use bailiwick_sdk::http::Client;
//! use std::time::Duration;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let client = Client::new().timeout(Duration::from_secs(10));
//! let answer = client.get("http://127.0.0.1:8080/api/hosts").header("accept", "application/json").send()?;
//! let hosts: Vec<String> = answer.error_for_status()?.json()?;
//!
//! // Several in flight at once:
//! let requests = hosts.iter().map(|host| client.head(&format!("https://{host}/"))).collect();
//! for (host, answer) in hosts.iter().zip(bailiwick_sdk::http::all(requests)) {
//!     match answer {
//!         Ok(answer) => println!("{host}: {}", answer.status()),
//!         Err(err) => println!("{host}: {err}"),
//!     }
//! }
//! # Ok(())
//! # }
//! ```
//!
//! The calls use `wasi:http` directly, without an async runtime: a response outlives the call that returned it, and is read as it
//! comes.

#[cfg(target_arch = "wasm32")]
mod code;
mod err;
mod queue;
mod request;
mod response;
#[cfg(target_arch = "wasm32")]
mod transport;

#[cfg(not(target_arch = "wasm32"))]
use crate::testing as transport;

pub(crate) use self::queue::Queue;

pub use self::err::Error;
pub use self::request::{Client, Request, RequestBuilder};
pub use self::response::Response;
pub use ::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri};

/// BOUND: how many requests [`all`] has in flight at most; the host's default limit is the same.
pub const IN_FLIGHT: usize = 16;

/// Sends all requests, at most [`IN_FLIGHT`] at once, and returns the answers in the order of the requests. Each answer is read to
/// its end, within its client's `body_bytes_max`.
///
/// The operator's own limit may be lower. A request that finds no room is sent again when another one is over, and from then on
/// no more are in flight than there was room for.
#[must_use]
pub fn all(requests: Vec<RequestBuilder>) -> Vec<Result<Response, Error>> {
    all_with(requests, IN_FLIGHT)
}

/// As [`all`], with at most `in_flight` at once: a lower number spares a slow server; a higher number helps only if the operator
/// allows more.
#[must_use]
pub fn all_with(requests: Vec<RequestBuilder>, in_flight: usize) -> Vec<Result<Response, Error>> {
    let mut answers = Vec::with_capacity(requests.len());
    for_each(requests, in_flight, |index, answer| answers.push((index, answer)));
    answers.sort_by_key(|(index, _)| *index);
    answers.into_iter().map(|(_, answer)| answer).collect()
}

/// As [`all_with`], but calls `each` with each answer as soon as it has been read to its end, and with the position of its request.
/// `each` may send requests of its own; the operator's limit counts them beside those in flight.
pub fn for_each(requests: Vec<RequestBuilder>, in_flight: usize, mut each: impl FnMut(usize, Result<Response, Error>)) {
    let mut ready = Vec::with_capacity(requests.len());
    for (index, request) in requests.into_iter().enumerate() {
        match request.build() {
            Ok(request) => ready.push((index, request)),
            Err(err) => each(index, Err(err)),
        }
    }
    transport::send_each(ready, in_flight, &mut each);
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests;
