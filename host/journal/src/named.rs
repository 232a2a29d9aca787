//! Collects which keys the record names, so that an old key that somebody put back is recognised.

use std::path::Path;

use vocabulary::record::{Record, RotatedKey};

use crate::err::{FaultKind, LogFault, OpenError};
use crate::ids::{Position, log_run};
use crate::key_paths;
use crate::keys::HomeKey;
use crate::note::PublicKey;
use crate::walk::Leaf;

/// The keys that the records read so far name.
#[derive(Default)]
pub(crate) struct Named {
    /// The name of the home's key. `None` if it was never rotated, or if a person has accepted another key since.
    pub(crate) home: Option<String>,
    /// The first rotation to a signing key that is not among the public keys: its position, and from which record on that key signs.
    pub(crate) unknown: Option<(Position, u64)>,
}

impl Named {
    /// Adds one record. `key` has the public keys that are available.
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

    /// Checks that all signing keys that the record names are available, so that an old key signs nothing after it was rotated.
    pub(crate) fn check(&self) -> Result<(), LogFault> {
        self.unknown.map_or(Ok(()), |(at, from)| Err(LogFault { at, what: FaultKind::KeyNotHere { from } }))
    }

    /// Checks that this is the home's key that the record names.
    pub(crate) fn check_home_key(&self, home: &Path, key: &HomeKey) -> Result<(), OpenError> {
        match &self.home {
            Some(name) if *name != key.name => Err(OpenError::OtherHomeKey { path: key_paths::home_key_path(home) }),
            _ => Ok(()),
        }
    }
}
