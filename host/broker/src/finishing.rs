//! Exchanges that the host has begun at a server and finishes even if nobody waits for them any more. If an exchange that changes something
//! at the server were cancelled half way, its result would be lost.

use std::future::Future;

use tokio::runtime::Handle;
use tokio::sync::watch;

/// The tasks of one run that are finished in any case.
pub(crate) struct Finishing {
    runtime: Handle,
    under_way: watch::Sender<usize>,
}

/// Counts one task until it has ended, in whatever way.
struct UnderWay(watch::Sender<usize>);

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count -= 1);
    }
}

impl Finishing {
    pub(crate) fn new(runtime: Handle) -> Self {
        Self { runtime, under_way: watch::Sender::new(0) }
    }

    /// Runs this in a task of the host. Dropping the returned future does not end the task. Returns `None` if the runtime is shutting down.
    pub(crate) fn finish<T, W>(&self, work: W) -> impl Future<Output = Option<T>> + use<T, W>
    where
        T: Send + 'static,
        W: Future<Output = T> + Send + 'static,
    {
        self.under_way.send_modify(|count| *count += 1);
        let under_way = UnderWay(self.under_way.clone());
        let task = self.runtime.spawn(async move {
            let result = work.await;
            drop(under_way);
            result
        });
        async move { task.await.ok() }
    }

    /// Whether any task is active.
    pub(crate) fn is_under_way(&self) -> bool {
        *self.under_way.borrow() > 0
    }

    /// Returns when no task is active.
    pub(crate) async fn finished(&self) {
        let mut under_way = self.under_way.subscribe();
        // The sender lives as long as `self`.
        let _ = under_way.wait_for(|count| *count == 0).await;
    }
}
