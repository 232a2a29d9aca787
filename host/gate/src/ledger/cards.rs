//! How often each agent has asked people within the last hour, in all of its runs.

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};
use vocabulary::SafeText;

use crate::clock::ClockMark;

/// The time over which asks are counted, in milliseconds.
const HOUR_MS: u64 = 3_600_000;
/// BOUND: asks of one agent that are remembered. It is the largest value of the limit `approvals-per-hour`.
const REMEMBERED_MAX: usize = 1000;

/// When people were newly asked, for each agent that did so within the last hour.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Cards(BTreeMap<SafeText, VecDeque<ClockMark>>);

impl Cards {
    pub(super) fn note(&mut self, agent: &SafeText, at: ClockMark) {
        self.0.retain(|_, asked| {
            asked.retain(|mark| mark.elapsed_ms(&at) < HOUR_MS);
            !asked.is_empty()
        });
        let asked = self.0.entry(agent.clone()).or_default();
        asked.push_back(at);
        if asked.len() > REMEMBERED_MAX {
            asked.pop_front();
        }
    }

    /// How often within the last hour. If the machine's clock was set back behind an ask, that ask counts.
    pub(super) fn in_an_hour(&self, agent: &SafeText, now: &ClockMark) -> u64 {
        self.0.get(agent).map_or(0, |asked| asked.iter().filter(|mark| mark.elapsed_ms(now) < HOUR_MS).count() as u64)
    }
}
