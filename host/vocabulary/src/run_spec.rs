//! What all runs of one agent share.

use crate::grant::Grants;
use crate::ids::Digest;
use crate::limits::Limits;
use crate::record::{AgentRef, EngineRef};

/// What stays the same from run to run of one agent; shared, so that opening a run costs no copying.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunSpec {
    /// What runs.
    pub agent: AgentRef,
    /// Digest of the configuration file it was resolved from.
    pub config: Option<Digest>,
    /// Whether a run can be resumed after a crash. See [`RunSpec::durable`].
    pub durable: bool,
    /// What runs it.
    pub engine: EngineRef,
    /// What the operator granted.
    pub grants: Grants,
    /// Resolved.
    pub limits: Limits,
}

impl RunSpec {
    /// Whether runs under these grants are durable: when they allow any act, or when somebody wants it.
    pub fn durable(grants: &Grants, wanted: bool) -> bool {
        wanted || !grants.http.is_empty() || !grants.may.is_empty()
    }
}
