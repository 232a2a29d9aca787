//! Allow-lists: hits that the user declares not to be leaks, by commit, path, expression or word.

use super::config::RawAllow;
use super::pattern::{PatternId, Patterns};
use crate::rule::contains;

/// BOUND: how many entries of one kind an allow-list may have; gitleaks' own lists have about a thousand words.
const ENTRIES_MAX: usize = 10_000;

/// The text that an expression is compared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Target {
    Secret,
    Match,
    Line,
}

/// One allow-list.
#[derive(Debug)]
pub(super) struct Allow {
    /// Whether all conditions of the list must be true, instead of one.
    all: bool,
    commits: Vec<String>,
    paths: Vec<PatternId>,
    regexes: Vec<PatternId>,
    target: Target,
    /// The words, in lower case.
    stopwords: Vec<String>,
    /// The rules that the list is for; all rules if this is empty.
    rules: Vec<String>,
}

/// A hit, in the form that allow-lists check.
pub(super) struct Candidate<'a> {
    pub(super) rule: &'a str,
    pub(super) path: &'a str,
    pub(super) commit: Option<&'a str>,
    pub(super) secret: &'a [u8],
    pub(super) matched: &'a [u8],
    pub(super) line: &'a [u8],
}

impl Allow {
    /// Takes the supported parts of a list, and puts the rest into `complaints`.
    pub(super) fn new(raw: RawAllow, patterns: &mut Patterns, complaints: &mut Vec<String>) -> Option<Self> {
        let mut entries = |list: Vec<String>| {
            let added = list.iter().take(ENTRIES_MAX).map(|pattern| patterns.add(pattern));
            let (good, bad): (Vec<_>, Vec<_>) = added.partition(Result::is_ok);
            complaints.extend(bad.into_iter().filter_map(Result::err).map(|why| format!("in an allow-list, {why}")));
            good.into_iter().filter_map(Result::ok).collect::<Vec<_>>()
        };
        let all = match raw.condition.to_ascii_uppercase().as_str() {
            "AND" | "&&" => true,
            "" | "OR" | "||" => false,
            other => {
                complaints.push(format!("an allow-list with the condition `{other}` is left out"));
                return None;
            }
        };
        let target = match raw.regex_target.as_str() {
            "match" => Target::Match,
            "line" => Target::Line,
            "" | "secret" => Target::Secret,
            other => {
                complaints.push(format!("an allow-list with the target `{other}` is left out"));
                return None;
            }
        };
        let wanted = (raw.paths.len(), raw.regexes.len());
        let (paths, regexes) = (entries(raw.paths), entries(raw.regexes));
        // Without one of its conditions, a list that requires all of them would allow too much.
        if all && (paths.len(), regexes.len()) != wanted {
            complaints.push("an allow-list whose expressions must all hold is left out".to_owned());
            return None;
        }
        let stopwords =
            raw.stopwords.into_iter().take(ENTRIES_MAX).filter(|word| !word.is_empty()).map(|word| word.to_lowercase()).collect();
        Some(Self { all, commits: raw.commits, paths, regexes, target, stopwords, rules: raw.target_rules })
    }

    /// Whether this list says that a candidate is not a leak.
    pub(super) fn allows(&self, patterns: &Patterns, candidate: &Candidate<'_>) -> bool {
        if !self.rules.is_empty() && !self.rules.iter().any(|rule| rule == candidate.rule) {
            return false;
        }
        let target = match self.target {
            Target::Secret => candidate.secret,
            Target::Match => candidate.matched,
            Target::Line => candidate.line,
        };
        let commit = || candidate.commit.is_some_and(|commit| self.commits.iter().any(|known| known.eq_ignore_ascii_case(commit)));
        let path = || self.paths.iter().any(|id| patterns.is_match(*id, candidate.path.as_bytes()));
        let regex = || self.regexes.iter().any(|id| patterns.is_match(*id, target));
        let word = || {
            let secret = candidate.secret.to_ascii_lowercase();
            self.stopwords.iter().any(|word| contains(&secret, word.as_bytes()))
        };
        let named: [(bool, &dyn Fn() -> bool); 4] = [
            (!self.commits.is_empty(), &commit),
            (!self.paths.is_empty(), &path),
            (!self.regexes.is_empty(), &regex),
            (!self.stopwords.is_empty(), &word),
        ];
        let mut asked = named.iter().filter(|(named, _)| *named).peekable();
        asked.peek().is_some() && if self.all { asked.all(|(_, holds)| holds()) } else { asked.any(|(_, holds)| holds()) }
    }
}
