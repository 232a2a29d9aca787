//! How a guest that asks to end is ended.

/// The guest ended itself.
#[derive(Debug, thiserror::Error)]
#[error("exit with status {0}")]
pub(crate) struct Exit(pub(crate) u8);
