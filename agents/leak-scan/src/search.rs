//! Searches a text with all rules: our own, and the user's.

use crate::own::Own;
use crate::scan::{Hit, Scanner, settle};
use aho_corasick::BuildError;

/// All rules of a scan.
pub(crate) struct Search {
    ours: Scanner,
    pub(crate) own: Own,
}

impl Search {
    pub(crate) fn new(own: Own) -> Result<Self, BuildError> {
        Ok(Self { ours: Scanner::new(|id| own.wants(id))?, own })
    }

    /// The hits in a text at a path below the root, from a commit if it is from the history: in order, without overlap.
    pub(crate) fn hits(&self, text: &[u8], relative: &str, commit: Option<&str>) -> Vec<Hit<'_>> {
        let mut hits = self.own.hits(text, relative, commit);
        let ours = self.ours.hits(text);
        if hits.is_empty() && ours.is_empty() {
            return self.own.by_path(relative, commit);
        }
        hits.extend(ours.into_iter().filter(|hit| !self.own.allows(hit, text, relative, commit)));
        settle(text, &mut hits);
        // These hits are for the whole file, not for a part of it.
        hits.splice(0..0, self.own.by_path(relative, commit));
        hits
    }

    /// The hits for a file that is not read.
    pub(crate) fn unread(&self, relative: &str, commit: Option<&str>) -> Vec<Hit<'_>> {
        self.own.by_path(relative, commit)
    }
}
