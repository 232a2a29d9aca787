//! Reads which rotations of keys the record names.

use std::path::Path;

use vocabulary::record::{Record, RotatedKey, SealedUnder};

use crate::ids::log_run;
use crate::scan::Scanned;
use crate::segment;

/// A rotation of a key, for the record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyRotation {
    /// Which key was rotated.
    pub key: RotatedKey,
    /// The old key: a public key, or the name of the home's key.
    pub was: String,
    /// The new key, in the same form.
    pub now: String,
    /// How many records the log has when the new key begins to be used.
    pub from: u64,
    /// The old key's signature over the new key, in hexadecimal. `None` for a home's key, which signs nothing.
    pub link: Option<String>,
    /// What the new key is sealed under. The record names only the kind.
    pub under: Option<SealedUnder>,
}

/// The rotations that the record names, in order. Parts that can't be read are skipped. This needs no key, since its purpose is to find out
/// which key signs: it trusts checksums, and callers check the signature in a rotation.
pub(crate) fn rotations(home: &Path) -> Vec<KeyRotation> {
    let inner = segment::folder(home);
    let folder = if inner.is_dir() { inner } else { home.to_owned() };
    let mut found = Vec::new();
    for number in segment::list(&folder).unwrap_or_default() {
        let Ok((file, header)) = segment::open(&folder, number, None) else { continue };
        let mut scanner = segment::scanner(file, &header, 0);
        while matches!(scanner.advance(), Ok(Scanned::Batch)) {
            let batch = scanner.batch();
            let leaves = batch.frames.iter().filter(|span| span.is_leaf()).filter_map(|span| batch.leaf(span));
            found.extend(leaves.filter(|leaf| leaf.head.run == log_run()).filter_map(|leaf| rotation(leaf.body)));
        }
    }
    found
}

fn rotation(body: &[u8]) -> Option<KeyRotation> {
    match Record::parse(body) {
        Ok(Record::KeyRotated(it)) => {
            let link = it.link.as_ref().map(ToString::to_string);
            Some(KeyRotation { key: it.key, was: it.was.to_string(), now: it.now.to_string(), from: it.from, link, under: it.under })
        }
        _ => None,
    }
}
