//! Undos of runs that have not ended, and what became of the undos of runs that were rolled back.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use vocabulary::record::{Asked, Happened, Record, UndoDischarged, UndoDone, UndoEnd, UndoRegistered};
use vocabulary::{Digest, RunId};

use super::{Ledger, OpenRun, OrderFaultKind};

/// An undo that was registered and not withdrawn.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenUndo {
    /// The keyed digest of the method and the target of the act that it takes back.
    pub covers: Digest,
    /// Whether that act happened, once that is known.
    pub happened: Option<Happened>,
    /// The operation that it takes back, once one was permitted.
    pub op: Option<u64>,
}

/// What became of the undos of one run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rollback {
    /// What became of each undo that was begun, by number. One that has an intent and no end yet is unknown.
    pub ends: BTreeMap<u64, UndoEnd>,
    /// The rollback that was opened last.
    pub last: RunId,
}

impl Ledger {
    /// What became of the undos of a run; `None` if it was never rolled back.
    pub fn rollback_of(&self, run: RunId) -> Option<&Rollback> {
        self.rollbacks.get(&run)
    }

    /// The rollback of a run that has not ended, if there is one.
    pub fn open_rollback(&self, of: RunId) -> Option<RunId> {
        self.open.iter().find(|(_, open)| open.rolls_back == Some(of)).map(|(run, _)| *run)
    }

    /// INVARIANT: from its intent on, an undo counts as unknown, until the record says how it ended. So whatever cuts a rollback off, none is
    /// carried out twice without a person's word.
    pub(super) fn note_rollback(&mut self, run: RunId, record: &Record) {
        if let Record::RunOpened(opened) = record
            && let Some(of) = opened.rolls_back
        {
            let rollback = self.rollbacks.entry(of).or_insert_with(|| Rollback { ends: BTreeMap::new(), last: run });
            rollback.last = run;
        }
        let Some(open) = self.open.get(&run) else { return };
        let Some(rollback) = open.rolls_back.and_then(|of| self.rollbacks.get_mut(&of)) else { return };
        match record {
            Record::Asked(Asked { undoes: Some(id), .. }) => drop(rollback.ends.insert(*id, UndoEnd::Unknown)),
            Record::UndoDone(done) => drop(rollback.ends.insert(done.id, done.end)),
            Record::ActSettled(word) => {
                if let Some(id) = open.undoing.get(&word.op) {
                    rollback.ends.insert(*id, if word.did { UndoEnd::Done } else { UndoEnd::NotDone });
                }
            }
            _ => {}
        }
    }
}

impl OpenRun {
    /// The undo of an act: the one that the act uses already, or the first that covers it and that no other act uses or waits with.
    pub(crate) fn undo_for(&self, op: u64, covers: Digest) -> Option<u64> {
        let covering = || self.undos.iter().filter(|(_, undo)| undo.covers == covers);
        let own = covering().find(|(_, undo)| undo.op == Some(op));
        let is_free = |(id, undo): &(&u64, &OpenUndo)| undo.op.is_none() && !self.is_waited_with(**id, Some(op));
        own.or_else(|| covering().find(is_free)).map(|(id, _)| *id)
    }

    /// Whether an act that is held back waits with this undo; `besides` is not considered.
    fn is_waited_with(&self, id: u64, besides: Option<u64>) -> bool {
        let waits = |(op, approval): (&u64, &super::OpenApproval)| {
            Some(*op) != besides && approval.end.is_none() && approval.bounds.undo == Some(id)
        };
        self.approvals.iter().any(waits)
    }

    /// Whether an undo may be withdrawn: its act was not asked for, or is known not to have happened.
    ///
    /// SECURITY: an agent could otherwise meet a policy that demands an undo, and withdraw the undo as soon as the act is done.
    pub(crate) fn may_discharge(&self, id: u64) -> bool {
        self.undos.get(&id).is_some_and(|undo| match undo.op {
            None => !self.is_waited_with(id, None),
            Some(_) => undo.happened == Some(Happened::No),
        })
    }

    /// Notes which act uses an undo.
    pub(super) fn use_undo(&mut self, asked: &Asked) -> Result<(), OrderFaultKind> {
        if let Some(id) = asked.undoes {
            if self.rolls_back.is_none() {
                return Err(OrderFaultKind::NoUndo);
            }
            self.undoing.insert(asked.op, id);
        }
        let Some(id) = asked.bounds.undo else { return Ok(()) };
        let undo = self.undos.get_mut(&id).filter(|undo| undo.op.is_none_or(|op| op == asked.op));
        let undo = undo.ok_or(OrderFaultKind::NoUndo)?;
        (undo.op, undo.happened) = (Some(asked.op), None);
        Ok(())
    }

    /// Notes whether an act happened that has an undo.
    pub(super) fn act_happened(&mut self, op: u64, happened: Happened) {
        if let Some(undo) = self.undos.values_mut().find(|undo| undo.op == Some(op)) {
            undo.happened = Some(happened);
        }
    }

    pub(super) fn undo_registered(&mut self, undo: &UndoRegistered) -> Result<(), OrderFaultKind> {
        if undo.id != self.undo_last + 1 {
            return Err(OrderFaultKind::NoUndo);
        }
        self.undo_last = undo.id;
        self.undo_bytes = self.undo_bytes.saturating_add(undo.bytes);
        self.undos.insert(undo.id, OpenUndo { covers: undo.covers_key, happened: None, op: None });
        Ok(())
    }

    pub(super) fn undo_discharged(&mut self, undo: &UndoDischarged) -> Result<(), OrderFaultKind> {
        let may = self.may_discharge(undo.id);
        self.undos.remove(&undo.id);
        if may { Ok(()) } else { Err(OrderFaultKind::NoUndo) }
    }

    pub(super) fn undo_done(&self, done: &UndoDone) -> Result<(), OrderFaultKind> {
        if self.rolls_back == Some(done.of) { Ok(()) } else { Err(OrderFaultKind::NoUndo) }
    }
}
