//! The input, and its checks.

use bailiwick_sdk::{Failure, JsonSchema};
use serde::Deserialize;
use std::collections::BTreeMap;

/// BOUND: how many credentials may have a stand-in.
const STAND_INS_MAX: usize = 256;

/// What was found, and how it is taken care of.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Input {
    /// A finding of `leak-scan`, as `bailiwick run leak-scan --json` has it.
    pub finding: Leak,
    /// For each credential, the one that stands for it in the sandbox. That one is rotated first.
    pub stand_ins: BTreeMap<String, String>,
    /// The tracker for tickets.
    pub tracker: Tracker,
}

/// A finding of `leak-scan`. Fields that are not named here have no effect.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
pub struct Leak {
    /// The rule that found it.
    #[schemars(length(min = 1, max = 128))]
    pub rule: String,
    /// Where it was found.
    pub location: Place,
}

/// A place in a file.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
pub struct Place {
    /// The path of the file, as agents see it.
    #[schemars(length(min = 1, max = 1024))]
    pub uri: String,
    /// The line, counted from 1.
    #[schemars(range(min = 1))]
    pub line: u32,
    /// The column in characters, counted from 1.
    #[schemars(range(min = 1))]
    pub column: u32,
}

/// A Roundup tracker.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Tracker {
    /// Its address, which its configuration calls `web`: `https://tracker.example.com/demo/`.
    #[schemars(length(min = 1, max = 1024))]
    pub url: String,
    /// The name of the login whose credential the host sends. Messages need an author.
    #[schemars(length(min = 1, max = 64))]
    pub login: String,
}

impl Input {
    /// Checks the input. The host checks it against the schema too; this check does not rely on that.
    pub(crate) fn check(&self) -> Result<(), Failure> {
        let bad = |message: &str| Err(Failure::new(Failure::BAD_INPUT, message));
        let Place { uri, line, column } = &self.finding.location;
        if *line == 0 || *column == 0 {
            return bad("`finding.location` needs a line and a column; leaks in the history of a repository have none");
        }
        if !uri.starts_with('/') || uri.split('/').any(|part| part == "..") {
            return bad("`finding.location.uri` must be an absolute path without `..`");
        }
        let is_plain = |text: &str| !text.is_empty() && text.chars().all(|letter| letter.is_ascii_alphanumeric() || "-_.".contains(letter));
        if !is_plain(&self.finding.rule) || !is_plain(&self.tracker.login) {
            return bad("`finding.rule` and `tracker.login` may have letters, digits, `-`, `_` and `.`");
        }
        if self.stand_ins.len() > STAND_INS_MAX || self.stand_ins.iter().any(|(name, other)| name == other) {
            return bad("`stand-ins` has too many entries, or a credential stands for itself");
        }
        Ok(())
    }
}

impl Tracker {
    /// Splits the address into its origin and the path that ends in `/`.
    pub(crate) fn parts(&self) -> Result<(&str, String), Failure> {
        let bad = || Failure::new(Failure::BAD_INPUT, "`tracker.url` must be `http://` or `https://`, a host and a path, without query");
        let begin = self.url.find("://").filter(|at| ["http", "https"].contains(&self.url.get(..*at).unwrap_or_default()));
        let host = begin.ok_or_else(bad)? + 3;
        let rest = self.url.get(host..).unwrap_or_default();
        let end = host + rest.find('/').unwrap_or(rest.len());
        let (origin, path) = self.url.split_at_checked(end).ok_or_else(bad)?;
        if end == host || self.url.contains(['?', '#', '@', ' ', '\\']) {
            return Err(bad());
        }
        Ok((origin, format!("{}/", path.trim_end_matches('/'))))
    }
}
