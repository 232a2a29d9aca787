//! What came to pass in a campaign.

use std::collections::BTreeMap;
use std::fmt::Write as _;

/// What came to pass.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// How often a command was killed, by its verb.
    pub kills: BTreeMap<String, usize>,
    /// Points, by case.
    pub points: BTreeMap<&'static str, usize>,
    /// Acts of which nobody knew whether they had happened, so that a person was asked.
    pub unknown: usize,
    /// What went wrong.
    pub broken: Vec<String>,
}

impl Tally {
    pub(super) fn add(&mut self, other: Self) {
        other.kills.into_iter().for_each(|(verb, times)| *self.kills.entry(verb).or_default() += times);
        other.points.into_iter().for_each(|(case, times)| *self.points.entry(case).or_default() += times);
        self.unknown += other.unknown;
        self.broken.extend(other.broken);
    }

    /// The tally for people.
    #[must_use]
    pub fn table(&self) -> String {
        let mut text = String::new();
        for (case, times) in &self.points {
            let _ = writeln!(text, "{case:<18}{times:>6} points");
        }
        for (verb, times) in &self.kills {
            let _ = writeln!(text, "{verb:<18}{times:>6} kills");
        }
        let _ = writeln!(
            text,
            "{:<18}{:>6} acts that a person had to settle\n{:<18}{:>6}",
            "unknown",
            self.unknown,
            "wrong",
            self.broken.len()
        );
        text
    }
}
