//! What was released of each operation, and what the guest has not taken yet.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use vocabulary::{Answer, Fault, GuestEvent, Header, HttpFault, HttpHead, OpId, Stop};

use crate::holding::{Account, BytesGuard, size};

/// One operation as far as the guest can see it.
pub(crate) struct Op {
    pub(crate) head: Option<HttpHead>,
    pub(crate) chunks: VecDeque<Bytes>,
    /// How the response ended.
    pub(crate) end: Option<Result<Vec<Header>, HttpFault>>,
    /// The answer to an act that is answered in one piece, or why the act has no answer.
    pub(crate) answer: Option<Result<Answer, Fault>>,
    pub(crate) fired: bool,
    /// Counts everything that was released and not taken.
    pub(crate) held: BytesGuard,
    /// Counts what is being sent.
    sent: Option<BytesGuard>,
}

/// All operations that the guest still holds.
#[derive(Default)]
pub(crate) struct Ops(BTreeMap<OpId, Op>);

impl Ops {
    pub(crate) fn open(&mut self, op: OpId, account: &Account) {
        let held = account.nothing();
        self.0.insert(op, Op { head: None, chunks: VecDeque::new(), end: None, answer: None, fired: false, held, sent: None });
    }

    /// Counts what is sent for an operation, until a part of its answer has come or the guest drops the operation.
    pub(crate) fn holds(&mut self, op: OpId, sent: BytesGuard) {
        if let Some(op) = self.0.get_mut(&op) {
            op.sent = Some(sent);
        }
    }

    pub(crate) fn get(&self, op: OpId) -> Option<&Op> {
        self.0.get(&op)
    }

    pub(crate) fn get_mut(&mut self, op: OpId) -> Option<&mut Op> {
        self.0.get_mut(&op)
    }

    /// Forgets an operation. Returns whether more events could still have come for it.
    pub(crate) fn close(&mut self, op: OpId) -> bool {
        self.0.remove(&op).is_some_and(|op| op.end.is_none() && op.answer.is_none() && !op.fired)
    }

    /// Applies a release. A release for an operation that the guest has dropped changes nothing.
    pub(crate) fn release(&mut self, op: OpId, event: GuestEvent) -> Result<(), Stop> {
        let Some(op) = self.0.get_mut(&op) else { return Ok(()) };
        op.sent = None;
        match event {
            GuestEvent::Head(head) => {
                op.held.grow(size(&head.headers))?;
                op.head = Some(head);
            }
            GuestEvent::Chunk(bytes) => {
                op.held.grow(bytes.len())?;
                op.chunks.push_back(bytes);
            }
            GuestEvent::End(trailers) => {
                op.held.grow(size(&trailers))?;
                op.end = Some(Ok(trailers));
            }
            GuestEvent::Answer(answer) => op.answer = Some(Ok(answer)),
            GuestEvent::Failed(Fault::Http(fault)) => op.end = Some(Err(fault)),
            GuestEvent::Failed(fault @ Fault::Credential(_)) => op.answer = Some(Err(fault)),
            GuestEvent::Timer { .. } => op.fired = true,
            GuestEvent::Clock => {}
        }
        Ok(())
    }
}
