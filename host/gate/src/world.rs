//! The world as a guest meets it: the record as far as it reaches, then the live world.

use std::task::{Context, Poll};

use vocabulary::{Act, Claim, ClosedAsk, Divergence, Door, FileAnswer, FileAsk, Limits, OpId, Outcome, Release, Stop, Timeline};

use crate::err::LoadError;
use crate::recorded::Recorded;
use crate::replay_cursor::{CursorStep, Mode, ReplayCursor};
use crate::resume_point::LiveWorld;

/// BOUND: bytes that a claim counts for, besides its own, so that empty lines use up the budget too.
const CLAIM_BYTES: u64 = 16;

/// One run's world. A fresh run is a rebuild of an empty record, so there is one type for all.
pub struct RunWorld<L> {
    live: L,
    cursor: Option<Box<ReplayCursor>>,
    budget: AskBudget,
}

/// The budgets for what only the guest decides. They are counted here, so that a rebuild counts the same.
struct AskBudget {
    limits: Limits,
    asks: u64,
    said_bytes: u64,
    findings: u64,
}

impl<L: LiveWorld> RunWorld<L> {
    /// The world of a new run, which has no record yet.
    pub fn fresh(live: L, limits: &Limits) -> Self {
        Self { live, cursor: None, budget: AskBudget::new(limits) }
    }

    /// The world of a run that was cut off and is to be resumed.
    ///
    /// # Errors
    /// [`LoadError::NotKept`] if it is not durable, or saw too much to be kept; [`LoadError::Closed`] if it has ended.
    pub fn resume(recorded: Recorded, live: L) -> Result<Self, LoadError> {
        Self::rebuild(recorded, live, Mode::Resume)
    }

    /// The world of a run that is rebuilt to compare it with its record. Of the live world, only looks at mounts are used, and only if
    /// looks were not kept.
    ///
    /// # Errors
    /// [`LoadError::NotKept`] if the run saw too much to be kept.
    pub fn audit(recorded: Recorded, live: L) -> Result<Self, LoadError> {
        Self::rebuild(recorded, live, Mode::Audit)
    }

    fn rebuild(recorded: Recorded, live: L, mode: Mode) -> Result<Self, LoadError> {
        if mode == Mode::Resume && recorded.closed().is_some() {
            return Err(LoadError::Closed(recorded.header().run));
        }
        let can_go_on = recorded.observations_are_kept() && recorded.header().spec.durable;
        if !recorded.answers_are_kept() || (mode == Mode::Resume && !can_go_on) {
            return Err(LoadError::NotKept);
        }
        let recorded = if recorded.observations_are_kept() { recorded } else { recorded.without_observations() };
        let budget = AskBudget::new(&recorded.header().spec.limits);
        Ok(Self { live, cursor: Some(Box::new(ReplayCursor::new(recorded, mode))), budget })
    }

    /// The live world.
    pub fn live(&self) -> &L {
        &self.live
    }

    /// The live world.
    pub fn live_mut(&mut self) -> &mut L {
        &mut self.live
    }

    /// Whether the record has ended, so that the live world answers.
    pub fn is_live(&self) -> bool {
        self.cursor.is_none()
    }

    /// To be called when the guest has ended. In a resumed run, the live world takes over, so that the run can be closed.
    ///
    /// # Errors
    /// [`Stop::Diverged`] when the record has more.
    pub fn ended(&mut self) -> Result<(), Stop> {
        match &mut self.cursor {
            Some(cursor) if cursor.mode == Mode::Resume => {
                cursor.check_ended()?;
                self.go_live(true)
            }
            Some(_) | None => Ok(()),
        }
    }

    /// Compares the guest's end with the recorded one, in an audit.
    ///
    /// # Errors
    /// The place where they differ.
    pub fn verdict(&mut self, outcome: &Outcome, output: Option<&[u8]>) -> Result<(), Divergence> {
        match &mut self.cursor {
            Some(cursor) => cursor.verdict(outcome, output),
            None => Ok(()),
        }
    }

    fn go_live(&mut self, ended: bool) -> Result<(), Stop> {
        match self.cursor.take() {
            Some(mut cursor) => self.live.resume_at(cursor.resume_at(ended)),
            None => Ok(()),
        }
    }
}

impl AskBudget {
    fn new(limits: &Limits) -> Self {
        Self { limits: limits.clone(), asks: 0, said_bytes: 0, findings: 0 }
    }

    fn ask(&mut self) -> Result<(), Stop> {
        self.asks += 1;
        if self.asks > self.limits.asks { Err(Stop::Limit(vocabulary::Limit::Asks)) } else { Ok(()) }
    }

    fn claim(&mut self, claim: &Claim) -> Result<(), Stop> {
        let bytes = match claim {
            Claim::Stderr(line) | Claim::Stdout(line) => line.as_str().len(),
            // Progress is recorded at most once a second of the run's clock, so it needs no budget.
            Claim::Progress(_) => return Ok(()),
            Claim::Finding(finding) => {
                self.findings += 1;
                vocabulary::canon::to_vec(finding).len()
            }
        };
        self.said_bytes = self.said_bytes.saturating_add(bytes as u64 + CLAIM_BYTES);
        if self.findings > self.limits.findings {
            Err(Stop::Limit(vocabulary::Limit::Findings))
        } else if self.said_bytes > self.limits.log_bytes {
            Err(Stop::Limit(vocabulary::Limit::LogBytes))
        } else {
            Ok(())
        }
    }
}

impl<L: LiveWorld> Door for RunWorld<L> {
    fn submit(&mut self, act: Act) -> Result<OpId, Stop> {
        self.budget.ask()?;
        if let Some(cursor) = &mut self.cursor {
            match cursor.submit(&act)? {
                CursorStep::Served(op) => return Ok(op),
                CursorStep::Observe | CursorStep::End => self.go_live(false)?,
            }
        }
        self.live.submit(act)
    }

    fn observe(&mut self, ask: FileAsk) -> Result<FileAnswer, Stop> {
        if let Some(cursor) = &mut self.cursor {
            match cursor.observe(&ask)? {
                CursorStep::Served(observation) => return Ok(observation.answer),
                CursorStep::Observe => {
                    let observation = self.live.observe_unrecorded(&ask)?;
                    cursor.note_observation(&ask, &observation)?;
                    return Ok(observation.answer);
                }
                CursorStep::End => self.go_live(false)?,
            }
        }
        self.live.observe(ask)
    }

    fn refuse(&mut self, ask: ClosedAsk) -> Result<(), Stop> {
        self.budget.ask()?;
        if let Some(cursor) = &mut self.cursor {
            match cursor.refuse(&ask)? {
                CursorStep::Served(()) => return Ok(()),
                CursorStep::Observe | CursorStep::End => self.go_live(false)?,
            }
        }
        self.live.refuse(ask)
    }

    fn read_on(&mut self, op: OpId) {
        if self.cursor.is_none() {
            self.live.read_on(op);
        }
    }

    fn abandon(&mut self, op: OpId) -> Result<(), Stop> {
        match &mut self.cursor {
            Some(cursor) => {
                cursor.abandon(op);
                Ok(())
            }
            None => self.live.abandon(op),
        }
    }

    fn say(&mut self, claim: Claim) -> Result<(), Stop> {
        self.budget.claim(&claim)?;
        if let Some(cursor) = &mut self.cursor {
            match cursor.say(&claim)? {
                CursorStep::Served(()) => return Ok(()),
                CursorStep::Observe | CursorStep::End => self.go_live(false)?,
            }
        }
        self.live.say(claim)
    }
}

impl<L: LiveWorld> Timeline for RunWorld<L> {
    fn mono_ns(&self) -> u64 {
        self.cursor.as_ref().map_or_else(|| self.live.mono_ns(), |cursor| cursor.mono_ns())
    }

    fn opened_unix_ns(&self) -> u64 {
        self.cursor.as_ref().map_or_else(|| self.live.opened_unix_ns(), |cursor| cursor.recorded.header().opened_unix_ns)
    }

    fn seed(&self) -> [u8; 32] {
        self.cursor.as_ref().map_or_else(|| self.live.seed(), |cursor| cursor.recorded.header().seed)
    }

    fn timer(&mut self, deadline_ns: u64) -> Result<OpId, Stop> {
        // BOUND: each timer that has not run out has an entry in the guest's table, which the limit `handles` bounds.
        match &mut self.cursor {
            Some(cursor) => Ok(cursor.timer(deadline_ns)),
            None => self.live.timer(deadline_ns),
        }
    }

    fn poll(&mut self) -> Result<Option<Release>, Stop> {
        if let Some(cursor) = &mut self.cursor {
            match cursor.poll()? {
                CursorStep::Served(found) => return Ok(found),
                CursorStep::Observe | CursorStep::End => self.go_live(false)?,
            }
        }
        self.live.poll()
    }

    fn poll_release(&mut self, ctx: &mut Context<'_>) -> Poll<Result<Release, Stop>> {
        if let Some(cursor) = &mut self.cursor {
            match cursor.wait()? {
                CursorStep::Served(release) => return Poll::Ready(Ok(release)),
                CursorStep::Observe | CursorStep::End => self.go_live(false)?,
            }
        }
        self.live.poll_release(ctx)
    }

    fn poll_heard(&mut self, ctx: &mut Context<'_>) -> Poll<()> {
        if self.cursor.is_some() { Poll::Ready(()) } else { self.live.poll_heard(ctx) }
    }

    fn jump(&mut self) -> Result<Release, Stop> {
        if let Some(cursor) = &mut self.cursor {
            match cursor.jump()? {
                CursorStep::Served(release) => return Ok(release),
                CursorStep::Observe | CursorStep::End => self.go_live(false)?,
            }
        }
        self.live.jump()
    }
}
