//! Completes a rotation of a key that was cut off if it is on the record, and undoes it otherwise.

use std::path::Path;

use vocabulary::record::RotatedKey;

use crate::disk::{Disk, RealDisk};
use crate::err::OpenError;
use crate::hold::{hold, io_at};
use crate::key_paths::{self, next};
use crate::keys;
use crate::note::PublicKey;
use crate::rotations::{KeyRotation, rotations};
use crate::secret::SecretFile;

/// Completes or undoes a rotation that was cut off, unless another process holds the home: that process has already done so. Called before
/// a home is copied.
///
/// # Errors
/// A key or the record can't be read or written.
pub fn settle_rotation(home: &Path) -> Result<(), OpenError> {
    let waits = [key_paths::sign_path(home), key_paths::home_key_path(home), key_paths::run_keys_path(home)].map(|path| next(&path));
    if !waits.iter().any(|path| path.exists()) {
        return Ok(());
    }
    match hold(home) {
        Ok(_held) => settle(&RealDisk, home),
        Err(OpenError::Held { .. }) => Ok(()),
        Err(err) => Err(err),
    }
}

/// Completes a rotation that is on the record, and undoes one that is not. The caller holds the home.
pub(crate) fn settle(disk: &dyn Disk, home: &Path) -> Result<(), OpenError> {
    let (sign, home_key, run_keys) = (key_paths::sign_path(home), key_paths::home_key_path(home), key_paths::run_keys_path(home));
    let waits = |path: &Path| std::fs::exists(next(path)).map_err(io_at(path));
    let [signer_waits, home_key_waits, run_keys_wait] = [waits(&sign)?, waits(&home_key)?, waits(&run_keys)?];
    if !(signer_waits || home_key_waits || run_keys_wait) {
        return Ok(());
    }
    let recorded = rotations(home);
    let take = |path: &Path| disk.rename(&next(path), path).map_err(io_at(path));
    let give_up = |path: &Path| disk.remove(&next(path)).map_err(io_at(path));
    if signer_waits {
        // Neither key is opened: the new one may be sealed under a passphrase that only the rotating process knew.
        let now = SecretFile::read(&next(&sign))?.name(RotatedKey::Journal);
        match recorded.iter().find(|rotation| rotation.now == now) {
            Some(rotation) => {
                // If the public keys include the new key already, only the last step is missing.
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
            // The keys of runs come first: while the home's new key waits, it is known that they belong to it.
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
