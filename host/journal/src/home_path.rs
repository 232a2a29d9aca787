//! The canonical path of a home.

use std::path::{Path, PathBuf};

/// The canonical path of a home, also of a home that does not exist.
pub(crate) fn canonical(home: &Path) -> PathBuf {
    let above = || Some(home.parent()?.canonicalize().ok()?.join(home.file_name()?));
    home.canonicalize().ok().or_else(above).or_else(|| std::path::absolute(home).ok()).unwrap_or_else(|| home.to_owned())
}
