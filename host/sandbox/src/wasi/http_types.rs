//! `wasi:http/types`: the resource types, their simple functions, and the error codes for faults.

use vocabulary::{HttpFault, HttpHead, HttpTimeouts, OpId};
use wasmtime::component::Resource;

use super::Reply;
use super::fields::Fields;
use super::io::IoError;
use crate::bindings::wasi::http::types::{
    self, ErrorCode, HostIncomingRequest, HostOutgoingResponse, HostRequestOptions, HostResponseOutparam, Method, Scheme,
};
use crate::drafts::DraftId;
use crate::guest::Guest;
use crate::holding::BytesGuard;

/// A resource of an HTTP server. This host runs no servers for guests, so no value of this type is ever made.
pub(crate) enum Never {}

/// A request that the guest is making. Its parts are parsed when the guest calls `handle`.
pub(crate) struct OutgoingRequest {
    pub(crate) draft: DraftId,
    pub(crate) body_taken: bool,
    pub(crate) headers: Fields,
    /// Counts the four parts below as held memory.
    pub(crate) held: BytesGuard,
    pub(crate) method: Method,
    pub(crate) scheme: Option<Scheme>,
    pub(crate) authority: Option<String>,
    pub(crate) path_with_query: Option<String>,
}

/// The body of a request.
pub(crate) struct OutgoingBody {
    pub(crate) draft: DraftId,
    pub(crate) stream_taken: bool,
}

/// The time-outs that the guest set, in nanoseconds.
#[derive(Clone, Copy, Default)]
pub(crate) struct RequestOptions {
    pub(crate) connect_ns: Option<u64>,
    pub(crate) first_byte_ns: Option<u64>,
    pub(crate) between_bytes_ns: Option<u64>,
}

/// A response that may come.
pub(crate) struct FutureResponse {
    pub(crate) draft: DraftId,
    pub(crate) taken: bool,
}

/// A response whose head has come. The rest is abandoned when the last resource that holds `op` is dropped.
pub(crate) struct IncomingResponse {
    pub(crate) op: OpId,
    pub(crate) head: HttpHead,
    pub(crate) consumed: bool,
    #[expect(dead_code, reason = "counts as long as it lives")]
    pub(crate) held: BytesGuard,
}

/// The body of a response.
pub(crate) struct IncomingBody {
    pub(crate) op: OpId,
    pub(crate) stream_taken: bool,
}

/// The trailers of a response.
pub(crate) struct FutureTrailers {
    pub(crate) op: OpId,
    pub(crate) taken: bool,
}

/// The error code for a fault. It never says which address a name has, or that it has none.
pub(crate) fn code(fault: HttpFault) -> ErrorCode {
    match fault {
        HttpFault::Denied | HttpFault::Unfinished => ErrorCode::HttpRequestDenied,
        HttpFault::Unreachable => ErrorCode::DestinationUnavailable,
        HttpFault::TimedOut => ErrorCode::HttpResponseTimeout,
        HttpFault::Incomplete => ErrorCode::HttpResponseIncomplete,
        HttpFault::Protocol => ErrorCode::HttpProtocolError,
        HttpFault::HeadersTooLarge => ErrorCode::HttpResponseHeaderSectionSize(None),
        HttpFault::BodyTooLarge => ErrorCode::HttpResponseBodySize(None),
        HttpFault::TooMany => ErrorCode::ConnectionLimitReached,
    }
}

impl RequestOptions {
    pub(crate) fn timeouts(self) -> HttpTimeouts {
        let ms = |ns: Option<u64>| ns.map(|ns| ns.div_ceil(1_000_000));
        HttpTimeouts { connect_ms: ms(self.connect_ns), first_byte_ms: ms(self.first_byte_ns), between_bytes_ms: ms(self.between_bytes_ns) }
    }
}

impl types::Host for Guest {
    fn http_error_code(&mut self, error: Resource<IoError>) -> wasmtime::Result<Option<ErrorCode>> {
        Ok(match self.table.get(&error)? {
            IoError::Http(fault) => Some(code(*fault)),
            IoError::File(_) => None,
        })
    }
}

type Options = Resource<RequestOptions>;

impl HostRequestOptions for Guest {
    fn new(&mut self) -> wasmtime::Result<Options> {
        Ok(self.push(RequestOptions::default())?)
    }

    fn connect_timeout(&mut self, options: Options) -> wasmtime::Result<Option<u64>> {
        Ok(self.table.get(&options)?.connect_ns)
    }

    fn set_connect_timeout(&mut self, options: Options, duration: Option<u64>) -> Reply<(), ()> {
        self.table.get_mut(&options)?.connect_ns = duration;
        Ok(Ok(()))
    }

    fn first_byte_timeout(&mut self, options: Options) -> wasmtime::Result<Option<u64>> {
        Ok(self.table.get(&options)?.first_byte_ns)
    }

    fn set_first_byte_timeout(&mut self, options: Options, duration: Option<u64>) -> Reply<(), ()> {
        self.table.get_mut(&options)?.first_byte_ns = duration;
        Ok(Ok(()))
    }

    fn between_bytes_timeout(&mut self, options: Options) -> wasmtime::Result<Option<u64>> {
        Ok(self.table.get(&options)?.between_bytes_ns)
    }

    fn set_between_bytes_timeout(&mut self, options: Options, duration: Option<u64>) -> Reply<(), ()> {
        self.table.get_mut(&options)?.between_bytes_ns = duration;
        Ok(Ok(()))
    }

    fn drop(&mut self, options: Options) -> wasmtime::Result<()> {
        self.table.delete(options)?;
        Ok(())
    }
}

/// The trap for a handle to one of these resources. The host never gave one out, so the guest has made it up.
fn forged<T>(guest: &Guest, object: &Resource<Never>) -> wasmtime::Result<T> {
    match *guest.table.get(object)? {}
}

impl HostIncomingRequest for Guest {
    fn method(&mut self, request: Resource<Never>) -> wasmtime::Result<Method> {
        forged(self, &request)
    }

    fn path_with_query(&mut self, request: Resource<Never>) -> wasmtime::Result<Option<String>> {
        forged(self, &request)
    }

    fn scheme(&mut self, request: Resource<Never>) -> wasmtime::Result<Option<Scheme>> {
        forged(self, &request)
    }

    fn authority(&mut self, request: Resource<Never>) -> wasmtime::Result<Option<String>> {
        forged(self, &request)
    }

    fn headers(&mut self, request: Resource<Never>) -> wasmtime::Result<Resource<Fields>> {
        forged(self, &request)
    }

    fn consume(&mut self, request: Resource<Never>) -> Reply<Resource<IncomingBody>, ()> {
        forged(self, &request)
    }

    fn drop(&mut self, request: Resource<Never>) -> wasmtime::Result<()> {
        forged(self, &request)
    }
}

impl HostResponseOutparam for Guest {
    fn set(&mut self, outparam: Resource<Never>, _response: Result<Resource<Never>, ErrorCode>) -> wasmtime::Result<()> {
        forged(self, &outparam)
    }

    fn drop(&mut self, outparam: Resource<Never>) -> wasmtime::Result<()> {
        forged(self, &outparam)
    }
}

impl HostOutgoingResponse for Guest {
    fn new(&mut self, _headers: Resource<Fields>) -> wasmtime::Result<Resource<Never>> {
        Err(wasmtime::Error::msg("this host runs no servers: there is nobody to respond to"))
    }

    fn status_code(&mut self, response: Resource<Never>) -> wasmtime::Result<u16> {
        forged(self, &response)
    }

    fn set_status_code(&mut self, response: Resource<Never>, _status: u16) -> Reply<(), ()> {
        forged(self, &response)
    }

    fn headers(&mut self, response: Resource<Never>) -> wasmtime::Result<Resource<Fields>> {
        forged(self, &response)
    }

    fn body(&mut self, response: Resource<Never>) -> Reply<Resource<OutgoingBody>, ()> {
        forged(self, &response)
    }

    fn drop(&mut self, response: Resource<Never>) -> wasmtime::Result<()> {
        forged(self, &response)
    }
}
