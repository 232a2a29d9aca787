//! The only way in which the rooms of a host learn the time.

use crate::record::Uptime;

/// A clock that is passed in. The clock of the system is in `gate`; tests pass in one that they control.
pub trait Clock: Send + Sync {
    /// Nanoseconds on a clock that never goes back, since any fixed moment.
    fn mono_ns(&self) -> u64;

    /// Nanoseconds since 1970 by the machine's clock, which may be set at any moment.
    fn unix_ns(&self) -> u64;

    /// How long the machine has been up. Nobody can set this.
    fn uptime(&self) -> Uptime {
        Uptime { boot: String::new(), ms: self.mono_ns() / 1_000_000 }
    }

    /// Nanoseconds since 1970, as if the clock had not been set since this value was made.
    fn steady_ns(&self) -> u64 {
        self.unix_ns()
    }

    /// Milliseconds since 1970, as records have them.
    fn unix_ms(&self) -> u64 {
        self.unix_ns() / 1_000_000
    }

    /// Seconds since 1970, for anything that ends at a moment. If the clock was set, this is the later of both times, so nothing lasts
    /// longer because the clock was set back.
    fn latest_s(&self) -> u64 {
        self.unix_ns().max(self.steady_ns()) / 1_000_000_000
    }

    /// Seconds since 1970, for anything that begins at a moment, or is kept until one. If the clock was set, this is the earlier of both
    /// times.
    fn earliest_s(&self) -> u64 {
        self.unix_ns().min(self.steady_ns()) / 1_000_000_000
    }
}
