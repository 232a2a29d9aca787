//! Measures the disk: how long the writer has been waiting for it, and how long the last batches took.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::ticket::lock;

/// BOUND: how many of the last waits are remembered.
const REMEMBERED: usize = 1024;

/// The waits of the writer. Other threads read them without waiting for the writer.
pub(crate) struct Pulse {
    /// The moment from which times are counted.
    base: Instant,
    /// When the present wait began, in nanoseconds after `base`, plus one; 0 if the writer is not waiting.
    since: AtomicU64,
    /// The last waits. A new one overwrites the oldest.
    took: Mutex<Took>,
}

#[derive(Default)]
struct Took {
    us: Vec<u64>,
    next: usize,
    batches: u64,
}

/// How long the disk took to make batches durable: statistics of the last batches (at most 1,024) since the home was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DiskTimes {
    /// How many batches were written since the home was opened.
    pub batches: u64,
    /// Half of the last batches took no longer than this, in microseconds.
    pub p50_us: u64,
    /// 99 of 100 of the last batches took no longer than this, in microseconds.
    pub p99_us: u64,
    /// The longest time among the last batches, in microseconds.
    pub max_us: u64,
}

#[expect(clippy::disallowed_methods, reason = "door: how long the disk takes")]
fn now() -> Instant {
    Instant::now()
}

fn narrow(number: u128) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

impl Pulse {
    pub(crate) fn new() -> Self {
        Self { base: now(), since: AtomicU64::new(0), took: Mutex::default() }
    }

    /// Begins a wait, which ends when the returned value is dropped.
    pub(crate) fn waits(&self) -> Beating<'_> {
        let began = now();
        self.since.store(narrow(began.duration_since(self.base).as_nanos()).saturating_add(1), Ordering::Release);
        Beating { pulse: self, began }
    }

    /// How long the present wait has lasted; `None` if the writer is not waiting.
    pub(crate) fn waiting(&self) -> Option<Duration> {
        let since = self.since.load(Ordering::Acquire).checked_sub(1)?;
        Some(self.base.elapsed().saturating_sub(Duration::from_nanos(since)))
    }

    pub(crate) fn times(&self) -> DiskTimes {
        let (mut us, batches) = {
            let took = lock(&self.took);
            (took.us.clone(), took.batches)
        };
        us.sort_unstable();
        // The smallest time that `percent` of 100 waits did not exceed.
        let of = |percent: usize| us.get((us.len() * percent).div_ceil(100).saturating_sub(1)).copied().unwrap_or(0);
        DiskTimes { batches, p50_us: of(50), p99_us: of(99), max_us: of(100) }
    }

    fn note(&self, took: Duration) {
        let us = narrow(took.as_micros());
        let mut times = lock(&self.took);
        let next = times.next;
        match times.us.get_mut(next) {
            Some(oldest) => *oldest = us,
            None => times.us.push(us),
        }
        times.next = (next + 1) % REMEMBERED;
        times.batches += 1;
    }
}

/// A wait that is under way.
pub(crate) struct Beating<'a> {
    pulse: &'a Pulse,
    began: Instant,
}

impl Drop for Beating<'_> {
    fn drop(&mut self) {
        self.pulse.since.store(0, Ordering::Release);
        self.pulse.note(self.began.elapsed());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_is_seen_while_it_goes_on_and_remembered_when_it_is_over() {
        let pulse = Pulse::new();
        assert_eq!((pulse.waiting(), pulse.times()), (None, DiskTimes::default()));
        let going = pulse.waits();
        assert!(pulse.waiting().is_some());
        drop(going);
        assert_eq!((pulse.waiting(), pulse.times().batches), (None, 1));
    }

    #[test]
    fn of_the_last_waits_the_middle_and_the_longest_are_told_and_older_ones_are_forgotten() {
        let pulse = Pulse::new();
        pulse.note(Duration::from_secs(3600));
        (1..=REMEMBERED as u64).for_each(|us| pulse.note(Duration::from_micros(us)));
        assert_eq!(pulse.times(), DiskTimes { batches: 1025, p50_us: 512, p99_us: 1014, max_us: 1024 });
    }
}
