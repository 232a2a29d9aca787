//! The state of one scan: each file is read, searched and reported on, or counted with the reason why it was skipped.

use crate::input::Shard;
use crate::output::{Output, Skipped};
use crate::read::{Content, read};
use crate::report::{Reporter, Source};
use crate::search::Search;
use crate::walk::Found;
use bailiwick_sdk::{log, progress};
use std::fs::File;
use std::io;
use std::path::Path;

/// How many files lie between two progress messages.
const PROGRESS_EVERY: u64 = 32;
/// BOUND: how many unreadable files are named; the rest are only counted.
const UNREADABLE_NAMED_MAX: u64 = 20;

/// The settings of a scan, and its results so far.
pub(crate) struct Scan<'s> {
    pub(crate) root: &'s str,
    pub(crate) search: &'s Search,
    pub(crate) reporter: Reporter,
    pub(crate) file_bytes_max: u64,
    pub(crate) shard: Option<Shard>,
    /// The content of the current file. The buffer is reused, so that memory does not grow with the number of files.
    pub(crate) buffer: Vec<u8>,
    pub(crate) output: Output,
}

impl Scan<'_> {
    /// Whether this run has to search this path (see `shard`).
    pub(crate) fn takes(&self, relative: &str) -> bool {
        self.shard.is_none_or(|shard| shard.takes(relative))
    }

    pub(crate) fn take(&mut self, found: &Found<'_>) {
        if !self.takes(found.relative()) {
            return;
        }
        let skipped = &mut self.output.files_skipped;
        match found {
            Found::File { path, relative } => self.file(path, relative),
            Found::Symlink { .. } => skipped.symlink += 1,
            Found::Excluded { .. } => skipped.excluded += 1,
            Found::Unreadable { relative, err } => self.unreadable(relative, err),
        }
    }

    /// Warns of a file that was not searched, since a secret may be in it.
    fn unreadable(&mut self, relative: &str, err: &io::Error) {
        let unreadable = &mut self.output.files_skipped.unreadable;
        *unreadable += 1;
        if *unreadable <= UNREADABLE_NAMED_MAX {
            log::warn!("could not search `{}/{relative}`: {err}", self.root);
        }
    }

    pub(crate) fn tell_of_the_rest(&self) {
        let unnamed = self.output.files_skipped.unreadable.saturating_sub(UNREADABLE_NAMED_MAX);
        if unnamed > 0 {
            log::warn!("could not search {unnamed} more");
        }
    }

    /// Counts a file that is not read; a rule may still match its path.
    fn unread(&mut self, relative: &str, reason: fn(&mut Skipped) -> &mut u64) {
        *reason(&mut self.output.files_skipped) += 1;
        let source = Source { root: self.root, relative, commit: None };
        self.reporter.report(&source, &[], &self.search.unread(relative, None));
    }

    fn file(&mut self, path: &Path, relative: &str) {
        let content = File::open(path).and_then(|file| read(file, self.file_bytes_max, &mut self.buffer));
        match content {
            Ok(Content::Text { bytes }) => {
                let text = self.buffer.get(..bytes).unwrap_or_default();
                self.output.files_scanned += 1;
                self.output.bytes += text.len() as u64;
                let source = Source { root: self.root, relative, commit: None };
                self.reporter.report(&source, text, &self.search.hits(text, relative, None));
                if self.output.files_scanned.is_multiple_of(PROGRESS_EVERY) {
                    progress::update(self.output.files_scanned, 0, relative);
                }
            }
            Ok(Content::Archive) => self.unread(relative, |skipped| &mut skipped.archive),
            Ok(Content::Binary) => self.unread(relative, |skipped| &mut skipped.binary),
            Ok(Content::TooLarge) => self.unread(relative, |skipped| &mut skipped.too_large),
            Err(err) => self.unreadable(relative, &err),
        }
    }
}
