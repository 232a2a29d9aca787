//! For how long a run was active, in all processes that ran it, as far as its records show.
//!
//! This never depends on the machine's clock, which may be set at any moment: records say for how long the run had been active.

use serde::{Deserialize, Serialize};
use vocabulary::record::{Answered, ApprovalAsked, Asked, Record, Refused, RunClosed, RunOpened, RunResumed, RunSuspended, WaitsFor};

/// How long one run was active, folded from its records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spent {
    ms: u64,
    latest_at: u64,
    /// For how long the run was suspended.
    #[serde(default)]
    waited_ms: u64,
    /// For how long it was suspended while it waited for people. Its own clock stood still then.
    #[serde(default)]
    still_ms: u64,
    /// Whether it waits for people now.
    #[serde(default)]
    is_still: bool,
}

impl Spent {
    /// Takes the next record of the run.
    pub(crate) fn take(&mut self, record: &Record) {
        match record {
            Record::RunResumed(resumed) => *self = self.waited(resumed.waited_ms),
            Record::RunSuspended(suspended) => self.is_still = matches!(suspended.waits_for, WaitsFor::Person { .. }),
            _ => {}
        }
        let (ms, at) = match record {
            Record::RunOpened(RunOpened { at, .. }) => (0, *at),
            Record::RunResumed(RunResumed { at, spent_ms, .. })
            | Record::RunSuspended(RunSuspended { at, spent_ms, .. })
            | Record::Asked(Asked { at, spent_ms, .. })
            | Record::ApprovalAsked(ApprovalAsked { at, spent_ms, .. })
            | Record::Refused(Refused { at, spent_ms, .. })
            | Record::Answered(Answered { at, spent_ms, .. })
            | Record::RunClosed(RunClosed { at, active_ms: spent_ms, .. }) => (*spent_ms, *at),
            // The run's own clock continues from process to process.
            Record::Delivered(delivered) => {
                let clock_ms = delivered.releases.last().map_or(0, |last| last.mono_ns / 1_000_000);
                (clock_ms.saturating_sub(self.waited_ms - self.still_ms), 0)
            }
            _ => return,
        };
        self.ms = self.ms.max(ms);
        self.latest_at = self.latest_at.max(at);
    }

    /// The same after a suspension of this many milliseconds. In a run, time does not go back, even if the clock was set back meanwhile.
    pub(crate) fn waited(self, ms: u64) -> Self {
        let still_ms = if self.is_still { self.still_ms.saturating_add(ms) } else { self.still_ms };
        let (waited_ms, latest_at) = (self.waited_ms.saturating_add(ms), self.latest_at.saturating_add(ms));
        Self { waited_ms, latest_at, still_ms, is_still: false, ..self }
    }

    /// The active time in milliseconds.
    pub fn ms(self) -> u64 {
        self.ms
    }

    /// For how long it was suspended so far, in milliseconds.
    pub fn waited_ms(self) -> u64 {
        self.waited_ms
    }

    /// The latest time that the clock has shown during the run, in milliseconds since 1970.
    pub(crate) fn latest_at(self) -> u64 {
        self.latest_at
    }
}
