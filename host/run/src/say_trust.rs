//! Puts a person's decision about a configuration or one of its agents on the record of the home.

use serde::{Deserialize, Serialize};
use vocabulary::Clock as _;
use vocabulary::record::{AgentAccepted, AgentUnaccepted, ConfigTrusted, ConfigUntrusted, Record, RecordKind, VERSION};
use vocabulary::{Digest, Principal, SafeText};

use crate::err::RunError;
use crate::local_host::LocalHost;
use crate::place::held;

/// BOUND: bytes of a path on the record.
const PATH_BYTES_MAX: usize = 1024;

/// BOUND: decisions for once that a process remembers until they are used. What is not remembered is recorded again.
const ONCE_MAX: usize = 1024;

/// A person's decision about a configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrustSaid {
    /// Where the configuration is.
    pub path: String,
    /// The decision.
    pub change: TrustChange,
}

/// What a decision changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum TrustChange {
    /// The configuration may be used.
    Trusted {
        /// Of everything that it may cause.
        authority: Digest,
        /// Of its bytes.
        config: Digest,
        /// Whether it is for one command only.
        once: bool,
    },
    /// The configuration may no longer be used.
    Untrusted {
        /// Of its bytes, as they were trusted.
        config: Digest,
    },
    /// The agent is accepted as it is.
    Accepted {
        /// Its name.
        agent: String,
        /// Of everything that is accepted.
        authority: Digest,
    },
    /// The acceptance of the agent is taken back.
    Unaccepted {
        /// Its name.
        agent: String,
        /// The digest of everything that had been accepted. Absent if this home does not know it.
        authority: Option<Digest>,
    },
}

impl LocalHost {
    /// Puts it on the record; durable when this returns.
    ///
    /// # Errors
    /// The record can't be written.
    pub async fn record_trust(&self, said: &TrustSaid, by: &Principal) -> Result<(), RunError> {
        self.inner.gate.append_log(&said.record(by, self.inner.clock.unix_ms()))?.durable.await?;
        let mut once = held(&self.inner.trusted_once);
        match &said.change {
            TrustChange::Trusted { authority, config, once: true } if once.len() < ONCE_MAX => {
                once.insert((said.path.clone(), *config, *authority));
            }
            TrustChange::Untrusted { config } => once.retain(|(_, trusted, _)| trusted != config),
            TrustChange::Trusted { .. } | TrustChange::Accepted { .. } | TrustChange::Unaccepted { .. } => {}
        }
        Ok(())
    }

    /// Uses up a decision of a person that a configuration is trusted once. Returns whether this process has put one on the record that was not used
    /// before.
    ///
    /// SECURITY: it is for one run, of these bytes in this place and all that they allow, and is gone once the configuration is no longer trusted.
    pub fn use_trust_once(&self, path: &str, config: Digest, authority: Digest) -> bool {
        held(&self.inner.trusted_once).remove(&(path.to_owned(), config, authority))
    }
}

impl TrustSaid {
    /// The record of it.
    pub fn record(&self, by: &Principal, at: u64) -> Record {
        record(self, by.clone(), at)
    }
}

fn record(said: &TrustSaid, by: Principal, at: u64) -> Record {
    let (path, v) = (SafeText::new(&said.path, PATH_BYTES_MAX), VERSION);
    let name = |agent: &str| SafeText::new(agent, 64);
    match &said.change {
        TrustChange::Trusted { authority, config, once } => {
            ConfigTrusted { at, authority: *authority, by, config: *config, kind: RecordKind::ConfigTrusted, once: *once, path, v }.into()
        }
        TrustChange::Untrusted { config } => ConfigUntrusted { at, by, config: *config, kind: RecordKind::ConfigUntrusted, path, v }.into(),
        TrustChange::Accepted { agent, authority } => {
            AgentAccepted { agent: name(agent), at, authority: *authority, by, kind: RecordKind::AgentAccepted, path, v }.into()
        }
        TrustChange::Unaccepted { agent, authority } => {
            AgentUnaccepted { agent: name(agent), at, authority: *authority, by, kind: RecordKind::AgentUnaccepted, path, v }.into()
        }
    }
}
