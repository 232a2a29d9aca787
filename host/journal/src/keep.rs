//! Under what the keys of a home are sealed, and where a new one is kept.

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

/// Under what the key that signs and the home's key are sealed, in this order. Neither is opened.
///
/// # Errors
/// One of them is not there, or can't be read.
pub fn kept(home: &Path) -> Result<[Option<Under>; 2], OpenError> {
    let of = |path: &Path| Ok(SecretFile::read(path)?.under().cloned());
    Ok([of(&sign_path(home))?, of(&home_key_path(home))?])
}

/// The same, once both were opened: with that, everything that needs a key works.
///
/// # Errors
/// One of them is not there, or does not open.
pub fn keys_at_hand(home: &Path) -> Result<[Option<Under>; 2], OpenError> {
    signer(home)?;
    HomeKey::load(home)?;
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
