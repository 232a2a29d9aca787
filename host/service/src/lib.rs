//! What a host does for its callers. It finds the host of a home or becomes the host, admits what a caller names, starts, continues and
//! ends runs, and records the decisions of people.
//!
//! A caller is a verb of the program, an API or a tool. It speaks to a [`Host`], which is in this process ([`Session`]) or behind the
//! control socket ([`HostClient`]). A caller names what it requests: a configuration by path and digest, an agent, an input
//! ([`RunRequest`]). The host finds out by itself what that may do, from configurations that are trusted in its home. Grants, limits, name
//! servers and certificates never come from a caller in another process.

mod acceptance;
mod admission;
mod component;
mod configured;
mod err;
mod host;
mod host_handle;
mod policies;
mod recording;
mod request;
mod session;
mod socket;
mod wait;
mod waker;

pub use acceptance::{check_before_build, of_source};
pub use admission::{Admitted, admit};
pub use component::{BuildProgress, Obtained, Workbench, admit_early, build_cache, obtain};
pub use configured::{Configured, Proof, TrustWord, held};
pub use err::ServiceError;
pub use host::{Host, HostFuture, PruneListener};
pub use host_handle::{HostClient, HostHandle, HostSocket};
pub use recording::{NotMade, Recording, now_ms, now_s};
pub use request::{Call, ConfigRef, Continuation, ResumeRequest, RunRequest, TrustBasis};
pub use session::Session;
pub use socket::understood;
pub use waker::NotResumed;
