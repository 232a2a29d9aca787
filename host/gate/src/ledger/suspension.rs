//! Runs that are suspended, or were resumed without a caller.

use vocabulary::record::Record;

use super::OpenRun;

/// Whether a record can be written only while its run is in memory.
pub(super) fn needs_memory(record: &Record) -> bool {
    matches!(
        record,
        Record::Asked(_)
            | Record::Refused(_)
            | Record::Answered(_)
            | Record::Received(_)
            | Record::Observed(_)
            | Record::Delivered(_)
            | Record::Said(_)
            | Record::HostAsked(_)
            | Record::ApprovalAsked(_)
            | Record::RunSuspended(_)
    )
}

/// BOUND: how often a run that nobody attends is resumed without being suspended again. The run itself may be what ends its hosts.
const RESUMED_MAX: u32 = 5;

impl OpenRun {
    /// Whether the run was cut off while no caller attended it, and can be resumed without a person's decision.
    pub fn is_left(&self) -> bool {
        let can_continue = self.durable && self.kept && !self.restored && self.unsettled().is_empty();
        self.unattended && self.suspended.is_none() && can_continue && self.resumed < RESUMED_MAX
    }
}
