//! Why this user may not use a file, and what to do about it.
//!
//! The answer is based on what can be read: attributes of the file system, the owner, the mode. It can't see what a security module
//! forbids.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, StatxAttributes, StatxFlags, statx};
use rustix::io::Errno;

use crate::accounts::{own, user};
use crate::exposed::quoted;

/// Why this user may not use a file.
pub(crate) struct Barred {
    pub(crate) words: String,
    /// What to do, as a part of a sentence.
    pub(crate) mend: String,
}

/// Finds what keeps this user from a file: a file or folder that is marked, the first folder on the path that the user may not enter, or
/// the rights on the file itself. The file need not exist yet.
pub(crate) fn barred(path: &Path, errno: Errno) -> Barred {
    let me = user(own());
    if errno == Errno::PERM
        && let Some(marked) = Marked::of(path)
    {
        let Marked { path, what, mark, letter } = &marked;
        return Barred {
            words: format!("user {me} has no permission: {what} `{}` is marked as {mark} (`lsattr -d`)", path.display()),
            mend: format!("see who marked it, and why; `sudo chattr -{letter} {}` removes the mark", quoted(path)),
        };
    }
    let Some((found, metadata)) = last_there(path) else {
        return Barred {
            words: format!("user {me} may not use `{}` ({})", path.display(), if errno == Errno::PERM { "EPERM" } else { "EACCES" }),
            mend: "run this as a user who may use it".to_owned(),
        };
    };
    let mode = metadata.permissions().mode() & 0o7777;
    let (owner, what) = (user(metadata.uid()), what(&metadata));
    let mut words = format!("user {me} has no permission: {what} `{}` belongs to user {owner}, with mode {mode:04o}", found.display());
    let full = if metadata.is_dir() { 0o700 } else { 0o600 };
    let mend = if metadata.uid() != own() {
        // The advice does not give away a folder above: that would open everything in it.
        let give = format!("give the {what} to this user (`sudo chown {} {}`)", own(), quoted(&found));
        if found == path {
            format!("run this as that user, or {give}")
        } else {
            "run this as that user, or use a folder of your own".to_owned()
        }
    } else if mode & full != full && own() != 0 {
        format!("`chmod u+{} {}`", if metadata.is_dir() { "rwx" } else { "rw" }, quoted(&found))
    } else if errno == Errno::PERM {
        words.push_str(", and may be marked as immutable (`lsattr`)");
        format!("look for such a mark, on its folder too (`lsattr -d {}`); `sudo chattr -i -a` removes it", quoted(&found))
    } else {
        format!("see what else denies access to it (`getfacl {}`, AppArmor, SELinux)", quoted(&found))
    };
    Barred { words, mend }
}

fn what(found: &fs::Metadata) -> &'static str {
    if found.is_dir() { "folder" } else { "file" }
}

/// The longest part of a path whose metadata can be read. What follows does not exist yet, or lies in a folder that this user may not
/// enter.
fn last_there(path: &Path) -> Option<(PathBuf, fs::Metadata)> {
    let mut above: Vec<&Path> = path.ancestors().filter(|above| !above.as_os_str().is_empty()).collect();
    above.reverse();
    above.into_iter().map_while(|step| fs::symlink_metadata(step).ok().map(|found| (step.to_owned(), found))).last()
}

/// A file or folder that nobody, not even root, can change because of an attribute of the file system.
struct Marked {
    path: PathBuf,
    what: &'static str,
    mark: &'static str,
    /// The letter of the attribute for `chattr`.
    letter: char,
}

impl Marked {
    /// Looks at the file, and at the folder that contains it.
    fn of(path: &Path) -> Option<Self> {
        let (found, metadata) = last_there(path)?;
        let folder = found.parent().map(Path::to_owned).filter(|_| found == path);
        std::iter::once((found, what(&metadata))).chain(folder.map(|folder| (folder, "folder"))).find_map(|(path, what)| {
            let marks = statx(CWD, &path, AtFlags::SYMLINK_NOFOLLOW, StatxFlags::BASIC_STATS).ok()?.stx_attributes;
            let (mark, letter) = match () {
                () if marks.contains(StatxAttributes::IMMUTABLE) => ("immutable", 'i'),
                () if marks.contains(StatxAttributes::APPEND) => ("append-only", 'a'),
                () => return None,
            };
            Some(Self { path, what, mark, letter })
        })
    }
}
