//! An asynchronous block as an [`Effect`]: what it tells is taken one by one, and it stands still until it is asked for the next.

use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use effects::{Effect, EffectProgress, Trail};

/// Where the block puts what it tells.
#[derive(Clone, Default)]
pub(crate) struct Steps(Arc<Mutex<VecDeque<EffectProgress>>>);

impl Steps {
    /// Tells it. Returns when the effect is asked for the next: what was told is on the record by then.
    pub(crate) async fn tell(&self, progress: EffectProgress) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push_back(progress);
        let mut was_taken = false;
        // Pending once: the caller of `poll_progress` takes what was told, and polls again later.
        poll_fn(|_| if std::mem::replace(&mut was_taken, true) { Poll::Ready(()) } else { Poll::Pending }).await;
    }

    fn take(&self) -> Option<EffectProgress> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
    }
}

/// See the module.
pub(crate) struct Stepping {
    steps: Steps,
    trail: Arc<Trail>,
    /// None once it has ended.
    work: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
}

impl Stepping {
    pub(crate) fn new<W>(work: impl FnOnce(Steps, Arc<Trail>) -> W) -> Self
    where
        W: Future<Output = ()> + Send + 'static,
    {
        let (steps, trail) = (Steps::default(), Arc::<Trail>::default());
        let work: Pin<Box<dyn Future<Output = ()> + Send>> = Box::pin(work(steps.clone(), Arc::clone(&trail)));
        Self { steps, trail, work: Some(work) }
    }
}

impl Effect for Stepping {
    fn poll_progress(&mut self, ctx: &mut Context<'_>) -> Poll<Option<EffectProgress>> {
        if let Some(told) = self.steps.take() {
            return Poll::Ready(Some(told));
        }
        let Some(work) = &mut self.work else { return Poll::Ready(None) };
        let is_over = work.as_mut().poll(ctx).is_ready();
        if is_over {
            self.work = None;
        }
        match self.steps.take() {
            Some(told) => Poll::Ready(Some(told)),
            None if is_over => Poll::Ready(None),
            None => Poll::Pending,
        }
    }

    fn trail(&self) -> Arc<Trail> {
        Arc::clone(&self.trail)
    }
}
