//! Whether people could be told of the acts that wait for them.

use ::run::{HomePlace, clock_now};
use gate::{ApprovalState, Ledger};
use journal::Reader;
use vocabulary::{ApprovalId, NoticeEnd, OpId};

use super::{CheckRow, CheckState, row};
use crate::{log, words};

/// A warning if people could not be told of an act that still waits. No row otherwise: most homes tell nobody.
pub(super) fn notices(place: &HomePlace) -> Option<CheckRow> {
    let ledger = log::ledger(&Reader::open(&place.home).ok()?, |_| {}).ok()?;
    let failed = failed(&ledger);
    let (first, _) = failed.first()?;
    let (count, last) = (words::many(failed.len() as u64, "notice", "notices"), failed.iter().filter(|(_, is_last)| *is_last).count());
    let text = format!("{count} of acts that wait for people did not arrive, {last} of them for good: {first}");
    let help = "people can vote all the same: `bailiwick approvals ls`; `bailiwick audit show --kind notice-ended` has each attempt";
    Some(row("notices", CheckState::Warn, text).help(help))
}

/// What did not arrive: the act, the channel and the cause, and whether it is not tried again.
fn failed(ledger: &Ledger) -> Vec<(String, bool)> {
    let now = ledger.not_before(&clock_now());
    let mut failed = Vec::new();
    for (run, open) in ledger.open_runs() {
        let waiting = open.approvals.iter().filter(|(_, approval)| matches!(approval.state(&now), ApprovalState::Pending { .. }));
        for (op, approval) in waiting {
            for (channel, notice) in &approval.notices {
                if let Some(end @ (NoticeEnd::Again | NoticeEnd::GaveUp)) = notice.end {
                    let of = ApprovalId { run, op: OpId(*op) };
                    failed.push((format!("{of} at {channel}: {}", notice.detail), end == NoticeEnd::GaveUp));
                }
            }
        }
    }
    failed
}
