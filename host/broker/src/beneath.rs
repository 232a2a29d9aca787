//! The only way from a mount to the files beneath it. The kernel finds a file without leaving the mount. The file is then held by a
//! descriptor and opened through that descriptor, so that it can't be exchanged between two steps.
//!
//! SECURITY: a file system that is mounted somewhere beneath (`/proc`, one of a network or of another program) is not part of the mount. No
//! path enters it, for any operation. It is not even queried, so it can't block anyone. If an agent should see it, the operator grants it
//! as a separate mount.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd as _;

use cap_std::fs::Dir;
use rustix::fs::{Mode, OFlags, ResolveFlags, openat2, readlinkat};
use rustix::io::Errno;
use vocabulary::{FileFault, Reason};

use crate::not_observed::NotObserved;

/// BOUND: bytes of the target of a link that is returned.
const LINK_BYTES_MAX: usize = 4096;
/// BOUND: how often the kernel may report that a concurrent rename prevented it from telling whether `..` left the mount.
const TRIES_MAX: usize = 100;

/// Whether a link at the end of a path is followed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum PathEnd {
    Followed,
    AsItIs,
}

/// Finds what is at a path, of whatever kind, without opening it (`O_PATH`, open(2)).
pub(crate) fn find(dir: &Dir, path: &str, end: PathEnd) -> io::Result<File> {
    let follow = if end == PathEnd::Followed { OFlags::empty() } else { OFlags::NOFOLLOW };
    let within = ResolveFlags::BENEATH | ResolveFlags::NO_XDEV | ResolveFlags::NO_MAGICLINKS;
    for _ in 0..TRIES_MAX {
        match openat2(dir, path, OFlags::PATH | OFlags::CLOEXEC | follow, Mode::empty(), within) {
            Err(Errno::AGAIN | Errno::INTR) => {}
            found => return Ok(File::from(found?)),
        }
    }
    Err(io::ErrorKind::Interrupted.into())
}

/// Opens what was found for reading: this very object, whatever is at its path by now.
pub(crate) fn open(found: &File, directory: bool) -> io::Result<File> {
    let kind = if directory { OFlags::DIRECTORY } else { OFlags::empty() };
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC | kind;
    Ok(File::from(rustix::fs::open(format!("/proc/self/fd/{}", found.as_raw_fd()), flags, Mode::empty())?))
}

/// The target of a link that was found.
pub(crate) fn target(link: &File) -> Result<String, NotObserved> {
    tellable(readlinkat(link, "", Vec::new()).map_err(io::Error::from)?.as_bytes())
}

/// SECURITY: an absolute target names a place on the host, and the guest must not learn anything about the host.
fn tellable(target: &[u8]) -> Result<String, NotObserved> {
    match str::from_utf8(target) {
        _ if target.first() == Some(&b'/') => Err(NotObserved::Refused(Reason::LeavesMount)),
        _ if target.len() > LINK_BYTES_MAX => Err(FileFault::NameTooLong.into()),
        Ok(target) => Ok(target.to_owned()),
        Err(_) => Err(FileFault::Invalid.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_that_is_too_long_absolute_or_no_text_is_not_told() {
        let told = |target: &[u8]| tellable(target);
        assert!(matches!(told(&vec![b'a'; LINK_BYTES_MAX + 1]), Err(NotObserved::Fault(FileFault::NameTooLong))));
        assert!(matches!(told(b"/etc/passwd"), Err(NotObserved::Refused(Reason::LeavesMount))));
        assert!(matches!(told(b"\xff"), Err(NotObserved::Fault(FileFault::Invalid))));
        assert!(told(&vec![b'a'; LINK_BYTES_MAX]).is_ok_and(|told| told.len() == LINK_BYTES_MAX), "the control");
    }
}
