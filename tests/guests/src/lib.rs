//! Shared code of the guests: output as JSON lines, and calls of `wasi:http` without a runtime.

use std::fmt::Debug;
use std::io::Write as _;

use sha2::{Digest as _, Sha256};
use wasip2::filesystem::preopens::get_directories;
use wasip2::filesystem::types::{Descriptor, ErrorCode as FileError};
use wasip2::http::outgoing_handler::handle;
use wasip2::http::types::{ErrorCode, Fields, FutureIncomingResponse, IncomingResponse, Method, OutgoingBody, OutgoingRequest, Scheme};
use wasip2::io::streams::StreamError;

pub use serde_json::{Value, json};

/// Prints one line to standard output. If the host no longer accepts it, its record says so, so the result is ignored.
pub fn say(line: Value) {
    let _ = writeln!(std::io::stdout(), "{line}");
}

/// A result as JSON: `{"ok": …}` or `{"err": …}`.
pub fn outcome<T: Debug, E: Debug>(result: Result<T, E>) -> Value {
    match result {
        Ok(value) => json!({ "ok": format!("{value:?}") }),
        Err(err) => json!({ "err": format!("{err:?}") }),
    }
}

/// The same for a result of `wasi:filesystem`, with the name of the error.
pub fn file_outcome<T: Debug>(result: Result<T, FileError>) -> Value {
    match result {
        Ok(value) => json!({ "ok": format!("{value:?}") }),
        Err(code) => json!({ "err": code.name() }),
    }
}

/// Why a stream ended: `closed`, or the host's error.
pub fn stream_end(err: StreamError) -> String {
    match err {
        StreamError::Closed => "closed".to_owned(),
        StreamError::LastOperationFailed(err) => err.to_debug_string(),
    }
}

/// The argument at this position; the first is 1.
pub fn arg(index: usize) -> String {
    std::env::args().nth(index).unwrap_or_else(|| panic!("argument {index} is missing"))
}

/// The argument at this position as a number, or `otherwise` if there is none.
pub fn number(index: usize, otherwise: u64) -> u64 {
    std::env::args().nth(index).map_or(otherwise, |text| text.parse().expect("the argument is a number"))
}

/// All arguments from this position on.
pub fn args_from(index: usize) -> Vec<String> {
    std::env::args().skip(index).collect()
}

/// The digest in hexadecimal, as `sha256sum` prints it.
pub fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Splits a URL into scheme, authority, and path with query, without any check.
pub fn parts(url: &str) -> (Scheme, &str, &str) {
    let (scheme, rest) = url.split_once("://").expect("a URL has a scheme");
    let scheme = match scheme {
        "http" => Scheme::Http,
        "https" => Scheme::Https,
        other => Scheme::Other(other.to_owned()),
    };
    let path = rest.find(['/', '?']).unwrap_or(rest.len());
    (scheme, &rest[..path], if path == rest.len() { "/" } else { &rest[path..] })
}

/// A request that is not sent yet.
pub fn request(method: &Method, url: &str, headers: Fields) -> OutgoingRequest {
    let (scheme, authority, path) = parts(url);
    let request = OutgoingRequest::new(headers);
    request.set_method(method).expect("the method is taken");
    request.set_scheme(Some(&scheme)).expect("the scheme is taken");
    request.set_authority(Some(authority)).expect("the authority is taken");
    request.set_path_with_query(Some(path)).expect("the path is taken");
    request
}

/// A GET that is not sent yet, without headers.
pub fn get(url: &str) -> OutgoingRequest {
    request(&Method::Get, url, Fields::new())
}

/// Waits for the head of the answer.
pub fn wait(answer: Result<FutureIncomingResponse, ErrorCode>) -> Result<IncomingResponse, ErrorCode> {
    let answer = answer?;
    answer.subscribe().block();
    answer.get().expect("it was waited for").expect("it is asked for once")
}

/// Sends a request without a body and waits for the head of the answer.
pub fn send(request: OutgoingRequest) -> Result<IncomingResponse, ErrorCode> {
    wait(handle(request, None))
}

/// Sends a request with this body, in one piece or more, and does not wait for the answer.
pub fn finished(request: OutgoingRequest, bytes: &[u8]) -> Result<FutureIncomingResponse, ErrorCode> {
    let body = request.body().expect("the body is taken once");
    let answer = handle(request, None)?;
    {
        let mut stream = body.write().expect("the stream is taken once");
        stream.write_all(bytes).map_err(|err| ErrorCode::InternalError(Some(err.to_string())))?;
    }
    OutgoingBody::finish(body, None)?;
    Ok(answer)
}

/// Sends a request with this body, and waits for the head of the answer.
pub fn send_with(request: OutgoingRequest, bytes: &[u8]) -> Result<IncomingResponse, ErrorCode> {
    wait(finished(request, bytes))
}

/// Reads the body to its end, or returns the error that broke it off and how many bytes had arrived.
pub fn drain(answer: &IncomingResponse) -> Result<Vec<u8>, (usize, String)> {
    let body = answer.consume().expect("the body is taken once");
    let stream = body.stream().expect("the stream is taken once");
    let mut bytes = Vec::new();
    loop {
        match stream.blocking_read(64 * 1024) {
            Ok(chunk) => bytes.extend_from_slice(&chunk),
            Err(StreamError::Closed) => return Ok(bytes),
            Err(err) => return Err((bytes.len(), stream_end(err))),
        }
    }
}

/// An answer or an error as JSON: status, headers, length, digest, and a short body as text.
pub fn told(answer: Result<IncomingResponse, ErrorCode>) -> Value {
    let answer = match answer {
        Ok(answer) => answer,
        Err(code) => return json!({ "err": format!("{code:?}") }),
    };
    let headers: Vec<_> =
        answer.headers().entries().into_iter().map(|(name, value)| json!([name, String::from_utf8_lossy(&value)])).collect();
    match drain(&answer) {
        Ok(bytes) => {
            let text = (bytes.len() <= 4096).then(|| String::from_utf8_lossy(&bytes).into_owned());
            json!({ "status": answer.status(), "headers": headers, "bytes": bytes.len(), "sha256": sha256(&bytes), "body": text })
        }
        Err((read, why)) => json!({ "status": answer.status(), "headers": headers, "bytes": read, "broken": why }),
    }
}

/// The first folder that was granted.
pub fn mount() -> Descriptor {
    get_directories().into_iter().next().expect("a folder was granted").0
}
