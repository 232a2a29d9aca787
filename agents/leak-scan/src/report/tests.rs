//! What a report holds, rule by rule: the issuer's prefix, a length and a place, and nothing that a secret decides.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use super::Reporter;
use crate::rule::RULES;
use crate::rule::tests::{pem_samples, positives};
use crate::scan::{Hit, Scanner};
use bailiwick_sdk::findings::Finding;
use bailiwick_sdk::testing;

const ALPHABET: &[u8] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

fn reported(text: &str, hits: &[Hit]) -> Vec<Finding> {
    let mut reporter = Reporter::new(100_000);
    reporter.report("/src", "f", text.as_bytes(), hits);
    testing::take_findings()
}

fn excerpts(text: &str) -> Vec<String> {
    let hits = Scanner::new().unwrap().hits(text.as_bytes());
    reported(text, &hits).into_iter().map(|finding| finding.excerpt.unwrap()).collect()
}

/// The rule that holds in `text`, and where.
fn held(scanner: &Scanner, text: &[u8]) -> Vec<(&'static str, usize, usize)> {
    scanner.hits(text).into_iter().map(|hit| (hit.rule.id, hit.at.start, hit.at.end)).collect()
}

/// The same text with another letter or digit wherever one can stand without the rule letting go of it, and how many those
/// were. What the rule names literally is no secret and stays.
fn with_another_secret(scanner: &Scanner, rule: &str, text: &str) -> (String, usize) {
    let keywords = RULES.iter().find(|candidate| candidate.id == rule).unwrap().keywords;
    let literal: Vec<_> = keywords.iter().flat_map(|word| text.match_indices(word).map(|(at, word)| at..at + word.len())).collect();
    let before = held(scanner, text.as_bytes());
    let (mut bytes, mut changed) = (text.as_bytes().to_vec(), 0);
    for at in 0..bytes.len() {
        if !bytes[at].is_ascii_alphanumeric() || literal.iter().any(|literal| literal.contains(&at)) {
            continue;
        }
        let was = bytes[at];
        let others = ALPHABET.iter().cycle().skip(at * 13).take(ALPHABET.len()).filter(|other| **other != was);
        for other in others {
            bytes[at] = *other;
            if held(scanner, &bytes) == before {
                changed += 1;
                break;
            }
            bytes[at] = was;
        }
    }
    (String::from_utf8(bytes).unwrap(), changed)
}

#[test]
fn no_character_of_a_secret_decides_anything_that_is_reported() {
    let scanner = Scanner::new().unwrap();
    for (rule, token) in positives().into_iter().chain(pem_samples()) {
        let (other, changed) = with_another_secret(&scanner, rule, &token);
        assert!(changed >= 16, "{rule}: only {changed} characters of `{token}` could be others");
        let findings = [&token, &other].map(|token| {
            let text = format!("key: {token}\n");
            reported(&text, &scanner.hits(text.as_bytes()))
        });
        assert_eq!(findings[0].len(), 1, "{rule}");
        assert_eq!(findings[0], findings[1], "{rule}: `{token}` and `{other}`");
    }
}

#[test]
fn an_excerpt_is_the_public_prefix_and_a_length() {
    let expected = [
        ("aws-access-key-id", "AKIA… (20 characters)"),
        ("github-token", "ghp_… (40 characters)"),
        ("github-fine-grained-token", "github_pat_… (93 characters)"),
        ("gitlab-token", "glpat-… (26 characters)"),
        ("slack-token", "xoxb-… (56 characters)"),
        ("slack-webhook", "hooks.slack.com/services/… (71 characters)"),
        ("stripe-live-key", "sk_live_… (32 characters)"),
        ("google-api-key", "AIza… (39 characters)"),
        ("npm-token", "npm_… (40 characters)"),
        ("pypi-token", "pypi-AgEIcHlwaS5vcmc… (140 characters)"),
        ("sendgrid-key", "SG.… (69 characters)"),
        ("twilio-api-key", "SK… (34 characters)"),
        ("openai-api-key", "sk-… (51 characters)"),
        ("anthropic-api-key", "sk-ant-… (108 characters)"),
        ("private-key", concat!("-----BEG", "IN PRIVATE KEY-----")),
    ];
    assert!(RULES.iter().map(|rule| rule.id).eq(expected.iter().map(|(rule, _)| *rule)), "one line for each rule");
    for (rule, excerpt) in expected {
        let (_, sample) = positives().into_iter().chain(pem_samples()).find(|(sampled, _)| *sampled == rule).unwrap();
        assert_eq!(excerpts(&sample), [excerpt]);
    }
}

#[test]
fn another_secret_on_the_line_decides_nothing_either() {
    let token = &positives()[2].1;
    let line = |other: &str| {
        let text = format!("{token} password={other}\n");
        reported(&text, &Scanner::new().unwrap().hits(text.as_bytes()))
    };
    let before = line("hunter2");
    for other in ["7unterh", "x", "aGVsbG8/d29ybGQ+Cg==", "a-b_c.d"] {
        assert_eq!(line(other), before, "{other}");
    }
}

#[test]
fn columns_of_a_line_of_16_mib_are_right_and_each_byte_is_counted_once() {
    const BYTES: usize = 16 * 1024 * 1024;
    const GAP: usize = 600;
    let token = &positives()[2].1;
    // Two bytes that are one character, so that bytes and characters part ways.
    let unit = format!("ü{}{token} ", " ".repeat(GAP));
    let count = BYTES / unit.len();
    let text = unit.repeat(count);
    // As many hits as would take days, were the line counted from its beginning for each.
    let findings = reported(&text, &Scanner::new().unwrap().hits(text.as_bytes()));
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
    let token = &positives()[2].1;
    let text = format!("{token} {token}\n\nü {token}\n {token} {token}");
    let findings = reported(&text, &Scanner::new().unwrap().hits(text.as_bytes()));
    let places: Vec<_> = findings.iter().map(|finding| finding.location.as_ref().unwrap()).map(|at| (at.line, at.column)).collect();
    assert_eq!(places, [(1, 1), (1, 42), (3, 3), (4, 2), (4, 43)]);
}
