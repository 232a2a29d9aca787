//! The two secret keys of a home as they lie in their files: open, or sealed under a key that is kept elsewhere.

use std::io;
use std::path::{Path, PathBuf};

use key::{Under, UnderError};
use vocabulary::record::RotatedKey;
use zeroize::Zeroizing;

use crate::disk::{Disk, read_own, write_whole};
use crate::err::OpenError;
use crate::hold::io_at;
use crate::ids::LogId;
use crate::keys::{self, random};
use crate::note::NoteSigner;
use crate::wire::{hex, unhex};

/// BOUND: bytes of the file of a secret: the longest path of a file (4096 bytes), and what stands around it.
const SECRET_BYTES_MAX: u64 = 8 << 10;
const TITLE: &str = "bailiwick key 1";
const TITLE_SEALED: &str = "bailiwick sealed key 1";

/// A secret of a home.
pub(crate) struct LogSecret {
    pub(crate) key: Zeroizing<[u8; 32]>,
    /// Of a key that signs a log which another key signed first: that log.
    pub(crate) log: Option<LogId>,
}

/// The file of a secret. One that is open has 32 bytes, or the log as well:
///
/// ```text
/// bailiwick key 1
/// log LOG
/// secret HEX
/// ```
///
/// One that is sealed says which key it is and under what it is sealed (see [`Under`]). The seal covers every line before it.
///
/// ```text
/// bailiwick sealed key 1
/// log LOG            only as above
/// name NAME          a public key, or the name of the home's key
/// under UNDER
/// sealed HEX
/// ```
pub(crate) enum SecretFile {
    Open(LogSecret),
    Sealed { log: Option<LogId>, name: String, under: Under, sealed: Vec<u8> },
}

impl LogSecret {
    /// The file of one that is open.
    pub(crate) fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        match self.log {
            Some(log) => Zeroizing::new(format!("{TITLE}\nlog {log}\nsecret {}\n", hex(&*self.key)).into_bytes()),
            None => Zeroizing::new(self.key.to_vec()),
        }
    }

    /// The file of one that is sealed. `passphrase` is the file with the passphrase, if it is sealed under one that was not named before.
    pub(crate) fn to_sealed_bytes(&self, name: &str, under: &Under, passphrase: Option<&Path>) -> Result<Zeroizing<Vec<u8>>, UnderError> {
        let about = about(self.log, name, under);
        let sealed = under.seal(&*self.key, about.as_bytes(), passphrase)?;
        Ok(Zeroizing::new(format!("{about}sealed {}\n", hex(&sealed)).into_bytes()))
    }

    /// The key that signs, if this is one.
    pub(crate) fn signer(&self) -> NoteSigner {
        self.log.map_or_else(|| NoteSigner::new(&self.key), |log| NoteSigner::of_log(&self.key, log))
    }

    /// What this one is called on the record.
    pub(crate) fn name(&self, which: RotatedKey) -> String {
        match which {
            RotatedKey::Journal => self.signer().public().newest(),
            RotatedKey::Home => keys::name_of_home_key(&self.key),
        }
    }
}

fn about(log: Option<LogId>, name: &str, under: &Under) -> String {
    let log = log.map_or_else(String::new, |log| format!("log {log}\n"));
    format!("{TITLE_SEALED}\n{log}name {name}\nunder {under}\n")
}

impl SecretFile {
    /// The file at a path. [`OpenError::Key`] if it is not there or is no secret.
    pub(crate) fn read(path: &Path) -> Result<Self, OpenError> {
        let missing = || OpenError::Key { path: path.to_owned() };
        let bytes = Zeroizing::new(read_own(path, SECRET_BYTES_MAX).map_err(io_at(path))?.ok_or_else(missing)?);
        Self::of_bytes(&bytes).ok_or_else(missing)
    }

    fn of_bytes(bytes: &[u8]) -> Option<Self> {
        if let Ok(key) = bytes.try_into() {
            return Some(Self::Open(LogSecret { key: Zeroizing::new(key), log: None }));
        }
        let mut lines = str::from_utf8(bytes).ok()?.strip_suffix('\n')?.split('\n').peekable();
        let title = lines.next()?;
        let log = match lines.peek()?.strip_prefix("log ") {
            Some(log) => lines.next().and(Some(log.parse().ok()?)),
            None => None,
        };
        let file = match title {
            TITLE => Self::Open(LogSecret { log: Some(log?), key: Zeroizing::new(unhex(lines.next()?.strip_prefix("secret ")?)?) }),
            TITLE_SEALED => Self::Sealed {
                log,
                name: lines.next()?.strip_prefix("name ")?.to_owned(),
                under: lines.next()?.strip_prefix("under ")?.parse().ok()?,
                sealed: crate::wire::unhex_all(lines.next()?.strip_prefix("sealed ")?)?,
            },
            _ => return None,
        };
        lines.next().is_none().then_some(file)
    }

    /// Under what it is sealed.
    pub(crate) fn under(&self) -> Option<&Under> {
        match self {
            Self::Open(_) => None,
            Self::Sealed { under, .. } => Some(under),
        }
    }

    /// What the key is called on the record. Of a sealed one this is what the file says: nobody has to open it.
    pub(crate) fn name(&self, which: RotatedKey) -> String {
        match self {
            Self::Open(secret) => secret.name(which),
            Self::Sealed { name, .. } => name.clone(),
        }
    }

    /// The secret. `path` is where it lies, for the error.
    pub(crate) fn opened(self, path: &Path) -> Result<LogSecret, OpenError> {
        let Self::Sealed { log, name, under, sealed } = self else {
            return match self {
                Self::Open(secret) => Ok(secret),
                Self::Sealed { .. } => Err(OpenError::Key { path: path.to_owned() }),
            };
        };
        let plain = under.open(&sealed, about(log, &name, &under).as_bytes());
        let plain = plain.map_err(|cause| OpenError::KeySealed { path: path.to_owned(), cause: Box::new(cause) })?;
        let key = plain.as_slice().try_into().map_err(|_| OpenError::Key { path: path.to_owned() })?;
        Ok(LogSecret { key: Zeroizing::new(key), log })
    }
}

/// Reads and opens a secret.
pub(crate) fn read_secret(path: &Path) -> Result<LogSecret, OpenError> {
    SecretFile::read(path)?.opened(path)
}

/// Under what the key that signs and the home's key are sealed, in this order. Neither is opened.
///
/// # Errors
/// One of them is not there, or can't be read.
pub fn kept(home: &Path) -> Result<[Option<Under>; 2], OpenError> {
    let of = |path: &Path| Ok(SecretFile::read(path)?.under().cloned());
    Ok([of(&keys::sign_path(home))?, of(&keys::home_key_path(home))?])
}

/// The same, once both were opened: with that, everything that needs a key works.
///
/// # Errors
/// One of them is not there, or does not open.
pub fn keys_at_hand(home: &Path) -> Result<[Option<Under>; 2], OpenError> {
    keys::signer(home)?;
    keys::HomeKey::load(home)?;
    kept(home)
}

/// Where a new key of a home is kept.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub enum Keep {
    /// As the present one is.
    #[default]
    AsNow,
    /// Open, in the home.
    InHome,
    /// In the home, sealed under the 32 bytes in this file, which is made if it is not there. Its folder must be there, and not in the home.
    UnderFile(PathBuf),
    /// In the home, sealed under a key of the kernel: type `user`, description `bailiwick-keys:` and the path of the home.
    UnderKeyring,
    /// In the home, sealed under what is made of the passphrase in this file.
    UnderPassphrase(PathBuf),
}

/// What the new key in the place of `path` is sealed under, and the file with the passphrase, if it is a new one.
pub(crate) fn under_of(disk: &dyn Disk, home: &Path, path: &Path, keep: &Keep) -> Result<Option<(Under, Option<PathBuf>)>, OpenError> {
    Ok(match keep {
        Keep::AsNow => SecretFile::read(path)?.under().cloned().map(|under| (under, None)),
        Keep::InHome => None,
        Keep::UnderFile(file) => Some((Under::File(key_file(disk, home, file)?), None)),
        Keep::UnderKeyring => {
            let home = home.canonicalize().map_err(io_at(home))?;
            Some((Under::Keyring(format!("bailiwick-keys:{}", home.display())), None))
        }
        Keep::UnderPassphrase(file) => {
            outside(home, file)?;
            Some((under_passphrase(home)?, Some(file.clone())))
        }
    })
}

/// Both keys have the same salt, so that a command that needs both makes one key of the passphrase, and not two.
fn under_passphrase(home: &Path) -> Result<Under, OpenError> {
    for secret in [keys::sign_path(home), keys::home_key_path(home)] {
        if let Some(under @ Under::Passphrase(..)) = SecretFile::read(&secret)?.under() {
            return Ok(under.clone());
        }
    }
    Under::new_passphrase().map_err(not_sealed)
}

fn not_sealed(cause: UnderError) -> OpenError {
    OpenError::NotSealed { cause: Box::new(cause) }
}

/// Where a file lies, or will lie, without links on the way: those are the operator's, now, and later none is followed. It must not be in the home.
fn outside(home: &Path, file: &Path) -> Result<PathBuf, OpenError> {
    let (Some(folder), Some(name)) = (file.parent(), file.file_name()) else {
        return Err(OpenError::KeyInHome { path: file.to_owned() });
    };
    let folder = folder.canonicalize().map_err(io_at(folder))?;
    if folder.starts_with(home.canonicalize().map_err(io_at(home))?) {
        return Err(OpenError::KeyInHome { path: file.to_owned() });
    }
    Ok(folder.join(name))
}

/// The file of the key that something is sealed under, made if it is not there. One that can't be used is not left behind.
fn key_file(disk: &dyn Disk, home: &Path, file: &Path) -> Result<PathBuf, OpenError> {
    let file = outside(home, file)?;
    let under = Under::File(file.clone());
    under.check_text().map_err(not_sealed)?;
    let is_there = |file: &Path| std::fs::symlink_metadata(file).is_ok();
    let is_new = !is_there(&file) && make_key_file(disk, &file)?;
    match under.seal(b"", b"", None) {
        Err(cause) => {
            if is_new {
                disk.remove(&file).map_err(io_at(&file))?;
            }
            Err(not_sealed(cause))
        }
        Ok(_) => Ok(file),
    }
}

/// Whether it was made here: somebody else may be quicker, and then that one is used. It is written under a name that nobody else has.
fn make_key_file(disk: &dyn Disk, path: &Path) -> Result<bool, OpenError> {
    let name = hex(&random::<8>().ok_or(OpenError::NoRandomness)?);
    let aside = path.with_file_name(format!(".bailiwick-{name}.new"));
    let key = Zeroizing::new(random::<32>().ok_or(OpenError::NoRandomness)?);
    let folder = path.parent().unwrap_or(path);
    let put = || -> io::Result<bool> {
        let file = disk.create(&aside)?;
        write_whole(disk, &file, key.as_slice(), 0)?;
        disk.sync(&file)?;
        match disk.rename_new(&aside, path) {
            Err(cause) if cause.kind() == io::ErrorKind::AlreadyExists => disk.remove(&aside).map(|()| false),
            renamed => renamed.and_then(|()| disk.sync_folder(folder)).map(|()| true),
        }
    };
    put().map_err(|cause| {
        // It has nothing that is used yet.
        let _ = disk.remove(&aside);
        io_at(path)(cause)
    })
}
