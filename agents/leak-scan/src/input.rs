//! What a scan is asked for, and whether it can be meant.

use crate::glob::Globs;
use bailiwick_sdk::{Failure, JsonSchema};
use serde::Deserialize;

/// BOUND: a file is read into memory whole, so this is what one may cost at most.
const FILE_BYTES_LIMIT: u64 = 16 * 1024 * 1024;
/// BOUND: how many findings a run may ask for.
const FINDINGS_LIMIT: u32 = 100_000;
/// BOUND: how many commits a run may ask for; each costs some hundred bytes of memory.
const COMMITS_LIMIT: u32 = 1_000_000;
/// BOUND: how much of a history a run may ask to be unpacked.
const HISTORY_BYTES_LIMIT: u64 = 64 * 1024 * 1024 * 1024;
/// BOUND: among how many runs the work may be shared.
const SHARDS_LIMIT: u32 = 64;

/// Which folder is scanned, and how far.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Input {
    /// The folder, as the agent sees it.
    pub root: String,
    /// A larger file is skipped and counted.
    #[schemars(range(min = 1, max = 16_777_216))]
    pub max_file_bytes: u64,
    /// What is left out. `*` matches within a name, `**` across folders. A pattern without a slash matches a name at any
    /// depth, one with a slash the path below the root. A folder that matches is not entered.
    #[schemars(length(max = 64), inner(length(min = 1, max = 256)))]
    pub exclude: Vec<String>,
    /// Findings past this number are counted and not reported.
    #[schemars(range(max = 100_000))]
    pub max_findings: u32,
    /// A configuration as gitleaks has it, as a path below the root. Where it is not given, `.gitleaks.toml` or `gitleaks.toml`
    /// in the root is used if it is there; an empty path uses none.
    #[schemars(length(max = 1024))]
    pub gitleaks_config: Option<String>,
    /// What is known already, as a path below the root: fingerprints as a list in JSON, an earlier report, or SARIF.
    #[schemars(length(max = 1024))]
    pub baseline: Option<String>,
    /// Whether `.git` in the root is searched too, for what was once committed.
    pub history: bool,
    /// Of the history, so many commits at most, the newest first.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub max_commits: u32,
    /// Of the history, no more than this is unpacked.
    #[schemars(range(min = 1, max = 68_719_476_736_u64))]
    pub max_history_bytes: u64,
    /// Which part of the work is this run's; without it, all.
    pub shard: Option<Shard>,
}

/// One of several runs that share the work: by the path of each file, so that all that is found at one path is found by one run.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Shard {
    /// From 0.
    pub index: u32,
    /// How many runs there are.
    #[schemars(range(min = 1, max = 64))]
    pub of: u32,
}

impl Shard {
    /// Whether what lies at this path below the root is this run's.
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
    /// The host checks the input against the schema; this holds without it too.
    pub(crate) fn checked(&self) -> Result<Globs, Failure> {
        let bad = |message: String| Err(Failure::new(Failure::BAD_INPUT, message));
        if !(1..=FILE_BYTES_LIMIT).contains(&self.max_file_bytes) {
            return bad(format!("`max-file-bytes` is not between 1 and {FILE_BYTES_LIMIT}"));
        }
        if self.max_findings > FINDINGS_LIMIT {
            return bad(format!("`max-findings` is more than {FINDINGS_LIMIT}"));
        }
        if !(1..=COMMITS_LIMIT).contains(&self.max_commits) {
            return bad(format!("`max-commits` is not between 1 and {COMMITS_LIMIT}"));
        }
        if !(1..=HISTORY_BYTES_LIMIT).contains(&self.max_history_bytes) {
            return bad(format!("`max-history-bytes` is not between 1 and {HISTORY_BYTES_LIMIT}"));
        }
        if self.shard.is_some_and(|shard| shard.of == 0 || shard.of > SHARDS_LIMIT || shard.index >= shard.of) {
            return bad(format!("`shard` is not one of at most {SHARDS_LIMIT}"));
        }
        for (key, path) in [("gitleaks-config", &self.gitleaks_config), ("baseline", &self.baseline)] {
            if path.as_deref().is_some_and(|path| !stays_below(path)) {
                return bad(format!("`{key}` is not a path below the root"));
            }
        }
        Globs::new(&self.exclude).or_else(|err| bad(format!("`exclude`: {err}")))
    }
}

/// Whether a path can't lead out of the folder that it is in.
pub(crate) fn stays_below(path: &str) -> bool {
    !path.starts_with('/') && path.split('/').all(|segment| segment != "..")
}
