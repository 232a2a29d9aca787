//! Turns an asynchronous block into an [`Effect`]. Its progress is taken step by step, and the block does not continue until the next step
//! is asked for.

use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use effects::{Effect, EffectProgress, Trail};

/// The queue into which the block puts its progress.
#[derive(Clone, Default)]
pub(crate) struct Steps(Arc<Mutex<VecDeque<EffectProgress>>>);

impl Steps {
    /// Reports progress. Returns when the effect is asked for the next step. By then the progress is on the record.
    pub(crate) async fn tell(&self, progress: EffectProgress) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push_back(progress);
        let mut was_taken = false;
        // It is pending once: the caller of `poll_progress` takes the progress, and polls again later.
        poll_fn(|_| if std::mem::replace(&mut was_taken, true) { Poll::Ready(()) } else { Poll::Pending }).await;
    }

    fn take(&self) -> Option<EffectProgress> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
    }
}

/// The effect. See the documentation of the module.
pub(crate) struct Stepping {
    steps: Steps,
    trail: Arc<Trail>,
    /// `None` once the block has ended.
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
