//! What a person can stop as a whole, so that it does not start again until a person enables it.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::ids::Digest;
use crate::text::SafeText;

/// What is stopped: an agent by its name, a component by its digest, or everything.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Stoppable {
    /// Every agent.
    All,
    /// The agents of this name, whatever their component.
    Agent(SafeText),
    /// The agents with this component, whatever their names.
    Digest(Digest),
}

impl Stoppable {
    /// Whether an agent is meant by it.
    pub fn is(&self, name: &SafeText, digest: &Digest) -> bool {
        match self {
            Self::All => true,
            Self::Agent(agent) => agent == name,
            Self::Digest(component) => component == digest,
        }
    }

    /// The options by which the verbs `stop` and `enable` name it.
    pub fn option(&self) -> String {
        match self {
            Self::All => "--all".to_owned(),
            Self::Agent(agent) => format!("--agent {agent}"),
            Self::Digest(digest) => format!("--digest {digest}"),
        }
    }
}

impl fmt::Display for Stoppable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("every agent"),
            Self::Agent(agent) => write!(f, "the agent `{agent}`"),
            Self::Digest(digest) => write!(f, "the component {digest}"),
        }
    }
}
