//! Takes permits to their effects, and tells what comes of them.
//!
//! Requests are sent with their credentials, and secrets are taken out of their answers; files are looked at beneath their mounts. What may be
//! done, in which order a guest sees what came of it, and what is put on the record is `gate`'s, which drives this room through
//! [`effects::Effects`]. What a socket does is `net`'s.
//!
//! - INVARIANT: nothing has an effect but what has taken a permit by value.
//! - INVARIANT: nothing that was opened here lies outside of its mount, or is anything but a regular file or a directory.

mod act;
mod beneath;
mod broker;
mod context;
mod files;
mod finishing;
mod host_request;
mod mounts;
mod not_observed;
mod pread;
mod remote;
mod response_redactor;
mod rotate;
mod run_credentials;
mod searched_values;
mod starred;
mod steps;
mod tokens;
mod values;
mod wants;

#[cfg(test)]
mod tests;

pub use broker::{Broker, BrokerParts};
pub use mounts::{MountError, MountFault, Mounts};
