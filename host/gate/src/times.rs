//! Translates moments on the record to the machine's clock as it is now, because people who look back think in that clock.

use vocabulary::record::ClockChanged;

use crate::ledger::Ledger;

/// Moves moments by the amounts by which the clock was set since.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Times {
    /// For each change, the index of its record and the amount by which the clock was set then and later, in milliseconds.
    changes: Vec<(u64, i64)>,
}

impl Times {
    /// From the changes on the record, and a change that is not recorded yet.
    pub fn new(ledger: &Ledger, unrecorded: Option<&ClockChanged>) -> Self {
        let recorded = ledger.clock_changes.iter().map(|(index, change)| (*index, change.by_ms));
        let mut changes: Vec<(u64, i64)> = recorded.chain(unrecorded.map(|change| (u64::MAX, change.by_ms))).collect();
        let mut later_ms = 0_i64;
        for (_, by_ms) in changes.iter_mut().rev() {
            later_ms = later_ms.saturating_add(*by_ms);
            *by_ms = later_ms;
        }
        Self { changes }
    }

    /// When a record was written, in milliseconds since 1970, given its index and the time in it.
    pub fn of(&self, index: u64, at_ms: u64) -> u64 {
        let later = self.changes.partition_point(|(changed, _)| *changed <= index);
        self.changes.get(later).map_or(at_ms, |(_, by_ms)| at_ms.saturating_add_signed(*by_ms))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_moved_by_what_the_clock_was_set_later() {
        let times = Times { changes: vec![(10, -50), (20, 100)] };
        assert_eq!([times.of(3, 1000), times.of(10, 1000), times.of(19, 1000), times.of(20, 1000)], [950, 1100, 1100, 1000]);
        assert_eq!(Times::default().of(3, 7), 7);
    }
}
