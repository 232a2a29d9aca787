//! Events that are released to a guest one by one. Only these change what the guest can observe.

use crate::answer::Answer;
use crate::ask::Header;
use crate::fault::Fault;
use crate::ids::OpId;
use bytes::Bytes;

/// One event that was released, in the order in which the run saw it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Release {
    /// The operation to which it belongs. `OpId(0)` for a jump of the clock.
    pub op: OpId,
    /// What happened.
    pub event: GuestEvent,
    /// The run's monotonic clock from now on, in nanoseconds since the run was opened.
    pub mono_ns: u64,
}

/// What happened to an operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GuestEvent {
    /// The head of a response.
    Head(HttpHead),
    /// A piece of its body, at most 64 KiB.
    Chunk(Bytes),
    /// The body ended without an error. The value has its trailers.
    End(Vec<Header>),
    /// The whole answer to an act that is answered in one piece; nothing more comes.
    Answer(Answer),
    /// It was refused, or went wrong; nothing more comes.
    Failed(Fault),
    /// A timer expired.
    Timer {
        /// The time for which it was set, on the run's monotonic clock.
        deadline_ns: u64,
    },
    /// The guest read the clock many times and did nothing else, so the clock jumps to real time.
    Clock,
}

impl GuestEvent {
    /// The bytes of a body that this event passes to the guest.
    pub fn body_bytes(&self) -> u64 {
        match self {
            Self::Chunk(bytes) => bytes.len() as u64,
            Self::Head(_) | Self::End(_) | Self::Answer(_) | Self::Failed(_) | Self::Timer { .. } | Self::Clock => 0,
        }
    }

    /// Whether nothing more follows for this operation.
    pub fn is_last(&self) -> bool {
        matches!(self, Self::End(_) | Self::Answer(_) | Self::Failed(_) | Self::Timer { .. })
    }
}

/// Status and header fields of a response, bounded by `header-bytes`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpHead {
    /// The header fields in the server's order, with names in lower case.
    pub headers: Vec<Header>,
    /// The status, from 200 to 599. Informational responses are never shown.
    pub status: u16,
}
