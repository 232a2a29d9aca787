//! The values that all runs of one agent share.

use crate::grant::Grants;
use crate::ids::Digest;
use crate::limits::Limits;
use crate::record::{AgentRef, EngineRef};

/// The values that stay the same from run to run of one agent. They are shared, so that opening a run copies nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunSpec {
    /// The agent that is run.
    pub agent: AgentRef,
    /// The digest of the configuration file that it was resolved from.
    pub config: Option<Digest>,
    /// Whether a run can be resumed after a crash. See [`RunSpec::durable`].
    pub durable: bool,
    /// The engine that runs it.
    pub engine: EngineRef,
    /// What the operator granted.
    pub grants: Grants,
    /// The limits, resolved.
    pub limits: Limits,
}

impl RunSpec {
    /// Whether runs under these grants are durable: either they allow an act, or it is `wanted`.
    pub fn durable(grants: &Grants, wanted: bool) -> bool {
        wanted || !grants.http.is_empty() || !grants.may.is_empty()
    }
}
