//! Watches an active run, only to display it and never to decide anything.

use std::task::{Context, Poll};

use vocabulary::record::AskedFor;
use vocabulary::{Claim, Reason};

/// Is called at once, before anything is durable. The record has everything that a watcher is called with, except progress within one
/// second.
pub trait Watcher: Send + Sync {
    /// The agent made a claim: a line, a finding or progress.
    fn on_said(&self, claim: &Claim) {
        let _ = claim;
    }

    /// An ask was refused.
    fn on_refused(&self, ask: &AskedFor, reason: &Reason) {
        let _ = (ask, reason);
    }

    /// Ready once there is room for more claims. Refusals are reported only if there is room, and never wait for room.
    fn poll_room(&self, ctx: &mut Context<'_>) -> Poll<()> {
        let _ = ctx;
        Poll::Ready(())
    }

    /// More was kept than the limit allows. The run continues, but can't be resumed any more.
    fn on_not_resumable(&self) {}
}

/// A watcher that ignores everything.
#[derive(Clone, Copy, Debug, Default)]
pub struct Nobody;

impl Watcher for Nobody {}
