//! What the keys of a home are sealed under, and where a new key is kept.

use std::io;
use std::path::{Path, PathBuf};

use key::{Under, UnderError};
use zeroize::Zeroizing;

use crate::disk::{Disk, write_whole};
use crate::err::OpenError;
use crate::hold::io_at;
use crate::key_paths::{home_key_path, sign_path};
use crate::keys::{HomeKey, signer};
use crate::random::random;
use crate::secret::SecretFile;
use crate::wire::hex;

/// What the signing key and the home's key are sealed under, in this order. `None` means that a key is not sealed. Neither is opened.
///
/// # Errors
/// One of the keys is missing or can't be read.
pub fn kept(home: &Path) -> Result<[Option<Under>; 2], OpenError> {
    let of = |path: &Path| Ok(SecretFile::read(path)?.under().cloned());
    Ok([of(&sign_path(home))?, of(&home_key_path(home))?])
}

/// The same, after opening both keys: if this succeeds, everything that needs a key works.
///
/// # Errors
/// One of the keys is missing or does not open.
pub fn keys_at_hand(home: &Path) -> Result<[Option<Under>; 2], OpenError> {
    signer(home)?;
    HomeKey::load(home)?;
    kept(home)
}

/// Where a new key of a home is kept.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub enum Keep {
    /// In the same way as the present key.
    #[default]
    AsNow,
    /// In the home, not sealed.
    InHome,
    /// In the home, sealed under the 32 bytes in this file, which is made if it does not exist. Its folder must exist, and must not be in
    /// the home.
    UnderFile(PathBuf),
    /// In the home, sealed under a key of the kernel: type `user`, description `bailiwick-keys:` and the path of the home.
    UnderKeyring,
    /// In the home, sealed under a key derived from the passphrase in this file.
    UnderPassphrase(PathBuf),
}

/// What the new key at `path` is sealed under, and the file with the passphrase, if that is a new one.
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

/// Both keys of a home use the same salt, so that a command that needs both derives only one key from the passphrase.
fn under_passphrase(home: &Path) -> Result<Under, OpenError> {
    for secret in [sign_path(home), home_key_path(home)] {
        if let Some(under @ Under::Passphrase(..)) = SecretFile::read(&secret)?.under() {
            return Ok(under.clone());
        }
    }
    Under::new_passphrase().map_err(not_sealed)
}

fn not_sealed(cause: UnderError) -> OpenError {
    OpenError::NotSealed { cause: Box::new(cause) }
}

/// Resolves the path of a file that exists or will be made: links on it are the operator's now, and later no link is followed. The file
/// must not be in the home.
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

/// The file of the sealing key, which is made if it does not exist. A new file that can't be used is removed again.
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

/// Makes the file of a key under a temporary name and renames it. Returns false if another process was faster: then the file of that
/// process is used.
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
        // The key in it is not used yet.
        let _ = disk.remove(&aside);
        io_at(path)(cause)
    })
}
