//! `wasi:http/types`: what a guest gets of a response, as far as the response was released.

use vocabulary::{HttpFault, OpId};
use wasmtime::component::Resource;

use super::Reply;
use super::fields::Fields;
use super::http_types::{FutureResponse, FutureTrailers, IncomingBody, IncomingResponse, code};
use super::input::InputStream;
use super::poll::Pollable;
use crate::bindings::wasi::http::types::{
    ErrorCode, HostFutureIncomingResponse, HostFutureTrailers, HostIncomingBody, HostIncomingResponse,
};
use crate::guest::Guest;
use crate::holding::size;

type MaybeResponse = Option<Result<Result<Resource<IncomingResponse>, ErrorCode>, ()>>;

impl Guest {
    /// The head, or why there is none; `None` while neither was released.
    fn head_of(&mut self, op: OpId) -> Option<Result<vocabulary::HttpHead, HttpFault>> {
        let state = self.ops.get_mut(op)?;
        match (state.head.take(), &state.end) {
            (Some(head), _) => {
                state.held.shrink(size(&head.headers));
                Some(Ok(head))
            }
            (None, Some(Err(fault))) => Some(Err(*fault)),
            // An end without a head is a fault of the world.
            (None, Some(Ok(_))) => Some(Err(HttpFault::Protocol)),
            (None, None) => None,
        }
    }
}

impl HostFutureIncomingResponse for Guest {
    fn subscribe(&mut self, future: Resource<FutureResponse>) -> wasmtime::Result<Resource<Pollable>> {
        let draft = self.table.get(&future)?.draft;
        Ok(self.push(Pollable::Response(draft))?)
    }

    fn get(&mut self, future: Resource<FutureResponse>) -> wasmtime::Result<MaybeResponse> {
        let FutureResponse { draft, taken } = *self.table.get(&future)?;
        if taken {
            return Ok(Some(Err(())));
        }
        if !self.is_ready(Pollable::Response(draft)) {
            self.poll_world()?;
        }
        let head = match self.drafts.sent(draft) {
            None => return Ok(None),
            Some(Err(fault)) => Err(fault),
            Some(Ok(op)) => match self.head_of(op) {
                None => return Ok(None),
                Some(Ok(head)) => Ok((op, head)),
                Some(Err(fault)) => {
                    self.let_go(op)?;
                    Err(fault)
                }
            },
        };
        self.table.get_mut(&future)?.taken = true;
        Ok(Some(Ok(match head {
            Ok((op, head)) => {
                let held = self.account.hold(size(&head.headers))?;
                Ok(self.push(IncomingResponse { op, head, consumed: false, held })?)
            }
            Err(fault) => Err(code(fault)),
        })))
    }

    fn drop(&mut self, future: Resource<FutureResponse>) -> wasmtime::Result<()> {
        let FutureResponse { draft, taken } = self.table.delete(future)?;
        let sent = self.drafts.sent(draft);
        self.drafts.close(draft);
        if let (Some(Ok(op)), false) = (sent, taken) {
            self.let_go(op)?;
        }
        Ok(())
    }
}

impl HostIncomingResponse for Guest {
    fn status(&mut self, response: Resource<IncomingResponse>) -> wasmtime::Result<u16> {
        Ok(self.table.get(&response)?.head.status)
    }

    fn headers(&mut self, response: Resource<IncomingResponse>) -> wasmtime::Result<Resource<Fields>> {
        let entries = self.table.get(&response)?.head.headers.clone();
        Ok(self.push_frozen(entries)?)
    }

    fn consume(&mut self, response: Resource<IncomingResponse>) -> Reply<Resource<IncomingBody>, ()> {
        let response = self.table.get_mut(&response)?;
        if std::mem::replace(&mut response.consumed, true) {
            return Ok(Err(()));
        }
        let op = response.op;
        Ok(Ok(self.push(IncomingBody { op, stream_taken: false })?))
    }

    fn drop(&mut self, response: Resource<IncomingResponse>) -> wasmtime::Result<()> {
        let response = self.table.delete(response)?;
        if !response.consumed {
            self.let_go(response.op)?;
        }
        Ok(())
    }
}

impl HostIncomingBody for Guest {
    fn stream(&mut self, body: Resource<IncomingBody>) -> Reply<Resource<InputStream>, ()> {
        let body = self.table.get_mut(&body)?;
        if std::mem::replace(&mut body.stream_taken, true) {
            return Ok(Err(()));
        }
        let op = body.op;
        Ok(Ok(self.push(InputStream::Body(op))?))
    }

    fn finish(&mut self, body: Resource<IncomingBody>) -> wasmtime::Result<Resource<FutureTrailers>> {
        let op = self.table.delete(body)?.op;
        Ok(self.push(FutureTrailers { op, taken: false })?)
    }

    fn drop(&mut self, body: Resource<IncomingBody>) -> wasmtime::Result<()> {
        let op = self.table.delete(body)?.op;
        Ok(self.let_go(op)?)
    }
}

type MaybeTrailers = Option<Result<Result<Option<Resource<Fields>>, ErrorCode>, ()>>;

impl HostFutureTrailers for Guest {
    fn subscribe(&mut self, future: Resource<FutureTrailers>) -> wasmtime::Result<Resource<Pollable>> {
        let op = self.table.get(&future)?.op;
        Ok(self.push(Pollable::Body(op))?)
    }

    fn get(&mut self, future: Resource<FutureTrailers>) -> wasmtime::Result<MaybeTrailers> {
        let FutureTrailers { op, taken } = *self.table.get(&future)?;
        if taken {
            return Ok(Some(Err(())));
        }
        if !self.is_ready(Pollable::Body(op)) {
            self.poll_world()?;
        }
        let rest_unread = self.ops.get(op).is_some_and(|op| !op.chunks.is_empty());
        let end = self.ops.get(op).map_or(Some(Ok(Vec::new())), |op| op.end.clone());
        let trailers = match end {
            // A guest that finishes a body without reading it gets no trailers, and the rest of the response is abandoned.
            _ if rest_unread => Ok(Vec::new()),
            None => return Ok(None),
            Some(end) => end,
        };
        self.table.get_mut(&future)?.taken = true;
        self.let_go(op)?;
        Ok(Some(Ok(match trailers {
            Ok(trailers) if trailers.is_empty() => Ok(None),
            Ok(trailers) => Ok(Some(self.push_frozen(trailers)?)),
            Err(fault) => Err(code(fault)),
        })))
    }

    fn drop(&mut self, future: Resource<FutureTrailers>) -> wasmtime::Result<()> {
        let op = self.table.delete(future)?.op;
        Ok(self.let_go(op)?)
    }
}
