//! Detects that the clock was set. The clock of the system is in `system`.

mod system;

use vocabulary::Clock;
use vocabulary::record::{ClockChanged, RecordKind, Uptime, VERSION};

pub use system::SystemClock;

/// BOUND: milliseconds by which a clock may be off without counting as set. Reading the clock and the uptime takes a while, and leap
/// seconds do not count.
pub(crate) const CHANGE_MS: u64 = 2000;

/// One moment on both clocks.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct ClockMark {
    /// The time on the machine's clock, in milliseconds since 1970.
    pub at: u64,
    /// How long the machine has been up.
    pub uptime: Uptime,
}

impl ClockMark {
    /// Reads both clocks.
    pub fn of(clock: &dyn Clock) -> Self {
        let mut uptime = clock.uptime();
        // If this thread is interrupted between the two reads, it would see a change that did not happen. So it tries again.
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

    /// The time that the clock should show at that uptime. `None` if the machine was restarted since, so that this is unknown.
    pub fn expected(&self, uptime: &Uptime) -> Option<u64> {
        let same_boot = self.uptime.boot == uptime.boot && uptime.ms >= self.uptime.ms;
        same_boot.then(|| self.at.saturating_add(uptime.ms - self.uptime.ms))
    }

    /// How many milliseconds have passed from this moment to a later one. As long as the machine was not restarted, its uptime says so, and
    /// setting the clock changes nothing.
    pub fn elapsed_ms(&self, now: &Self) -> u64 {
        self.expected(&now.uptime).unwrap_or(now.at).saturating_sub(self.at)
    }

    /// The record of a change of the clock between this moment and a later one, if the clock was set. After a restart of the machine, a
    /// change is known only if the clock went back behind what it had shown. Then its least amount is known.
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
        assert_eq!(change(mark(1_061_900, "a", 60_500)), None, "within the time that reading takes");
        assert_eq!(change(mark(4_660_000, "a", 60_500)), Some((1_060_000, 3_600_000, false)));
        assert_eq!(change(mark(60_000, "a", 60_500)), Some((1_060_000, -1_000_000, false)));
        // The machine was restarted: a change forward is unknown, and a change back is known as far as the clock was seen.
        assert_eq!(change(mark(9_000_000, "b", 10)), None);
        assert_eq!(change(mark(400_000, "b", 10)), Some((1_000_000, -600_000, true)));
        assert_eq!(change(mark(9_000_000, "a", 10)), None, "a smaller uptime means a restart");
    }
}
