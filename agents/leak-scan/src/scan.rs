//! Searches a text for every rule at once: one automaton finds the keywords, the rule's form looks around each.

use crate::rule::{RULES, Rule};
use aho_corasick::{AhoCorasick, AhoCorasickKind, BuildError};
use std::ops::Range;

/// Where a rule holds.
pub(crate) struct Hit {
    pub(crate) rule: &'static Rule,
    /// In bytes.
    pub(crate) at: Range<usize>,
}

/// The rules, ready to search.
pub(crate) struct Scanner {
    keywords: AhoCorasick,
    /// Whose each keyword is, by its number in the automaton.
    owners: Vec<&'static Rule>,
}

impl Scanner {
    pub(crate) fn new() -> Result<Self, BuildError> {
        let pairs = || RULES.iter().flat_map(|rule| rule.keywords.iter().map(move |keyword| (rule, keyword)));
        let keywords = AhoCorasick::builder().kind(Some(AhoCorasickKind::DFA)).build(pairs().map(|(_, keyword)| keyword))?;
        Ok(Self { keywords, owners: pairs().map(|(rule, _)| rule).collect() })
    }

    /// What is found, in order and without overlap.
    pub(crate) fn hits(&self, text: &[u8]) -> Vec<Hit> {
        let mut hits = Vec::new();
        let mut end = 0;
        for keyword in self.keywords.find_iter(text) {
            let Some(rule) = self.owners.get(keyword.pattern().as_usize()) else { continue };
            if let Some(at) = (rule.form)(text, keyword.range())
                && at.start >= end
            {
                end = at.end;
                hits.push(Hit { rule, at });
            }
        }
        hits
    }
}

#[cfg(test)]
mod tests {
    use crate::rule::RULES;

    #[test]
    fn no_keyword_begins_another() {
        // The automaton reports what ends first, so the longer of the two would never be found.
        let keywords: Vec<_> = RULES.iter().flat_map(|rule| rule.keywords).collect();
        for one in &keywords {
            let within = keywords.iter().filter(|other| other.contains(**one)).count();
            assert_eq!(within, 1, "{one}");
        }
    }

    #[test]
    fn rule_ids_are_distinct() {
        let mut ids: Vec<_> = RULES.iter().map(|rule| rule.id).collect();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), RULES.len());
    }
}
