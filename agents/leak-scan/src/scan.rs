//! Searches a text for every rule at once: one automaton finds the keywords, the rule's form looks around each; what is
//! encoded in base64 is decoded and searched once more.

use crate::decode::{self, Encoded};
use crate::rule::{self, Rule, contains};
use aho_corasick::{AhoCorasick, AhoCorasickKind, BuildError};
use bailiwick_sdk::findings::Severity;
use std::borrow::Cow;
use std::ops::Range;

/// BOUND: how far from a hit on its line a comment is looked for.
const COMMENT_BYTES_MAX: usize = 1024;
/// On the line of a finding, either says that it is known to be none.
const COMMENTS: [&[u8]; 2] = [b"gitleaks:allow", b"leak-scan:allow"];

/// Where a rule holds.
#[derive(Debug, Clone)]
pub(crate) struct Hit<'r> {
    pub(crate) id: &'r str,
    pub(crate) title: &'r str,
    pub(crate) severity: Severity,
    /// In bytes.
    pub(crate) at: Range<usize>,
    /// What begins every credential of its rule.
    pub(crate) public: Cow<'r, str>,
    /// How long the credential is, in characters; less than `public` where that is all of what was found.
    pub(crate) characters: u32,
    pub(crate) encoded: bool,
    /// A checksum says that it is one.
    pub(crate) proven: bool,
    /// It rests on a name beside it.
    pub(crate) weak: bool,
}

/// The rules, ready to search.
pub(crate) struct Scanner {
    keywords: AhoCorasick,
    /// Whose each keyword is, by its number in the automaton.
    owners: Vec<&'static Rule>,
}

impl Scanner {
    /// Those of our own rules that `wanted` says.
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

    /// What is found, in order and without overlap.
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

    /// A finding in what was decoded is where the encoded text is.
    fn within(&self, encoded: &Encoded<'_>, hits: &mut Vec<Hit<'static>>) {
        let inner = self.plain(encoded.decoded);
        hits.extend(inner.into_iter().map(|hit| Hit { at: encoded.at.clone(), encoded: true, ..hit }));
    }
}

/// What of a token anybody may see; most often its keyword, which takes no memory.
fn public(rule: &'static Rule, token: &[u8], bytes: usize) -> Cow<'static, str> {
    let keyword = rule.keywords.iter().find(|word| word.len() == bytes && token.starts_with(word.as_bytes()));
    let shown = || String::from_utf8_lossy(token.get(..bytes).unwrap_or_default()).into_owned();
    keyword.map_or_else(|| Cow::Owned(shown()), |word| Cow::Borrowed(*word))
}

/// Puts hits in order, keeps the longest of those that overlap (what a checksum proves first), and drops what a comment on
/// its line allows.
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

/// What stands on the line before and after a place, up to a bound on either side.
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
