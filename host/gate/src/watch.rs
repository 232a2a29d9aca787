//! Watches a run while it goes on: to display it, never to decide anything.

use std::task::{Context, Poll};

use vocabulary::record::AskedFor;
use vocabulary::{Claim, Reason};

/// Called at once, before anything is durable. The record has everything that it is called with, except progress between two seconds.
pub trait Watcher: Send + Sync {
    /// The agent said something; progress comes here too.
    fn on_said(&self, claim: &Claim) {
        let _ = claim;
    }

    /// Something was refused.
    fn on_refused(&self, ask: &AskedFor, reason: &Reason) {
        let _ = (ask, reason);
    }

    /// Ready once there is room for more of what is said. Refusals are reported only if there is room, and nobody waits for that.
    fn poll_room(&self, ctx: &mut Context<'_>) -> Poll<()> {
        let _ = ctx;
        Poll::Ready(())
    }

    /// What was kept is more than may be: the run goes on and can't be resumed any more.
    fn on_not_resumable(&self) {}
}

/// Nobody looks on.
#[derive(Clone, Copy, Debug, Default)]
pub struct Nobody;

impl Watcher for Nobody {}
