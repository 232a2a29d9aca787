//! `bailiwick:agent/findings` and `progress`: claims of the agent, which are bounded here.

use vocabulary::{Claim, ClaimedProgress, Finding, Location, SafeText, Severity, Stop};

use super::Reply;
use crate::bindings::bailiwick::agent::findings::{self, Refusal};
use crate::bindings::bailiwick::agent::types::RefusalCode;
use crate::bindings::bailiwick::agent::{progress, types};
use crate::guest::Guest;

/// BOUND: bytes of a field and entries of a list, as in `findings.wit`.
const FIELD_BYTES_MAX: usize = 4096;
const LIST_MAX: usize = 64;
/// BOUND: bytes of a whole finding after it was escaped, well below the limit of one record.
const FINDING_BYTES_MAX: usize = 32 << 10;
/// BOUND: bytes of the text of a progress. The rest is cut.
const WHAT_BYTES_MAX: usize = 200;

impl types::Host for Guest {}

fn refusal(code: RefusalCode, hint: &str) -> Refusal {
    Refusal { code, hint: hint.to_owned() }
}

fn size_of(finding: &findings::Finding) -> Option<usize> {
    let lists_fit = finding.evidence.len() <= LIST_MAX && finding.taxa.len() <= LIST_MAX;
    let fields = [&finding.rule, &finding.title, &finding.fingerprint]
        .into_iter()
        .chain(finding.location.as_ref().map(|location| &location.uri))
        .chain(&finding.excerpt)
        .chain(&finding.evidence)
        .chain(finding.taxa.iter().flat_map(|taxon| [&taxon.scheme, &taxon.id]));
    let mut total = 0;
    for field in fields {
        if field.len() > FIELD_BYTES_MAX {
            return None;
        }
        total += field.len();
    }
    lists_fit.then_some(total)
}

fn claimed(finding: findings::Finding) -> Finding {
    let text = |text: &str| SafeText::new(text, FIELD_BYTES_MAX);
    Finding {
        evidence: finding.evidence.iter().map(|digest| text(digest)).collect(),
        excerpt: finding.excerpt.as_deref().map(text),
        fingerprint: text(&finding.fingerprint),
        location: finding.location.map(|location| Location { column: location.column, line: location.line, uri: text(&location.uri) }),
        rule: text(&finding.rule),
        severity: match finding.severity {
            findings::Severity::Info => Severity::Info,
            findings::Severity::Low => Severity::Low,
            findings::Severity::Medium => Severity::Medium,
            findings::Severity::High => Severity::High,
            findings::Severity::Critical => Severity::Critical,
        },
        taxa: finding.taxa.iter().map(|taxon| text(&format!("{}:{}", taxon.scheme, taxon.id))).collect(),
        title: text(&finding.title),
    }
}

impl findings::Host for Guest {
    async fn report(&mut self, finding: findings::Finding) -> Reply<(), Refusal> {
        let Some(bytes) = size_of(&finding) else {
            return Ok(Err(refusal(RefusalCode::Malformed, "a field is longer than 4,096 bytes, or a list longer than 64")));
        };
        let finding = claimed(finding);
        if vocabulary::canon::to_vec(&finding).len() > FINDING_BYTES_MAX {
            return Ok(Err(refusal(RefusalCode::Malformed, "the finding is longer than 32 KiB as JSON, escapes included")));
        }
        if self.findings >= self.limits.findings {
            return Ok(Err(refusal(RefusalCode::OverLimit, "this run has reported as many findings as it may")));
        }
        self.findings += 1;
        self.count_said(bytes)?;
        self.world.say(Claim::Finding(Box::new(finding)))?;
        self.heard().await;
        Ok(Ok(()))
    }
}

impl progress::Host for Guest {
    fn update(&mut self, done: u64, total: u64, what: String) -> wasmtime::Result<()> {
        // Numbers on the record stay below 2^53, so that every reader of JSON reads the same number.
        let whole = |number: u64| number.min((1 << 53) - 1);
        let progress = ClaimedProgress { done: whole(done), total: whole(total), what: SafeText::new(&what, WHAT_BYTES_MAX) };
        let said: Result<(), Stop> = self.world.say(Claim::Progress(progress));
        Ok(said?)
    }
}
