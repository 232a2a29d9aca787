//! Each rule with what it must find and what looks almost like it. Everything is put together here, so that this file
//! holds no token that a scanner would find.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use super::RULES;
use crate::scan::Scanner;

/// `length` characters that no two neighbours share, from an alphabet.
fn filled(alphabet: &str, length: usize) -> String {
    alphabet.chars().cycle().step_by(7).take(length).collect()
}

fn alnum(length: usize) -> String {
    filled("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz", length)
}

fn base32(length: usize) -> String {
    filled("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", length)
}

fn hex(length: usize) -> String {
    filled("0123456789abcdef", length)
}

fn join(parts: &[&str]) -> String {
    parts.concat()
}

fn pem(label: &str, body: &str) -> String {
    join(&["-----BEG", "IN ", label, "-----", body, "\n-----E", "ND ", label, "-----\n"])
}

/// The rules that hold in `text`, with what each marks.
fn found(text: &str) -> Vec<(&'static str, String)> {
    let hits = Scanner::new().unwrap().hits(text.as_bytes());
    hits.into_iter().map(|hit| (hit.rule.id, text.get(hit.at).unwrap().to_owned())).collect()
}

pub(crate) fn positives() -> Vec<(&'static str, String)> {
    vec![
        ("aws-access-key-id", join(&["AK", "IA", &base32(16)])),
        ("aws-access-key-id", join(&["AS", "IA", &base32(16)])),
        ("github-token", join(&["gh", "p_", &alnum(36)])),
        ("github-token", join(&["gh", "s_", &alnum(36)])),
        ("github-token", join(&["gh", "o_", &alnum(80)])),
        ("github-fine-grained-token", join(&["github", "_pat_", &alnum(22), "_", &alnum(59)])),
        ("gitlab-token", join(&["glp", "at-", &alnum(20)])),
        ("slack-token", join(&["xo", "xb-", "123456789012-", "1234567890123-", &alnum(24)])),
        ("slack-webhook", join(&["hooks.slack", ".com/services/", "T0", &alnum(8), "/B0", &alnum(8), "/", &alnum(24)])),
        ("stripe-live-key", join(&["sk_", "live_", &alnum(24)])),
        ("stripe-live-key", join(&["rk_", "live_", &alnum(99)])),
        ("google-api-key", join(&["AI", "za", &alnum(30), "-_xyz"])),
        ("npm-token", join(&["np", "m_", &alnum(36)])),
        ("pypi-token", join(&["py", "pi-AgEIcHlwaS5vcmc", &alnum(120)])),
        ("sendgrid-key", join(&["S", "G.", &alnum(22), ".", &alnum(43)])),
        ("twilio-api-key", join(&["S", "K", &hex(32)])),
        ("openai-api-key", join(&["s", "k-", &alnum(20), "T3Blb", "kFJ", &alnum(20)])),
        ("openai-api-key", join(&["s", "k-proj-", &alnum(74), "T3Blb", "kFJ", &alnum(74)])),
        ("anthropic-api-key", join(&["sk-", "ant-", "api03-", &alnum(93), "AA"])),
    ]
}

/// Private keys of the plainest kind: in lines of their own, and in one line of source.
pub(crate) fn pem_samples() -> Vec<(&'static str, String)> {
    let lines = [alnum(64), alnum(64), join(&[&alnum(30), "+/", &alnum(29), "="])];
    ["\n", "\\n"].map(|end| ("private-key", pem("PRIVATE KEY", &join(&[end, &lines.join(end)])))).into()
}

fn near_misses() -> Vec<String> {
    vec![
        join(&["AK", "IA", &base32(15)]),
        join(&["AK", "IA", &base32(17)]),
        join(&["AK", "IA", &base32(15), "1"]),
        join(&["ak", "ia", &base32(16)]),
        join(&["AK", "IA", "IOSFODNN7", "EXAMPLE"]),
        join(&["AK", "IA", &"X".repeat(16)]),
        join(&["gh", "p_", &alnum(35)]),
        join(&["gh", "x_", &alnum(36)]),
        join(&["gh", "p_", &"x".repeat(36)]),
        join(&["gh", "p_", &alnum(18), "-", &alnum(17)]),
        join(&["github", "_pat_", &alnum(21), "_", &alnum(60)]),
        join(&["github", "_pat_", &alnum(22), "_", &alnum(58)]),
        join(&["glp", "at-", &alnum(19)]),
        join(&["xo", "xb-", "your-token-goes-in-here"]),
        join(&["xo", "xz-", "123456789012-", &alnum(24)]),
        join(&["hooks.slack", ".com/services/", "T0", &alnum(8), "/B0", &alnum(8), "/", &alnum(23)]),
        join(&["hooks.slack", ".com/services/", "T0", &alnum(8), "/X0", &alnum(8), "/B", &alnum(23)]),
        join(&["hooks.slack", ".com/services/", "X0", &alnum(8), "/B0", &alnum(8), "/T", &alnum(23)]),
        join(&["hooks.slack", ".com/services/", "T00000000/B00000000/", &"X".repeat(24)]).replace(['T', 'B'], "0"),
        join(&["sk_", "test_", &alnum(24)]),
        join(&["sk_", "live_", &alnum(23)]),
        join(&["AI", "za", &alnum(34)]),
        join(&["AI", "za", &alnum(36)]),
        join(&["np", "m_", &alnum(35)]),
        join(&["py", "pi-AgEIcHlwaS5vcmc", &alnum(49)]),
        join(&["py", "pi-", &alnum(120)]),
        join(&["S", "G.", &alnum(22), ".", &alnum(42)]),
        join(&["S", "G.", &alnum(21), ".", &alnum(44)]),
        join(&["S", "K", &hex(31)]),
        join(&["S", "K", &hex(31), "g"]),
        join(&["s", "k-", &alnum(48)]),
        join(&["s", "k-", &alnum(10), "T3Blb", "kFJ", &alnum(20)]),
        join(&["T3Blb", "kFJ", &alnum(20)]),
        join(&["sk-", "ant-", "api03-", &alnum(60)]),
        join(&["sk-", "ant-", "xyz03-", &alnum(93)]),
    ]
}

#[test]
fn every_rule_finds_its_own_and_nothing_else() {
    for (rule, token) in positives() {
        for (before, after) in [("", ""), ("key = \"", "\"\n"), ("https://", "@host/"), ("x\\n", "\\n"), ("a%3D", "&b=1")] {
            assert_eq!(found(&join(&[before, &token, after])), [(rule, token.clone())]);
        }
    }
}

#[test]
fn every_rule_has_a_token_that_it_finds() {
    let mut tried: Vec<_> = positives().into_iter().map(|(rule, _)| rule).collect();
    tried.push("private-key");
    for rule in RULES {
        assert!(tried.contains(&rule.id), "{}", rule.id);
    }
}

#[test]
fn near_misses_are_not_found() {
    for text in near_misses() {
        assert_eq!(found(&text), [], "{text}");
    }
}

#[test]
fn a_token_within_a_word_is_not_found() {
    // A webhook is a path: what stands before its host is of no account.
    for (_, token) in positives().into_iter().filter(|(rule, _)| *rule != "slack-webhook") {
        assert_eq!(found(&join(&["x_", &token])), [], "{token}");
    }
}

#[test]
fn private_keys_are_found_by_their_first_line() {
    let body = alnum(64);
    for label in ["PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY", "OPENSSH PRIVATE KEY", "PGP PRIVATE KEY BLOCK"] {
        let header = join(&["-----BEG", "IN ", label, "-----"]);
        for between in ["\n", "\r\n", "\\n", "\\r\\n", "\" +\n    \"", "\n    # ", "\nProc-Type: 4,ENCRYPTED\n\n"] {
            assert_eq!(found(&pem(label, &join(&[between, &body]))), [("private-key", header.clone())], "{between}");
        }
    }
}

#[test]
fn what_is_no_private_key_is_not_found() {
    for text in [
        pem("PUBLIC KEY", &join(&["\n", &alnum(64)])),
        pem("CERTIFICATE", &join(&["\n", &alnum(64)])),
        pem("PRIVATE KEY", "\n...\n"),
        pem("PRIVATE KEY", &join(&["\n", &"x".repeat(64)])),
        join(&["if line == \"-----BEG", "IN PRIVATE KEY-----\" {\n    return Err(\"...\");\n"]),
        join(&["-----BEG", "IN PRIVATE KEY-----"]),
        join(&["-----BEG", "IN PRIVATE KEY----\n", &alnum(64)]),
    ] {
        assert_eq!(found(&text), [], "{text}");
    }
}

#[test]
fn several_on_one_line_are_all_found() {
    let tokens: Vec<_> = positives();
    let line = tokens.iter().map(|(_, token)| token.as_str()).collect::<Vec<_>>().join(" ");
    assert_eq!(found(&line), tokens);
}

#[test]
fn endless_run_is_data_and_costs_no_more_than_its_length() {
    let text = join(&["gh", "p_", &alnum(1_000_000), "SG.", "SK"]).repeat(2);
    assert_eq!(found(&text), []);
}
