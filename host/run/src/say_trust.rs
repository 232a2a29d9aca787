//! Records a person's decision about a configuration or one of its agents.

use serde::{Deserialize, Serialize};
use vocabulary::Clock as _;
use vocabulary::record::{AgentAccepted, AgentUnaccepted, ConfigTrusted, ConfigUntrusted, Record, RecordKind, VERSION};
use vocabulary::{Digest, Principal, SafeText};

use crate::err::RunError;
use crate::local_host::LocalHost;
use crate::place::held;

/// BOUND: length of a path on the record, in bytes.
const PATH_BYTES_MAX: usize = 1024;

/// BOUND: decisions to trust a configuration once that a process remembers until they are used. One that is not remembered is recorded
/// again.
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
        /// Digest of everything that it may cause.
        authority: Digest,
        /// Digest of its bytes.
        config: Digest,
        /// Whether the decision is for one command only.
        once: bool,
    },
    /// The configuration may no longer be used.
    Untrusted {
        /// Digest of its bytes, as they were trusted.
        config: Digest,
    },
    /// The agent is accepted as it is.
    Accepted {
        /// Name of the agent.
        agent: String,
        /// Digest of everything that is accepted.
        authority: Digest,
    },
    /// The acceptance of the agent is withdrawn.
    Unaccepted {
        /// Name of the agent.
        agent: String,
        /// Digest of everything that had been accepted. Absent if this home does not know it.
        authority: Option<Digest>,
    },
}

impl LocalHost {
    /// Records the decision. Durable when this returns.
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

    /// Uses up a person's decision to trust a configuration once. Returns whether this process has recorded one that was not used yet.
    ///
    /// SECURITY: the decision covers one run, with these bytes, in this place, and with this authority. It is dropped when the
    /// configuration is no longer trusted.
    pub fn use_trust_once(&self, path: &str, config: Digest, authority: Digest) -> bool {
        held(&self.inner.trusted_once).remove(&(path.to_owned(), config, authority))
    }
}

impl TrustSaid {
    /// The record of this decision.
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
