//! What a scan says in the end.

use bailiwick_sdk::JsonSchema;
use serde::Serialize;

/// What was scanned, and what was not.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Output {
    /// Files read to their end and searched.
    pub files_scanned: u64,
    /// What was not searched, by reason.
    pub files_skipped: Skipped,
    /// Bytes searched.
    pub bytes: u64,
    /// Everything found that the baseline does not know.
    pub findings: u64,
    /// Of these, how many were not reported: past `max-findings`, or refused by the host.
    pub findings_unreported: u64,
    /// What was found and is known from the baseline.
    pub findings_known: u64,
    /// Rules of the user's own configuration that are searched for.
    pub own_rules: u64,
    /// What of the user's own configuration is not done, and why. The first 100 are named.
    pub unsupported: Vec<Unsupported>,
    /// What was searched of the history, where that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub history: Option<History>,
}

/// Why something was not searched.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Skipped {
    /// Archives and compressed files, by how they begin; none is opened.
    pub archive: u64,
    /// Files with a NUL within their first 8 KiB; UTF-16 text is among these.
    pub binary: u64,
    /// Files larger than `max-file-bytes`.
    pub too_large: u64,
    /// Files and folders that could not be read, and what is neither file nor folder.
    pub unreadable: u64,
    /// Symbolic links; none is followed.
    pub symlink: u64,
    /// Files and folders that `exclude` names, `.git`, and folders that a `CACHEDIR.TAG` marks; a folder counts once.
    pub excluded: u64,
}

/// A rule, or a part of one, that does nothing here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Unsupported {
    /// Its id, or where in the configuration it is.
    pub rule: String,
    /// What is wrong with it.
    pub why: String,
}

/// What was searched of a history.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct History {
    /// Commits whose files were searched.
    pub commits: u64,
    /// Versions of files that were searched, each once.
    pub blobs: u64,
    /// Bytes that were unpacked.
    pub bytes: u64,
    /// Versions of files that were not searched: binary, archives, too large.
    pub skipped: u64,
    /// Objects and packs that are missing or broken.
    pub broken: u64,
    /// The first 20 of these, and why.
    pub broken_named: Vec<String>,
    /// Whether a bound was reached, and part of the history was left unsearched.
    pub cut_short: bool,
}
