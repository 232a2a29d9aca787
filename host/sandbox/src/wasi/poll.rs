//! `wasi:io/poll`: readiness, which changes only by a release.

use vocabulary::{Function, HttpFault, OpId};
use wasmtime::component::Resource;

use crate::bindings::wasi::io::poll;
use crate::drafts::DraftId;
use crate::guest::Guest;

/// What a guest can wait for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Pollable {
    /// Always ready.
    Ready,
    /// A timer, and the moment for which it was set.
    Timer(OpId, u64),
    /// The head of a response.
    Response(DraftId),
    /// More bytes of a body.
    Body(OpId),
}

impl Guest {
    pub(crate) fn is_ready(&self, pollable: Pollable) -> bool {
        match pollable {
            Pollable::Ready => true,
            Pollable::Timer(op, deadline_ns) => deadline_ns <= self.clock.current_ns() || self.ops.get(op).is_none_or(|op| op.fired),
            Pollable::Response(draft) => match self.drafts.sent(draft) {
                None => false,
                Some(Err(_)) => true,
                Some(Ok(op)) => self.ops.get(op).is_none_or(|op| op.head.is_some() || op.end.is_some()),
            },
            Pollable::Body(op) => self.ops.get(op).is_none_or(|op| !op.chunks.is_empty() || op.end.is_some()),
        }
    }

    /// Waits until one of them is ready. A guest that waits only for responses to requests that it has not finished would wait without end.
    /// So these requests are refused, and the guest can continue.
    pub(crate) async fn wait_for_any(&mut self, pollables: &[Pollable]) -> wasmtime::Result<()> {
        if pollables.iter().any(|pollable| self.is_ready(*pollable)) {
            return Ok(());
        }
        let unfinished = |pollable: &Pollable| match pollable {
            Pollable::Response(draft) => self.drafts.sent(*draft).is_none().then_some(*draft),
            Pollable::Ready | Pollable::Timer(..) | Pollable::Body(_) => None,
        };
        let drafts: Vec<DraftId> = pollables.iter().filter_map(unfinished).collect();
        if drafts.len() == pollables.len() {
            for draft in drafts {
                self.refuse(Function::HttpHandle, "waits for the response to a request whose body it has not finished", true)?;
                self.drafts.fail(draft, HttpFault::Unfinished);
            }
            return Ok(());
        }
        self.wait_until(|guest| pollables.iter().any(|pollable| guest.is_ready(*pollable))).await?;
        Ok(())
    }
}

impl poll::HostPollable for Guest {
    fn ready(&mut self, pollable: Resource<Pollable>) -> wasmtime::Result<bool> {
        let pollable = *self.table.get(&pollable)?;
        if !self.is_ready(pollable) {
            self.poll_world()?;
        }
        Ok(self.is_ready(pollable))
    }

    async fn block(&mut self, pollable: Resource<Pollable>) -> wasmtime::Result<()> {
        let pollable = *self.table.get(&pollable)?;
        self.wait_for_any(&[pollable]).await
    }

    fn drop(&mut self, pollable: Resource<Pollable>) -> wasmtime::Result<()> {
        match self.table.delete(pollable)? {
            Pollable::Timer(op, _) => self.let_go(op)?,
            Pollable::Ready | Pollable::Response(_) | Pollable::Body(_) => {}
        }
        Ok(())
    }
}

impl poll::Host for Guest {
    async fn poll(&mut self, pollables: Vec<Resource<Pollable>>) -> wasmtime::Result<Vec<u32>> {
        if pollables.is_empty() {
            return Err(wasmtime::Error::msg("`poll` was called with an empty list"));
        }
        let pollables = pollables.iter().map(|pollable| Ok(*self.table.get(pollable)?)).collect::<wasmtime::Result<Vec<_>>>()?;
        // A pollable that is always ready (wstd polls with a timer of zero) must not prevent the release of events for the others.
        if pollables.iter().any(|pollable| self.is_ready(*pollable)) && !pollables.iter().all(|pollable| self.is_ready(*pollable)) {
            self.poll_world()?;
        }
        self.wait_for_any(&pollables).await?;
        let ready = pollables.iter().zip(0u32..).filter(|(pollable, _)| self.is_ready(**pollable));
        Ok(ready.map(|(_, index)| index).collect())
    }
}
