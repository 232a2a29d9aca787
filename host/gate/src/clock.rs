//! The one way in which this room and those above it learn the time.

/// A clock that is handed in. The system's own is made in `broker`; tests hand in one that they move.
pub trait Clock: Send + Sync {
    /// Nanoseconds on a clock that never goes back, from any fixed moment.
    fn mono_ns(&self) -> u64;

    /// Nanoseconds since 1970.
    fn unix_ns(&self) -> u64;

    /// Milliseconds since 1970, as records carry them.
    fn unix_ms(&self) -> u64 {
        self.unix_ns() / 1_000_000
    }
}
