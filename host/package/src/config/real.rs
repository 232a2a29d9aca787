//! Finds where the paths of a configuration lead at the time it is read. The result is shown, trusted and used instead of the path as
//! written.
//!
//! Opens no file. Code that uses such a path opens it without following links, so that a link put there later is not followed.

use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::path::{Component, Path, PathBuf};

use crate::file::{self, FileError};

/// BOUND: links that are followed on the way to one file. The kernel has the same bound.
const LINKS_MAX: usize = 40;

/// The only link that may change under a file that was trusted. Kubernetes replaces a volume of secrets by pointing `..data`, in the folder
/// of the volume, at another folder beside it.
pub(super) const DATA: &str = "..data";

/// A path without links. Its end need not exist yet.
pub(super) fn real_or_future(path: &Path) -> Result<PathBuf, FileError> {
    let absolute = std::path::absolute(path).map_err(file::failed("find", path))?;
    let mut there = absolute.as_path();
    loop {
        match (there.canonicalize(), there.parent()) {
            (Ok(real), _) => {
                return Ok(absolute
                    .strip_prefix(there)
                    .map_or(real.clone(), |rest| if rest.as_os_str().is_empty() { real } else { real.join(rest) }));
            }
            (Err(cause), Some(parent)) if cause.kind() == std::io::ErrorKind::NotFound => there = parent,
            (Err(cause), _) => return Err(file::failed("find", path)(cause)),
        }
    }
}

/// The path of a file with a secret: without links, except for a `..data` that points to a folder beside it.
///
/// SECURITY: that link stays in the path and may only point to a folder beside it. Trust covers the folder in which the link lies.
pub(super) fn of_secret(path: &Path) -> Result<PathBuf, FileError> {
    resolved(path, |word, target| word == DATA && is_beside(target))
}

/// Where a path leads, without any link, whether or not a file is there.
pub(super) fn of_any(path: &Path) -> Result<PathBuf, FileError> {
    resolved(path, |_, _| false)
}

/// The path without `.` and `..`. The file system is not read. `path` is absolute.
pub(super) fn without_dots(path: &Path) -> PathBuf {
    let mut plain = PathBuf::from("/");
    for word in words(path) {
        if word == ".." {
            plain.pop();
        } else {
            plain.push(word);
        }
    }
    plain
}

/// Follows all links except those for which `stays` is true.
fn resolved(path: &Path, stays: impl Fn(&OsStr, &Path) -> bool) -> Result<PathBuf, FileError> {
    let absolute = std::path::absolute(path).map_err(file::failed("find", path))?;
    let mut rest: VecDeque<OsString> = words(&absolute);
    let (mut real, mut links) = (PathBuf::from("/"), 0);
    while let Some(word) = rest.pop_front() {
        if word == ".." {
            real.pop();
            continue;
        }
        let here = real.join(&word);
        let Ok(target) = std::fs::read_link(&here) else {
            real = here;
            continue;
        };
        if stays(&word, &target) {
            real = here;
            continue;
        }
        links += 1;
        if links > LINKS_MAX {
            return Err(file::failed("find", path)(std::io::Error::from_raw_os_error(rustix::io::Errno::LOOP.raw_os_error())));
        }
        if target.is_absolute() {
            real = PathBuf::from("/");
        }
        for word in words(&target).into_iter().rev() {
            rest.push_front(word);
        }
    }
    Ok(real)
}

fn words(path: &Path) -> VecDeque<OsString> {
    let word = |part| match part {
        Component::Normal(word) => Some(word.to_owned()),
        Component::ParentDir => Some(OsString::from("..")),
        Component::RootDir | Component::CurDir | Component::Prefix(_) => None,
    };
    path.components().filter_map(word).collect()
}

/// Whether the target is one plain name.
fn is_beside(target: &Path) -> bool {
    let mut parts = target.components();
    matches!((parts.next(), parts.next()), (Some(Component::Normal(name)), None) if name != OsStr::new(DATA))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use std::os::unix::fs::symlink;

    use super::of_secret;

    #[test]
    fn links_are_followed_but_for_the_one_by_which_kubernetes_replaces_a_volume() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        let volume = root.join("volume");
        std::fs::create_dir_all(volume.join("..2026_01")).unwrap();
        std::fs::write(volume.join("..2026_01/token"), "x").unwrap();
        symlink("..2026_01", volume.join("..data")).unwrap();
        symlink("..data/token", volume.join("token")).unwrap();
        symlink("volume", root.join("short")).unwrap();
        symlink("../other", volume.join("out")).unwrap();
        symlink("/absolutely/elsewhere", volume.join("far")).unwrap();
        symlink("round", volume.join("round")).unwrap();
        for (written, real) in [
            ("volume/token", "volume/..data/token"),
            ("short/token", "volume/..data/token"),
            ("short/./../volume/absent", "volume/absent"),
            ("volume/out", "other"),
        ] {
            assert_eq!(of_secret(&root.join(written)).unwrap(), root.join(real), "{written}");
        }
        assert_eq!(of_secret(&volume.join("far")).unwrap(), std::path::Path::new("/absolutely/elsewhere"));
        assert!(of_secret(&volume.join("round")).is_err());
        std::fs::remove_file(volume.join("..data")).unwrap();
        symlink("../elsewhere", volume.join("..data")).unwrap();
        assert_eq!(
            of_secret(&root.join("volume/token")).unwrap(),
            root.join("elsewhere/token"),
            "a link that leads out is followed like any other"
        );
    }
}
