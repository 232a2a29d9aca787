//! Tests each rule with tokens that it must find and near misses that it must not, both made from the rule's description. The README's
//! table is made from the same description.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

pub(crate) mod made;
mod misses;

use super::{Rule, all};
use crate::scan::Scanner;
use made::{Lengths, Random, Sample, sample};
use std::fs;
use std::path::Path;

/// How many tokens are tried for each rule, and how many rounds of near misses.
const POSITIVES: usize = 200;
const ROUNDS: usize = 10;

/// The rules that match in `text`, with the text that each marks.
pub(crate) fn found(scanner: &Scanner, text: &str) -> Vec<(&'static str, String)> {
    scanner.hits(text.as_bytes()).into_iter().map(|hit| (hit.id, text.get(hit.at).unwrap().to_owned())).collect()
}

pub(crate) fn scanner() -> Scanner {
    Scanner::new(|_| true).unwrap()
}

/// One token for each rule, of the least length.
pub(crate) fn samples(seed: u64) -> Vec<(&'static Rule, Sample)> {
    all().map(|rule| (rule, sample(&mut Random(seed), rule, Lengths::Least))).collect()
}

/// The result of a rule.
struct Score {
    found: usize,
    refused: usize,
    misses: usize,
}

impl Score {
    fn recall(&self) -> f64 {
        self.found as f64 / POSITIVES as f64
    }

    fn precision(&self) -> f64 {
        let wrong = self.misses - self.refused;
        self.found as f64 / (self.found + wrong).max(1) as f64
    }
}

fn score(scanner: &Scanner, rule: &Rule, nth: u64, complaints: &mut Vec<String>) -> Score {
    let mut random = Random(nth << 32);
    let mut score = Score { found: 0, refused: 0, misses: 0 };
    for _ in 0..POSITIVES {
        let made = sample(&mut random, rule, Lengths::Any);
        if found(scanner, &made.text()) == [(rule.id, made.token())] {
            score.found += 1;
        } else {
            complaints.push(format!("{} misses `{}`: {:?}", rule.id, made.text(), found(scanner, &made.text())));
        }
    }
    for text in (0..ROUNDS).flat_map(|_| misses::near_misses(&mut random, rule)).collect::<Vec<_>>() {
        score.misses += 1;
        if found(scanner, &text).iter().all(|(id, _)| *id != rule.id) {
            score.refused += 1;
        } else {
            complaints.push(format!("{} finds `{text}`", rule.id));
        }
    }
    score
}

#[test]
fn every_rule_finds_its_own_and_refuses_what_only_looks_like_it() {
    let scanner = scanner();
    let (mut table, mut bad, mut complaints) = (String::new(), Vec::new(), Vec::new());
    for (nth, rule) in all().enumerate() {
        let score = score(&scanner, rule, nth as u64, &mut complaints);
        let (recall, precision) = (score.recall(), score.precision());
        table += &format!(
            "\n{:32} found {:3} of {POSITIVES}  refused {:3} of {:3}  precision {precision:.3}  recall {recall:.3}",
            rule.id, score.found, score.refused, score.misses
        );
        assert!(score.misses >= 50, "{}: only {} near misses", rule.id, score.misses);
        if recall < 0.99 || precision < 0.95 {
            bad.push(rule.id);
        }
    }
    complaints.truncate(40);
    assert!(bad.is_empty(), "{bad:?}{table}\n{}", complaints.join("\n"));
    golden("scores.txt", &format!("{}\n", table.trim_start()));
}

#[test]
fn there_are_sixty_kinds_and_no_two_are_called_the_same() {
    let mut ids: Vec<_> = all().map(|rule| rule.id).collect();
    let count = ids.len();
    assert!(count >= 60, "{count}");
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), count);
}

#[test]
fn no_keyword_of_a_rule_begins_another_of_its_own() {
    for rule in all() {
        for one in rule.keywords {
            assert_eq!(rule.keywords.iter().filter(|other| other.starts_with(one)).count(), 1, "{}: {one}", rule.id);
        }
    }
}

#[test]
fn a_known_example_of_a_checksum_holds_and_another_letter_does_not() {
    // From a description of the algorithm by people who reconstructed it; this token was never valid.
    let token = ["gh", "p_", "zQWBuTSOoRi4A9spHcVY5ncnsDkxkJ", "0mLq17"].concat();
    assert_eq!(found(&scanner(), &token), [("github-token", token.clone())]);
    assert_eq!(found(&scanner(), &token.replace("zQW", "zQw")), []);
    // A test vector of BIP 173, whose prefix belongs to no rule.
    assert!(super::check::Check::Bech32.holds(b"A12UEL5L", 0));
    assert!(!super::check::Check::Bech32.holds(b"A12UEL5P", 0));
}

#[test]
fn placeholders_of_the_issuers_and_of_people_are_not_found() {
    let scanner = scanner();
    for text in [
        ["AK", "IA", "IOSFODNN7", "EXAMPLE"].concat(),
        ["AK", "IA", &"X".repeat(16)].concat(),
        ["xo", "xb-", "your-token-goes-in-here"].concat(),
        ["gl", "pat-", "your_token_goes_here_"].concat(),
        ["s", "k-", "proj-1234567890abcdefghij", "T3Blb", "kFJ", "1234567890abcdefghij"].concat(),
        "aws_secret_access_key = wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY".to_owned(),
        "postgres://user:password_placeholder@db.corp.internal/".to_owned(),
    ] {
        assert_eq!(found(&scanner, &text), [], "{text}");
    }
}

#[test]
fn several_on_one_line_are_all_found() {
    let made: Vec<_> = samples(7).into_iter().filter(|(rule, _)| !rule.is_weak() && rule.id != "private-key").collect();
    let line = made.iter().map(|(_, made)| made.token()).collect::<Vec<_>>().join(" ");
    let expected: Vec<_> = made.iter().map(|(rule, made)| (rule.id, made.token())).collect();
    assert_eq!(found(&scanner(), &line), expected);
}

#[test]
fn endless_run_is_data_and_costs_no_more_than_its_length() {
    let words: String = all().flat_map(|rule| rule.searched()).collect();
    let scanner = scanner();
    for word in all().filter(|rule| rule.id != "private-key").flat_map(|rule| rule.searched()) {
        assert_eq!(found(&scanner, &[&word, &"a1B2c3D4".repeat(1_000), "SG.", "SK"].concat()), [], "{word}");
    }
    found(&scanner, &[words.as_str(), &"a1B2c3D4".repeat(1_000_000)].concat().repeat(2));
    for rule in all() {
        found(&scanner, &rule.searched().concat().repeat(2_000));
    }
}

/// Compares a file of this agent with what it should be, or writes it anew with `BLESS=1`.
fn golden(name: &str, expected: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    if std::env::var_os("BLESS").is_some_and(|value| value == "1") {
        fs::write(&path, expected).unwrap();
    }
    let found = fs::read_to_string(&path).unwrap_or_default();
    let first = found.lines().zip(expected.lines()).find(|(found, expected)| found != expected);
    assert!(found == expected, "`{name}` is out of date, `BLESS=1` writes it anew: {first:?}");
}

/// The table of the README, made from the rules.
fn readme_table() -> String {
    let mut table = String::from("| rule | severity | shape |\n|---|---|---|\n");
    let mut rules: Vec<_> = all().collect();
    rules.sort_by_key(|rule| rule.id);
    for rule in rules {
        let severity = format!("{:?}", rule.severity).to_lowercase();
        table += &format!("| `{}` | {severity} | {} |\n", rule.id, rule.describe());
    }
    table
}

#[test]
fn readme_lists_the_rules_as_they_are() {
    const BEGIN: &str = "<!-- made by a test: rules -->\n";
    const END: &str = "<!-- end -->";
    let readme = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap();
    let (before, rest) = readme.split_once(BEGIN).unwrap();
    let (_, after) = rest.split_once(END).unwrap();
    golden("README.md", &format!("{before}{BEGIN}{}{END}{after}", readme_table()));
}
