//! Whole scans of folders that the tests make.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use crate::{Skipped, run};
use bailiwick_sdk::Failure;
use bailiwick_sdk::findings::{Finding, Location};
use bailiwick_sdk::testing;
use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use tempfile::TempDir;

fn token() -> String {
    ["gh", "p_", "zQWBuTSOoRi4A9spHcVY", "5ncnsDkxkJ0mLq17"].concat()
}

fn folder(files: &[(&str, &[u8])]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (path, content) in files {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
    folder
}

fn scan(root: &Path, more: Value) -> (Value, Vec<Finding>) {
    let mut input = json!({"root": root.to_str().unwrap()});
    input.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    (testing::run(run, &input).unwrap(), testing::take_findings())
}

fn paths(root: &Path, findings: &[Finding]) -> Vec<String> {
    let prefix = format!("{}/", root.to_str().unwrap());
    let uris = findings.iter().map(|finding| finding.location.as_ref().unwrap().uri.as_str());
    uris.map(|uri| uri.strip_prefix(&prefix).unwrap().to_owned()).collect()
}

#[test]
fn finding_says_where_and_never_the_secret() {
    let token = token();
    let folder = folder(&[("conf/app.env", format!("A=1\r\nDÄ=\"{token}\" # ü\r\n").as_bytes())]);
    let (output, findings) = scan(folder.path(), json!({}));
    let uri = format!("{}/conf/app.env", folder.path().to_str().unwrap());
    let [finding] = findings.as_slice() else { unreachable!("{findings:?}") };
    assert_eq!(finding.rule, "github-token");
    assert_eq!(finding.location, Some(Location { uri, line: 2, column: 5 }));
    assert_eq!(finding.excerpt.as_deref(), Some("ghp_… (40 characters)"));
    assert_eq!(finding.taxa[0].id, "CWE-798");
    assert_eq!(output["findings"], 1);
    let everything = serde_json::to_string(&(finding, &output)).unwrap();
    assert!((0..token.len() - 5).all(|at| !everything.contains(&token[at..at + 6])));
}

#[test]
fn findings_come_in_the_order_of_names() {
    let token = token();
    let token = token.as_bytes();
    let folder = folder(&[("b", token), ("a/z", token), ("a.txt", token), ("c/a", token), ("a/b/c", token)]);
    let (output, findings) = scan(folder.path(), json!({}));
    assert_eq!(paths(folder.path(), &findings), ["a/b/c", "a/z", "a.txt", "b", "c/a"]);
    assert_eq!(output["files_scanned"], 5);
    assert_eq!(output["bytes"], 200);
}

#[test]
fn what_is_skipped_is_counted_with_its_reason() {
    let token = token();
    let late_nul = [vec![b'a'; 8192], b"\0".to_vec()].concat();
    let folder = folder(&[
        ("binary", format!("\0{token}").as_bytes()),
        ("late-nul", &late_nul),
        ("large", &vec![b'a'; 10_001]),
        ("just-fits", &vec![b'a'; 10_000]),
        (".git/config", token.as_bytes()),
        ("target/x", token.as_bytes()),
        ("a/yarn.lock", token.as_bytes()),
        ("empty", b""),
    ]);
    let input = json!({"max-file-bytes": 10_000, "exclude": ["/target", "*.lock"]});
    let (output, findings) = scan(folder.path(), input);
    assert_eq!(findings, []);
    let skipped = Skipped { archive: 0, binary: 1, too_large: 1, unreadable: 0, symlink: 0, excluded: 3 };
    assert_eq!(output["files_skipped"], serde_json::to_value(skipped).unwrap());
    assert_eq!((&output["files_scanned"], &output["bytes"]), (&json!(3), &json!(18_193)));
}

#[test]
fn a_folder_that_marks_itself_as_a_cache_is_left_out_and_one_that_only_looks_so_is_not() {
    let folder = folder(&[
        ("target/CACHEDIR.TAG", b"Signature: 8a477f597d28d172789f06886806bc55\n# made again by the build\n"),
        ("target/debug/x", token().as_bytes()),
        ("other/CACHEDIR.TAG", b"Signature: something else"),
        ("other/x", token().as_bytes()),
    ]);
    let (output, findings) = scan(folder.path(), json!({}));
    assert_eq!(paths(folder.path(), &findings), ["other/x"]);
    assert_eq!(output["files_skipped"]["excluded"], json!(1));
}

#[cfg(unix)]
#[test]
fn symlinks_are_counted_and_not_followed() {
    let outside = folder(&[("secret", token().as_bytes())]);
    let folder = folder(&[("a/b", b"x")]);
    std::os::unix::fs::symlink(folder.path(), folder.path().join("a/round")).unwrap();
    std::os::unix::fs::symlink(outside.path().join("secret"), folder.path().join("out")).unwrap();
    std::os::unix::fs::symlink("nowhere", folder.path().join("dangling")).unwrap();
    let (output, findings) = scan(folder.path(), json!({}));
    assert_eq!(findings, []);
    assert_eq!((&output["files_scanned"], &output["files_skipped"]["symlink"]), (&json!(1), &json!(3)));
}

#[cfg(unix)]
#[test]
fn what_is_neither_file_nor_folder_is_unreadable_and_not_fatal() {
    let folder = folder(&[("b", token().as_bytes())]);
    let _listener = std::os::unix::net::UnixListener::bind(folder.path().join("a.sock")).unwrap();
    let (output, findings) = scan(folder.path(), json!({}));
    assert_eq!((findings.len(), &output["files_skipped"]["unreadable"]), (1, &json!(1)));
}

#[cfg(unix)]
#[test]
fn what_could_not_be_searched_is_told_by_name_and_then_by_number() {
    let folder = folder(&[("b", token().as_bytes())]);
    let sockets: Vec<_> =
        (0..23).map(|n| std::os::unix::net::UnixListener::bind(folder.path().join(format!("{n:02}\u{1b}[2J\n"))).unwrap()).collect();
    let (output, _) = scan(folder.path(), json!({}));
    assert_eq!(output["files_skipped"]["unreadable"], sockets.len());
    let log = testing::take_log();
    let warnings: Vec<_> = log.iter().filter_map(|line| line.strip_prefix("WARN leak_scan::files: ")).collect();
    let root = folder.path().to_str().unwrap();
    for (n, warning) in warnings[..20].iter().enumerate() {
        assert!(warning.starts_with(&format!("could not search `{root}/{n:02}\\u{{1b}}[2J\\n`: ")), "{warning}");
    }
    assert_eq!(warnings[20..], ["could not search 3 more"]);
}

#[test]
fn folder_nested_too_deeply_is_unreadable_and_not_fatal() {
    let deep = vec!["d"; 200].join("/");
    let folder = folder(&[(&format!("{deep}/x"), token().as_bytes()), ("z", token().as_bytes())]);
    let (output, findings) = scan(folder.path(), json!({}));
    assert_eq!(paths(folder.path(), &findings), ["z"]);
    assert_eq!(output["files_skipped"]["unreadable"], 1);
}

#[test]
fn fingerprint_survives_moves_and_tells_two_apart() {
    let token = token();
    let line = format!("token: {token}\n");
    let prints = |content: &str| {
        let folder = folder(&[("f", content.as_bytes())]);
        scan(folder.path(), json!({})).1.into_iter().map(|finding| finding.fingerprint).collect::<Vec<_>>()
    };
    let before = prints(&line);
    assert_eq!(prints(&format!("new\n\n    {line}after\n")), before);
    let twice = prints(&line.repeat(2));
    assert_eq!((twice.len(), &twice[0]), (2, &before[0]));
    assert_ne!(twice[0], twice[1]);
    assert_ne!(prints(&format!("other: [{token}]\n")), before);
}

#[test]
fn digests_do_not_depend_on_the_secret_or_on_what_is_beside_it() {
    let another = |seed| crate::rule::tests::samples(seed).into_iter().find(|(rule, _)| rule.id == "github-token").unwrap().1.token();
    let other = (0..).map(another).find(|token| token.starts_with("ghp_")).unwrap();
    let folder = folder(&[("f", b"".as_slice())]);
    let mut seen = Vec::new();
    for (token, password) in [(token(), "hunter2"), (other, "tiger55")] {
        fs::write(folder.path().join("f"), format!("{token} password={password}\n")).unwrap();
        let (_, findings) = scan(folder.path(), json!({}));
        seen.push((findings[0].evidence.clone(), findings[0].fingerprint.clone()));
    }
    assert_eq!(seen[0], seen[1]);
}

#[test]
fn findings_past_the_bound_are_counted_and_not_reported() {
    let lines = format!("{}\n", token()).repeat(5);
    let folder = folder(&[("f", lines.as_bytes()), ("g", lines.as_bytes())]);
    let (output, findings) = scan(folder.path(), json!({"max-findings": 7}));
    assert_eq!(findings.len(), 7);
    assert_eq!((&output["findings"], &output["findings_unreported"]), (&json!(10), &json!(3)));
}

#[test]
fn what_a_baseline_knows_is_counted_and_not_reported() {
    let token = token();
    let text = format!("a: {token}\n\nb = \"{token}\"\n");
    let folder = folder(&[("f", text.as_bytes())]);
    let (_, before) = scan(folder.path(), json!({}));
    let list = json!([before[0].fingerprint, "sha256:12", 7]);
    fs::write(folder.path().join("known.json"), list.to_string()).unwrap();
    fs::write(folder.path().join("f"), format!("moved\n{text}")).unwrap();
    let (output, after) = scan(folder.path(), json!({"baseline": "known.json"}));
    assert_eq!((after.len(), &after[0].fingerprint), (1, &before[1].fingerprint));
    assert_eq!((&output["findings"], &output["findings_known"], &output["findings_unreported"]), (&json!(1), &json!(1), &json!(0)));
    let input = json!({"root": folder.path().to_str().unwrap(), "baseline": "missing.json"});
    assert_eq!(testing::run(run, &input).unwrap_err().code, "baseline");
}

#[test]
fn archives_are_counted_by_how_they_begin_however_large_they_are() {
    let token = token();
    let mut tar = vec![b'a'; 257];
    tar.extend(b"ustar\0");
    let zip = [b"PK\x03\x04".as_slice(), token.as_bytes(), &[b'a'; 20_000]].concat();
    let folder =
        folder(&[("a.jar", &zip), ("b.tgz", b"\x1f\x8b\x08"), ("c.xz", b"\xfd7zXZ\0"), ("d.tar", &tar), ("e.txt", token.as_bytes())]);
    let (output, findings) = scan(folder.path(), json!({"max-file-bytes": 10_000}));
    assert_eq!(paths(folder.path(), &findings), ["e.txt"]);
    let skipped = Skipped { archive: 4, ..Skipped::default() };
    assert_eq!(output["files_skipped"], serde_json::to_value(skipped).unwrap());
}

#[test]
fn a_path_weakens_what_is_in_doubt_and_nothing_that_is_proven() {
    let made = |id: &str| crate::rule::tests::samples(3).into_iter().find(|(rule, _)| rule.id == id).unwrap().1.text();
    let text = [token(), made("gitlab-token"), made("datadog-key")].join("\n");
    let severities = |path: &str| {
        let folder = folder(&[(path, text.as_bytes())]);
        scan(folder.path(), json!({})).1.into_iter().map(|finding| format!("{:?}", finding.severity)).collect::<Vec<_>>()
    };
    assert_eq!(severities("src/a.py"), ["Critical", "Critical", "High"]);
    assert_eq!(severities("vendor/a.py"), ["Critical", "High", "Medium"]);
    assert_eq!(severities("tests/a.py"), ["Critical", "Medium", "Low"]);
    assert_eq!(severities("yarn.lock"), ["Critical", "Critical"]);
}

#[cfg(unix)]
#[test]
fn names_that_are_not_utf_8_and_folders_that_are_closed_are_no_reason_to_stop() {
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::fs::PermissionsExt;
    let folder = folder(&[("z", token().as_bytes()), ("shut/x", token().as_bytes())]);
    fs::write(folder.path().join(std::ffi::OsStr::from_bytes(b"a\xff\xfe")), token()).unwrap();
    let shut = folder.path().join("shut");
    fs::set_permissions(&shut, fs::Permissions::from_mode(0o000)).unwrap();
    // Root can read the closed folder too, so the expectation depends on who runs the test.
    let closed = fs::read_dir(&shut).is_err();
    let (output, findings) = scan(folder.path(), json!({}));
    fs::set_permissions(&shut, fs::Permissions::from_mode(0o700)).unwrap();
    assert_eq!(findings.len(), if closed { 2 } else { 3 });
    assert_eq!(output["files_skipped"]["unreadable"], u64::from(closed));
    assert_eq!(paths(folder.path(), &findings)[0], "a\u{fffd}\u{fffd}");
}

#[cfg(unix)]
#[test]
fn a_pipe_keeps_nobody_waiting() {
    let folder = folder(&[("z", token().as_bytes())]);
    for name in [".gitleaks.toml", "a-pipe"] {
        let made = std::process::Command::new("mkfifo").arg(folder.path().join(name)).status().unwrap();
        assert!(made.success());
    }
    let (output, findings) = scan(folder.path(), json!({"history": true}));
    assert_eq!((paths(folder.path(), &findings), &output["files_skipped"]["unreadable"]), (vec!["z".to_owned()], &json!(2)));
    assert_eq!(output["unsupported"][0]["rule"], ".gitleaks.toml");
    let input = json!({"root": folder.path().to_str().unwrap(), "baseline": "a-pipe"});
    assert!(testing::run(run, &input).unwrap_err().message.contains("not a file"));
}

#[cfg(unix)]
#[test]
fn a_history_behind_a_link_is_not_followed() {
    let outside = folder(&[("x/.git/HEAD", b"ref: refs/heads/main\n"), ("x/.git/objects/none", b"")]);
    let folder = folder(&[("z", token().as_bytes())]);
    std::os::unix::fs::symlink(outside.path().join("x/.git"), folder.path().join(".git")).unwrap();
    let (output, findings) = scan(folder.path(), json!({"history": true}));
    assert_eq!((findings.len(), &output["history"]["broken_named"]), (1, &json!(["`.git` is a link, and links are not followed"])));
}

#[test]
fn root_that_is_missing_or_a_file_fails() {
    let folder = folder(&[("f", b"")]);
    for root in ["missing", "f"] {
        let root = folder.path().join(root);
        let failure = testing::run(run, &json!({"root": root.to_str().unwrap()})).unwrap_err();
        assert_eq!(failure.code, "root");
        assert!(failure.message.contains("can't be listed"));
    }
}

#[test]
fn bad_input_is_named() {
    for (input, complaint) in [
        (json!({"max-file-bytes": 0}), "max-file-bytes"),
        (json!({"max-file-bytes": 16_777_217}), "max-file-bytes"),
        (json!({"max-findings": 100_001}), "max-findings"),
        (json!({"exclude": ["a**"]}), "exclude"),
        (json!({"exclude": vec!["a"; 65]}), "exclude"),
        (json!({"rooot": "/src"}), "rooot"),
        (json!({"gitleaks-config": "/etc/x"}), "gitleaks-config"),
        (json!({"baseline": "a/../../x"}), "baseline"),
        (json!({"max-commits": 0}), "max-commits"),
        (json!({"max-history-bytes": 0}), "max-history-bytes"),
    ] {
        let failure = testing::run(run, &input).unwrap_err();
        assert_eq!(failure.code, Failure::BAD_INPUT);
        assert!(failure.message.contains(complaint), "{failure}");
    }
}

#[test]
fn schemas_name_the_defaults() {
    let schemas = testing::run(run, &json!({"$schema": "bailiwick:schemas"})).unwrap();
    assert_eq!(schemas["input"]["properties"]["root"]["default"], "/src");
    assert_eq!(schemas["input"]["properties"]["max-file-bytes"]["default"], 1_048_576);
    assert_eq!(schemas["input"].get("required"), None);
    assert_eq!(schemas["output"]["required"].as_array().unwrap().len(), 8);
}

#[test]
fn shards_find_together_what_one_run_finds_and_count_nothing_twice() {
    let names: Vec<String> = (0..40).map(|at| format!("folder-{}/file-{at}", at % 5)).collect();
    let (token, other) = (token(), b"\0".to_vec());
    let mut files: Vec<(&str, &[u8])> = names.iter().map(|name| (name.as_str(), token.as_bytes())).collect();
    files.extend([("bin", other.as_slice()), ("target/x", b"left"), ("bins/1", &other)]);
    let folder = folder(&files);
    std::os::unix::fs::symlink("bin", folder.path().join("link")).unwrap();
    let exclude = json!({"exclude": ["/target"]});
    let (whole, mut all) = scan(folder.path(), exclude);
    let (mut sums, mut parts) = (std::collections::BTreeMap::new(), Vec::new());
    for index in 0..3 {
        let (output, found) = scan(folder.path(), json!({"exclude": ["/target"], "shard": {"index": index, "of": 3}}));
        assert!((1..40).contains(&found.len()), "an even share, more or less: {}", found.len());
        for key in ["/files_scanned", "/bytes", "/findings", "/files_skipped/binary", "/files_skipped/excluded", "/files_skipped/symlink"] {
            *sums.entry(key).or_insert(0) += output.pointer(key).unwrap().as_u64().unwrap();
        }
        parts.extend(found);
    }
    for (key, sum) in sums {
        assert_eq!(whole.pointer(key).unwrap(), sum, "{key}");
    }
    let by_place = |finding: &Finding| (finding.location.as_ref().unwrap().uri.clone(), finding.fingerprint.clone());
    all.sort_by_key(by_place);
    parts.sort_by_key(by_place);
    assert_eq!(parts, all);
    for shard in [json!({"index": 3, "of": 3}), json!({"index": 0, "of": 0}), json!({"index": 0, "of": 65})] {
        let input = json!({"root": folder.path().to_str().unwrap(), "shard": shard});
        assert_eq!(testing::run(run, &input).unwrap_err().code, Failure::BAD_INPUT);
    }
}
