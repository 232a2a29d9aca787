//! The world as a guest meets it: the record as far as it reaches, then the live world.

use std::task::{Context, Poll};

use effect::{Act, Claim, ClosedAsk, Divergence, Door, FileAnswer, FileAsk, Limits, OpId, Outcome, Release, Stop, Timeline};

use crate::err::LoadError;
use crate::recorded::Recorded;
use crate::takeover::LiveWorld;
use crate::tape::{Mode, Step, Tape};

/// BOUND: what a claim is counted as, besides its bytes, so that empty lines end too.
const CLAIM_BYTES: u64 = 16;

/// One run's world. A fresh run is a rebuild of an empty record, so there is one type for all.
pub struct Replay<L> {
    live: L,
    tape: Option<Box<Tape>>,
    budget: Budget,
}

/// What the guest alone decides; counted here, where a rebuild counts the same.
struct Budget {
    limits: Limits,
    asks: u64,
    said_bytes: u64,
    findings: u64,
}

impl<L: LiveWorld> Replay<L> {
    /// A run without a record so far.
    pub fn fresh(live: L, limits: &Limits) -> Self {
        Self { live, tape: None, budget: Budget::new(limits) }
    }

    /// A run that was cut off and is to go on.
    ///
    /// # Errors
    /// [`LoadError::NotKept`] when it is not durable, or what it saw was too much to be kept; [`LoadError::Closed`] when it has ended.
    pub fn resume(recorded: Recorded, live: L) -> Result<Self, LoadError> {
        Self::rebuild(recorded, live, Mode::Resume)
    }

    /// A run that is rebuilt to see whether its record is what happened. Of the live world, only looks at mounts are used, and only
    /// where none were kept.
    ///
    /// # Errors
    /// [`LoadError::NotKept`] when what it saw was too much to be kept.
    pub fn audit(recorded: Recorded, live: L) -> Result<Self, LoadError> {
        Self::rebuild(recorded, live, Mode::Audit)
    }

    fn rebuild(recorded: Recorded, live: L, mode: Mode) -> Result<Self, LoadError> {
        if mode == Mode::Resume && recorded.closed().is_some() {
            return Err(LoadError::Closed(recorded.opening().run));
        }
        let can_go_on = recorded.looks_are_kept() && recorded.opening().standing.durable;
        if !recorded.answers_are_kept() || (mode == Mode::Resume && !can_go_on) {
            return Err(LoadError::NotKept);
        }
        let recorded = if recorded.looks_are_kept() { recorded } else { recorded.without_looks() };
        let budget = Budget::new(&recorded.opening().standing.limits);
        Ok(Self { live, tape: Some(Box::new(Tape::new(recorded, mode))), budget })
    }

    /// The live world.
    pub fn live(&self) -> &L {
        &self.live
    }

    /// The live world.
    pub fn live_mut(&mut self) -> &mut L {
        &mut self.live
    }

    /// Whether the record is behind us.
    pub fn is_live(&self) -> bool {
        self.tape.is_none()
    }

    /// The guest has ended. A run that is to go on is taken over by the live world, which can then be closed.
    ///
    /// # Errors
    /// [`Stop::Diverged`] when the record has more.
    pub fn ended(&mut self) -> Result<(), Stop> {
        match &mut self.tape {
            Some(tape) if tape.mode == Mode::Resume => {
                tape.check_ended()?;
                self.go_live(true)
            }
            Some(_) | None => Ok(()),
        }
    }

    /// Holds the guest's end against the recorded one, in an audit.
    ///
    /// # Errors
    /// Where they differ.
    pub fn verdict(&mut self, outcome: &Outcome, output: Option<&[u8]>) -> Result<(), Divergence> {
        match &mut self.tape {
            Some(tape) => tape.verdict(outcome, output),
            None => Ok(()),
        }
    }

    fn go_live(&mut self, ended: bool) -> Result<(), Stop> {
        match self.tape.take() {
            Some(mut tape) => self.live.take_over(tape.take_over(ended)),
            None => Ok(()),
        }
    }
}

impl Budget {
    fn new(limits: &Limits) -> Self {
        Self { limits: limits.clone(), asks: 0, said_bytes: 0, findings: 0 }
    }

    fn ask(&mut self) -> Result<(), Stop> {
        self.asks += 1;
        if self.asks > self.limits.asks { Err(Stop::Limit(effect::Limit::Asks)) } else { Ok(()) }
    }

    fn claim(&mut self, claim: &Claim) -> Result<(), Stop> {
        let bytes = match claim {
            Claim::Stderr(line) | Claim::Stdout(line) => line.as_str().len(),
            // A slot: what of it goes onto the record is bounded by the run's own seconds.
            Claim::Progress(_) => return Ok(()),
            Claim::Finding(finding) => {
                self.findings += 1;
                effect::canon::to_vec(finding).len()
            }
        };
        self.said_bytes = self.said_bytes.saturating_add(bytes as u64 + CLAIM_BYTES);
        if self.findings > self.limits.findings {
            Err(Stop::Limit(effect::Limit::Findings))
        } else if self.said_bytes > self.limits.log_bytes {
            Err(Stop::Limit(effect::Limit::LogBytes))
        } else {
            Ok(())
        }
    }
}

impl<L: LiveWorld> Door for Replay<L> {
    fn submit(&mut self, act: Act) -> Result<OpId, Stop> {
        self.budget.ask()?;
        if let Some(tape) = &mut self.tape {
            match tape.submit(&act)? {
                Step::Served(op) => return Ok(op),
                Step::Look | Step::End => self.go_live(false)?,
            }
        }
        self.live.submit(act)
    }

    fn observe(&mut self, ask: FileAsk) -> Result<FileAnswer, Stop> {
        if let Some(tape) = &mut self.tape {
            match tape.observe(&ask)? {
                Step::Served(looked) => return Ok(looked.answer),
                Step::Look => {
                    let looked = self.live.look_at(&ask)?;
                    tape.looked(&ask, &looked)?;
                    return Ok(looked.answer);
                }
                Step::End => self.go_live(false)?,
            }
        }
        self.live.observe(ask)
    }

    fn refuse(&mut self, ask: ClosedAsk) -> Result<(), Stop> {
        self.budget.ask()?;
        if let Some(tape) = &mut self.tape {
            match tape.refuse(&ask)? {
                Step::Served(()) => return Ok(()),
                Step::Look | Step::End => self.go_live(false)?,
            }
        }
        self.live.refuse(ask)
    }

    fn read_on(&mut self, op: OpId) {
        if self.tape.is_none() {
            self.live.read_on(op);
        }
    }

    fn abandon(&mut self, op: OpId) -> Result<(), Stop> {
        match &mut self.tape {
            Some(tape) => {
                tape.abandon(op);
                Ok(())
            }
            None => self.live.abandon(op),
        }
    }

    fn say(&mut self, claim: Claim) -> Result<(), Stop> {
        self.budget.claim(&claim)?;
        if let Some(tape) = &mut self.tape {
            match tape.say(&claim)? {
                Step::Served(()) => return Ok(()),
                Step::Look | Step::End => self.go_live(false)?,
            }
        }
        self.live.say(claim)
    }
}

impl<L: LiveWorld> Timeline for Replay<L> {
    fn mono_ns(&self) -> u64 {
        self.tape.as_ref().map_or_else(|| self.live.mono_ns(), |tape| tape.mono_ns())
    }

    fn opened_unix_ns(&self) -> u64 {
        self.tape.as_ref().map_or_else(|| self.live.opened_unix_ns(), |tape| tape.recorded.opening().opened_unix_ns)
    }

    fn seed(&self) -> [u8; 32] {
        self.tape.as_ref().map_or_else(|| self.live.seed(), |tape| tape.recorded.opening().seed)
    }

    fn timer(&mut self, deadline_ns: u64) -> Result<OpId, Stop> {
        // BOUND: timers that have not run out are entries of the guest's table, which `handles` bounds.
        match &mut self.tape {
            Some(tape) => Ok(tape.timer(deadline_ns)),
            None => self.live.timer(deadline_ns),
        }
    }

    fn look(&mut self) -> Result<Option<Release>, Stop> {
        if let Some(tape) = &mut self.tape {
            match tape.look()? {
                Step::Served(found) => return Ok(found),
                Step::Look | Step::End => self.go_live(false)?,
            }
        }
        self.live.look()
    }

    fn poll_release(&mut self, ctx: &mut Context<'_>) -> Poll<Result<Release, Stop>> {
        if let Some(tape) = &mut self.tape {
            match tape.wait()? {
                Step::Served(release) => return Poll::Ready(Ok(release)),
                Step::Look | Step::End => self.go_live(false)?,
            }
        }
        self.live.poll_release(ctx)
    }

    fn poll_heard(&mut self, ctx: &mut Context<'_>) -> Poll<()> {
        if self.tape.is_some() { Poll::Ready(()) } else { self.live.poll_heard(ctx) }
    }

    fn jump(&mut self) -> Result<Release, Stop> {
        if let Some(tape) = &mut self.tape {
            match tape.jump()? {
                Step::Served(release) => return Ok(release),
                Step::Look | Step::End => self.go_live(false)?,
            }
        }
        self.live.jump()
    }
}
