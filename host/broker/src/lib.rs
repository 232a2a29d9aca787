//! The live world: takes permits to their effects, and brings back what comes of them.
//!
//! Requests run in tasks of the host and hold the permit, never the guest; files are looked at beneath their mounts; timers run on the
//! host's clock. Whether anything may be done is `gate`'s, what a socket does is `net`'s.
//!
//! - INVARIANT: what the guest sees of an effect goes through the inbox, one release at a time, each noted before it is shown.
//! - INVARIANT: nothing that was opened here lies outside of its mount, or is anything but a regular file or a directory.

mod act;
mod beneath;
mod clock;
mod files;
mod finishing;
mod inbox;
mod leased;
mod live;
mod looked;
mod mounts;
mod notes;
mod own;
mod pread;
mod remote;
mod rotate;
mod starred;
mod tokens;
mod wash;

#[cfg(test)]
mod tests;

pub use clock::SystemClock;
pub use live::{Live, LiveHandle, LiveParts};
pub use mounts::{MountError, MountFault, Mounts};
pub use notes::{Noted, Notes};
