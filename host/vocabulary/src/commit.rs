//! What a run did to a folder that it may change: the changes that are put into the folder at the end of the run, as one act.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::fields::put;
use crate::file::FileKind;
use crate::grant::FilesMode;
use crate::ids::Digest;
use crate::text::SafeText;

/// BOUND: bytes of the path of a mount on the record.
const GUEST_BYTES_MAX: usize = 1024;

/// Everything that a run changed beneath one mount.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CommitAsk {
    /// The changes, in the order of their paths.
    pub changes: Vec<FileDiff>,
    /// The path of the mount, as the guest sees it.
    pub guest: String,
    /// The mode of the mount.
    pub mode: FilesMode,
    /// The number of the mount in [`crate::Grants::files`].
    pub mount: usize,
    /// The changes of texts, as a unified diff, and of everything else in one line each.
    pub text: String,
    /// For a folder of the agent's own: the version that the run began with, and the version that the changes make of it.
    pub versions: Option<(Digest, Digest)>,
}

/// One change of a file, a folder or a link.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileDiff {
    /// What is there afterwards.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<FileSide>,
    /// What was there before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<FileSide>,
    /// The path from which it was moved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// The path beneath the mount.
    pub path: String,
}

/// A file, a folder or a link, before or after a change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileSide {
    /// The digest of the content of a file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<Digest>,
    /// What it is.
    pub kind: FileKind,
    /// The bits of its mode.
    pub mode: u32,
    /// The size of a file in bytes.
    pub size: u64,
    /// Where a link points.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
}

/// What kind of change it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DiffKind {
    /// Nothing was there before.
    Created,
    /// Its content, its mode or what it is has changed.
    Changed,
    /// It was moved, and is the same otherwise.
    Moved,
    /// Nothing is there afterwards.
    Removed,
}

impl FileDiff {
    /// What kind of change it is.
    pub fn kind(&self) -> DiffKind {
        match (&self.from, &self.before, &self.after) {
            (_, Some(_), None) => DiffKind::Removed,
            (Some(_), ..) => DiffKind::Moved,
            (None, Some(_), Some(_)) => DiffKind::Changed,
            (None, None, _) => DiffKind::Created,
        }
    }
}

/// How much is changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ChangeCounts {
    /// Bytes of all files that are created or changed, as they are afterwards.
    pub bytes: u64,
    /// How many are changed.
    pub changed: u64,
    /// How many are created.
    pub created: u64,
    /// How many are moved.
    pub moved: u64,
    /// How many are removed.
    pub removed: u64,
}

impl fmt::Display for ChangeCounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { bytes, changed, created, moved, removed } = self;
        write!(f, "{created} created, {changed} changed, {moved} moved, {removed} removed, {bytes} bytes")
    }
}

impl CommitAsk {
    /// How much is changed.
    pub fn counts(&self) -> ChangeCounts {
        let mut counts = ChangeCounts::default();
        for change in &self.changes {
            match change.kind() {
                DiffKind::Created => counts.created += 1,
                DiffKind::Changed => counts.changed += 1,
                DiffKind::Moved => counts.moved += 1,
                DiffKind::Removed => counts.removed += 1,
            }
            if matches!(change.kind(), DiffKind::Created | DiffKind::Changed) {
                counts.bytes = counts.bytes.saturating_add(change.after.as_ref().map_or(0, |after| after.size));
            }
        }
        counts
    }

    /// The digest of the changes.
    pub fn digest(&self) -> Digest {
        Digest::of(&crate::canon::to_vec(&self.changes))
    }

    pub(crate) fn canonical_into(&self, to: &mut Vec<u8>) {
        put(to, &crate::canon::to_vec(self));
    }

    /// The commit that has these canonical bytes ([`crate::Ask::canonical_bytes`]).
    pub fn from_canonical_bytes(bytes: &[u8]) -> Option<Self> {
        let mut fields = crate::fields::Fields(bytes);
        if fields.next()? != b"files" {
            return None;
        }
        let _function = fields.next()?;
        let whole = fields.next()?;
        fields.0.is_empty().then(|| serde_json::from_slice(whole).ok())?
    }
}

/// A commit, as on the record.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct CommitResource {
    /// How much it changes.
    pub counts: ChangeCounts,
    /// The digest of the changes.
    pub digest: Digest,
    /// The path of the mount.
    pub guest: SafeText,
    /// The version of a folder of the agent's own that the commit makes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<Digest>,
}

impl From<&CommitAsk> for CommitResource {
    fn from(ask: &CommitAsk) -> Self {
        let guest = SafeText::new(&ask.guest, GUEST_BYTES_MAX);
        Self { counts: ask.counts(), digest: ask.digest(), guest, version: ask.versions.map(|(_, after)| after) }
    }
}

impl fmt::Display for CommitResource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "changes of {}: {}", self.guest, self.counts)
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]
mod tests {
    use super::*;
    use crate::{Act, Ask};

    fn side(size: u64) -> FileSide {
        FileSide { digest: Some(Digest::of(b"x")), kind: FileKind::File, mode: 0o644, size, target: None }
    }

    #[test]
    fn a_commit_is_read_back_from_its_canonical_bytes_and_counted_by_what_is_there_before_and_after() {
        let change = |path: &str, before, after, from: Option<&str>| FileDiff {
            after,
            before,
            from: from.map(str::to_owned),
            path: path.to_owned(),
        };
        let changes = vec![
            change("a", None, Some(side(3)), None),
            change("b", Some(side(1)), Some(side(4)), None),
            change("c", Some(side(9)), Some(side(9)), Some("d")),
            change("e", Some(side(2)), None, None),
        ];
        let ask = CommitAsk { changes, guest: "/w".to_owned(), mode: FilesMode::Stage, mount: 0, text: "+x\n".to_owned(), versions: None };
        let counts = ask.counts();
        assert_eq!((counts.created, counts.changed, counts.moved, counts.removed, counts.bytes), (1, 1, 1, 1, 7));
        let bytes = Ask::from(Act::Files(ask.clone())).canonical_bytes();
        assert_eq!(CommitAsk::from_canonical_bytes(&bytes), Some(ask));
        assert!((0..bytes.len()).all(|len| CommitAsk::from_canonical_bytes(&bytes[..len]).is_none()));
        let resource = serde_json::to_vec(&crate::Resource::path("x", 9)).unwrap();
        assert!(!resource.is_empty());
    }
}
