//! Why a component can't be run here, before it runs.

use std::io;

use crate::compile_error::CompileError;

/// What goes wrong between a component's bytes and its first instruction.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    /// The engine could not be made: too little address space, most likely.
    #[error("the engine could not be started")]
    Engine(#[source] EngineFault),
    /// The compiler refused it, or was stopped at one of its limits.
    #[error("the component could not be compiled")]
    Compile(#[from] CompileError),
    /// The compiled component could not be kept or read back.
    #[error("the cache of compiled components at `{path}` could not be used")]
    Cache {
        /// Which file.
        path: String,
        /// What the system says.
        #[source]
        cause: io::Error,
    },
    /// An import that nothing here serves, or serves in another shape.
    #[error("the component can't be linked: {what}")]
    Link {
        /// Names the import.
        what: String,
    },
    /// Neither of the two ways in.
    #[error("the component exports neither `bailiwick:agent/agent` nor `wasi:cli/run`, with a `run` of its own type")]
    NoEntryPoint,
    /// The thread that lets guests take turns is dead: nothing may run.
    #[error("the epoch ticker of this host has stopped; nothing is run without it")]
    TickerStopped,
    /// The guest's thread returned nothing: the host's own code failed, or no thread could be started.
    #[error("the run ended inside the host without a result; its record says how far it came")]
    Lost,
}

/// wasmtime's own error, which is not a `std::error::Error`, in text.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct EngineFault(pub(crate) String);

impl From<wasmtime::Error> for EngineFault {
    fn from(err: wasmtime::Error) -> Self {
        Self(format!("{err:#}"))
    }
}
