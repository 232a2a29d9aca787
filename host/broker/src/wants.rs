//! What the host itself wants to do for a run, besides what the agent asked. These wishes wait in a queue until the gate asks for them.

use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll};

use effects::{ChangeNoted, HostAsk, HostEnd, HostRequest, HostWant, Permit, VaultChange};
use tokio::sync::{mpsc, oneshot};

/// The sending end. When the queue is closed, every wish that waits for a reply is refused.
///
/// BOUND: each of the run's acts, whose number is bounded (`concurrent`), has one wish at a time.
#[derive(Clone)]
pub(crate) struct Wants(mpsc::UnboundedSender<HostWant>);

/// The receiving end.
pub(crate) struct WantQueue(Mutex<Option<mpsc::UnboundedReceiver<HostWant>>>);

pub(crate) fn line() -> (Wants, WantQueue) {
    let (wants, wanted) = mpsc::unbounded_channel();
    (Wants(wants), WantQueue(Mutex::new(Some(wanted))))
}

impl WantQueue {
    pub(crate) fn poll(&self, ctx: &mut Context<'_>) -> Poll<HostWant> {
        match &mut *self.0.lock().unwrap_or_else(PoisonError::into_inner) {
            Some(wanted) => match wanted.poll_recv(ctx) {
                Poll::Ready(Some(wanted)) => Poll::Ready(wanted),
                Poll::Ready(None) | Poll::Pending => Poll::Pending,
            },
            None => Poll::Pending,
        }
    }

    /// Refuses everything that waits, and everything that is added later.
    pub(crate) fn close(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

impl Wants {
    fn ask<T>(&self, want: impl FnOnce(oneshot::Sender<T>) -> HostWant) -> oneshot::Receiver<T> {
        let (reply, answer) = oneshot::channel();
        // If the queue is closed, the reply is dropped together with the wish, which means a refusal.
        let _ = self.0.send(want(reply));
        answer
    }

    /// Asks for permission to send a request.
    pub(crate) async fn request(&self, ask: HostAsk) -> Option<Permit<HostRequest>> {
        self.ask(|reply| HostWant::Request(ask, reply)).await.ok()
    }

    /// Reports that a request has ended. Returns when that is on the record.
    pub(crate) async fn ended(&self, number: u64, end: HostEnd) -> Option<()> {
        self.ask(|reply| HostWant::Ended { number, end, reply }).await.ok()
    }

    /// Like [`Wants::ended`], for a request that nobody waits for any more.
    pub(crate) fn abandoned(&self, number: u64, end: HostEnd) {
        drop(self.ask(|reply| HostWant::Ended { number, end, reply }));
    }

    /// Reports that an old value was tested. Returns when that is on the record.
    pub(crate) async fn probed(&self, op: vocabulary::OpId, credential: &str, version: u64, status: Option<u16>) -> Option<()> {
        let credential = credential.to_owned();
        self.ask(|reply| HostWant::Probed { op, credential, version, status, reply }).await.ok()
    }

    /// Reports that a new value is about to replace the old one. Returns when that is noted and on the record. Blocks this thread.
    pub(crate) fn rotate(&self, credential: &str, version: u64, change: VaultChange) -> Option<ChangeNoted> {
        let credential = credential.to_owned();
        self.ask(|reply| HostWant::Rotation { credential, version, change, reply }).blocking_recv().ok()
    }
}
