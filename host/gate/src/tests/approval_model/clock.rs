//! The clocks of the machine of the model.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use vocabulary::Clock;
use vocabulary::record::Uptime;

/// The clocks of a machine. A test sets each of their parts.
#[derive(Default)]
pub(super) struct MachineClock {
    pub(super) mono_ns: AtomicU64,
    pub(super) booted_ns: AtomicU64,
    pub(super) boot: AtomicU64,
    pub(super) ahead_s: AtomicI64,
}

impl Clock for MachineClock {
    fn mono_ns(&self) -> u64 {
        self.mono_ns.fetch_add(1000, Ordering::Relaxed)
    }

    fn unix_ns(&self) -> u64 {
        let ahead_ns = self.ahead_s.load(Ordering::Relaxed) * 1_000_000_000;
        (1_800_000_000_000_000_000 + self.mono_ns.load(Ordering::Relaxed)).saturating_add_signed(ahead_ns)
    }

    fn uptime(&self) -> Uptime {
        let up_ns = self.mono_ns.load(Ordering::Relaxed) - self.booted_ns.load(Ordering::Relaxed);
        Uptime { boot: format!("{:032}", self.boot.load(Ordering::Relaxed)), ms: up_ns / 1_000_000 }
    }
}
