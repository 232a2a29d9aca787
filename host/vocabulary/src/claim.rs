//! What an agent says. None of it is evidence. All of it is bounded and escaped before it is kept.

use serde::{Deserialize, Serialize};

use crate::text::SafeText;

/// BOUND: bytes of a line that are kept.
pub const LINE_BYTES_MAX: usize = 8192;

/// One claim of an agent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Claim {
    /// A line on standard error, without its end.
    Stderr(SafeText),
    /// A line on standard output, without its end.
    Stdout(SafeText),
    /// A finding.
    Finding(Box<Finding>),
    /// The progress of the work.
    Progress(ClaimedProgress),
}

impl Claim {
    /// The same claim with each of its texts changed.
    #[must_use]
    pub fn map_texts(self, change: &impl Fn(&SafeText) -> SafeText) -> Self {
        match self {
            Self::Stderr(line) => Self::Stderr(change(&line)),
            Self::Stdout(line) => Self::Stdout(change(&line)),
            Self::Progress(ClaimedProgress { done, total, what }) => Self::Progress(ClaimedProgress { done, total, what: change(&what) }),
            Self::Finding(finding) => {
                let Finding { evidence, excerpt, fingerprint, location, rule, severity, taxa, title } = *finding;
                Self::Finding(Box::new(Finding {
                    evidence: evidence.iter().map(change).collect(),
                    excerpt: excerpt.as_ref().map(change),
                    fingerprint: change(&fingerprint),
                    location: location.map(|location| Location { uri: change(&location.uri), ..location }),
                    rule: change(&rule),
                    severity,
                    taxa: taxa.iter().map(change).collect(),
                    title: change(&title),
                }))
            }
        }
    }
}

/// The severity of a finding, as the agent rates it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// Informational.
    Info,
    /// Low.
    Low,
    /// Medium.
    Medium,
    /// High.
    High,
    /// Critical.
    Critical,
}

/// One finding, as in `bailiwick:agent/findings`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// Digests of what the finding is based on.
    pub evidence: Vec<SafeText>,
    /// An excerpt without secrets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub excerpt: Option<SafeText>,
    /// An id that is the same for the same finding in the next run.
    pub fingerprint: SafeText,
    /// The place of the finding.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub location: Option<Location>,
    /// The id of the rule.
    pub rule: SafeText,
    /// The severity.
    pub severity: Severity,
    /// Ids in shared taxonomies, as `scheme:id`.
    pub taxa: Vec<SafeText>,
    /// A title of one line.
    pub title: SafeText,
}

/// The place where something was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Location {
    /// The column, counted from 1. 0 if there is none.
    pub column: u32,
    /// The line, counted from 1. 0 if there is none.
    pub line: u32,
    /// The path as the guest sees it, or a URL.
    pub uri: SafeText,
}

/// The progress of an agent's work, as the agent reports it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClaimedProgress {
    /// The number of items that are done.
    pub done: u64,
    /// The number of all items. 0 if it is not known.
    pub total: u64,
    /// What the items are.
    pub what: SafeText,
}
