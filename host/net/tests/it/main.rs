//! Tests of the room with servers on loopback: honest ones, and ones that lie, drip, flood and hang up.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test fails by panicking")]

mod hostile;
mod kit;
mod name_server;
mod names;
mod plain;
mod reuse;
mod tls;
