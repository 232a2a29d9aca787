//! The values that a guest is started with, and its entry point.

use std::time::Duration;

use bytes::Bytes;
use tokio::sync::watch;
use vocabulary::Limits;

/// Which of the two entry points a component has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryPoint {
    /// `bailiwick:agent/agent#run`: JSON in, JSON out.
    Agent,
    /// `wasi:cli/run#run`: arguments and standard input in, standard output out.
    Command,
}

/// The values that a guest is started with. All of them were decided in other rooms.
#[derive(Clone, Debug, Default)]
pub struct Start {
    /// The arguments. By convention the first one is the program's name.
    pub args: Vec<String>,
    /// The credentials that the guest may use, and for what.
    pub credentials: Vec<CredentialInfo>,
    /// The environment variables.
    pub env: Vec<(String, String)>,
    /// JSON for an agent, or standard input for a command.
    pub input: Bytes,
    /// The limits, with defaults filled in.
    pub limits: Limits,
    /// The guest paths of the mounts. The first one is file 1, and so on.
    pub mounts: Vec<String>,
    /// Becomes true when the guest of a resumed run has come to the end of its record. Its active time stands still until then: what it
    /// computes again was counted before. `None` for a run that is not resumed.
    pub rebuilt: Option<watch::Receiver<bool>>,
    /// For how long the run was inside the engine earlier, in other processes. This counts against `active-timeout`.
    pub spent: Duration,
}

/// A credential that a guest may use, without its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CredentialInfo {
    /// Patterns of the servers to which it may be sent.
    pub hosts: Vec<String>,
    /// How it is placed into a request, in one word.
    pub kind: &'static str,
    /// What the guest may do with it: `send`, `identify`, `rotate`.
    pub may: Vec<&'static str>,
    /// Its name in the configuration.
    pub name: String,
}
