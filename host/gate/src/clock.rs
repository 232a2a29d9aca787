//! How a clock that was set is noticed. The clock of the system is in `system`.

mod system;

use vocabulary::Clock;
use vocabulary::record::{ClockChanged, RecordKind, Uptime, VERSION};

pub use system::SystemClock;

/// BOUND: a clock that is off by no more was not set: reading it and the uptime takes a while, and leap seconds are no change.
pub(crate) const CHANGE_MS: u64 = 2000;

/// A moment on both clocks: when the one was read, the other said this.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct ClockMark {
    /// The machine's clock, milliseconds since 1970.
    pub at: u64,
    /// How long the machine was up.
    pub uptime: Uptime,
}

impl ClockMark {
    /// Reads both clocks.
    pub fn of(clock: &dyn Clock) -> Self {
        let mut uptime = clock.uptime();
        // Whoever is interrupted between the two would see a change that never was.
        for _ in 0..3 {
            let at = clock.unix_ms();
            let after = clock.uptime();
            if after.ms - uptime.ms.min(after.ms) < CHANGE_MS / 4 {
                return Self { at, uptime };
            }
            uptime = after;
        }
        Self { at: clock.unix_ms(), uptime }
    }

    /// What the clock would have to show at that uptime. `None` if the machine was started anew since: then nobody knows.
    pub fn expected(&self, uptime: &Uptime) -> Option<u64> {
        let same_boot = self.uptime.boot == uptime.boot && uptime.ms >= self.uptime.ms;
        same_boot.then(|| self.at.saturating_add(uptime.ms - self.uptime.ms))
    }

    /// The record of a change of the clock between this moment and a later one, if it was set. After a new start of the machine, only a clock
    /// that went back behind what it has shown can be known to have changed, and by how much at least.
    pub fn change(&self, now: &Self) -> Option<ClockChanged> {
        let expected = self.expected(&now.uptime);
        let was = expected.unwrap_or(self.at);
        let is_changed = match expected {
            Some(expected) => expected.abs_diff(now.at) > CHANGE_MS,
            None => now.at.saturating_add(CHANGE_MS) < self.at,
        };
        let (forward, back) = (now.at.saturating_sub(was), was.saturating_sub(now.at));
        let by_ms = i64::try_from(forward).unwrap_or(i64::MAX) - i64::try_from(back).unwrap_or(i64::MAX);
        let record = ClockChanged {
            at: now.at,
            by_ms,
            kind: RecordKind::ClockChanged,
            restarted: expected.is_none(),
            uptime: now.uptime.clone(),
            v: VERSION,
            was,
        };
        is_changed.then_some(record)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mark(at: u64, boot: &str, ms: u64) -> ClockMark {
        ClockMark { at, uptime: Uptime { boot: boot.to_owned(), ms } }
    }

    #[test]
    fn a_clock_that_was_set_is_noticed_and_one_that_ran_on_is_not() {
        let before = mark(1_000_000, "a", 500);
        let change = |now: ClockMark| before.change(&now).map(|it| (it.was, it.by_ms, it.restarted));
        assert_eq!(change(mark(1_060_000, "a", 60_500)), None);
        assert_eq!(change(mark(1_061_900, "a", 60_500)), None, "within what reading takes");
        assert_eq!(change(mark(4_660_000, "a", 60_500)), Some((1_060_000, 3_600_000, false)));
        assert_eq!(change(mark(60_000, "a", 60_500)), Some((1_060_000, -1_000_000, false)));
        // The machine was started anew: forward nobody knows, back is known as far as it was seen.
        assert_eq!(change(mark(9_000_000, "b", 10)), None);
        assert_eq!(change(mark(400_000, "b", 10)), Some((1_000_000, -600_000, true)));
        assert_eq!(change(mark(9_000_000, "a", 10)), None, "an uptime that is smaller is another start");
    }
}
