//! A run that was started, as its caller has it.

use tokio::sync::{oneshot, watch};
use vocabulary::{RunId, Stopping};

use crate::event::{self, EventSender, Events, RunEvent};

/// A run that was started: what it tells, and how to end it.
pub struct Running {
    /// Which.
    pub run: RunId,
    /// Its events. [`RunEvent::Closed`], [`RunEvent::Failed`], [`RunEvent::Left`] or [`RunEvent::Lost`] is the last.
    pub events: Events,
    stop: watch::Sender<Option<Stopping>>,
    /// Lets the guest begin.
    go: Option<oneshot::Sender<()>>,
}

impl Running {
    pub(crate) fn new(run: RunId, events: Events, stop: watch::Sender<Option<Stopping>>) -> Self {
        Self { run, events, stop, go: None }
    }

    /// A run whose guest waits for this.
    pub(crate) fn waiting(self, go: oneshot::Sender<()>) -> Self {
        Self { go: Some(go), ..self }
    }

    /// A run that another process has. Returns the end to which its events are passed on, and what says that it is to end.
    pub fn elsewhere(run: RunId) -> (Self, EventSender, watch::Receiver<Option<Stopping>>) {
        let (sender, events) = event::channel();
        sender.tell(RunEvent::Opened { run });
        let (stop, stopped) = watch::channel(None);
        (Self::new(run, events, stop), sender, stopped)
    }

    /// Lets the guest begin, if it has not.
    pub fn go(&mut self) {
        // A run that has ended before it began does not hear it.
        if let Some(go) = self.go.take() {
            let _ = go.send(());
        }
    }

    /// The same, for a caller that hands it on.
    #[must_use]
    pub fn gone_ahead(mut self) -> Self {
        self.go();
        self
    }

    /// Tells it to end. The first order counts: whoever goes away after one has not ended the run by that.
    pub fn stop(&self, stopping: Stopping) {
        order_end(&self.stop, stopping);
    }
}

/// Orders a run to end, unless it was ordered before.
pub(crate) fn order_end(stop: &watch::Sender<Option<Stopping>>, stopping: Stopping) {
    stop.send_if_modified(|order| {
        let is_first = order.is_none();
        order.get_or_insert(stopping);
        is_first
    });
}
