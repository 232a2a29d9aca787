//! The seal of a vault. The head of the file says which key it needs, and the seal covers the head too.

use chacha20poly1305::aead::{Aead as _, KeyInit as _, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use key::{COST, Cost, Key, SALT_BYTES};
use zeroize::Zeroizing;

use super::err::LocalError;

/// How the files of the older form and of the present form begin.
const MAGIC: &[u8] = b"bailiwick vault ";
const MAGIC_1: &[u8] = b"bailiwick vault 1\n";
const MAGIC_2: &[u8] = b"bailiwick vault 2\n";
/// The form that this program writes.
pub const VAULT_FORM: u32 = 2;
/// BOUND: digits of the form of a vault.
const FORM_DIGITS_MAX: usize = 9;
const NONCE_BYTES: usize = 24;
const KEY_ID_BYTES: usize = 8;

/// The kind of key under which a vault is sealed.
pub enum KeySource {
    /// 32 random bytes in a file beside it.
    File,
    /// A key that Argon2id makes from this passphrase. One line end at its end is left out.
    Passphrase(Zeroizing<Vec<u8>>),
    /// 32 bytes in the key ring of the kernel, put there by the operator with type `user` and description `bailiwick-vault:` plus the
    /// home's path. A reboot, and for some key rings a log-out, removes the key. Without another copy of it the vault is then lost.
    Keyring,
}

impl std::fmt::Debug for KeySource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::File => "File",
            Self::Passphrase(_) => "Passphrase(…)",
            Self::Keyring => "Keyring",
        })
    }
}

/// The beginning of a file: its form, and the key that it needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SealHead {
    /// Form 1: the key is in `vault.key`.
    First,
    /// The key is in `vault.key`, or in `vault.key.` followed by this number if the number is not 0.
    File([u8; KEY_ID_BYTES]),
    /// The key is made from a passphrase.
    Passphrase(Cost, [u8; SALT_BYTES]),
    /// The key is in the key ring of the kernel.
    Keyring,
}

/// The reason why bytes are not the beginning of a vault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum HeadError {
    Broken,
    Costly,
    /// A newer program wrote it, in this form.
    Newer(u32),
}

impl SealHead {
    /// Splits a file into its head and what is sealed.
    pub(super) fn of(file: &[u8]) -> Result<(Self, &[u8]), HeadError> {
        if let Some(rest) = file.strip_prefix(MAGIC_1) {
            return Ok((Self::First, rest));
        }
        let rest = file.strip_prefix(MAGIC_2).ok_or_else(|| newer(file).map_or(HeadError::Broken, HeadError::Newer))?;
        match rest.split_first().ok_or(HeadError::Broken)? {
            (1, rest) => rest.split_first_chunk().map(|(id, rest)| (Self::File(*id), rest)).ok_or(HeadError::Broken),
            (2, rest) => Self::of_passphrase(rest),
            (3, rest) => Ok((Self::Keyring, rest)),
            _ => Err(HeadError::Broken),
        }
    }

    /// SECURITY: a file that somebody else wrote must not make the host use more memory and time than its own files would.
    fn of_passphrase(rest: &[u8]) -> Result<(Self, &[u8]), HeadError> {
        let mut rest = rest;
        let mut number = || -> Option<u32> {
            let (bytes, after) = rest.split_first_chunk()?;
            rest = after;
            Some(u32::from_be_bytes(*bytes))
        };
        let (Some(memory_kib), Some(passes), Some(lanes)) = (number(), number(), number()) else { return Err(HeadError::Broken) };
        let (salt, rest) = rest.split_first_chunk().ok_or(HeadError::Broken)?;
        if memory_kib > COST.memory_kib || passes > COST.passes || lanes > COST.lanes {
            return Err(HeadError::Costly);
        }
        Ok((Self::Passphrase(Cost { memory_kib, passes, lanes }, *salt), rest))
    }

    /// The head as it is written in the file.
    pub(super) fn bytes(&self) -> Vec<u8> {
        let two = |kind: u8, rest: &[u8]| [MAGIC_2, &[kind], rest].concat();
        match self {
            Self::First => MAGIC_1.to_vec(),
            Self::File(id) => two(1, id),
            Self::Passphrase(cost, salt) => {
                let [memory, passes, lanes] = [cost.memory_kib, cost.passes, cost.lanes].map(u32::to_be_bytes);
                two(2, &[&memory[..], &passes, &lanes, salt].concat())
            }
            Self::Keyring => two(3, &[]),
        }
    }

    /// The name of the key file.
    pub(super) fn key_file(&self) -> Option<String> {
        match self {
            Self::First | Self::File([0, 0, 0, 0, 0, 0, 0, 0]) => Some("vault.key".to_owned()),
            Self::File(id) => Some(format!("vault.key.{:016x}", u64::from_be_bytes(*id))),
            Self::Passphrase(..) | Self::Keyring => None,
        }
    }

    /// The head with which the same vault is written next. Form 1 is read, but never written.
    pub(super) fn next(self) -> Self {
        if self == Self::First { Self::File([0; KEY_ID_BYTES]) } else { self }
    }

    /// The head for a new key in a new file.
    pub(super) fn new_file() -> Result<Self, LocalError> {
        random().map(Self::File)
    }

    /// The head for another passphrase, or for the same one with another salt.
    pub(super) fn new_passphrase(cost: Cost) -> Result<Self, LocalError> {
        random().map(|salt| Self::Passphrase(cost, salt))
    }
}

/// The form of a file that a newer program wrote.
fn newer(file: &[u8]) -> Option<u32> {
    let rest = file.strip_prefix(MAGIC)?;
    let digits = rest.iter().take(FORM_DIGITS_MAX + 1).position(|byte| *byte == b'\n')?;
    let form = str::from_utf8(rest.get(..digits)?).ok()?.parse().ok()?;
    (form > VAULT_FORM).then_some(form)
}

pub(super) fn random<const N: usize>() -> Result<[u8; N], LocalError> {
    key::random().ok_or(LocalError::Random)
}

/// The whole file: the head and the sealed entries.
pub(super) fn seal(head: &SealHead, key: &Key, plain: &[u8]) -> Result<Vec<u8>, LocalError> {
    let (head, nonce) = (head.bytes(), random::<NONCE_BYTES>()?);
    let cipher = XChaCha20Poly1305::new(key.as_slice().into());
    let sealed = cipher.encrypt(XNonce::from_slice(&nonce), Payload { msg: plain, aad: &head }).map_err(|_| LocalError::Full)?;
    Ok([&head[..], &nonce, &sealed].concat())
}

/// The decrypted contents after the head.
pub(super) fn open(head: &SealHead, key: &Key, sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let (nonce, sealed) = sealed.split_at_checked(NONCE_BYTES)?;
    let cipher = XChaCha20Poly1305::new(key.as_slice().into());
    cipher.decrypt(XNonce::from_slice(nonce), Payload { msg: sealed, aad: &head.bytes() }).ok().map(Zeroizing::new)
}
