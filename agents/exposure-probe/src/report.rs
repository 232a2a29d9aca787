//! Turns hits into findings, and gives the reason for each check that could not be decided.

use crate::check::Looks;
use crate::probe::Found;
use crate::show;
use crate::target::Target;
use bailiwick_sdk::findings::{self, Finding, LIST_LEN_MAX};
use bailiwick_sdk::{RefusalCode, log};

/// Reports findings, and counts those that the host did not accept.
#[derive(Default)]
pub(crate) struct Reporter {
    unreported: u64,
    /// The host has said that there are enough findings; no more are sent to it.
    full: bool,
}

impl Reporter {
    pub(crate) const fn unreported(&self) -> u64 {
        self.unreported
    }

    pub(crate) fn report(&mut self, target: &Target, found: &[Found]) {
        for found in found {
            let refused = if self.full { None } else { findings::report(finding(target, found)).err() };
            if let Some(refusal) = &refused {
                log::warn!("a finding of `{}` was {refusal}", found.check.id);
                self.unreported += 1;
                self.full |= refusal.code != RefusalCode::Malformed;
            } else if self.full {
                self.unreported += 1;
            }
        }
    }
}

/// One finding for a check, however many paths it found: a site that shows `.git/HEAD` also shows `.git/config`.
fn finding(target: &Target, found: &Found) -> Finding {
    let check = found.check;
    let without_query = |path: &String| path.split('?').next().unwrap_or_default().to_owned();
    let paths: Vec<String> = found.paths.iter().map(without_query).collect();
    let first = paths.first().map_or("/", String::as_str);
    let shown: Vec<String> = paths.iter().zip(&found.seen).map(|(path, seen)| format!("{path}: {seen}")).collect();
    let mut places: Vec<&[u8]> = vec![check.id.as_bytes()];
    let url = target.url(&target.path(""));
    places.push(url.as_bytes());
    // The path of an error may be one that was made up for this run.
    if !matches!(check.looks, Looks::AtErrors { .. }) {
        places.extend(paths.iter().map(String::as_bytes));
    }
    let mut finding = Finding::new(check.id, check.severity, check.title)
        .at(show::plain(&target.url(first)), 0, 0)
        .excerpt(show::plain(&shown.join("; ")))
        .taxon("cwe", check.cwe)
        .fingerprint(show::digest(places));
    finding.evidence = found.evidence.iter().take(LIST_LEN_MAX).cloned().collect();
    finding
}
