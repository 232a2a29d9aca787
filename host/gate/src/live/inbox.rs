//! What effects have brought, until the guest is let see it.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;

use tokio::sync::Semaphore;
use vocabulary::{Fault, GuestEvent, OpId, Stop};

/// BOUND: pieces of a body, 64 KiB each at most, that wait for one operation.
pub const CREDIT: usize = 4;

/// Shared by the world and its tasks.
#[derive(Clone, Default)]
pub(crate) struct Inbox(Arc<Mutex<Inner>>);

#[derive(Default)]
struct Inner {
    queue: VecDeque<(OpId, GuestEvent)>,
    /// Operations of which more may come; what comes for others is dropped.
    open: BTreeMap<OpId, Arc<Semaphore>>,
    waker: Option<Waker>,
    over: Option<Stop>,
}

/// What the inbox has.
pub(crate) enum InboxItem {
    Event(OpId, GuestEvent),
    /// Nothing now; something is under way.
    Nothing,
    /// Nothing, and nothing is under way.
    Never,
}

impl Inbox {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on something may come for this operation.
    pub(crate) fn open(&self, op: OpId) -> Arc<Semaphore> {
        let credit = Arc::new(Semaphore::new(CREDIT));
        self.lock().open.insert(op, Arc::clone(&credit));
        credit
    }

    /// Puts an event in, unless nobody waits for it any more.
    pub(crate) fn put(&self, op: OpId, event: GuestEvent) {
        let mut inner = self.lock();
        if inner.open.contains_key(&op) {
            inner.queue.push_back((op, event));
            inner.wake();
        }
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

    /// Wakes this one when something comes. Nothing is lost that came since `take`: then it is woken at once.
    pub(crate) fn register(&self, waker: &Waker) {
        let mut inner = self.lock();
        if inner.over.is_some() || !inner.queue.is_empty() {
            waker.wake_by_ref();
        } else if !inner.waker.as_ref().is_some_and(|known| known.will_wake(waker)) {
            inner.waker = Some(waker.clone());
        }
    }

    /// A piece was read to its end: another one may come.
    pub(crate) fn read_on(&self, op: OpId) {
        if let Some(credit) = self.lock().open.get(&op)
            && credit.available_permits() < CREDIT
        {
            credit.add_permits(1);
        }
    }

    /// Nothing of this operation is wanted any more.
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

/// Sees to it that an operation ends, also when its task does not come to its end.
pub(crate) struct OpEnding {
    inbox: Inbox,
    op: OpId,
    /// What the guest is told then.
    lost: Fault,
    over: bool,
}

impl OpEnding {
    pub(crate) fn new(inbox: Inbox, op: OpId, lost: Fault) -> Self {
        Self { inbox, op, lost, over: false }
    }

    /// The last event.
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
