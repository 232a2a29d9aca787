//! The replay cursor: compares each thing that the guest does with the record, and answers it from the record.
//!
//! INVARIANT: an answer is given only when everything that was recorded before it has happened again.

mod end;
mod seen;
mod stars;

use std::collections::{BTreeMap, BTreeSet};

use vocabulary::record::Object;
use vocabulary::{Act, Ask, ClosedAsk, Divergence, FileOpen, GuestEvent, OpId, Reason, Release, Stop};

use crate::alike::{Alike, Several, Write};
use crate::observed::Aggregate;
use crate::recorded::{Recorded, RecordedAsk};
use crate::resume_point::{Owed, SeenAnswer};
use crate::trace::ProgressSlot;

/// The purpose of a rebuild.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// To check whether the guest does what the record says. Nothing has an effect.
    Audit,
    /// To continue where the record ends.
    Resume,
}

/// What the record has for one thing that the guest does.
pub(crate) enum CursorStep<T> {
    /// The recorded answer.
    Served(T),
    /// A look that was not kept, and has to be made again.
    Observe,
    /// Nothing, because the record ends here.
    End,
}

#[derive(Clone, Copy, Debug, Default)]
struct CursorPlace {
    ask: usize,
    delivered: usize,
    said: usize,
    object: usize,
    look: usize,
}

struct CursorOp {
    ask: Act,
    seen: SeenAnswer,
    abandoned: bool,
}

/// How a file or directory was opened, and how many others were opened through it.
struct OpenedFile {
    how: FileOpen,
    leads_to: u64,
}

pub(crate) struct ReplayCursor {
    pub(crate) recorded: Recorded,
    pub(crate) mode: Mode,
    at: CursorPlace,
    /// How many polls must still find nothing before the next release.
    empty: u64,
    /// How many polls found nothing since the last release.
    found_nothing: u64,
    next_op: u64,
    mono_ns: u64,
    alike: Alike,
    /// How many refusals were in tables that were full and were emptied.
    tabled: u64,
    sum: Aggregate,
    progress: ProgressSlot,
    ops: BTreeMap<u64, CursorOp>,
    timers: BTreeMap<u64, u64>,
    /// Files and directories that are open or lead to open ones. The live world needs them when it takes over.
    opened: BTreeMap<u64, OpenedFile>,
    open: BTreeSet<u64>,
    next_file: u64,
    owed: Vec<Owed>,
}

impl ReplayCursor {
    pub(crate) fn new(recorded: Recorded, mode: Mode) -> Self {
        let grants = &recorded.header().spec.grants;
        let (sum, next_file) = (Aggregate::new(grants), grants.files.len() as u64 + 1);
        let empty = recorded.delivered.first().map_or(0, |first| first.empty);
        Self {
            recorded,
            mode,
            at: CursorPlace::default(),
            empty,
            found_nothing: 0,
            next_op: 1,
            mono_ns: 0,
            alike: Alike::default(),
            tabled: 0,
            sum,
            progress: ProgressSlot::default(),
            ops: BTreeMap::new(),
            timers: BTreeMap::new(),
            opened: BTreeMap::new(),
            open: BTreeSet::new(),
            next_file,
            owed: Vec::new(),
        }
    }

    pub(crate) fn mono_ns(&self) -> u64 {
        self.mono_ns
    }

    fn next_ask(&self) -> Option<&RecordedAsk> {
        self.recorded.asks.get(self.at.ask)
    }

    /// Whether everything on the record has happened again, except sums and counts that are only written at the end.
    fn drained(&self) -> bool {
        let recorded = &self.recorded;
        let said = recorded.said.get(self.at.said..).unwrap_or_default();
        let all_said = match said {
            [] => true,
            // Progress that waits for its second is written when the run is closed.
            [(_, last)] => recorded.closed().is_some() && self.progress.clone().last().is_some_and(|now| stars::is_same_claim(last, &now)),
            _ => false,
        };
        all_said
            && self.at.ask == recorded.asks.len()
            && self.at.delivered == recorded.delivered.len()
            && self.at.look == recorded.observations.len()
            && (self.at.object == recorded.objects.len() || recorded.closed().is_some())
    }

    /// The first thing on the record that has not happened again.
    fn left(&self) -> (u64, String) {
        let recorded = &self.recorded;
        let ask = self.next_ask().map(|ask| (ask.seq, format!("`{}`", ask.ask.resource)));
        let delivered = recorded.delivered.get(self.at.delivered).map(|one| (one.seq, released(&one.release)));
        let said = recorded.said.get(self.at.said).map(|(seq, _)| (*seq, "a claim".to_owned()));
        let object = recorded.objects.get(self.at.object).map(|(seq, object)| (*seq, format!("a look at `{}`", object.path)));
        let look = recorded.observations.get(self.at.look).map(|(seq, ..)| (*seq, "a look at a mount".to_owned()));
        let all = [ask, delivered, said, object, look];
        all.into_iter().flatten().min_by_key(|(seq, _)| *seq).unwrap_or((recorded.last_seq, "its end".to_owned()))
    }

    /// The divergence when the guest does something other than what comes next on the record.
    pub(crate) fn diverged(&self, rebuilt: impl Into<String>) -> Stop {
        let (seq, recorded) = self.left();
        Stop::Diverged(Box::new(Divergence { seq, recorded, rebuilt: rebuilt.into() }))
    }

    /// The guest continues although the record has no more.
    fn end<T>(&self, rebuilt: impl FnOnce() -> String) -> Result<CursorStep<T>, Stop> {
        if !self.drained() || (self.mode == Mode::Audit && self.recorded.came_to_its_end()) {
            return Err(self.diverged(rebuilt()));
        }
        match self.mode {
            Mode::Resume => Ok(CursorStep::End),
            Mode::Audit => Err(Stop::RecordEnds),
        }
    }

    /// Closes the sums, at a moment at which they are written. What was looked at must match the record.
    fn close_sums(&mut self) -> Result<(), Stop> {
        for objects in self.sum.take() {
            let mut owed: Vec<Object> = Vec::new();
            for object in objects {
                match self.recorded.objects.get(self.at.object) {
                    Some((_, recorded)) if *recorded == object => self.at.object += 1,
                    None if self.mode == Mode::Resume && self.next_ask().is_none() => owed.push(object),
                    None if self.mode == Mode::Audit && !self.recorded.came_to_its_end() => return Err(Stop::RecordEnds),
                    Some((seq, recorded)) => {
                        let (seq, recorded) = (*seq, looked_at(recorded));
                        return Err(Stop::Diverged(Box::new(Divergence { seq, recorded, rebuilt: looked_at(&object) })));
                    }
                    None => return Err(self.diverged(looked_at(&object))),
                }
            }
            if !owed.is_empty() {
                self.owed.push(Owed::Objects(owed));
            }
        }
        Ok(())
    }

    /// Compares an ask with the next one on the record. Everything recorded before it must have happened.
    fn matched(&mut self, ask: &Ask) -> Result<RecordedAsk, Stop> {
        let named = self.sum.named(ask);
        let rebuilt = || format!("`{}`", named.resource);
        let Some(next) = self.next_ask().cloned() else { return Err(self.diverged(rebuilt())) };
        // The digest covers the whole ask. The recorded text beside it may have stars in it, and headers, which a rebuild does not write
        // out.
        let is_alike = (&next.ask.capability, &next.ask.function) == (&named.capability, &named.function);
        if !is_alike || next.params != self.recorded.keyed.digest(&ask.canonical_bytes()) {
            let detail = if is_alike && next.ask.resource == named.resource { ", with other headers, query or body" } else { "" };
            let (seq, recorded) = (next.seq, format!("`{}`", next.ask.resource));
            return Err(Stop::Diverged(Box::new(Divergence { seq, recorded, rebuilt: format!("{}{detail}", rebuilt()) })));
        }
        self.close_sums()?;
        if next.delivered != self.at.delivered || next.objects != self.at.object {
            return Err(self.diverged(rebuilt()));
        }
        self.at.ask += 1;
        Ok(next)
    }

    pub(crate) fn submit(&mut self, act: &Act) -> Result<CursorStep<OpId>, Stop> {
        let ask = Ask::from(act.clone());
        let op = OpId(self.next_op);
        let rebuilt = || format!("`{}`", ask.resource());
        match self.next_ask().map(|next| next.op) {
            Some(next) if next == op.0 => {
                let recorded = self.matched(&ask)?;
                if let Some(reason) = recorded.reason {
                    self.count(&ask, &reason);
                }
            }
            // A similar refusal that was only counted has no record, but it took a number.
            Some(_) => {
                if !self.count_unwritten(&ask) {
                    return Err(self.diverged(rebuilt()));
                }
            }
            None => {
                // Numbers are given out in order. So this act was asked if the record has anything with this number or a later one.
                let happened = self.recorded.delivered.iter().skip(self.at.delivered).any(|one| one.release.op >= op);
                let counted = self.recorded.counted > self.alike.unwritten();
                if !((happened || counted) && self.count_unwritten(&ask)) {
                    if self.at.object < self.recorded.objects.len() {
                        self.close_sums()?;
                    }
                    return self.end(rebuilt);
                }
            }
        }
        self.next_op += 1;
        self.ops.insert(op.0, CursorOp { ask: act.clone(), seen: SeenAnswer::default(), abandoned: false });
        Ok(CursorStep::Served(op))
    }

    /// Counts a refusal. Its time does not matter here: it is already on the record, or is written when the run is resumed.
    fn count(&mut self, ask: &Ask, reason: &Reason) {
        match self.alike.note(ask, &self.sum.named(ask), reason, self.now_ms()) {
            Write::Full(several) => self.emptied(several),
            Write::One | Write::Counted => {}
        }
    }

    fn count_unwritten(&mut self, ask: &Ask) -> bool {
        match self.alike.count_unwritten(ask, &self.sum.named(ask)) {
            Some(Write::Full(several)) => {
                self.emptied(several);
                true
            }
            Some(Write::One | Write::Counted) => true,
            None => false,
        }
    }

    /// The table of counted refusals was written at this moment. Any part of it that is not on the record must still be written.
    fn emptied(&mut self, several: Vec<Several>) {
        let written: u64 = several.iter().map(|it| it.alike).sum();
        self.tabled += written;
        if self.tabled > self.recorded.counted && self.mode == Mode::Resume {
            self.owed.push(Owed::Several(several));
        }
    }

    fn now_ms(&self) -> u64 {
        (self.recorded.header().opened_unix_ns + self.mono_ns) / 1_000_000
    }

    pub(crate) fn refuse(&mut self, closed: &ClosedAsk) -> Result<CursorStep<()>, Stop> {
        let ask = Ask::Closed(closed.clone());
        let grants = &self.recorded.header().spec.grants;
        let reason = match policy::decide(grants, &policy::Facts::default(), &ask) {
            vocabulary::Decision::Refuse(reason) => reason,
            vocabulary::Decision::Permit(_) | vocabulary::Decision::Hold(_) => Reason::NotServed,
        };
        self.refusal(&ask, reason).map(CursorStep::Served)
    }

    /// A refusal whose reason depends only on the ask and on what was seen.
    fn refusal(&mut self, ask: &Ask, reason: Reason) -> Result<(), Stop> {
        if self.alike.is_full(ask, &reason) {
            self.count(ask, &reason);
            return Ok(());
        }
        if self.next_ask().is_some() {
            self.matched(ask)?;
            self.count(ask, &reason);
            return Ok(());
        }
        self.close_sums()?;
        // Only the verdict matters: the refusal must still be recorded, and the rebuild continues as long as the record can answer.
        if let CursorStep::End = self.end_of_asks(ask)? {
            self.owed.push(Owed::Refusal(Box::new(ask.clone()), reason));
        }
        Ok(())
    }

    fn end_of_asks(&self, ask: &Ask) -> Result<CursorStep<()>, Stop> {
        match self.mode {
            Mode::Resume => Ok(CursorStep::End),
            Mode::Audit if self.recorded.came_to_its_end() => Err(self.diverged(format!("`{}`", ask.resource()))),
            Mode::Audit => Err(Stop::RecordEnds),
        }
    }
}

fn released(release: &Release) -> String {
    let what = match &release.event {
        GuestEvent::Head(_) => "the head of a response",
        GuestEvent::Chunk(_) => "a piece of a body",
        GuestEvent::End(_) => "the end of a body",
        GuestEvent::Answer(_) => "an answer",
        GuestEvent::Failed(_) => "a failure",
        GuestEvent::Timer { .. } => "a timer",
        GuestEvent::Clock => "a jump of the clock",
    };
    format!("{what} for operation {}", release.op)
}

fn looked_at(object: &Object) -> String {
    let digest = object.digest.map_or_else(String::new, |digest| format!(", {digest}"));
    format!("`{}` looked at {} times, {} in all{digest}", object.path, object.times, object.amount)
}
