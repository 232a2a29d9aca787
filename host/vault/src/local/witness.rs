//! Changes of the vault with a witness that sees each change first, so that a change is either on the record or not made.

use std::path::Path;

use vocabulary::Destination;

use super::entries::VaultEntries;
use super::{COST, KeySource, Listed, Local, LocalError};
use crate::secret::Secret;

/// A change that is about to be made.
#[derive(Clone, Copy, Debug)]
pub struct Changing<'a> {
    /// The file of the vault.
    pub path: &'a Path,
    /// Its future contents, sealed.
    pub bytes: &'a [u8],
    /// What will be known of its secrets.
    pub listed: &'a [Listed],
}

/// Is called under the lock of the vault, when a change is decided and the file is still unchanged. If it fails, the vault stays as it was.
pub type VaultWitness<'a> = dyn Fn(&Changing<'_>) -> std::io::Result<()> + 'a;

pub(super) fn nobody(_: &Changing<'_>) -> std::io::Result<()> {
    Ok(())
}

/// The changes that a person makes. Each is a method of [`Local`], with a witness.
pub struct Witnessed<'a> {
    local: &'a Local,
    witness: &'a VaultWitness<'a>,
}

impl Witnessed<'_> {
    /// See [`Local::set`].
    ///
    /// # Errors
    /// As there, and [`LocalError::Unwitnessed`].
    pub fn set(&self, name: &str, value: Secret, now_s: u64) -> Result<u64, LocalError> {
        self.local.changed(|entries| entries.set(name, value, now_s), true, self.witness)
    }

    /// See [`Local::set_for`].
    ///
    /// # Errors
    /// As there, and [`LocalError::Unwitnessed`].
    pub fn set_for(&self, name: &str, value: Secret, destinations: &[Destination], now_s: u64) -> Result<u64, LocalError> {
        let change = |entries: &mut VaultEntries| {
            let version = entries.set(name, value, now_s)?;
            entries.send_to(name, destinations)?;
            Ok(version)
        };
        self.local.changed(change, true, self.witness)
    }

    /// See [`Local::send_to`].
    ///
    /// # Errors
    /// As there, and [`LocalError::Unwitnessed`].
    pub fn send_to(&self, name: &str, destinations: &[Destination]) -> Result<(), LocalError> {
        self.local.changed(|entries| entries.send_to(name, destinations), true, self.witness)
    }

    /// See [`Local::remove`].
    ///
    /// # Errors
    /// As there, and [`LocalError::Unwitnessed`].
    pub fn remove(&self, name: &str) -> Result<(), LocalError> {
        self.local.changed(|entries| entries.remove(name), true, self.witness)
    }

    /// See [`Local::revoke`].
    ///
    /// # Errors
    /// As there, and [`LocalError::Unwitnessed`].
    pub fn revoke(&self, name: &str) -> Result<(), LocalError> {
        self.local.changed(|entries| entries.revoke(name), false, self.witness)
    }

    /// See [`Local::restore`].
    ///
    /// # Errors
    /// As there, and [`LocalError::Unwitnessed`].
    pub fn restore(&self, name: &str) -> Result<(), LocalError> {
        self.local.changed(|entries| entries.restore(name), true, self.witness)
    }

    /// See [`Local::promote`].
    ///
    /// # Errors
    /// As there, and [`LocalError::Unwitnessed`].
    pub fn promote(&self, name: &str, now_s: u64) -> Result<Secret, LocalError> {
        self.local.changed(|entries| entries.promote(name, now_s), true, self.witness)
    }

    /// See [`Local::rekey`].
    ///
    /// # Errors
    /// As there, and [`LocalError::Unwitnessed`].
    pub fn rekey(&self, to: &KeySource) -> Result<(), LocalError> {
        self.local.rekeyed(to, COST, self.witness)
    }
}

impl Local {
    /// The methods for changes that a witness must see first.
    pub fn witnessed<'a>(&'a self, witness: &'a VaultWitness<'a>) -> Witnessed<'a> {
        Witnessed { local: self, witness }
    }
}
