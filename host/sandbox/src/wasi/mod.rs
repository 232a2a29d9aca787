//! Our own side of WASI 0.2 and of `bailiwick:agent`, with one file for each interface.
//!
//! Each file turns the arguments of a guest into an ask, and an answer into what the interface returns. No file decides an ask or carries
//! it out.

pub(crate) mod claims;
pub(crate) mod cli;
pub(crate) mod clocks;
pub(crate) mod credentials;
pub(crate) mod fields;
pub(crate) mod file_changes;
pub(crate) mod files;
pub(crate) mod http_request;
pub(crate) mod http_response;
pub(crate) mod http_types;
pub(crate) mod input;
pub(crate) mod io;
pub(crate) mod output;
pub(crate) mod poll;
pub(crate) mod random;
pub(crate) mod sockets;

use wasmtime::component::{HasSelf, Linker};

use crate::bindings::Served;
use crate::guest::Guest;

/// What a host call returns. The inner error belongs to the interface: the guest gets it and continues. The outer error ends the run.
pub(crate) type Reply<T, E> = wasmtime::Result<Result<T, E>>;

/// Links everything that every component may import. None of it carries authority.
pub(crate) fn link(linker: &mut Linker<Guest>) -> wasmtime::Result<()> {
    Served::add_to_linker::<Guest, HasSelf<Guest>>(linker, |guest| guest)
}
