//! Secrets that are sealed under a key which is kept elsewhere: in a file, or in the key ring of the kernel. The key can also be derived
//! from a passphrase.

use std::fmt;
use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use chacha20poly1305::aead::{Aead as _, KeyInit as _, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use zeroize::Zeroizing;

use crate::keyring::{KeyringError, read as read_keyring};
use crate::passphrase::{COST, Cost, KEY_BYTES, Key, PassphraseError, SALT_BYTES, derive, random, read_passphrase};
use crate::pinned;

const NONCE_BYTES: usize = 24;
/// BOUND: how many passphrases one process tries.
const FILES_MAX: usize = 4;
/// BOUND: how many keys derived from passphrases are remembered. Deriving one takes 64 MiB and a tenth of a second.
const MADE_MAX: usize = 16;

/// The place of the key under which a secret is sealed. As text: `file PATH`, `keyring DESCRIPTION`, or
/// `passphrase MEMORY_KIB PASSES LANES SALT`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Under {
    /// 32 bytes in a file that only its owner may read. This is its full path.
    File(PathBuf),
    /// 32 bytes in the key ring of the kernel, of type `user`, with this description.
    Keyring(String),
    /// A key that Argon2id derives from a passphrase with this cost and this salt.
    Passphrase(Cost, [u8; SALT_BYTES]),
}

/// Why a sealed secret does not open.
#[derive(Debug, thiserror::Error)]
pub enum UnderError {
    /// No file with a passphrase was named.
    #[error("it is sealed under a passphrase, and `BAILIWICK_PASSPHRASE_FILE` names no file with it")]
    NoPassphrase,
    /// The file with the passphrase can't be used.
    #[error(transparent)]
    Passphrase(#[from] PassphraseError),
    /// None of the passphrases opens the secret. Names the file that was tried last.
    #[error("the passphrase in `{}` does not open it: it is the wrong passphrase, or the key was changed", .0.display())]
    OtherPassphrase(PathBuf),
    /// The file with the key can't be read.
    #[error("the key that opens it could not be read from `{}`", path.display())]
    File {
        /// The path of the file.
        path: PathBuf,
        /// Why it can't be read.
        #[source]
        cause: io::Error,
    },
    /// The key in the file or in the key ring does not open the secret.
    #[error("the key in {0} does not open it: it is the wrong key, or what it opens was changed")]
    OtherKey(String),
    /// The key can't be read from the key ring.
    #[error("the key that opens it is not in the key ring of the kernel, as `{description}`")]
    Keyring {
        /// The description of the key there.
        description: String,
        /// Why it can't be read.
        #[source]
        cause: KeyringError,
    },
    /// The path or the description can't be written beside the sealed secret.
    #[error("the path or the description of a key must be text without a line end")]
    NotText,
    /// The system gives no random bytes.
    #[error("the system gives no random bytes")]
    NoRandomness,
}

impl fmt::Display for Under {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "file {}", path.display()),
            Self::Keyring(description) => write!(f, "keyring {description}"),
            Self::Passphrase(cost, salt) => {
                let salt: String = salt.iter().map(|byte| format!("{byte:02x}")).collect();
                write!(f, "passphrase {} {} {} {salt}", cost.memory_kib, cost.passes, cost.lanes)
            }
        }
    }
}

impl FromStr for Under {
    type Err = ();

    /// SECURITY: a text that somebody else wrote must not make the host use more memory and time than its own texts do.
    fn from_str(text: &str) -> Result<Self, ()> {
        let (kind, rest) = text.split_once(' ').ok_or(())?;
        match kind {
            "file" if Path::new(rest).is_absolute() => Ok(Self::File(rest.into())),
            "keyring" if !rest.is_empty() => Ok(Self::Keyring(rest.to_owned())),
            "passphrase" => {
                let [memory, passes, lanes, salt] = rest.split(' ').collect::<Vec<_>>().try_into().map_err(|_| ())?;
                let number = |text: &str| text.parse::<u32>().map_err(|_| ());
                let cost = Cost { memory_kib: number(memory)?, passes: number(passes)?, lanes: number(lanes)? };
                let is_bounded = cost.memory_kib <= COST.memory_kib && cost.passes <= COST.passes && cost.lanes <= COST.lanes;
                let salt = salt_of(salt).filter(|_| is_bounded).ok_or(())?;
                Ok(Self::Passphrase(cost, salt))
            }
            _ => Err(()),
        }
    }
}

fn salt_of(hex: &str) -> Option<[u8; SALT_BYTES]> {
    let digits = hex.as_bytes().as_chunks::<2>().0;
    let bytes = digits.iter().map(|two| u8::from_str_radix(str::from_utf8(two).ok()?, 16).ok());
    bytes.collect::<Option<Vec<_>>>()?.try_into().ok().filter(|_| hex.len() == 2 * SALT_BYTES)
}

impl Under {
    /// A passphrase with a new salt.
    ///
    /// # Errors
    /// The system gives no random bytes.
    pub fn new_passphrase() -> Result<Self, UnderError> {
        Ok(Self::Passphrase(COST, random().ok_or(UnderError::NoRandomness)?))
    }

    /// Names the place of the key for people. Nothing secret is in it.
    pub fn words(&self) -> String {
        match self {
            Self::File(path) => format!("the key in `{}`", path.display()),
            Self::Keyring(description) => format!("the key `{description}` of the kernel"),
            Self::Passphrase(..) => "a passphrase".to_owned(),
        }
    }

    /// Checks that it can be written as text and read back.
    ///
    /// # Errors
    /// [`UnderError::NotText`].
    pub fn check_text(&self) -> Result<(), UnderError> {
        let text = self.to_string();
        if text.contains('\n') || text.parse().as_ref() != Ok(self) { Err(UnderError::NotText) } else { Ok(()) }
    }

    /// Seals a secret. `passphrase` is the file with the passphrase, if the secret is sealed under one; without it, the file that was named
    /// first is used. `about` is authenticated with the secret.
    ///
    /// # Errors
    /// The key is missing or can't be read.
    pub fn seal(&self, plain: &[u8], about: &[u8], passphrase: Option<&Path>) -> Result<Vec<u8>, UnderError> {
        self.check_text()?;
        let key = match self {
            Self::File(path) => in_file(path)?,
            Self::Keyring(description) => in_keyring(description)?,
            Self::Passphrase(cost, salt) => {
                let named = locked(&FILES).first().cloned();
                let file = passphrase.map(Path::to_owned).or(named).ok_or(UnderError::NoPassphrase)?;
                derive(&read_passphrase(&file)?, *cost, salt)?
            }
        };
        let nonce = random::<NONCE_BYTES>().ok_or(UnderError::NoRandomness)?;
        let sealed = XChaCha20Poly1305::new(key.as_slice().into()).encrypt(XNonce::from_slice(&nonce), Payload { msg: plain, aad: about });
        Ok([&nonce[..], &sealed.map_err(|_| UnderError::NoRandomness)?].concat())
    }

    /// Opens a secret that was sealed with the same `about`.
    ///
    /// # Errors
    /// The key is missing or wrong, or the sealed bytes or `about` were changed.
    pub fn open(&self, sealed: &[u8], about: &[u8]) -> Result<Zeroizing<Vec<u8>>, UnderError> {
        match self {
            Self::File(path) => opened(&in_file(path)?, sealed, about).ok_or_else(|| UnderError::OtherKey(format!("`{}`", path.display()))),
            Self::Keyring(description) => opened(&in_keyring(description)?, sealed, about)
                .ok_or_else(|| UnderError::OtherKey(format!("the key ring of the kernel, `{description}`,"))),
            Self::Passphrase(cost, salt) => open_with_passphrase(*cost, salt, sealed, about),
        }
    }
}

fn opened(key: &Key, sealed: &[u8], about: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let (nonce, sealed) = sealed.split_at_checked(NONCE_BYTES)?;
    let cipher = XChaCha20Poly1305::new(key.as_slice().into());
    cipher.decrypt(XNonce::from_slice(nonce), Payload { msg: sealed, aad: about }).ok().map(Zeroizing::new)
}

/// A derived key that opened something is remembered by its salt, since the readers of a home open its key several times.
fn open_with_passphrase(cost: Cost, salt: &[u8; SALT_BYTES], sealed: &[u8], about: &[u8]) -> Result<Zeroizing<Vec<u8>>, UnderError> {
    let made = locked(&MADE).iter().filter(|(of, _)| of == salt).find_map(|(_, key)| opened(key, sealed, about));
    if let Some(plain) = made {
        return Ok(plain);
    }
    let files = locked(&FILES).clone();
    let mut err = UnderError::NoPassphrase;
    for file in files {
        let key = derive(&read_passphrase(&file)?, cost, salt)?;
        if let Some(plain) = opened(&key, sealed, about) {
            let mut made = locked(&MADE);
            if made.len() >= MADE_MAX {
                made.clear();
            }
            made.push((*salt, key));
            return Ok(plain);
        }
        err = UnderError::OtherPassphrase(file);
    }
    Err(err)
}

/// Reads the key in a file of 32 bytes.
///
/// SECURITY: only its owner may read the file, and its owner must be this user or root.
fn in_file(path: &Path) -> Result<Key, UnderError> {
    let failed = |cause| UnderError::File { path: path.to_owned(), cause };
    let file = pinned::open(path).map_err(failed)?;
    let metadata = file.metadata().map_err(failed)?;
    pinned::check_secret(&metadata).map_err(failed)?;
    if metadata.permissions().mode() & 0o077 != 0 {
        return Err(failed(io::Error::new(
            io::ErrorKind::PermissionDenied,
            "others may read it: `chmod 600` it, and rotate what it opens",
        )));
    }
    whole_key(file).map_err(failed)
}

fn whole_key(file: File) -> io::Result<Key> {
    let (mut key, mut file) = (Key::default(), file);
    let has_more = |mut file: File| Ok::<_, io::Error>(file.read(&mut [0])? > 0);
    match file.read_exact(&mut *key) {
        Ok(()) if !has_more(file.try_clone()?)? => Ok(key),
        Ok(()) => Err(wrong_length()),
        Err(cause) if cause.kind() == io::ErrorKind::UnexpectedEof => Err(wrong_length()),
        Err(cause) => Err(cause),
    }
}

fn wrong_length() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("a key has {KEY_BYTES} bytes, and nothing else may be in its file"))
}

fn in_keyring(description: &str) -> Result<Key, UnderError> {
    let failed = |cause| UnderError::Keyring { description: description.to_owned(), cause };
    let bytes = read_keyring(description, KEY_BYTES).map_err(failed)?;
    bytes.as_slice().try_into().map(Zeroizing::new).map_err(|_| failed(KeyringError::Length))
}

/// The files with passphrases that the operator named. There is one list for the process, like the environment that names them.
static FILES: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());
/// Keys that were derived from a passphrase with this salt and opened something.
static MADE: Mutex<Vec<([u8; SALT_BYTES], Key)>> = Mutex::new(Vec::new());

fn locked<T>(what: &Mutex<T>) -> MutexGuard<'_, T> {
    what.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Names a file with a passphrase, which is tried after those that were named before. Files beyond the bound are ignored.
pub fn name_passphrase_file(path: PathBuf) {
    let mut files = locked(&FILES);
    if files.len() < FILES_MAX && !files.contains(&path) {
        files.push(path);
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    fn written(folder: &Path, name: &str, bytes: &[u8], mode: u32) -> PathBuf {
        let path = folder.join(name);
        std::fs::write(&path, bytes).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        path
    }

    #[test]
    fn a_key_in_a_file_opens_what_it_sealed_and_nothing_that_was_changed() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        let under = Under::File(written(&root, "key", &[7; 32], 0o600));
        let sealed = under.seal(b"secret", b"about", None).unwrap();
        assert_eq!(under.open(&sealed, b"about").unwrap().as_slice(), b"secret");
        assert!(matches!(under.open(&sealed, b"other"), Err(UnderError::OtherKey(_))));
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            *changed.get_mut(at).unwrap() ^= 1;
            assert!(under.open(&changed, b"about").is_err(), "byte {at}");
        }
        for (name, bytes, mode, why) in [
            ("other", &[8; 32][..], 0o600, "the wrong key"),
            ("short", &[7; 31], 0o600, "32 bytes"),
            ("long", &[7; 33], 0o600, "32 bytes"),
            ("open", &[7; 32], 0o640, "chmod 600"),
        ] {
            let err = Under::File(written(&root, name, bytes, mode)).open(&sealed, b"about").unwrap_err();
            let words = format!("{err}: {:?}", std::error::Error::source(&err).map(ToString::to_string));
            assert!(words.contains(why), "{name}: {words}");
        }
        assert!(matches!(Under::File(root.join("gone")).open(&sealed, b"about"), Err(UnderError::File { .. })));
        assert!(matches!(Under::Keyring("bailiwick:never-put".to_owned()).open(&sealed, b"about"), Err(UnderError::Keyring { .. })));
    }

    #[test]
    fn a_passphrase_opens_what_it_sealed_and_another_one_does_not() {
        let folder = tempfile::tempdir().unwrap();
        let (right, wrong) =
            (written(folder.path(), "right", b"correct horse\n", 0o600), written(folder.path(), "wrong", b"battery staple", 0o600));
        let cheap = |salt| Under::Passphrase(Cost { memory_kib: 64, passes: 1, lanes: 1 }, [salt; SALT_BYTES]);
        assert!(matches!(cheap(1).seal(b"secret", b"", None), Err(UnderError::NoPassphrase)));
        let sealed = cheap(1).seal(b"secret", b"", Some(&right)).unwrap();
        assert!(matches!(cheap(1).open(&sealed, b""), Err(UnderError::NoPassphrase)));
        name_passphrase_file(wrong);
        assert!(matches!(cheap(1).open(&sealed, b""), Err(UnderError::OtherPassphrase(_))));
        name_passphrase_file(right);
        for _ in 0..2 {
            assert_eq!(cheap(1).open(&sealed, b"").unwrap().as_slice(), b"secret");
        }
        assert!(cheap(2).open(&sealed, b"").is_err(), "another salt makes another key");
    }

    #[test]
    fn where_a_key_is_reads_as_it_was_written_and_asks_for_no_more_than_the_host_would() {
        for under in [Under::File("/mnt/a b/key".into()), Under::Keyring("bailiwick-keys:/h".to_owned()), Under::new_passphrase().unwrap()]
        {
            assert_eq!(under.to_string().parse(), Ok(under));
        }
        let salt = "00".repeat(SALT_BYTES);
        assert!(format!("passphrase 65536 3 1 {salt}").parse::<Under>().is_ok());
        for costly in ["65537 3 1", "65536 4 1", "65536 3 2"] {
            assert!(format!("passphrase {costly} {salt}").parse::<Under>().is_err(), "{costly}");
        }
        for broken in ["", "file", "file rel", "keyring ", "passphrase 1 1 1", "passphrase 1 1 1 00", "other x"] {
            assert!(broken.parse::<Under>().is_err(), "{broken:?}");
        }
        assert!(format!("passphrase 1 1 1 {}", "é".repeat(SALT_BYTES)).parse::<Under>().is_err());
    }
}
