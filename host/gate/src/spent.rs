//! How long a run went on, over all processes that had it, as far as its records show.

use effect::record::{Answered, Asked, Record, Refused};
use serde::{Deserialize, Serialize};

/// Folds the records of one run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spent {
    before_ms: u64,
    from_ms: u64,
    /// By the run's own clock, as its last event has it.
    own_clock_ms: u64,
    to_ms: u64,
}

impl Spent {
    /// Takes the next record of the run.
    pub(crate) fn take(&mut self, record: &Record) {
        match record {
            Record::RunOpened(opened) => self.begin(opened.at),
            Record::RunResumed(resumed) => self.begin(resumed.at),
            Record::Asked(Asked { at, .. }) | Record::Refused(Refused { at, .. }) | Record::Answered(Answered { at, .. }) => {
                self.to_ms = self.to_ms.max(*at);
            }
            Record::Delivered(delivered) => {
                let last_ms = delivered.releases.last().map_or(0, |last| last.mono_ns / 1_000_000);
                self.own_clock_ms = self.own_clock_ms.max(last_ms);
            }
            _ => {}
        }
    }

    fn begin(&mut self, at_ms: u64) {
        self.before_ms += self.to_ms.saturating_sub(self.from_ms);
        (self.from_ms, self.to_ms) = (at_ms, at_ms);
    }

    /// In milliseconds: by the times of its records, or by its own clock where that says more.
    pub fn ms(self) -> u64 {
        (self.before_ms + self.to_ms.saturating_sub(self.from_ms)).max(self.own_clock_ms)
    }
}
