//! The input of a scan, and the check that it is valid.

use crate::glob::Globs;
use bailiwick_sdk::{Failure, JsonSchema};
use serde::Deserialize;

/// BOUND: the largest file. A file is read into memory as a whole.
const FILE_BYTES_LIMIT: u64 = 16 * 1024 * 1024;
/// BOUND: how many findings a run may ask for.
const FINDINGS_LIMIT: u32 = 100_000;
/// BOUND: how many commits a run may ask for; each costs about a hundred bytes of memory.
const COMMITS_LIMIT: u32 = 1_000_000;
/// BOUND: how many bytes of a history a run may ask to unpack.
const HISTORY_BYTES_LIMIT: u64 = 64 * 1024 * 1024 * 1024;
/// BOUND: how many runs may share the work.
const SHARDS_LIMIT: u32 = 64;

/// The folder to scan, and the bounds of the scan.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Input {
    /// The folder, as the agent sees it.
    pub root: String,
    /// A larger file is skipped and counted.
    #[schemars(range(min = 1, max = 16_777_216))]
    pub max_file_bytes: u64,
    /// Patterns of paths to leave out. `*` matches within a name, `**` across folders. A pattern without a slash matches a name at
    /// any depth, one with a slash matches the path below the root. A folder that matches is not entered.
    #[schemars(length(max = 64), inner(length(min = 1, max = 256)))]
    pub exclude: Vec<String>,
    /// The most findings to report; further ones are only counted.
    #[schemars(range(max = 100_000))]
    pub max_findings: u32,
    /// A gitleaks configuration, as a path below the root. If this is not given, `.gitleaks.toml` or `gitleaks.toml` in the root is
    /// used if it exists; an empty path uses none.
    #[schemars(length(max = 1024))]
    pub gitleaks_config: Option<String>,
    /// A file of known findings, as a path below the root: fingerprints as a list in JSON, an earlier report, or SARIF.
    #[schemars(length(max = 1024))]
    pub baseline: Option<String>,
    /// Whether to search `.git` in the root too, for secrets that were once committed.
    pub history: bool,
    /// The most commits of the history to search, the newest first.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub max_commits: u32,
    /// The most bytes of the history to unpack.
    #[schemars(range(min = 1, max = 68_719_476_736_u64))]
    pub max_history_bytes: u64,
    /// Which part of the work this run does; without it, all.
    pub shard: Option<Shard>,
}

/// One of several runs that share the work. Files are shared by their paths, so that one run finds everything at one path.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Shard {
    /// The number of this run, from 0.
    pub index: u32,
    /// How many runs there are.
    #[schemars(range(min = 1, max = 64))]
    pub of: u32,
}

impl Shard {
    /// Whether this run searches this path below the root.
    pub(crate) fn takes(self, relative: &str) -> bool {
        // FNV-1a: the same on every machine, and even enough for names.
        let hash = relative.bytes().fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
        hash % self.of.max(1) == self.index
    }
}

impl Default for Input {
    fn default() -> Self {
        Self {
            root: "/src".to_owned(),
            max_file_bytes: 1024 * 1024,
            exclude: Vec::new(),
            max_findings: 1000,
            gitleaks_config: None,
            baseline: None,
            history: false,
            max_commits: 50_000,
            max_history_bytes: 4 * 1024 * 1024 * 1024,
            shard: None,
        }
    }
}

impl Input {
    /// Checks the input. The host checks it against the schema too; this check does not rely on that.
    pub(crate) fn checked(&self) -> Result<Globs, Failure> {
        let bad = |message: String| Err(Failure::new(Failure::BAD_INPUT, message));
        if !(1..=FILE_BYTES_LIMIT).contains(&self.max_file_bytes) {
            return bad(format!("`max-file-bytes` must be between 1 and {FILE_BYTES_LIMIT}"));
        }
        if self.max_findings > FINDINGS_LIMIT {
            return bad(format!("`max-findings` must be at most {FINDINGS_LIMIT}"));
        }
        if !(1..=COMMITS_LIMIT).contains(&self.max_commits) {
            return bad(format!("`max-commits` must be between 1 and {COMMITS_LIMIT}"));
        }
        if !(1..=HISTORY_BYTES_LIMIT).contains(&self.max_history_bytes) {
            return bad(format!("`max-history-bytes` must be between 1 and {HISTORY_BYTES_LIMIT}"));
        }
        if self.shard.is_some_and(|shard| shard.of == 0 || shard.of > SHARDS_LIMIT || shard.index >= shard.of) {
            return bad(format!("`shard` must have an `index` below `of`, and `of` between 1 and {SHARDS_LIMIT}"));
        }
        for (key, path) in [("gitleaks-config", &self.gitleaks_config), ("baseline", &self.baseline)] {
            if path.as_deref().is_some_and(|path| !stays_below(path)) {
                return bad(format!("`{key}` is not a path below the root"));
            }
        }
        Globs::new(&self.exclude).or_else(|err| bad(format!("`exclude`: {err}")))
    }
}

/// Whether a relative path stays within its folder.
pub(crate) fn stays_below(path: &str) -> bool {
    !path.starts_with('/') && path.split('/').all(|segment| segment != "..")
}
