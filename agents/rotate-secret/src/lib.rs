//! Rotates a leaked credential. It takes a finding of `leak-scan`, asks the host which credential the leaked value is, opens a ticket, rotates
//! the credential's stand-in in the sandbox, and then the credential itself. It sees the leaked value, and no value that is in use afterwards.

mod host;
mod input;
mod place;
mod rotation;
mod ticket;
mod work;

#[cfg(test)]
mod tests;

pub use crate::input::{Input, Leak, Place, Tracker};
pub use crate::rotation::{Rotation, Stage};
pub use crate::work::{Output, Ticketed};

use bailiwick_sdk::Failure;

fn run(input: Input) -> Result<Output, Failure> {
    work::work(&input, &mut host::Sandboxed)
}

bailiwick_sdk::agent!(run);
