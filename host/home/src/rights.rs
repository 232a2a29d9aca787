//! What keeps this user from a file, and what may be done about it.
//!
//! It goes by what can be looked at: marks of the file system, the owner, the mode. What a security module forbids can't be seen from here.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, StatxAttributes, StatxFlags, statx};
use rustix::io::Errno;

use crate::accounts::{own, user};
use crate::exposed::quoted;

/// Why a file may not be used.
pub(crate) struct Barred {
    pub(crate) words: String,
    /// What to do: a part of a sentence.
    pub(crate) mend: String,
}

/// What this user lacks: a file or folder that is marked, the first folder on the way that it may not enter, or the file itself. The file may not be
/// there yet.
pub(crate) fn barred(path: &Path, errno: Errno) -> Barred {
    let me = user(own());
    if errno == Errno::PERM
        && let Some(marked) = Marked::of(path)
    {
        let Marked { path, what, mark, letter } = &marked;
        return Barred {
            words: format!("user {me} may not: {what} `{}` is marked as {mark} (`lsattr -d`)", path.display()),
            mend: format!("see who marked it, and why; `sudo chattr -{letter} {}` takes the mark away", quoted(path)),
        };
    }
    let Some((found, metadata)) = last_there(path) else {
        return Barred {
            words: format!("user {me} may not use `{}` ({})", path.display(), if errno == Errno::PERM { "EPERM" } else { "EACCES" }),
            mend: "be a user who may".to_owned(),
        };
    };
    let mode = metadata.permissions().mode() & 0o7777;
    let (owner, what) = (user(metadata.uid()), what(&metadata));
    let mut words = format!("user {me} may not: {what} `{}` belongs to user {owner}, with mode {mode:04o}", found.display());
    let full = if metadata.is_dir() { 0o700 } else { 0o600 };
    let mend = if metadata.uid() != own() {
        // A folder above is somebody else's business: given away, it would open all that is in it.
        let give = format!("give the {what} to this one (`sudo chown {} {}`)", own(), quoted(&found));
        if found == path { format!("be that user, or {give}") } else { "be that user, or use a folder of your own".to_owned() }
    } else if mode & full != full && own() != 0 {
        format!("`chmod u+{} {}`", if metadata.is_dir() { "rwx" } else { "rw" }, quoted(&found))
    } else if errno == Errno::PERM {
        words.push_str(", and may be marked as immutable (`lsattr`)");
        format!("look for such a mark, on its folder too (`lsattr -d {}`); `sudo chattr -i -a` takes it away", quoted(&found))
    } else {
        format!("see what else guards it (`getfacl {}`, AppArmor, SELinux)", quoted(&found))
    };
    Barred { words, mend }
}

fn what(found: &fs::Metadata) -> &'static str {
    if found.is_dir() { "folder" } else { "file" }
}

/// The last step on the way to a path that can be looked at. What is behind it is yet to be made, or lies in a folder that may not be entered.
fn last_there(path: &Path) -> Option<(PathBuf, fs::Metadata)> {
    let mut above: Vec<&Path> = path.ancestors().filter(|above| !above.as_os_str().is_empty()).collect();
    above.reverse();
    above.into_iter().map_while(|step| fs::symlink_metadata(step).ok().map(|found| (step.to_owned(), found))).last()
}

/// A file or folder that its file system lets nobody change, root included.
struct Marked {
    path: PathBuf,
    what: &'static str,
    mark: &'static str,
    /// As `chattr` calls it.
    letter: char,
}

impl Marked {
    /// The file, or the folder in which its name is.
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
