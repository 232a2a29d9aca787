//! Credentials of a home: records changes of their values, and ends leases of active runs.

use gate::OpenRun;
use serde::{Deserialize, Serialize};
use vocabulary::Clock as _;
use vocabulary::record::{CredentialChange, CredentialChanged, Record, RecordKind, SealedUnder, VERSION, VaultSealed};
use vocabulary::{Actor, Principal, RunId, SafeText};

use crate::err::RunError;
use crate::local_host::LocalHost;
use crate::place::held;

/// Which leases are to be ended: those that match every field that is set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Revoking {
    /// Only leases of runs of this agent.
    pub agent: Option<String>,
    /// Only leases of this credential.
    pub credential: Option<String>,
    /// Only leases of this run.
    pub run: Option<RunId>,
}

/// What was done with the value of a credential.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CredentialWord {
    /// The kind of change.
    pub change: CredentialChange,
    /// Name of the credential.
    pub credential: String,
    /// Where its value may be sent from now on, if that was set.
    pub destinations: Vec<SafeText>,
    /// Version of the value, if there is a value.
    pub version: Option<u64>,
}

impl LocalHost {
    /// Ends leases of runs that are running here, and returns them as `RUN/NAME`. From now on asks under these leases are refused, answers
    /// that stream under them are cut, and their connections are closed.
    ///
    /// # Errors
    /// A run that is not running here; a record that can't be written.
    pub fn revoke(&self, revoking: &Revoking, by: &Principal) -> Result<Vec<SafeText>, RunError> {
        let is_waiting = revoking.run.is_some_and(|run| self.is_open(run));
        let going = held(&self.inner.going);
        if let Some(run) = revoking.run
            && !going.contains_key(&run)
            && !is_waiting
        {
            return Err(RunError::NotGoingHere(run));
        }
        let is_meant = |run: RunId, agent: &SafeText| {
            revoking.run.is_none_or(|only| only == run) && revoking.agent.as_deref().is_none_or(|only| only == agent.as_str())
        };
        let mut ended = Vec::new();
        for (run, going) in going.iter().filter(|(run, going)| is_meant(**run, &going.agent)) {
            let names = going.live.revoke(revoking.credential.as_deref(), by).map_err(|_| self.record_broken(None))?;
            ended.extend(names.iter().map(|name| gate::lease_id(*run, name)));
        }
        Ok(ended)
    }

    /// Ends leases of runs that are suspended, so that nothing is asked under them when these runs are resumed. If a lease of one run can't be
    /// ended, those of the others are ended nevertheless.
    async fn revoke_waiting(&self, revoking: &Revoking, by: &Principal) -> Result<Vec<SafeText>, RunError> {
        let is_meant = |run: RunId, open: &OpenRun| {
            (open.suspended.is_some() || open.is_left())
                && revoking.run.is_none_or(|only| only == run)
                && revoking.agent.as_deref().is_none_or(|only| only == open.agent.as_str())
        };
        let runs: Vec<RunId> = self
            .inner
            .gate
            .with_ledger(|ledger| ledger.open_runs().filter(|(run, open)| is_meant(*run, open)).map(|(run, _)| run).collect());
        let (mut ended, mut failed) = (Vec::new(), None);
        for run in runs {
            match self.revoke_one(run, revoking, by).await {
                Ok(leases) => ended.extend(leases),
                Err(err) => failed = Some(err),
            }
        }
        failed.map_or(Ok(ended), Err)
    }

    async fn revoke_one(&self, run: RunId, revoking: &Revoking, by: &Principal) -> Result<Vec<SafeText>, RunError> {
        let _taken = match self.take_when_free(run).await {
            Ok(taken) => taken,
            // It was resumed or has ended meanwhile.
            Err(RunError::Running(_)) => return self.revoke(&Revoking { run: Some(run), ..revoking.clone() }, by),
            Err(RunError::NoSuchRun(_)) => return Ok(Vec::new()),
            Err(err) => return Err(err),
        };
        let revoked = self.inner.gate.with_ledger(|ledger| ledger.open_run(run).map(|open| open.revoked.clone())).unwrap_or_default();
        let granted = self.header_of(run).await?;
        let granted = granted.spec.grants.credentials.iter().map(|binding| binding.name.clone());
        let is_meant = |name: &String| revoking.credential.as_ref().is_none_or(|only| only == name) && !revoked.contains(name);
        let names: Vec<String> = granted.filter(is_meant).collect();
        if !names.is_empty() {
            self.inner.gate.revoke_cut_off(run, &names, by)?.durable.await?;
            tracing::info!(%run, "leases of a suspended run were ended");
        }
        Ok(names.iter().map(|name| gate::lease_id(run, name)).collect())
    }

    /// Ends leases, and records the revocation if a credential itself was revoked. Both happen in one call, because the last run for which
    /// the home is held may end with its lease.
    ///
    /// # Errors
    /// As [`LocalHost::revoke`] and [`LocalHost::record_credential`].
    pub async fn take_back(&self, revoking: &Revoking, word: Option<&CredentialWord>, by: &Principal) -> Result<Vec<SafeText>, RunError> {
        let mut ended = self.revoke(revoking, by)?;
        let waiting = self.revoke_waiting(revoking, by).await;
        // Recorded even if a lease could not be ended.
        if let Some(word) = word {
            self.record_credential(word, by).await?;
        }
        ended.extend(waiting?);
        Ok(ended)
    }

    /// Records what was done with the value of a credential. Durable when this returns.
    ///
    /// # Errors
    /// The record can't be written.
    pub async fn record_credential(&self, word: &CredentialWord, by: &Principal) -> Result<(), RunError> {
        Ok(self.inner.gate.append_log(&word.record(by, self.inner.clock.unix_ms()))?.durable.await?)
    }

    /// Records that the vault was sealed under another key. Durable when this returns.
    ///
    /// # Errors
    /// The record can't be written.
    pub async fn record_sealed(&self, under: SealedUnder, by: &Principal) -> Result<(), RunError> {
        Ok(self.inner.gate.append_log(&sealed_record(under, by, self.inner.clock.unix_ms()))?.durable.await?)
    }
}

/// The record that the vault was sealed under another key.
pub fn sealed_record(under: SealedUnder, by: &Principal, at: u64) -> Record {
    VaultSealed { at, by: by.clone(), kind: RecordKind::VaultSealed, under, v: VERSION }.into()
}

impl CredentialWord {
    /// The record of this change.
    pub fn record(&self, by: &Principal, at: u64) -> Record {
        CredentialChanged {
            at,
            by: Actor::User(by.clone()),
            change: self.change,
            credential: SafeText::new(&self.credential, 64),
            destinations: self.destinations.clone(),
            kind: RecordKind::CredentialChanged,
            v: VERSION,
            version: self.version,
        }
        .into()
    }
}
