//! The vault of a home: one sealed file.
//!
//! Its key is in a file beside it, is made from a passphrase, or is in the key ring of the kernel. The vault's file says which. A key file
//! beside the vault is for its owner alone. An attacker who has the owner's account has both files; this seal only protects a copy of the
//! vault that was made without its key. Under any key, a file that was changed or cut short is refused as a whole.
//!
//! No seal detects that an older file of the same vault was put back. A value that was revoked later is still in that file.

mod disk;
mod entries;
mod err;
mod live;
mod opened;
mod seal;
#[cfg(test)]
#[expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a test fails by panicking"
)]
mod tests;
mod witness;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use home::Exposed;
use key::{COST, Cost, KEY_BYTES, Key, KeyringError};
use vocabulary::Destination;
use zeroize::Zeroizing;

pub(crate) use self::disk::{DiskMark, read_open};
pub use self::entries::Listed;
pub(crate) use self::entries::VaultEntries;
pub use self::err::LocalError;
pub(crate) use self::live::{KeptValue, Reader};
use self::opened::OpenedVault;
use self::seal::{HeadError, SealHead};
pub use self::seal::{KeySource, VAULT_FORM};
use self::witness::nobody;
pub use self::witness::{Changing, VaultWitness, Witnessed};
use crate::secret::Secret;

/// BOUND: bytes of the file. A thousand secrets of the largest size fit, each with its next value.
const FILE_BYTES_MAX: u64 = 16 << 20;
/// BOUND: attempts to read a vault that is being sealed under another key.
const READS_MAX: usize = 5;
/// For how many seconds a value that was replaced, given up or revoked is still searched for in answers. A person who changes a value here
/// is expected to change it at its target within this time. The host does not learn when that happens.
const FORMER_S: u64 = 30 * 24 * 3600;

/// A value, with what its owner has set for it.
#[derive(Clone, Debug)]
pub struct StoredSecret {
    /// The value.
    pub secret: Secret,
    /// The version of the value. It counts the values of its name, from 1.
    pub version: u64,
    /// The destinations to which the value may be sent.
    pub destinations: Vec<Destination>,
}

/// The vault of one home. Every call looks whether the file is another one now: what another process has revoked is revoked here with the next
/// request. Calls wait for the disk, and where a passphrase is needed for the first time, for Argon2.
#[derive(Clone)]
pub struct Local {
    home: PathBuf,
    passphrase_file: Option<PathBuf>,
    /// The key that was last made from a passphrase, with the head of the file that it is for. Clones share it.
    made: Arc<Mutex<Option<(SealHead, Key)>>>,
    /// The vault as it was last opened for a request. Shared like that key.
    last: Arc<Mutex<Option<Arc<OpenedVault>>>>,
}

impl std::fmt::Debug for Local {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Local").field("home", &self.home).field("passphrase_file", &self.passphrase_file).finish_non_exhaustive()
    }
}

impl Local {
    /// The vault of this home. Opens no file.
    pub fn new(home: &Path) -> Self {
        Self { home: home.to_owned(), passphrase_file: None, made: Arc::default(), last: Arc::default() }
    }

    /// Sets the path of the passphrase file, for a vault that is sealed under a passphrase. The file has one line. Only its owner may write
    /// it, and it must not be readable by everybody. It is read whenever a key is made. A vault that does not exist yet will be sealed
    /// under this passphrase.
    #[must_use]
    pub fn with_passphrase_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.passphrase_file = Some(path.into());
        self
    }

    /// Makes the key of a vault that is sealed under a passphrase. This value and its clones then open the vault until it is sealed under
    /// another key.
    ///
    /// # Errors
    /// [`LocalError::Sealed`] for a wrong passphrase, [`LocalError::NotLocked`] for a vault that needs none or does not exist.
    pub fn unlock(&self, passphrase: &[u8]) -> Result<(), LocalError> {
        let not_locked = || LocalError::NotLocked(self.file());
        let bytes = disk::read(&self.file(), FILE_BYTES_MAX)?.ok_or_else(not_locked)?;
        let (head, sealed) = self.parted(&bytes)?;
        let SealHead::Passphrase(cost, salt) = head else { return Err(not_locked()) };
        let key = key::derive(passphrase, cost, &salt)?;
        self.opened(head, &key, sealed)?;
        self.keep(head, key);
        Ok(())
    }

    /// Seals the vault under another key of this kind, and removes the file of the old key. A vault that does not exist yet is created,
    /// empty.
    ///
    /// If this is interrupted at any point, either the old key or the new key opens the vault. Earlier copies of the file, on the disk or
    /// elsewhere, still open with the old key.
    ///
    /// # Errors
    /// As [`Local::set`]. For [`KeySource::Keyring`], there is no key in the key ring.
    pub fn rekey(&self, to: &KeySource) -> Result<(), LocalError> {
        self.rekey_at(to, COST)
    }

    fn rekey_at(&self, to: &KeySource, cost: Cost) -> Result<(), LocalError> {
        self.rekeyed(to, cost, &nobody)
    }

    fn rekeyed(&self, to: &KeySource, cost: Cost, witness: &VaultWitness<'_>) -> Result<(), LocalError> {
        let _lock = disk::lock(&self.home)?;
        let (known, entries) = self.read()?;
        disk::sweep(&self.home);
        let (head, key) = match to {
            KeySource::File => self.new_key(SealHead::new_file()?)?,
            KeySource::Passphrase(passphrase) => self.of_passphrase(SealHead::new_passphrase(cost)?, passphrase)?,
            KeySource::Keyring => (SealHead::Keyring, self.key(SealHead::Keyring)?),
        };
        if let Some((_, old)) = &known {
            self.live_rekey(old, (old, &key))?;
        }
        self.write((head, &key), &entries, witness)?;
        self.live_rekey(&key, (&key, &key))?;
        self.keep(head, key);
        Ok(())
    }

    /// Sets a value, and returns its version. A value that was revoked may be set again. The new value may be sent to the destinations of
    /// this name. A new name has no destinations yet.
    ///
    /// # Errors
    /// An unfit value, a name with a staged value, a vault that does not open, a file that can't be written.
    pub fn set(&self, name: &str, value: Secret, now_s: u64) -> Result<u64, LocalError> {
        self.change(|entries| entries.set(name, value, now_s))
    }

    /// Like [`Local::set`], and also sets the destinations of this name.
    ///
    /// # Errors
    /// As [`Local::set`] and [`Local::send_to`].
    pub fn set_for(&self, name: &str, value: Secret, destinations: &[Destination], now_s: u64) -> Result<u64, LocalError> {
        self.change(|entries| {
            let version = entries.set(name, value, now_s)?;
            entries.send_to(name, destinations)?;
            Ok(version)
        })
    }

    /// Sets the destinations to which the values of a name may be sent from now on.
    ///
    /// # Errors
    /// There is no such name, there are more destinations than can be kept, or the vault does not open.
    pub fn send_to(&self, name: &str, destinations: &[Destination]) -> Result<(), LocalError> {
        self.change(|entries| entries.send_to(name, destinations))
    }

    /// Removes a name with all that belongs to it: its values, its destinations, their count, and whether it was revoked.
    ///
    /// # Errors
    /// There is no such name, or the vault does not open.
    pub fn remove(&self, name: &str) -> Result<(), LocalError> {
        self.change(|entries| entries.remove(name))
    }

    /// Replaces a value that is spent, and returns the new version. This happens only while `spent` is still the present value, so that a
    /// value which was revoked or set meanwhile stays as it is.
    ///
    /// # Errors
    /// [`LocalError::Changed`] if `spent` is not the present value, and as [`Local::get`] and [`Local::set`].
    pub fn replace(&self, name: &str, spent: &Secret, value: Secret, now_s: u64) -> Result<u64, LocalError> {
        self.change(|entries| entries.replace(name, spent, value, now_s))
    }

    /// Revokes a name, whatever its source. Values of it are removed from the vault, and the name stays. Earlier copies of the file on the
    /// disk are sealed under the same key.
    ///
    /// # Errors
    /// The name is not valid, there is no room for a name without a value, and as [`Local::set`].
    pub fn revoke(&self, name: &str) -> Result<(), LocalError> {
        // A value that can't be put on the list is still revoked: while the list can't be kept, no run sends anything.
        self.changed(|entries| entries.revoke(name), false, &nobody)
    }

    /// Lifts the revocation of a name that never had a value here.
    ///
    /// # Errors
    /// [`LocalError::Revoked`] for a name that had a value here: set it again instead. [`LocalError::NotRevoked`], [`LocalError::Absent`],
    /// and as [`Local::set`].
    pub fn restore(&self, name: &str) -> Result<(), LocalError> {
        self.change(|entries| entries.restore(name))
    }

    /// Whether the name is revoked. A name that the vault does not know is not revoked.
    ///
    /// # Errors
    /// The vault does not open.
    pub fn is_revoked(&self, name: &str) -> Result<bool, LocalError> {
        Ok(self.look()?.is_revoked(name))
    }

    /// The value, and its version.
    ///
    /// # Errors
    /// There is no such name, it was revoked, or the vault does not open.
    pub fn get(&self, name: &str) -> Result<(Secret, u64), LocalError> {
        let StoredSecret { secret, version, .. } = self.kept(name)?;
        Ok((secret, version))
    }

    /// The value, its version, and its destinations.
    ///
    /// # Errors
    /// As [`Local::get`].
    pub fn kept(&self, name: &str) -> Result<StoredSecret, LocalError> {
        self.look()?.get(name)
    }

    /// Stages a new value: it is kept beside the present one, which stays in use. Returns the version of the new value.
    ///
    /// # Errors
    /// [`LocalError::Staged`] if a value is staged already: it may be the only copy of what the target has accepted. As [`Local::get`] and
    /// [`Local::set`].
    pub fn stage(&self, name: &str, value: Secret) -> Result<u64, LocalError> {
        self.change(|entries| entries.stage(name, value))
    }

    /// The staged value, and its version.
    ///
    /// # Errors
    /// [`LocalError::NotStaged`], and as [`Local::get`].
    pub fn staged(&self, name: &str) -> Result<(Secret, u64), LocalError> {
        self.read()?.1.staged(name)
    }

    /// Makes the staged value the present one, and returns the old value.
    ///
    /// # Errors
    /// [`LocalError::NotStaged`], and as [`Local::get`] and [`Local::set`].
    pub fn promote(&self, name: &str, now_s: u64) -> Result<Secret, LocalError> {
        self.change(|entries| entries.promote(name, now_s))
    }

    /// Gives up the staged value. Its version is not used again.
    ///
    /// # Errors
    /// As [`Local::promote`].
    pub fn unstage(&self, name: &str) -> Result<(), LocalError> {
        self.change(|entries| entries.unstage(name))
    }

    /// Pairs of names that have the same value.
    ///
    /// # Errors
    /// The vault does not open.
    pub fn alike(&self) -> Result<Vec<(String, String)>, LocalError> {
        let names: Vec<String> = self.list()?.into_iter().filter(|it| !it.revoked && it.version > 0).map(|it| it.name).collect();
        let values: Vec<(String, Secret)> =
            names.into_iter().map(|name| self.get(&name).map(|(value, _)| (name, value))).collect::<Result<_, _>>()?;
        let pairs = values.iter().enumerate().flat_map(|(n, one)| values.iter().skip(n + 1).map(move |other| (one, other)));
        Ok(pairs.filter(|((_, one), (_, other))| one.is(other)).map(|((one, _), (other, _))| (one.clone(), other.clone())).collect())
    }

    /// Everything except for the values, in the order of the names.
    ///
    /// # Errors
    /// The vault does not open.
    pub fn list(&self) -> Result<Vec<Listed>, LocalError> {
        Ok(self.read()?.1.list())
    }

    fn file(&self) -> PathBuf {
        self.home.join("vault")
    }

    fn keep(&self, head: SealHead, key: Key) {
        if matches!(head, SealHead::Passphrase(..)) {
            *self.made.lock().unwrap_or_else(PoisonError::into_inner) = Some((head, key));
        }
    }

    /// Makes one change at a time, among all processes. Nothing is changed if the old values can't be put on the list of live values.
    fn change<T>(&self, change: impl FnOnce(&mut VaultEntries) -> Result<T, LocalError>) -> Result<T, LocalError> {
        self.changed(change, true, &nobody)
    }

    /// Makes a change. With `needs_list`, the change is not made if the old values can't be put on the list of live values.
    fn changed<T>(
        &self,
        change: impl FnOnce(&mut VaultEntries) -> Result<T, LocalError>,
        needs_list: bool,
        witness: &VaultWitness<'_>,
    ) -> Result<T, LocalError> {
        let _lock = disk::lock(&self.home)?;
        let (known, mut entries) = self.read()?;
        let before = entries.values();
        let changed = change(&mut entries)?;
        let former = match self.keep_former(before, &entries) {
            Err(err) if needs_list => return Err(err),
            former => former,
        };
        disk::sweep(&self.home);
        let (head, key) = match known {
            Some((head, key)) => (head.next(), key),
            None => self.first()?,
        };
        self.write((head, &key), &entries, witness)?;
        self.keep(head, key);
        former.map(|()| changed)
    }

    /// All entries, and the key that opened the vault. `None` instead of the key if there is no vault yet.
    fn read(&self) -> Result<(Option<(SealHead, Key)>, VaultEntries), LocalError> {
        let mut bytes = disk::read(&self.file(), FILE_BYTES_MAX)?;
        for _ in 1..READS_MAX {
            match self.understood(bytes.as_deref()) {
                Ok(found) => return Ok(found),
                // The key file may have been removed together with its vault between the two reads.
                Err(err) => match disk::read(&self.file(), FILE_BYTES_MAX)? {
                    again if again == bytes => return Err(err),
                    again => bytes = again,
                },
            }
        }
        self.understood(bytes.as_deref())
    }

    fn understood(&self, bytes: Option<&Vec<u8>>) -> Result<(Option<(SealHead, Key)>, VaultEntries), LocalError> {
        let Some(bytes) = bytes else { return Ok((None, VaultEntries::default())) };
        let (head, sealed) = self.parted(bytes)?;
        let key = self.key(head)?;
        let entries = self.opened(head, &key, sealed)?;
        self.keep(head, key.clone());
        Ok((Some((head, key)), entries))
    }

    fn parted<'a>(&self, bytes: &'a [u8]) -> Result<(SealHead, &'a [u8]), LocalError> {
        SealHead::of(bytes).map_err(|err| match err {
            HeadError::Broken => LocalError::Sealed(self.file()),
            HeadError::Costly => LocalError::Costly(self.file()),
            HeadError::Newer(form) => LocalError::Newer { vault: self.file(), form },
        })
    }

    fn opened(&self, head: SealHead, key: &Key, sealed: &[u8]) -> Result<VaultEntries, LocalError> {
        let plain = seal::open(&head, key, sealed).ok_or_else(|| match (head, &self.passphrase_file) {
            (SealHead::Passphrase(..), Some(passphrase)) => {
                LocalError::OtherPassphrase { vault: self.file(), passphrase: passphrase.clone() }
            }
            _ => LocalError::Sealed(self.file()),
        })?;
        let entries = if head == SealHead::First { VaultEntries::decode_form_1(&plain) } else { VaultEntries::decode(&plain) };
        entries.ok_or_else(|| LocalError::Sealed(self.file()))
    }

    /// INVARIANT: at every moment there is a key that opens the file. The old key is removed after the new file is on disk.
    /// The witness sees the future contents of the file first.
    fn write(&self, (head, key): (SealHead, &Key), entries: &VaultEntries, witness: &VaultWitness<'_>) -> Result<(), LocalError> {
        let (path, bytes) = (self.file(), seal::seal(&head, key, &entries.encode())?);
        witness(&Changing { path: &path, bytes: &bytes, listed: &entries.list() }).map_err(LocalError::Unwitnessed)?;
        disk::write(&path, &bytes)?;
        disk::sweep_keys(&self.home, head.key_file().as_deref())
    }

    /// The key that a head names.
    fn key(&self, head: SealHead) -> Result<Key, LocalError> {
        match head {
            SealHead::First | SealHead::File(_) => self.key_in_file(head),
            SealHead::Passphrase(..) => match self.key_made(head) {
                Some(key) => Ok(key),
                None => Ok(self.of_passphrase(head, &self.passphrase()?)?.1),
            },
            SealHead::Keyring => {
                let home = self.home.canonicalize().map_err(disk::failed("look at", &self.home))?;
                let description = format!("bailiwick-vault:{}", home.display());
                let read = key::read_keyring(&description, KEY_BYTES).and_then(|key| exactly(&key).ok_or(KeyringError::Length));
                read.map_err(|cause| LocalError::Keyring { description, cause })
            }
        }
    }

    /// SECURITY: a key that others could have read protects nothing any more.
    fn key_in_file(&self, head: SealHead) -> Result<Key, LocalError> {
        let path = self.home.join(head.key_file().ok_or_else(|| LocalError::Sealed(self.file()))?);
        let bytes = match disk::read(&path, KEY_BYTES as u64 + 1) {
            Ok(None) => return Err(LocalError::NoKey { key: path, vault: self.file() }),
            Err(err) if matches!(Exposed::of(&err), Some(Exposed::Mode { .. })) => return Err(LocalError::KeyIsOpen(path)),
            read => read?.unwrap_or_default(),
        };
        exactly(&bytes).ok_or(LocalError::Key(path))
    }

    fn passphrase(&self) -> Result<Zeroizing<Vec<u8>>, LocalError> {
        let path = self.passphrase_file.as_ref().ok_or_else(|| LocalError::Locked(self.file()))?;
        Ok(key::read_passphrase(path)?)
    }

    fn of_passphrase(&self, head: SealHead, passphrase: &[u8]) -> Result<(SealHead, Key), LocalError> {
        let SealHead::Passphrase(cost, salt) = head else { return Err(LocalError::NotLocked(self.file())) };
        Ok((head, key::derive(passphrase, cost, &salt)?))
    }

    /// The key for a vault that does not exist yet.
    fn first(&self) -> Result<(SealHead, Key), LocalError> {
        if self.passphrase_file.is_some() {
            return self.of_passphrase(SealHead::new_passphrase(COST)?, &self.passphrase()?);
        }
        let head = SealHead::First.next();
        // The key file of a vault whose first write was interrupted.
        match self.key_in_file(head) {
            Err(LocalError::NoKey { .. }) => self.new_key(head),
            key => Ok((head, key?)),
        }
    }

    fn new_key(&self, head: SealHead) -> Result<(SealHead, Key), LocalError> {
        let key = Key::new(seal::random()?);
        let path = self.home.join(head.key_file().ok_or_else(|| LocalError::Sealed(self.file()))?);
        disk::write(&path, &*key)?;
        Ok((head, key))
    }
}

fn exactly(bytes: &[u8]) -> Option<Key> {
    bytes.try_into().ok().map(Key::new)
}
