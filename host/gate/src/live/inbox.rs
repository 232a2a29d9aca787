//! Holds events of effects until they are released to the guest.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;

use tokio::sync::Semaphore;
use vocabulary::{Fault, GuestEvent, OpId, Stop};

/// BOUND: how many pieces of a body, of at most 64 KiB each, may wait for one operation.
pub const CREDIT: usize = 4;

/// The inbox of a run. It is shared by the world and its tasks.
#[derive(Clone, Default)]
pub(crate) struct Inbox(Arc<Mutex<Inner>>);

#[derive(Default)]
struct Inner {
    queue: VecDeque<(OpId, GuestEvent)>,
    /// Operations that may still get events. Events for other operations are dropped.
    open: BTreeMap<OpId, Arc<Semaphore>>,
    waker: Option<Waker>,
    /// People may have decided about an act that is held back.
    decided: bool,
    over: Option<Stop>,
}

/// What was taken out of the inbox.
pub(crate) enum InboxItem {
    Event(OpId, GuestEvent),
    /// There is nothing now, and an operation is under way.
    Nothing,
    /// There is nothing, and no operation is under way.
    Never,
}

impl Inbox {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Opens an operation: from now on events may come for it.
    pub(crate) fn open(&self, op: OpId) -> Arc<Semaphore> {
        let credit = Arc::new(Semaphore::new(CREDIT));
        self.lock().open.insert(op, Arc::clone(&credit));
        credit
    }

    /// Puts an event in, unless its operation was abandoned.
    pub(crate) fn put(&self, op: OpId, event: GuestEvent) {
        let mut inner = self.lock();
        if inner.open.contains_key(&op) {
            inner.queue.push_back((op, event));
            inner.wake();
        }
    }

    /// How many operations may still get events.
    pub(crate) fn open_ops(&self) -> usize {
        self.lock().open.len()
    }

    /// Notes that people may have decided about an act that is held back.
    pub(crate) fn decided(&self) {
        let mut inner = self.lock();
        inner.decided = true;
        inner.wake();
    }

    /// Whether people may have decided since the last call.
    pub(crate) fn take_decided(&self) -> bool {
        std::mem::take(&mut self.lock().decided)
    }

    /// Takes one event out.
    pub(crate) fn take(&self) -> Result<InboxItem, Stop> {
        let mut inner = self.lock();
        if let Some(stop) = &inner.over {
            return Err(stop.clone());
        }
        let Some((op, event)) = inner.queue.pop_front() else {
            return Ok(if inner.open.is_empty() { InboxItem::Never } else { InboxItem::Nothing });
        };
        if event.is_last() {
            inner.open.remove(&op);
        }
        Ok(InboxItem::Event(op, event))
    }

    /// Wakes this waker when an event comes. If one came since `take`, the waker is woken at once, so none is missed.
    pub(crate) fn register(&self, waker: &Waker) {
        let mut inner = self.lock();
        if inner.over.is_some() || inner.decided || !inner.queue.is_empty() {
            waker.wake_by_ref();
        } else if !inner.waker.as_ref().is_some_and(|known| known.will_wake(waker)) {
            inner.waker = Some(waker.clone());
        }
    }

    /// The guest has read a piece to its end, so another one may come.
    pub(crate) fn read_on(&self, op: OpId) {
        if let Some(credit) = self.lock().open.get(&op)
            && credit.available_permits() < CREDIT
        {
            credit.add_permits(1);
        }
    }

    /// Abandons an operation: no more events of it are needed.
    pub(crate) fn abandon(&self, op: OpId) {
        let mut inner = self.lock();
        if inner.open.remove(&op).is_some() {
            inner.queue.retain(|(of, _)| *of != op);
        }
    }

    /// Ends every wait, now and later. The first reason stays.
    pub(crate) fn end(&self, stop: Stop) {
        let mut inner = self.lock();
        inner.over.get_or_insert(stop);
        inner.wake();
    }
}

impl Inner {
    fn wake(&mut self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}

/// Ensures that an operation ends, even if its task is aborted.
pub(crate) struct OpEnding {
    inbox: Inbox,
    op: OpId,
    /// The fault that the guest gets in that case.
    lost: Fault,
    over: bool,
}

impl OpEnding {
    pub(crate) fn new(inbox: Inbox, op: OpId, lost: Fault) -> Self {
        Self { inbox, op, lost, over: false }
    }

    /// Ends the operation with its last event.
    pub(crate) fn end(mut self, event: GuestEvent) {
        self.over = true;
        self.inbox.put(self.op, event);
    }
}

impl Drop for OpEnding {
    fn drop(&mut self) {
        if !self.over {
            self.inbox.put(self.op, GuestEvent::Failed(self.lost));
        }
    }
}
