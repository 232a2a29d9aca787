//! Each file of a source with its digest, to show people which files differ. Only the digest over all files decides anything.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use vocabulary::{Digest, SafeText};

use super::BuildError;
use super::inputs::{InputKind, Sink, relative};

/// BOUND: files of a listing. If there are more, no listing is kept.
const FILES_MAX: usize = 5000;
/// BOUND: bytes of a path in it.
const PATH_BYTES_MAX: usize = 512;

/// Digests of files by their path from the agent's folder. The paths are safe to print.
pub(super) type SourceFiles = BTreeMap<String, Digest>;

/// How a file has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// The file is new.
    Added,
    /// The file is gone.
    Removed,
    /// The file has other contents.
    Changed,
}

/// A file that has changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListingChange {
    /// Its path from the agent's folder, safe to print.
    pub path: String,
    /// How the file has changed.
    pub change: Change,
}

/// A sink that lists the files which it passes on to another sink.
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

    /// The listing. It is empty if there were too many files.
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

/// The differences between two listings, in order of the paths.
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
