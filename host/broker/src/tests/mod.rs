//! Mounts with traps in them, and requests on loopback.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, and makes its own files and servers"
)]

mod exchanges;
mod files;
mod kit;
mod live;
mod response_redactor;
