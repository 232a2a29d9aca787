//! The resume plan of a run that was cut off: what must still be recorded, and what becomes of each act that was under way.

use vocabulary::record::AnswerClass;
use vocabulary::{Act, Fault, OpId, Repeat, Stop};

use crate::ask::{Judgement, PendingIntent};
use crate::ledger::Stage;
use crate::resume_point::{InFlight, Owed, RecordedEnd, ResumePoint, SeenAnswer};
use crate::run::{Moment, OpState, RunGate};
use crate::settling::Settling;

/// How an act under way at the end of the record continues.
#[derive(Debug)]
pub(crate) enum ResumePlan {
    /// The guest gets this fault.
    Tell(OpId, Fault),
    /// The act is sent again. The new answer must begin with what the guest has seen.
    Again(Box<PendingIntent>, Box<SeenAnswer>),
    /// The act is held back until people have decided.
    Hold(OpId, Box<Act>),
}

/// What to do with an act whose end the guest has not seen.
enum ResumeChoice {
    /// The act is over. It is settled in this way, if it was not settled before.
    Over(Option<Settling>),
    /// The act is over, and the rest of its answer's body will not come.
    BrokenOff,
    Tell(Fault),
    Again,
    /// It was held back. It is decided whether that is still so.
    Held,
    /// It was held back, and nobody waits for it any more.
    Cancel,
    /// It may have happened, and can't be repeated with its idempotency key any more. The guest learns that it is lost.
    Lost(Fault),
    /// A person must settle the act. `said` says whether the act is already on the record as unknown.
    Unsettled {
        said: bool,
    },
}

impl RunGate {
    /// Takes over from a rebuild: first the counters, then what must still be recorded, then each act that was under way.
    ///
    /// # Errors
    /// [`Stop::Unsettled`] for an act that may have happened and must be settled by a person before it is repeated. Then nothing was sent.
    pub(crate) fn resume_at(&self, at: &mut ResumePoint) -> Result<Vec<ResumePlan>, Stop> {
        self.adopt(at)?;
        let ended = at.ended;
        let words = std::mem::take(&mut at.gate.words);
        let did = |op: OpId| words.get(&op.0).copied();
        let choices: Vec<(InFlight, ResumeChoice)> = at
            .in_flight
            .drain(..)
            .map(|act| (resume_choice(&act, did(act.op), (ended, self.has_its_key(&act))), act))
            .map(|(choice, act)| (act, choice))
            .collect();
        self.say_unsettled(&choices)?;
        let unsettled = choices.iter().find(|(_, choice)| matches!(choice, ResumeChoice::Unsettled { .. }));
        if let Some((act, _)) = unsettled.filter(|_| !ended) {
            return Err(Stop::Unsettled(act.op));
        }
        let mut plan = Vec::new();
        for (act, choice) in choices {
            match choice {
                ResumeChoice::Unsettled { .. } | ResumeChoice::Over(None) => {}
                ResumeChoice::Over(Some(how)) => {
                    self.resumed(&act, Stage::Asked);
                    self.settle(act.op, how)?;
                    self.lock().end_op(act.op, false)?;
                }
                ResumeChoice::BrokenOff => {
                    self.resumed(&act, Stage::Answered);
                    self.lock().end_op(act.op, false)?;
                }
                ResumeChoice::Tell(fault) => {
                    if matches!(act.known, RecordedEnd::Answered(class, _) if class.has_answer()) {
                        self.resumed(&act, Stage::Answered);
                    }
                    plan.push(ResumePlan::Tell(act.op, fault));
                }
                ResumeChoice::Lost(fault) => {
                    self.resumed(&act, Stage::Asked);
                    self.settle(act.op, Settling::Unknown(Some(fault)))?;
                    plan.push(ResumePlan::Tell(act.op, fault));
                }
                ResumeChoice::Again => plan.push(self.again(act)?),
                ResumeChoice::Held => plan.push(self.held(act)?),
                ResumeChoice::Cancel => self.cancel_held(act.op)?,
            }
        }
        Ok(plan)
    }

    /// Whether an act would be repeated with the idempotency key that it was asked with.
    fn has_its_key(&self, act: &InFlight) -> bool {
        act.keyed.as_ref().is_some_and(|keyed| self.lock().has_its_key((act.op, &act.ask), keyed))
    }

    /// Records each act with an unknown outcome as unknown, before a person is asked about any of them.
    fn say_unsettled(&self, choices: &[(InFlight, ResumeChoice)]) -> Result<(), Stop> {
        for (act, choice) in choices {
            if let ResumeChoice::Unsettled { said: false } = choice {
                self.resumed(act, Stage::Asked);
                self.settle(act.op, Settling::Unknown(None))?;
                self.lock().inner.ops.remove(&act.op.0);
            }
        }
        Ok(())
    }

    fn adopt(&self, at: &mut ResumePoint) -> Result<(), Stop> {
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
                Owed::Refusal(ask, reason) => held.refused(OpId(0), &ask, (reason, None), Moment::Guest)?,
            }
        }
        Ok(())
    }

    /// Adds an earlier act to the acts under way, as if it had been asked just now.
    fn resumed(&self, act: &InFlight, stage: Stage) {
        let answered = stage == Stage::Answered;
        let (seen, source) = (act.seen.clone(), act.ask.source());
        let state = OpState { answered, responded: answered, seen, source, ..OpState::new(act.ask.kind()) };
        self.lock().inner.ops.insert(act.op.0, state);
    }

    /// Decides about an act that was held back when the run was unloaded.
    fn held(&self, act: InFlight) -> Result<ResumePlan, Stop> {
        let InFlight { op, ask, seen, .. } = act;
        match self.ask_held(op, ask.clone())? {
            None | Some(Judgement::Held { .. }) => Ok(ResumePlan::Hold(op, Box::new(ask))),
            Some(Judgement::Permitted(pending)) => Ok(ResumePlan::Again(pending, Box::new(seen))),
            Some(Judgement::Refused { op, fault }) => Ok(ResumePlan::Tell(op, fault)),
        }
    }

    fn again(&self, act: InFlight) -> Result<ResumePlan, Stop> {
        let InFlight { op, ask, seen, .. } = act;
        let lost = Fault::lost(ask.kind());
        match self.ask_again(op, ask)? {
            Judgement::Permitted(pending) => Ok(ResumePlan::Again(pending, Box::new(seen))),
            // What is repeated is never held back: it was approved, or it is refused.
            Judgement::Held { op, .. } => Ok(ResumePlan::Tell(op, lost)),
            // A grant has expired meanwhile.
            Judgement::Refused { op, .. } if seen.status.is_some() => Ok(ResumePlan::Tell(op, lost)),
            Judgement::Refused { op, fault } => Ok(ResumePlan::Tell(op, fault)),
        }
    }

    /// Takes over what the guest has seen of an earlier answer. The new answer was found to begin the same.
    pub(crate) fn seen_before(&self, op: OpId, seen: &SeenAnswer) {
        if let Some(state) = self.lock().inner.ops.get_mut(&op.0) {
            state.seen = seen.clone();
        }
    }
}

fn resume_choice(act: &InFlight, did: Option<bool>, (ended, has_its_key): (bool, bool)) -> ResumeChoice {
    let over = act.abandoned || ended;
    let lost = Fault::lost(act.ask.kind());
    match (act.known, did) {
        (RecordedEnd::Answered(class, _), _) if over && class.has_answer() => ResumeChoice::BrokenOff,
        (RecordedEnd::Refused(_) | RecordedEnd::Received | RecordedEnd::Answered(..), _) if over => ResumeChoice::Over(None),
        (RecordedEnd::Held, _) if over => ResumeChoice::Cancel,
        (RecordedEnd::Held, _) => ResumeChoice::Held,
        (RecordedEnd::Asked, _) if act.abandoned => ResumeChoice::Over(Some(Settling::Abandoned)),
        (RecordedEnd::Asked, _) if over => ResumeChoice::Over(Some(Settling::Unknown(None))),
        (RecordedEnd::Refused(fault), _) => ResumeChoice::Tell(fault),
        (
            RecordedEnd::Answered(
                AnswerClass::Failed | AnswerClass::RefusedAddress | AnswerClass::RefusedCredential | AnswerClass::RefusedLapsed,
                fault,
            ),
            _,
        ) => ResumeChoice::Tell(fault.unwrap_or(lost)),
        // The guest was to get the fault that no answer came. It gets it now, and continues as it would have before.
        (RecordedEnd::Answered(AnswerClass::Unknown, Some(fault)), _) => ResumeChoice::Tell(fault),
        (_, Some(true)) => ResumeChoice::Tell(lost),
        (_, _) if act.ask.repeat() == Repeat::Safe => ResumeChoice::Again,
        // The server does it once, however often it arrives. What was answered is not asked again.
        (RecordedEnd::Asked, None) if act.keyed.is_some() && has_its_key => ResumeChoice::Again,
        (RecordedEnd::Asked, None) if act.keyed.is_some() => ResumeChoice::Lost(lost),
        (RecordedEnd::Asked | RecordedEnd::Answered(AnswerClass::Unknown, _), Some(false)) => ResumeChoice::Again,
        (
            RecordedEnd::Received
            | RecordedEnd::Answered(AnswerClass::Response | AnswerClass::Done | AnswerClass::NotDone | AnswerClass::Abandoned, _),
            _,
        ) => ResumeChoice::Tell(lost),
        (RecordedEnd::Asked, None) => ResumeChoice::Unsettled { said: false },
        (RecordedEnd::Answered(AnswerClass::Unknown, _), None) => ResumeChoice::Unsettled { said: true },
    }
}
