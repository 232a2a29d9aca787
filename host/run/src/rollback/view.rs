//! What a rollback of a run would do: read from the record alone, for people and for the host.

use std::collections::BTreeMap;

use gate::Missing;
use journal::{Reader, StoredRecord};
use serde::Serialize;
use vocabulary::record::{Asked, Happened, Record, UndoEnd, UndoRegistered};
use vocabulary::{Method, Resource, RunId, SafeText, StepKind, UndoRegistration};

use crate::err::RunError;
use crate::order::RollbackOrder;
use crate::rollback_err::RollbackError;

/// What a rollback of a run would do.
#[derive(Clone, Debug, Serialize)]
pub struct RollbackView {
    /// The agent of the run.
    pub agent: SafeText,
    /// Acts that changed something, or may have, and can't be taken back, in the order in which they were asked.
    pub irreversible: Vec<RollbackAct>,
    /// Whether the run has not ended.
    pub is_open: bool,
    /// Whether the run is a rollback itself.
    pub is_rollback: bool,
    /// The run.
    pub run: RunId,
    /// The undos of acts that happened, or may have, the one of the last act first. Those that were done already are among them.
    pub undos: Vec<RollbackUndo>,
}

/// An act that can't be taken back.
#[derive(Clone, Debug, Serialize)]
pub struct RollbackAct {
    /// Whether it happened.
    pub happened: Happened,
    /// The number of the operation.
    pub op: u64,
    /// What was asked.
    pub what: SafeText,
}

/// An undo.
#[derive(Clone, Debug, Serialize)]
pub struct RollbackUndo {
    /// What became of it in earlier rollbacks, if it was begun.
    pub end: Option<UndoEnd>,
    /// Whether its act happened.
    pub happened: Happened,
    /// Its number in the run.
    pub id: u64,
    /// The operation that it takes back.
    pub op: u64,
    /// What its request asks for.
    pub request: SafeText,
    /// Its request, or why it can't be opened.
    #[serde(skip)]
    pub registration: Result<UndoRegistration, String>,
    /// The number of the record of its act's intent in the run.
    #[serde(skip)]
    seq: u64,
    /// The act that it takes back.
    pub takes_back: SafeText,
    /// What it does, in the agent's own words.
    pub words: SafeText,
}

impl RollbackUndo {
    /// Whether it is still to be done, after a person's word about those with an unknown outcome.
    pub fn is_left(&self, word: Option<bool>) -> bool {
        match self.end {
            Some(UndoEnd::Done) => false,
            Some(UndoEnd::Unknown) => word == Some(false),
            Some(UndoEnd::NotDone) | None => true,
        }
    }
}

impl RollbackView {
    /// Reads the records of a run. `ends` has what became of its undos in earlier rollbacks.
    ///
    /// # Errors
    /// The record can't be read, or there is no such run.
    pub fn read(reader: &Reader, run: RunId, ends: &BTreeMap<u64, UndoEnd>) -> Result<Self, RunError> {
        let mut reading = Reading::default();
        for record in reader.of_run(run) {
            let record = record?;
            if let Ok(body) = Record::parse(&record.body) {
                reading.take(&record, body);
            }
        }
        let Reading { agent, is_rollback, is_closed, acts, undos } = reading;
        let agent = agent.ok_or(RunError::Load { run, cause: gate::LoadError::NoRun(run) })?;
        let mut view = Self { agent, irreversible: Vec::new(), is_open: !is_closed, is_rollback, run, undos: Vec::new() };
        for (op, act) in acts {
            let registered = act.asked.bounds.undo.and_then(|id| undos.get(&id));
            match registered {
                _ if act.happened == Happened::No || !act.changes() => {}
                Some((record, undo)) => view.undos.push(undo_of(reader, record, undo, (&act, ends.get(&undo.id).copied()))),
                None => view.irreversible.push(RollbackAct { happened: act.happened, op, what: act.asked.ask.resource.line() }),
            }
        }
        // An approval may come late, so the numbers of operations are not the order in which acts were sent. Their intents are.
        view.undos.sort_by_key(|undo| std::cmp::Reverse(undo.seq));
        Ok(view)
    }

    /// The undos with an unknown outcome.
    pub fn unknown(&self) -> impl Iterator<Item = &RollbackUndo> {
        self.undos.iter().filter(|undo| undo.end == Some(UndoEnd::Unknown))
    }

    /// Whether this order can be carried out.
    ///
    /// # Errors
    /// Why not, or which word of the person is missing.
    pub fn check(&self, order: &RollbackOrder) -> Result<(), RollbackError> {
        let unknown: Vec<u64> = self.unknown().map(|undo| undo.id).collect();
        let is_left = self.undos.iter().any(|undo| undo.is_left(order.word)) || !unknown.is_empty();
        if self.is_rollback {
            Err(RollbackError::OfRollback)
        } else if self.is_open {
            Err(RollbackError::Open)
        } else if order.word.is_some() && unknown.is_empty() {
            Err(RollbackError::NothingUnknown)
        } else if order.word.is_none() && !unknown.is_empty() {
            Err(RollbackError::Unknown(unknown))
        } else if !is_left {
            Err(RollbackError::NothingLeft)
        } else if !self.irreversible.is_empty() && !order.partial {
            Err(RollbackError::Partial(self.irreversible.len()))
        } else {
            Ok(())
        }
    }
}

struct Act {
    asked: Asked,
    happened: Happened,
    seq: u64,
}

impl Act {
    /// Whether acts of this kind change something outside.
    fn changes(&self) -> bool {
        match &self.asked.ask.resource {
            Resource::Http(http) => !Method::new(http.method.as_str()).is_ok_and(|method| method.is_safe()),
            Resource::Credential(credential) => matches!(credential.step, StepKind::Set | StepKind::Finish),
            Resource::Commit(_) => true,
            Resource::Path(_) | Resource::Several | Resource::Words(_) => false,
        }
    }
}

#[derive(Default)]
struct Reading {
    agent: Option<SafeText>,
    is_rollback: bool,
    is_closed: bool,
    acts: BTreeMap<u64, Act>,
    undos: BTreeMap<u64, (StoredRecord, UndoRegistered)>,
}

impl Reading {
    fn take(&mut self, record: &StoredRecord, body: Record) {
        match body {
            Record::RunOpened(opened) => (self.agent, self.is_rollback) = (Some(opened.agent.name), opened.rolls_back.is_some()),
            Record::UndoRegistered(undo) => drop(self.undos.insert(undo.id, (record.clone(), undo))),
            Record::UndoDischarged(undo) => drop(self.undos.remove(&undo.id)),
            Record::Asked(asked) => {
                // An intent without an answer may have happened.
                self.acts.insert(asked.op, Act { asked, happened: Happened::Perhaps, seq: record.seq });
            }
            Record::Answered(answered) => {
                if let Some(act) = self.acts.get_mut(&answered.op) {
                    act.happened = answered.happened();
                }
            }
            Record::ActSettled(word) => {
                if let Some(act) = self.acts.get_mut(&word.op) {
                    act.happened = if word.did { Happened::Yes } else { Happened::No };
                }
            }
            Record::RunClosed(_) => self.is_closed = true,
            _ => {}
        }
    }
}

fn undo_of(reader: &Reader, record: &StoredRecord, undo: &UndoRegistered, (act, end): (&Act, Option<UndoEnd>)) -> RollbackUndo {
    let damaged = || Missing::Damaged("it is not an undo".to_owned());
    let opened = gate::sealed(reader, record).and_then(|bytes| UndoRegistration::from_canonical_bytes(&bytes).ok_or_else(damaged));
    RollbackUndo {
        end,
        happened: act.happened,
        id: undo.id,
        op: act.asked.op,
        request: undo.ask.resource.line(),
        registration: opened.map_err(|why| why.to_string()),
        seq: act.seq,
        takes_back: undo.covers.line(),
        words: undo.words.clone(),
    }
}
