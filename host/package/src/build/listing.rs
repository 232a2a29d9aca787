//! Each file of a source with its digest, so that people can be told which are other. What decides is the digest over all of it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use vocabulary::{Digest, SafeText};

use super::BuildError;
use super::inputs::{InputKind, Sink, relative};

/// BOUND: files of a list; of more, none is kept.
const FILES_MAX: usize = 5000;
/// BOUND: bytes of a path in it.
const PATH_BYTES_MAX: usize = 512;

/// Files by their path from the agent's folder, as text that is safe to print.
pub(super) type SourceFiles = BTreeMap<String, Digest>;

/// What became of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// It was not there.
    Added,
    /// It is there no more.
    Removed,
    /// It is another one.
    Changed,
}

/// A file that is other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListingChange {
    /// Its path from the agent's folder, safe to print.
    pub path: String,
    /// What became of it.
    pub change: Change,
}

/// Makes the list of what goes by on its way to somebody else.
pub(super) struct Listing<'a> {
    folder: PathBuf,
    next: &'a mut dyn Sink,
    files: SourceFiles,
    is_over: bool,
}

impl<'a> Listing<'a> {
    pub(super) fn of(folder: &Path, next: &'a mut dyn Sink) -> Self {
        Self { folder: folder.to_owned(), next, files: SourceFiles::new(), is_over: false }
    }

    /// The list; an empty one where there were too many.
    pub(super) fn files(self) -> SourceFiles {
        if self.is_over { SourceFiles::new() } else { self.files }
    }
}

impl Sink for Listing<'_> {
    fn take(&mut self, path: &Path, kind: &InputKind, bytes: &[u8]) -> Result<(), BuildError> {
        self.is_over |= self.files.len() >= FILES_MAX;
        if !self.is_over && *kind != InputKind::Absent {
            let what = match kind {
                InputKind::Link(to) => format!("link {:?}", to.as_ref().map(|to| relative(&self.folder, to))),
                kind => format!("{kind:?}"),
            };
            let digest = Digest::of(&[what.as_bytes(), b"\n", bytes].concat());
            let name = SafeText::new(&relative(&self.folder, path).to_string_lossy(), PATH_BYTES_MAX);
            self.files.insert(name.to_string(), digest);
        }
        self.next.take(path, kind, bytes)
    }
}

/// What is other, by path.
pub(super) fn between(was: &SourceFiles, now: &SourceFiles) -> Vec<ListingChange> {
    let mut changes: Vec<ListingChange> = Vec::new();
    for (path, digest) in was {
        let change = match now.get(path) {
            None => Change::Removed,
            Some(other) if other != digest => Change::Changed,
            Some(_) => continue,
        };
        changes.push(ListingChange { path: path.clone(), change });
    }
    let added = now.keys().filter(|path| !was.contains_key(*path));
    changes.extend(added.map(|path| ListingChange { path: path.clone(), change: Change::Added }));
    changes.sort_by(|one, other| one.path.cmp(&other.path));
    changes
}
