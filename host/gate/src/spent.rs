//! How long a run went on, over all processes that had it, as far as its records show.
//!
//! It never goes by the machine's clock, which somebody may set at any moment: records say how long the run had gone on.

use serde::{Deserialize, Serialize};
use vocabulary::record::{Answered, Asked, Record, Refused, RunClosed, RunOpened, RunResumed};

/// Folds the records of one run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spent {
    ms: u64,
    latest_at: u64,
}

impl Spent {
    /// Takes the next record of the run.
    pub(crate) fn take(&mut self, record: &Record) {
        let (ms, at) = match record {
            Record::RunOpened(RunOpened { at, .. }) => (0, *at),
            Record::RunResumed(RunResumed { at, spent_ms, .. })
            | Record::Asked(Asked { at, spent_ms, .. })
            | Record::Refused(Refused { at, spent_ms, .. })
            | Record::Answered(Answered { at, spent_ms, .. })
            | Record::RunClosed(RunClosed { at, active_ms: spent_ms, .. }) => (*spent_ms, *at),
            // The run's own clock goes on from process to process.
            Record::Delivered(delivered) => (delivered.releases.last().map_or(0, |last| last.mono_ns / 1_000_000), 0),
            _ => return,
        };
        self.ms = self.ms.max(ms);
        self.latest_at = self.latest_at.max(at);
    }

    /// In milliseconds.
    pub fn ms(self) -> u64 {
        self.ms
    }

    /// The latest time that the clock has shown in it, milliseconds since 1970.
    pub(crate) fn latest_at(self) -> u64 {
        self.latest_at
    }
}
