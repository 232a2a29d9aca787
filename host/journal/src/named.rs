//! Which keys the record names. An old key that was put back is recognised by that.

use std::path::Path;

use vocabulary::record::{Record, RotatedKey};

use crate::err::{FaultKind, LogFault, OpenError};
use crate::ids::{Position, log_run};
use crate::key_paths;
use crate::keys::HomeKey;
use crate::note::PublicKey;
use crate::walk::Leaf;

/// What was read of the record says this of the keys.
#[derive(Default)]
pub(crate) struct Named {
    /// The home's key. Nothing where it was never rotated, or where a person has accepted another one since.
    pub(crate) home: Option<String>,
    /// Where the record names a key that signs which is not among the public keys, and from which record on that one signs.
    pub(crate) unknown: Option<(Position, u64)>,
}

impl Named {
    /// Takes in one record. `key` has the public keys that are at hand.
    pub(crate) fn hear(&mut self, leaf: &Leaf<'_>, key: &PublicKey) {
        if leaf.run != log_run() {
            return;
        }
        match Record::parse(leaf.body) {
            Ok(Record::KeyRotated(it)) if it.key == RotatedKey::Home => self.home = Some(it.now.to_string()),
            Ok(Record::KeyRotated(it)) if !key.has(it.from, it.now.as_str()) => self.unknown = self.unknown.or(Some((leaf.at, it.from))),
            // The home's key may have been lost, and another one made.
            Ok(Record::RollbackAccepted(_)) => self.home = None,
            Ok(_) | Err(_) => {}
        }
    }

    /// A rotation that is on the record was completed before this, if its key is here. An old key signs nothing after its time.
    pub(crate) fn check(&self) -> Result<(), LogFault> {
        self.unknown.map_or(Ok(()), |(at, from)| Err(LogFault { at, what: FaultKind::KeyNotHere { from } }))
    }

    /// Whether this is the home's key that the record names.
    pub(crate) fn check_home_key(&self, home: &Path, key: &HomeKey) -> Result<(), OpenError> {
        match &self.home {
            Some(name) if *name != key.name => Err(OpenError::OtherHomeKey { path: key_paths::home_key_path(home) }),
            _ => Ok(()),
        }
    }
}
