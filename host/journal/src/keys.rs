//! The keys of a home: the signing key, the home's key, which wraps the keys of runs, and a key for each run.
//!
//! Run keys are slots of 128 bytes in one file, and not one file each: creating, syncing and naming a file would cost too much for an agent
//! that runs for ten microseconds, and a million runs would be a million files. A slot holds the run and its key, sealed with the home's
//! key. The slot is appended before the sync of the batch that opens the run. Forgetting a run overwrites its slot with zeros, and no slot
//! is used again. Overwriting in place removes the key from the file. A disk or file system that keeps old blocks (snapshots, copy on
//! write, wear levelling) may still keep the key, sealed with the home's key.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use chacha20poly1305::aead::{Aead as _, KeyInit as _, Payload as Sealing};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use home::Access;
use vocabulary::RunId;
use vocabulary::record::RotatedKey;
use zeroize::Zeroizing;

use crate::disk::{Disk, Replace, read_handed, read_own, replace};
use crate::err::OpenError;
use crate::hold::io_at;
use crate::key_paths::{home_key_path, next, public_path, run_keys_path, sign_path};
use crate::mac::{Mac, derive};
use crate::note::{NoteSigner, PublicKey};
use crate::random::random;
use crate::rotations;
use crate::secret::{name_of_home_key, read_secret};
use crate::wire::{Fields, unhex};

/// The size of a slot in the file of run keys.
pub(crate) const SLOT_BYTES: usize = 128;
const SLOT_VERSION: u8 = 1;
/// BOUND: the size of the file of the public keys of a log.
const PUBLIC_BYTES_MAX: u64 = 64 << 10;
/// The form of the keys of a home.
pub const KEYS_FORM: u32 = 1;
/// How many slots are read at once.
pub(crate) const SLOTS_AT_ONCE: u64 = 4096;

/// The home's own key, split by purpose: wrapping run keys, and authenticating the index.
#[derive(Clone)]
pub(crate) struct HomeKey {
    /// The name of the key on the record.
    pub(crate) name: String,
    wrap: Zeroizing<[u8; 32]>,
    pub(crate) index: Mac,
}

impl HomeKey {
    pub(crate) fn new(key: &[u8; 32]) -> Self {
        Self { name: name_of_home_key(key), wrap: derive(key, "bailiwick wrap 1"), index: Mac::new(&derive(key, "bailiwick index 1")) }
    }

    /// Loads the key of a home that exists.
    pub(crate) fn load(home: &Path) -> Result<Self, OpenError> {
        Ok(Self::new(&*home_secret(home)?))
    }

    fn additional(run: RunId, slot: u64) -> Vec<u8> {
        [b"bailiwick run key 1".as_slice(), &run.to_bytes(), &slot.to_le_bytes()].concat()
    }

    fn wrap(&self, key: &[u8; 32], nonce: [u8; 24], run: RunId, slot: u64) -> Option<[u8; SLOT_BYTES]> {
        let aad = Self::additional(run, slot);
        let sealed = XChaCha20Poly1305::new(self.wrap.as_slice().into())
            .encrypt(XNonce::from_slice(&nonce), Sealing { msg: key, aad: &aad })
            .ok()?;
        let mut out = [0; SLOT_BYTES];
        let fields = [[SLOT_VERSION].as_slice(), &run.to_bytes(), &nonce, &sealed].concat();
        for (to, from) in out.iter_mut().zip(fields) {
            *to = from;
        }
        Some(out)
    }

    /// Wraps the key in a slot under another key of the home. `None` if this key does not open the slot.
    pub(crate) fn rewrap(&self, to: &Self, bytes: &[u8; SLOT_BYTES], slot: u64, nonce: [u8; 24]) -> Option<[u8; SLOT_BYTES]> {
        let owner = RunId::from_bytes(*bytes.get(1..17)?.first_chunk()?);
        let key = self.opened(bytes, owner, slot)?;
        to.wrap(&key, nonce, owner, slot)
    }

    fn unwrap(&self, bytes: &[u8; SLOT_BYTES], run: RunId, slot: u64) -> Option<RunKey> {
        Some(RunKey::new(&*self.opened(bytes, run, slot)?))
    }

    fn opened(&self, bytes: &[u8; SLOT_BYTES], run: RunId, slot: u64) -> Option<Zeroizing<[u8; 32]>> {
        let mut fields = Fields::new(bytes);
        let version = fields.byte()?;
        let owner = RunId::from_bytes(fields.array()?);
        let nonce: [u8; 24] = fields.array()?;
        let sealed = fields.bytes(48)?;
        if version != SLOT_VERSION || owner != run {
            return None;
        }
        let aad = Self::additional(run, slot);
        let key = XChaCha20Poly1305::new(self.wrap.as_slice().into())
            .decrypt(XNonce::from_slice(&nonce), Sealing { msg: sealed, aad: &aad })
            .ok()
            .map(Zeroizing::new)?;
        Some(Zeroizing::new(key.as_slice().try_into().ok()?))
    }
}

/// The key of one run, split by purpose.
pub(crate) struct RunKey {
    pub(crate) seal: Zeroizing<[u8; 32]>,
    digest: Zeroizing<[u8; 32]>,
}

impl RunKey {
    fn new(key: &[u8; 32]) -> Self {
        Self { seal: derive(key, "bailiwick payload 1"), digest: derive(key, "bailiwick correlation 1") }
    }

    /// The key for digests that only this run's key can make.
    pub(crate) fn correlation(&self) -> Mac {
        Mac::new(&self.digest)
    }
}

/// Makes a run key, and the content of its slot.
pub(crate) fn new_run_key(home: &HomeKey, nonces: &Nonces, run: RunId, slot: u64) -> Option<(RunKey, [u8; SLOT_BYTES])> {
    let key = Zeroizing::new(random::<32>()?);
    let bytes = home.wrap(&key, nonces.next(), run, slot)?;
    Some((RunKey::new(&key), bytes))
}

/// The file of run keys, open for reading.
pub(crate) struct KeyFile(File);

impl KeyFile {
    pub(crate) fn new(file: File) -> Self {
        Self(file)
    }

    /// Opens the file for reading. `None` if it does not exist, since no run ever had a key.
    pub(crate) fn open(home: &Path) -> io::Result<Option<Self>> {
        match home::open(&run_keys_path(home), Access::Read) {
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => Ok(None),
            file => Ok(Some(Self(file?))),
        }
    }

    pub(crate) fn file(&self) -> &File {
        &self.0
    }

    /// How many whole slots there are. A partial slot at the end was never acknowledged.
    pub(crate) fn slots(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len() / (SLOT_BYTES as u64))
    }

    fn slot(&self, slot: u64) -> io::Result<[u8; SLOT_BYTES]> {
        let mut bytes = [0; SLOT_BYTES];
        self.0.read_exact_at(&mut bytes, slot.saturating_mul(SLOT_BYTES as u64))?;
        Ok(bytes)
    }

    /// Whether a slot belongs to this run or was forgotten.
    pub(crate) fn holds(&self, run: RunId, slot: u64) -> io::Result<bool> {
        if slot >= self.slots()? {
            return Ok(false);
        }
        let bytes = self.slot(slot)?;
        let mut fields = Fields::new(&bytes);
        Ok(match (fields.byte(), fields.array()) {
            (Some(SLOT_VERSION), Some(owner)) => RunId::from_bytes(owner) == run,
            _ => bytes == [0; SLOT_BYTES],
        })
    }

    /// Whether a slot was overwritten with zeros. The slot must exist.
    pub(crate) fn is_forgotten(&self, slot: u64) -> io::Result<bool> {
        Ok(self.slot(slot)? == [0; SLOT_BYTES])
    }

    /// The run's key. `None` if the slot was forgotten, is damaged or belongs to another run.
    pub(crate) fn key(&self, home: &HomeKey, run: RunId, slot: u64) -> Option<RunKey> {
        home.unwrap(&self.slot(slot).ok()?, run, slot)
    }

    /// Calls `each` with the run of every slot from `first` on that was not forgotten.
    pub(crate) fn owners(&self, first: u64, each: &mut dyn FnMut(u64, RunId)) -> io::Result<()> {
        self.owners_between(first, self.slots()?, each)
    }

    /// The same up to slot `end`, which is excluded. The slots before it must exist.
    pub(crate) fn owners_between(&self, first: u64, end: u64, each: &mut dyn FnMut(u64, RunId)) -> io::Result<()> {
        let mut slot = first;
        while slot < end {
            let count = SLOTS_AT_ONCE.min(end - slot);
            let mut bytes = vec![0; crate::wire::narrow(count).saturating_mul(SLOT_BYTES)];
            self.0.read_exact_at(&mut bytes, slot.saturating_mul(SLOT_BYTES as u64))?;
            for one in bytes.chunks_exact(SLOT_BYTES) {
                let mut fields = Fields::new(one);
                if let (Some(SLOT_VERSION), Some(run)) = (fields.byte(), fields.array()) {
                    each(slot, RunId::from_bytes(run));
                }
                slot += 1;
            }
        }
        Ok(())
    }

    /// Searches the whole file for the slot of a run. This is for the rare run that is not open.
    pub(crate) fn find(&self, run: RunId) -> io::Result<Option<u64>> {
        let mut found = None;
        self.owners(0, &mut |slot, owner| {
            if owner == run {
                found = Some(slot);
            }
        })?;
        Ok(found)
    }
}

/// Nonces that never repeat: sixteen random bytes for this process, then a counter. The number of the record would not do: after a crash
/// has cut an unacknowledged record, another record gets the same number.
pub(crate) struct Nonces {
    prefix: [u8; 16],
    next: AtomicU64,
}

impl Nonces {
    pub(crate) fn new() -> Option<Self> {
        Some(Self { prefix: random()?, next: AtomicU64::new(0) })
    }

    pub(crate) fn next(&self) -> [u8; 24] {
        let mut nonce = [0; 24];
        let count = self.next.fetch_add(1, Ordering::Relaxed).to_le_bytes();
        for (to, from) in nonce.iter_mut().zip(self.prefix.into_iter().chain(count)) {
            *to = from;
        }
        nonce
    }
}

/// Reads the home's key.
pub(crate) fn home_secret(home: &Path) -> Result<Zeroizing<[u8; 32]>, OpenError> {
    Ok(read_secret(&home_key_path(home))?.key)
}

/// Makes a secret key unless it exists.
fn ensure_secret(disk: &dyn Disk, path: &Path) -> Result<(), OpenError> {
    let io = |cause| io_at(path)(cause);
    if std::fs::exists(path).map_err(io)? {
        return Ok(());
    }
    let key = Zeroizing::new(random::<32>().ok_or(OpenError::NoRandomness)?);
    replace(disk, path, key.as_slice(), Replace::Durable).map_err(io)
}

/// Makes the two keys of a home that has no log yet, unless they exist.
pub(crate) fn make(disk: &dyn Disk, home: &Path) -> Result<(), OpenError> {
    make_home_key(disk, home)?;
    ensure_secret(disk, &sign_path(home))
}

/// Makes the home's key unless it exists.
pub(crate) fn make_home_key(disk: &dyn Disk, home: &Path) -> Result<(), OpenError> {
    ensure_secret(disk, &home_key_path(home))
}

/// Reads the signing key, with the earlier keys of its log.
pub(crate) fn signer(home: &Path) -> Result<NoteSigner, OpenError> {
    let path = sign_path(home);
    let secret = read_secret(&path)?;
    let own = secret.signer();
    let (log, newest) = (own.public().log(), own.public().newest());
    let beside = load_public(home).filter(|beside| beside.log() == log);
    match beside {
        Some(chain) if chain.newest() == newest => return Ok(own.with_chain(chain)),
        // A rotation is between two steps. It is completed before anything is signed.
        Some(chain) if chain.rotations() > 0 && waits(&path) => return Ok(own.with_chain(chain)),
        // The key was rotated, and somebody put it back.
        Some(chain) if chain.rotations() > 0 && secret.log.is_none() => return Err(OpenError::Key { path }),
        _ if secret.log.is_none() => return Ok(own),
        _ => {}
    }
    // The earlier keys are in `journal.pub`. If that is lost, the record names them.
    match chain_on_record(home).filter(|chain| chain.log() == log && chain.newest() == newest) {
        Some(chain) => Ok(own.with_chain(chain)),
        None => Err(OpenError::Key { path }),
    }
}

/// The new home's key that waits to replace the present one, while a rotation is under way or after it was cut off.
pub(crate) fn waiting_home_key(home: &Path) -> Result<Option<HomeKey>, OpenError> {
    let path = next(&home_key_path(home));
    match read_secret(&path) {
        Ok(secret) => Ok(Some(HomeKey::new(&secret.key))),
        Err(OpenError::Key { .. }) if !path.exists() => Ok(None),
        Err(err) => Err(err),
    }
}

/// Whether a new key waits to replace the key at this path.
fn waits(path: &Path) -> bool {
    std::fs::exists(next(path)).unwrap_or(false)
}

/// The public keys of a log, as its record names them.
pub(crate) fn chain_on_record(folder: &Path) -> Option<PublicKey> {
    let rotations = rotations::rotations(folder);
    let mut of_log = rotations.iter().filter(|rotation| rotation.key == RotatedKey::Journal).peekable();
    let first: PublicKey = of_log.peek()?.was.parse().ok()?;
    of_log.try_fold(first, |chain, rotation| chain.followed_by(rotation.from, &rotation.now, unhex(rotation.link.as_deref()?)?))
}

/// Writes the public keys, which are derived, unless the file is right. The caller has checked that the key belongs to the log.
pub(crate) fn put_public(disk: &dyn Disk, home: &Path, signer: &NoteSigner) -> Result<(), OpenError> {
    put_chain(disk, home, signer.public())
}

/// Writes these public keys to their file, unless the file has them.
pub(crate) fn put_chain(disk: &dyn Disk, home: &Path, chain: &PublicKey) -> Result<(), OpenError> {
    let path = public_path(home);
    let text = format!("{chain}\n");
    if read_own(&path, PUBLIC_BYTES_MAX).ok().flatten().as_deref() == Some(text.as_bytes()) {
        return Ok(());
    }
    replace(disk, &path, text.as_bytes(), Replace::Durable).map_err(io_at(&path))
}

/// The public key in a folder. `None` if it is missing or can't be read.
pub(crate) fn load_public(folder: &Path) -> Option<PublicKey> {
    read_public(folder).ok()?
}

/// The same, but an error if the file can't be read. `None` if it is missing or is not a key.
pub(crate) fn read_public(folder: &Path) -> io::Result<Option<PublicKey>> {
    let bytes = read_handed(&public_path(folder), PUBLIC_BYTES_MAX)?;
    Ok(bytes.and_then(|bytes| String::from_utf8(bytes).ok()).and_then(|text| text.parse().ok()))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn a_slot_opens_only_in_its_place_and_for_its_run() {
        let home = HomeKey::new(&[1; 32]);
        let run = RunId::from_bytes([2; 16]);
        let (key, slot) = new_run_key(&home, &Nonces::new().unwrap(), run, 5).unwrap();
        assert_eq!(home.unwrap(&slot, run, 5).unwrap().seal, key.seal);
        assert!(home.unwrap(&slot, run, 6).is_none());
        assert!(home.unwrap(&slot, RunId::from_bytes([3; 16]), 5).is_none());
        assert!(HomeKey::new(&[9; 32]).unwrap(&slot, run, 5).is_none());
        assert!(home.unwrap(&[0; SLOT_BYTES], run, 5).is_none());
    }

    #[test]
    fn a_key_that_others_may_read_is_refused() {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("home.key");
        std::fs::write(&path, [1; 32]).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
        let err = HomeKey::load(dir.path()).err().unwrap();
        assert!(matches!(home::Exposed::of(&err), Some(home::Exposed::Mode { mode: 0o640, .. })), "{err:?}");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        assert!(HomeKey::load(dir.path()).is_ok());
    }

    #[test]
    fn nonces_differ() {
        let nonces = Nonces::new().unwrap();
        assert_ne!(nonces.next(), nonces.next());
    }
}
