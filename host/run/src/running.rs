//! A caller's handle of a run that was started.

use tokio::sync::{oneshot, watch};
use vocabulary::{RunId, Stopping};

use crate::event::{self, EventSender, Events, RunEvent};

/// A run that was started: its events, and how to end it.
pub struct Running {
    /// The id of the run.
    pub run: RunId,
    /// Its events. The last one is [`RunEvent::Closed`], [`RunEvent::Failed`], [`RunEvent::Left`] or [`RunEvent::Lost`].
    pub events: Events,
    stop: watch::Sender<Option<Stopping>>,
    /// Lets the guest begin.
    go: Option<oneshot::Sender<()>>,
}

impl Running {
    pub(crate) fn new(run: RunId, events: Events, stop: watch::Sender<Option<Stopping>>) -> Self {
        Self { run, events, stop, go: None }
    }

    /// Makes the guest wait until [`Running::go`] sends on this channel.
    pub(crate) fn waiting(self, go: oneshot::Sender<()>) -> Self {
        Self { go: Some(go), ..self }
    }

    /// A run in another process. Returns also the sender for its events, and the receiver of the order to end it.
    pub fn elsewhere(run: RunId) -> (Self, EventSender, watch::Receiver<Option<Stopping>>) {
        let (sender, events) = event::channel();
        sender.tell(RunEvent::Opened { run });
        let (stop, stopped) = watch::channel(None);
        (Self::new(run, events, stop), sender, stopped)
    }

    /// Lets the guest begin, if it has not begun.
    pub fn go(&mut self) {
        // The receiver is gone if the run ended before its guest began.
        if let Some(go) = self.go.take() {
            let _ = go.send(());
        }
    }

    /// As [`Running::go`], for use in a chain of calls.
    #[must_use]
    pub fn gone_ahead(mut self) -> Self {
        self.go();
        self
    }

    /// Orders the run to end. The first order counts: if the client goes away after an order, that is not recorded as the reason.
    pub fn stop(&self, stopping: Stopping) {
        order_end(&self.stop, stopping);
    }
}

/// Orders a run to end, unless there was an order before.
pub(crate) fn order_end(stop: &watch::Sender<Option<Stopping>>, stopping: Stopping) {
    stop.send_if_modified(|order| {
        let is_first = order.is_none();
        order.get_or_insert(stopping);
        is_first
    });
}
