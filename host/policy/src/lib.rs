//! Decides whether what is asked is granted, and gives the reason in one word.
//!
//! Pure: no I/O, no runtime, no clock. The time comes in as a fact. Addresses are data: the code that resolved them has them judged here.
//! Whether an ask is recorded, and what follows from a decision, is `gate`'s; which file lies behind a path is `broker`'s.
//!
//! INVARIANT: nothing is permitted that no grant covers; what can't be understood is refused.

pub mod address;
mod credential;
mod decide;
pub mod destination;
pub mod grants;
mod headers;
mod meaning;
mod resource;
mod scope;
mod text;

pub use credential::{Choice, PLACEHOLDER_FRONT, Placeholder, choose, quoted};
pub use decide::{Facts, decide};
pub use headers::{is_token as is_header_name, told as told_headers};

#[cfg(test)]
#[expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
mod tests;
