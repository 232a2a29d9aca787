//! What the agent found. Mirrors `findings`: a finding is a claim, needs no grant, and is shown as unverified.

use crate::Refusal;
#[cfg(not(target_arch = "wasm32"))]
use crate::testing;
use serde::Serialize;

/// BOUND: the longest field that the host takes; a longer one is refused as `malformed`.
pub const FIELD_BYTES_MAX: usize = 4096;
/// BOUND: the longest list that the host takes.
pub const LIST_LEN_MAX: usize = 64;

/// BOUND: the largest finding that the host takes, as JSON with its escapes; a larger one is refused as `malformed`.
pub const FINDING_BYTES_MAX: usize = 32 << 10;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Worth knowing.
    Info,
    /// Worth mending some day.
    Low,
    /// Worth mending.
    Medium,
    /// To be mended soon.
    High,
    /// To be mended now.
    Critical,
}

/// Where in a file, or where on the network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Location {
    /// A path as the guest sees it, or a URL without user, password or query.
    pub uri: String,
    /// Counted from 1; 0 where there is none.
    pub line: u32,
    /// Counted from 1, in characters; 0 where there is none.
    pub column: u32,
}

/// An id in a taxonomy that others share.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Taxon {
    /// `atlas`, `cwe`, `asi`, `attack`, `nhi`.
    pub scheme: String,
    /// For instance `CWE-798`.
    pub id: String,
}

/// One finding. Never put a secret into any of these: excerpts are shown to people and kept on the record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// A stable id of the rule, for instance `github-token`.
    pub rule: String,
    /// How bad it is.
    pub severity: Severity,
    /// One line.
    pub title: String,
    /// Where it is.
    pub location: Option<Location>,
    /// A bounded excerpt with every secret already taken out.
    pub excerpt: Option<String>,
    /// `sha256:` and 64 hexadecimal digits each: of what the finding rests on.
    pub evidence: Vec<String>,
    /// What others call this sort of finding.
    pub taxa: Vec<Taxon>,
    /// The same for the same finding in the next run, whatever moved around it; empty where the agent has none.
    pub fingerprint: String,
}

impl Finding {
    /// A finding with nothing but what each must have; set the other fields, or use the methods below.
    #[must_use]
    pub fn new(rule: impl Into<String>, severity: Severity, title: impl Into<String>) -> Self {
        Self {
            rule: rule.into(),
            severity,
            title: title.into(),
            location: None,
            excerpt: None,
            evidence: Vec::new(),
            taxa: Vec::new(),
            fingerprint: String::new(),
        }
    }

    /// The same, found there.
    #[must_use]
    pub fn at(mut self, uri: impl Into<String>, line: u32, column: u32) -> Self {
        self.location = Some(Location { uri: uri.into(), line, column });
        self
    }

    /// The same with an excerpt.
    #[must_use]
    pub fn excerpt(mut self, excerpt: impl Into<String>) -> Self {
        self.excerpt = Some(excerpt.into());
        self
    }

    /// The same with one more digest of what it rests on.
    #[must_use]
    pub fn evidence(mut self, digest: impl Into<String>) -> Self {
        self.evidence.push(digest.into());
        self
    }

    /// The same with one more id in a shared taxonomy.
    #[must_use]
    pub fn taxon(mut self, scheme: impl Into<String>, id: impl Into<String>) -> Self {
        self.taxa.push(Taxon { scheme: scheme.into(), id: id.into() });
        self
    }

    /// The same with a fingerprint.
    #[must_use]
    pub fn fingerprint(mut self, fingerprint: impl Into<String>) -> Self {
        self.fingerprint = fingerprint.into();
        self
    }
}

/// Report one finding. Natively it is kept for [`crate::testing::take_findings`], within the same bounds.
///
/// # Errors
///
/// Refused as `malformed` where a field is longer than [`FIELD_BYTES_MAX`], a list longer than [`LIST_LEN_MAX`], or the whole longer
/// than 32 KiB as JSON, as
/// `over-limit` past the run's number of findings.
pub fn report(finding: Finding) -> Result<(), Refusal> {
    #[cfg(target_arch = "wasm32")]
    return crate::wire::report(finding);
    #[cfg(not(target_arch = "wasm32"))]
    testing::keep_finding(finding)
}
