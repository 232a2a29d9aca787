//! What an agent says. None of it is evidence, all of it is bounded and escaped before it is kept.

use serde::{Deserialize, Serialize};

use crate::text::SafeText;

/// BOUND: longest line kept whole, in bytes.
pub const LINE_BYTES_MAX: usize = 8192;

/// One thing said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Claim {
    /// A line on standard error, without its end.
    Stderr(SafeText),
    /// A line on standard output, without its end.
    Stdout(SafeText),
    /// Something found.
    Finding(Box<Finding>),
    /// How far it is.
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

/// How bad a finding is, by the agent's own judgement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// For information.
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

/// One finding, as `bailiwick:agent/findings` has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// Digests of what it rests on.
    pub evidence: Vec<SafeText>,
    /// A redacted excerpt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub excerpt: Option<SafeText>,
    /// The same for the same finding in the next run.
    pub fingerprint: SafeText,
    /// Where.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub location: Option<Location>,
    /// The rule's id.
    pub rule: SafeText,
    /// How bad.
    pub severity: Severity,
    /// Ids in shared taxonomies, as `scheme:id`.
    pub taxa: Vec<SafeText>,
    /// One line.
    pub title: SafeText,
}

/// Where something was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Location {
    /// From 1; 0 for none.
    pub column: u32,
    /// From 1; 0 for none.
    pub line: u32,
    /// Path as the guest sees it, or URL.
    pub uri: SafeText,
}

/// How far an agent says it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClaimedProgress {
    /// So many.
    pub done: u64,
    /// Of so many; 0 where not known.
    pub total: u64,
    /// Of what.
    pub what: SafeText,
}
