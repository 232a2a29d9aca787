//! The output of a scan.

use bailiwick_sdk::JsonSchema;
use serde::Serialize;

/// What was searched, and what was not.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Output {
    /// Files read to their end and searched.
    pub files_scanned: u64,
    /// Files that were not searched, by reason.
    pub files_skipped: Skipped,
    /// Bytes searched.
    pub bytes: u64,
    /// Findings that the baseline does not list.
    pub findings: u64,
    /// How many of these were not reported: they were past `max-findings`, or the host refused them.
    pub findings_unreported: u64,
    /// Findings that the baseline lists.
    pub findings_known: u64,
    /// How many rules of the user's own configuration are applied.
    pub own_rules: u64,
    /// Parts of the user's own configuration that are not supported, and why. The first 100 are named.
    pub unsupported: Vec<Unsupported>,
    /// The result for the history, if it was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub history: Option<History>,
}

/// How many files were not searched, by reason.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Skipped {
    /// Archives and compressed files, recognised by their first bytes; none is opened.
    pub archive: u64,
    /// Files with a NUL within their first 8 KiB; UTF-16 text is among these.
    pub binary: u64,
    /// Files larger than `max-file-bytes`.
    pub too_large: u64,
    /// Files and folders that could not be read, and entries that are neither file nor folder.
    pub unreadable: u64,
    /// Symbolic links; none is followed.
    pub symlink: u64,
    /// Files and folders that `exclude` names, `.git`, and folders that a `CACHEDIR.TAG` marks; a folder counts once.
    pub excluded: u64,
}

/// A rule, or a part of one, that has no effect here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Unsupported {
    /// The id of the rule, or its place in the configuration.
    pub rule: String,
    /// Why it has no effect.
    pub why: String,
}

/// How much of a history was searched.
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
    /// The first 20 of these, with the reason.
    pub broken_named: Vec<String>,
    /// Whether a bound was reached, and part of the history was left unsearched.
    pub cut_short: bool,
}
