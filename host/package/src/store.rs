//! Keeps components in the home by digest, so that a run can be replayed even if the file that its component came from has changed.

use std::path::{Path, PathBuf};

use vocabulary::Digest;

use crate::component::{self, COMPONENT_BYTES_MAX, Component, ComponentError};
use crate::file::{self, FileError};

/// A component can't be kept or returned.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The file could not be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// The component has too many bytes.
    #[error("the component has more than {COMPONENT_BYTES_MAX} bytes")]
    TooLarge,
    /// The bytes that are kept do not match their digest.
    #[error("`{}` was changed: it is not {digest}", file.display())]
    Changed {
        /// The file.
        file: PathBuf,
        /// The digest that it should have.
        digest: Digest,
    },
    /// No component with this digest is kept.
    #[error("no component {0} is kept in this home")]
    Absent(Digest),
}

/// Inspects a component as [`crate::inspect`] does. One that is kept here already was validated before it was kept, and is not validated
/// again; the code that compiles it does so in any case. Returns whether it is kept.
///
/// # Errors
/// As [`crate::inspect`].
pub fn inspect(home: &Path, bytes: &[u8]) -> Result<(Component, bool), ComponentError> {
    let mut is_kept = false;
    let component = component::inspect_unless(bytes, |digest| {
        // It is compared with the bytes that are kept, instead of being hashed once more.
        is_kept = file::holds(&path(home, digest), bytes);
        is_kept
    })?;
    Ok((component, is_kept))
}

/// Keeps a component. If a whole copy is kept already, it is not written again.
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

/// Returns a component that was kept, after checking it against its digest.
///
/// # Errors
/// A component that is not kept, or that was changed.
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
