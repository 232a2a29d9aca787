//! Turns permits into effects, and reports the results.
//!
//! Requests are sent with their credentials, and secrets are removed from their answers. Files are observed beneath their mounts. The room
//! `gate` decides what may be done, in which order a guest sees results, and what is recorded. It drives this room through
//! [`effects::Effects`]. The room `net` has the sockets.
//!
//! - INVARIANT: only code that has taken a permit by value has an effect.
//! - INVARIANT: everything that is opened here is within its mount, and is a regular file or a directory.

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
