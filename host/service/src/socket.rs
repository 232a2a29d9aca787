//! The control socket: how a second process on the same home gets its verbs done by the first.
//!
//! One JSON document a line, both ways. Only processes of the same user are spoken to: the socket lies in a folder that is theirs
//! alone, and the peer's credentials are checked as well.

pub(crate) mod client;
pub(crate) mod lines;
mod relay;
pub(crate) mod server;
mod wire;

pub use wire::understood;

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fd::{AsRawFd as _, OwnedFd};
use rustix::fs::{Mode, OFlags};

use crate::wait::SOCKET;

/// How long is waited before a host that is coming or going is tried again.
pub(crate) const PAUSE: Duration = Duration::from_millis(10);
/// How often a host says that it goes on.
pub(crate) const BEAT: Duration = Duration::from_millis(250);

/// A path to the socket that is short whatever the home's is: the address of a socket holds 108 bytes.
struct ShortPath {
    path: PathBuf,
    _folder: OwnedFd,
}

fn short_path(home: &Path) -> io::Result<ShortPath> {
    let folder = rustix::fs::open(home, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
    Ok(ShortPath { path: format!("/proc/self/fd/{}/{SOCKET}", folder.as_raw_fd()).into(), _folder: folder })
}
