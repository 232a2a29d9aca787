//! A run's leases of credentials: how they end before the run, and what is recorded about values.

use std::collections::BTreeSet;

use vocabulary::record::{CredentialChange, CredentialChanged, LeaseProbed, MetIn, Record, RecordKind, VERSION, ValueMet};
use vocabulary::{Actor, OpId, Principal, SafeText, Stop};

use super::{LockedRun, RunGate};
use crate::lease;

impl RunGate {
    /// Ends this run's lease of a credential, or all its leases: nothing is asked under them from now on. Returns the names of those that
    /// were not ended before.
    ///
    /// # Errors
    /// Only what ends the run.
    pub(crate) fn revoke(&self, credential: Option<&str>, by: &Principal) -> Result<Vec<String>, Stop> {
        let mut held = self.lock();
        let granted = self.header().spec.grants.credentials.iter().map(|binding| binding.name.as_str());
        let names: BTreeSet<&str> = granted.filter(|name| credential.is_none_or(|only| only == *name)).collect();
        let mut ended = Vec::new();
        for name in names {
            // A lease that was never used is ended too, so that the record says that it may not be used.
            let lease = held.inner.leases.entry(name.to_owned()).or_default();
            if !std::mem::replace(&mut lease.revoked, true) {
                ended.push(name.to_owned());
                let at = held.now_ms();
                held.put(lease::revoked(self.header().run, name, by, at), Vec::new())?;
            }
        }
        drop(held);
        // Notifies the tasks that wait for an answer under one of these leases.
        self.0.ended.send_modify(|all| all.extend(ended.iter().cloned()));
        Ok(ended)
    }

    /// Returns when the lease of this credential is ended. Without a credential, it never returns.
    pub(crate) async fn lease_ended(&self, credential: Option<String>) {
        let Some(name) = credential else { return std::future::pending().await };
        let mut ended = self.0.ended.subscribe();
        // The sender lives as long as this gate.
        let _ = ended.wait_for(|ended| ended.contains(&name)).await;
    }

    /// Records and counts that the value of a credential was found where it may not be.
    ///
    /// # Errors
    /// The limit `value-hits` is exceeded, or the record broke. The run ends.
    pub(crate) fn value_met(&self, op: OpId, credential: &str, place: MetIn) -> Result<(), Stop> {
        let mut held = self.lock();
        held.check_unbroken()?;
        let times = held.inner.met.entry(credential.to_owned()).or_default();
        *times += 1;
        let times = *times;
        let (at, credential) = (held.now_ms(), SafeText::new(credential, 64));
        held.put(ValueMet { at, credential, kind: RecordKind::ValueMet, op: op.0, place, times, v: VERSION }, Vec::new())?;
        if times > self.header().spec.limits.value_hits { Err(Stop::Limit(vocabulary::Limit::ValueHits)) } else { Ok(()) }
    }

    /// Records that an old value was tried.
    ///
    /// # Errors
    /// Only what ends the run.
    pub(crate) fn probed(&self, op: OpId, credential: &str, version: u64, status: Option<u16>) -> Result<(), Stop> {
        let mut held = self.lock();
        let record = LeaseProbed {
            at: held.now_ms(),
            credential: SafeText::new(credential, 64),
            kind: RecordKind::LeaseProbed,
            op: op.0,
            refused: matches!(status, Some(401 | 403)),
            status,
            v: VERSION,
            version,
        };
        held.put(record, Vec::new())
    }

    /// The record that the value of a credential has changed.
    pub(crate) fn rotation(&self, credential: &str, version: u64) -> Record {
        CredentialChanged {
            at: self.lock().now_ms(),
            by: Actor::Agent(self.header().spec.agent.name.clone()),
            change: CredentialChange::Rotated,
            credential: SafeText::new(credential, 64),
            destinations: Vec::new(),
            kind: RecordKind::CredentialChanged,
            v: VERSION,
            version: Some(version),
        }
        .into()
    }

    /// Appends that record. It is durable when this returns.
    ///
    /// # Errors
    /// Only what ends the run.
    pub(crate) async fn rotated(&self, rotation: Record) -> Result<(), Stop> {
        let appended = self.lock().append_one(rotation)?;
        Ok(appended.durable.await?)
    }
}

impl LockedRun<'_> {
    pub(crate) fn lease_begins(&mut self, credential: &str) -> Result<(), Stop> {
        let header = &self.shared().header;
        let (run, bindings) = (header.run, &header.spec.grants.credentials);
        let Some(issued) = bindings.iter().find(|binding| binding.name == credential).map(|it| lease::issued(run, it, self.now_ms()))
        else {
            return Ok(());
        };
        let lease = self.inner.leases.entry(credential.to_owned()).or_default();
        if std::mem::replace(&mut lease.begun, true) { Ok(()) } else { self.put(issued, Vec::new()) }
    }
}
