//! Where a home is, and the options of a host.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::err::RunError;

/// Where a home and its second state are.
#[derive(Clone, Debug)]
pub struct HomePlace {
    /// The folder of the home: journal, components, keys.
    pub home: PathBuf,
    /// The folder of the second state.
    pub state: PathBuf,
}

impl HomePlace {
    pub(crate) fn at(&self, name: &str) -> PathBuf {
        self.home.join(name)
    }
}

/// The options of a host.
#[derive(Clone, Debug)]
pub struct HostOptions {
    /// The program that is started to compile, and its arguments before the size.
    pub compiler: (PathBuf, Vec<String>),
    /// The options with which the journal is opened.
    pub journal: journal::Options,
    /// How many runs may be inside an engine at once.
    pub slots: u32,
    /// A run that has to wait for a time for longer than this is unloaded from memory while it waits.
    pub long_wait: Duration,
    /// The file with the passphrase of the vault, if the vault is sealed under one.
    pub passphrase_file: Option<PathBuf>,
}

/// How long a run may wait in memory, unless [`HostOptions::long_wait`] says otherwise. Unloading and rebuilding a run takes milliseconds.
pub const LONG_WAIT: Duration = Duration::from_secs(5);

/// Locks a mutex, even if a task panicked while it held the lock: each change under it is one step, so nothing is half changed.
pub fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(crate) fn home_err(path: &Path) -> impl FnOnce(std::io::Error) -> RunError {
    let path = path.to_owned();
    move |cause| RunError::Home { cause: home::told(&path, cause), path }
}

/// Makes a folder for this user alone, once the path to it is known to be safe, and checks everything in it.
pub(crate) fn private(path: &Path) -> Result<(), RunError> {
    let made = home::check(path).and_then(|()| home::make_folder(path)).and_then(|()| home::check(path));
    made.map_err(home_err(path))
}
