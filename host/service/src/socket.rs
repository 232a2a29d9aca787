//! The control socket: a second process on the same home sends its verbs to the process that holds the home.
//!
//! Each line is one JSON document, in both directions. Only processes of the same user are served: the socket lies in a folder that only
//! this user can enter, and the peer's credentials are checked as well.

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

/// How long a client waits before it tries again to reach a host that is taking or leaving the home.
pub(crate) const PAUSE: Duration = Duration::from_millis(10);
/// How often a host reports that it is alive.
pub(crate) const BEAT: Duration = Duration::from_millis(250);

/// A short path to the socket, even if the home's path is long: the address of a socket holds 108 bytes.
struct ShortPath {
    path: PathBuf,
    _folder: OwnedFd,
}

fn short_path(home: &Path) -> io::Result<ShortPath> {
    let folder = rustix::fs::open(home, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
    Ok(ShortPath { path: format!("/proc/self/fd/{}/{SOCKET}", folder.as_raw_fd()).into(), _folder: folder })
}
