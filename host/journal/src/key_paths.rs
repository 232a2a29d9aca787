//! The paths of the keys of a home.

use std::path::{Path, PathBuf};

pub(crate) fn sign_path(home: &Path) -> PathBuf {
    home.join("journal.key")
}

pub(crate) fn public_path(home: &Path) -> PathBuf {
    home.join("journal.pub")
}

pub(crate) fn home_key_path(home: &Path) -> PathBuf {
    home.join("home.key")
}

pub(crate) fn run_keys_path(home: &Path) -> PathBuf {
    home.join("keys")
}

/// The path at which a new key waits until it replaces the present one.
pub(crate) fn next(path: &Path) -> PathBuf {
    path.with_added_extension("next")
}
