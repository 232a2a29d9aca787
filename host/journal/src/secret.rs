//! The files of the two secret keys of a home. A key in its file is open, or sealed under a key that is kept elsewhere.

use std::path::Path;

use key::{Under, UnderError};
use vocabulary::record::RotatedKey;
use zeroize::Zeroizing;

use crate::disk::read_own;
use crate::err::OpenError;
use crate::hold::io_at;
use crate::ids::LogId;
use crate::mac::derive;
use crate::note::NoteSigner;
use crate::wire::{hex, unhex};

/// BOUND: the size of the file of a secret. It may contain the longest possible path (4096 bytes) and some text.
const SECRET_BYTES_MAX: u64 = 8 << 10;
const TITLE: &str = "bailiwick key 1";
const TITLE_SEALED: &str = "bailiwick sealed key 1";

/// A secret key of a home.
pub(crate) struct LogSecret {
    pub(crate) key: Zeroizing<[u8; 32]>,
    /// The log, if this is a later signing key of a log that another key signed first.
    pub(crate) log: Option<LogId>,
}

/// The content of the file of a secret. An open one has 32 bytes, or text if the secret has a log:
///
/// ```text
/// bailiwick key 1
/// log LOG
/// secret HEX
/// ```
///
/// A sealed one says which key it is and what it is sealed under (see [`Under`]). The seal authenticates every line before it.
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
    /// The content of the file, not sealed.
    pub(crate) fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        match self.log {
            Some(log) => Zeroizing::new(format!("{TITLE}\nlog {log}\nsecret {}\n", hex(&*self.key)).into_bytes()),
            None => Zeroizing::new(self.key.to_vec()),
        }
    }

    /// The content of the file, sealed. `passphrase` is the file with the passphrase, if it is sealed under one that was not named before.
    pub(crate) fn to_sealed_bytes(&self, name: &str, under: &Under, passphrase: Option<&Path>) -> Result<Zeroizing<Vec<u8>>, UnderError> {
        let about = about(self.log, name, under);
        let sealed = under.seal(&*self.key, about.as_bytes(), passphrase)?;
        Ok(Zeroizing::new(format!("{about}sealed {}\n", hex(&sealed)).into_bytes()))
    }

    /// This key as a signing key.
    pub(crate) fn signer(&self) -> NoteSigner {
        self.log.map_or_else(|| NoteSigner::new(&self.key), |log| NoteSigner::of_log(&self.key, log))
    }

    /// The name of this key on the record.
    pub(crate) fn name(&self, which: RotatedKey) -> String {
        match which {
            RotatedKey::Journal => self.signer().public().newest(),
            RotatedKey::Home => name_of_home_key(&self.key),
        }
    }
}

fn about(log: Option<LogId>, name: &str, under: &Under) -> String {
    let log = log.map_or_else(String::new, |log| format!("log {log}\n"));
    format!("{TITLE_SEALED}\n{log}name {name}\nunder {under}\n")
}

impl SecretFile {
    /// Reads the file at a path. [`OpenError::Key`] if it is missing or is not a secret.
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

    /// What the secret is sealed under; `None` if it is open.
    pub(crate) fn under(&self) -> Option<&Under> {
        match self {
            Self::Open(_) => None,
            Self::Sealed { under, .. } => Some(under),
        }
    }

    /// The name of the key on the record. For a sealed key this is the name in the file, so the key need not be opened.
    pub(crate) fn name(&self, which: RotatedKey) -> String {
        match self {
            Self::Open(secret) => secret.name(which),
            Self::Sealed { name, .. } => name.clone(),
        }
    }

    /// Opens the secret. `path` is the path of the file, for errors.
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

/// The name of the home's key on the record: a part of a keyed hash, from which nobody can compute the key.
pub(crate) fn name_of_home_key(key: &[u8; 32]) -> String {
    hex(derive(key, "bailiwick home key name 1").first_chunk::<8>().unwrap_or(&[0; 8]))
}
