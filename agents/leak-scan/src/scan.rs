//! Searches a text for all rules at once: one automaton finds the keywords, and each rule's form checks the text around its keyword.
//! Text in base64 is decoded and searched once more.

use crate::decode::{self, Encoded};
use crate::rule::{self, Rule, contains};
use aho_corasick::{AhoCorasick, AhoCorasickKind, BuildError};
use bailiwick_sdk::findings::Severity;
use std::borrow::Cow;
use std::ops::Range;

/// BOUND: how far from a hit on its line an allow comment is looked for.
const COMMENT_BYTES_MAX: usize = 1024;
/// Comments on the line of a hit that say that it is not a leak.
const COMMENTS: [&[u8]; 2] = [b"gitleaks:allow", b"leak-scan:allow"];

/// A match of a rule.
#[derive(Debug, Clone)]
pub(crate) struct Hit<'r> {
    pub(crate) id: &'r str,
    pub(crate) title: &'r str,
    pub(crate) severity: Severity,
    /// The place, in bytes.
    pub(crate) at: Range<usize>,
    /// The text with which every credential of the rule begins.
    pub(crate) public: Cow<'r, str>,
    /// How long the credential is, in characters; less than `public` if the public text is all that was found.
    pub(crate) characters: u32,
    pub(crate) encoded: bool,
    /// Whether a checksum proves that it is a credential.
    pub(crate) proven: bool,
    /// Whether the rule depends on a name beside the credential.
    pub(crate) weak: bool,
}

/// The rules, ready to search.
pub(crate) struct Scanner {
    keywords: AhoCorasick,
    /// The rule of each keyword, by the keyword's number in the automaton.
    owners: Vec<&'static Rule>,
}

impl Scanner {
    /// A scanner with those of our own rules for which `wanted` returns true.
    pub(crate) fn new(wanted: impl Fn(&str) -> bool) -> Result<Self, BuildError> {
        let mut words = Vec::new();
        let mut owners = Vec::new();
        for rule in rule::all().filter(|rule| wanted(rule.id)) {
            for word in rule.searched() {
                words.push(word);
                owners.push(rule);
            }
        }
        let keywords = AhoCorasick::builder().kind(Some(AhoCorasickKind::DFA)).build(words)?;
        Ok(Self { keywords, owners })
    }

    /// The hits in a text, in order and without overlap.
    pub(crate) fn hits(&self, text: &[u8]) -> Vec<Hit<'static>> {
        let mut hits = self.plain(text);
        decode::each_run(text, &mut |encoded| self.within(&encoded, &mut hits));
        settle(text, &mut hits);
        hits
    }

    fn plain(&self, text: &[u8]) -> Vec<Hit<'static>> {
        let mut hits = Vec::new();
        for keyword in self.keywords.find_overlapping_iter(text) {
            let Some(rule) = self.owners.get(keyword.pattern().as_usize()) else { continue };
            let Some(found) = rule.found(text, &keyword.range()) else { continue };
            let token = text.get(found.at.clone()).unwrap_or_default();
            hits.push(Hit {
                id: rule.id,
                title: rule.title,
                severity: rule.severity,
                characters: characters(token),
                public: public(rule, token, found.public),
                at: found.at,
                encoded: false,
                proven: found.proven,
                weak: rule.is_weak(),
            });
        }
        hits
    }

    /// Adds the hits in decoded text, at the place of the encoded text.
    fn within(&self, encoded: &Encoded<'_>, hits: &mut Vec<Hit<'static>>) {
        let inner = self.plain(encoded.decoded);
        hits.extend(inner.into_iter().map(|hit| Hit { at: encoded.at.clone(), encoded: true, ..hit }));
    }
}

/// The public beginning of a token; most often its keyword, which takes no memory.
fn public(rule: &'static Rule, token: &[u8], bytes: usize) -> Cow<'static, str> {
    let keyword = rule.keywords.iter().find(|word| word.len() == bytes && token.starts_with(word.as_bytes()));
    let shown = || String::from_utf8_lossy(token.get(..bytes).unwrap_or_default()).into_owned();
    keyword.map_or_else(|| Cow::Owned(shown()), |word| Cow::Borrowed(*word))
}

/// Sorts hits, keeps the longest of those that overlap (or one that a checksum proves), and drops hits that a comment on
/// their line allows.
pub(crate) fn settle(text: &[u8], hits: &mut Vec<Hit<'_>>) {
    hits.sort_by(|one, other| {
        let key = |hit: &Hit<'_>| (hit.at.start, !hit.proven, std::cmp::Reverse(hit.at.end), hit.weak);
        key(one).cmp(&key(other))
    });
    let mut end = 0;
    hits.retain(|hit| {
        let apart = hit.at.start >= end;
        if apart {
            end = hit.at.end;
        }
        apart
    });
    hits.retain(|hit| !allowed(text, &hit.at));
}

fn allowed(text: &[u8], at: &Range<usize>) -> bool {
    let (before, after) = line_around(text, at, COMMENT_BYTES_MAX);
    COMMENTS.iter().any(|comment| contains(before, comment) || contains(after, comment))
}

/// The text on the line before and after a place, up to a bound on either side.
pub(crate) fn line_around<'t>(text: &'t [u8], at: &Range<usize>, bytes_max: usize) -> (&'t [u8], &'t [u8]) {
    let before = text.get(at.start.saturating_sub(bytes_max)..at.start).unwrap_or_default();
    let after = text.get(at.end..text.len().min(at.end.saturating_add(bytes_max))).unwrap_or_default();
    let before = before.rsplit(|byte| *byte == b'\n').next().unwrap_or_default();
    (before, after.split(|byte| *byte == b'\n').next().unwrap_or_default())
}

/// How many characters begin in `text`; bytes that are not UTF-8 count once each, or with the character before them.
pub(crate) fn characters(text: &[u8]) -> u32 {
    let count = text.iter().filter(|byte| **byte & 0b1100_0000 != 0b1000_0000).count();
    u32::try_from(count).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests;
