//! Components in the home, by digest: what ran is there to be replayed, whatever became of the file it came from.

use std::path::{Path, PathBuf};

use vocabulary::Digest;

use crate::component::{self, COMPONENT_BYTES_MAX, Component, ComponentError};
use crate::file::{self, FileError};

/// A component can't be kept or handed back.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// It could not be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// Too many bytes.
    #[error("the component has more than {COMPONENT_BYTES_MAX} bytes")]
    TooLarge,
    /// What is kept there is not what was put there.
    #[error("`{}` was changed: it is not {digest}", file.display())]
    Changed {
        /// Where it is.
        file: PathBuf,
        /// What it should be.
        digest: Digest,
    },
    /// Nothing with this digest is kept.
    #[error("no component {0} is kept here")]
    Absent(Digest),
}

/// Looks at a component as [`crate::inspect`] does. One that is kept here already was found whole before it was kept, and is not gone through
/// again; the code that compiles it does so in any case. Returns whether it is kept.
///
/// # Errors
/// As [`crate::inspect`].
pub fn inspect(home: &Path, bytes: &[u8]) -> Result<(Component, bool), ComponentError> {
    let mut is_kept = false;
    let component = component::inspect_unless(bytes, |digest| {
        // Compared with what is here and not hashed once more.
        is_kept = file::holds(&path(home, digest), bytes);
        is_kept
    })?;
    Ok((component, is_kept))
}

/// Keeps a component. One that is there already, and whole, is left alone.
///
/// # Errors
/// A file that can't be written.
pub fn put(home: &Path, component: &[u8]) -> Result<Digest, StoreError> {
    if component.len() as u64 > COMPONENT_BYTES_MAX {
        return Err(StoreError::TooLarge);
    }
    let digest = Digest::of(component);
    if get(home, digest).is_err() {
        file::write(&path(home, digest), component)?;
    }
    Ok(digest)
}

/// A component that was kept, checked against its digest.
///
/// # Errors
/// One that is not there, or was changed.
pub fn get(home: &Path, digest: Digest) -> Result<Vec<u8>, StoreError> {
    let path = path(home, digest);
    let bytes = match file::read_own(&path, COMPONENT_BYTES_MAX) {
        Err(err) if err.is_absence() => return Err(StoreError::Absent(digest)),
        read => read?,
    };
    if Digest::of(&bytes) == digest { Ok(bytes) } else { Err(StoreError::Changed { file: path, digest }) }
}

/// Where a component with this digest is kept, or would be.
pub fn path(home: &Path, digest: Digest) -> PathBuf {
    home.join("components").join(format!("{}.wasm", digest.hex()))
}

#[cfg(test)]
mod tests;
