//! The SDK for agents in Rust.
//!
//! An agent is a function from an input to an output, both serde types:
//!
//! ```
//! use bailiwick_sdk::{Failure, JsonSchema};
//! use serde::{Deserialize, Serialize};
//!
//! /// The schema is derived from this type, comments included.
//! #[derive(Deserialize, JsonSchema)]
//! #[serde(deny_unknown_fields)]
//! struct Input {
//!     /// The name of the person to greet.
//!     name: String,
//! }
//!
//! #[derive(Serialize, JsonSchema)]
//! struct Output {
//!     greeting: String,
//! }
//!
//! fn run(input: Input) -> Result<Output, Failure> {
//!     if input.name.is_empty() {
//!         return Err(Failure::new("nobody", "the name is empty"));
//!     }
//!     Ok(Output { greeting: format!("Hello, {}.", input.name) })
//! }
//!
//! bailiwick_sdk::agent!(run);
//! # fn main() {}
//! ```
//!
//! `std::fs`, `std::time` and `std::env` work within the grant. This crate adds what WASI lacks or what Rust's standard library does
//! not reach: [`findings`], [`progress`], [`http`], [`credentials`], and a logger behind the [`log`] facade. It mirrors the project's
//! `wit/` folder one to one and imports no code of the host.
//!
//! Everything compiles for other targets than WebAssembly as well, so a plain `cargo test` tests an agent's own logic; [`testing`]
//! stands in for the host there.
//!
//! # Panics
//!
//! A panic ends the run: `wasm32-wasip2` aborts on panic, so there is nothing left that could return a [`Failure`].
//! The hook that [`agent!`] installs therefore writes one last line to standard error before the trap,
//! `panicked at FILE:LINE:COLUMN: MESSAGE`. The run's outcome is `trapped`, with that line in its message, and the program
//! `bailiwick` exits with 3 (4 after a refusal), as for a [`Failure`].
//!
//! # Schemas
//!
//! A call with exactly the input `{"$schema": "bailiwick:schemas"}` ([`SCHEMAS_INPUT`]) does not reach the author's
//! function: it answers `{"input": …, "output": …}`, the JSON schemas of the two types, without touching anything.
//! `bailiwick build` makes that call in the sandbox, with no grants.

pub mod credentials;
mod entry;
mod failure;
pub mod findings;
pub mod http;
mod logger;
pub mod progress;
mod refusal;
#[cfg(not(target_arch = "wasm32"))]
pub mod testing;
#[cfg(target_arch = "wasm32")]
#[doc(hidden)]
pub mod wire;

pub use crate::entry::SCHEMAS_INPUT;
pub use crate::failure::Failure;
pub use crate::refusal::{Refusal, RefusalCode};

pub use log;
pub use schemars;
pub use schemars::JsonSchema;
pub use serde;
pub use serde_json;

/// An async standard library over the same interfaces, for async agents. The blocking calls of [`http`] work inside its
/// `block_on` too, but no other task runs while they wait.
#[cfg(all(feature = "wstd", target_arch = "wasm32"))]
pub use wstd;

#[doc(hidden)]
pub use crate::entry::run as __run;

/// Compiles the README's examples as tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
pub struct Guide;

/// The same for the page on writing agents.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/writing-agents.md")]
pub struct Writing;

/// Makes a function the agent: `fn run(input: Input) -> Result<Output, Failure>`.
///
/// `Input` implements `serde::Deserialize` and [`JsonSchema`], `Output` implements `serde::Serialize` and
/// [`JsonSchema`]. Input that is not of that type never reaches the function; the run fails as `bad-input`.
#[macro_export]
macro_rules! agent {
    ($run:path) => {
        #[cfg(target_arch = "wasm32")]
        const _: () = {
            struct Exported;
            impl $crate::wire::exports::bailiwick::agent::agent::Guest for Exported {
                fn run(input: ::std::string::String) -> ::std::result::Result<::std::string::String, $crate::wire::Failure> {
                    $crate::__run(&input, $run).map_err($crate::wire::failure)
                }
            }
    $crate::wire::export!(Exported with_types_in $crate::wire);
        };
        // The signature is checked natively too, so that a mistake shows in `cargo test` and not only in the build.
        #[cfg(not(target_arch = "wasm32"))]
        const _: fn(&str) -> ::std::result::Result<::std::string::String, $crate::Failure> = |input| $crate::__run(input, $run);
    };
}
