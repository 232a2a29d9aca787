//! Why there is no compiled component.

use std::fmt;
use std::io;

/// How [`CompileError::Refused`] begins.
pub(crate) const REFUSED: &str = "the compiler refused it: ";

/// Why there is no compiled component.
#[derive(Debug, thiserror::Error)]
pub enum CompileError {
    /// The child could not be started or spoken to.
    #[error("the compiler process could not be used")]
    Process(#[source] io::Error),
    /// The compiler said no.
    #[error("{REFUSED}{0}")]
    Refused(vocabulary::SafeText),
    /// It compiled, and the engine has no place for what it wants: more memories, tables or instances than any run may have.
    #[error("the engine has no place for it: {0}")]
    NoPlace(vocabulary::SafeText),
    /// The child was ended at one of its limits, or crashed.
    #[error("the compiler was stopped ({how}): for a component of {bytes} bytes it may take {memory_mib} MiB ({bound}) and {seconds} s")]
    Stopped {
        /// Signal or status.
        how: String,
        /// Of the component.
        bytes: u64,
        /// Address space it may take.
        memory_mib: u64,
        /// Why not more.
        bound: MemoryBound,
        /// Processor time it may take.
        seconds: u64,
    },
    /// The child could not shut itself in.
    #[error("the compiler process could not shut itself in: {0}")]
    Jail(String),
}

/// What bounds the memory of the compiler.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MemoryBound {
    /// No component of this size needs more.
    Size,
    /// The limit `compile-memory`.
    Limit,
    /// What the machine, or the control group of the host, has left.
    Machine,
}

impl fmt::Display for MemoryBound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Size => "all that one of this size may need",
            Self::Limit => "the limit `compile-memory`; raise it for an agent that is trusted to need more",
            Self::Machine => "all that this machine has free",
        })
    }
}
