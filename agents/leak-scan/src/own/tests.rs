//! Users' configurations are applied, and unsupported parts are named.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use crate::rule::tests::samples;
use crate::run;
use bailiwick_sdk::findings::Finding;
use bailiwick_sdk::testing;
use serde_json::{Value, json};
use std::fs;
use tempfile::TempDir;

/// A folder with a configuration and more files.
fn folder(config: &str, files: &[(&str, &[u8])]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (path, content) in [(".gitleaks.toml", config.as_bytes())].iter().chain(files) {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
    folder
}

fn scan(folder: &TempDir, more: Value) -> (Value, Vec<Finding>) {
    let mut input = json!({"root": folder.path().to_str().unwrap(), "exclude": ["*.toml"]});
    input.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    (testing::run(run, &input).unwrap(), testing::take_findings())
}

/// The output, and the rules that matched, with the file and the line.
fn found(config: &str, files: &[(&str, &[u8])]) -> (Value, Vec<String>) {
    let folder = folder(config, files);
    let (output, findings) = scan(&folder, json!({}));
    let prefix = format!("{}/", folder.path().to_str().unwrap());
    let told = |finding: &Finding| {
        let at = finding.location.as_ref().unwrap();
        format!("{} {}:{}:{}", finding.rule, at.uri.strip_prefix(&prefix).unwrap(), at.line, at.column)
    };
    (output, findings.iter().map(told).collect())
}

fn token() -> String {
    samples(1).into_iter().find(|(rule, _)| rule.id == "github-token").unwrap().1.token()
}

const RULE: &str = r#"
[[rules]]
id = "acme"
description = "Acme's key"
regex = '''acme[_-]key\s*=\s*"([a-z0-9]{8,})"'''
keywords = ["ACME"]
"#;

#[test]
fn a_rule_of_the_users_finds_its_secret_and_never_shows_it() {
    let folder = folder(RULE, &[("a.txt", b"x\n  acme_key = \"h8g7f6e5d4\"\n")]);
    let (output, findings) = scan(&folder, json!({}));
    assert_eq!((&output["own_rules"], &output["unsupported"]), (&json!(1), &json!([])));
    let [finding] = findings.as_slice() else { unreachable!("{findings:?}") };
    assert_eq!((finding.rule.as_str(), finding.title.as_str()), ("acme", "Acme's key"));
    assert_eq!(finding.excerpt.as_deref(), Some("… (10 characters)"));
    assert_eq!((finding.location.as_ref().unwrap().line, finding.location.as_ref().unwrap().column), (2, 15));
    assert!(!serde_json::to_string(finding).unwrap().contains("h8g7"));
}

#[test]
fn our_rules_hold_beside_the_users_where_these_say_so() {
    let token = token();
    let text = format!("{token}\nacme_key = \"h8g7f6e5d4\"\n");
    let files: &[(&str, &[u8])] = &[("a", text.as_bytes())];
    assert_eq!(found(RULE, files).1, ["acme a:2:13"]);
    let both = ["github-token a:1:1", "acme a:2:13"];
    assert_eq!(found(&format!("[extend]\nuseDefault = true\n{RULE}"), files).1, both);
    assert_eq!(found("title = 'only a title'\n", files).1, both[..1]);
    let disabled = format!("[extend]\nuseDefault = true\ndisabledRules = ['github-token']\n{RULE}");
    assert_eq!(found(&disabled, files).1, both[1..]);
    let (output, _) = found("[extend]\nuseDefault = true\ndisabledRules = ['github-pat']\n", files);
    assert_eq!(output["unsupported"][0]["rule"], "github-pat");
}

#[test]
fn keywords_entropy_path_and_group_narrow_a_rule() {
    let rule = |more: &str| format!("[[rules]]\nid = 'r'\nregex = '''(key)=([a-z0-9]+)'''\n{more}\n");
    let files: &[(&str, &[u8])] = &[("a.py", b"key=aaaaaaab\n"), ("b.txt", b"key=h8g7f6e5d4 Special\n")];
    let all = ["r a.py:1:1", "r b.txt:1:1"];
    assert_eq!(found(&rule(""), files).1, all);
    assert_eq!(found(&rule("secretGroup = 2"), files).1, ["r a.py:1:5", "r b.txt:1:5"]);
    assert_eq!(found(&rule("secretGroup = 2\nentropy = 2.5"), files).1, ["r b.txt:1:5"]);
    assert_eq!(found(&rule("path = '''\\.py$'''"), files).1, all[..1]);
    assert_eq!(found(&rule("keywords = ['sPECIAL', 'other']"), files).1, all[1..]);
    assert_eq!(found(&rule("keywords = ['absent']"), files).1, [""; 0]);
}

#[test]
fn a_rule_for_a_path_alone_holds_for_what_is_not_read() {
    let rule = "[[rules]]\nid = 'p12'\ndescription = 'A keystore'\npath = '''(?i)\\.p12$'''\n";
    let (output, hits) = found(rule, &[("a/b.p12", b"\0\x01\x02"), ("c.P12", b"text"), ("d.txt", b"x")]);
    assert_eq!(hits, ["p12 a/b.p12:1:1", "p12 c.P12:1:1"]);
    assert_eq!(output["files_skipped"]["binary"], 1);
}

#[test]
fn allow_lists_speak_of_secrets_matches_lines_paths_and_words() {
    let files: &[(&str, &[u8])] = &[("a/x.txt", b"acme_key = \"h8g7f6e5d4\" # known\n"), ("b.txt", b"acme_key = \"zz99yy88xx77\"\n")];
    let (one, both) = (vec!["acme b.txt:1:13"], vec!["acme a/x.txt:1:13", "acme b.txt:1:13"]);
    for (list, expected) in [
        ("regexes = ['^h8g7']", &one),
        ("regexes = ['acme_key = .h8']", &both),
        ("regexTarget = 'match'\nregexes = ['acme_key = .h8']", &one),
        ("regexTarget = 'line'\nregexes = ['# known']", &one),
        ("paths = ['^a/']", &one),
        ("stopwords = ['H8G7']", &one),
        ("condition = 'AND'\npaths = ['^a/']\nstopwords = ['h8g7']", &one),
        ("condition = 'AND'\npaths = ['^b']\nstopwords = ['h8g7']", &both),
        ("condition = 'OR'\npaths = ['^a']\nstopwords = ['none']", &one),
        ("commits = ['0123']", &both),
        ("description = 'empty'", &both),
        ("condition = 'AND'", &both),
    ] {
        for place in ["[[rules.allowlists]]", "[rules.allowlist]", "[allowlist]", "[[allowlists]]"] {
            assert_eq!(&found(&format!("{RULE}{place}\n{list}\n"), files).1, expected, "{place} {list}");
        }
    }
    assert_eq!(found(&format!("{RULE}[[allowlists]]\npaths = ['a']\ntargetRules = ['other']\n"), files).1, both);
}

#[test]
fn allow_lists_for_all_speak_of_our_rules_too() {
    let token = token();
    let files: &[(&str, &[u8])] = &[("a/x", token.as_bytes()), ("b", token.as_bytes())];
    for config in [
        "[allowlist]\npaths = ['^a/']\n",
        "[extend]\nuseDefault = true\n[[rules]]\nid = 'github-token'\n[[rules.allowlists]]\npaths = ['^a/']\n",
    ] {
        assert_eq!(found(config, files), (found(config, files).0, vec!["github-token b:1:1".to_owned()]), "{config}");
    }
}

#[test]
fn configurations_are_extended_and_changed() {
    let main = "[extend]\npath = 'conf/base.toml'\n[[rules]]\nid = 'acme'\ndescription = 'Changed'\n[[rules.allowlists]]\npaths = ['^b']\n";
    let base = format!("[extend]\nuseDefault = true\n{RULE}");
    let token = token();
    let files: &[(&str, &[u8])] = &[
        ("conf/base.toml", base.as_bytes()),
        ("a", b"acme_key = \"h8g7f6e5d4\""),
        ("b", b"acme_key = \"h8g7f6e5d4\""),
        ("c", token.as_bytes()),
    ];
    let folder = folder(main, files);
    let (output, findings) = scan(&folder, json!({}));
    assert_eq!(output["unsupported"], json!([]));
    assert_eq!(findings.iter().map(|finding| finding.title.as_str()).collect::<Vec<_>>(), ["Changed", "GitHub token"]);
}

#[test]
fn what_extends_itself_leads_out_or_is_missing_is_named() {
    for (path, why) in [
        (".gitleaks.toml", "in a row"),
        ("../x.toml", "below the root"),
        ("/etc/passwd", "below the root"),
        ("missing.toml", "can't be read"),
    ] {
        let (output, hits) =
            found(&format!("[extend]\npath = '{path}'\nurl = 'https://x'\n{RULE}"), &[("a", b"acme_key = \"h8g7f6e5d4\"")]);
        assert_eq!(hits, ["acme a:1:13"]);
        let said = output["unsupported"].to_string();
        assert!(said.contains(why) && said.contains("no network"), "{said}");
    }
}

#[test]
fn a_bad_rule_is_named_and_the_others_hold() {
    let bad = r#"
[[rules]]
id = "open"
regex = "("
[[rules]]
id = "ahead"
regex = "(?=x)y"
[[rules]]
id = "huge"
regex = "acme((((a{90}){90}){90}){90})"
[[rules]]
id = "typed"
regex = 7
[[rules]]
description = "nameless"
regex = "x"
[[rules]]
id = "nothing"
[[rules]]
id = "composite"
regex = "zzz[0-9]{9}"
[[rules.required]]
id = "acme"
[[rules]]
id = "wrong-list"
regex = "yyy[0-9]{9}"
[[rules.allowlists]]
condition = "XOR"
paths = ["a"]
"#;
    let (output, hits) = found(&format!("{RULE}{bad}"), &[("a", b"acme_key = \"h8g7f6e5d4\"")]);
    assert_eq!(hits, ["acme a:1:13"]);
    let named: Vec<_> = output["unsupported"].as_array().unwrap().iter().map(|entry| entry["rule"].as_str().unwrap()).collect();
    for id in ["open", "ahead", "huge", "typed", "rules[4]", "nothing", "composite", "wrong-list"] {
        assert!(named.contains(&id) || (id == "rules[4]" && named.iter().any(|name| name.starts_with("rules["))), "{id}: {named:?}");
    }
    assert_eq!(named.len(), 8);
}

#[test]
fn what_is_no_configuration_is_named_and_our_rules_hold() {
    let token = token();
    let files: &[(&str, &[u8])] = &[("a", token.as_bytes())];
    for config in ["[[rules", "\u{0}", "rules = 7\nallowlist = 8\nextend = 9"] {
        let (output, hits) = found(config, files);
        assert_eq!(hits, ["github-token a:1:1"], "{config}");
        assert_ne!(output["unsupported"], json!([]), "{config}");
    }
}

#[test]
fn a_configuration_is_taken_where_it_was_asked_for() {
    let folder =
        folder(RULE, &[("other.toml", b"[[rules]]\nid = 'other'\nregex = 'h8g7[a-z0-9]+'\n"), ("a", b"acme_key = \"h8g7f6e5d4\"")]);
    let rules = |input: Value| scan(&folder, input).1.into_iter().map(|finding| finding.rule).collect::<Vec<_>>();
    assert_eq!(rules(json!({})), ["acme"]);
    assert_eq!(rules(json!({"gitleaks-config": "other.toml"})), ["other"]);
    assert_eq!(rules(json!({"gitleaks-config": ""})), [""; 0]);
    let input = json!({"root": folder.path().to_str().unwrap(), "gitleaks-config": "missing.toml"});
    assert_eq!(testing::run(run, &input).unwrap_err().code, "gitleaks-config");
}

#[test]
fn ten_thousand_rules_load_and_hold() {
    let rule = |n: usize| format!("[[rules]]\nid = 'r{n}'\nregex = '''kw{n}_([a-z0-9]{{8,40}})\\b'''\nkeywords = ['kw{n}_']\n");
    let config: String = (0..10_000).map(rule).collect();
    let text = "kw7_h8g7f6e5d4 kw9999_h8g7f6e5d4\n".to_owned() + &"nothing here\n".repeat(10_000);
    let (output, hits) = found(&config, &[("a", text.as_bytes())]);
    assert_eq!(hits, ["r7 a:1:5", "r9999 a:1:23"]);
    assert_eq!((&output["own_rules"], &output["unsupported"]), (&json!(10_000), &json!([])));
}

/// Rules in the style of gitleaks' own rules for names.
#[test]
fn two_hundred_rules_in_the_usual_style_load_and_each_holds() {
    let before = r#"(?i)[\w.-]{0,50}?(?:NAME)(?:[ \t\w.-]{0,20})[\s'"]{0,3}(?:=|>|:{1,3}=|\|\||:|=>|\?=|,)[\x60'"\s=]{0,5}"#;
    let after = r#"(?:[\x60'"\s;]|\\[nr]|$)"#;
    let values = [
        "([a-z0-9]{32})",
        "([a-f0-9]{8}-(?:[a-f0-9]{4}-){3}[a-f0-9]{12})",
        "((?-i:AKX)[A-Z2-7]{16})",
        "([\\w=-]{40}\\.[\\w/+]{10,200}={0,2})",
    ];
    let samples = [
        "h8".repeat(16),
        "0123abcd-4567-89ab-cdef-0123456789ab".to_owned(),
        "AKXQWERTYUIOPASDFGH".to_owned(),
        "x7".repeat(20) + ".abcdefghij+/==",
    ];
    let rule = |n: usize| {
        let (before, value) = (before.replace("NAME", &format!("serv{n}ice")), values[n % 4]);
        format!(
            "[[rules]]\nid = 'r{n}'\nregex = '''{before}{value}{after}'''\nentropy = 0.5\nkeywords = ['serv{n}ice']\n[[rules.allowlists]]\nregexTarget = 'line'\nregexes = ['known']\nstopwords = ['none']\n"
        )
    };
    let config: String = (0..200).map(rule).collect();
    let text: String = (0..200).map(|n| format!("my_SERV{n}ICE_token := \"{}\"\n", samples[n % 4])).collect();
    let (output, hits) = found(&config, &[("a", text.as_bytes())]);
    assert_eq!((&output["own_rules"], &output["unsupported"]), (&json!(200), &json!([])));
    assert_eq!(hits.len(), 200, "{hits:?}");
    assert!(hits.iter().enumerate().all(|(n, hit)| hit.starts_with(&format!("r{n} a:{}:", n + 1))), "{hits:?}");
}

#[test]
fn an_expression_that_matches_everywhere_is_bounded() {
    let config = "[[rules]]\nid = 'r'\nregex = '''.'''\n[[rules]]\nid = 's'\nregex = '''(a|a)*?b|.'''\n";
    let text = "a".repeat(1_000_000);
    let (_, hits) = found(config, &[("a", text.as_bytes())]);
    assert_eq!(hits.len(), 1_000);
}
