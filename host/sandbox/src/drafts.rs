//! Drafts: requests that the guest is making. Their body is held here until it is finished. Only then is there an ask.

use std::collections::BTreeMap;

use vocabulary::{HttpAsk, HttpFault, OpId, Stop};

use crate::holding::{Account, BytesGuard};

/// The number of a draft.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct DraftId(u64);

struct RequestDraft {
    body: Vec<u8>,
    held: BytesGuard,
    /// Whether the guest took the body's handle, and has not finished it yet.
    open: bool,
    /// The ask of `handle`, which waits for the body.
    handled: Option<HttpAsk>,
    sent: Option<Result<OpId, HttpFault>>,
}

/// All drafts of a run.
#[derive(Default)]
pub(crate) struct Drafts {
    next: u64,
    all: BTreeMap<DraftId, RequestDraft>,
}

impl Drafts {
    pub(crate) fn open(&mut self, account: &Account) -> DraftId {
        self.next += 1;
        let id = DraftId(self.next);
        self.all.insert(id, RequestDraft { body: Vec::new(), held: account.nothing(), open: false, handled: None, sent: None });
        id
    }

    /// The guest took the body's handle, so it must finish the body.
    pub(crate) fn take_body(&mut self, id: DraftId) {
        if let Some(draft) = self.all.get_mut(&id) {
            draft.open = true;
        }
    }

    /// Adds bytes to the body. Returns `false` if the body was closed already.
    pub(crate) fn write(&mut self, id: DraftId, bytes: &[u8], bytes_max: u64) -> Result<bool, Stop> {
        let Some(draft) = self.all.get_mut(&id).filter(|draft| draft.open) else { return Ok(false) };
        let total = u64::try_from(draft.body.len() + bytes.len()).unwrap_or(u64::MAX);
        if total > bytes_max {
            return Err(Stop::Limit(vocabulary::Limit::RequestBytes));
        }
        draft.held.grow(bytes.len())?;
        draft.body.extend_from_slice(bytes);
        Ok(true)
    }

    /// The guest called `handle`, with an ask that has `bytes` bytes without its body. Returns the ask if it is complete.
    pub(crate) fn handle(&mut self, id: DraftId, ask: HttpAsk, bytes: usize) -> Result<Option<HttpAsk>, Stop> {
        let Some(draft) = self.all.get_mut(&id) else { return Ok(None) };
        // SECURITY: a request that waits for its body counts as held memory, like the body.
        draft.held.grow(bytes)?;
        draft.handled = Some(ask);
        Ok(draft.complete())
    }

    /// The guest finished the body. Returns the ask if it is complete.
    pub(crate) fn finish(&mut self, id: DraftId) -> Option<HttpAsk> {
        let draft = self.all.get_mut(&id)?;
        draft.open = false;
        draft.complete()
    }

    /// The draft became an operation.
    pub(crate) fn send(&mut self, id: DraftId, op: OpId) {
        if let Some(draft) = self.all.get_mut(&id) {
            draft.sent = Some(Ok(op));
        }
    }

    /// The draft will never become an operation. Returns `true` if this was not known before.
    pub(crate) fn fail(&mut self, id: DraftId, fault: HttpFault) -> bool {
        let Some(draft) = self.all.get_mut(&id).filter(|draft| draft.sent.is_none()) else { return false };
        draft.sent = Some(Err(fault));
        draft.let_go();
        draft.open = false;
        true
    }

    /// What became of the draft; `None` if it is not sent yet.
    pub(crate) fn sent(&self, id: DraftId) -> Option<Result<OpId, HttpFault>> {
        self.all.get(&id).map_or(Some(Err(HttpFault::Denied)), |draft| draft.sent)
    }

    /// The guest dropped the future response, so the draft is not needed any more.
    pub(crate) fn close(&mut self, id: DraftId) {
        self.all.remove(&id);
    }
}

impl RequestDraft {
    fn complete(&mut self) -> Option<HttpAsk> {
        if self.open || self.sent.is_some() {
            return None;
        }
        let mut ask = self.handled.take()?;
        ask.body = self.let_go().into();
        Some(ask)
    }

    /// Takes the body, which no longer counts as held memory.
    fn let_go(&mut self) -> Vec<u8> {
        self.held.shrink(usize::MAX);
        self.handled = None;
        std::mem::take(&mut self.body)
    }
}
