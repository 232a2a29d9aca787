//! The scanner with comments, base64 and overlaps.

use crate::rule::tests::{found, samples, scanner};

fn token() -> String {
    samples(1).into_iter().find(|(rule, _)| rule.id == "github-token").map(|(_, made)| made.token()).unwrap_or_default()
}

#[test]
fn a_comment_on_the_line_allows_and_one_on_another_does_not() {
    let (scanner, token) = (scanner(), token());
    let allow = |tool: &str| format!("{tool}:al{}", "low");
    for tool in ["gitleaks", "leak-scan"] {
        assert_eq!(found(&scanner, &format!("a = \"{token}\" # {}\n", allow(tool))), []);
        assert_eq!(found(&scanner, &format!("/* {} */ a = \"{token}\"\n", allow(tool))), []);
        assert_eq!(found(&scanner, &format!("# {}\na = \"{token}\"\n# {}\n", allow(tool), allow(tool))).len(), 1);
    }
    assert_eq!(found(&scanner, &format!("a = \"{token}\" # {}\n", allow("other"))).len(), 1);
}

fn base64(text: &str, alphabet: &[u8]) -> String {
    let digit = |value: u32| char::from(alphabet.get((value & 63) as usize).copied().unwrap_or(b'='));
    let group = |chunk: &[u8]| {
        let bits = chunk.iter().chain([0, 0].iter()).take(3).fold(0, |bits, byte| bits << 8 | u32::from(*byte));
        (0..=chunk.len()).map(|n| digit(bits >> (18 - 6 * n))).collect::<String>()
    };
    text.as_bytes().chunks(3).map(group).collect()
}

#[test]
fn what_base64_hides_is_found_where_the_base64_is() {
    let scanner = scanner();
    let plain = format!("user: ??? ~~~\npassword: {}\n", token());
    for last in ["+/", "-_"] {
        let alphabet = format!("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789{last}");
        let encoded = base64(&plain, alphabet.as_bytes());
        let text = format!("data:\n  config: {encoded}\n");
        let hits = scanner.hits(text.as_bytes());
        let seen: Vec<_> = hits.iter().map(|hit| (hit.id, hit.at.clone(), hit.encoded)).collect();
        assert_eq!(seen, [("github-token", 16..16 + encoded.len(), true)]);
        // Text is decoded once only: what is encoded twice is not found.
        assert!(scanner.hits(base64(&encoded, alphabet.as_bytes()).as_bytes()).is_empty());
    }
}

#[test]
fn of_two_rules_at_one_place_the_longer_token_is_reported() {
    let scanner = scanner();
    for (rule, made) in samples(3) {
        assert_eq!(scanner.hits(made.text().as_bytes()).len(), 1, "{}", rule.id);
    }
}
