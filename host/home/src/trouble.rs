//! Puts an error of the system about a file into words: what is wrong, on which file system or for which user, and what to do about it.
//!
//! It repairs nothing, and does not know what the caller was doing with the file. The caller says that.

use std::error::Error;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use rustix::io::Errno;
use rustix::process::{Resource, getrlimit};

use crate::accounts::{own, user};
use crate::causes::within;
use crate::rights::barred;

/// The kind of an error with a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The file system is full.
    NoSpace,
    /// A quota is used up.
    Quota,
    /// The device under the file system failed.
    Device,
    /// The file system is mounted read-only.
    ReadOnly,
    /// This process or the system has reached its limit of open files.
    OpenFiles,
    /// This user may not use the file.
    Permission,
    /// The file would exceed the limit for the size of a file that this process writes.
    FileSize,
    /// The file system is no longer there.
    Gone,
}

/// An error of the system about a file, in words. It is the inner error of an [`io::Error`] of the same kind.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{words}")]
pub struct Trouble {
    cause: Cause,
    words: String,
    place: PathBuf,
    /// What to do about missing rights, if that is the cause.
    rights: Option<String>,
}

/// Puts an error of the system about a file into words. Errors that say enough by themselves (not found, invalid data) stay as they are.
pub fn told(path: &Path, cause: io::Error) -> io::Error {
    in_words(path, cause, None)
}

/// The same for a caller that knows how many bytes it wanted to write.
pub fn told_of(path: &Path, bytes: u64, cause: io::Error) -> io::Error {
    in_words(path, cause, Some(bytes))
}

fn in_words(path: &Path, cause: io::Error, bytes: Option<u64>) -> io::Error {
    // An error without an errno was put into words already, or was made by this program.
    let Some(errno) = Errno::from_io_error(&cause) else { return cause };
    match Trouble::new(path, errno, bytes) {
        Some(trouble) => io::Error::new(cause.kind(), trouble),
        None => cause,
    }
}

impl Trouble {
    /// Finds the `Trouble` within an error, or within one of its causes.
    pub fn of<'e>(err: &'e (dyn Error + 'static)) -> Option<&'e Self> {
        within(err)
    }

    /// The kind of the error.
    pub fn cause(&self) -> Cause {
        self.cause
    }

    /// What to do about the error, as a part of a sentence. It does not name the step that follows.
    pub fn mend(&self) -> String {
        let place = self.place.display();
        match self.cause {
            Cause::NoSpace => format!("free space there (`df -h {place}`)"),
            Cause::Quota => "free space, or have the quota raised (`quota -s`)".to_owned(),
            Cause::Device => "see what the system says about the disk (`dmesg`), and copy what can still be read".to_owned(),
            Cause::ReadOnly => format!("see why (`dmesg`), and mount it for writing (`mount -o remount,rw {place}`)"),
            Cause::OpenFiles => "raise that limit (`ulimit -n`), or end the programs that hold so many files open".to_owned(),
            Cause::Permission => self.rights.clone().unwrap_or_default(),
            Cause::FileSize => "raise that limit (`ulimit -f`)".to_owned(),
            Cause::Gone => format!("mount it again (`findmnt {place}`)"),
        }
    }

    fn new(path: &Path, errno: Errno, bytes: Option<u64>) -> Option<Self> {
        let cause = cause_of(errno)?;
        let place = mounted_at(path);
        let at = format!("the file system at `{}`", place.display());
        let mut rights = None;
        let words = match cause {
            Cause::NoSpace => no_space(&place, bytes),
            Cause::Quota => format!("a quota of user {} on {at} is used up", user(own())),
            Cause::Device => format!("the disk failed: the system could not read or write {at} ({})", name(errno)),
            Cause::ReadOnly => format!("{at} is mounted read-only"),
            Cause::OpenFiles if errno == Errno::NFILE => "this system has reached its limit of open files".to_owned(),
            Cause::OpenFiles => format!("this process has reached its limit of open files{}", limit(Resource::Nofile, "")),
            Cause::Permission => {
                let barred = barred(path, errno);
                rights = Some(barred.mend);
                barred.words
            }
            Cause::FileSize => format!("the file would exceed the limit for the size of a file{}", limit(Resource::Fsize, " bytes")),
            Cause::Gone => format!("{at} is no longer there ({})", name(errno)),
        };
        Some(Self { cause, words, place, rights })
    }
}

fn cause_of(errno: Errno) -> Option<Cause> {
    Some(match errno {
        Errno::NOSPC => Cause::NoSpace,
        Errno::DQUOT => Cause::Quota,
        Errno::IO | Errno::UCLEAN => Cause::Device,
        Errno::ROFS => Cause::ReadOnly,
        Errno::MFILE | Errno::NFILE => Cause::OpenFiles,
        Errno::ACCESS | Errno::PERM => Cause::Permission,
        Errno::FBIG => Cause::FileSize,
        Errno::STALE | Errno::NOTCONN | Errno::NODEV | Errno::NXIO | Errno::HOSTDOWN | Errno::TIMEDOUT => Cause::Gone,
        _ => return None,
    })
}

fn name(errno: Errno) -> &'static str {
    match errno {
        Errno::IO => "EIO",
        Errno::UCLEAN => "EUCLEAN",
        Errno::STALE => "ESTALE",
        Errno::NOTCONN => "ENOTCONN",
        Errno::NODEV => "ENODEV",
        Errno::NXIO => "ENXIO",
        Errno::HOSTDOWN => "EHOSTDOWN",
        _ => "ETIMEDOUT",
    }
}

fn limit(of: Resource, unit: &str) -> String {
    getrlimit(of).current.map_or_else(String::new, |most| format!(" ({most}{unit})"))
}

fn no_space(place: &Path, bytes: Option<u64>) -> String {
    let at = format!("on the file system at `{}`", place.display());
    let Ok(found) = rustix::fs::statvfs(place) else { return format!("no space left {at}") };
    let free = if own() == 0 { found.f_bfree } else { found.f_bavail }.saturating_mul(found.f_frsize);
    // Some file systems do not count their files, and report zero for both numbers.
    if found.f_files > 0 && found.f_favail == 0 {
        return format!("no room for another file {at}: all its {} inodes are used", found.f_files);
    }
    let needed = bytes.map_or_else(String::new, |bytes| format!("{} needed, ", size(bytes)));
    format!("no space left {at}: {needed}{} free", size(free))
}

/// Formats a number of bytes for people, as `18.2 MB`: in powers of ten, as disks are sold.
pub fn size(bytes: u64) -> String {
    const UNITS: [(u64, &str); 4] = [(1_000_000_000_000, "TB"), (1_000_000_000, "GB"), (1_000_000, "MB"), (1000, "kB")];
    match UNITS.iter().find(|(unit, _)| bytes >= *unit) {
        Some((unit, name)) => {
            let tenths = bytes / (unit / 10);
            format!("{}.{} {name}", tenths / 10, tenths % 10)
        }
        None => format!("{bytes} B"),
    }
}

/// The folder at which the file system of a path is mounted. The path need not exist yet.
fn mounted_at(path: &Path) -> PathBuf {
    let real = path.ancestors().find_map(|above| above.canonicalize().ok()).unwrap_or_else(|| PathBuf::from("/"));
    let device = |path: &Path| fs::metadata(path).map(|found| found.dev()).ok();
    let own = device(&real);
    real.ancestors().take_while(|above| device(above) == own).last().unwrap_or(&real).to_owned()
}

#[cfg(test)]
#[expect(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test fails by panicking, and makes files")]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;
    use std::sync::Arc;

    use super::*;
    use crate::Exposed;

    #[derive(Debug, thiserror::Error)]
    #[error("outer")]
    struct Shared(#[source] Arc<io::Error>);

    fn words(path: &Path, errno: Errno) -> String {
        told(path, errno.into()).to_string()
    }

    #[test]
    fn each_kind_of_trouble_has_its_words_and_keeps_its_kind() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        fs::write(&path, b"").unwrap();
        for (errno, cause, part) in [
            (Errno::NOSPC, Cause::NoSpace, "no space left on the file system at `"),
            (Errno::DQUOT, Cause::Quota, "a quota of user "),
            (Errno::IO, Cause::Device, "the disk failed: "),
            (Errno::ROFS, Cause::ReadOnly, " is mounted read-only"),
            (Errno::MFILE, Cause::OpenFiles, "this process has reached its limit of open files ("),
            (Errno::NFILE, Cause::OpenFiles, "this system has reached its limit of open files"),
            (Errno::ACCESS, Cause::Permission, " has no permission: file `"),
            (Errno::FBIG, Cause::FileSize, "the file would exceed the limit"),
            (Errno::STALE, Cause::Gone, " is no longer there (ESTALE)"),
        ] {
            let err = told(&path, errno.into());
            assert_eq!(err.kind(), io::Error::from(errno).kind(), "{errno:?}");
            let trouble = Trouble::of(&err).unwrap();
            assert_eq!(trouble.cause(), cause);
            assert!(err.to_string().contains(part), "{err}");
            assert!(!trouble.mend().is_empty());
            assert_eq!(Trouble::of(&Shared(Arc::new(told(&path, errno.into())))), Some(trouble), "also where the cause is shared");
            assert_eq!(told(&path, told(&path, errno.into())).to_string(), err.to_string(), "said once");
        }
        assert_eq!(Trouble::of(&told(&path, Errno::NOENT.into())), None, "the control: that says enough");
        assert_eq!(Trouble::of(&told(&path, Exposed::LinkAbove { path: path.clone(), real: None }.into())), None);
    }

    #[test]
    fn a_full_file_system_says_how_much_is_needed_and_free() {
        let err = told_of(Path::new("/"), 64 << 20, Errno::NOSPC.into());
        let text = err.to_string();
        assert!(text.starts_with("no space left on the file system at `/`: 67.1 MB needed, ") && text.ends_with(" free"), "{text}");
        assert_eq!([size(0), size(999), size(1000), size(1999), size(64 << 20)], ["0 B", "999 B", "1.0 kB", "1.9 kB", "67.1 MB"]);
        assert_eq!([size(9_999_999), size(3 << 40)], ["9.9 MB", "3.2 TB"]);
    }

    #[test]
    fn a_path_that_is_not_there_belongs_to_the_file_system_of_what_is() {
        assert_eq!(mounted_at(Path::new("/no/such/thing")), Path::new("/"));
        assert_eq!(mounted_at(Path::new("/proc/no-such-thing")), Path::new("/proc"));
    }

    #[test]
    fn what_may_not_be_used_says_whose_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let text = words(&folder.path().join("none").join("deeper"), Errno::ACCESS);
        let mode = fs::metadata(folder.path()).unwrap().permissions().mode() & 0o7777;
        let expected = format!("folder `{}` belongs to user {}, with mode {mode:04o}", folder.path().display(), user(own()));
        assert!(text.contains(&expected), "{text}");
        fs::write(folder.path().join("x"), b"").unwrap();
        assert!(words(&folder.path().join("x"), Errno::PERM).ends_with("immutable (`lsattr`)"));
    }
}
