//! The file of values that could still give access to a host (`vault.live`). It lies beside the vault and is sealed under its own key,
//! which is sealed under the vault's key. Values are only appended. When the file is rewritten, values that have expired are left out.

use std::path::PathBuf;

use chacha20poly1305::aead::{Aead as _, KeyInit as _, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use key::{KEY_BYTES, Key};
use zeroize::Zeroizing;

use super::disk::{self, DiskMark};
use super::entries::{VaultEntries, number, put, take};
use super::seal;
use super::witness::nobody;
use super::{FORMER_S, Local, LocalError};
use crate::outstanding::Outstanding;
use crate::secret::Secret;

/// The beginning of the file. The file's key follows, sealed twice: under the vault's key, and under the new key while the vault's key is
/// being replaced.
const MAGIC: &[u8] = b"bailiwick live 1\n";
const NONCE_BYTES: usize = 24;
const TAG_BYTES: usize = 16;
const SEALED_KEY_BYTES: usize = NONCE_BYTES + KEY_BYTES + TAG_BYTES;
const HEAD_BYTES: usize = MAGIC.len() + 2 * SEALED_KEY_BYTES;
/// BOUND: bytes of the file, without values that have expired.
const FILE_BYTES_MAX: u64 = 64 << 20;
/// The file is rewritten without expired values when it would become longer than this and longer than twice its length after the last
/// rewrite.
const WHOLE_BYTES: u64 = 4 << 20;

/// One value in the form in which it is kept.
#[derive(Clone, Debug)]
pub(crate) struct KeptValue {
    pub(crate) credential: String,
    /// Host patterns, as people write them.
    pub(crate) hosts: Vec<String>,
    pub(crate) secret: Secret,
    pub(crate) until_s: u64,
}

/// How far a file has been read.
pub(crate) struct Reader {
    mark: DiskMark,
    /// Bytes of complete frames, including the head.
    read: u64,
    key: Option<Key>,
    /// The length at which the file is rewritten.
    grows_to: u64,
}

impl Default for Reader {
    fn default() -> Self {
        Self { mark: DiskMark::default(), read: 0, key: None, grows_to: WHOLE_BYTES }
    }
}

impl Local {
    fn live_file(&self) -> PathBuf {
        self.home.join("vault.live")
    }

    /// Whether no process has kept anything since this reader last looked, and the vault is the file of this mark. Only asks the system.
    pub(crate) fn is_as_read(&self, reader: &Reader, vault: &DiskMark) -> bool {
        reader.mark.is_at(&self.live_file()) && vault.is_at(&self.file())
    }

    /// What any process has kept since this reader last looked.
    pub(crate) fn live_read(&self, reader: &mut Reader) -> Result<Vec<KeptValue>, LocalError> {
        if disk::mark(&self.live_file())? == reader.mark {
            return Ok(Vec::new());
        }
        let _lock = match disk::lock(&self.home) {
            // On a read-only file system nobody changes the file, so no lock is needed.
            Err(LocalError::Io { cause, .. }) if cause.kind() == std::io::ErrorKind::ReadOnlyFilesystem => None,
            lock => Some(lock?),
        };
        self.live_read_locked(reader)
    }

    /// Adds values, and returns those that other processes have added since this reader last read.
    pub(crate) fn live_keep(&self, reader: &mut Reader, values: &[KeptValue], now_s: u64) -> Result<Vec<KeptValue>, LocalError> {
        let _lock = disk::lock(&self.home)?;
        self.live_keep_locked(reader, values, now_s)
    }

    /// Like [`Local::live_keep`], for a caller that holds the lock.
    pub(super) fn live_keep_locked(&self, reader: &mut Reader, values: &[KeptValue], now_s: u64) -> Result<Vec<KeptValue>, LocalError> {
        let path = self.live_file();
        let others = self.live_read_locked(reader)?;
        if let Some(key) = &reader.key {
            let added = framed(key, values)?;
            let bytes = reader.mark.bytes() + added.len() as u64;
            // An incomplete frame would hide everything after it, so the file is then rewritten.
            if reader.read == reader.mark.bytes() && bytes <= reader.grows_to {
                disk::append(&path, &added)?;
                (reader.mark, reader.read) = (disk::mark(&path)?, bytes);
                return Ok(others);
            }
        }
        self.live_write_anew(reader, values, now_s)?;
        Ok(others)
    }

    /// Rewrites the file without values that have expired, and without an incomplete last frame.
    fn live_write_anew(&self, reader: &mut Reader, values: &[KeptValue], now_s: u64) -> Result<(), LocalError> {
        let path = self.live_file();
        let mut kept = match &reader.key {
            Some(key) => self.frames(&disk::read_from(&path, HEAD_BYTES as u64, FILE_BYTES_MAX)?, key)?.0,
            None => Vec::new(),
        };
        kept.retain(|value| value.until_s > now_s);
        kept.extend(values.iter().cloned());
        let key = reader.key.clone().map_or_else(|| seal::random().map(Key::new), Ok)?;
        let mut whole = head(&self.vault_key()?, &key)?;
        whole.extend_from_slice(&framed(&key, &kept)?);
        let bytes = whole.len() as u64;
        if bytes > FILE_BYTES_MAX {
            return Err(LocalError::FullOfLive);
        }
        disk::write(&path, &whole)?;
        *reader = Reader { mark: disk::mark(&path)?, read: bytes, key: Some(key), grows_to: WHOLE_BYTES.max(2 * bytes) };
        Ok(())
    }

    /// Seals the file's key under these two keys of the vault. The caller holds the lock. While the vault is sealed anew, the file's key is
    /// sealed under both keys, so that either opens the file if the process dies meanwhile. Afterwards it is sealed under the new key
    /// alone.
    pub(super) fn live_rekey(&self, from: &Key, (one, other): (&Key, &Key)) -> Result<(), LocalError> {
        let path = self.live_file();
        let mut whole = disk::read_from(&path, 0, FILE_BYTES_MAX)?;
        if whole.is_empty() {
            return Ok(());
        }
        let key = self.live_key_under(from, &whole)?;
        let sealed = [MAGIC, &sealed_under(one, &key[..])?, &sealed_under(other, &key[..])?].concat();
        whole.get_mut(..HEAD_BYTES).ok_or_else(|| LocalError::Sealed(path.clone()))?.copy_from_slice(&sealed);
        disk::write(&path, &whole)
    }

    /// Values that are no longer in the vault may still give access, so they are searched for in answers.
    pub(super) fn keep_former(&self, before: Vec<Outstanding>, entries: &VaultEntries) -> Result<(), LocalError> {
        let after = entries.values();
        let is_gone = |value: &Outstanding| !after.iter().any(|kept| kept.credential == value.credential && kept.secret.is(&value.secret));
        let now_s = disk::now_s();
        let former = before.into_iter().filter(is_gone).map(|value| KeptValue {
            credential: value.credential,
            hosts: value.hosts.iter().map(ToString::to_string).collect(),
            secret: value.secret,
            until_s: now_s + FORMER_S,
        });
        let former: Vec<KeptValue> = former.collect();
        if former.is_empty() { Ok(()) } else { self.live_keep_locked(&mut Reader::default(), &former, now_s).map(drop) }
    }

    /// All values of the vault, if its file is no longer the one of this mark. The mark is then updated.
    pub(crate) fn values_since(&self, mark: &mut DiskMark) -> Result<Option<Vec<Outstanding>>, LocalError> {
        let now = disk::mark(&self.file())?;
        if now == *mark {
            return Ok(None);
        }
        let began = disk::now();
        let values = self.look()?.values();
        // A file that was changed just now is read again, as in `look`.
        *mark = if now.is_settled(began) { now } else { DiskMark::default() };
        Ok(Some(values))
    }

    /// Every value of this home that could give access to a host: those of the vault, and those on the list that have not expired. The
    /// latter were replaced, revoked, removed, obtained or made. A caller removes all of them from what is shown.
    ///
    /// # Errors
    /// The vault or the list does not open. Then it is unknown what has to be removed.
    pub fn live_values(&self, now_s: u64) -> Result<Vec<Secret>, LocalError> {
        // The vault is read first. A value is put on the list before it leaves the vault, so a value that left the vault meanwhile is on
        // the list.
        let present = self.read()?.1.values().into_iter().map(|value| value.secret);
        let kept = self.live_read(&mut Reader::default())?.into_iter().filter(|value| value.until_s > now_s);
        Ok(present.chain(kept.map(|value| value.secret)).collect())
    }

    /// Whether this is a former value of the name: it was replaced, revoked or removed, and is still searched for.
    ///
    /// # Errors
    /// The list does not open.
    pub fn is_former(&self, name: &str, value: &Secret, now_s: u64) -> Result<bool, LocalError> {
        let kept = self.live_read(&mut Reader::default())?;
        Ok(kept.iter().any(|kept| kept.credential == name && kept.until_s > now_s && kept.secret.is(value)))
    }

    fn live_read_locked(&self, reader: &mut Reader) -> Result<Vec<KeptValue>, LocalError> {
        let path = self.live_file();
        let mark = disk::mark(&path)?;
        if mark == DiskMark::default() {
            *reader = Reader::default();
            return Ok(Vec::new());
        }
        // The file was replaced by a rewrite, so it is read from its beginning.
        if !mark.is_same_file(&reader.mark) || mark.bytes() < reader.read || reader.key.is_none() {
            let head = disk::read_from(&path, 0, HEAD_BYTES as u64)?;
            let key = self.live_key_under(&self.vault_key()?, &head)?;
            *reader = Reader { read: HEAD_BYTES as u64, key: Some(key), ..Reader::default() };
        }
        let key = reader.key.as_ref().ok_or_else(|| LocalError::Sealed(path.clone()))?;
        let (values, good) = self.frames(&disk::read_from(&path, reader.read, FILE_BYTES_MAX)?, key)?;
        (reader.mark, reader.read) = (mark, reader.read + good as u64);
        Ok(values)
    }

    /// All values in complete frames, and the number of bytes of these frames. An incomplete last frame is skipped.
    ///
    /// SECURITY: if a frame does not open and others follow it, somebody changed it. If it were skipped, its values would no longer be
    /// searched for.
    fn frames(&self, bytes: &[u8], key: &Key) -> Result<(Vec<KeptValue>, usize), LocalError> {
        let (mut values, mut good, mut rest) = (Vec::new(), 0, bytes);
        while let Some(frame) = take(&mut rest) {
            match opened(key, frame).and_then(|plain| decoded(&plain)) {
                Some(value) => values.push(value),
                // The file may have been extended before its content was written. Then it ends with zeros.
                None if rest.iter().all(|byte| *byte == 0) => break,
                None => return Err(LocalError::Sealed(self.live_file())),
            }
            good = bytes.len() - rest.len();
        }
        Ok((values, good))
    }

    /// The vault's key. If there is no vault yet, an empty one is created.
    fn vault_key(&self) -> Result<Key, LocalError> {
        let (known, entries) = self.read()?;
        if let Some((_, key)) = known {
            return Ok(key);
        }
        let (head, key) = self.first()?;
        // The entries are unchanged.
        self.write((head, &key), &entries, &nobody)?;
        Ok(key)
    }

    fn live_key_under(&self, vault: &Key, head: &[u8]) -> Result<Key, LocalError> {
        let sealed = head.strip_prefix(MAGIC).unwrap_or_default().chunks_exact(SEALED_KEY_BYTES).take(2);
        let key = sealed.filter_map(|sealed| opened(vault, sealed)).find_map(|key| <[u8; KEY_BYTES]>::try_from(key.as_slice()).ok());
        key.map(Key::new).ok_or_else(|| LocalError::Sealed(self.live_file()))
    }
}

fn head(vault: &Key, key: &Key) -> Result<Vec<u8>, LocalError> {
    Ok([MAGIC, &sealed_under(vault, &key[..])?, &sealed_under(vault, &key[..])?].concat())
}

fn sealed_under(key: &Key, plain: &[u8]) -> Result<Vec<u8>, LocalError> {
    let nonce: [u8; NONCE_BYTES] = seal::random()?;
    let cipher = XChaCha20Poly1305::new(key.as_slice().into());
    let sealed = cipher.encrypt(XNonce::from_slice(&nonce), Payload { msg: plain, aad: MAGIC }).map_err(|_| LocalError::FullOfLive)?;
    Ok([&nonce[..], &sealed].concat())
}

fn opened(key: &Key, sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let (nonce, sealed) = sealed.split_at_checked(NONCE_BYTES)?;
    let cipher = XChaCha20Poly1305::new(key.as_slice().into());
    cipher.decrypt(XNonce::from_slice(nonce), Payload { msg: sealed, aad: MAGIC }).ok().map(Zeroizing::new)
}

fn framed(key: &Key, values: &[KeptValue]) -> Result<Vec<u8>, LocalError> {
    let mut framed = Vec::new();
    for value in values {
        put(&mut framed, &sealed_under(key, &encoded(value))?);
    }
    Ok(framed)
}

fn encoded(value: &KeptValue) -> Zeroizing<Vec<u8>> {
    let size = value.credential.len() + value.hosts.iter().map(|host| host.len() + 4).sum::<usize>() + value.secret.expose().len() + 64;
    let mut to = Zeroizing::new(Vec::with_capacity(size));
    put(&mut to, value.credential.as_bytes());
    put(&mut to, &value.until_s.to_be_bytes());
    put(&mut to, value.secret.expose());
    value.hosts.iter().for_each(|host| put(&mut to, host.as_bytes()));
    to
}

fn decoded(mut rest: &[u8]) -> Option<KeptValue> {
    let text = |field: &[u8]| String::from_utf8(field.to_vec()).ok();
    let credential = text(take(&mut rest)?)?;
    let until_s = number(&mut rest)?;
    let secret = Secret::new(take(&mut rest)?.to_vec()).ok()?;
    let mut hosts = Vec::new();
    while !rest.is_empty() {
        hosts.push(text(take(&mut rest)?)?);
    }
    Some(KeptValue { credential, hosts, secret, until_s })
}
