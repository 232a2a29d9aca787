//! The user's own rules and allow-lists, from a gitleaks configuration.
//!
//! A person who can write the configuration decides what is found, and so does a person who can write an allow comment.

mod allow;
mod config;
mod load;
mod pattern;

pub(crate) use load::load;

use crate::output::Unsupported;
use crate::rule::entropy;
use crate::scan::{Hit, characters, line_around};
use aho_corasick::{AhoCorasick, AhoCorasickKind};
use allow::{Allow, Candidate};
use bailiwick_sdk::findings::Severity;
use pattern::{PatternId, Patterns};
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

/// BOUND: how many matches of one rule in one text count. The search for the next match costs as much as the rest of the text is long.
const MATCHES_MAX: usize = 1_000;
/// BOUND: if all keywords together are longer than this, the smaller and slower of two automata searches for them.
const DFA_BYTES_MAX: usize = 8 * 1024;
/// BOUND: how much of a line is compared with an allow-list.
const LINE_BYTES_MAX: usize = 8 * 1024;

/// One rule of the user.
struct OwnRule {
    id: String,
    title: String,
    regex: Option<PatternId>,
    path: Option<PatternId>,
    keywords: Vec<String>,
    entropy: f64,
    group: usize,
    allow: Vec<Allow>,
}

/// The whole configuration.
#[derive(Default)]
pub(crate) struct Own {
    rules: Vec<OwnRule>,
    allow: Vec<Allow>,
    /// The allow-lists that a configuration adds to our rules, by the rule's id.
    amended: BTreeMap<String, Vec<Allow>>,
    patterns: Patterns,
    disabled: BTreeSet<String>,
    with_ours: bool,
    loaded: bool,
    keywords: Option<AhoCorasick>,
    /// The rules that have each keyword, by the keyword's number in the automaton.
    owners: Vec<Vec<usize>>,
    /// Rules that are tried on every text.
    always: Vec<usize>,
    unsupported: Vec<Unsupported>,
}

impl Own {
    /// Whether one of our own rules is applied.
    pub(crate) fn wants(&self, id: &str) -> bool {
        !self.loaded || (self.with_ours && !self.disabled.contains(id))
    }

    pub(crate) const fn rules(&self) -> usize {
        self.rules.len()
    }

    /// Parts that are not supported, and why: those seen when the configuration was read, and those seen when it was used.
    pub(crate) fn unsupported(&self) -> Vec<Unsupported> {
        let failed = self.rules.iter().flat_map(|rule| {
            let patterns = [rule.regex, rule.path].into_iter().flatten();
            patterns.filter_map(|id| self.patterns.failed(id)).map(|why| Unsupported { rule: rule.id.clone(), why })
        });
        self.unsupported.iter().cloned().chain(failed).collect()
    }

    fn amend(&mut self, id: &str, allow: Vec<Allow>) {
        self.amended.entry(id.to_owned()).or_default().extend(allow);
    }

    /// Makes the automaton of all keywords.
    fn ready(&mut self) {
        self.loaded = true;
        let mut numbers: BTreeMap<&str, usize> = BTreeMap::new();
        for (rule, number) in self.rules.iter().zip(0..) {
            if rule.regex.is_none() {
                continue;
            }
            if rule.keywords.is_empty() {
                self.always.push(number);
            }
            for word in &rule.keywords {
                let at = *numbers.entry(word).or_insert(self.owners.len());
                if at == self.owners.len() {
                    self.owners.push(Vec::new());
                }
                self.owners.get_mut(at).into_iter().for_each(|owners| owners.push(number));
            }
        }
        let mut words: Vec<(&str, usize)> = numbers.into_iter().collect();
        words.sort_by_key(|(_, at)| *at);
        let bytes: usize = words.iter().map(|(word, _)| word.len()).sum();
        let kind = if bytes <= DFA_BYTES_MAX { AhoCorasickKind::DFA } else { AhoCorasickKind::ContiguousNFA };
        let built = AhoCorasick::builder().kind(Some(kind)).ascii_case_insensitive(true).build(words.iter().map(|(word, _)| word));
        match built {
            Ok(keywords) => self.keywords = (!self.owners.is_empty()).then_some(keywords),
            // Without the filter every rule is tried on every text, which finds the same.
            Err(_) => self.always = (0..self.rules.len()).collect(),
        }
    }

    /// The rules that may match in a text.
    fn candidates(&self, text: &[u8]) -> BTreeSet<usize> {
        let mut rules: BTreeSet<usize> = self.always.iter().copied().collect();
        let Some(keywords) = &self.keywords else { return rules };
        let mut seen = vec![false; self.owners.len()];
        let mut unseen = seen.len();
        for found in keywords.find_overlapping_iter(text) {
            let Some(seen) = seen.get_mut(found.pattern().as_usize()).filter(|seen| !**seen) else { continue };
            *seen = true;
            unseen -= 1;
            rules.extend(self.owners.get(found.pattern().as_usize()).into_iter().flatten());
            if unseen == 0 {
                break;
            }
        }
        rules
    }

    /// What the user's rules find in a text.
    pub(crate) fn hits(&self, text: &[u8], path: &str, commit: Option<&str>) -> Vec<Hit<'_>> {
        let mut hits = Vec::new();
        if self.rules.is_empty() {
            return hits;
        }
        let rules = self.candidates(text);
        for rule in rules.into_iter().filter_map(|number| self.rules.get(number)) {
            if rule.path.is_none_or(|id| self.patterns.is_match(id, path.as_bytes())) {
                self.rule_hits(rule, text, path, commit, &mut hits);
            }
        }
        hits
    }

    fn rule_hits<'r>(&'r self, rule: &'r OwnRule, text: &[u8], path: &str, commit: Option<&str>, hits: &mut Vec<Hit<'r>>) {
        let Some(regex) = rule.regex.and_then(|id| self.patterns.get(id)) else { return };
        for found in regex.captures_iter(text).take(MATCHES_MAX) {
            let Some(whole) = found.get(0) else { continue };
            let first = || (1..found.len()).find_map(|group| found.get(group).filter(|group| !group.is_empty()));
            let secret = if rule.group > 0 { found.get(rule.group) } else { first() }.unwrap_or(whole);
            if secret.is_empty() || (rule.entropy > 0.0 && entropy(secret.as_bytes()) <= rule.entropy) {
                continue;
            }
            let matched = whole.as_bytes();
            if !self.is_allowed(&rule.id, &rule.allow, text, path, commit, &secret.range(), matched) {
                hits.push(hit(rule, secret.range(), "", characters(secret.as_bytes())));
            }
        }
    }

    /// Matches of rules that have only a path; they also apply to files that are not read.
    pub(crate) fn by_path(&self, path: &str, commit: Option<&str>) -> Vec<Hit<'_>> {
        let holds = |rule: &&OwnRule| {
            let matches = rule.regex.is_none() && rule.path.is_some_and(|id| self.patterns.is_match(id, path.as_bytes()));
            matches && !self.is_allowed(&rule.id, &rule.allow, &[], path, commit, &(0..0), &[])
        };
        let shown = "found by its path";
        self.rules.iter().filter(holds).map(|rule| hit(rule, 0..0, shown, characters(shown.as_bytes()))).collect()
    }

    /// Whether an allow-list allows a hit of one of our rules.
    pub(crate) fn allows(&self, hit: &Hit<'_>, text: &[u8], path: &str, commit: Option<&str>) -> bool {
        let matched = text.get(hit.at.clone()).unwrap_or_default();
        let amended = self.amended.get(hit.id).map_or(&[][..], Vec::as_slice);
        self.is_allowed(hit.id, amended, text, path, commit, &hit.at, matched)
    }

    #[expect(clippy::too_many_arguments, reason = "what an allow-list may ask about, each under its own name")]
    fn is_allowed(
        &self,
        rule: &str,
        lists: &[Allow],
        text: &[u8],
        path: &str,
        commit: Option<&str>,
        secret: &Range<usize>,
        matched: &[u8],
    ) -> bool {
        if lists.is_empty() && self.allow.is_empty() {
            return false;
        }
        let line = whole_line(text, secret);
        let secret = text.get(secret.clone()).unwrap_or_default();
        let candidate = Candidate { rule, path, commit, secret, matched, line };
        lists.iter().chain(&self.allow).any(|list| list.allows(&self.patterns, &candidate))
    }
}

fn hit<'r>(rule: &'r OwnRule, at: Range<usize>, public: &'r str, characters: u32) -> Hit<'r> {
    Hit {
        id: &rule.id,
        title: &rule.title,
        severity: Severity::High,
        at,
        public: Cow::Borrowed(public),
        characters,
        encoded: false,
        proven: false,
        weak: false,
    }
}

fn whole_line<'t>(text: &'t [u8], at: &Range<usize>) -> &'t [u8] {
    let (before, after) = line_around(text, at, LINE_BYTES_MAX);
    text.get(at.start - before.len()..at.end + after.len()).unwrap_or_default()
}

#[cfg(test)]
mod tests;
