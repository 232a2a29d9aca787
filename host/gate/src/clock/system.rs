//! The system's clocks. Only this file reads them for runs.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use tokio::time::Instant;
use vocabulary::Digest;
use vocabulary::record::Uptime;

/// The system's clocks. Timers use the same monotonic clock.
#[derive(Debug)]
pub struct SystemClock {
    since: Instant,
    boot: String,
    /// The machine's clock at `since`, in nanoseconds since 1970.
    began_ns: AtomicU64,
}

impl SystemClock {
    /// A clock that counts from now.
    #[expect(clippy::disallowed_methods, reason = "door: the clock of runs")]
    pub fn new() -> Self {
        Self { since: Instant::now(), boot: boot(), began_ns: AtomicU64::new(unix_ns()) }
    }

    /// Corrects this clock by a change that happened before it was made: without the change, the machine's clock would show this time now,
    /// in milliseconds since 1970.
    pub fn expect(&self, unix_ms: u64) {
        let mono_ns = vocabulary::Clock::mono_ns(self);
        self.began_ns.store(unix_ms.saturating_mul(1_000_000).saturating_sub(mono_ns), Ordering::Relaxed);
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl vocabulary::Clock for SystemClock {
    fn mono_ns(&self) -> u64 {
        u64::try_from(self.since.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    fn unix_ns(&self) -> u64 {
        unix_ns()
    }

    fn uptime(&self) -> Uptime {
        Uptime { boot: self.boot.clone(), ms: uptime_ms() }
    }

    fn steady_ns(&self) -> u64 {
        self.began_ns.load(Ordering::Relaxed).saturating_add(self.mono_ns())
    }
}

#[expect(clippy::disallowed_methods, reason = "door: the clock of runs")]
fn unix_ns() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

/// How long the machine has been up (`proc_uptime(5)`), in steps of 10 ms. Like the clock and unlike `Instant`, it counts while the machine
/// sleeps.
#[expect(clippy::disallowed_methods, reason = "door: the clock of runs")]
fn uptime_ms() -> u64 {
    let text = std::fs::read_to_string("/proc/uptime").unwrap_or_default();
    let mut parts = text.split([' ', '.']).map(|part| part.parse::<u64>().unwrap_or(0));
    let (s, hundredths) = (parts.next().unwrap_or(0), parts.next().unwrap_or(0));
    s * 1000 + hundredths * 10
}

/// Identifies this boot of the machine and the time namespace: containers may have their own uptime (`time_namespaces(7)`). It is hashed,
/// because other programs derive secrets from the boot id. Empty if the system does not provide it.
#[expect(clippy::disallowed_methods, reason = "door: the clock of runs")]
fn boot() -> String {
    let id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let namespace = std::fs::read_link("/proc/self/ns/time").unwrap_or_default();
    let whole = format!("{} {}", id.trim(), namespace.display());
    if id.is_empty() { String::new() } else { Digest::of(whole.as_bytes()).hex().chars().take(32).collect() }
}
