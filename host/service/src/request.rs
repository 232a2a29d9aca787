//! What a caller asks a host to run. It names things, and grants nothing.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use vocabulary::{Digest, RunId};

/// A run that a caller wants.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunRequest {
    /// The agent's name in the configuration.
    pub agent: String,
    /// What the agent is given.
    pub call: Call,
    /// The component that the caller means. The host refuses the request where the configuration leads to another one.
    pub component: Digest,
    /// The configuration that grants it something.
    pub config: ConfigRef,
    /// Why the configuration may be used.
    pub trust: Trust,
}

/// A configuration, by its place and its bytes.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConfigRef {
    /// Of all bytes of the file. The host refuses the request where the file has other bytes.
    pub digest: Digest,
    /// Absolute.
    pub path: PathBuf,
}

/// Why a configuration may be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Trust {
    /// It is in the home's list of trusted files.
    Listed,
    /// The caller trusts it for this run only. The host puts that on the record in the caller's name.
    Once {
        /// The digest of everything that the file allowed when the caller looked at it. The host refuses the request where the file allows
        /// something else.
        authority: Digest,
    },
}

/// What an agent is called with.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Call {
    /// Arguments of a command, without its name.
    pub args: Vec<String>,
    /// Whether the run is to be resumable although it only reads.
    pub durable: bool,
    /// An engagement of the configuration, which bounds everything that is asked.
    pub engagement: Option<String>,
    /// JSON for an agent, text for the standard input of a command.
    pub input: String,
}

/// A run that was cut off and that a caller wants to continue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResumeRequest {
    /// The configuration with the name servers and certificates. The host uses it only if it is trusted, or if the run was started with it. Absent where
    /// the caller has none: then the system's are used.
    pub config: Option<ConfigRef>,
    /// Which run.
    pub run: RunId,
}

/// How a caller goes on with its run after the host that had it is gone: as it was begun.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Continuation {
    /// The run was started by this request. Where nothing of it has left the machine, it may be started once more.
    Started(Box<RunRequest>),
    /// The run was resumed.
    Resumed {
        /// As [`ResumeRequest::config`].
        config: Option<ConfigRef>,
    },
}

impl Continuation {
    /// The configuration with the name servers and certificates.
    pub fn config(&self) -> Option<&ConfigRef> {
        match self {
            Self::Started(request) => Some(&request.config),
            Self::Resumed { config } => config.as_ref(),
        }
    }
}
