//! One act, from its intent to the last piece of its answer, in a task of the host.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;

use bytes::Bytes;
use effects::{Effect, EffectProgress, Effects, Failure, Permit};
use tokio::sync::{Semaphore, SemaphorePermit};
use vocabulary::record::Settled;
use vocabulary::{Act, ActKind, Answer, Fault, GuestEvent, HttpFault, HttpHead, OpId, Reason, SafeText, Stop};

use super::inbox::{Inbox, OpEnding};
use super::skipping::{Skipped, Skipping};
use crate::ask::PendingIntent;
use crate::resume_point::SeenAnswer;
use crate::run::RunGate;
use crate::settling::{Settles, Settling};

/// Everything that the task of an act needs besides the permit.
pub(super) struct Acting {
    pub(super) gate: RunGate,
    pub(super) effects: Arc<dyn Effects>,
    pub(super) inbox: Inbox,
    pub(super) credit: Arc<Semaphore>,
    /// What the guest saw of an earlier answer to the same ask.
    pub(super) seen: Option<SeenAnswer>,
}

/// Why an act has no event for the guest.
enum NoEvent {
    /// The run ends.
    Ends(Stop),
    /// The guest does not need its answer any more.
    Unwanted,
}

impl From<Stop> for NoEvent {
    fn from(stop: Stop) -> Self {
        Self::Ends(stop)
    }
}

/// Settles an operation as abandoned, unless it was settled before.
struct Unsettled<'a>(&'a RunGate, OpId);

impl Drop for Unsettled<'_> {
    fn drop(&mut self) {
        // This does nothing for an operation that was settled. If it fails, the record is broken, and every later step meets the same
        // error.
        let _ = self.0.settle(self.1, Settling::Abandoned);
    }
}

/// The stage of an act.
#[derive(Clone, Copy, PartialEq, Eq)]
enum ActStage {
    /// Nothing was done yet.
    New,
    /// It is being prepared or sent.
    Begun,
    /// A response has begun.
    Answered,
}

impl Acting {
    /// Waits until the intent is durable, starts the effect, and passes its events on to the guest.
    pub(super) async fn run(self, pending: PendingIntent) {
        let op = pending.op();
        let ending = OpEnding::new(self.inbox.clone(), op, Fault::lost(pending.kind()));
        let permit = match pending.durable().await {
            Ok(permit) => permit,
            Err(Stop::RecordBroken) => return self.inbox.end(Stop::RecordBroken),
            // The run or its record ended before anything was sent.
            Err(_) => return,
        };
        match self.follow(permit).await {
            Ok(event) => ending.end(event),
            Err(NoEvent::Ends(stop @ (Stop::RecordBroken | Stop::Limit(_)))) => self.inbox.end(stop),
            Err(NoEvent::Ends(
                Stop::Ordered
                | Stop::Leaving
                | Stop::Suspended
                | Stop::Ended
                | Stop::RecordEnds
                | Stop::Diverged(_)
                | Stop::Unsettled(_)
                | Stop::Stuck,
            )) => {}
            Err(NoEvent::Unwanted) => {}
        }
    }

    fn settle(&self, op: OpId, how: Settling) -> Result<(), NoEvent> {
        match self.gate.settle(op, how)? {
            Settles::Now => Ok(()),
            Settles::Before => Err(NoEvent::Unwanted),
        }
    }

    /// Polls the effect of an act to its end.
    ///
    /// INVARIANT: the progress of an effect is on the record before the effect is polled again, and before the guest sees any of it.
    async fn follow(&self, permit: Permit<Act>) -> Result<GuestEvent, NoEvent> {
        let (op, kind, credential) = (permit.op(), permit.ask().kind(), permit.credential().map(str::to_owned));
        let _unsettled = Unsettled(&self.gate, op);
        let mut effect = self.effects.start(permit);
        self.gate.started(op, effect.trail());
        let mut revoked = pin!(self.gate.lease_ended(credential.clone()));
        let mut showing = Showing { acting: self, op, credit: None, skipping: None, is_shown: false };
        let mut stage = ActStage::New;
        loop {
            // SECURITY: a revocation takes effect even while the guest does not read. The effect is dropped then, and with it its
            // connection and everything that was not passed on.
            let progress = tokio::select! {
                biased;
                () = &mut revoked => return self.cut(op, stage, kind, credential.as_deref()),
                progress = showing.next(&mut *effect, stage) => progress?,
            };
            if stage == ActStage::New {
                stage = ActStage::Begun;
            }
            match progress {
                Some(EffectProgress::Ready) => self.gate.goes(op, credential.as_deref())?,
                Some(EffectProgress::Met { credential, place }) => self.gate.value_met(op, &credential, place)?,
                Some(EffectProgress::Answered(head)) => {
                    self.settle(op, Settling::Answered(*head))?;
                    stage = ActStage::Answered;
                }
                Some(EffectProgress::Redacted(times)) => self.gate.redacted(op, times),
                Some(EffectProgress::Head(head)) => {
                    if let Err(fault) = showing.head(head) {
                        return Ok(GuestEvent::Failed(fault.into()));
                    }
                }
                Some(EffectProgress::Chunk(piece)) => {
                    if let Err(fault) = showing.chunk(piece) {
                        return Ok(GuestEvent::Failed(fault.into()));
                    }
                }
                Some(EffectProgress::End(trailers)) => {
                    return Ok(if showing.is_whole() { GuestEvent::End(trailers) } else { GuestEvent::Failed(Fault::lost(kind)) });
                }
                Some(EffectProgress::Failed(failure)) => return self.failed(op, stage, *failure),
                Some(EffectProgress::Answer { answer, version }) => return self.done(op, answer, version),
                None => return Ok(GuestEvent::Failed(Fault::lost(kind))),
            }
        }
    }

    fn done(&self, op: OpId, answer: Answer, version: Option<u64>) -> Result<GuestEvent, NoEvent> {
        self.settle(op, Settling::Done(Settled::of_answer(&answer, version)))?;
        Ok(GuestEvent::Answer(answer))
    }

    fn failed(&self, op: OpId, stage: ActStage, failure: Failure) -> Result<GuestEvent, NoEvent> {
        let fault = failure.fault;
        if stage == ActStage::Answered {
            return Ok(GuestEvent::Failed(fault));
        }
        self.settle(op, Settling::Failed(failure))?;
        Ok(GuestEvent::Failed(self.told(fault)))
    }

    /// The fault that the guest gets. If it has seen the beginning of an earlier answer, it learns that the rest is lost.
    fn told(&self, fault: Fault) -> Fault {
        let begun = self.seen.as_ref().is_some_and(|seen| seen.status.is_some());
        if begun { HttpFault::Incomplete.into() } else { fault }
    }

    /// Ends an act whose lease was ended.
    fn cut(&self, op: OpId, stage: ActStage, kind: ActKind, credential: Option<&str>) -> Result<GuestEvent, NoEvent> {
        let revoked = || Reason::CredentialRevoked(SafeText::new(credential.unwrap_or_default(), 64));
        let denied = Failure { refused: kind.names_its_credential().then(revoked), ..Fault::denied(kind).into() };
        match stage {
            ActStage::Answered => Ok(GuestEvent::Failed(Fault::lost(kind))),
            ActStage::Begun if kind.outlasts_its_lease() => {
                self.settle(op, Settling::Unknown(Some(Fault::denied(kind))))?;
                Ok(GuestEvent::Failed(Fault::denied(kind)))
            }
            ActStage::New | ActStage::Begun => self.failed(op, stage, denied),
        }
    }
}

/// Passes an answer on to the guest as fast as the guest reads.
struct Showing<'a> {
    acting: &'a Acting,
    op: OpId,
    /// It is taken before a piece is read, so that no more pieces than [`super::CREDIT`] are ever held.
    credit: Option<SemaphorePermit<'a>>,
    /// What the guest has seen already, until it has been skipped.
    skipping: Option<Skipping>,
    /// Whether the head was shown, or the guest has seen the same one before.
    is_shown: bool,
}

impl Showing<'_> {
    /// The next progress of the effect.
    async fn next(&mut self, effect: &mut dyn Effect, stage: ActStage) -> Result<Option<EffectProgress>, NoEvent> {
        if stage == ActStage::Answered && self.credit.is_none() {
            self.credit = Some(self.acting.credit.acquire().await.map_err(|_| NoEvent::Unwanted)?);
        }
        Ok(poll_fn(|ctx| effect.poll_progress(ctx)).await)
    }

    /// Shows the head, unless the guest has seen one before. Then this one must be the same.
    fn head(&mut self, head: HttpHead) -> Result<(), HttpFault> {
        self.is_shown = true;
        match &self.acting.seen {
            Some(seen) if seen.status == Some(head.status) => {
                self.skipping = Some(Skipping::new(seen.clone()));
                self.pass_over(Bytes::new()).map(drop)
            }
            Some(SeenAnswer { status: Some(_), .. }) => Err(HttpFault::Incomplete),
            Some(_) | None => {
                self.acting.inbox.put(self.op, GuestEvent::Head(head));
                Ok(())
            }
        }
    }

    fn chunk(&mut self, piece: Bytes) -> Result<(), HttpFault> {
        let piece = self.pass_over(piece)?;
        if !piece.is_empty() {
            if let Some(credit) = self.credit.take() {
                credit.forget();
            }
            self.acting.inbox.put(self.op, GuestEvent::Chunk(piece));
        }
        Ok(())
    }

    /// Removes from a piece what the guest has seen already.
    fn pass_over(&mut self, mut piece: Bytes) -> Result<Bytes, HttpFault> {
        if let Some(skipping) = &mut self.skipping {
            match skipping.take(&mut piece) {
                Skipped::More => {}
                Skipped::Differs => return Err(HttpFault::Incomplete),
                Skipped::Done => {
                    self.acting.gate.seen_before(self.op, skipping.seen());
                    self.skipping = None;
                }
            }
        }
        Ok(piece)
    }

    fn is_whole(&self) -> bool {
        self.is_shown && self.skipping.is_none()
    }
}
