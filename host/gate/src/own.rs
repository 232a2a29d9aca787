//! What the host asks on its own behalf for an act of a run: tokens, values at a server, the steps of a rotation. It is recorded like acts:
//! an intent that is durable before anything is sent, and an answer after it.
//!
//! INVARIANT: the host sends no request of its own without a [`HostPermit`]. Each has one `host-asked` and one `host-answered`, both before
//! `run-closed`.

use std::net::SocketAddr;

use effect::record::{AnswerClass, HostAnswered, HostAsked, HostPurpose, Kind, Sent, VERSION};
use effect::{HttpFault, OpId, Reason, SafeText, Stop};

use crate::log::Durable;
use crate::run::{Held, RunGate};

/// BOUND: of method and URL on the record.
const RESOURCE_BYTES_MAX: usize = 8192;

/// What the host is about to ask.
#[derive(Clone, Debug)]
pub struct HostAsk<'a> {
    /// For which credential.
    pub credential: &'a str,
    /// For which act of the run.
    pub op: OpId,
    /// What for.
    pub purpose: HostPurpose,
    /// Method and URL, without what may be secret.
    pub resource: &'a str,
}

/// How it ended.
#[derive(Clone, Debug, Default)]
pub struct HostAnswer {
    /// Bytes of the body, as far as it came.
    pub bytes: u64,
    /// What went wrong, if something did.
    pub fault: Option<HttpFault>,
    /// The address that was spoken to, if any.
    pub peer: Option<SocketAddr>,
    /// Why its address was refused, if it was.
    pub reason: Option<Reason>,
    /// Of the response.
    pub status: Option<u16>,
}

/// An intent of the host's own that may not be durable yet.
#[must_use = "dropping it settles the request as abandoned"]
#[derive(Debug)]
pub struct HostPending {
    durable: Durable,
    permit: HostPermit,
}

impl HostPending {
    /// Waits until the intent is durable: the only way to a permit.
    ///
    /// # Errors
    /// The record broke; nothing may be sent.
    pub async fn durable(self) -> Result<HostPermit, Stop> {
        let Self { durable, permit } = self;
        match durable.await {
            Ok(()) => Ok(permit),
            Err(broken) => {
                permit.gate.broke();
                Err(broken.into())
            }
        }
    }
}

/// Leave to send one request of the host's own. Used up by its answer; dropped, it settles as `abandoned`.
#[must_use = "dropping it settles the request as abandoned"]
pub struct HostPermit {
    gate: RunGate,
    number: u64,
}

impl std::fmt::Debug for HostPermit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "HostPermit({})", self.number)
    }
}

impl HostPermit {
    /// As [`RunGate::sending`].
    pub fn sending(&self, going: Option<(SocketAddr, Sent)>) {
        if let Some(known) = self.gate.lock().inner.own.get_mut(&self.number) {
            *known = going;
        }
    }

    /// It is over: how it ended is on the record when this returns.
    ///
    /// # Errors
    /// The record broke.
    pub fn answered(self, answer: HostAnswer) -> Result<(), Stop> {
        let outcome = match &answer {
            HostAnswer { reason: Some(_), .. } => AnswerClass::RefusedAddress,
            HostAnswer { fault: Some(_), .. } => AnswerClass::Failed,
            _ => AnswerClass::Response,
        };
        self.gate.lock().host_answered(self.number, outcome, answer)
    }
}

impl Drop for HostPermit {
    fn drop(&mut self) {
        // An answered request is no longer known, so this does nothing for it. A broken record stays broken.
        let _ = self.gate.lock().host_answered(self.number, AnswerClass::Abandoned, HostAnswer::default());
    }
}

impl RunGate {
    /// The host asks something for an act of this run, even if the run was stopped: an exchange that an act has begun is finished.
    ///
    /// # Errors
    /// Only what ends the run.
    pub fn host_ask(&self, ask: &HostAsk<'_>) -> Result<HostPending, Stop> {
        let mut held = self.lock();
        held.check_unbroken()?;
        // If the value itself is sent, the lease begins. A server that keeps values is only asked for the value.
        if !matches!(ask.purpose, HostPurpose::VaultLogin | HostPurpose::VaultRead) {
            held.lease_begins(ask.credential)?;
        }
        held.inner.own_last += 1;
        let number = held.inner.own_last;
        let record = HostAsked {
            at: held.now_ms(),
            credential: SafeText::new(ask.credential, 64),
            kind: Kind::HostAsked,
            number,
            op: ask.op.0,
            purpose: ask.purpose,
            resource: SafeText::new(ask.resource, RESOURCE_BYTES_MAX),
            v: VERSION,
        };
        let appended = held.append_one(record)?;
        held.inner.own.insert(number, None);
        drop(held);
        Ok(HostPending { durable: appended.durable, permit: HostPermit { gate: self.clone(), number } })
    }
}

impl Held<'_> {
    pub(crate) fn host_answered(&mut self, number: u64, outcome: AnswerClass, answer: HostAnswer) -> Result<(), Stop> {
        let Some(going) = self.inner.own.remove(&number) else { return Ok(()) };
        let (peer, sent) = going.unzip();
        // As for an act of the run: what was sent and not answered may have happened.
        let outcome = if outcome == AnswerClass::Failed && sent.is_some() { AnswerClass::Unknown } else { outcome };
        let record = HostAnswered {
            at: self.now_ms(),
            bytes: answer.bytes,
            fault: answer.fault,
            kind: Kind::HostAnswered,
            number,
            outcome,
            peer: answer.peer.or(peer),
            reason: answer.reason,
            sent,
            status: answer.status,
            v: VERSION,
        };
        self.put(record, Vec::new())
    }

    /// The host's own requests whose outcome nobody will learn: from a process that died, or still under way at the end.
    pub(crate) fn end_host_asks(&mut self) -> Result<(), Stop> {
        let left = self.shared().book.host_unanswered(self.run());
        for number in left {
            let outcome = if self.inner.own.contains_key(&number) { AnswerClass::Abandoned } else { AnswerClass::Unknown };
            self.inner.own.entry(number).or_default();
            self.host_answered(number, outcome, HostAnswer::default())?;
        }
        Ok(())
    }
}
