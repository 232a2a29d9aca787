//! What a guest is started with, and which way in it has.

use std::time::Duration;

use bytes::Bytes;
use vocabulary::Limits;

/// Which of the two ways in a component has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryPoint {
    /// `bailiwick:agent/agent#run`: JSON in, JSON out.
    Agent,
    /// `wasi:cli/run#run`: arguments and standard input in, standard output out.
    Command,
}

/// What a guest is started with; all of it was decided elsewhere.
#[derive(Clone, Debug, Default)]
pub struct Start {
    /// Arguments, the first of which is the program's name by custom.
    pub args: Vec<String>,
    /// What may be done with which credentials.
    pub credentials: Vec<CredentialInfo>,
    /// Granted variables.
    pub env: Vec<(String, String)>,
    /// JSON for an agent, standard input for a command.
    pub input: Bytes,
    /// Resolved.
    pub limits: Limits,
    /// Guest paths of the mounts; the first is file 1, and so on.
    pub mounts: Vec<String>,
    /// How long the run was inside before, in another process: it counts against `active-timeout`.
    pub spent: Duration,
}

/// A credential that a guest may do something with; never a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CredentialInfo {
    /// Host patterns.
    pub hosts: Vec<String>,
    /// In one word.
    pub kind: &'static str,
    /// `send`, `identify`, `rotate`.
    pub may: Vec<&'static str>,
    /// As configured.
    pub name: String,
}
