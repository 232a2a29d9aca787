//! Turns hits into findings that give the place and the rule, and never the secret.
//!
//! SECURITY: the only part of a finding that is made from the secret is its length. The shown text and both digests are not: with a digest
//! of a guessable secret, anybody who has the report could test guesses.

use crate::baseline::Baseline;
use crate::path::Standing;
use crate::scan::{Hit, characters, line_around};
use bailiwick_sdk::findings::{self, Finding};
use bailiwick_sdk::{RefusalCode, log};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

/// How many bytes of the line, on either side of a hit, go into the fingerprint.
const SHAPE_BYTES: usize = 256;
/// How many digits of a commit's name are shown: enough to be unique in any history.
const COMMIT_SHOWN: usize = 12;
/// BOUND: how many secrets are remembered, so that a history does not report a secret again for every version of its file.
const SEEN_MAX: usize = 200_000;

/// Where a text comes from.
pub(crate) struct Source<'a> {
    pub(crate) root: &'a str,
    /// The path below the root.
    pub(crate) relative: &'a str,
    /// The commit that introduced the text, if it is from the history.
    pub(crate) commit: Option<&'a str>,
}

/// Reports findings up to a bound, and counts the rest.
pub(crate) struct Reporter {
    reported_max: u32,
    reported: u32,
    found: u64,
    known: u64,
    /// The host has said that there are enough findings; no more are sent to it.
    full: bool,
    baseline: Baseline,
    /// Earlier hits, by path, rule and secret; `None` if no hit can occur twice.
    ///
    /// SECURITY: these are digests of secrets; they are compared here and never leave the agent.
    seen: Option<BTreeSet<[u8; 32]>>,
}

impl Reporter {
    /// Makes a reporter. With the history, a secret that was found at a path is not reported for that path again.
    pub(crate) fn new(reported_max: u32, baseline: Baseline, with_history: bool) -> Self {
        let seen = with_history.then(BTreeSet::new);
        Self { reported_max, reported: 0, found: 0, known: 0, full: false, baseline, seen }
    }

    pub(crate) const fn found(&self) -> u64 {
        self.found
    }

    pub(crate) const fn known(&self) -> u64 {
        self.known
    }

    pub(crate) fn unreported(&self) -> u64 {
        self.found - u64::from(self.reported)
    }

    /// Reports the hits in one text.
    pub(crate) fn report(&mut self, source: &Source<'_>, text: &[u8], hits: &[Hit<'_>]) {
        let standing = Standing::of(source.relative);
        let mut place = Place { offset: 0, line: 1, column: 1 };
        let mut alike: BTreeMap<String, u32> = BTreeMap::new();
        for hit in hits.iter().filter(|hit| !(hit.weak && standing.made)) {
            if source.commit.is_some() && self.is_repeated(source, text, hit) {
                continue;
            }
            self.remember(source, text, hit);
            if self.baseline.len() == 0 && (self.full || self.reported >= self.reported_max) {
                self.found += 1;
                continue;
            }
            place = place.on_to(text, hit.at.start);
            let finding = finding(source, text, hit, &place, &mut alike);
            self.send(source, standing, hit, finding);
        }
    }

    fn send(&mut self, source: &Source<'_>, standing: Standing, hit: &Hit<'_>, mut finding: Finding) {
        if self.baseline.knows(&finding.fingerprint) {
            self.known += 1;
            return;
        }
        self.found += 1;
        if self.full || self.reported >= self.reported_max {
            return;
        }
        if !hit.proven {
            finding.severity = standing.weakened(finding.severity);
        }
        match findings::report(finding) {
            Ok(()) => self.reported += 1,
            Err(refusal) => {
                log::warn!("a finding in {} was {refusal}", source.relative);
                self.full |= refusal.code != RefusalCode::Malformed;
            }
        }
    }

    fn is_repeated(&self, source: &Source<'_>, text: &[u8], hit: &Hit<'_>) -> bool {
        self.seen.as_ref().is_some_and(|seen| seen.contains(&secret(source, text, hit)))
    }

    fn remember(&mut self, source: &Source<'_>, text: &[u8], hit: &Hit<'_>) {
        if let Some(seen) = self.seen.as_mut().filter(|seen| seen.len() < SEEN_MAX) {
            seen.insert(secret(source, text, hit));
        }
    }
}

/// SECURITY: a digest of the secret, only for comparisons within this run.
fn secret(source: &Source<'_>, text: &[u8], hit: &Hit<'_>) -> [u8; 32] {
    let mut hasher = Sha256::new();
    for part in [hit.id.as_bytes(), source.relative.as_bytes()] {
        hasher.update((part.len() as u64).to_le_bytes());
        hasher.update(part);
    }
    hasher.update(text.get(hit.at.clone()).unwrap_or_default());
    // Of a private key only the first line is the hit; the next line tells two keys apart.
    let tail = text.get(hit.at.end..text.len().min(hit.at.end + SHAPE_BYTES)).unwrap_or_default();
    if characters(hit.public.as_bytes()) == hit.characters {
        hasher.update(tail);
    }
    hasher.finalize().into()
}

/// A place in a text, as line and column.
struct Place {
    offset: usize,
    line: u32,
    column: u32,
}

impl Place {
    /// The place of `offset`, which is not before this one. Only the bytes in between are counted, so that each byte of a file
    /// is counted once, however many hits its longest line has.
    fn on_to(self, text: &[u8], offset: usize) -> Self {
        let between = text.get(self.offset..offset).unwrap_or_default();
        let lines = between.iter().filter(|byte| **byte == b'\n').count();
        let rest = between.rsplit(|byte| *byte == b'\n').next().unwrap_or_default();
        let before = if lines == 0 { self.column } else { 1 };
        Self {
            offset,
            line: self.line.saturating_add(u32::try_from(lines).unwrap_or(u32::MAX)),
            column: before.saturating_add(characters(rest)),
        }
    }
}

fn finding(source: &Source<'_>, text: &[u8], hit: &Hit<'_>, place: &Place, alike: &mut BTreeMap<String, u32>) -> Finding {
    let excerpt = excerpt(hit);
    let path = format!("{}/{}", source.root, source.relative);
    let (line, shape) = (place.line.to_string(), shape(text, hit));
    let commit = source.commit.unwrap_or_default();
    let evidence = digest(&[hit.id, &path, &line, &place.column.to_string(), &excerpt, commit]);
    let mut parts = vec![hit.id, source.relative, &excerpt, &shape];
    parts.extend(source.commit);
    let base = digest(&parts);
    // Two findings that look alike in one file are told apart by their order.
    let nth = alike.entry(base.clone()).or_default();
    let fingerprint = if *nth == 0 { base.clone() } else { digest(&[&base, &nth.to_string()]) };
    *nth += 1;
    let title = match source.commit {
        Some(commit) => format!("{}, in commit {}", hit.title, commit.get(..COMMIT_SHOWN).unwrap_or(commit)),
        None => hit.title.to_owned(),
    };
    Finding::new(hit.id, hit.severity, title)
        .at(path, place.line, place.column)
        .excerpt(excerpt)
        .evidence(evidence)
        .taxon("cwe", "CWE-798")
        .fingerprint(fingerprint)
}

/// The excerpt: `ghp_… (40 characters)`, or the first line of a private key, which contains no part of the key.
fn excerpt(hit: &Hit<'_>) -> String {
    let encoded = if hit.encoded { ", in base64" } else { "" };
    if characters(hit.public.as_bytes()) == hit.characters {
        return format!("{}{encoded}", hit.public);
    }
    format!("{}… ({} characters{encoded})", hit.public, hit.characters)
}

/// The shape of the line around a hit: each run of characters of words and tokens becomes `a`, and each run of blanks one blank. So
/// the shape stays the same with a new value and another indent, and contains no other secret on the line, such as the body of a
/// private key in one line of source.
fn shape(text: &[u8], hit: &Hit<'_>) -> String {
    let (before, after) = line_around(text, &hit.at, SHAPE_BYTES);
    format!("{}…{}", run_shapes(before).trim_start(), run_shapes(after).trim_end())
}

fn run_shapes(text: &[u8]) -> String {
    let mut shape: Vec<char> = text
        .iter()
        .map(|byte| match byte {
            b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' | 0x80.. => 'a',
            b'_' | b'-' | b'.' | b'+' | b'/' | b'=' => 'a',
            byte if byte.is_ascii_whitespace() => ' ',
            byte => char::from(*byte),
        })
        .collect();
    shape.dedup();
    shape.into_iter().collect()
}

/// `sha256:` and the digest of the parts, each preceded by its length.
fn digest(parts: &[&str]) -> String {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update((part.len() as u64).to_le_bytes());
        hasher.update(part.as_bytes());
    }
    let mut text = String::from("sha256:");
    for byte in hasher.finalize() {
        let _ = write!(text, "{byte:02x}");
    }
    text
}

#[cfg(test)]
mod tests;
