//! Acts of an active run that are held back until people have decided. The run is suspended as soon as it can do nothing else.

use std::collections::BTreeMap;
use std::time::Duration;

use vocabulary::{Act, GuestEvent, OpId, Stop};

use super::Live;
use crate::ask::Judgement;
use crate::run::Wait;

/// The least time between two looks at acts that are held back, in milliseconds, if nothing else happens.
const LOOK_MS: u64 = 1000;

/// The acts that are held back.
#[derive(Default)]
pub(super) struct HeldActs {
    acts: BTreeMap<OpId, Act>,
    /// When the first of them may have expired, on the run's own clock in nanoseconds.
    look_ns: Option<u64>,
}

impl HeldActs {
    /// Takes an act out. Returns whether it was held back.
    pub(super) fn remove(&mut self, op: OpId) -> bool {
        self.acts.remove(&op).is_some()
    }

    /// When they must be looked at again, on the run's own clock in nanoseconds.
    pub(super) fn look_ns(&self) -> Option<u64> {
        self.look_ns.filter(|_| !self.acts.is_empty())
    }
}

impl Live {
    /// Holds an act back. Its guest waits for it as for one that is under way.
    pub(super) fn hold(&mut self, op: OpId, act: Act) {
        let _credit = self.inbox.open(op);
        self.held.acts.insert(op, act);
        self.note_look();
    }

    /// Whether people are all that the run waits for. Timers stand still meanwhile.
    pub(super) fn waits_for_people(&self) -> bool {
        !self.held.acts.is_empty() && self.inbox.open_ops() == self.held.acts.len()
    }

    fn note_look(&mut self) {
        let left_ms = self.acts.as_ref().and_then(|acts| acts.gate.people_left_ms());
        // An act that is approved and waits for its turn is looked at again when another one ends, and not without a pause.
        let left_ms = left_ms.map(|left_ms| left_ms.max(LOOK_MS));
        self.held.look_ns = left_ms.map(|left_ms| self.real_ns().saturating_add(left_ms.saturating_mul(1_000_000)));
    }

    /// Decides about the acts that are held back, if people have voted or their time may be over.
    pub(super) fn look_at_held(&mut self) -> Result<(), Stop> {
        // Taken in any case: otherwise it would wake the run again and again.
        let is_decided = self.inbox.take_decided();
        if self.held.acts.is_empty() {
            return Ok(());
        }
        let is_due = self.held.look_ns.is_some_and(|look_ns| look_ns <= self.real_ns());
        if !is_decided && !is_due {
            return Ok(());
        }
        let gate = self.acts()?.gate.clone();
        for (op, act) in self.held.acts.clone() {
            match gate.ask_held(op, act)? {
                None | Some(Judgement::Held { .. }) => {}
                Some(Judgement::Permitted(pending)) => {
                    self.held.acts.remove(&op);
                    self.start(*pending, None)?;
                }
                Some(Judgement::Refused { op, fault }) => {
                    self.held.acts.remove(&op);
                    self.tell(op, GuestEvent::Failed(fault));
                }
            }
        }
        self.note_look();
        Ok(())
    }

    /// Suspends the run while it waits for people. Returns whether it did.
    pub(super) fn suspend_for_people(&mut self) -> Result<bool, Stop> {
        self.try_again_ns = None;
        let left_ms = self.acts()?.gate.people_left_ms().unwrap_or(0);
        self.suspend_for(Wait::Person(Duration::from_millis(left_ms)))
    }
}
