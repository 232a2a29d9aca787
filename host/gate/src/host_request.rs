//! Host requests: what the host asks for itself for an act of a run, such as tokens, values at a server, and the steps of a rotation. They
//! are recorded like acts: an intent that is durable before anything is sent, and an answer after it.
//!
//! INVARIANT: no host request is sent without a permit. Each has one `host-asked` and one `host-answered`, both before `run-closed`.

use effects::{HostAsk, HostEnd, HostRequest, Permit};
use permit::PermitParts;
use vocabulary::record::{HostAsked, HostPurpose, HttpOutcome, RecordKind, VERSION};
use vocabulary::{Bounds, Rule, SafeText, Stop};

use crate::log::Durable;
use crate::run::RunGate;

/// The intent of a host request, which may not be durable yet.
#[must_use = "nothing may be sent before it is durable"]
pub(crate) struct HostPending {
    durable: Durable,
    gate: RunGate,
    request: HostRequest,
}

impl HostPending {
    /// The number of the host request on the record.
    pub(crate) fn number(&self) -> u64 {
        self.request.number
    }

    /// Waits until the intent is durable, and returns the permit. There is no other way to get one.
    ///
    /// # Errors
    /// The record broke, so nothing may be sent.
    pub(crate) async fn durable(self) -> Result<Permit<HostRequest>, Stop> {
        let Self { durable, gate, request } = self;
        if let Err(broken) = durable.await {
            gate.broke();
            return Err(broken.into());
        }
        // Its connection is used for the same credential only.
        let bounds = Bounds { credential: Some(request.ask.credential.clone()), rule: Rule::Own, ..Bounds::default() };
        Ok(permit::issue(PermitParts { op: request.ask.op, run: gate.header().run, ask: request, bounds }))
    }
}

impl RunGate {
    /// Records the intent of a host request for an act of this run. This is possible even if the run was stopped, because an exchange that
    /// an act has begun is finished.
    ///
    /// # Errors
    /// Only what ends the run.
    pub(crate) fn host_ask(&self, ask: HostAsk) -> Result<HostPending, Stop> {
        let mut held = self.lock();
        held.check_unbroken()?;
        // If the value itself is sent, the lease begins. A server that keeps values is only asked for the value.
        if !matches!(ask.purpose, HostPurpose::VaultLogin | HostPurpose::VaultRead) {
            held.lease_begins(&ask.credential)?;
        }
        held.inner.own_last += 1;
        let number = held.inner.own_last;
        let record = HostAsked {
            at: held.now_ms(),
            credential: SafeText::new(&ask.credential, 64),
            kind: RecordKind::HostAsked,
            number,
            op: ask.op.0,
            purpose: ask.purpose,
            resource: ask.resource.clone(),
            v: VERSION,
        };
        let appended = held.append_one(record)?;
        held.inner.own.insert(number);
        drop(held);
        Ok(HostPending { durable: appended.durable, gate: self.clone(), request: HostRequest { number, ask } })
    }

    /// Ends a host request. Its outcome is on the record when this returns.
    ///
    /// # Errors
    /// The record broke.
    pub(crate) fn host_ended(&self, number: u64, end: HostEnd) -> Result<(), Stop> {
        let outcome = match &end {
            HostEnd { abandoned: true, .. } => HttpOutcome::Abandoned,
            HostEnd { reason: Some(_), .. } => HttpOutcome::RefusedAddress,
            HostEnd { fault: Some(_), .. } => HttpOutcome::Failed,
            _ => HttpOutcome::Response,
        };
        self.lock().host_answered(number, outcome, end)
    }
}
