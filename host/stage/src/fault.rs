//! Why something could not be done in the view of a mount.

use std::io;

use rustix::io::Errno;
use vocabulary::{FileFault, Reason};

/// An ask that failed: it was refused, or had a fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StageFault {
    /// It was refused.
    Refused(Reason),
    /// It had a fault.
    Fault(FileFault),
}

impl From<FileFault> for StageFault {
    fn from(fault: FileFault) -> Self {
        Self::Fault(fault)
    }
}

impl From<Errno> for StageFault {
    fn from(errno: Errno) -> Self {
        Self::Fault(match errno {
            Errno::XDEV => return Self::Refused(Reason::LeavesMount),
            Errno::NXIO | Errno::NODEV => return Self::Refused(Reason::NotRegular),
            Errno::NOENT => FileFault::NotFound,
            Errno::NOTDIR => FileFault::NotDirectory,
            Errno::ISDIR => FileFault::IsDirectory,
            Errno::ACCESS | Errno::PERM => FileFault::Access,
            Errno::LOOP => FileFault::Loop,
            Errno::NAMETOOLONG => FileFault::NameTooLong,
            Errno::INVAL => FileFault::Invalid,
            Errno::MFILE | Errno::NFILE => FileFault::TooManyOpen,
            Errno::NOSPC | Errno::DQUOT | Errno::FBIG => FileFault::NoSpace,
            _ => FileFault::Io,
        })
    }
}

impl From<io::Error> for StageFault {
    fn from(err: io::Error) -> Self {
        match err.raw_os_error() {
            Some(code) => Errno::from_raw_os_error(code).into(),
            None if err.kind() == io::ErrorKind::NotFound => FileFault::NotFound.into(),
            None => FileFault::Io.into(),
        }
    }
}
