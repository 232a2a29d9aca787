//! Serves what the host itself wants to do for a run: each want is recorded, and is granted after that.

use std::future::poll_fn;
use std::io;
use std::sync::Arc;

use effects::{ChangeNoted as Done, Effects, HostAsk, HostEnd, HostRequest, HostWant, Permit, VaultChange};
use tokio::sync::oneshot;
use vocabulary::record::Record;
use vocabulary::{RunId, Stop};

use super::inbox::Inbox;
use crate::run::RunGate;

/// Keeps notes of changes that are under way. The next process that opens the home finishes a change whose record was made, and removes the
/// note of a change whose record was not made.
pub trait Notes: Send + Sync {
    /// Notes that a run is about to get this record, and that the vault will then be changed. The note is on the disk when this returns.
    ///
    /// # Errors
    /// The note could not be written. Then nothing may be changed.
    fn begin(&self, run: RunId, record: &Record, change: &VaultChange) -> io::Result<Box<dyn ChangeNote>>;
}

/// A note of a change. If it is dropped before [`ChangeNote::done`], its file stays.
pub trait ChangeNote: Send {
    /// Removes the note: the change is on the record and in the vault.
    fn done(self: Box<Self>);
}

/// Serves the wants of one run until its world is dropped.
pub(super) struct Serving {
    pub(super) gate: RunGate,
    pub(super) effects: Arc<dyn Effects>,
    pub(super) notes: Arc<dyn Notes>,
    pub(super) inbox: Inbox,
}

impl Serving {
    pub(super) async fn serve(self) {
        loop {
            let wanted = poll_fn(|ctx| self.effects.poll_wanted(ctx)).await;
            if let Err(stop @ (Stop::RecordBroken | Stop::Limit(_))) = self.give(wanted) {
                self.inbox.end(stop);
            }
        }
    }

    fn give(&self, wanted: HostWant) -> Result<(), Stop> {
        match wanted {
            HostWant::Request(ask, reply) => self.request(ask, reply),
            HostWant::Ended { number, end, reply } => {
                self.gate.host_ended(number, end)?;
                // The receiver of the reply may be gone, which changes nothing.
                let _ = reply.send(());
                Ok(())
            }
            HostWant::Probed { op, credential, version, status, reply } => {
                self.gate.probed(op, &credential, version, status)?;
                let _ = reply.send(());
                Ok(())
            }
            HostWant::Rotation { credential, version, change, reply } => {
                self.rotate((credential, version), change, reply);
                Ok(())
            }
        }
    }

    /// Records the intent of a host request, and gives the permit once the intent is durable.
    fn request(&self, ask: HostAsk, reply: oneshot::Sender<Permit<HostRequest>>) -> Result<(), Stop> {
        let pending = self.gate.host_ask(ask)?;
        let (gate, inbox) = (self.gate.clone(), self.inbox.clone());
        tokio::spawn(async move {
            let number = pending.number();
            match pending.durable().await {
                Ok(permit) => {
                    if reply.send(permit).is_err() {
                        let abandoned = HostEnd { abandoned: true, ..HostEnd::default() };
                        // If this fails, the record is broken, and every later step meets the same error.
                        let _ = gate.host_ended(number, abandoned);
                    }
                }
                Err(stop) => inbox.end(stop),
            }
        });
        Ok(())
    }

    /// Notes and records a rotation before the vault is changed.
    fn rotate(&self, (credential, version): (String, u64), change: VaultChange, reply: oneshot::Sender<Done>) {
        let (gate, notes, inbox) = (self.gate.clone(), Arc::clone(&self.notes), self.inbox.clone());
        tokio::spawn(async move {
            let run = gate.header().run;
            let record = gate.rotation(&credential, version);
            let noting = record.clone();
            let noted = tokio::task::spawn_blocking(move || notes.begin(run, &noting, &change)).await;
            let Ok(Ok(note)) = noted else { return };
            // If this fails, the note stays, because the record may still be on the log.
            if let Err(stop) = gate.rotated(record).await {
                return inbox.end(stop);
            }
            let (done, is_done) = oneshot::channel();
            let (is_gone, gone) = oneshot::channel();
            if reply.send(Done { done, gone }).is_ok() && is_done.await.is_ok() {
                note.done();
                // The receiver may be gone.
                let _ = is_gone.send(());
            }
        });
    }
}
