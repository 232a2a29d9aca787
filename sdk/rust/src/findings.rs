//! Findings of the agent. Mirrors `findings`: a finding is a claim, needs no grant, and is shown as unverified.

use crate::Refusal;
#[cfg(not(target_arch = "wasm32"))]
use crate::testing;
use serde::Serialize;

/// BOUND: the longest field that the host accepts; a longer one is refused as `malformed`.
pub const FIELD_BYTES_MAX: usize = 4096;
/// BOUND: the longest list that the host accepts.
pub const LIST_LEN_MAX: usize = 64;

/// BOUND: the largest finding that the host accepts, as JSON with its escapes; a larger one is refused as `malformed`.
pub const FINDING_BYTES_MAX: usize = 32 << 10;

/// How severe a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// For information.
    Info,
    /// To be fixed at some time.
    Low,
    /// To be fixed.
    Medium,
    /// To be fixed soon.
    High,
    /// To be fixed now.
    Critical,
}

/// A place in a file or on the network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Location {
    /// A path as the guest sees it, or a URL without user, password or query.
    pub uri: String,
    /// The line, counted from 1; 0 if there is none.
    pub line: u32,
    /// The column in characters, counted from 1; 0 if there is none.
    pub column: u32,
}

/// An id in a public taxonomy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Taxon {
    /// The taxonomy: `atlas`, `cwe`, `asi`, `attack`, `nhi`.
    pub scheme: String,
    /// The id, for example `CWE-798`.
    pub id: String,
}

/// One finding. Never put a secret into any of these: excerpts are shown to people and kept on the record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// A stable id of the rule, for example `github-token`.
    pub rule: String,
    /// How severe the finding is.
    pub severity: Severity,
    /// The title, one line.
    pub title: String,
    /// The place of the finding.
    pub location: Option<Location>,
    /// A bounded excerpt from which every secret has been removed.
    pub excerpt: Option<String>,
    /// Digests of the evidence for the finding, each as `sha256:` and 64 hexadecimal digits.
    pub evidence: Vec<String>,
    /// Ids of this kind of finding in public taxonomies.
    pub taxa: Vec<Taxon>,
    /// Stays the same for the same finding in the next run, even if text moved around it; empty if the agent has none.
    pub fingerprint: String,
}

impl Finding {
    /// A finding with only the required fields; set the other fields, or use the methods below.
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

    /// The same finding with a place.
    #[must_use]
    pub fn at(mut self, uri: impl Into<String>, line: u32, column: u32) -> Self {
        self.location = Some(Location { uri: uri.into(), line, column });
        self
    }

    /// The same finding with an excerpt.
    #[must_use]
    pub fn excerpt(mut self, excerpt: impl Into<String>) -> Self {
        self.excerpt = Some(excerpt.into());
        self
    }

    /// The same finding with one more digest of its evidence.
    #[must_use]
    pub fn evidence(mut self, digest: impl Into<String>) -> Self {
        self.evidence.push(digest.into());
        self
    }

    /// The same finding with one more id in a public taxonomy.
    #[must_use]
    pub fn taxon(mut self, scheme: impl Into<String>, id: impl Into<String>) -> Self {
        self.taxa.push(Taxon { scheme: scheme.into(), id: id.into() });
        self
    }

    /// The same finding with a fingerprint.
    #[must_use]
    pub fn fingerprint(mut self, fingerprint: impl Into<String>) -> Self {
        self.fingerprint = fingerprint.into();
        self
    }
}

/// Reports one finding. Natively it is kept for [`crate::testing::take_findings`], within the same bounds.
///
/// # Errors
///
/// Refused as `malformed` if a field is longer than [`FIELD_BYTES_MAX`], a list longer than [`LIST_LEN_MAX`], or the whole longer
/// than 32 KiB as JSON; refused as `over-limit` past the run's number of findings.
pub fn report(finding: Finding) -> Result<(), Refusal> {
    #[cfg(target_arch = "wasm32")]
    return crate::wire::report(finding);
    #[cfg(not(target_arch = "wasm32"))]
    testing::keep_finding(finding)
}
