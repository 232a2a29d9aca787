//! Opens files that a configuration names, at the path that they had when the configuration was trusted. No link on the path is followed,
//! and the checks are made on the open file.
//!
//! One link is allowed: `..data`, by which Kubernetes replaces a volume of secrets. It may lead only to a folder beside it.

use std::fs::{File, Metadata};
use std::io::{self, Read as _};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Component, Path};

use rustix::fs::{Mode, OFlags, fstat, openat, readlinkat};
use sha2::{Digest as _, Sha256};
use vocabulary::{Digest, PinnedFile};

/// The one link that is allowed, see the documentation of the module.
const DATA: &[u8] = b"..data";
/// BOUND: how many bytes are read of a program that prints a value, or of a file among its arguments.
const PROGRAM_BYTES_MAX: u64 = 256 << 20;
/// The mode bits that let the group or everybody write to a file.
const WRITABLE: u32 = 0o022;
/// The mode bit of a folder in which only the owner of a file may remove it, though everybody may write there.
const STICKY: u32 = 0o1000;

/// Opens a regular file at an absolute path without links.
///
/// SECURITY: a user who can write to a folder on the path could put another file there, so a path with a folder that everybody can write to
/// is refused.
///
/// # Errors
/// Something other than a file or a folder is at the path or on the way to it; else the system's error.
#[expect(clippy::disallowed_methods, reason = "door: secrets that the operator hands over in files, and programs that print them")]
pub fn open(path: &Path) -> io::Result<File> {
    let words: Option<Vec<_>> = path.components().skip(1).map(|part| plain(&part)).collect();
    let words = words.filter(|_| path.is_absolute()).ok_or_else(|| invalid("its path is not resolved"))?;
    let (name, folders) = words.split_last().ok_or_else(|| invalid("it is not a regular file"))?;
    let mut folder: OwnedFd = File::open("/")?.into();
    for word in folders {
        folder = step(folder.as_fd(), word)?;
    }
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOFOLLOW | OFlags::NOCTTY | OFlags::CLOEXEC;
    let file = openat(&folder, *name, flags, Mode::empty()).map_err(|err| match err {
        rustix::io::Errno::LOOP => invalid("it is a link now, and was not when it was trusted"),
        err => err.into(),
    })?;
    let file = File::from(file);
    if file.metadata()?.is_file() { Ok(file) } else { Err(invalid("it is not a regular file")) }
}

fn plain<'a>(part: &Component<'a>) -> Option<&'a [u8]> {
    match part {
        Component::Normal(word) => Some(word.as_bytes()),
        Component::RootDir | Component::ParentDir | Component::CurDir | Component::Prefix(_) => None,
    }
}

fn step(folder: impl AsFd, word: &[u8]) -> io::Result<OwnedFd> {
    let beside = if word == DATA { readlinkat(&folder, word, Vec::new()).ok() } else { None };
    let word = match &beside {
        None => word,
        Some(target) => {
            let is_beside =
                !target.is_empty() && target.to_bytes() != b".." && target.to_bytes() != b"." && !target.to_bytes().contains(&b'/');
            if is_beside { target.to_bytes() } else { return Err(invalid("`..data` leads out of its folder")) }
        }
    };
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let next = openat(&folder, word, flags, Mode::empty()).map_err(|err| match err {
        rustix::io::Errno::NOTDIR | rustix::io::Errno::LOOP => {
            invalid("a folder on its path is a link now, and was not when it was trusted")
        }
        err => err.into(),
    })?;
    let mode = fstat(&next)?.st_mode;
    if mode & 0o002 != 0 && mode & STICKY == 0 {
        return Err(denied("everybody can write to a folder on its path; take that away with `chmod o-w`"));
    }
    Ok(next)
}

/// Checks that only this user or root could have written the file.
///
/// SECURITY: a hard link could give a secret file a second name, and a configuration that names that one may have been trusted.
///
/// # Errors
/// Somebody else could have written it.
pub fn check_secret(metadata: &Metadata) -> io::Result<()> {
    check_owner(metadata)?;
    check_name(metadata)
}

/// The same for the file of a passphrase, but without the check of who may write to it: the caller makes a stricter one.
///
/// # Errors
/// Somebody else could have written it.
pub fn check_passphrase(file: &File) -> io::Result<()> {
    let metadata = file.metadata()?;
    check_user(&metadata)?;
    check_name(&metadata)
}

fn check_name(metadata: &Metadata) -> io::Result<()> {
    if metadata.nlink() > 1 {
        Err(denied("it has a second name, a hard link, so it may be another file than the one that was meant; copy it instead"))
    } else {
        Ok(())
    }
}

fn check_user(metadata: &Metadata) -> io::Result<()> {
    let is_ours = [0, rustix::process::geteuid().as_raw()].contains(&metadata.uid());
    if is_ours { Ok(()) } else { Err(denied("it belongs to another user; it must belong to you or to root")) }
}

fn check_owner(metadata: &Metadata) -> io::Result<()> {
    check_user(metadata)?;
    if metadata.mode() & WRITABLE != 0 { Err(denied("others can write to it; take that away with `chmod go-w`")) } else { Ok(()) }
}

/// Checks that each of these files is the same as when it was trusted.
///
/// # Errors
/// The first file that differs, or that can't be checked.
pub fn check_pinned(files: &[PinnedFile]) -> io::Result<()> {
    for pinned in files {
        let expected = pinned.digest.ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))?;
        let file = open(&pinned.path)?;
        check_owner(&file.metadata()?)?;
        if digest(file)? != expected {
            return Err(invalid("it is not what was trusted"));
        }
    }
    Ok(())
}

fn digest(file: File) -> io::Result<Digest> {
    let (mut file, mut sum, mut piece) = (file.take(PROGRAM_BYTES_MAX), Sha256::new(), vec![0; 256 << 10]);
    loop {
        match file.read(&mut piece) {
            Ok(0) => return Ok(Digest::from_bytes(sum.finalize().into())),
            Ok(read) => sum.update(piece.get(..read).unwrap_or_default()),
            Err(err) if err.kind() == io::ErrorKind::Interrupted => {}
            Err(err) => return Err(err),
        }
    }
}

fn invalid(why: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, why)
}

fn denied(why: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::PermissionDenied, why)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    fn read(path: &Path) -> Result<String, String> {
        let said = |err: io::Error| err.to_string();
        let mut file = open(path).map_err(said)?;
        check_secret(&file.metadata().map_err(said)?).map_err(said)?;
        let mut text = String::new();
        file.read_to_string(&mut text).map_err(said)?;
        Ok(text)
    }

    fn mode(path: &Path, mode: u32) {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn a_link_a_hard_link_and_what_others_may_write_are_not_read() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        let (inner, token, other) = (root.join("inner"), root.join("inner/token"), root.join("other"));
        std::fs::create_dir(&inner).unwrap();
        std::fs::write(&token, "right").unwrap();
        std::fs::write(&other, "wrong").unwrap();
        for path in [&token, &other] {
            mode(path, 0o600);
        }
        assert_eq!(read(&token).unwrap(), "right");
        mode(&token, 0o640);
        assert_eq!(read(&token).unwrap(), "right", "a group may read it");
        for open in [0o620, 0o602] {
            mode(&token, open);
            assert!(read(&token).unwrap_err().contains("chmod go-w"));
        }
        mode(&token, 0o600);
        mode(&inner, 0o777);
        assert!(read(&token).unwrap_err().contains("chmod o-w"));
        mode(&inner, 0o1777);
        assert_eq!(read(&token).unwrap(), "right");
        mode(&inner, 0o700);
        assert!(read(&root.join("inner/../other")).unwrap_err().contains("not resolved"));
        assert!(read(&inner).unwrap_err().contains("regular"));

        std::fs::remove_file(&token).unwrap();
        symlink("../other", &token).unwrap();
        assert!(read(&token).unwrap_err().contains("it is a link now"));
        std::fs::remove_file(&token).unwrap();
        std::fs::hard_link(&other, &token).unwrap();
        assert!(read(&token).unwrap_err().contains("hard link"));
        std::fs::remove_file(&token).unwrap();
        rustix::fs::mknodat(rustix::fs::CWD, &token, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
        assert!(read(&token).unwrap_err().contains("regular"));

        std::fs::remove_dir_all(&inner).unwrap();
        std::fs::create_dir(root.join("elsewhere")).unwrap();
        std::fs::write(root.join("elsewhere/token"), "wrong").unwrap();
        symlink("elsewhere", &inner).unwrap();
        assert!(read(&token).unwrap_err().contains("a folder on its path is a link now"));
    }

    #[test]
    fn a_volume_of_kubernetes_is_replaced_and_its_link_leads_nowhere_else() {
        let folder = tempfile::tempdir().unwrap();
        let volume = folder.path().canonicalize().unwrap();
        let token = volume.join("..data/token");
        for (name, value) in [("..first", "one"), ("..second", "two")] {
            std::fs::create_dir(volume.join(name)).unwrap();
            std::fs::write(volume.join(name).join("token"), value).unwrap();
            mode(&volume.join(name).join("token"), 0o600);
        }
        let lead = |to: &str| {
            let _ = std::fs::remove_file(volume.join("..data"));
            symlink(to, volume.join("..data")).unwrap();
        };
        lead("..first");
        assert_eq!(read(&token).unwrap(), "one");
        lead("..second");
        assert_eq!(read(&token).unwrap(), "two");
        for out in ["..", ".", "/", "../..second", "./..second", "..second/", "/etc"] {
            lead(out);
            assert!(read(&token).unwrap_err().contains("leads out"), "{out}");
        }
        std::fs::create_dir(volume.join("..third")).unwrap();
        symlink("../..first/token", volume.join("..third/token")).unwrap();
        lead("..third");
        assert!(read(&token).unwrap_err().contains("it is a link now"));
        symlink("..first", volume.join("..fourth")).unwrap();
        lead("..fourth");
        assert!(read(&token).is_err(), "a link to a link");
    }
}
