//! A run that has not ended: how it begins, and what is counted of its acts.

use std::collections::{BTreeMap, BTreeSet};

use vocabulary::UnknownAct;
use vocabulary::record::RunOpened;

use super::OpenRun;
use crate::spent::Spent;

impl OpenRun {
    /// A run that was just opened by its first record, which has this index in the log and this number in the run.
    pub(super) fn new(opened: &RunOpened, index: u64, seq: u64) -> Self {
        Self {
            agent: opened.agent.name.clone(),
            answered: 0,
            asked: 0,
            at: opened.at,
            by: opened.by.clone(),
            digest: Some(opened.agent.digest),
            durable: opened.durable,
            index,
            kept: true,
            last_seq: seq,
            met: BTreeMap::new(),
            own: BTreeSet::new(),
            own_last: 0,
            pending: BTreeMap::new(),
            refused: 0,
            refused_later: 0,
            restored: false,
            sent: 0,
            spent: Spent::default(),
            last_op: 0,
            suspended: None,
            unattended: false,
            resumed: 0,
            revoked: BTreeSet::new(),
            approvals: BTreeMap::new(),
            used: BTreeMap::new(),
            rejected: BTreeSet::new(),
            proved: BTreeSet::new(),
            rolls_back: opened.rolls_back,
            undoing: BTreeMap::new(),
            undos: BTreeMap::new(),
            undo_last: 0,
            undo_bytes: 0,
        }
    }

    /// Acts for which something left the host, or may have.
    pub fn sent(&self) -> u64 {
        self.sent + self.pending.values().map(|act| u64::from(act.may_have_been_sent())).sum::<u64>()
    }

    /// For a run that is not running: the acts that a person must settle.
    pub fn unsettled(&self) -> Vec<UnknownAct> {
        let unsettled = self.pending.iter().filter(|(_, pending)| pending.is_unsettled());
        unsettled.map(|(op, pending)| UnknownAct { op: *op, what: pending.ask.resource.line() }).collect()
    }
}
