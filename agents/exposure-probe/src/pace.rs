//! Limits the requests per second, because others use the probed service.

use std::time::{Duration, Instant};

/// Keeps a rate over all targets together.
pub(crate) struct Pace {
    /// The time that one request takes at this rate; zero if there is no rate.
    each: Duration,
    /// When the next request may be sent.
    next: Option<Instant>,
}

impl Pace {
    /// A pace of at most `per_second` requests; 0 means no limit.
    pub(crate) fn new(per_second: u32) -> Self {
        Self { each: Duration::from_secs(1).checked_div(per_second).unwrap_or_default(), next: None }
    }

    /// Waits until `count` more requests may be sent. They are sent together, and the wait before the next ones makes up for that.
    pub(crate) fn wait(&mut self, count: usize) {
        if self.each.is_zero() || count == 0 {
            return;
        }
        let now = Instant::now();
        let begin = self.next.map_or(now, |next| next.max(now));
        // This is the sandbox's clock: the wait is a release like any other, and is rebuilt the same.
        std::thread::sleep(begin.saturating_duration_since(now));
        self.next = begin.checked_add(self.each.saturating_mul(u32::try_from(count).unwrap_or(u32::MAX)));
    }
}

#[cfg(test)]
mod tests {
    use super::Pace;
    use std::time::{Duration, Instant};

    #[test]
    fn so_many_a_second_and_no_more() {
        let begun = Instant::now();
        let mut pace = Pace::new(100);
        for _ in 0..3 {
            pace.wait(5);
        }
        assert!(begun.elapsed() >= Duration::from_millis(100), "the third five wait for the first ten");
        let mut pace = Pace::new(0);
        pace.wait(1_000_000);
        assert!(pace.next.is_none());
    }
}
