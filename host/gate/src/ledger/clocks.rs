//! What the records say about the clock.

use vocabulary::record::{Answered, Asked, ClockChanged, Record, RunClosed, RunOpened, RunResumed, RunSuspended};

use super::Ledger;
use crate::clock::ClockMark;

/// BOUND: number of changes of the clock that are kept.
const CLOCK_CHANGES_MAX: usize = 1000;

impl Ledger {
    /// The record of a change of the clock, if it was set since the last record.
    pub fn clock_change(&self, now: &ClockMark) -> Option<ClockChanged> {
        let mark = self.clock.as_ref()?;
        match mark.expected(&now.uptime) {
            Some(_) => mark.change(now),
            None => ClockMark { at: self.last_at, ..mark.clone() }.change(now),
        }
    }

    pub(super) fn note_clock(&mut self, record: &Record) {
        match record {
            Record::RunOpened(RunOpened { at, uptime, .. })
            | Record::RunResumed(RunResumed { at, uptime, .. })
            | Record::RunSuspended(RunSuspended { at, uptime, .. })
            | Record::ClockChanged(ClockChanged { at, uptime, .. }) => {
                self.clock = Some(ClockMark { at: *at, uptime: uptime.clone() });
                self.last_at = *at;
            }
            Record::Asked(Asked { at, .. }) | Record::Answered(Answered { at, .. }) | Record::RunClosed(RunClosed { at, .. }) => {
                self.last_at = *at;
            }
            _ => {}
        }
        if let Record::ClockChanged(changed) = record {
            self.clock_changes.push_back((self.next - 1, changed.clone()));
            if self.clock_changes.len() > CLOCK_CHANGES_MAX {
                self.clock_changes.pop_front();
            }
        }
    }
}
