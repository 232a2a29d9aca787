//! Runs of a simulated guest in a simulated world, which are recorded, cut off, resumed and rebuilt.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test fails by panicking")]

mod alike;
mod approval_model;
mod approvals;
mod authority_matrix;
mod driven;
mod gate;
mod guest;
mod kit;
mod leases;
mod narrowed;
mod notices;
mod order;
mod rebuild;
mod repeated;
mod suspended;
mod touched;
mod undo;
mod words;
mod world;
