//! The clock as a guest sees it: it stands still between releases, except for a tick that each read adds.

/// BOUND: number of clock reads without a release before the clock jumps to real time. It doubles with each jump, so that a guest that
/// spins fills neither the record nor the host's time.
const READS_BEFORE_JUMP: u64 = 1000;
const LOOKS_BEFORE_JUMP_MAX: u64 = 1 << 20;

/// Nanoseconds since the run was opened.
pub(crate) struct GuestClock {
    released_ns: u64,
    ticks: u64,
    reads: u64,
    patience: u64,
}

impl GuestClock {
    pub(crate) fn new(mono_ns: u64) -> Self {
        Self { released_ns: mono_ns, ticks: 0, reads: 0, patience: READS_BEFORE_JUMP }
    }

    /// The time that the guest saw last. This is not a read of the clock. Timers are measured against this time.
    pub(crate) fn current_ns(&self) -> u64 {
        self.released_ns.saturating_add(self.ticks)
    }

    /// Reads the clock: the time is one tick later than at the last read.
    pub(crate) fn read_ns(&mut self) -> u64 {
        self.ticks += 1;
        self.reads += 1;
        self.current_ns()
    }

    /// Whether the guest has read the clock so often that it must jump first.
    pub(crate) fn is_spun_on(&self) -> bool {
        self.reads >= self.patience
    }

    /// Moves the clock to the time of a release. It never goes back.
    pub(crate) fn release(&mut self, mono_ns: u64, jumped: bool) {
        self.released_ns = mono_ns.max(self.current_ns());
        self.ticks = 0;
        self.reads = 0;
        self.patience = if jumped { (self.patience * 2).min(LOOKS_BEFORE_JUMP_MAX) } else { READS_BEFORE_JUMP };
    }
}

#[cfg(test)]
mod tests {
    use super::GuestClock;

    #[test]
    fn two_looks_are_never_equal_and_time_never_goes_back() {
        let mut clock = GuestClock::new(5);
        let (first, second) = (clock.read_ns(), clock.read_ns());
        assert!(first < second);
        clock.release(3, false);
        assert!(clock.read_ns() > second);
    }

    #[test]
    fn patience_doubles_while_nothing_else_happens() {
        let mut clock = GuestClock::new(0);
        for _ in 0..1000 {
            assert!(!clock.is_spun_on());
            clock.read_ns();
        }
        assert!(clock.is_spun_on());
        clock.release(1, true);
        for _ in 0..1999 {
            clock.read_ns();
        }
        assert!(!clock.is_spun_on());
        clock.release(2, false);
        for _ in 0..1000 {
            clock.read_ns();
        }
        assert!(clock.is_spun_on());
    }
}
