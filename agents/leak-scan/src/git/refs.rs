//! The tips of a history: the objects that all refs name, loose or packed.

use super::object::Id;
use crate::read::small;
use std::collections::BTreeSet;
use std::fs;
use std::io::ErrorKind;
use std::path::Path;

/// BOUND: how many refs there may be, how deep their names may be nested, and how large the file of packed refs may be.
const REFS_MAX: usize = 100_000;
const DEPTH_MAX: usize = 16;
const PACKED_BYTES_MAX: u64 = 16 * 1024 * 1024;
/// How much of a loose ref is read; it is one line.
const LOOSE_BYTES_MAX: u64 = 4 * 1024;

/// All objects that refs name, in the order of their names.
pub(super) fn tips(git: &Path, broken: &mut dyn FnMut(String)) -> BTreeSet<Id> {
    let mut tips = BTreeSet::new();
    for name in ["HEAD", "ORIG_HEAD", "FETCH_HEAD", "MERGE_HEAD"] {
        loose(&git.join(name), &mut tips, broken);
    }
    folder(&git.join("refs"), DEPTH_MAX, &mut tips, broken);
    match small(&git.join("packed-refs"), PACKED_BYTES_MAX) {
        Ok(text) => tips.extend(lines(&text)),
        Err(err) if err.kind() == ErrorKind::NotFound => {}
        Err(err) => broken(format!("the packed refs can't be read: {err}")),
    }
    tips
}

/// Commits whose parents were never fetched.
pub(super) fn shallow(git: &Path) -> BTreeSet<Id> {
    small(&git.join("shallow"), PACKED_BYTES_MAX).map(|text| lines(&text).collect()).unwrap_or_default()
}

/// The object names with which lines begin. A line with the object of a packed tag begins with `^`, and counts too.
fn lines(text: &[u8]) -> impl Iterator<Item = Id> {
    text.split(|byte| *byte == b'\n').filter_map(|line| Id::from_hex(line.get(..40)?))
}

/// Reads a loose ref. A ref that names another ref is skipped, since the other ref is read under its own name.
fn loose(path: &Path, tips: &mut BTreeSet<Id>, broken: &mut dyn FnMut(String)) {
    match small(path, LOOSE_BYTES_MAX) {
        Ok(text) if text.starts_with(b"ref:") => {}
        Ok(text) => {
            let before = tips.len();
            tips.extend(lines(&text));
            let named = lines(&text).next().is_some() || tips.len() > before;
            if !named && !text.is_empty() {
                broken(format!("the ref {} names no object", path.display()));
            }
        }
        Err(err) if err.kind() == ErrorKind::NotFound => {}
        Err(err) => broken(format!("the ref {} can't be read: {err}", path.display())),
    }
}

fn folder(path: &Path, depth: usize, tips: &mut BTreeSet<Id>, broken: &mut dyn FnMut(String)) {
    let entries = match fs::read_dir(path) {
        Ok(entries) => entries,
        Err(err) if err.kind() == ErrorKind::NotFound => return,
        Err(err) => return broken(format!("the refs {} can't be listed: {err}", path.display())),
    };
    for entry in entries.take_while(Result::is_ok).flatten() {
        if depth == 0 || tips.len() >= REFS_MAX {
            return broken("too many refs, or nested too deeply; the rest are left out".to_owned());
        }
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => folder(&entry.path(), depth - 1, tips, broken),
            Ok(kind) if kind.is_file() => loose(&entry.path(), tips, broken),
            _ => {}
        }
    }
}
