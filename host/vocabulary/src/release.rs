//! What comes back to a guest, piece by piece: the only things that change what it can observe.

use crate::answer::Answer;
use crate::ask::Header;
use crate::fault::Fault;
use crate::ids::OpId;
use bytes::Bytes;

/// One event that was let go of, in the order in which the run saw it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Release {
    /// Which operation it belongs to; `OpId(0)` for a jump of the clock.
    pub op: OpId,
    /// What happened.
    pub event: GuestEvent,
    /// The run's monotonic clock from now on, nanoseconds since the run was opened.
    pub mono_ns: u64,
}

/// What happened to an operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GuestEvent {
    /// The head of a response.
    Head(HttpHead),
    /// A piece of its body, at most 64 KiB.
    Chunk(Bytes),
    /// The body ended well; its trailers.
    End(Vec<Header>),
    /// The whole answer to an act that is answered in one piece; nothing more comes.
    Answer(Answer),
    /// It was refused, or went wrong; nothing more comes.
    Failed(Fault),
    /// A timer ran out.
    Timer {
        /// The moment it was set to, on the run's monotonic clock.
        deadline_ns: u64,
    },
    /// The guest looked at the clock many times and did nothing else: the clock jumps to real time.
    Clock,
}

impl GuestEvent {
    /// Bytes of a body that this hands to the guest.
    pub fn body_bytes(&self) -> u64 {
        match self {
            Self::Chunk(bytes) => bytes.len() as u64,
            Self::Head(_) | Self::End(_) | Self::Answer(_) | Self::Failed(_) | Self::Timer { .. } | Self::Clock => 0,
        }
    }

    /// Whether nothing more comes for this operation.
    pub fn is_last(&self) -> bool {
        matches!(self, Self::End(_) | Self::Answer(_) | Self::Failed(_) | Self::Timer { .. })
    }
}

/// Status and header fields of a response, bounded by `header-bytes`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpHead {
    /// In the server's order, names in lower case.
    pub headers: Vec<Header>,
    /// 200 to 599: informational responses are never shown.
    pub status: u16,
}
