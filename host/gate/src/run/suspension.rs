//! How a run is suspended, and how its clocks continue after that.

use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::watch;
use vocabulary::Stop;

use super::RunGate;

/// What a run waits for, and how long at most.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Wait {
    /// A moment.
    Time(Duration),
    /// People.
    Person(Duration),
}

impl RunGate {
    /// Records that the run is unloaded from memory while it waits, if it can be rebuilt and nothing of it is under way. Returns whether it
    /// is; nothing is written for it then until it is resumed.
    ///
    /// # Errors
    /// Only what ends the run.
    pub(crate) fn suspend(&self, clock_ms: u64, wait: Wait) -> Result<bool, Stop> {
        let mut held = self.lock();
        held.check_open()?;
        let inner = &held.inner;
        if !inner.resumable || inner.asks_no_more || !inner.ops.is_empty() || !inner.own.is_empty() {
            return Ok(false);
        }
        held.suspend(clock_ms, wait)?;
        held.inner.closed.get_or_insert(Stop::Suspended);
        Ok(true)
    }

    /// Becomes true when the rebuild of a resumed run has come to the end of its record.
    pub fn rebuilt(&self) -> watch::Receiver<bool> {
        self.0.rebuilt.subscribe()
    }

    /// The rebuild has come to the end of the record: from now on the run is active.
    pub(crate) fn note_rebuilt(&self) {
        self.0.began_ns.store(self.0.clock.mono_ns(), Ordering::Relaxed);
        self.0.rebuilt.send_replace(true);
    }

    /// Whether the run is suspended. An order to end it, or a limit, may have arrived just after that.
    pub fn is_suspended(&self) -> bool {
        self.lock().inner.closed == Some(Stop::Suspended)
    }

    /// The least time that the run's own clock shows, in nanoseconds.
    pub(crate) fn clock_ns(&self) -> u64 {
        self.0.clock_ms.saturating_mul(1_000_000)
    }

    /// For how long the run has been active so far, in milliseconds.
    pub(crate) fn active_ms(&self) -> u64 {
        self.lock().spent_ms()
    }
}
