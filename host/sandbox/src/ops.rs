//! What has been released of each operation, and what the guest has not taken yet.

use std::collections::{HashMap, VecDeque};

use bytes::Bytes;
use effect::{Event, Header, HttpFault, HttpHead, OpId};

/// One operation as far as the guest can see it.
#[derive(Default)]
pub(crate) struct Op {
    pub(crate) head: Option<HttpHead>,
    pub(crate) chunks: VecDeque<Bytes>,
    pub(crate) end: Option<Result<Vec<Header>, HttpFault>>,
    pub(crate) fired: bool,
}

/// All operations that the guest still holds.
#[derive(Default)]
pub(crate) struct Ops(HashMap<OpId, Op>);

impl Ops {
    pub(crate) fn open(&mut self, op: OpId) {
        self.0.insert(op, Op::default());
    }

    pub(crate) fn get(&self, op: OpId) -> Option<&Op> {
        self.0.get(&op)
    }

    pub(crate) fn get_mut(&mut self, op: OpId) -> Option<&mut Op> {
        self.0.get_mut(&op)
    }

    /// Forgets it; whether more could still have come.
    pub(crate) fn close(&mut self, op: OpId) -> bool {
        self.0.remove(&op).is_some_and(|op| op.end.is_none() && !op.fired)
    }

    /// Takes in a release. One for an operation the guest let go of changes nothing.
    pub(crate) fn release(&mut self, op: OpId, event: Event) {
        let Some(op) = self.0.get_mut(&op) else { return };
        match event {
            Event::Head(head) => op.head = Some(head),
            Event::Chunk(bytes) => op.chunks.push_back(bytes),
            Event::End(trailers) => op.end = Some(Ok(trailers)),
            Event::Failed(fault) => op.end = Some(Err(fault)),
            Event::Timer { .. } => op.fired = true,
            Event::Clock => {}
        }
    }
}
