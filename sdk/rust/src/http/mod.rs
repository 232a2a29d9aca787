//! HTTP through the host, with blocking calls shaped like those of `reqwest`.
//!
//! The host resolves names, holds the connections and the credentials, and follows no redirect: a 3xx arrives as one.
//! What the operator did not grant is [`Error::Refused`], whatever the reason. Headers that would carry a credential
//! (`Authorization`, `Cookie`, `Proxy-*`) are not the agent's to set: the host adds what was granted.
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
//! The calls stand on `wasi:http` itself and not on an async runtime: a response outlives the call that brought it, and
//! is read as it comes.

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

/// BOUND: how many requests [`all`] has in flight at most; as many as the host allows unless its operator says otherwise.
pub const IN_FLIGHT: usize = 16;

/// Sends all of them, at most [`IN_FLIGHT`] at once, and gives the answers in the order of the requests. Each is read to
/// its end, within its client's `body_bytes_max`.
///
/// The operator's own limit may be lower. A request that finds no room is sent again when another of these is over, and
/// from then on no more are in flight than there was room for.
#[must_use]
pub fn all(requests: Vec<RequestBuilder>) -> Vec<Result<Response, Error>> {
    all_with(requests, IN_FLIGHT)
}

/// As [`all`], with at most `in_flight` at once: fewer spare a slow server, more are of use only where the operator allows
/// more.
#[must_use]
pub fn all_with(requests: Vec<RequestBuilder>, in_flight: usize) -> Vec<Result<Response, Error>> {
    let mut answers = Vec::with_capacity(requests.len());
    for_each(requests, in_flight, |index, answer| answers.push((index, answer)));
    answers.sort_by_key(|(index, _)| *index);
    answers.into_iter().map(|(_, answer)| answer).collect()
}

/// As [`all_with`], but hands over each answer as soon as it has been read to its end, with the position of its request.
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
