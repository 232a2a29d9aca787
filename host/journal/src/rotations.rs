//! The rotations of keys that the record names.

use std::path::Path;

use vocabulary::record::{Record, RotatedKey, SealedUnder};

use crate::ids::log_run;
use crate::scan::Scanned;
use crate::segment;

/// What is rotated, for the record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyRotation {
    /// Which key.
    pub key: RotatedKey,
    /// The old one: a public key, or the name of the home's key.
    pub was: String,
    /// The new one.
    pub now: String,
    /// How many records the log has when the new key takes over.
    pub from: u64,
    /// The old key's signature over that, in hexadecimal. A home's key signs nothing.
    pub link: Option<String>,
    /// Under what the new key is sealed, as far as it is known here: the record names the kind.
    pub under: Option<SealedUnder>,
}

/// The rotations that the record names, in order. What can't be read names none. No key is needed, since it is asked which one signs: checksums
/// are believed, and what a rotation says is believed for its signature.
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
