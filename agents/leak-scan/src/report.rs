//! Turns hits into findings that say where and what, and never the secret.
//!
//! SECURITY: nothing here is made from the secret but its length: not what is shown, nor either digest. One of a guessable
//! secret could be tried out by anybody who holds the report.

use crate::scan::Hit;
use bailiwick_sdk::findings::{self, Finding};
use bailiwick_sdk::{RefusalCode, log};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// How much of a line, on either side of a hit, goes into its fingerprint.
const SHAPE_BYTES: usize = 256;

/// Reports, up to a bound, and counts what it did not.
pub(crate) struct Reporter {
    reported_max: u32,
    reported: u32,
    found: u64,
    /// Once the host says that there are enough, it is not asked again.
    full: bool,
}

impl Reporter {
    pub(crate) const fn new(reported_max: u32) -> Self {
        Self { reported_max, reported: 0, found: 0, full: false }
    }

    pub(crate) const fn found(&self) -> u64 {
        self.found
    }

    pub(crate) fn unreported(&self) -> u64 {
        self.found - u64::from(self.reported)
    }

    /// Reports what was found in one file.
    pub(crate) fn report(&mut self, root: &str, relative: &str, text: &[u8], hits: &[Hit]) {
        let mut place = Place { offset: 0, line: 1, column: 1 };
        let mut alike: BTreeMap<String, u32> = BTreeMap::new();
        for hit in hits {
            self.found += 1;
            if self.full || self.reported >= self.reported_max {
                continue;
            }
            place = place.on_to(text, hit.at.start);
            let finding = finding(root, relative, text, hit, &place, &mut alike);
            match findings::report(finding) {
                Ok(()) => self.reported += 1,
                Err(refusal) => {
                    log::warn!("a finding in {relative} was {refusal}");
                    self.full |= refusal.code != RefusalCode::Malformed;
                }
            }
        }
    }
}

/// How far a text has been counted, in the numbers that people use.
struct Place {
    offset: usize,
    line: u32,
    column: u32,
}

impl Place {
    /// The place of `offset`, which is not before this one. Only what lies between is counted, so that each byte of a file
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

fn finding(root: &str, relative: &str, text: &[u8], hit: &Hit, place: &Place, alike: &mut BTreeMap<String, u32>) -> Finding {
    let rule = hit.rule;
    let excerpt = excerpt(hit, text);
    let path = format!("{root}/{relative}");
    let (line, shape) = (place.line.to_string(), shape(text, hit));
    let evidence = digest(&[rule.id, &path, &line, &place.column.to_string(), &excerpt]);
    let base = digest(&[rule.id, relative, &excerpt, &shape]);
    // Two that look alike in one file are told apart by which comes first.
    let nth = alike.entry(base.clone()).or_default();
    let fingerprint = if *nth == 0 { base.clone() } else { digest(&[&base, &nth.to_string()]) };
    *nth += 1;
    Finding::new(rule.id, rule.severity, rule.title)
        .at(path, place.line, place.column)
        .excerpt(excerpt)
        .evidence(evidence)
        .taxon("cwe", "CWE-798")
        .fingerprint(fingerprint)
}

/// `ghp_… (40 characters)`, or the first line of a private key, which is none of it.
fn excerpt(hit: &Hit, text: &[u8]) -> String {
    let found = text.get(hit.at.clone()).unwrap_or_default();
    let shown = found.get(..hit.rule.public_bytes(found)).unwrap_or_default();
    let shown_text = String::from_utf8_lossy(shown);
    if shown.len() == found.len() { shown_text.into_owned() } else { format!("{shown_text}… ({} characters)", characters(found)) }
}

/// What the line around a hit looks like: each run of what words and tokens are made of as `a`, and of blanks as one, so
/// that it survives a new value and another indent, and holds no value of any other secret on the line. The body of a
/// private key in one line of source is such a secret.
fn shape(text: &[u8], hit: &Hit) -> String {
    let before = text.get(hit.at.start.saturating_sub(SHAPE_BYTES)..hit.at.start).unwrap_or_default();
    let before = before.rsplit(|byte| *byte == b'\n').next().unwrap_or_default();
    let after = text.get(hit.at.end..text.len().min(hit.at.end + SHAPE_BYTES)).unwrap_or_default();
    let after = after.split(|byte| *byte == b'\n').next().unwrap_or_default();
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

/// How many characters begin in `text`; bytes that are not UTF-8 count once each, or with the character before them.
fn characters(text: &[u8]) -> u32 {
    let count = text.iter().filter(|byte| **byte & 0b1100_0000 != 0b1000_0000).count();
    u32::try_from(count).unwrap_or(u32::MAX)
}

/// `sha256:` and the digest of the parts, each with its length before it.
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
