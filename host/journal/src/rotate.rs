//! Rotates a key of a home: the key that signs the record, or the home's key, which wraps the keys of runs.
//!
//! The new key is made beside the old one; then the record names it; then it replaces the old one. If the process dies in between, the new
//! key stays beside the old one. The next process that takes the home checks whether the record names the new key: then it completes the
//! rotation, otherwise it undoes it.

use std::io::{self, Read as _};
use std::path::Path;
use std::sync::Arc;

use key::Under;
use vocabulary::record::{RotatedKey, SealedUnder};
use zeroize::Zeroizing;

use crate::disk::{Disk, RealDisk, Replace, replace, write_whole};
use crate::err::OpenError;
use crate::hold::{hold, io_at};
use crate::ids::log_run;
use crate::keep::{Keep, under_of};
use crate::key_paths::{self, next};
use crate::keys::{self, HomeKey, Nonces, SLOT_BYTES};
use crate::note::PublicKey;
use crate::open::open_on;
use crate::options::Options;
use crate::random::random;
use crate::rotations::KeyRotation;
use crate::secret;
use crate::secret::LogSecret;
use crate::settle_rotation::settle;
use crate::wire::hex;

/// BOUND: the size of the file of run keys: eight million runs.
const KEYS_BYTES_MAX: u64 = 1 << 30;

/// Why a rotation was not completed.
#[derive(Debug, thiserror::Error)]
pub enum RotateError {
    /// The rotation was not begun. The key is as it was.
    #[error("nothing was changed")]
    NotBegun(#[source] OpenError),
    /// The rotation was cut off. The next opening completes it if it is on the record, and undoes it otherwise.
    #[error(
        "the rotation was cut off: the next command that uses the home completes or undoes it, so keep what opens the old key and the new one"
    )]
    CutOff(#[source] OpenError),
    /// The rotation is on the record, but the new key is not in its place. The next opening completes it.
    #[error("the rotation is recorded, and the next command that uses the home completes it: keep what opens the new key")]
    NotInPlace(#[source] OpenError),
}

/// Replaces a key by a new one, which is kept as `keep` says. No process may hold the home. `record` makes the record of this, which is
/// durable before the old key is removed.
///
/// # Errors
/// As for [`crate::Journal::open`]; or the record can't be written, or the key can't be put in its place.
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
    // Opening settles an earlier rotation that was cut off, and checks the record.
    let (journal, _) = open_on(Arc::clone(disk), home, state, options).map_err(RotateError::NotBegun)?;
    let from = journal.size() + 1;
    let prepared = match key {
        RotatedKey::Journal => prepare_signer(&**disk, home, keep, from),
        RotatedKey::Home => prepare_home_key(&**disk, home, keep, from),
    };
    // The new key was not recorded, so it is removed again.
    let rotation = prepared.map_err(|err| RotateError::NotBegun(settle(&**disk, home).err().unwrap_or(err)))?;
    let written =
        journal.append(log_run(), record(&rotation), Vec::new()).map_err(|err| RotateError::CutOff(OpenError::Unrecorded(err)))?;
    let durable = written.ticket.wait_blocking().and_then(|()| journal.clone().close());
    durable.map_err(|broken| RotateError::CutOff(OpenError::Unrecorded(broken.into())))?;
    drop(journal);
    match hold(home) {
        Ok(_held) => settle(&**disk, home).map_err(RotateError::NotInPlace)?,
        // The process that has taken the home meanwhile has completed the rotation.
        Err(OpenError::Held { .. }) => {}
        Err(err) => return Err(RotateError::NotInPlace(err)),
    }
    Ok(rotation)
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

/// Writes a new key beside the present one. Returns what it is sealed under.
fn put_next(disk: &dyn Disk, home: &Path, (which, new): (RotatedKey, &LogSecret), keep: &Keep) -> Result<Option<SealedUnder>, OpenError> {
    let path = match which {
        RotatedKey::Journal => key_paths::sign_path(home),
        RotatedKey::Home => key_paths::home_key_path(home),
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

/// Makes a new home's key, and wraps the key of every run under it in a file beside the present one.
fn prepare_home_key(disk: &dyn Disk, home: &Path, keep: &Keep, from: u64) -> Result<KeyRotation, OpenError> {
    let old = keys::home_secret(home)?;
    let new = Zeroizing::new(random::<32>().ok_or(OpenError::NoRandomness)?);
    let (was, now) = (secret::name_of_home_key(&old), secret::name_of_home_key(&new));
    let path = key_paths::run_keys_path(home);
    if std::fs::exists(&path).map_err(io_at(&path))? {
        let file = home::open(&path, home::Access::Read).map_err(io_at(&path))?;
        let mut slots = Vec::new();
        file.take(KEYS_BYTES_MAX).read_to_end(&mut slots).map_err(io_at(&path))?;
        let (of, to) = (HomeKey::new(&old), HomeKey::new(&new));
        let nonces = Nonces::new().ok_or(OpenError::NoRandomness)?;
        for (number, slot) in (0..).zip(slots.as_chunks_mut::<SLOT_BYTES>().0) {
            // A slot that was forgotten, or that the old key does not open, stays as it is.
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
