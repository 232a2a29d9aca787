//! Credentials of a home: that a value was changed goes onto the record, and leases are ended while their runs go on.

use serde::{Deserialize, Serialize};
use vocabulary::Clock as _;
use vocabulary::record::{CredentialChange, CredentialChanged, Record, RecordKind, SealedUnder, VERSION, VaultSealed};
use vocabulary::{Actor, Principal, RunId, SafeText};

use crate::err::RunError;
use crate::local_host::LocalHost;
use crate::place::held;

/// Which leases are to be ended: those for which everything that is said here is true.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Revoking {
    /// Of runs of this agent.
    pub agent: Option<String>,
    /// Of this credential.
    pub credential: Option<String>,
    /// Of this run.
    pub run: Option<RunId>,
}

/// What was done with the value of a credential.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CredentialWord {
    /// What.
    pub change: CredentialChange,
    /// Its name.
    pub credential: String,
    /// Where its value may be sent from now on, if that was set.
    pub destinations: Vec<SafeText>,
    /// The value's, where there is one.
    pub version: Option<u64>,
}

impl LocalHost {
    /// Ends leases of runs that go on here; gives what was ended, as `RUN/NAME`. What is asked under them from now on is refused, what streams
    /// under them is cut, what is connected under them is closed.
    ///
    /// # Errors
    /// A run that does not go on here; a record that can't be written.
    pub fn revoke(&self, revoking: &Revoking, by: &Principal) -> Result<Vec<SafeText>, RunError> {
        let going = held(&self.inner.going);
        if let Some(run) = revoking.run
            && !going.contains_key(&run)
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

    /// Ends leases, and puts it on the record where a credential itself was taken back: in one, since the end of a lease may be the end of the last run
    /// for which the home is held.
    ///
    /// # Errors
    /// As [`LocalHost::revoke`] and [`LocalHost::record_credential`].
    pub async fn take_back(&self, revoking: &Revoking, word: Option<&CredentialWord>, by: &Principal) -> Result<Vec<SafeText>, RunError> {
        let ended = self.revoke(revoking, by)?;
        if let Some(word) = word {
            self.record_credential(word, by).await?;
        }
        Ok(ended)
    }

    /// Puts it on the record what was done with the value of a credential; durable when this returns.
    ///
    /// # Errors
    /// The record can't be written.
    pub async fn record_credential(&self, word: &CredentialWord, by: &Principal) -> Result<(), RunError> {
        Ok(self.inner.gate.append_log(&word.record(by, self.inner.clock.unix_ms()))?.durable.await?)
    }

    /// Puts it on the record that the vault was sealed under another key; durable when this returns.
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
    /// The record of it.
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
