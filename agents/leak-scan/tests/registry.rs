//! Scans the sources of this workspace's dependencies, as cargo keeps them. They contain no real secrets, so each finding is a false
//! alarm, or a key that was published on purpose. The list may only shrink; `BLESS=1` writes it anew.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use bailiwick_sdk::testing;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

fn here(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// The names of the folders of all dependencies in the lock file, with the name of each dependency.
fn dependencies() -> BTreeMap<String, String> {
    let lock = fs::read_to_string(here("../../Cargo.lock")).unwrap();
    let value = |line: &str, key: &str| Some(line.strip_prefix(key)?.strip_prefix(" = \"")?.strip_suffix('"')?.to_owned());
    let mut names = BTreeMap::new();
    let mut name = String::new();
    for line in lock.lines() {
        if let Some(found) = value(line, "name") {
            name = found;
        } else if let Some(version) = value(line, "version") {
            names.insert(format!("{name}-{version}"), name.clone());
        }
    }
    names
}

/// The folders in which cargo unpacks fetched packages; this test was built from them.
fn registries() -> Vec<PathBuf> {
    let home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = home.unwrap_or_else(|| PathBuf::from(std::env::var_os("HOME").unwrap()).join(".cargo"));
    fs::read_dir(home.join("registry/src")).unwrap().map(|entry| entry.unwrap().path()).collect()
}

/// `RULE CRATE PATH TIMES` for each file in which something is found.
fn found(folder: &Path, name: &str) -> BTreeMap<String, u32> {
    let root = folder.to_str().unwrap();
    testing::run(leak_scan::run, &json!({"root": root, "max-findings": 100_000, "gitleaks-config": ""})).unwrap();
    let mut times = BTreeMap::new();
    for finding in testing::take_findings() {
        let uri = finding.location.unwrap().uri;
        let path = uri.strip_prefix(root).unwrap().trim_start_matches('/').to_owned();
        *times.entry(format!("{} {name} {path}", finding.rule)).or_insert(0) += 1;
    }
    times
}

#[test]
fn false_alarms_in_the_sources_of_dependencies_only_become_fewer() {
    let (mut alarms, mut searched) = (BTreeSet::new(), BTreeSet::new());
    let dependencies = dependencies();
    for registry in registries() {
        for (folder, name) in &dependencies {
            if registry.join(folder).is_dir() {
                searched.insert(name.as_str());
                alarms.extend(found(&registry.join(folder), name).into_iter().map(|(place, times)| format!("{place} {times}")));
            }
        }
    }
    assert!(searched.len() > 20, "only {} dependencies are there", searched.len());
    let path = here("tests/registry.txt");
    if std::env::var_os("BLESS").is_some_and(|value| value == "1") {
        fs::write(&path, alarms.iter().map(|line| format!("{line}\n")).collect::<String>()).unwrap();
    }
    let pinned = fs::read_to_string(&path).unwrap();
    // Dependencies that are not on this machine are left out of the comparison.
    let pinned: BTreeSet<String> =
        pinned.lines().filter(|line| line.split(' ').nth(1).is_some_and(|name| searched.contains(name))).map(str::to_owned).collect();
    assert_eq!(alarms.difference(&pinned).collect::<Vec<_>>(), Vec::<&String>::new(), "these are new");
    assert_eq!(pinned.difference(&alarms).collect::<Vec<_>>(), Vec::<&String>::new(), "these are gone: remove them from the list");
}
