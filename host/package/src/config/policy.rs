//! `[policy]` and `[people]`: the policies behind the grants, and the people who may vote on what they hold back.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use policy::PolicySet;
use policy::vote::read_key;
use vocabulary::{Digest, ParseError, Person, PolicyFile, PolicyRules, SafeText, is_name};

use super::ConfigPlace;
use super::set::set;
use crate::authored::{ConfigFault, ConfigValue, Table, WrongError, path_fault};
use crate::file::{self, FileError};

/// BOUND: patterns, files and bytes of one policy set.
const PATTERNS_MAX: usize = 64;
const FILES_MAX: usize = 1000;
const BYTES_MAX: u64 = 4 << 20;
/// BOUND: people, and groups or keys of one of them.
const PEOPLE_MAX: usize = 1000;
const LIST_MAX: usize = 64;

/// The policies of a configuration, which all of its agents are subject to.
#[derive(Clone, Debug)]
pub struct PolicySection {
    /// The files, in the order of their paths.
    pub files: Vec<PolicyFile>,
    /// The people who may vote.
    pub people: BTreeMap<String, Person>,
    /// The policies as they were read.
    pub set: PolicySet,
    /// The folder with cases: asks, and the answers that are expected.
    pub tests: Option<PathBuf>,
}

impl PolicySection {
    /// What one agent is subject to.
    pub(super) fn rules(&self, groups: Vec<String>, owner: Option<String>) -> PolicyRules {
        PolicyRules { files: self.files.clone(), groups, owner, people: self.people.clone() }
    }
}

/// Reads both tables. `None` if the file has neither.
pub(super) fn resolve(root: &Table<'_>, place: &ConfigPlace<'_>) -> Result<Option<PolicySection>, WrongError> {
    let people = root.get("people").map_or(Ok(BTreeMap::new()), |value| people(&value))?;
    let Some(value) = root.get("policy") else {
        let useless = || ConfigFault::Impossible("has no effect without `[policy]`: only policies ask people");
        return root.get("people").map_or(Ok(None), |value| Err(value.wrong(useless())));
    };
    let table = value.table(4)?;
    table.only(&["files", "tests"], &[])?;
    let list = table.required("files")?;
    let mut files = BTreeMap::new();
    for pattern in list.some_items(PATTERNS_MAX)? {
        for path in matching(&pattern, place)? {
            let file = read(&pattern, &path)?;
            files.insert(path, file);
        }
    }
    let bytes: u64 = files.values().map(|file: &PolicyFile| file.text.len() as u64).sum();
    if files.len() > FILES_MAX || bytes > BYTES_MAX {
        return Err(list.wrong(ConfigFault::Impossible("names more than 1000 files or 4 MiB")));
    }
    let files: Vec<PolicyFile> = files.into_values().collect();
    let set = PolicySet::load(&files, &people).map_err(|faults| list.wrong(ConfigFault::Policies(faults)))?;
    let tests = table.get("tests").map(|value| value.text(4096).map(|text| place.folder.join(text))).transpose()?;
    Ok(Some(PolicySection { files, people, set, tests }))
}

/// The groups of an agent, which policies may name.
pub(super) fn groups(agent: &Table<'_>, policy: Option<&PolicySection>) -> Result<Vec<String>, WrongError> {
    let Some(value) = agent.get("groups") else { return Ok(Vec::new()) };
    if policy.is_none() {
        return Err(value.wrong(ConfigFault::Impossible("has no effect without `[policy]`: only policies name groups")));
    }
    names(&value)
}

/// The files that a pattern matches, without links. The last part of a pattern may contain `*`, for any characters.
fn matching(pattern: &ConfigValue<'_>, place: &ConfigPlace<'_>) -> Result<Vec<PathBuf>, WrongError> {
    let text = Path::new(pattern.text(4096)?);
    let written = place.folder.join(text);
    let fault = |why| pattern.wrong(path_fault(written.display(), why));
    let (Some(folder), Some(name)) = (written.parent(), text.file_name().and_then(|name| name.to_str())) else {
        return Err(fault("is not a file, or a pattern of files"));
    };
    if folder.to_string_lossy().contains('*') {
        return Err(fault("has a `*` in a folder; only the name of a file may have one"));
    }
    let folder = folder.canonicalize().map_err(|_| fault("is in a folder that is not there, or can't be reached"))?;
    let mut found = Vec::new();
    if name.contains('*') {
        for entry in folder.read_dir().map_err(|_| fault("is in a folder that can't be read"))? {
            let entry = entry.map_err(|_| fault("is in a folder that can't be read"))?;
            if entry.file_name().to_str().is_some_and(|other| fits(name, other)) {
                found.push(entry.path());
            }
        }
    } else {
        found.push(folder.join(name));
    }
    if found.is_empty() {
        return Err(fault("matches no file"));
    }
    let real: Vec<PathBuf> =
        found.iter().map(|path| path.canonicalize().map_err(|_| fault("is not there, or can't be reached"))).collect::<Result<_, _>>()?;
    real.iter().for_each(|path| place.note(text, path));
    Ok(real)
}

/// Whether a name fits a pattern in which `*` stands for any characters. A name that begins with a dot must be written with it.
fn fits(pattern: &str, name: &str) -> bool {
    if name.starts_with('.') != pattern.starts_with('.') {
        return false;
    }
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = name.strip_prefix(first) else { return false };
    let parts: Vec<&str> = parts.collect();
    let Some((last, middle)) = parts.split_last() else { return rest.is_empty() };
    for part in middle {
        let Some((_, after)) = rest.split_once(part) else { return false };
        rest = after;
    }
    rest.ends_with(last)
}

fn read(pattern: &ConfigValue<'_>, path: &Path) -> Result<PolicyFile, WrongError> {
    let fault = |why| pattern.wrong(path_fault(path.display(), why));
    let bytes = file::read(path, BYTES_MAX).map_err(|err| match err {
        FileError::NotRegular(_) => fault("is not a file"),
        FileError::TooLarge { .. } => fault("has more than 4 MiB"),
        FileError::Io { .. } => fault("can't be read"),
    })?;
    let digest = Digest::of(&bytes);
    let text = String::from_utf8(bytes).map_err(|_| fault("is not UTF-8"))?;
    Ok(PolicyFile { digest, path: path.to_owned(), text })
}

fn people(value: &ConfigValue<'_>) -> Result<BTreeMap<String, Person>, WrongError> {
    let mut people = BTreeMap::new();
    let (mut keys, mut accounts) = (BTreeSet::new(), BTreeSet::new());
    for (name, value) in value.table(PEOPLE_MAX)?.entries() {
        let form = "lower-case letters, digits and hyphens, a letter first, 64 at most";
        if !is_name(name) {
            return Err(value.wrong(ParseError::new("a valid name of a person", name, form).into()));
        }
        let table = value.table(8)?;
        table.only(&["groups", "keys", "user"], &[])?;
        let groups = table.get("groups").map_or(Ok(Vec::new()), |list| names(&list))?;
        let mut own = Vec::new();
        for item in table.get("keys").map_or(Ok(Vec::new()), |list| list.some_items(LIST_MAX))? {
            own.push(key(&item, &mut keys)?);
        }
        let user = table.get("user").map(|value| value.line(64)).transpose()?;
        // Two people with one account or one key would be one person with two votes.
        if !accounts.insert(user.clone().unwrap_or_else(|| name.to_owned())) {
            return Err(value.wrong(ConfigFault::Impossible("has the account of somebody else of `[people]`")));
        }
        people.insert(name.to_owned(), Person { groups, keys: set(own), user });
    }
    Ok(people)
}

/// A public key, without its comment.
fn key(item: &ConfigValue<'_>, known: &mut BTreeSet<String>) -> Result<String, WrongError> {
    let text = item.line(4096)?;
    let read = read_key(&text).map_err(|why| item.wrong(ConfigFault::Key(SafeText::new(&why, 300))))?;
    let plain: String = text.split_ascii_whitespace().take(2).collect::<Vec<_>>().join(" ");
    if !known.insert(read.fingerprint(Default::default()).to_string()) {
        return Err(item.wrong(ConfigFault::Impossible("is listed twice: a key is the key of one person")));
    }
    Ok(plain)
}

fn names(list: &ConfigValue<'_>) -> Result<Vec<String>, WrongError> {
    let name = |item: &ConfigValue<'_>| {
        let name = item.text(64)?;
        let form = "lower-case letters, digits and hyphens, a letter first, 64 at most";
        if is_name(name) { Ok(name.to_owned()) } else { Err(item.wrong(ParseError::new("a valid group name", name, form).into())) }
    };
    list.some_items(LIST_MAX)?.iter().map(name).collect::<Result<_, _>>().map(set)
}

#[cfg(test)]
mod tests {
    use super::fits;

    #[test]
    fn a_pattern_fits_whole_names() {
        for (pattern, name, fits_it) in [
            ("*.cedar", "a.cedar", true),
            ("*.cedar", ".cedar", false),
            ("*.cedar", "a.cedar~", false),
            ("a*b*c", "a-b-c", true),
            ("a*b*c", "abc", true),
            ("a*b*c", "acb", false),
            ("a*a", "a", false),
            ("x.cedar", "x.cedar", true),
            ("*", "anything", true),
        ] {
            assert_eq!(fits(pattern, name), fits_it, "{pattern} {name}");
        }
    }
}
