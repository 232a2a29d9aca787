//! Another key in the place of one of a home: of the one that signs the record, or of the one that wraps the keys of runs.
//!
//! The new key is made beside the old one, then the record names it, then it takes the old one's place. A process that dies in between leaves the
//! new key beside the old one, and whoever takes the home next looks whether the record names it: then the rotation is completed, else taken back.

use std::io::{self, Read as _};
use std::path::Path;
use std::sync::Arc;

use key::Under;
use vocabulary::record::{Record, RotatedKey, SealedUnder};
use zeroize::Zeroizing;

use crate::disk::{Disk, RealDisk, Replace, replace, write_whole};
use crate::err::OpenError;
use crate::hold::{hold, io_at};
use crate::ids::log_run;
use crate::journal::Options;
use crate::keys::{self, HomeKey, Nonces, SLOT_BYTES, next, random};
use crate::note::PublicKey;
use crate::open::open_on;
use crate::scan::Scanned;
use crate::secret::{Keep, LogSecret, SecretFile, under_of};
use crate::segment;
use crate::wire::hex;

/// BOUND: bytes of the file of run keys: eight million runs.
const KEYS_BYTES_MAX: u64 = 1 << 30;

/// What is rotated, for the record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyRotation {
    /// Which key.
    pub key: RotatedKey,
    /// The old one: a public key, or the name of the home's key.
    pub was: String,
    /// The new one.
    pub now: String,
    /// How many records the log has when the new key takes over.
    pub from: u64,
    /// The old key's signature over that, in hexadecimal. A home's key signs nothing.
    pub link: Option<String>,
    /// Under what the new key is sealed, as far as it is known here: the record names the kind.
    pub under: Option<SealedUnder>,
}

/// Why a rotation did not come to its end.
#[derive(Debug, thiserror::Error)]
pub enum RotateError {
    /// The key is as it was.
    #[error("nothing was changed")]
    NotBegun(#[source] OpenError),
    /// The next opening finds out whether the rotation is on the record: then it completes it, else it takes it back.
    #[error(
        "it was cut off: the next command that uses the home completes it or takes it back, so keep what opens the old key and the new one"
    )]
    CutOff(#[source] OpenError),
    /// It is on the record, and the next opening completes it.
    #[error("it is on the record, and the next command that uses the home completes it: keep what opens the new key")]
    NotInPlace(#[source] OpenError),
}

/// Puts a new key in the place of this one, and keeps it there. Nobody may hold the home. `record` makes the record of it, which is durable before the old key is gone.
///
/// # Errors
/// As [`crate::Journal::open`]; or the record can't be written, or the key can't be put in its place.
pub fn rotate(
    home: &Path,
    state: Option<&Path>,
    (key, keep): (RotatedKey, &Keep),
    options: Options,
    record: impl FnOnce(&KeyRotation) -> Vec<u8>,
) -> Result<KeyRotation, RotateError> {
    rotate_on(&(Arc::new(RealDisk) as Arc<dyn Disk>), (home, state), (key, keep), options, record)
}

pub(crate) fn rotate_on(
    disk: &Arc<dyn Disk>,
    (home, state): (&Path, Option<&Path>),
    (key, keep): (RotatedKey, &Keep),
    options: Options,
    record: impl FnOnce(&KeyRotation) -> Vec<u8>,
) -> Result<KeyRotation, RotateError> {
    // Opening settles what an earlier one has left, and finds the record whole.
    let (journal, _) = open_on(Arc::clone(disk), home, state, options).map_err(RotateError::NotBegun)?;
    let from = journal.size() + 1;
    let prepared = match key {
        RotatedKey::Journal => prepare_signer(&**disk, home, keep, from),
        RotatedKey::Home => prepare_home_key(&**disk, home, keep, from),
    };
    // What was made so far has not been recorded, and goes.
    let rotation = prepared.map_err(|err| RotateError::NotBegun(settle(&**disk, home).err().unwrap_or(err)))?;
    let written =
        journal.append(log_run(), record(&rotation), Vec::new()).map_err(|err| RotateError::CutOff(OpenError::Unrecorded(err)))?;
    let durable = written.ticket.wait_blocking().and_then(|()| journal.clone().close());
    durable.map_err(|broken| RotateError::CutOff(OpenError::Unrecorded(broken.into())))?;
    drop(journal);
    match hold(home) {
        Ok(_held) => settle(&**disk, home).map_err(RotateError::NotInPlace)?,
        // Whoever has taken it meanwhile has completed it.
        Err(OpenError::Held { .. }) => {}
        Err(err) => return Err(RotateError::NotInPlace(err)),
    }
    Ok(rotation)
}

/// Completes or takes back a rotation that was cut off, if nobody holds the home: who holds it has done so. For those who copy a home.
///
/// # Errors
/// A key or the record can't be read or written.
pub fn settle_rotation(home: &Path) -> Result<(), OpenError> {
    let waits = [keys::sign_path(home), keys::home_key_path(home), keys::run_keys_path(home)].map(|path| next(&path));
    if !waits.iter().any(|path| path.exists()) {
        return Ok(());
    }
    match hold(home) {
        Ok(_held) => settle(&RealDisk, home),
        Err(OpenError::Held { .. }) => Ok(()),
        Err(err) => Err(err),
    }
}

fn prepare_signer(disk: &dyn Disk, home: &Path, keep: &Keep, from: u64) -> Result<KeyRotation, OpenError> {
    let old = keys::signer(home)?;
    let log = old.public().log();
    let secret = LogSecret { key: Zeroizing::new(random::<32>().ok_or(OpenError::NoRandomness)?), log: Some(log) };
    let under = put_next(disk, home, (RotatedKey::Journal, &secret), keep)?;
    let (was, now) = (old.public().newest(), secret.signer().public().newest());
    let link = Some(hex(&old.sign_bytes(&PublicKey::link_bytes(log, from, &now))));
    Ok(KeyRotation { key: RotatedKey::Journal, was, now, from, link, under })
}

/// Puts a new key beside the present one. Gives what it is sealed under.
fn put_next(disk: &dyn Disk, home: &Path, (which, new): (RotatedKey, &LogSecret), keep: &Keep) -> Result<Option<SealedUnder>, OpenError> {
    let path = match which {
        RotatedKey::Journal => keys::sign_path(home),
        RotatedKey::Home => keys::home_key_path(home),
    };
    let under = under_of(disk, home, &path, keep)?;
    let bytes = match &under {
        None => new.to_bytes(),
        Some((under, passphrase)) => new
            .to_sealed_bytes(&new.name(which), under, passphrase.as_deref())
            .map_err(|cause| OpenError::NotSealed { cause: Box::new(cause) })?,
    };
    let path = next(&path);
    replace(disk, &path, &bytes, Replace::Durable).map_err(io_at(&path))?;
    Ok(under.map(|(under, _)| kind_of(&under)))
}

fn kind_of(under: &Under) -> SealedUnder {
    match under {
        Under::File(_) => SealedUnder::File,
        Under::Keyring(_) => SealedUnder::Keyring,
        Under::Passphrase(..) => SealedUnder::Passphrase,
    }
}

/// Wraps the key of every run under a new key of the home, in a file beside the present one.
fn prepare_home_key(disk: &dyn Disk, home: &Path, keep: &Keep, from: u64) -> Result<KeyRotation, OpenError> {
    let old = keys::home_secret(home)?;
    let new = Zeroizing::new(random::<32>().ok_or(OpenError::NoRandomness)?);
    let (was, now) = (keys::name_of_home_key(&old), keys::name_of_home_key(&new));
    let path = keys::run_keys_path(home);
    if std::fs::exists(&path).map_err(io_at(&path))? {
        let file = home::open(&path, home::Access::Read).map_err(io_at(&path))?;
        let mut slots = Vec::new();
        file.take(KEYS_BYTES_MAX).read_to_end(&mut slots).map_err(io_at(&path))?;
        let (of, to) = (HomeKey::new(&old), HomeKey::new(&new));
        let nonces = Nonces::new().ok_or(OpenError::NoRandomness)?;
        for (number, slot) in (0..).zip(slots.as_chunks_mut::<SLOT_BYTES>().0) {
            // One that was forgotten, or that the old key does not open, stays as it is.
            if let Some(wrapped) = of.rewrap(&to, slot, number, nonces.next()) {
                *slot = wrapped;
            }
        }
        let path = next(&path);
        let put = || -> io::Result<()> {
            let file = disk.create(&path)?;
            write_whole(disk, &file, &slots, 0)?;
            disk.sync(&file)?;
            disk.sync_folder(home)
        };
        put().map_err(io_at(&path))?;
    }
    let under = put_next(disk, home, (RotatedKey::Home, &LogSecret { key: new, log: None }), keep)?;
    Ok(KeyRotation { key: RotatedKey::Home, was, now, from, link: None, under })
}

/// Completes a rotation that is on the record, and takes one back that is not. The home is held.
pub(crate) fn settle(disk: &dyn Disk, home: &Path) -> Result<(), OpenError> {
    let (sign, home_key, run_keys) = (keys::sign_path(home), keys::home_key_path(home), keys::run_keys_path(home));
    let waits = |path: &Path| std::fs::exists(next(path)).map_err(io_at(path));
    let [signer_waits, home_key_waits, run_keys_wait] = [waits(&sign)?, waits(&home_key)?, waits(&run_keys)?];
    if !(signer_waits || home_key_waits || run_keys_wait) {
        return Ok(());
    }
    let recorded = rotations(home);
    let take = |path: &Path| disk.rename(&next(path), path).map_err(io_at(path));
    let give_up = |path: &Path| disk.remove(&next(path)).map_err(io_at(path));
    if signer_waits {
        // Neither key is opened: the new one may be sealed under a passphrase that only the rotation was told.
        let now = SecretFile::read(&next(&sign))?.name(RotatedKey::Journal);
        match recorded.iter().find(|rotation| rotation.now == now) {
            Some(rotation) => {
                // If the public keys have it already, only the last step is missing.
                let after = |old: PublicKey| if old.newest() == now { Ok(old) } else { linked(&old, rotation, &sign) };
                let chain = match keys::load_public(home).map(after) {
                    Some(Ok(chain)) => chain,
                    _ => after(keys::signer(home)?.public().clone())?,
                };
                keys::put_chain(disk, home, &chain)?;
                take(&sign)?;
            }
            None => give_up(&sign)?,
        }
    }
    if home_key_waits {
        let now = SecretFile::read(&next(&home_key))?.name(RotatedKey::Home);
        if recorded.iter().any(|rotation| rotation.now == now) {
            // The keys of runs first: while the home's new key waits, it is known that they belong to it.
            if run_keys_wait {
                take(&run_keys)?;
            }
            disk.sync_folder(home).map_err(io_at(home))?;
            take(&home_key)?;
        } else {
            give_up(&home_key)?;
            if run_keys_wait {
                give_up(&run_keys)?;
            }
        }
    } else if run_keys_wait {
        give_up(&run_keys)?;
    }
    disk.sync_folder(home).map_err(io_at(home))
}

fn linked(old: &PublicKey, rotation: &KeyRotation, path: &Path) -> Result<PublicKey, OpenError> {
    let link = rotation.link.as_deref().and_then(crate::wire::unhex);
    link.and_then(|link| old.followed_by(rotation.from, &rotation.now, link)).ok_or_else(|| OpenError::Key { path: path.to_owned() })
}

/// The rotations that the record names, in order. What can't be read names none. No key is needed, since it is asked which one signs: checksums
/// are believed, and what a rotation says is believed for its signature.
pub(crate) fn rotations(home: &Path) -> Vec<KeyRotation> {
    let inner = segment::folder(home);
    let folder = if inner.is_dir() { inner } else { home.to_owned() };
    let mut found = Vec::new();
    for number in segment::list(&folder).unwrap_or_default() {
        let Ok((file, header)) = segment::open(&folder, number, None) else { continue };
        let mut scanner = segment::scanner(file, &header, 0);
        while matches!(scanner.advance(), Ok(Scanned::Batch)) {
            let batch = scanner.batch();
            let leaves = batch.frames.iter().filter(|span| span.is_leaf()).filter_map(|span| batch.leaf(span));
            found.extend(leaves.filter(|leaf| leaf.head.run == log_run()).filter_map(|leaf| rotation(leaf.body)));
        }
    }
    found
}

fn rotation(body: &[u8]) -> Option<KeyRotation> {
    match Record::parse(body) {
        Ok(Record::KeyRotated(it)) => {
            let link = it.link.as_ref().map(ToString::to_string);
            Some(KeyRotation { key: it.key, was: it.was.to_string(), now: it.now.to_string(), from: it.from, link, under: it.under })
        }
        _ => None,
    }
}
