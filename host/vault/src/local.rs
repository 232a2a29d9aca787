//! The vault of a home: one file, sealed under a key beside it.
//!
//! The key is a file for its owner alone. Whoever has the owner's account has both: what the seal is for is a copy of the vault that went
//! elsewhere without its key, and a file that was changed or cut short, which is refused whole.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use chacha20poly1305::aead::{Aead as _, KeyInit as _, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use rustix::fs::{FlockOperation, flock};
use zeroize::Zeroizing;

use crate::secret::{Secret, UnfitError};

/// What the file begins with, and what the seal covers besides its content: the form, so that none is taken for another.
const MAGIC: &[u8] = b"bailiwick vault 1\n";
const NONCE_BYTES: usize = 24;
/// BOUND: bytes of the file: a thousand secrets of the largest size.
const FILE_BYTES_MAX: u64 = 8 << 20;
/// BOUND: secrets in one vault.
const SECRETS_MAX: usize = 1000;

/// The vault can't be used.
#[derive(Debug, thiserror::Error)]
pub enum LocalError {
    /// The system said no.
    #[error("could not {verb} `{}`", path.display())]
    Io {
        /// What was tried.
        verb: &'static str,
        /// On which file.
        path: PathBuf,
        /// What the system said.
        #[source]
        cause: io::Error,
    },
    /// Others may read the key.
    #[error("`{}` may be read by others: `chmod 600` it, and set its secrets anew", .0.display())]
    KeyIsOpen(PathBuf),
    /// The key is no key.
    #[error("`{}` is not a key of 32 bytes", .0.display())]
    Key(PathBuf),
    /// The seal does not hold.
    #[error("`{}` does not open: it was changed, cut short, or belongs to another key", .0.display())]
    Sealed(PathBuf),
    /// There is no more room.
    #[error("the vault holds {SECRETS_MAX} secrets at most")]
    Full,
    /// It could not name a credential.
    #[error("`{}` is no name of a credential: lower-case letters, digits and hyphens, a letter first, 64 at most", .0.escape_debug())]
    NotAName(String),
    /// Nothing of that name.
    #[error("there is no secret `{0}`")]
    Absent(String),
    /// It was taken back.
    #[error("the secret `{0}` was revoked")]
    Revoked(String),
    /// The value is none.
    #[error(transparent)]
    Unfit(#[from] UnfitError),
    /// No random numbers.
    #[error("the system gives no random numbers")]
    Random,
}

/// What is known of a secret besides its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// What it is called.
    pub name: String,
    /// Counts its values, from 1.
    pub version: u64,
    /// When this value was set, seconds since 1970.
    pub set_at: u64,
    /// Whether it was taken back: the value is gone.
    pub revoked: bool,
}

struct Entry {
    version: u64,
    set_at: u64,
    /// Gone where it was revoked.
    value: Option<Secret>,
}

/// The vault of one home. Every call reads the file anew: what another process has revoked is revoked here with the next ask.
#[derive(Clone, Debug)]
pub struct Local {
    file: PathBuf,
    key: PathBuf,
}

fn failed(verb: &'static str, path: &Path) -> impl FnOnce(io::Error) -> LocalError {
    move |cause| LocalError::Io { verb, path: path.to_owned(), cause }
}

impl Local {
    /// Opens nothing.
    pub fn new(home: &Path) -> Self {
        Self { file: home.join("vault"), key: home.join("vault.key") }
    }

    /// Sets a value, and gives its version. One that was revoked may be set again.
    ///
    /// # Errors
    /// A value that is none, a vault that does not open, a file that can't be written.
    pub fn set(&self, name: &str, value: Secret, now_s: u64) -> Result<u64, LocalError> {
        if !effect::is_name(name) {
            return Err(LocalError::NotAName(name.chars().take(80).collect()));
        }
        self.change(|entries| {
            if !entries.contains_key(name) && entries.len() >= SECRETS_MAX {
                return Err(LocalError::Full);
            }
            let version = entries.get(name).map_or(0, |entry| entry.version) + 1;
            entries.insert(name.to_owned(), Entry { version, set_at: now_s, value: Some(value) });
            Ok(version)
        })
    }

    /// Takes a value back: it is no longer in the vault, and its name stays. What the disk keeps of the file before is sealed under the same key.
    ///
    /// # Errors
    /// Nothing of that name, and as [`Local::set`].
    pub fn revoke(&self, name: &str) -> Result<(), LocalError> {
        if !self.read()?.contains_key(name) {
            return Err(LocalError::Absent(name.to_owned()));
        }
        self.change(|entries| {
            entries.get_mut(name).ok_or_else(|| LocalError::Absent(name.to_owned()))?.value = None;
            Ok(())
        })
    }

    /// The value, and its version.
    ///
    /// # Errors
    /// Nothing of that name, one that was revoked, a vault that does not open.
    pub fn get(&self, name: &str) -> Result<(Secret, u64), LocalError> {
        let entry = self.read()?.remove(name).ok_or_else(|| LocalError::Absent(name.to_owned()))?;
        let value = entry.value.ok_or_else(|| LocalError::Revoked(name.to_owned()))?;
        Ok((value, entry.version))
    }

    /// Everything but the values, by name.
    ///
    /// # Errors
    /// A vault that does not open.
    pub fn list(&self) -> Result<Vec<Listed>, LocalError> {
        let listed =
            |(name, entry): (String, Entry)| Listed { name, version: entry.version, set_at: entry.set_at, revoked: entry.value.is_none() };
        Ok(self.read()?.into_iter().map(listed).collect())
    }

    /// One change at a time, whichever process makes it.
    #[expect(clippy::disallowed_methods, reason = "door: the vault of the home")]
    fn change<T>(&self, change: impl FnOnce(&mut BTreeMap<String, Entry>) -> Result<T, LocalError>) -> Result<T, LocalError> {
        let path = self.file.with_extension("lock");
        let lock = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(&path).map_err(failed("open", &path))?;
        flock(&lock, FlockOperation::LockExclusive).map_err(|err| failed("lock", &path)(err.into()))?;
        let mut entries = self.read()?;
        let changed = change(&mut entries)?;
        self.write(&entries)?;
        Ok(changed)
    }

    fn read(&self) -> Result<BTreeMap<String, Entry>, LocalError> {
        let Some(bytes) = read(&self.file, FILE_BYTES_MAX)? else { return Ok(BTreeMap::new()) };
        let broken = || LocalError::Sealed(self.file.clone());
        let sealed = bytes.strip_prefix(MAGIC).ok_or_else(broken)?;
        let (nonce, sealed) = sealed.split_at_checked(NONCE_BYTES).ok_or_else(broken)?;
        let cipher = XChaCha20Poly1305::new(self.key()?.as_slice().into());
        let opened = cipher.decrypt(XNonce::from_slice(nonce), Payload { msg: sealed, aad: MAGIC }).map_err(|_| broken())?;
        decode(&Zeroizing::new(opened)).ok_or_else(broken)
    }

    fn write(&self, entries: &BTreeMap<String, Entry>) -> Result<(), LocalError> {
        let mut nonce = [0; NONCE_BYTES];
        getrandom::fill(&mut nonce).map_err(|_| LocalError::Random)?;
        let cipher = XChaCha20Poly1305::new(self.key_or_new()?.as_slice().into());
        let plain = encode(entries);
        let sealed = cipher.encrypt(XNonce::from_slice(&nonce), Payload { msg: &plain, aad: MAGIC }).map_err(|_| LocalError::Full)?;
        write(&self.file, &[MAGIC, &nonce, &sealed].concat())
    }

    /// SECURITY: a key that others could have read protects nothing any more.
    fn key(&self) -> Result<Zeroizing<Vec<u8>>, LocalError> {
        let bytes = read(&self.key, 33)?.ok_or_else(|| LocalError::Sealed(self.file.clone()))?;
        let mode = fs::metadata(&self.key).map_err(failed("look at", &self.key))?.permissions().mode();
        if mode & 0o077 != 0 {
            return Err(LocalError::KeyIsOpen(self.key.clone()));
        }
        if bytes.len() == 32 { Ok(bytes) } else { Err(LocalError::Key(self.key.clone())) }
    }

    fn key_or_new(&self) -> Result<Zeroizing<Vec<u8>>, LocalError> {
        if !self.key.exists() {
            let mut key = Zeroizing::new(vec![0; 32]);
            getrandom::fill(&mut key).map_err(|_| LocalError::Random)?;
            write(&self.key, &key)?;
        }
        self.key()
    }
}

/// `None` where it is not there.
#[expect(clippy::disallowed_methods, reason = "door: the vault of the home")]
fn read(path: &Path, max: u64) -> Result<Option<Zeroizing<Vec<u8>>>, LocalError> {
    let file = match File::open(path) {
        Err(err) if err.kind() == io::ErrorKind::NotFound => return Ok(None),
        file => file.map_err(failed("open", path))?,
    };
    // Room for all of it: a buffer that grows leaves copies behind.
    let length = file.metadata().map_err(failed("look at", path))?.len().min(max);
    let mut bytes = Zeroizing::new(Vec::with_capacity(usize::try_from(length).unwrap_or(0) + 64));
    file.take(max).read_to_end(&mut bytes).map_err(failed("read", path))?;
    Ok(Some(bytes))
}

/// For its owner alone; whole and on disk, or as it was before.
#[expect(clippy::disallowed_methods, reason = "door: the vault of the home")]
fn write(path: &Path, bytes: &[u8]) -> Result<(), LocalError> {
    let new = path.with_extension(format!("new{}", std::process::id()));
    let _ = fs::remove_file(&new);
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new).map_err(failed("make", &new))?;
    let written = file.write_all(bytes).and_then(|()| file.sync_all()).map_err(failed("write", &new));
    let replaced = written.and_then(|()| fs::rename(&new, path).map_err(failed("replace", path)));
    if replaced.is_err() {
        // It may be a key. That it can't be removed either changes nothing.
        let _ = fs::remove_file(&new);
    }
    replaced?;
    let folder = path.parent().unwrap_or(Path::new("/"));
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed("sync", folder))
}

/// Each field with its length before it. By hand: a library's strings would stay behind in memory.
fn encode(entries: &BTreeMap<String, Entry>) -> Zeroizing<Vec<u8>> {
    let value = |entry: &Entry| entry.value.as_ref().map_or(0, |value| value.expose().len());
    let size: usize = entries.iter().map(|(name, entry)| name.len() + value(entry) + 32).sum();
    let mut to = Zeroizing::new(Vec::with_capacity(size));
    for (name, entry) in entries {
        put(&mut to, name.as_bytes());
        put(&mut to, &entry.version.to_be_bytes());
        put(&mut to, &entry.set_at.to_be_bytes());
        // One that was revoked has none; no secret is empty.
        put(&mut to, entry.value.as_ref().map_or(&[], Secret::expose));
    }
    to
}

fn put(to: &mut Vec<u8>, field: &[u8]) {
    to.extend_from_slice(&u32::try_from(field.len()).unwrap_or(u32::MAX).to_be_bytes());
    to.extend_from_slice(field);
}

fn decode(mut rest: &[u8]) -> Option<BTreeMap<String, Entry>> {
    let mut entries = BTreeMap::new();
    while !rest.is_empty() {
        let name = String::from_utf8(take(&mut rest)?.to_vec()).ok()?;
        let version = u64::from_be_bytes(take(&mut rest)?.try_into().ok()?);
        let set_at = u64::from_be_bytes(take(&mut rest)?.try_into().ok()?);
        let value = take(&mut rest)?;
        let value = if value.is_empty() { None } else { Some(Secret::new(value.to_vec()).ok()?) };
        entries.insert(name, Entry { version, set_at, value });
    }
    Some(entries)
}

fn take<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (length, after) = rest.split_at_checked(4)?;
    let length = usize::try_from(u32::from_be_bytes(length.try_into().ok()?)).ok()?;
    let (field, after) = after.split_at_checked(length)?;
    *rest = after;
    Some(field)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    fn secret(text: &str) -> Secret {
        Secret::new(text.as_bytes().to_vec()).unwrap()
    }

    #[test]
    fn what_was_set_is_there_under_its_newest_version_until_it_is_revoked() {
        let home = tempfile::tempdir().unwrap();
        let vault = Local::new(home.path());
        assert!(matches!(vault.get("a"), Err(LocalError::Absent(_))));
        assert_eq!(vault.set("a", secret("first-value"), 7).unwrap(), 1);
        assert_eq!(vault.set("b", secret("other-value"), 8).unwrap(), 1);
        assert_eq!(vault.set("a", secret("second-value"), 9).unwrap(), 2);
        let (value, version) = Local::new(home.path()).get("a").unwrap();
        assert_eq!((value.expose(), version), (&b"second-value"[..], 2));
        vault.revoke("a").unwrap();
        assert!(matches!(vault.get("a"), Err(LocalError::Revoked(_))));
        let listed = vault.list().unwrap();
        assert_eq!(
            listed.iter().map(|it| (it.name.as_str(), it.version, it.revoked)).collect::<Vec<_>>(),
            [("a", 2, true), ("b", 1, false)]
        );
        assert_eq!(vault.set("a", secret("third-value"), 10).unwrap(), 3);
        assert!(matches!(vault.revoke("c"), Err(LocalError::Absent(_))));
        for name in ["", "A", "a b", "../a", "a\n", "-a", "a-", &"a".repeat(65)] {
            assert!(matches!(vault.set(name, secret("some-value"), 7), Err(LocalError::NotAName(_))), "{name:?}");
        }
    }

    #[test]
    fn no_value_is_in_any_file_and_none_may_be_read_by_others() {
        let home = tempfile::tempdir().unwrap();
        Local::new(home.path()).set("a", secret("correct-horse-battery"), 7).unwrap();
        for entry in fs::read_dir(home.path()).unwrap() {
            let entry = entry.unwrap();
            let bytes = fs::read(entry.path()).unwrap();
            assert!(!bytes.windows(13).any(|window| window == b"correct-horse"), "{entry:?}");
            assert_eq!(entry.metadata().unwrap().permissions().mode() & 0o077, 0, "{entry:?}");
        }
    }

    #[test]
    fn a_vault_that_was_changed_cut_short_or_taken_elsewhere_does_not_open_and_is_not_written_over() {
        let home = tempfile::tempdir().unwrap();
        let vault = Local::new(home.path());
        vault.set("a", secret("correct-horse-battery"), 7).unwrap();
        let whole = fs::read(home.path().join("vault")).unwrap();
        let refused = |bytes: &[u8]| {
            fs::write(home.path().join("vault"), bytes).unwrap();
            assert!(matches!(vault.get("a"), Err(LocalError::Sealed(_))), "{} bytes", bytes.len());
            assert!(vault.set("b", secret("other-value"), 8).is_err());
            assert_eq!(fs::read(home.path().join("vault")).unwrap(), bytes);
        };
        (0..whole.len()).for_each(|end| refused(&whole[..end]));
        for at in 0..whole.len() {
            let mut changed = whole.clone();
            changed[at] ^= 1;
            refused(&changed);
        }
        fs::write(home.path().join("vault"), &whole).unwrap();
        fs::write(home.path().join("vault.key"), [7; 32]).unwrap();
        assert!(matches!(vault.get("a"), Err(LocalError::Sealed(_))), "another home's key");
        fs::remove_file(home.path().join("vault.key")).unwrap();
        assert!(matches!(vault.get("a"), Err(LocalError::Sealed(_))), "no key");
        assert!(vault.set("b", secret("other-value"), 8).is_err(), "no new key for an old vault");
    }

    #[test]
    fn a_key_that_others_may_read_is_no_key() {
        let home = tempfile::tempdir().unwrap();
        let vault = Local::new(home.path());
        vault.set("a", secret("correct-horse-battery"), 7).unwrap();
        fs::set_permissions(home.path().join("vault.key"), fs::Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(vault.get("a"), Err(LocalError::KeyIsOpen(_))));
    }
}
