//! What the host has begun at a server and brings to its end, whoever lost interest meanwhile: an exchange that changes something there and is given up half
//! way leaves nobody with the result.

use std::future::Future;

use tokio::runtime::Handle;
use tokio::sync::watch;

/// The tasks of one run that are brought to their end.
pub(crate) struct Finishing {
    runtime: Handle,
    under_way: watch::Sender<usize>,
}

/// Counts one task, however it ends.
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

    /// Does this in a task of the host. Dropping what is returned does not end the task. Nothing, where the runtime is shutting down.
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

    /// Returns when nothing is under way.
    pub(crate) async fn finished(&self) {
        let mut under_way = self.under_way.subscribe();
        // The sender lives as long as this.
        let _ = under_way.wait_for(|count| *count == 0).await;
    }
}
