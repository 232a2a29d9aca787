//! Requests of callers to start or continue a run. They name things and grant nothing.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use vocabulary::{Digest, RunId};

/// A request to start a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunRequest {
    /// The agent's name in the configuration.
    pub agent: String,
    /// The input of the agent, and how it is run.
    pub call: Call,
    /// Digest of the component that the caller means. The host refuses the request if the configuration leads to another one.
    pub component: Digest,
    /// The configuration that contains the agent.
    pub config: ConfigRef,
    /// Why the configuration may be used.
    pub trust: TrustBasis,
}

/// A configuration, named by its path and the digest of its bytes.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConfigRef {
    /// Digest of all bytes of the file. The host refuses the request if the file has other bytes.
    pub digest: Digest,
    /// The absolute path of the file.
    pub path: PathBuf,
}

/// Why a configuration may be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum TrustBasis {
    /// It is in the home's list of trusted files.
    Listed,
    /// The caller trusts it for this run only. The host records that in the caller's name.
    Once {
        /// Digest of everything that the file allowed when the caller looked at it. The host refuses the request if the file allows
        /// something else.
        authority: Digest,
    },
}

/// The input of a run, and how it is run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Call {
    /// Arguments of a command, without its name.
    pub args: Vec<String>,
    /// Whether the run is to be resumable although it only reads.
    pub durable: bool,
    /// The name of an engagement in the configuration, which bounds everything that the run may ask for.
    pub engagement: Option<String>,
    /// JSON for an agent, or text for the standard input of a command.
    pub input: String,
}

/// A request to resume a run that was cut off.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResumeRequest {
    /// The configuration with the name servers and certificates. The host uses it only if it is trusted, or if the run was started with it.
    /// If it is absent, the host uses the configuration that the run was started with, as far as the record names it.
    pub config: Option<ConfigRef>,
    /// The run.
    pub run: RunId,
}

/// How a run was begun. A caller needs this to continue its run after the host is gone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Continuation {
    /// The run was started by this request. If none of its acts has left the machine, it may be started once more.
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
