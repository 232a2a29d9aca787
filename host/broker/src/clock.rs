//! The system's clocks: the only place that reads them for runs.

use std::time::{SystemTime, UNIX_EPOCH};

use tokio::time::Instant;

/// The system's clocks. Timers sleep on the same one.
#[derive(Clone, Debug)]
pub struct SystemClock {
    since: Instant,
}

impl SystemClock {
    /// Counts from now.
    #[expect(clippy::disallowed_methods, reason = "door: the clock of runs")]
    pub fn new() -> Self {
        Self { since: Instant::now() }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl gate::Clock for SystemClock {
    fn mono_ns(&self) -> u64 {
        u64::try_from(self.since.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    #[expect(clippy::disallowed_methods, reason = "door: the clock of runs")]
    fn unix_ns(&self) -> u64 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
    }
}
