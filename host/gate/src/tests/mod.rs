//! Runs of a simulated guest in a simulated world, which are recorded, cut off, resumed and rebuilt.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test fails by panicking")]

mod alike;
mod approvals;
mod driven;
mod gate;
mod guest;
mod kit;
mod leases;
mod order;
mod rebuild;
mod repeated;
mod suspended;
mod touched;
mod words;
mod world;
