//! Going on with a run that was cut off: what is owed to the record, and what becomes of each act that was under way.

use effect::record::AnswerClass;
use effect::{HttpFault, OpId, Repeat, Stop};

use crate::ask::{Asked, Pending};
use crate::ledger::Stage;
use crate::named::source_of;
use crate::run::{Moment, OpState, RunGate};
use crate::settling::Settling;
use crate::takeover::{InFlight, Known, Owed, Seen, TakeOver};

/// How an act under way at the end of the record goes on.
#[derive(Debug)]
pub(crate) enum Onward {
    /// The guest is told this.
    Tell(OpId, HttpFault),
    /// It is sent again; the new answer must begin with what the guest has seen.
    Again(Box<Pending>, Box<Seen>),
}

/// What to do with an act whose end the guest has not seen.
enum Fate {
    /// Nothing, but it is to be on the record that it is over.
    Over(Option<Settling>),
    /// The same, of a body that will not come to its end.
    BrokenOff,
    Tell(HttpFault),
    Again,
    /// A person must say; and whether the record has that already.
    Unsettled {
        said: bool,
    },
}

impl RunGate {
    /// Takes over from a rebuild: counters first, then what is owed to the record, then each act that was under way.
    ///
    /// # Errors
    /// [`Stop::Unsettled`] for an act that may have happened and must not be repeated without a person's word. Then nothing was sent.
    pub(crate) fn take_over(&self, at: &mut TakeOver) -> Result<Vec<Onward>, Stop> {
        self.adopt(at)?;
        let ended = at.ended;
        let words = std::mem::take(&mut at.gate.words);
        let did = |op: OpId| words.get(&op.0).copied();
        let fates: Vec<(InFlight, Fate)> =
            at.in_flight.drain(..).map(|act| (fate(&act, did(act.op), ended), act)).map(|(fate, act)| (act, fate)).collect();
        self.say_unsettled(&fates)?;
        let unsettled = fates.iter().find(|(_, fate)| matches!(fate, Fate::Unsettled { .. }));
        if let Some((act, _)) = unsettled.filter(|_| !ended) {
            return Err(Stop::Unsettled(act.op));
        }
        let mut onward = Vec::new();
        for (act, fate) in fates {
            match fate {
                Fate::Unsettled { .. } | Fate::Over(None) => {}
                Fate::Over(Some(how)) => {
                    self.resumed(&act, Stage::Asked);
                    self.settle(act.op, how)?;
                    self.lock().end_op(act.op, false)?;
                }
                Fate::BrokenOff => {
                    self.resumed(&act, Stage::Answered);
                    self.lock().end_op(act.op, false)?;
                }
                Fate::Tell(fault) => {
                    if matches!(act.known, Known::Answered(class, _) if class.has_answer()) {
                        self.resumed(&act, Stage::Answered);
                    }
                    onward.push(Onward::Tell(act.op, fault));
                }
                Fate::Again => onward.push(self.again(act)?),
            }
        }
        Ok(onward)
    }

    /// Each act of which nobody knows is on the record as such before a person is asked about any.
    fn say_unsettled(&self, fates: &[(InFlight, Fate)]) -> Result<(), Stop> {
        for (act, fate) in fates {
            if let Fate::Unsettled { said: false } = fate {
                self.resumed(act, Stage::Asked);
                self.settle(act.op, Settling::unknown())?;
                self.lock().inner.ops.remove(&act.op.0);
            }
        }
        Ok(())
    }

    fn adopt(&self, at: &mut TakeOver) -> Result<(), Stop> {
        let mut held = self.lock();
        let state = &mut at.gate;
        held.inner.next_op = state.next_op;
        held.inner.kept_bytes = state.kept_bytes;
        held.inner.requests_bytes = state.requests_bytes;
        held.inner.alike = state.alike.clone();
        held.inner.progress = state.progress.clone();
        held.inner.observed = state.observed.clone();
        for owed in state.owed.drain(..) {
            match owed {
                Owed::Objects(objects) => held.write_objects(objects)?,
                Owed::Several(several) => held.write_several(several)?,
                Owed::Refusal(ask, reason) => held.refused(OpId(0), &ask, reason, Moment::Guest)?,
            }
        }
        Ok(())
    }

    /// An act of before, as if it had been asked just now.
    fn resumed(&self, act: &InFlight, stage: Stage) {
        let answered = stage == Stage::Answered;
        let state = OpState { answered, responded: answered, seen: act.seen.clone(), source: source_of(&act.ask), ..OpState::default() };
        self.lock().inner.ops.insert(act.op.0, state);
    }

    fn again(&self, act: InFlight) -> Result<Onward, Stop> {
        let InFlight { op, ask, seen, .. } = act;
        match self.ask_again(op, ask)? {
            Asked::Permitted(pending) => Ok(Onward::Again(pending, Box::new(seen))),
            // A grant has ended meanwhile.
            Asked::Refused { op, .. } if seen.status.is_some() => Ok(Onward::Tell(op, HttpFault::Incomplete)),
            Asked::Refused { op, fault } => Ok(Onward::Tell(op, fault)),
        }
    }

    /// Takes up what the guest has seen of an answer before; the new one was found to begin the same.
    pub(crate) fn seen_before(&self, op: OpId, seen: &Seen) {
        if let Some(state) = self.lock().inner.ops.get_mut(&op.0) {
            state.seen = seen.clone();
        }
    }
}

fn fate(act: &InFlight, did: Option<bool>, ended: bool) -> Fate {
    let over = act.abandoned || ended;
    match (act.known, did) {
        (Known::Answered(class, _), _) if over && class.has_answer() => Fate::BrokenOff,
        (Known::Refused(_) | Known::Received | Known::Answered(..), _) if over => Fate::Over(None),
        (Known::Asked, _) if act.abandoned => Fate::Over(Some(Settling::abandoned())),
        (Known::Asked, _) if over => Fate::Over(Some(Settling::unknown())),
        (Known::Refused(fault), _) => Fate::Tell(fault),
        (
            Known::Answered(
                AnswerClass::Failed | AnswerClass::RefusedAddress | AnswerClass::RefusedCredential | AnswerClass::RefusedLapsed,
                fault,
            ),
            _,
        ) => Fate::Tell(fault.unwrap_or(HttpFault::Incomplete)),
        // It was to be told that no answer came, and goes on from there as it did before.
        (Known::Answered(AnswerClass::Unknown, Some(fault)), _) => Fate::Tell(fault),
        (_, Some(true)) => Fate::Tell(HttpFault::Incomplete),
        (_, _) if act.ask.repeat() == Repeat::Safe => Fate::Again,
        (Known::Asked | Known::Answered(AnswerClass::Unknown, _), Some(false)) => Fate::Again,
        (
            Known::Received | Known::Answered(AnswerClass::Response | AnswerClass::Done | AnswerClass::NotDone | AnswerClass::Abandoned, _),
            _,
        ) => Fate::Tell(HttpFault::Incomplete),
        (Known::Asked, None) => Fate::Unsettled { said: false },
        (Known::Answered(AnswerClass::Unknown, _), None) => Fate::Unsettled { said: true },
    }
}
