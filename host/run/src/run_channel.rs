//! The two ends by which the caller of a run hears of it and orders its end.

use std::sync::Arc;

use tokio::sync::{oneshot, watch};
use vocabulary::{Principal, Stopping};

use crate::event::{self, EventSender, Events};
use crate::order::NetworkOrder;

/// The host's ends of the channel between a run and its caller.
#[derive(Clone)]
pub(crate) struct RunChannel {
    pub(crate) sender: Arc<EventSender>,
    pub(crate) stop: watch::Sender<Option<Stopping>>,
}

impl RunChannel {
    pub(crate) fn new() -> (Self, Events) {
        let (sender, events) = event::channel();
        (Self { sender: Arc::new(sender), stop: watch::channel(None).0 }, events)
    }
}

/// A suspended run whose caller still listens.
pub(crate) struct Parked {
    pub(crate) channel: RunChannel,
    /// The name servers and certificates that it is resumed with.
    pub(crate) network: NetworkOrder,
    /// Is dropped with this value, which ends the task that waits for orders.
    pub(crate) _here: oneshot::Sender<()>,
}

/// Who resumes a run, and whether a caller attends it.
pub(crate) struct Resumer {
    pub(crate) by: Principal,
    pub(crate) unattended: bool,
}
