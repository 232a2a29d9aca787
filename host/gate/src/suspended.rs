//! Runs that were unloaded from memory while they wait, and what that does to their clocks.
//!
//! A run has two times. Its active time, which `active-timeout` bounds, stands still while it is suspended. Its own clock, which the agent
//! reads, continues if the run waits for a time: an agent that sleeps for a day sees a day pass. It stands still while the run waits for
//! people, so that no time-out of the agent runs out meanwhile.

use serde::{Deserialize, Serialize};
use vocabulary::record::{Record, RunSuspended, WaitsFor};

use crate::clock::ClockMark;

/// The suspension of a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Suspended {
    /// When it was suspended.
    pub mark: ClockMark,
    /// The time on the run's own clock then, in milliseconds.
    pub clock_ms: u64,
    /// What it waits for.
    pub waits_for: WaitsFor,
}

impl Suspended {
    pub(crate) fn of(record: &RunSuspended) -> Self {
        let mark = ClockMark { at: record.at, uptime: record.uptime.clone() };
        Self { mark, clock_ms: record.clock_ms, waits_for: record.waits_for }
    }

    /// For how long it has been suspended, in milliseconds.
    ///
    /// As long as the machine was not restarted, its uptime says how much time has passed. So setting the clock neither shortens nor extends a
    /// wait.
    pub fn waited_ms(&self, now: &ClockMark) -> u64 {
        self.mark.elapsed_ms(now)
    }

    /// How far the run's own clock has advanced meanwhile, in milliseconds: not at all while it waits for people.
    pub fn advanced_ms(&self, waited_ms: u64) -> u64 {
        match self.waits_for {
            WaitsFor::Time { .. } => waited_ms,
            WaitsFor::Person { .. } => 0,
        }
    }

    /// For how long it still has to wait, in milliseconds; 0 if its wait is over. People may decide earlier.
    pub fn left_ms(&self, now: &ClockMark) -> u64 {
        let (WaitsFor::Time { until } | WaitsFor::Person { until }) = self.waits_for;
        until.saturating_sub(self.mark.at).saturating_sub(self.waited_ms(now))
    }
}

/// Where a run's own clock continues when the run is resumed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClockState {
    /// It never shows less than this, in milliseconds.
    pub floor_ms: u64,
    /// The present suspension; `None` if the run is not suspended.
    pub suspended: Option<Suspended>,
}

impl ClockState {
    /// Takes the next record of the run.
    pub(crate) fn take(&mut self, record: &Record) {
        match record {
            Record::RunSuspended(suspended) => {
                self.floor_ms = self.floor_ms.max(suspended.clock_ms);
                self.suspended = Some(Suspended::of(suspended));
            }
            Record::RunResumed(resumed) => {
                // A run that was cut off after it was resumed continues its wait, and does not begin it again.
                if let Some(suspended) = self.suspended.take() {
                    self.floor_ms = self.floor_ms.max(suspended.clock_ms.saturating_add(suspended.advanced_ms(resumed.waited_ms)));
                }
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use vocabulary::record::Uptime;

    use super::*;

    fn mark(at: u64, boot: &str, ms: u64) -> ClockMark {
        ClockMark { at, uptime: Uptime { boot: boot.to_owned(), ms } }
    }

    #[test]
    fn a_clock_that_was_set_does_not_change_a_wait_and_a_restart_of_the_machine_leaves_only_the_clock() {
        let suspended = Suspended { mark: mark(1_000_000, "a", 500), clock_ms: 7, waits_for: WaitsFor::Time { until: 1_060_000 } };
        let times = |now: &ClockMark| (suspended.waited_ms(now), suspended.left_ms(now));
        assert_eq!(times(&mark(1_010_000, "a", 10_500)), (10_000, 50_000), "the control");
        assert_eq!(times(&mark(9_000_000, "a", 10_500)), (10_000, 50_000), "the clock was set forward");
        assert_eq!(times(&mark(1_000, "a", 70_500)), (70_000, 0), "the clock was set back");
        assert_eq!(times(&mark(1_010_000, "b", 3)), (10_000, 50_000), "the machine was restarted");
        assert_eq!(times(&mark(900_000, "b", 3)), (0, 60_000), "and its clock went back");
    }
}
