//! Why an observation of a mount failed.

use std::io;

use rustix::io::Errno;
use vocabulary::{FileFault, Reason};

/// An observation that failed: it was refused, or had a fault.
pub(crate) enum NotObserved {
    Refused(Reason),
    Fault(FileFault),
}

impl From<FileFault> for NotObserved {
    fn from(fault: FileFault) -> Self {
        Self::Fault(fault)
    }
}

impl From<io::Error> for NotObserved {
    fn from(err: io::Error) -> Self {
        let Some(code) = err.raw_os_error() else {
            return match err.kind() {
                io::ErrorKind::NotFound => Self::Fault(FileFault::NotFound),
                io::ErrorKind::NotADirectory => Self::Fault(FileFault::NotDirectory),
                io::ErrorKind::InvalidInput => Self::Fault(FileFault::Invalid),
                _ => Self::Fault(FileFault::Io),
            };
        };
        match Errno::from_raw_os_error(code) {
            Errno::XDEV => Self::Refused(Reason::LeavesMount),
            Errno::NXIO | Errno::NODEV => Self::Refused(Reason::NotRegular),
            Errno::NOENT => Self::Fault(FileFault::NotFound),
            Errno::NOTDIR => Self::Fault(FileFault::NotDirectory),
            Errno::ISDIR => Self::Fault(FileFault::IsDirectory),
            Errno::ACCESS | Errno::PERM => Self::Fault(FileFault::Access),
            Errno::LOOP => Self::Fault(FileFault::Loop),
            Errno::NAMETOOLONG => Self::Fault(FileFault::NameTooLong),
            Errno::INVAL => Self::Fault(FileFault::Invalid),
            Errno::MFILE | Errno::NFILE => Self::Fault(FileFault::TooManyOpen),
            _ => Self::Fault(FileFault::Io),
        }
    }
}
