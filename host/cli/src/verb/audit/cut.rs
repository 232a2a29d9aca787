//! Where a record begins whose beginning was taken away, and whether the record itself says that it was.

use serde::Serialize;
use vocabulary::Digest;
use vocabulary::record::Pruned;

use crate::words;

/// Where it begins.
#[derive(Serialize)]
pub(super) struct CutRecord {
    /// The first segment that is there.
    segment: u32,
    /// How many records came before.
    record: u64,
    /// The root over them.
    root: Digest,
    /// Whether a record `pruned` says so. Who has the key that signs could make the rest alone.
    pub(super) is_recorded: bool,
}

impl From<journal::Base> for CutRecord {
    fn from(base: journal::Base) -> Self {
        Self { segment: base.segment, record: base.size, root: base.root, is_recorded: false }
    }
}

impl CutRecord {
    /// Whether this is the record of it.
    pub(super) fn is_of(&self, record: &Pruned) -> bool {
        (u64::from(self.segment), self.record, self.root) == (record.until, record.size, record.root)
    }

    pub(super) fn lines(&self) -> Vec<String> {
        let before = words::many(self.record, "record was", "records were");
        let root = words::short_hex(&self.root);
        let mut lines = vec![format!("  begins      with segment {}: {before} taken away before it, root {root}", self.segment)];
        let unsaid = "              no record here says that they were: in an archive that is so, and in a home it is a fault";
        lines.extend((!self.is_recorded).then(|| unsaid.to_owned()));
        lines
    }
}
