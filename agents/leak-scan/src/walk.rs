//! Walks every file below a folder, in the order of names, with a reason for each entry that is left out.

use crate::glob::Globs;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// BOUND: folders nested deeper than this are counted as unreadable.
const DEPTH_MAX: usize = 128;

/// An entry that the walk finds.
pub(crate) enum Found<'a> {
    /// A regular file; `relative` is its path with slashes, for people and patterns.
    File {
        path: &'a Path,
        relative: &'a str,
    },
    /// A symbolic link. It is not followed: it may lead in a circle, or out of the folder.
    Symlink {
        relative: &'a str,
    },
    Excluded {
        relative: &'a str,
    },
    Unreadable {
        relative: &'a str,
        err: io::Error,
    },
}

impl Found<'_> {
    /// The path of the entry below the root.
    pub(crate) fn relative(&self) -> &str {
        match self {
            Self::File { relative, .. } | Self::Symlink { relative } | Self::Excluded { relative } | Self::Unreadable { relative, .. } => {
                relative
            }
        }
    }
}

struct Entry {
    name: String,
    path: PathBuf,
    kind: io::Result<fs::FileType>,
}

/// Calls `each` for every entry below `root`. Only a root that can't be listed is an error.
pub(crate) fn walk(root: &Path, globs: &Globs, each: &mut dyn FnMut(Found<'_>)) -> io::Result<()> {
    let mut folders = vec![(String::new(), listed(root, "", each)?.into_iter())];
    while let Some((prefix, entries)) = folders.last_mut() {
        let Some(entry) = entries.next() else {
            folders.pop();
            continue;
        };
        let relative = format!("{prefix}{}", entry.name);
        let kind = match entry.kind {
            Ok(kind) => kind,
            Err(err) => {
                each(Found::Unreadable { relative: &relative, err });
                continue;
            }
        };
        if kind.is_symlink() {
            each(Found::Symlink { relative: &relative });
        } else if (kind.is_dir() && entry.name == ".git") || globs.matches(&relative) {
            each(Found::Excluded { relative: &relative });
        } else if kind.is_file() {
            each(Found::File { path: &entry.path, relative: &relative });
        } else if kind.is_dir() && folders.len() < DEPTH_MAX {
            let prefix = format!("{relative}/");
            match listed(&entry.path, &prefix, each) {
                Ok(entries) if is_cache(&entries) => each(Found::Excluded { relative: &relative }),
                Ok(entries) => folders.push((prefix, entries.into_iter())),
                Err(err) => each(Found::Unreadable { relative: &relative, err }),
            }
        } else {
            let err = io::Error::new(io::ErrorKind::Unsupported, "nested too deeply, or neither file nor folder");
            each(Found::Unreadable { relative: &relative, err });
        }
    }
    Ok(())
}

/// Whether a folder is marked as a cache (<https://bford.info/cachedir/>), as build folders are.
fn is_cache(entries: &[Entry]) -> bool {
    const SIGNATURE: &[u8] = b"Signature: 8a477f597d28d172789f06886806bc55";
    let tag = entries.iter().find(|entry| entry.name == "CACHEDIR.TAG" && entry.kind.as_ref().is_ok_and(fs::FileType::is_file));
    tag.is_some_and(|tag| {
        let mut start = Vec::new();
        let read =
            fs::File::open(&tag.path).and_then(|file| io::Read::read_to_end(&mut io::Read::take(file, SIGNATURE.len() as u64), &mut start));
        read.is_ok() && start == SIGNATURE
    })
}

/// The entries of a folder, sorted. An entry that can't be read counts as unreadable; the others are still returned.
fn listed(folder: &Path, prefix: &str, each: &mut dyn FnMut(Found<'_>)) -> io::Result<Vec<Entry>> {
    let mut entries = Vec::new();
    for entry in fs::read_dir(folder)? {
        match entry {
            Ok(entry) => {
                entries.push(Entry { name: entry.file_name().to_string_lossy().into_owned(), path: entry.path(), kind: entry.file_type() })
            }
            Err(err) => {
                each(Found::Unreadable { relative: prefix, err });
                // A listing that has failed once is not continued: it might fail forever.
                break;
            }
        }
    }
    entries.sort_by(|one, other| one.path.file_name().cmp(&other.path.file_name()));
    Ok(entries)
}
