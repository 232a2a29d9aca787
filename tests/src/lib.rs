//! The kit: shared code of the tests that cross rooms.
#![expect(clippy::expect_used, clippy::panic, reason = "a kit for tests fails by panicking")]

pub mod apps;
pub mod asks;
pub mod bombs;
pub mod certs;
pub mod clock;
pub mod console;
pub mod dice;
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
pub mod fault;
pub mod guests;
pub mod host;
pub mod long;
pub mod moto;
pub mod named;
pub mod names;
pub mod oauth;
pub mod program;
pub mod python_agents;
pub mod rabbitmq;
pub mod scripted;
pub mod seen;
pub mod server;
pub mod tools;
pub mod tty;
pub mod wat;
