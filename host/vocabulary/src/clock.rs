//! The one way in which the rooms of a host learn the time.

use crate::record::Uptime;

/// A clock that is handed in. The system's own is `gate`'s; tests hand in one that they move.
pub trait Clock: Send + Sync {
    /// Nanoseconds on a clock that never goes back, from any fixed moment.
    fn mono_ns(&self) -> u64;

    /// Nanoseconds since 1970, as the machine's clock has it. Somebody may set that clock at any moment.
    fn unix_ns(&self) -> u64;

    /// How long the machine is up. Nobody can set this.
    fn uptime(&self) -> Uptime {
        Uptime { boot: String::new(), ms: self.mono_ns() / 1_000_000 }
    }

    /// Nanoseconds since 1970, as they would be had nobody set the clock since this one was made.
    fn steady_ns(&self) -> u64 {
        self.unix_ns()
    }

    /// Milliseconds since 1970, as records carry them.
    fn unix_ms(&self) -> u64 {
        self.unix_ns() / 1_000_000
    }

    /// Seconds since 1970 for whatever ends at a moment: if the clock was set, the later of both times. So nothing lasts longer because
    /// somebody set the clock back.
    fn latest_s(&self) -> u64 {
        self.unix_ns().max(self.steady_ns()) / 1_000_000_000
    }

    /// Seconds since 1970 for whatever begins at a moment, or is kept until one: the earlier of both times.
    fn earliest_s(&self) -> u64 {
        self.unix_ns().min(self.steady_ns()) / 1_000_000_000
    }
}
