//! The vault of a home: one sealed file.
//!
//! Its key is a file beside it, or made of a passphrase, or in the key ring of the kernel; which, the file says itself. A key beside it is for
//! its owner alone, and whoever has the owner's account has both: what that seal is for is a copy of the vault that went elsewhere without its
//! key. Under any key, a file that was changed or cut short is refused whole.
//!
//! What no seal shows: an older file of the same vault, put back. A value that was revoked after it was made is in it.

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
use self::opened::OpenedVault;
pub use self::err::LocalError;
pub(crate) use self::live::{KeptValue, Reader};
use self::seal::{HeadError, SealHead};
pub use self::seal::{KeySource, VAULT_FORM};
use self::witness::nobody;
pub use self::witness::{Changing, VaultWitness, Witnessed};
use crate::secret::Secret;

/// BOUND: bytes of the file: a thousand secrets of the largest size, each with the next one.
const FILE_BYTES_MAX: u64 = 16 << 20;
/// BOUND: looks at a vault that is just being sealed under another key.
const READS_MAX: usize = 5;
/// How long a value that was replaced, given up or revoked is looked for in answers, in seconds. A person who changes a value here is
/// expected to change it at its target within this time. The host does not learn when that happens.
const FORMER_S: u64 = 30 * 24 * 3600;

/// A value, with what its owner has said of it.
#[derive(Clone, Debug)]
pub struct StoredSecret {
    /// The value.
    pub secret: Secret,
    /// Counts the values of its name, from 1.
    pub version: u64,
    /// Where it may go.
    pub destinations: Vec<Destination>,
}

/// The vault of one home. Every call looks whether the file is another one now: what another process has revoked is revoked here with the next
/// request. Calls wait for the disk, and where a passphrase is needed for the first time, for Argon2.
#[derive(Clone)]
pub struct Local {
    home: PathBuf,
    passphrase_file: Option<PathBuf>,
    /// The key that was last made of a passphrase, and of which head. Shared by all that were cloned from one.
    made: Arc<Mutex<Option<(SealHead, Key)>>>,
    /// The vault as it was last opened for a request. Shared like that key.
    last: Arc<Mutex<Option<OpenedVault>>>,
}

impl std::fmt::Debug for Local {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Local").field("home", &self.home).field("passphrase_file", &self.passphrase_file).finish_non_exhaustive()
    }
}

impl Local {
    /// Opens nothing.
    pub fn new(home: &Path) -> Self {
        Self { home: home.to_owned(), passphrase_file: None, made: Arc::default(), last: Arc::default() }
    }

    /// Where the passphrase is, should the vault be sealed under one: a file of one line that not everybody can read and nobody else can write,
    /// read whenever a key is to be made. A vault that does not exist yet is then sealed under it, too.
    #[must_use]
    pub fn with_passphrase_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.passphrase_file = Some(path.into());
        self
    }

    /// Makes the key of a vault that is sealed under a passphrase; this one and its clones then open it until it is sealed anew.
    ///
    /// # Errors
    /// [`LocalError::Sealed`] where it is another passphrase, [`LocalError::NotLocked`] where the vault needs none or does not exist.
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

    /// Seals the vault under another key of that kind, and takes the old one's file away. One that does not exist yet is made, empty.
    ///
    /// Either the old key opens the vault afterwards or the new one, whenever this is cut off. What the disk or a copy keeps of the file before
    /// still opens with the old key.
    ///
    /// # Errors
    /// As [`Local::set`]; for [`KeySource::Keyring`], no key in the key ring.
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

    /// Sets a value, and gives its version. A value that was revoked may be set again. It may be sent where the values of this name may be
    /// sent. A new name has no destinations yet.
    ///
    /// # Errors
    /// An unfit value, a name for which a new value waits, a vault that does not open, a file that can't be written.
    pub fn set(&self, name: &str, value: Secret, now_s: u64) -> Result<u64, LocalError> {
        self.change(|entries| entries.set(name, value, now_s))
    }

    /// The same, and sets where the values of this name may be sent from now on.
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

    /// Sets where the values of a name may be sent from now on.
    ///
    /// # Errors
    /// Nothing of that name, more destinations than are kept, a vault that does not open.
    pub fn send_to(&self, name: &str, destinations: &[Destination]) -> Result<(), LocalError> {
        self.change(|entries| entries.send_to(name, destinations))
    }

    /// Forgets a name: its values, where they may go, how many there were, and whether it was revoked.
    ///
    /// # Errors
    /// Nothing of that name, a vault that does not open.
    pub fn remove(&self, name: &str) -> Result<(), LocalError> {
        self.change(|entries| entries.remove(name))
    }

    /// Sets a value in place of one that is spent, and gives its version; only while that one is still the present one: what was revoked or set anew
    /// meanwhile stays so.
    ///
    /// # Errors
    /// [`LocalError::Changed`] where it is not, and as [`Local::get`] and [`Local::set`].
    pub fn replace(&self, name: &str, spent: &Secret, value: Secret, now_s: u64) -> Result<u64, LocalError> {
        self.change(|entries| entries.replace(name, spent, value, now_s))
    }

    /// Takes a name back, whatever source it has: its values are no longer in the vault, if it had any, and the name stays. What the disk keeps of
    /// the file before is sealed under the same key.
    ///
    /// # Errors
    /// No name, no room for one that has no value here, and as [`Local::set`].
    pub fn revoke(&self, name: &str) -> Result<(), LocalError> {
        // A value that can't be put on the list is still revoked: while the list can't be kept, no run sends anything.
        self.changed(|entries| entries.revoke(name), false, &nobody)
    }

    /// Lifts the revocation of a name that never had a value here.
    ///
    /// # Errors
    /// [`LocalError::Revoked`] for one that had: it is set anew. [`LocalError::NotRevoked`], [`LocalError::Absent`], and as [`Local::set`].
    pub fn restore(&self, name: &str) -> Result<(), LocalError> {
        self.change(|entries| entries.restore(name))
    }

    /// Whether the name was taken back. One that the vault doesn't know was not.
    ///
    /// # Errors
    /// A vault that does not open.
    pub fn is_revoked(&self, name: &str) -> Result<bool, LocalError> {
        Ok(self.look()?.is_revoked(name))
    }

    /// The value, and its version.
    ///
    /// # Errors
    /// Nothing of that name, one that was revoked, a vault that does not open.
    pub fn get(&self, name: &str) -> Result<(Secret, u64), LocalError> {
        let StoredSecret { secret, version, .. } = self.kept(name)?;
        Ok((secret, version))
    }

    /// The value, its version, and where it may go.
    ///
    /// # Errors
    /// As [`Local::get`].
    pub fn kept(&self, name: &str) -> Result<StoredSecret, LocalError> {
        self.look()?.get(name)
    }

    /// Puts a new value beside the present one, which stays in use; gives the new one's version.
    ///
    /// # Errors
    /// [`LocalError::Staged`] where one waits already: it may be the only copy of what the target was told. As [`Local::get`] and [`Local::set`].
    pub fn stage(&self, name: &str, value: Secret) -> Result<u64, LocalError> {
        self.change(|entries| entries.stage(name, value))
    }

    /// The value that waits, and its version.
    ///
    /// # Errors
    /// [`LocalError::NotStaged`], and as [`Local::get`].
    pub fn staged(&self, name: &str) -> Result<(Secret, u64), LocalError> {
        self.read()?.1.staged(name)
    }

    /// Has the value that waits take the present one's place, and gives that one back.
    ///
    /// # Errors
    /// [`LocalError::NotStaged`], and as [`Local::get`] and [`Local::set`].
    pub fn promote(&self, name: &str, now_s: u64) -> Result<Secret, LocalError> {
        self.change(|entries| entries.promote(name, now_s))
    }

    /// Gives the value that waits up. Its version is not used again.
    ///
    /// # Errors
    /// As [`Local::promote`].
    pub fn unstage(&self, name: &str) -> Result<(), LocalError> {
        self.change(|entries| entries.unstage(name))
    }

    /// Pairs of names that have one value.
    ///
    /// # Errors
    /// A vault that does not open.
    pub fn alike(&self) -> Result<Vec<(String, String)>, LocalError> {
        let names: Vec<String> = self.list()?.into_iter().filter(|it| !it.revoked && it.version > 0).map(|it| it.name).collect();
        let values: Vec<(String, Secret)> =
            names.into_iter().map(|name| self.get(&name).map(|(value, _)| (name, value))).collect::<Result<_, _>>()?;
        let pairs = values.iter().enumerate().flat_map(|(n, one)| values.iter().skip(n + 1).map(move |other| (one, other)));
        Ok(pairs.filter(|((_, one), (_, other))| one.is(other)).map(|((one, _), (other, _))| (one.clone(), other.clone())).collect())
    }

    /// Everything but the values, by name.
    ///
    /// # Errors
    /// A vault that does not open.
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

    /// One change at a time, whichever process makes it. Nothing is changed where the values of before can't be put on the list of live values.
    fn change<T>(&self, change: impl FnOnce(&mut VaultEntries) -> Result<T, LocalError>) -> Result<T, LocalError> {
        self.changed(change, true, &nobody)
    }

    /// A change. `needs_list` says that it is not made if the values of before can't be put on the list.
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

    /// Everything, and the key that opened it; none where there is no vault yet.
    fn read(&self) -> Result<(Option<(SealHead, Key)>, VaultEntries), LocalError> {
        let mut bytes = disk::read(&self.file(), FILE_BYTES_MAX)?;
        for _ in 1..READS_MAX {
            match self.understood(bytes.as_deref()) {
                Ok(found) => return Ok(found),
                // Its key may have gone with the file that it was for, between two looks.
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

    /// INVARIANT: whatever it does, a key that opens the file is there: the old one goes once the new file is on disk.
    /// The witness sees what the file will hold first.
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

    /// The key that was made of a passphrase for this head before.
    fn key_made(&self, head: SealHead) -> Option<Key> {
        let made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        made.as_ref().filter(|(of, _)| *of == head).map(|(_, key)| key.clone())
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

    /// For a vault that does not exist yet.
    fn first(&self) -> Result<(SealHead, Key), LocalError> {
        if self.passphrase_file.is_some() {
            return self.of_passphrase(SealHead::new_passphrase(COST)?, &self.passphrase()?);
        }
        let head = SealHead::First.next();
        // One that was made for a vault whose writing was cut off then.
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
