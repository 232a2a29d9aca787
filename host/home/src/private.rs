//! Checks that a folder is private: the folder itself, its contents, and the path to it.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Component, Path, PathBuf};

use crate::accounts::own;
use crate::exposed::{Exposed, PathKind};
use crate::open::{judge, list};
use crate::trouble::told;

/// Write rights of other users.
const OTHERS_WRITE: u32 = 0o022;
/// In a folder with this bit (`/tmp`), only the owner of a file may rename or remove it.
const STICKY: u32 = 0o1000;
/// The one folder in a home whose files are checked as well. Files in the other folders are checked when they are opened.
const LOOKED_INTO: &str = "journal";
/// The one socket of a home. The umask decides its mode, which is not checked, since the kernel says which user is at the other end.
const SOCKET: &str = "host.sock";

/// The folder that a file system has in its root for files that its repair has found. It belongs to root.
pub const LOST_FOUND: &str = "lost+found";

/// Checks that a home, or the folder of its second state, belongs to this user alone with everything in it, and that no other user can
/// replace it. If it does not exist yet, only the path to it is checked.
///
/// # Errors
/// An error with [`Exposed`] inside; else what the system says.
pub fn check(folder: &Path) -> io::Result<()> {
    check_all(folder).map_err(|cause| told(folder, cause))
}

fn check_all(folder: &Path) -> io::Result<()> {
    let real = way(folder)?;
    let found = match fs::symlink_metadata(&real) {
        Err(err) if err.kind() == io::ErrorKind::NotFound => return Ok(()),
        found => found?,
    };
    if found.is_symlink() {
        return Err(Exposed::LinkAbove { path: real, real: folder.canonicalize().ok() }.into());
    }
    if found.is_dir() && found.uid() != own() {
        return Err(Exposed::Owner { path: real, owner: found.uid(), own: own(), is_whole: true }.into());
    }
    judge(&real, &found, PathKind::Folder)?;
    contents(&real)?;
    match contents(&real.join(LOOKED_INTO)) {
        Err(err) if err.kind() == io::ErrorKind::NotFound => Ok(()),
        looked => looked,
    }
}

fn contents(folder: &Path) -> io::Result<()> {
    for name in list(folder)? {
        let path = folder.join(&name);
        let found = match fs::symlink_metadata(&path) {
            // It is gone: another process of this user has just replaced it.
            Err(err) if err.kind() == io::ErrorKind::NotFound => continue,
            found => found?,
        };
        match PathKind::of(found.file_type()) {
            // This folder does not let root do more to the home than root can do anyway.
            PathKind::Folder if name == LOST_FOUND && found.uid() == 0 && found.mode() & OTHERS_WRITE == 0 => {}
            PathKind::Folder => judge(&path, &found, PathKind::Folder)?,
            PathKind::Socket if name == SOCKET && found.uid() == own() => {}
            _ => judge(&path, &found, PathKind::File)?,
        }
    }
    Ok(())
}

/// Checks each folder above: it must belong to this user or to root, and other users must not have write rights, except in folders where
/// only owners may rename (`/tmp`). Returns the path without the system's own links.
fn way(folder: &Path) -> io::Result<PathBuf> {
    let (mut done, mut rest) = (PathBuf::new(), folder.components().peekable());
    while let Some(component) = rest.next() {
        done.push(component);
        // The caller checks the last one.
        if rest.peek().is_none() {
            break;
        }
        let found = match fs::symlink_metadata(&done) {
            Err(err) if err.kind() == io::ErrorKind::NotFound => return Ok(done.join(rest.collect::<PathBuf>())),
            found => found?,
        };
        if found.is_symlink() {
            if !is_of_the_system(&done, found.uid()) {
                return Err(Exposed::LinkAbove { path: done, real: folder.canonicalize().ok() }.into());
            }
            let real = done.canonicalize()?;
            done = way(&real)?;
            above(&done)?;
        } else {
            above(&done)?;
        }
    }
    Ok(done)
}

/// Whether this is a link of root in `/` that belongs to the layout of the system (`/home` to `/var/home`).
fn is_of_the_system(link: &Path, owner: u32) -> bool {
    let mut components = link.components();
    let in_root = components.next() == Some(Component::RootDir) && components.count() == 1;
    in_root && owner == 0
}

fn above(path: &Path) -> io::Result<()> {
    let found = fs::symlink_metadata(path)?;
    let (kind, mode) = (PathKind::of(found.file_type()), found.mode());
    if kind != PathKind::Folder {
        return Err(Exposed::Kind { path: path.to_owned(), kind, expected: PathKind::Folder }.into());
    }
    if found.uid() != 0 && found.uid() != own() {
        return Err(Exposed::OwnerAbove { path: path.to_owned(), owner: found.uid() }.into());
    }
    if mode & OTHERS_WRITE != 0 && mode & STICKY == 0 {
        return Err(Exposed::ModeAbove { path: path.to_owned(), mode: mode & 0o7777 }.into());
    }
    Ok(())
}

#[cfg(test)]
#[expect(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test fails by panicking, and bends homes")]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;
    use crate::open::make_folder;

    fn mode(path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    fn refused(home: &Path) -> Exposed {
        let err = check(home).unwrap_err();
        Exposed::of(&err).cloned().unwrap_or_else(|| unreachable!("{err}"))
    }

    #[test]
    fn a_home_that_others_have_rights_on_is_refused_and_its_command_mends_it() {
        let folder = tempfile::tempdir().unwrap();
        let home = folder.path().join("a home");
        assert!(check(&home).is_ok(), "one that is not there yet");
        make_folder(&home.join("journal")).unwrap();
        for name in ["keys", "journal/00000001.seg"] {
            fs::write(home.join(name), b"").unwrap();
            mode(&home.join(name), 0o600);
        }
        assert!(check(&home).is_ok(), "the control");
        for (name, bits) in [("", 0o750), ("", 0o701), ("journal", 0o711), ("keys", 0o640), ("journal/00000001.seg", 0o604)] {
            mode(&home.join(name), bits);
            let exposed = refused(&home);
            assert!(matches!(exposed, Exposed::Mode { mode, .. } if mode == bits), "{name}: {exposed:?}");
            assert!(std::process::Command::new("sh").args(["-c", &exposed.mend()]).status().unwrap().success());
            assert!(check(&home).is_ok(), "{name}: `{}` mends it", exposed.mend());
        }
    }

    #[test]
    fn a_link_anywhere_on_the_way_or_in_a_home_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let real = folder.path().join("real/home");
        make_folder(&real).unwrap();
        symlink(folder.path().join("real"), folder.path().join("link")).unwrap();
        symlink(&real, folder.path().join("straight")).unwrap();
        for (path, link) in [("link/home", "link"), ("straight", "straight"), ("link/not/there/yet", "link")] {
            let exposed = refused(&folder.path().join(path));
            assert!(matches!(&exposed, Exposed::LinkAbove { path, .. } if *path == folder.path().join(link)), "{exposed:?}");
        }
        assert!(refused(&folder.path().join("straight")).mend().ends_with("real/home"));
        symlink("/etc/passwd", real.join("keys")).unwrap();
        assert!(matches!(refused(&real), Exposed::Kind { kind: PathKind::Link, .. }));
        fs::remove_file(real.join("keys")).unwrap();
        assert!(check(&real).is_ok(), "the control");
    }

    #[test]
    fn a_folder_above_that_others_can_write_is_refused_and_one_like_tmp_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let (above, home) = (folder.path().join("above"), folder.path().join("above/home"));
        make_folder(&home).unwrap();
        for bits in [0o770, 0o702, 0o777] {
            mode(&above, bits);
            assert_eq!(refused(&home), Exposed::ModeAbove { path: above.clone(), mode: bits });
        }
        for bits in [0o1777, 0o755, 0o700] {
            mode(&above, bits);
            assert!(check(&home).is_ok(), "{bits:o}");
        }
    }
}
