//! What people have stopped as a whole, and not enabled since.

use serde::{Deserialize, Serialize};
use vocabulary::record::Record;
use vocabulary::{Digest, Principal, SafeText, Stoppable};

use super::Ledger;

/// Something that a person has stopped.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoppedThing {
    /// When, in milliseconds since 1970.
    pub at: u64,
    /// Who did it.
    pub by: Principal,
    /// What is stopped.
    pub what: Stoppable,
}

impl Ledger {
    /// What is stopped now, the oldest first.
    pub fn stopped(&self) -> &[StoppedThing] {
        &self.stopped
    }

    /// What keeps this agent from running; `None` if nothing does.
    pub fn stopped_by(&self, agent: &SafeText, digest: &Digest) -> Option<&StoppedThing> {
        self.stopped.iter().find(|stopped| stopped.what.is(agent, digest))
    }

    pub(super) fn note_stopped(&mut self, record: &Record) {
        match record {
            Record::AgentsStopped(stopped) if self.stopped.iter().all(|known| known.what != stopped.what) => {
                self.stopped.push(StoppedThing { at: stopped.at, by: stopped.by.clone(), what: stopped.what.clone() });
            }
            Record::AgentsEnabled(enabled) => self.stopped.retain(|known| known.what != enabled.what),
            _ => {}
        }
    }
}
