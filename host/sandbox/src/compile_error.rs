//! Why there is no compiled component.

use std::fmt;
use std::io;

/// How [`CompileError::Refused`] begins.
pub(crate) const REFUSED: &str = "the compiler refused it: ";

/// Why there is no compiled component.
#[derive(Debug, thiserror::Error)]
pub enum CompileError {
    /// The child process could not be started, written to or read from.
    #[error("the compiler process could not be used")]
    Process(#[source] io::Error),
    /// The compiler rejected the component.
    #[error("{REFUSED}{0}")]
    Refused(vocabulary::SafeText),
    /// The component compiled, and it needs more memories, tables or instances than any run may have.
    #[error("the engine has no room for it: {0}")]
    NoPlace(vocabulary::SafeText),
    /// The child process was ended at one of its limits, or it crashed.
    #[error("the compiler was stopped ({how}): for a component of {bytes} bytes it may take {memory_mib} MiB ({bound}) and {seconds} s")]
    Stopped {
        /// How the process ended: a signal, an exit status or a limit.
        how: String,
        /// Size of the component in bytes.
        bytes: u64,
        /// Address space that the process may take, in MiB.
        memory_mib: u64,
        /// What bounds the address space.
        bound: MemoryBound,
        /// Processor time that the process may take, in seconds.
        seconds: u64,
    },
    /// The child process could not restrict itself.
    #[error("the compiler process could not restrict itself: {0}")]
    Jail(String),
}

/// What bounds the memory of the compiler.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MemoryBound {
    /// The most that a component of this size may need.
    Size,
    /// The limit `compile-memory`.
    Limit,
    /// The memory that is free on the machine, or in the control group of the host.
    Machine,
}

impl fmt::Display for MemoryBound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Size => "the most that a component of this size may need",
            Self::Limit => "the limit `compile-memory`; raise it for an agent that is trusted to need more",
            Self::Machine => "all that this machine has free",
        })
    }
}
