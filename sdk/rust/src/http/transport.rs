//! Sends requests over `wasi:http` and waits on its pollables.
//! There is no async runtime: it would own every wait until it returns, and a body could not be read after that.

use super::code::refused;
use super::{Error, Queue, Request, Response};
use ::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header::CONTENT_LENGTH};
use std::time::Duration;
use wasip2::clocks::monotonic_clock::subscribe_duration;
use wasip2::http::outgoing_handler::handle;
use wasip2::http::types::{
    Fields, FutureIncomingResponse, HeaderError, IncomingBody, IncomingResponse, Method as WireMethod, OutgoingBody, OutgoingRequest,
    RequestOptions, Scheme, http_error_code,
};
use wasip2::io::poll::{Pollable, poll};
use wasip2::io::streams::{InputStream, StreamError};

/// How many bytes of a stream are requested at once.
const CHUNK_BYTES: u64 = 64 * 1024;

/// Sends one request and waits for the head of its answer.
pub(super) fn send(request: Request) -> Result<Response, Error> {
    let head = Head::of(&request)?;
    wait(&head.ready, head.deadline.as_ref())?;
    let (status, headers, body, body_bytes_max) = head.open()?;
    Ok(Response::coming(status, headers, body, body_bytes_max))
}

/// Sends many requests, and reads each answer to its end.
pub(super) fn send_each(requests: Vec<(usize, Request)>, in_flight: usize, each: &mut dyn FnMut(usize, Result<Response, Error>)) {
    let mut queue = Queue::new(requests, in_flight);
    let mut calls: Vec<(usize, Call)> = Vec::new();
    loop {
        while let Some((index, request)) = queue.next(calls.len()) {
            match Head::of(&request) {
                Ok(head) => calls.push((index, Call::Head { head, request, was_alone: calls.is_empty() })),
                Err(err) if err.wants_room() && queue.take_back(index, request, calls.len()) => {}
                Err(err) => each(index, Err(err)),
            }
        }
        if calls.is_empty() {
            return;
        }
        calls = step_each(calls, &mut queue, each);
    }
}

/// Waits until something has happened, and handles it. Returns the calls that are still in flight.
fn step_each(calls: Vec<(usize, Call)>, queue: &mut Queue, each: &mut dyn FnMut(usize, Result<Response, Error>)) -> Vec<(usize, Call)> {
    let happened = happened(&calls);
    let mut others = calls.len();
    let mut still = Vec::with_capacity(calls.len());
    for ((index, call), happened) in calls.into_iter().zip(happened) {
        match call.step(happened) {
            Step::Again(call) => still.push((index, call)),
            Step::NoRoom { request, err, was_alone } => {
                others -= 1;
                // The requests that took its room may have ended since, and their ends may have been handled before this.
                if !queue.take_back(index, request, others.max(usize::from(!was_alone))) {
                    each(index, Err(err));
                }
            }
            Step::Done(answer) => each(index, answer),
        }
    }
    still
}

/// Waits until something has happened to at least one call, and returns what has happened to each.
fn happened(calls: &[(usize, Call)]) -> Vec<Happened> {
    let mut happened = vec![Happened::Nothing; calls.len()];
    let mut owners = Vec::new();
    let mut pollables = Vec::new();
    for (position, (_, call)) in calls.iter().enumerate() {
        let (ready, deadline) = call.pollables();
        owners.push((position, Happened::Ready));
        pollables.push(ready);
        if let Some(deadline) = deadline {
            owners.push((position, Happened::Late));
            pollables.push(deadline);
        }
    }
    for at in poll(&pollables) {
        if let Some((position, what)) = owners.get(at as usize)
            && let Some(slot) = happened.get_mut(*position)
        {
            // Data that has arrived is taken, even if the deadline has passed as well.
            *slot = (*slot).max(*what);
        }
    }
    happened
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Happened {
    Nothing,
    Late,
    Ready,
}

/// One of several requests in flight.
enum Call {
    Head { head: Head, request: Request, was_alone: bool },
    Body { status: StatusCode, headers: HeaderMap, body: Incoming, read: Vec<u8>, body_bytes_max: usize },
}

enum Step {
    Again(Call),
    /// The host had no room for this request; nothing of it has been sent.
    NoRoom {
        request: Request,
        err: Error,
        was_alone: bool,
    },
    Done(Result<Response, Error>),
}

impl Call {
    fn pollables(&self) -> (&Pollable, Option<&Pollable>) {
        match self {
            Self::Head { head, .. } => (&head.ready, head.deadline.as_ref()),
            Self::Body { body, .. } => (&body.ready, body.deadline.as_ref()),
        }
    }

    fn step(self, happened: Happened) -> Step {
        match happened {
            Happened::Nothing => return Step::Again(self),
            Happened::Late => return Step::Done(Err(Error::Timeout { code: "timeout" })),
            Happened::Ready => {}
        }
        match self {
            Self::Head { head, request, was_alone } => match head.open() {
                Ok((status, headers, body, body_bytes_max)) => {
                    Step::Again(Self::Body { status, headers, body, read: Vec::new(), body_bytes_max })
                }
                Err(err) if err.wants_room() => Step::NoRoom { request, err, was_alone },
                Err(err) => Step::Done(Err(err)),
            },
            Self::Body { status, headers, body, mut read, body_bytes_max } => match body.stream.read(CHUNK_BYTES) {
                Ok(bytes) if read.len().saturating_add(bytes.len()) > body_bytes_max => {
                    Step::Done(Err(Error::TooLarge { code: "body-bytes-max" }))
                }
                Ok(bytes) => {
                    read.extend_from_slice(&bytes);
                    Step::Again(Self::Body { status, headers, body, read, body_bytes_max })
                }
                Err(StreamError::Closed) => Step::Done(Ok(Response::whole(status, headers, read))),
                Err(StreamError::LastOperationFailed(err)) => Step::Done(Err(broken(&err))),
            },
        }
    }
}

/// A request that waits for the head of its answer. The pollables come first: they must be dropped before the objects that they watch.
struct Head {
    ready: Pollable,
    deadline: Option<Pollable>,
    future: FutureIncomingResponse,
    body_bytes_max: usize,
}

impl Head {
    fn of(request: &Request) -> Result<Self, Error> {
        let Request { body, timeout, body_bytes_max, .. } = request;
        let outgoing = outgoing(request)?;
        let deadline = timeout.map(|timeout| subscribe_duration(nanoseconds(timeout)));
        let options = timeout.map(options);
        // If `body()` is never called, the body is empty.
        let sink = if body.is_empty() { None } else { outgoing.body().ok() };
        let future = handle(outgoing, options).map_err(refused)?;
        if let Some(sink) = sink {
            write(sink, body)?;
        }
        Ok(Self { ready: future.subscribe(), deadline, future, body_bytes_max: *body_bytes_max })
    }

    /// The head, once it has arrived.
    fn open(self) -> Result<(StatusCode, HeaderMap, Incoming, usize), Error> {
        let Self { ready, deadline, future, body_bytes_max } = self;
        drop(ready);
        let answer = match future.get() {
            Some(Ok(answer)) => answer.map_err(refused)?,
            Some(Err(())) | None => return Err(Error::Host { code: "no-answer" }),
        };
        let status = StatusCode::from_u16(answer.status()).map_err(|_| broken_as("status"))?;
        let headers = headers(&answer)?;
        let body = answer.consume().map_err(|()| broken_as("body"))?;
        let stream = body.stream().map_err(|()| broken_as("body"))?;
        let body = Incoming { ready: stream.subscribe(), deadline, stream, _body: body, ended: false };
        Ok((status, headers, body, body_bytes_max))
    }
}

/// A body that is being received. The fields are in the order in which they must be dropped.
#[derive(Debug)]
pub(crate) struct Incoming {
    ready: Pollable,
    deadline: Option<Pollable>,
    stream: InputStream,
    _body: IncomingBody,
    ended: bool,
}

impl Incoming {
    /// As `std::io::Read`: returns 0 only at the end, or for an empty buffer.
    pub(super) fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Error> {
        if self.ended || buffer.is_empty() {
            return Ok(0);
        }
        loop {
            let length = CHUNK_BYTES.min(buffer.len() as u64);
            let read = match &self.deadline {
                Some(_) => self.stream.read(length),
                None => self.stream.blocking_read(length),
            };
            match read {
                Ok(bytes) if bytes.is_empty() => wait(&self.ready, self.deadline.as_ref())?,
                Ok(bytes) => {
                    // The host returns at most what was requested. More than that is cut off, since the host's count is not trusted.
                    let count = bytes.len().min(buffer.len());
                    for (to, from) in buffer.iter_mut().zip(&bytes) {
                        *to = *from;
                    }
                    return Ok(count);
                }
                Err(StreamError::Closed) => {
                    self.ended = true;
                    return Ok(0);
                }
                Err(StreamError::LastOperationFailed(err)) => return Err(broken(&err)),
            }
        }
    }
}

/// Waits for `ready`; a deadline that comes first is an error.
fn wait(ready: &Pollable, deadline: Option<&Pollable>) -> Result<(), Error> {
    let Some(deadline) = deadline else {
        ready.block();
        return Ok(());
    };
    if poll(&[ready, deadline]).contains(&0) {
        return Ok(());
    }
    Err(Error::Timeout { code: "timeout" })
}

fn outgoing(request: &Request) -> Result<OutgoingRequest, Error> {
    let fields = Fields::new();
    for (name, value) in &request.headers {
        append(&fields, name.as_str(), value.as_bytes())?;
    }
    if !request.body.is_empty() && !request.headers.contains_key(CONTENT_LENGTH) {
        append(&fields, CONTENT_LENGTH.as_str(), request.body.len().to_string().as_bytes())?;
    }
    let scheme = match request.uri.scheme_str() {
        Some("http") => Scheme::Http,
        Some(_) | None => Scheme::Https,
    };
    let outgoing = OutgoingRequest::new(fields);
    let unfit = |what: &str| Error::malformed(format!("its {what} was not accepted"));
    outgoing.set_method(&method(&request.method)).map_err(|()| unfit("method"))?;
    outgoing.set_scheme(Some(&scheme)).map_err(|()| unfit("scheme"))?;
    let authority = request.uri.authority().map(::http::uri::Authority::as_str);
    outgoing.set_authority(authority).map_err(|()| unfit("authority"))?;
    let path = request.uri.path_and_query().map(::http::uri::PathAndQuery::as_str);
    outgoing.set_path_with_query(path).map_err(|()| unfit("path"))?;
    Ok(outgoing)
}

fn append(fields: &Fields, name: &str, value: &[u8]) -> Result<(), Error> {
    fields.append(name, value).map_err(|err| match err {
        HeaderError::Forbidden => Error::Refused,
        HeaderError::InvalidSyntax | HeaderError::Immutable => Error::malformed(format!("header `{name}`")),
    })
}

/// Writes the body. If the host stops accepting it, the body is left unfinished: the answer says why.
fn write(body: OutgoingBody, bytes: &[u8]) -> Result<(), Error> {
    let written = body.write().is_ok_and(|stream| {
        let mut rest = bytes;
        while !rest.is_empty() {
            let room = match stream.check_write() {
                Ok(0) => {
                    stream.subscribe().block();
                    continue;
                }
                Ok(room) => usize::try_from(room).unwrap_or(usize::MAX).min(rest.len()),
                Err(_) => return false,
            };
            let (now, later) = rest.split_at(room);
            if stream.write(now).is_err() {
                return false;
            }
            rest = later;
        }
        true
    });
    if written { OutgoingBody::finish(body, None).map_err(refused) } else { Ok(()) }
}

fn headers(answer: &IncomingResponse) -> Result<HeaderMap, Error> {
    let mut headers = HeaderMap::new();
    for (name, value) in answer.headers().entries() {
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| broken_as("header"))?;
        let value = HeaderValue::from_bytes(&value).map_err(|_| broken_as("header"))?;
        headers.try_append(name, value).map_err(|_| broken_as("header"))?;
    }
    Ok(headers)
}

fn options(timeout: Duration) -> RequestOptions {
    let options = RequestOptions::new();
    let timeout = Some(nanoseconds(timeout));
    // If the host does not support one of them, it uses its own; the deadline here applies in any case.
    let _ = options.set_connect_timeout(timeout);
    let _ = options.set_first_byte_timeout(timeout);
    let _ = options.set_between_bytes_timeout(timeout);
    options
}

fn nanoseconds(timeout: Duration) -> u64 {
    u64::try_from(timeout.as_nanos()).unwrap_or(u64::MAX).max(1_000_000)
}

fn method(method: &Method) -> WireMethod {
    match method.as_str() {
        "GET" => WireMethod::Get,
        "HEAD" => WireMethod::Head,
        "POST" => WireMethod::Post,
        "PUT" => WireMethod::Put,
        "DELETE" => WireMethod::Delete,
        "CONNECT" => WireMethod::Connect,
        "OPTIONS" => WireMethod::Options,
        "TRACE" => WireMethod::Trace,
        "PATCH" => WireMethod::Patch,
        other => WireMethod::Other(other.to_owned()),
    }
}

fn broken(err: &wasip2::io::error::Error) -> Error {
    http_error_code(err).map_or_else(|| broken_as("stream"), refused)
}

const fn broken_as(code: &'static str) -> Error {
    Error::Protocol { code }
}
