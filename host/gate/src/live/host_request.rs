//! What the host itself wants to do for a run: each want goes onto the record, and is granted after that.

use std::future::poll_fn;
use std::io;
use std::sync::Arc;

use effects::{ChangeNoted as Done, Effects, HostAsk, HostEnd, HostRequest, HostWant, Permit, VaultChange};
use tokio::sync::oneshot;
use vocabulary::record::Record;
use vocabulary::{RunId, Stop};

use super::inbox::Inbox;
use crate::run::RunGate;

/// Keeps notes of changes that are under way. Whoever opens the home next finishes a change whose record was made, and removes the note of one
/// whose record was not.
pub trait Notes: Send + Sync {
    /// Notes that a run is about to have this record, and that the vault is changed then. On disk when this returns.
    ///
    /// # Errors
    /// It could not be written: then nothing may be changed.
    fn begin(&self, run: RunId, record: &Record, change: &VaultChange) -> io::Result<Box<dyn ChangeNote>>;
}

/// A note. Dropped before it is done, it stays.
pub trait ChangeNote: Send {
    /// The change is whole: on the record and in the vault.
    fn done(self: Box<Self>);
}

/// Serves one run until its world is dropped.
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
                // Nobody may be there for the reply, which changes nothing.
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

    /// The intent of the request is durable before the permit is given.
    fn request(&self, ask: HostAsk, reply: oneshot::Sender<Permit<HostRequest>>) -> Result<(), Stop> {
        let pending = self.gate.host_ask(ask)?;
        let (gate, inbox) = (self.gate.clone(), self.inbox.clone());
        tokio::spawn(async move {
            let number = pending.number();
            match pending.durable().await {
                Ok(permit) => {
                    if reply.send(permit).is_err() {
                        let abandoned = HostEnd { abandoned: true, ..HostEnd::default() };
                        // A broken record stays broken.
                        let _ = gate.host_ended(number, abandoned);
                    }
                }
                Err(stop) => inbox.end(stop),
            }
        });
        Ok(())
    }

    /// It is noted and on the record before the vault is changed.
    fn rotate(&self, (credential, version): (String, u64), change: VaultChange, reply: oneshot::Sender<Done>) {
        let (gate, notes, inbox) = (self.gate.clone(), Arc::clone(&self.notes), self.inbox.clone());
        tokio::spawn(async move {
            let run = gate.header().run;
            let record = gate.rotation(&credential, version);
            let noting = record.clone();
            let noted = tokio::task::spawn_blocking(move || notes.begin(run, &noting, &change)).await;
            let Ok(Ok(note)) = noted else { return };
            // If this fails, the note stays: the record may be there nevertheless.
            if let Err(stop) = gate.rotated(record).await {
                return inbox.end(stop);
            }
            let (done, is_done) = oneshot::channel();
            let (is_gone, gone) = oneshot::channel();
            if reply.send(Done { done, gone }).is_ok() && is_done.await.is_ok() {
                note.done();
                // Nobody may wait for it any more.
                let _ = is_gone.send(());
            }
        });
    }
}
