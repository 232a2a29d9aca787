//! Lets a task or a thread wait until a batch is durable.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::thread::JoinHandle;

use crate::err::Broken;

/// Locks a mutex, even if it is poisoned: every change made under these locks is complete before anything can panic.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

enum TicketState {
    Pending(Vec<Waker>),
    Settled(Result<(), Broken>),
}

/// The outcome of one batch, shared by all who have a record in it.
pub(crate) struct BatchOutcome {
    state: Mutex<TicketState>,
    settled: Condvar,
    /// How many tasks and threads have begun to wait.
    waiters: AtomicUsize,
}

impl BatchOutcome {
    pub(crate) fn pending() -> Arc<Self> {
        Arc::new(Self { state: Mutex::new(TicketState::Pending(Vec::new())), settled: Condvar::new(), waiters: AtomicUsize::new(0) })
    }

    pub(crate) fn durable() -> Arc<Self> {
        let outcome = Self::pending();
        outcome.settle(Ok(()));
        outcome
    }

    /// Sets the outcome. Only the first call counts.
    pub(crate) fn settle(&self, result: Result<(), Broken>) {
        let mut state = lock(&self.state);
        if let TicketState::Pending(wakers) = &mut *state {
            let wakers = std::mem::take(wakers);
            *state = TicketState::Settled(result);
            drop(state);
            self.settled.notify_all();
            wakers.into_iter().for_each(Waker::wake);
        }
    }
}

/// BOUND: up to this many waiters are woken by the writer itself.
const WOKEN_DIRECTLY_MAX: usize = 4;

/// Wakes large numbers of waiters on a separate thread: waking hundreds takes as long as a sync, and the writer has the next batch to
/// write.
pub(crate) struct Notifier {
    crowds: Option<Sender<Arc<BatchOutcome>>>,
    thread: Option<JoinHandle<()>>,
}

impl Notifier {
    pub(crate) fn start() -> std::io::Result<Self> {
        let (crowds, outcomes) = channel::<Arc<BatchOutcome>>();
        let thread = std::thread::Builder::new()
            .name("journal-notify".to_owned())
            .spawn(move || outcomes.into_iter().for_each(|outcome| outcome.settle(Ok(()))))?;
        Ok(Self { crowds: Some(crowds), thread: Some(thread) })
    }

    /// Wakes those who wait, since their batch is durable.
    pub(crate) fn settle(&self, outcome: Arc<BatchOutcome>) {
        let few = outcome.waiters.load(Ordering::Relaxed) <= WOKEN_DIRECTLY_MAX;
        match &self.crowds {
            Some(crowds) if !few => {
                if let Err(unsent) = crowds.send(outcome) {
                    unsent.0.settle(Ok(()));
                }
            }
            _ => outcome.settle(Ok(())),
        }
    }
}

impl Notifier {
    /// Returns when all waiters were woken.
    pub(crate) fn finish(&mut self) {
        self.crowds = None;
        if let Some(thread) = self.thread.take() {
            // If a waker panicked, that is a fault of its owner, who sees the panic.
            let _ = thread.join();
        }
    }
}

impl Drop for Notifier {
    fn drop(&mut self) {
        self.finish();
    }
}

/// Resolves when the record is durable, or when it is certain that it never will be. Dropping the ticket does not affect the record.
#[must_use = "a record is not durable before its ticket says so"]
pub struct Ticket {
    outcome: Arc<BatchOutcome>,
    /// The index of this ticket's waker, once it has one.
    place: Option<usize>,
}

impl Ticket {
    pub(crate) fn new(outcome: Arc<BatchOutcome>) -> Self {
        Self { outcome, place: None }
    }

    /// Blocks this thread until the outcome is known.
    pub fn wait_blocking(&self) -> Result<(), Broken> {
        let mut state = lock(&self.outcome.state);
        if matches!(*state, TicketState::Pending(_)) {
            self.outcome.waiters.fetch_add(1, Ordering::Relaxed);
        }
        loop {
            match &*state {
                TicketState::Settled(result) => return result.clone(),
                TicketState::Pending(_) => {
                    state = self.outcome.settled.wait(state).unwrap_or_else(PoisonError::into_inner);
                }
            }
        }
    }

    /// The outcome, if it is known.
    pub fn outcome(&self) -> Option<Result<(), Broken>> {
        match &*lock(&self.outcome.state) {
            TicketState::Settled(result) => Some(result.clone()),
            TicketState::Pending(_) => None,
        }
    }
}

impl Future for Ticket {
    type Output = Result<(), Broken>;

    fn poll(mut self: Pin<&mut Self>, ctx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let mut state = lock(&this.outcome.state);
        match &mut *state {
            TicketState::Settled(result) => Poll::Ready(result.clone()),
            TicketState::Pending(wakers) => {
                match this.place.and_then(|place| wakers.get_mut(place)) {
                    Some(waker) => waker.clone_from(ctx.waker()),
                    None => {
                        this.place = Some(wakers.len());
                        wakers.push(ctx.waker().clone());
                        this.outcome.waiters.fetch_add(1, Ordering::Relaxed);
                    }
                }
                Poll::Pending
            }
        }
    }
}

impl std::fmt::Debug for Ticket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Ticket({:?})", self.outcome())
    }
}
