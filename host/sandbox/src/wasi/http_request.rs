//! `wasi:http`: turns a request that the guest makes into an ask.
//!
//! There is no ask before the body is finished. If a body is dropped unfinished or cut off by a trap, there never is one, so no incomplete
//! request leaves the guest.

use bytes::Bytes;
use vocabulary::{Act, Function, HttpAsk, HttpFault, HttpTarget, ParseError, Stop};
use wasmtime::component::Resource;

use super::Reply;
use super::fields::Fields;
use super::http_types::{FutureResponse, OutgoingBody, OutgoingRequest, RequestOptions};
use super::output::OutputStream;
use crate::bindings::wasi::http::outgoing_handler;
use crate::bindings::wasi::http::types::{ErrorCode, HostOutgoingBody, HostOutgoingRequest, Method, Scheme};
use crate::drafts::DraftId;
use crate::guest::Guest;
use crate::holding::size;

/// BOUND: bytes of an authority or path, before it is parsed.
const PART_BYTES_MAX: usize = 16 * 1024;

fn method_text(method: &Method) -> &str {
    match method {
        Method::Get => "GET",
        Method::Head => "HEAD",
        Method::Post => "POST",
        Method::Put => "PUT",
        Method::Delete => "DELETE",
        Method::Connect => "CONNECT",
        Method::Options => "OPTIONS",
        Method::Trace => "TRACE",
        Method::Patch => "PATCH",
        Method::Other(other) => other,
    }
}

fn length(part: Option<&String>) -> usize {
    part.map_or(0, String::len)
}

fn scheme_length(scheme: Option<&Scheme>) -> usize {
    match scheme {
        Some(Scheme::Other(other)) => other.len(),
        Some(Scheme::Http | Scheme::Https) | None => 0,
    }
}

impl OutgoingRequest {
    fn parts_bytes(&self) -> usize {
        let (path, authority) = (length(self.path_with_query.as_ref()), length(self.authority.as_ref()));
        method_text(&self.method).len() + scheme_length(self.scheme.as_ref()) + path + authority
    }
}

fn parsed(request: OutgoingRequest, options: RequestOptions) -> Result<HttpAsk, ParseError> {
    let scheme = match &request.scheme {
        None | Some(Scheme::Https) => vocabulary::Scheme::Https,
        Some(Scheme::Http) => vocabulary::Scheme::Http,
        Some(Scheme::Other(other)) => return Err(ParseError::new("a scheme", other, "http or https")),
    };
    let authority = request.authority.as_deref().unwrap_or("");
    Ok(HttpAsk {
        method: vocabulary::Method::new(method_text(&request.method))?,
        target: HttpTarget::parse(scheme, authority, request.path_with_query.as_deref().unwrap_or("/"))?,
        headers: request.headers.entries,
        body: Bytes::new(),
        timeouts: options.timeouts(),
    })
}

impl Guest {
    fn submit(&mut self, draft: DraftId, ask: Option<HttpAsk>) -> Result<(), Stop> {
        if let Some(ask) = ask {
            // A request that is being sent counts as held memory until there is an answer.
            let sent = self.account.hold(ask.body.len())?;
            let op = self.world.submit(Act::Http(ask))?;
            self.ops.open(op, &self.account);
            self.ops.holds(op, sent);
            self.drafts.send(draft, op);
        }
        Ok(())
    }

    /// Sets one part of a request, unless it is too long.
    fn set_part(&mut self, request: &Request, bytes: usize, set: impl FnOnce(&mut OutgoingRequest)) -> Reply<(), ()> {
        if bytes > PART_BYTES_MAX {
            return Ok(Err(()));
        }
        let request = self.table.get_mut(request)?;
        set(request);
        request.held.set(request.parts_bytes())?;
        Ok(Ok(()))
    }
}

impl outgoing_handler::Host for Guest {
    fn handle(
        &mut self,
        request: Resource<OutgoingRequest>,
        options: Option<Resource<RequestOptions>>,
    ) -> Reply<Resource<FutureResponse>, ErrorCode> {
        let request = self.table.delete(request)?;
        let options = options.map(|options| self.table.delete(options)).transpose()?.unwrap_or_default();
        let draft = request.draft;
        let bytes = request.parts_bytes() + size(&request.headers.entries);
        match parsed(request, options) {
            Ok(ask) => {
                let ask = self.drafts.handle(draft, ask, bytes)?;
                self.submit(draft, ask)?;
                Ok(Ok(self.push(FutureResponse { draft, taken: false })?))
            }
            Err(why_not) => {
                self.refuse(Function::HttpHandle, &why_not.to_string(), true)?;
                self.drafts.close(draft);
                Ok(Err(ErrorCode::HttpRequestDenied))
            }
        }
    }
}

type Request = Resource<OutgoingRequest>;

impl HostOutgoingRequest for Guest {
    fn new(&mut self, headers: Resource<Fields>) -> wasmtime::Result<Request> {
        let headers = self.table.delete(headers)?;
        let draft = self.drafts.open(&self.account);
        let request = OutgoingRequest {
            draft,
            body_taken: false,
            headers,
            held: self.account.nothing(),
            method: Method::Get,
            scheme: None,
            authority: None,
            path_with_query: None,
        };
        Ok(self.push(request)?)
    }

    fn body(&mut self, request: Request) -> Reply<Resource<OutgoingBody>, ()> {
        let request = self.table.get_mut(&request)?;
        if std::mem::replace(&mut request.body_taken, true) {
            return Ok(Err(()));
        }
        let draft = request.draft;
        self.drafts.take_body(draft);
        Ok(Ok(self.push(OutgoingBody { draft, stream_taken: false })?))
    }

    fn method(&mut self, request: Request) -> wasmtime::Result<Method> {
        Ok(self.table.get(&request)?.method.clone())
    }

    fn set_method(&mut self, request: Request, method: Method) -> Reply<(), ()> {
        self.set_part(&request, method_text(&method).len(), |request| request.method = method)
    }

    fn path_with_query(&mut self, request: Request) -> wasmtime::Result<Option<String>> {
        Ok(self.table.get(&request)?.path_with_query.clone())
    }

    fn set_path_with_query(&mut self, request: Request, path: Option<String>) -> Reply<(), ()> {
        self.set_part(&request, length(path.as_ref()), |request| request.path_with_query = path)
    }

    fn scheme(&mut self, request: Request) -> wasmtime::Result<Option<Scheme>> {
        Ok(self.table.get(&request)?.scheme.clone())
    }

    fn set_scheme(&mut self, request: Request, scheme: Option<Scheme>) -> Reply<(), ()> {
        self.set_part(&request, scheme_length(scheme.as_ref()), |request| request.scheme = scheme)
    }

    fn authority(&mut self, request: Request) -> wasmtime::Result<Option<String>> {
        Ok(self.table.get(&request)?.authority.clone())
    }

    fn set_authority(&mut self, request: Request, authority: Option<String>) -> Reply<(), ()> {
        self.set_part(&request, length(authority.as_ref()), |request| request.authority = authority)
    }

    fn headers(&mut self, request: Request) -> wasmtime::Result<Resource<Fields>> {
        let entries = self.table.get(&request)?.headers.entries.clone();
        Ok(self.push_frozen(entries)?)
    }

    fn drop(&mut self, request: Request) -> wasmtime::Result<()> {
        let request = self.table.delete(request)?;
        self.drafts.close(request.draft);
        Ok(())
    }
}

impl HostOutgoingBody for Guest {
    fn write(&mut self, body: Resource<OutgoingBody>) -> Reply<Resource<OutputStream>, ()> {
        let body = self.table.get_mut(&body)?;
        if std::mem::replace(&mut body.stream_taken, true) {
            return Ok(Err(()));
        }
        let draft = body.draft;
        Ok(Ok(self.push(OutputStream::Body(draft))?))
    }

    fn finish(&mut self, body: Resource<OutgoingBody>, trailers: Option<Resource<Fields>>) -> Reply<(), ErrorCode> {
        let draft = self.table.delete(body)?.draft;
        let trailers = trailers.map(|trailers| self.table.delete(trailers)).transpose()?;
        if trailers.is_some_and(|trailers| !trailers.entries.is_empty()) {
            // A trailer could carry what a header may not. Trailers on requests are not needed, so they are refused.
            self.refuse(Function::HttpFinish, "trailers on a request", true)?;
            self.drafts.fail(draft, HttpFault::Denied);
            return Ok(Err(ErrorCode::HttpRequestDenied));
        }
        let ask = self.drafts.finish(draft);
        self.submit(draft, ask)?;
        Ok(Ok(()))
    }

    fn drop(&mut self, body: Resource<OutgoingBody>) -> wasmtime::Result<()> {
        let draft = self.table.delete(body)?.draft;
        if self.drafts.fail(draft, HttpFault::Denied) {
            self.refuse(Function::HttpFinish, "a request body was dropped before it was finished", true)?;
        }
        Ok(())
    }
}
