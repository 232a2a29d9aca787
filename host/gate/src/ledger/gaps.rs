//! Parts of the record that are known not to be here: set aside, taken away, lost when an older copy was put back. What is left is whole, and
//! is not all there was.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};
use vocabulary::record::Record;
use vocabulary::{Principal, SafeText};

use super::Ledger;

/// BOUND: gaps that are kept, the last ones. Each comes from a person's order.
const GAPS_MAX: usize = 1000;

/// A part of the record that is not here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gap {
    /// Index in the log of the record that says so.
    pub index: u64,
    /// When, milliseconds since 1970.
    pub at: u64,
    /// By whose order.
    pub by: Principal,
    /// What became of it.
    pub what: GapKind,
}

/// What became of a part that is not here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum GapKind {
    /// It was damaged, and what came after these many records was set aside.
    SetAside {
        /// The folder in the home.
        aside: SafeText,
        /// How many records are left of what was there then.
        now_size: u64,
        /// Why, in the person's words.
        reason: SafeText,
        /// How many were remembered.
        was_size: Option<u64>,
    },
    /// The record was taken as it was, though more, or another one, was known.
    RolledBack {
        /// How many records were there.
        now_size: u64,
        /// How many were remembered.
        was_size: Option<u64>,
    },
    /// The home was put back from a backup. What happened after that was made is not here.
    PutBack {
        /// When the backup was begun, milliseconds since 1970.
        backup_at: u64,
    },
    /// The beginning was taken away.
    TakenAway {
        /// How many records, from the very first on.
        size: u64,
        /// The folder in which the last of them are archived. `None` if they were dropped.
        to: Option<SafeText>,
    },
}

impl GapKind {
    fn of(record: &Record) -> Option<(u64, &Principal, Self)> {
        match record {
            Record::Reanchored(it) => {
                let (aside, now_size) = (it.aside.clone(), it.now_size);
                Some((it.at, &it.by, Self::SetAside { aside, now_size, reason: it.reason.clone(), was_size: it.was_size }))
            }
            Record::RollbackAccepted(it) => {
                // It may have been about keys alone.
                let is_all = it.was_log.is_none() && (it.was_size, it.was_root) == (Some(it.now_size), Some(it.now_root));
                let it = (it.at, &it.by, Self::RolledBack { now_size: it.now_size, was_size: it.was_size });
                Some(it).filter(|_| !is_all)
            }
            Record::Restored(it) => Some((it.at, &it.by, Self::PutBack { backup_at: it.backup_at })),
            Record::Pruned(it) => Some((it.at, &it.by, Self::TakenAway { size: it.size, to: it.to.clone() })),
            _ => None,
        }
    }
}

impl Ledger {
    /// Parts of the record that are not here, in the order in which that was recorded.
    pub fn gaps(&self) -> impl Iterator<Item = &Gap> {
        self.gaps.iter()
    }

    pub(super) fn note_gap(&mut self, record: &Record) {
        let Some((at, by, what)) = GapKind::of(record) else { return };
        if matches!(what, GapKind::TakenAway { .. }) {
            // Each says how much there is from the very first record on.
            self.gaps.retain(|gap| !matches!(gap.what, GapKind::TakenAway { .. }));
        }
        self.gaps.push_back(Gap { index: self.next - 1, at, by: by.clone(), what });
        if self.gaps.len() > GAPS_MAX {
            self.gaps.pop_front();
        }
    }
}

/// What [`Ledger`] keeps.
pub(super) type Gaps = VecDeque<Gap>;
