//! For each rule, a report has the issuer's prefix, a length and a place, and nothing that depends on the secret.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use super::{Reporter, Source};
use crate::baseline::Baseline;
use crate::rule::all;
use crate::rule::tests::made::{Lengths, Random, Sample, sample};
use crate::rule::tests::{samples, scanner};
use crate::scan::{Hit, Scanner};
use bailiwick_sdk::findings::Finding;
use bailiwick_sdk::testing;

fn reported(text: &str, hits: &[Hit<'_>]) -> Vec<Finding> {
    let mut reporter = Reporter::new(100_000, Baseline::default(), false);
    reporter.report(&Source { root: "/src", relative: "f", commit: None }, text.as_bytes(), hits);
    testing::take_findings()
}

fn found(scanner: &Scanner, text: &str) -> Vec<Finding> {
    reported(text, &scanner.hits(text.as_bytes()))
}

fn token() -> String {
    samples(1).into_iter().find(|(rule, _)| rule.id == "github-token").unwrap().1.token()
}

/// Another token of the same shape at the same place.
fn another(one: &Sample, rule: &crate::rule::Rule, seed: u64) -> Sample {
    let mut random = Random(seed);
    loop {
        let other = sample(&mut random, rule, Lengths::Least);
        let literals =
            |made: &Sample| made.pieces.iter().filter(|piece| piece.from.is_none()).map(|piece| piece.text.clone()).collect::<Vec<_>>();
        if other.keyword == one.keyword && literals(&other) == literals(one) {
            return Sample { before: one.before.clone(), after: one.after.clone(), ..other };
        }
    }
}

#[test]
fn no_character_of_a_secret_decides_anything_that_is_reported() {
    let scanner = scanner();
    for (rule, one) in samples(11).into_iter().filter(|(rule, _)| rule.id != "private-key") {
        let other = another(&one, rule, 12);
        assert_ne!(one.token(), other.token());
        let findings = [&one, &other].map(|made| found(&scanner, &made.text()));
        assert_eq!(findings[0].len(), 1, "{}", rule.id);
        assert_eq!(findings[0], findings[1], "{}: `{}` and `{}`", rule.id, one.text(), other.text());
    }
}

#[test]
fn no_body_of_a_private_key_decides_anything_that_is_reported() {
    let header = ["-----BEG", "IN PRIVATE KEY-----"].concat();
    let scanner = scanner();
    for end in ["\n", "\\n"] {
        let text = |body: &str| format!("{header}{end}{}{end}", body.repeat(8));
        let findings = ["aB3dE5fG", "7hJ9kL2m"].map(|body| found(&scanner, &text(body)));
        assert_eq!((findings[0].len(), &findings[0]), (1, &findings[1]));
    }
}

#[test]
fn an_excerpt_is_what_all_have_in_common_and_a_length() {
    let scanner = scanner();
    for (rule, made) in samples(5) {
        let excerpt = found(&scanner, &made.text())[0].excerpt.clone().unwrap();
        let token = made.token();
        let expected = match rule.id {
            "private-key" => token.clone(),
            _ if made.keyword_at == 0 => format!("{}… ({} characters)", made.keyword, token.len()),
            _ => format!("… ({} characters)", token.len()),
        };
        assert_eq!(excerpt, expected, "{}", rule.id);
    }
    assert!(all().all(|rule| rule.keywords.iter().all(|word| word.len() <= 32)), "a keyword is not a secret");
}

#[test]
fn another_secret_on_the_line_decides_nothing_either() {
    let (scanner, token) = (scanner(), token());
    let line = |other: &str| found(&scanner, &format!("{token} password={other}\n"));
    let before = line("hunter2");
    for other in ["7unterh", "x", "aGVsbG8/d29ybGQ+Cg==", "a-b_c.d"] {
        assert_eq!(line(other), before, "{other}");
    }
}

#[test]
fn columns_of_a_line_of_16_mib_are_right_and_each_byte_is_counted_once() {
    const BYTES: usize = 16 * 1024 * 1024;
    const GAP: usize = 600;
    let token = token();
    // Two bytes that are one character, so that the counts of bytes and characters differ.
    let unit = format!("ü{}{token} ", " ".repeat(GAP));
    let count = BYTES / unit.len();
    let text = unit.repeat(count);
    // So many hits that counting the line from its beginning for each would take days.
    let findings = found(&scanner(), &text);
    assert_eq!(findings.len(), count);
    let unit_characters = unit.chars().count();
    for (nth, finding) in findings.iter().enumerate() {
        let location = finding.location.as_ref().unwrap();
        let column = nth * unit_characters + 1 + GAP + 1;
        assert_eq!((location.line, location.column as usize), (1, column));
    }
}

#[test]
fn a_line_begins_anew_after_its_end_and_goes_on_after_a_hit() {
    let token = token();
    let text = format!("{token} {token}\n\nü {token}\n {token} {token}");
    let findings = found(&scanner(), &text);
    let places: Vec<_> = findings.iter().map(|finding| finding.location.as_ref().unwrap()).map(|at| (at.line, at.column)).collect();
    assert_eq!(places, [(1, 1), (1, 42), (3, 3), (4, 2), (4, 43)]);
}
