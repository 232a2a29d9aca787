//! Tests that every key of a configuration is part of the authority, except for keys that allow nothing and are listed here.

use std::collections::BTreeSet;
use std::path::Path;

use toml::{Table, Value};
use vocabulary::Digest;

use super::EVERYTHING;
use crate::authored::{ConfigFault, WrongError};
use crate::authority::Whole;
use crate::config::{self, ConfigError};

/// Keys that allow nothing, because only people read them.
const FOR_PEOPLE: &[&str] = &["agents.owner", "agents.purpose"];
/// Keys that the text does not have: `token-file` and `kubernetes` exclude `approle`, and the list of interfaces must be empty.
const IN_OTHER_TEXTS: &[&str] = &["agents.groups", "people", "policy", "agents.uses", "vault.token-file", "vault.kubernetes"];

/// A step from a table or a list to one of its values.
#[derive(Clone, Debug)]
enum Step {
    Key(String),
    Item(usize),
}

struct Project(tempfile::TempDir);

impl Project {
    fn resolve(&self, table: &Table) -> Result<config::Resolved, ConfigError> {
        let file = self.0.path().join("here").join(config::FILE_NAME);
        std::fs::write(&file, table.to_string()).unwrap();
        config::read(&file)?.resolve(&self.0.path().join("home"))
    }

    fn digest(&self, table: &Table) -> Option<Digest> {
        Some(Whole::of(&self.resolve(table).ok()?).unwrap().digest().unwrap())
    }
}

/// Everything that is in the text, with the keys that it does not have.
fn everything(folder: &Path) -> Table {
    for name in ["src", "built", "secrets", "other"] {
        std::fs::create_dir_all(folder.join("here").join(name)).unwrap();
    }
    for name in ["roots.pem", "other.pem"] {
        std::fs::write(folder.join("here").join(name), name).unwrap();
    }
    let mut table: Table = EVERYTHING.parse().unwrap();
    // The bytes of the program are read each time, and a shell has many.
    let print = folder.join("here/print");
    std::fs::write(&print, "echo value").unwrap();
    // Another credential that can be rotated, for the places that must name one.
    let turned = table["credentials"]["turned"].clone();
    table["credentials"].as_table_mut().unwrap().insert("turned-too".to_owned(), turned);
    table["credentials"]["printed"]["source"][0] = format!("exec:{}", print.display()).into();
    let probe = table["agents"]["probe"].as_table_mut().unwrap();
    probe.insert("owner".to_owned(), "somebody".into());
    probe.insert("purpose".to_owned(), "something".into());
    probe["http"][1].as_table_mut().unwrap().insert("scheme".to_owned(), "https".into());
    table
}

/// Every value that is neither a table nor a list, and every key.
fn walk(value: &Value, at: &[Step], leaves: &mut Vec<Vec<Step>>, keys: &mut Vec<Vec<Step>>) {
    let step = |step: Step| [at, &[step]].concat();
    match value {
        Value::Table(table) => {
            for (key, value) in table {
                keys.push(step(Step::Key(key.clone())));
                walk(value, &step(Step::Key(key.clone())), leaves, keys);
            }
        }
        Value::Array(items) => items.iter().enumerate().for_each(|(n, value)| walk(value, &step(Step::Item(n)), leaves, keys)),
        _ => leaves.push(at.to_vec()),
    }
}

fn reach<'v>(value: &'v mut Value, at: &[Step]) -> &'v mut Value {
    at.iter().fold(value, |value, step| match step {
        Step::Key(key) => &mut value[key.as_str()],
        Step::Item(n) => &mut value[*n],
    })
}

/// The key without the names that people choose and without numbers of items, for example `agents.http.host`.
fn key(at: &[Step]) -> String {
    let keys: Vec<&str> = at.iter().filter_map(|step| if let Step::Key(key) = step { Some(key.as_str()) } else { None }).collect();
    let is_named = keys.first().is_some_and(|first| ["agents", "credentials", "engagements", "environments"].contains(first));
    let words: Vec<&str> = keys.iter().enumerate().filter(|(n, _)| !(is_named && *n == 1)).map(|(_, key)| *key).collect();
    words.join(".")
}

/// Values of which at least one is valid in this place.
fn others(value: &Value) -> Vec<Value> {
    const TEXTS: &[&str] = &[
        "local",
        "other",
        "src",
        "other.pem",
        "/other",
        "64MiB",
        "128",
        "2097-01-01",
        "2026-11-02T00:00:00Z",
        "9/h",
        "POST",
        "PATCH",
        "/other/**",
        "other.example.com",
        "10.9.0.0/16",
        "127.0.0.9:53",
        "http",
        "identify",
        "rotate",
        "sha1",
        "hex",
        "ES256",
        "staged",
        "production",
        "printed",
        "built",
        "probe",
        "turned-too",
        "https",
        "90d",
        "90s",
        "refresh",
        "https://other.example.com/",
        "https://other.example.com",
        "k2{}",
        "v2={}",
        "{timestamp}:{body}",
        "{\"c\":\"d\"}",
        "env:OTHER",
        "bearer",
        "probe@sha256:0000000000000000000000000000000000000000000000000000000000000000",
        "file:secrets/other",
        "keyring:other",
        "vault:secret/data/app#other",
        "exec:/bin/true",
        "sha256:0000000000000000000000000000000000000000000000000000000000000000",
        "Other {}",
        "x-other",
    ];
    match value {
        Value::Boolean(yes) => vec![Value::Boolean(!yes)],
        Value::Integer(number) => vec![Value::Integer(number + 1)],
        _ => TEXTS.iter().filter(|text| value.as_str() != Some(text)).map(|text| Value::from(*text)).collect(),
    }
}

#[test]
fn whatever_is_other_in_a_configuration_is_another_authority_unless_it_is_only_for_people() {
    let project = Project(tempfile::tempdir().unwrap());
    let table = everything(project.0.path());
    let before = project.digest(&table).unwrap();
    let (mut leaves, mut keys) = (Vec::new(), Vec::new());
    walk(&Value::Table(table.clone()), &[], &mut leaves, &mut keys);
    let (mut all, mut tried) = (BTreeSet::new(), BTreeSet::new());
    for leaf in &leaves {
        let mut changed = Value::Table(table.clone());
        let candidates = others(reach(&mut changed, leaf));
        let after = candidates.into_iter().find_map(|other| {
            *reach(&mut changed, leaf) = other;
            project.digest(changed.as_table()?)
        });
        all.insert(key(leaf));
        let Some(after) = after else { continue };
        tried.insert(key(leaf));
        assert_eq!(after == before, FOR_PEOPLE.contains(&key(leaf).as_str()), "{leaf:?}");
    }
    // A mount has only one mode, and a credential of another kind has other keys.
    let untried: Vec<_> = all.difference(&tried).filter(|key| !["agents.files.mode", "credentials.kind"].contains(&key.as_str())).collect();
    assert!(untried.is_empty(), "{untried:?}");
    assert!(leaves.len() > 120, "{}", leaves.len());
    // Each key is left out. Most keys are required, or have a meaning. A key with its default value makes no difference.
    let mut without = 0;
    for at in &keys {
        let (Some(Step::Key(last)), Some(path)) = (at.last(), at.get(..at.len() - 1)) else { continue };
        let mut changed = Value::Table(table.clone());
        reach(&mut changed, path).as_table_mut().unwrap().remove(last);
        let Some(after) = project.digest(changed.as_table().unwrap()) else { continue };
        let is_default = ["agents.http.scheme", "credentials.grant"].contains(&key(at).as_str());
        assert_eq!(after == before, is_default || FOR_PEOPLE.contains(&key(at).as_str()), "without {at:?}");
        without += 1;
    }
    assert!(without > 30, "{without}");
}

/// Ensures that a new key is added to the text above, and is tested there.
#[test]
fn every_key_that_a_configuration_takes_is_tried() {
    let project = Project(tempfile::tempdir().unwrap());
    let table = everything(project.0.path());
    let (mut leaves, mut keys) = (Vec::new(), Vec::new());
    walk(&Value::Table(table.clone()), &[], &mut leaves, &mut keys);
    let used: BTreeSet<String> = keys.iter().map(|at| key(at)).collect();
    let mut taken = BTreeSet::new();
    for at in std::iter::once(&Vec::new()).chain(&keys) {
        let items = match reach(&mut Value::Table(table.clone()), at) {
            Value::Array(items) => (0..items.len()).map(|n| [at.as_slice(), &[Step::Item(n)]].concat()).collect(),
            _ => vec![at.clone()],
        };
        for at in items {
            let mut changed = Value::Table(table.clone());
            let Value::Table(inner) = reach(&mut changed, &at) else { continue };
            inner.insert("zzz".to_owned(), 1.into());
            let unknown = project.resolve(changed.as_table().unwrap());
            // A table whose keys are names that people choose says nothing about keys.
            let Err(ConfigError::Wrong(WrongError { fault, .. })) = unknown else { continue };
            let ConfigFault::UnknownKey { known } = *fault else { continue };
            let table = key(&at);
            taken.extend(known.split(", ").map(|word| if table.is_empty() { word.to_owned() } else { format!("{table}.{word}") }));
        }
    }
    let missing: Vec<_> = taken.iter().filter(|key| !used.contains(*key) && !IN_OTHER_TEXTS.contains(&key.as_str())).collect();
    assert!(missing.is_empty(), "put into the text, to be tried: {missing:?}");
    assert!(taken.len() > 80, "{}: {taken:?}", taken.len());
}
