//! Histories that git itself made, whole and broken.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use crate::rule::tests::samples;
use crate::run;
use bailiwick_sdk::findings::Finding;
use bailiwick_sdk::testing;
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

fn token(seed: u64) -> String {
    samples(seed).into_iter().find(|(rule, _)| rule.id == "github-token").unwrap().1.token()
}

struct Repository(TempDir);

impl Repository {
    fn new() -> Self {
        let repository = Self(tempfile::tempdir().unwrap());
        repository.git(&["init", "-q", "-b", "main"]);
        repository
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    /// Runs git without the machine's settings, and with a clock of its own.
    fn git(&self, arguments: &[&str]) -> String {
        let output = Command::new("git")
            .args(["-c", "user.name=t", "-c", "user.email=t@test", "-c", "commit.gpgsign=false", "-c", "core.autocrlf=false"])
            .args(["-c", "gc.auto=0", "-c", "protocol.file.allow=always"])
            .args(arguments)
            .current_dir(self.path())
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .output()
            .unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    fn write(&self, path: &str, content: &[u8]) {
        let path = self.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    /// Commits everything; returns the name of the commit.
    fn commit(&self, nth: u32) -> String {
        self.git(&["add", "-A"]);
        let date = format!("{} +0000", 1_700_000_000 + nth);
        let message = format!("number {nth}");
        let output = Command::new("git")
            .args(["-c", "user.name=t", "-c", "user.email=t@test", "commit", "-q", "--allow-empty", "-m", &message])
            .current_dir(self.path())
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_AUTHOR_DATE", &date)
            .env("GIT_COMMITTER_DATE", &date)
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        self.git(&["rev-parse", "HEAD"])
    }

    fn scan(&self, more: Value) -> (Value, Vec<Finding>) {
        let mut input = json!({"root": self.path().to_str().unwrap(), "history": true});
        input.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        (testing::run(run, &input).unwrap(), testing::take_findings())
    }

    /// The output, and each finding as `path:line in commit`.
    fn told(&self) -> (Value, Vec<String>) {
        let (output, findings) = self.scan(json!({}));
        (output["history"].clone(), told(self.path(), &findings))
    }
}

fn told(root: &Path, findings: &[Finding]) -> Vec<String> {
    let prefix = format!("{}/", root.to_str().unwrap());
    let told = |finding: &Finding| {
        let at = finding.location.as_ref().unwrap();
        let commit = finding.title.split_once(", ").map_or("", |(_, commit)| commit);
        format!("{}:{} {commit}", at.uri.strip_prefix(&prefix).unwrap(), at.line)
    };
    findings.iter().map(told).collect()
}

fn short(commit: &str) -> &str {
    &commit[..12]
}

/// A history in which tokens come and go, with a file that changes often enough for deltas.
fn busy() -> (Repository, Vec<String>) {
    let repository = Repository::new();
    // All lines differ, so that git packs a version as a delta and not whole.
    let line = |line: u32, n: u32| {
        format!("line {line} {:08x} {}\n", line.wrapping_mul(2_654_435_761), if line < n * 12 { n.min(line / 12) } else { 0 })
    };
    let body = |n: u32| (0..400).map(|nth| line(nth, n)).collect::<String>();
    let mut expected = Vec::new();
    for n in 0..30 {
        repository.write("src/big.txt", body(n).as_bytes());
        if n == 3 {
            repository.write("conf/app.env", format!("A=1\nTOKEN={}\n", token(1)).as_bytes());
        }
        if n == 9 {
            // Put another token in the same place: the earlier one is still in the history.
            repository.write("conf/app.env", format!("A=1\nTOKEN={}\n", token(2)).as_bytes());
        }
        if n == 12 {
            fs::remove_file(repository.path().join("conf/app.env")).unwrap();
        }
        if n == 20 {
            repository.write("src/big.txt", (body(n) + &token(3)).as_bytes());
        }
        let commit = repository.commit(n);
        match n {
            3 | 9 => expected.push(format!("conf/app.env:2 in commit {}", short(&commit))),
            20 => expected.push(format!("src/big.txt:401 in commit {}", short(&commit))),
            _ => {}
        }
    }
    (repository, expected)
}

#[test]
fn a_token_that_was_removed_is_found_with_the_commit_it_came_with() {
    let (repository, expected) = busy();
    let (history, found) = repository.told();
    assert_eq!(found, expected, "{history}");
    assert_eq!((&history["commits"], &history["broken"], &history["cut_short"]), (&json!(30), &json!(0), &json!(false)));
    let (output, findings) = repository.scan(json!({"history": false}));
    assert_eq!((findings.len(), output.get("history")), (0, None));
}

#[test]
fn packs_with_deltas_are_read_like_loose_objects() {
    let (repository, expected) = busy();
    let loose = repository.told();
    for arguments in [
        ["repack", "-q", "-a", "-d", "-f", "--depth=50", "--window=50"].as_slice(),
        // Make deltas that name their base instead of giving its offset.
        &["-c", "repack.usedeltabaseoffset=false", "repack", "-q", "-a", "-d", "-f", "--depth=50", "--window=50"],
        &["gc", "-q", "--aggressive", "--prune=now"],
    ] {
        repository.git(arguments);
        repository.git(&["pack-refs", "--all"]);
        let packs = fs::read_dir(repository.path().join(".git/objects/pack")).unwrap().count();
        assert!(packs >= 2 && repository.git(&["count-objects"]).starts_with("0 objects"), "{arguments:?}");
        let (history, found) = repository.told();
        assert_eq!(found, expected, "{arguments:?}");
        assert_eq!((&history["blobs"], &history["broken"]), (&loose.0["blobs"], &json!(0)));
    }
    let chains = repository.git(&["verify-pack", "-v", &index(&repository).to_string_lossy()]);
    assert!(chains.contains("chain length = 2"), "no deltas were made: {chains}");
}

fn index(repository: &Repository) -> PathBuf {
    let mut files = fs::read_dir(repository.path().join(".git/objects/pack")).unwrap().map(|entry| entry.unwrap().path());
    files.find(|path| path.extension().is_some_and(|ending| ending == "idx")).unwrap()
}

#[test]
fn every_ref_is_a_beginning() {
    let repository = Repository::new();
    repository.write("a", b"nothing");
    repository.commit(0);
    let mut expected = Vec::new();
    for (n, name) in (1..).zip(["branch", "tagged", "noted", "stashed"]) {
        repository.git(&["checkout", "-q", "--detach", "main"]);
        repository.write(name, token(u64::from(n)).as_bytes());
        let commit = repository.commit(n);
        match name {
            "tagged" => repository.git(&["tag", "-a", "-m", "a tag", "v1"]),
            other => repository.git(&["update-ref", &format!("refs/heads/deep/er/{other}"), "HEAD"]),
        };
        expected.push(format!("{name}:1 in commit {}", short(&commit)));
    }
    repository.git(&["checkout", "-q", "main"]);
    assert_eq!(repository.told().1, expected);
    repository.git(&["pack-refs", "--all"]);
    assert_eq!(repository.told().1, expected);
}

#[test]
fn what_is_in_the_folder_is_told_once_and_comments_and_excluded_paths_hold_in_the_history() {
    let repository = Repository::new();
    let allow = ["gitleaks:al", "low"].concat();
    repository.write("kept", token(1).as_bytes());
    repository.write("known", format!("{} # {allow}", token(2)).as_bytes());
    repository.write("skip/x", token(3).as_bytes());
    repository.write("bin", format!("\0{}", token(4)).as_bytes());
    repository.commit(0);
    repository.write("kept", format!("moved\n{}", token(1)).as_bytes());
    fs::remove_file(repository.path().join("known")).unwrap();
    fs::remove_dir_all(repository.path().join("skip")).unwrap();
    repository.commit(1);
    let (output, findings) = repository.scan(json!({"exclude": ["skip"]}));
    assert_eq!(told(repository.path(), &findings), ["kept:2 "]);
    assert_eq!(output["history"]["skipped"], 1);
}

#[test]
fn fingerprints_from_the_history_are_the_same_in_the_next_run_and_a_baseline_knows_them() {
    let (repository, _) = busy();
    let (_, before) = repository.scan(json!({}));
    repository.git(&["gc", "-q"]);
    let prints = |findings: &[Finding]| findings.iter().map(|finding| finding.fingerprint.clone()).collect::<Vec<_>>();
    repository.write("known.json", serde_json::to_vec(&prints(&before)[..2]).unwrap().as_slice());
    let (output, after) = repository.scan(json!({"baseline": "known.json"}));
    assert_eq!((prints(&after), &output["findings_known"]), (prints(&before)[2..].to_vec(), &json!(2)));
}

#[test]
fn bounds_cut_a_history_short_and_say_so() {
    let (repository, expected) = busy();
    let (output, findings) = repository.scan(json!({"max-commits": 15}));
    assert_eq!(told(repository.path(), &findings), expected[2..]);
    assert_eq!((&output["history"]["commits"], &output["history"]["cut_short"]), (&json!(15), &json!(true)));
    let (output, _) = repository.scan(json!({"max-history-bytes": 20_000}));
    assert_eq!((&output["history"]["cut_short"], &output["history"]["broken"]), (&json!(true), &json!(0)));
    assert!(output["history"]["bytes"].as_u64().unwrap() <= 20_000);
}

#[test]
fn a_shallow_history_is_whole_as_far_as_it_goes() {
    let (repository, expected) = busy();
    let clone = Repository(tempfile::tempdir().unwrap());
    clone.git(&["clone", "-q", "--depth", "15", &format!("file://{}", repository.path().to_str().unwrap()), "."]);
    let (history, found) = clone.told();
    assert_eq!((found, &history["broken"]), (expected[2..].to_vec(), &json!(0)));
}

#[test]
fn no_history_is_no_reason_to_stop() {
    let folder = Repository(tempfile::tempdir().unwrap());
    folder.write("a", token(1).as_bytes());
    for (content, why) in [(None, "there is no"), (Some("gitdir: /elsewhere\n"), "is a file")] {
        if let Some(content) = content {
            folder.write(".git", content.as_bytes());
        }
        let (history, found) = folder.told();
        assert_eq!(found.len(), 1);
        assert!(history["broken_named"][0].as_str().unwrap().contains(why), "{history}");
    }
}

#[test]
fn what_is_not_read_here_is_named() {
    let (repository, _) = busy();
    let elsewhere = Repository(tempfile::tempdir().unwrap());
    elsewhere.git(&["clone", "-q", "--shared", repository.path().to_str().unwrap(), "."]);
    let (history, _) = elsewhere.told();
    assert!(history["broken_named"].to_string().contains("alternates"), "{history}");
    let other = Repository(tempfile::tempdir().unwrap());
    other.git(&["init", "-q", "--object-format=sha256"]);
    let (history, _) = other.told();
    assert!(history["broken_named"].to_string().contains("SHA-256"), "{history}");
}

#[cfg(unix)]
#[test]
fn links_other_repositories_and_names_that_are_not_utf_8_are_nothing_broken() {
    use std::os::unix::ffi::OsStrExt;
    let repository = Repository::new();
    repository.write("real", b"nothing");
    let commit = repository.commit(0);
    std::os::unix::fs::symlink("real", repository.path().join("link")).unwrap();
    fs::write(repository.path().join(std::ffi::OsStr::from_bytes(b"a\xff")), token(1)).unwrap();
    repository.git(&["update-index", "--add", "--cacheinfo", &format!("160000,{commit},module")]);
    let commit = repository.commit(1);
    fs::remove_file(repository.path().join(std::ffi::OsStr::from_bytes(b"a\xff"))).unwrap();
    repository.commit(2);
    let (history, found) = repository.told();
    assert_eq!((found, &history["broken"]), (vec![format!("a\u{fffd}:1 in commit {}", short(&commit))], &json!(0)));
}

/// Breaks copies of `file` at many places: each scan ends, names what is broken, and does not panic.
fn broken_at_every(file: &Path, repository: &Repository, steps: usize) {
    let whole = fs::read(file).unwrap();
    fs::set_permissions(file, std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
    let mut noticed = 0;
    for at in (0..whole.len()).step_by((whole.len() / steps).max(1)) {
        for broken in [&[&whole[..at], &[whole[at] ^ 0x55], &whole[at + 1..]].concat(), &whole[..at].to_vec()] {
            fs::write(file, broken).unwrap();
            noticed += usize::from(repository.told().0["broken"] != json!(0));
        }
    }
    assert!(noticed > 0, "{file:?}");
    fs::write(file, whole).unwrap();
}

#[cfg(unix)]
#[test]
fn corrupt_packs_and_objects_are_named_and_never_fatal() {
    let (repository, expected) = busy();
    let tree = repository.git(&["rev-parse", "HEAD:src"]);
    let loose = repository.path().join(".git/objects").join(&tree[..2]).join(&tree[2..]);
    broken_at_every(&loose, &repository, 40);
    repository.git(&["gc", "-q", "--aggressive", "--prune=now"]);
    let index = index(&repository);
    broken_at_every(&index, &repository, 60);
    broken_at_every(&index.with_extension("pack"), &repository, 120);
    assert_eq!(repository.told().1, expected);
    fs::remove_file(&index).unwrap();
    let (history, found) = repository.told();
    assert!(found.is_empty() && history["broken"].as_u64().unwrap() > 0, "{history}");
}

#[test]
fn an_object_that_unpacks_to_more_than_it_says_takes_no_memory() {
    let repository = Repository::new();
    repository.write("bomb", &vec![b'a'; 64 * 1024 * 1024]);
    repository.write("small", token(1).as_bytes());
    repository.commit(0);
    fs::remove_file(repository.path().join("bomb")).unwrap();
    fs::remove_file(repository.path().join("small")).unwrap();
    repository.commit(1);
    for _ in 0..2 {
        let (history, found) = repository.told();
        assert_eq!((found.len(), &history["skipped"]), (1, &json!(1)));
        assert!(history["bytes"].as_u64().unwrap() < 1024 * 1024, "{history}");
        repository.git(&["gc", "-q"]);
    }
}
