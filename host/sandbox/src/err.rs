//! Why a component can't be run here, before it runs.

use std::io;

use crate::compile_error::CompileError;

/// An error between a component's bytes and its first instruction.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    /// The engine could not be created; the most likely cause is too little address space.
    #[error("the engine could not be started")]
    Engine(#[source] EngineFault),
    /// The compiler refused the component, or was stopped at one of its limits.
    #[error("the component could not be compiled")]
    Compile(#[from] CompileError),
    /// The compiled component could not be kept or read back.
    #[error("the cache of compiled components at `{path}` could not be used")]
    Cache {
        /// The file in the cache.
        path: String,
        /// What the system said.
        #[source]
        cause: io::Error,
    },
    /// This host does not serve an import, or serves it with another type.
    #[error("the component can't be linked: {what}")]
    Link {
        /// The engine's message, which names the import.
        what: String,
    },
    /// The component has neither of the two entry points.
    #[error("the component exports neither `bailiwick:agent/agent` nor `wasi:cli/run` with a `run` of the right type")]
    NoEntryPoint,
    /// The thread that makes guests take turns has ended, so no guest may run.
    #[error("the epoch ticker of this host has stopped; no guest can run without it")]
    TickerStopped,
    /// The guest's thread returned no result: the host's own code failed, or no thread could be started.
    #[error("the run ended inside the host without a result; its record shows how far it came")]
    Lost,
}

/// The text of wasmtime's own error, which is not a `std::error::Error`.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct EngineFault(pub(crate) String);

impl From<wasmtime::Error> for EngineFault {
    fn from(err: wasmtime::Error) -> Self {
        Self(format!("{err:#}"))
    }
}
