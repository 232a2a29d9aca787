//! Tests across the files of this room: damage, crashes, failing disks, opening, reading.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test fails by panicking")]

mod crash;
mod damage;
mod exchanged;
mod failing;
mod kit;
mod later;
mod opening;
mod other;
mod prune;
mod reading;
mod rotating;
mod salvage;
mod tamper;
