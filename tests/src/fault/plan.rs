//! Plans: which fault is made at which call.

use std::fmt;

use rustix::io::Errno;

use super::call::{Call, Deed};

/// How long a fault lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lasting {
    /// It affects only this call.
    Once,
    /// It affects this call and all later ones, until the program has ended.
    FromThenOn,
}

/// The kinds of faults.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The process is killed, and the call is not made.
    KillBefore,
    /// The call is made, and the process is killed before it gets the result.
    KillAfter,
    /// A part of the bytes is written, and the process is killed.
    Tear,
    /// A part of the bytes is written, and the call returns this smaller number.
    Short,
    /// The call is not made, and returns this error.
    Fail(Errno, Lasting),
}

/// All faults that are tried.
pub const FAULTS: [Fault; 12] = [
    Fault::KillBefore,
    Fault::KillAfter,
    Fault::Tear,
    Fault::Short,
    Fault::Fail(Errno::NOSPC, Lasting::Once),
    Fault::Fail(Errno::NOSPC, Lasting::FromThenOn),
    Fault::Fail(Errno::IO, Lasting::Once),
    Fault::Fail(Errno::IO, Lasting::FromThenOn),
    Fault::Fail(Errno::DQUOT, Lasting::Once),
    Fault::Fail(Errno::DQUOT, Lasting::FromThenOn),
    Fault::Fail(Errno::ROFS, Lasting::Once),
    Fault::Fail(Errno::ROFS, Lasting::FromThenOn),
];

impl fmt::Display for Fault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::KillBefore => formatter.write_str("kill-before"),
            Self::KillAfter => formatter.write_str("kill-after"),
            Self::Tear => formatter.write_str("tear"),
            Self::Short => formatter.write_str("short"),
            Self::Fail(errno, lasting) => {
                let name = match *errno {
                    Errno::NOSPC => "enospc",
                    Errno::IO => "eio",
                    Errno::DQUOT => "edquot",
                    Errno::ROFS => "erofs",
                    _ => "another",
                };
                write!(formatter, "{name}-{}", if *lasting == Lasting::Once { "once" } else { "from-then-on" })
            }
        }
    }
}

impl std::str::FromStr for Fault {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        FAULTS.into_iter().find(|fault| fault.to_string() == text).ok_or_else(|| format!("there is no fault `{text}`"))
    }
}

impl Fault {
    /// Whether a real disk or machine can do this to such a call.
    #[must_use]
    pub fn befalls(self, call: &Call) -> bool {
        match self {
            Self::KillBefore | Self::KillAfter => call.deed != Deed::Unseen,
            Self::Tear | Self::Short => call.bytes >= 2,
            Self::Fail(errno, _) => match call.deed {
                Deed::Unseen => false,
                // A full disk allows removing names; a lack of space shows at the latest at a sync.
                Deed::Remove | Deed::Mode => matches!(errno, Errno::IO | Errno::ROFS),
                Deed::Sync => errno != Errno::ROFS,
                Deed::Open | Deed::Write | Deed::Size | Deed::Rename | Deed::Make => true,
            },
        }
    }

    /// Whether this fault kills the process.
    #[must_use]
    pub fn kills(self) -> bool {
        matches!(self, Self::KillBefore | Self::KillAfter | Self::Tear)
    }
}

/// One fault at one place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The number of the call, from 1; if the fault can't happen to that call, the first later call to which it can.
    pub at: usize,
    /// The fault that is made there.
    pub fault: Fault,
    /// Which share of a partial write is done, in 256ths.
    pub share: u8,
}

impl Plan {
    /// How many of `bytes` are written: at least one, and never all.
    #[must_use]
    pub fn part(&self, bytes: u64) -> u64 {
        (bytes * u64::from(self.share) / 256).clamp(1, bytes.saturating_sub(1).max(1))
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}@{}", self.fault, self.at)
    }
}
