//! Runs that are suspended while a command attends them: when they are left waiting, and what is said about them.

use run::ApprovalView;
use serde::Serialize;
use vocabulary::RunId;
use vocabulary::record::WaitsFor;

/// When a run that is suspended is left waiting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Detach {
    Never,
    /// If it waits for people: nobody is at a terminal to see for whom it waits.
    ForPeople,
    Always,
}

impl Detach {
    pub(crate) fn leaves(self, waits_for: &WaitsFor) -> bool {
        match self {
            Self::Never => false,
            Self::ForPeople => matches!(waits_for, WaitsFor::Person { .. }),
            Self::Always => true,
        }
    }
}

/// A run that was left waiting. This is the form of `run --detach --json`.
#[derive(Serialize)]
pub(crate) struct WaitingDocument {
    pub(crate) run: RunId,
    pub(crate) agent: String,
    pub(crate) waits_for: WaitsFor,
    /// The acts that are held back until people have approved them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) approvals: Vec<ApprovalView>,
}

/// For whom a run waits, and what they can do.
pub(crate) fn asked_of(approval: &ApprovalView) -> String {
    let needs: Vec<String> = approval.groups.iter().map(|need| format!("{} of {}", need.quorum, need.group)).collect();
    let ApprovalView { approval, asks, environment, .. } = approval;
    format!("{asks} in {environment} waits for {}: `bailiwick approvals show {approval}`", needs.join(", "))
}
