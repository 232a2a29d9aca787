//! Where a pruned record begins, and whether the record itself says that it was pruned.

use serde::Serialize;
use vocabulary::Digest;
use vocabulary::record::Pruned;

use crate::words;

/// Where a pruned record begins.
#[derive(Serialize)]
pub(super) struct CutRecord {
    /// The number of the first segment that is present.
    segment: u32,
    /// How many records came before it.
    record: u64,
    /// The root over those records.
    root: Digest,
    /// Whether a record `pruned` says so. Without one, anyone who has the signing key could have removed the beginning.
    pub(super) is_recorded: bool,
}

impl From<journal::Base> for CutRecord {
    fn from(base: journal::Base) -> Self {
        Self { segment: base.segment, record: base.size, root: base.root, is_recorded: false }
    }
}

impl CutRecord {
    /// Whether `record` is the one about this pruning.
    pub(super) fn is_of(&self, record: &Pruned) -> bool {
        (u64::from(self.segment), self.record, self.root) == (record.until, record.size, record.root)
    }

    pub(super) fn lines(&self) -> Vec<String> {
        let before = words::many(self.record, "record was", "records were");
        let root = words::short_hex(&self.root);
        let mut lines = vec![format!("  begins      with segment {}: {before} removed before it, root {root}", self.segment)];
        let unsaid = "              no record here says that they were removed: right for an archive, a fault in a home";
        lines.extend((!self.is_recorded).then(|| unsaid.to_owned()));
        lines
    }
}
