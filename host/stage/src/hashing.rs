//! The digest of a folder: each name with what it is and what it holds, in the order of the names.

use sha2::{Digest as _, Sha256};
use vocabulary::{Digest, FileKind};

#[derive(Default)]
pub(crate) struct Hashing(Sha256);

impl Hashing {
    pub(crate) fn add(&mut self, kind: FileKind, path: &str, content: &str) {
        let kind = match kind {
            FileKind::File => "file",
            FileKind::Directory => "directory",
            FileKind::Link => "link",
            FileKind::Other => "other",
        };
        for field in [kind, path, content] {
            self.0.update((field.len() as u64).to_be_bytes());
            self.0.update(field);
        }
    }

    pub(crate) fn finish(self) -> Digest {
        Digest::from_bytes(self.0.finalize().into())
    }
}
