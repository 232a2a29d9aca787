//! Gaps: parts of the record that are known to be missing, because they were set aside, pruned, or lost when an older copy was restored.
//! What is left is whole, but it is not all there was.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};
use vocabulary::record::Record;
use vocabulary::{Principal, SafeText};

use super::Ledger;

/// BOUND: number of gaps that are kept, the last ones. Each comes from a person's order.
const GAPS_MAX: usize = 1000;

/// A part of the record that is missing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gap {
    /// Index in the log of the record that reports the gap.
    pub index: u64,
    /// When it was recorded, in milliseconds since 1970.
    pub at: u64,
    /// Who ordered it.
    pub by: Principal,
    /// What became of the missing part.
    pub what: GapKind,
}

/// What became of a missing part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum GapKind {
    /// It was damaged. Everything from the damaged place on was set aside.
    SetAside {
        /// The folder in the home in which it was put.
        aside: SafeText,
        /// How many records were left.
        now_size: u64,
        /// The reason, in the person's words.
        reason: SafeText,
        /// How many records were remembered.
        was_size: Option<u64>,
    },
    /// The record was accepted as it was, although more records, or another log, were remembered.
    RolledBack {
        /// How many records there were.
        now_size: u64,
        /// How many records were remembered.
        was_size: Option<u64>,
    },
    /// The home was restored from a backup. What happened after the backup is missing.
    PutBack {
        /// When the backup was begun, in milliseconds since 1970.
        backup_at: u64,
    },
    /// The beginning of the record was pruned.
    TakenAway {
        /// How many records are missing, counted from the very first.
        size: u64,
        /// The folder in which the last of them are archived. `None` if they were deleted.
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
                // The order may have been about keys alone.
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
    /// Parts of the record that are missing, in the order in which this was recorded.
    pub fn gaps(&self) -> impl Iterator<Item = &Gap> {
        self.gaps.iter()
    }

    pub(super) fn note_gap(&mut self, record: &Record) {
        let Some((at, by, what)) = GapKind::of(record) else { return };
        if matches!(what, GapKind::TakenAway { .. }) {
            // Each of these counts from the very first record, so the last one says it all.
            self.gaps.retain(|gap| !matches!(gap.what, GapKind::TakenAway { .. }));
        }
        self.gaps.push_back(Gap { index: self.next - 1, at, by: by.clone(), what });
        if self.gaps.len() > GAPS_MAX {
            self.gaps.pop_front();
        }
    }
}

/// The gaps that [`Ledger`] keeps.
pub(super) type Gaps = VecDeque<Gap>;
