//! What a build tool may touch and use. `sandbox` enforces it.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// One tool, and everything that it can reach. Nothing else is reachable: no other file, no network, no other process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ContainedBuild {
    /// The tool, by its absolute path.
    pub program: PathBuf,
    /// Its arguments.
    pub arguments: Vec<String>,
    /// Files and folders that it may read, and programs that it may start.
    pub read: Vec<PathBuf>,
    /// Folders that it may also change.
    pub write: Vec<PathBuf>,
    /// Limits of each of its processes.
    pub limits: BuildLimits,
}

/// Limits of each process of a build.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BuildLimits {
    /// Seconds of processor time.
    pub cpu_s: u64,
    /// Bytes of memory that it may write to.
    pub memory_bytes: u64,
    /// Bytes of one file that it writes.
    pub file_bytes: u64,
    /// Processes and threads of the user, all together.
    pub processes: u64,
}
