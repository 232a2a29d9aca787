//! All that is searched for in a text: our own rules, and those that the user brought.

use crate::own::Own;
use crate::scan::{Hit, Scanner, settle};
use aho_corasick::BuildError;

/// What is searched for.
pub(crate) struct Search {
    ours: Scanner,
    pub(crate) own: Own,
}

impl Search {
    pub(crate) fn new(own: Own) -> Result<Self, BuildError> {
        Ok(Self { ours: Scanner::new(|id| own.wants(id))?, own })
    }

    /// What is found in a text that lies at a path below the root, and came with a commit: in order, without overlap.
    pub(crate) fn hits(&self, text: &[u8], relative: &str, commit: Option<&str>) -> Vec<Hit<'_>> {
        let mut hits = self.own.hits(text, relative, commit);
        let ours = self.ours.hits(text);
        if hits.is_empty() && ours.is_empty() {
            return self.own.by_path(relative, commit);
        }
        hits.extend(ours.into_iter().filter(|hit| !self.own.allows(hit, text, relative, commit)));
        settle(text, &mut hits);
        // These are of the whole file and no part of it.
        hits.splice(0..0, self.own.by_path(relative, commit));
        hits
    }

    /// What is found of a file that is not read.
    pub(crate) fn unread(&self, relative: &str, commit: Option<&str>) -> Vec<Hit<'_>> {
        self.own.by_path(relative, commit)
    }
}
