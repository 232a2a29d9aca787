//! The error that ends a guest when it asks to exit.

/// The guest asked to exit, with this status.
#[derive(Debug, thiserror::Error)]
#[error("exit with status {0}")]
pub(crate) struct Exit(pub(crate) u8);
