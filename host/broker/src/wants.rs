//! What the host wants to do for a run besides what the agent asked, in line until it is asked for.

use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll};

use effects::{ChangeNoted, HostAsk, HostEnd, HostRequest, HostWant, Permit, VaultChange};
use tokio::sync::{mpsc, oneshot};

/// The end at which something is wanted. Whatever waits for a reply waits no longer when the line is closed: it is refused then.
///
/// BOUND: each of the run's acts, whose number is bounded (`concurrent`), wants one thing at a time.
#[derive(Clone)]
pub(crate) struct Wants(mpsc::UnboundedSender<HostWant>);

/// The other end.
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

    /// Refuses what waits, and whatever comes.
    pub(crate) fn close(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

impl Wants {
    fn ask<T>(&self, want: impl FnOnce(oneshot::Sender<T>) -> HostWant) -> oneshot::Receiver<T> {
        let (reply, answer) = oneshot::channel();
        // If the line is closed, the reply is dropped with what was wanted, and the answer is a refusal.
        let _ = self.0.send(want(reply));
        answer
    }

    /// Leave to send a request.
    pub(crate) async fn request(&self, ask: HostAsk) -> Option<Permit<HostRequest>> {
        self.ask(|reply| HostWant::Request(ask, reply)).await.ok()
    }

    /// A request has ended. Returns when that is on the record.
    pub(crate) async fn ended(&self, number: u64, end: HostEnd) -> Option<()> {
        self.ask(|reply| HostWant::Ended { number, end, reply }).await.ok()
    }

    /// The same, for a request that nobody waits for any more.
    pub(crate) fn abandoned(&self, number: u64, end: HostEnd) {
        drop(self.ask(|reply| HostWant::Ended { number, end, reply }));
    }

    /// An old value was tried. Returns when that is on the record.
    pub(crate) async fn probed(&self, op: vocabulary::OpId, credential: &str, version: u64, status: Option<u16>) -> Option<()> {
        let credential = credential.to_owned();
        self.ask(|reply| HostWant::Probed { op, credential, version, status, reply }).await.ok()
    }

    /// A new value is about to take the old one's place. Returns when that is noted and on the record. Waits on this thread.
    pub(crate) fn rotate(&self, credential: &str, version: u64, change: VaultChange) -> Option<ChangeNoted> {
        let credential = credential.to_owned();
        self.ask(|reply| HostWant::Rotation { credential, version, change, reply }).blocking_recv().ok()
    }
}
