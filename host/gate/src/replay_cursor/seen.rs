//! Compares what a guest looked at, said and saw with the record.

use effects::Observation;
use sha2::Digest as _;
use vocabulary::{Ask, Claim, FileAnswer, FileAsk, FileOpen, GuestEvent, OpId, Release, Stop};

use super::{CursorStep, Mode, OpenedFile, ReplayCursor, stars};
use crate::payload_codec::mark;

impl ReplayCursor {
    pub(crate) fn observe(&mut self, ask: &FileAsk) -> Result<CursorStep<Observation>, Stop> {
        let Some((_, recorded, observation)) = self.recorded.observations.get(self.at.look) else {
            let reread = self.mode == Mode::Audit && (self.recorded.observations.is_empty() || self.recorded.came_to_its_end());
            return if reread { Ok(CursorStep::Observe) } else { self.end(|| format!("a look at `{}`", self.sum.path_of(ask))) };
        };
        if *recorded != mark(ask) {
            return Err(self.diverged(format!("`{}` of `{}`", ask.function(), self.sum.path_of(ask))));
        }
        let observation = observation.clone();
        self.at.look += 1;
        self.note_observation(ask, &observation)?;
        Ok(CursorStep::Served(observation))
    }

    /// Notes what a look showed, whether it comes from the record or was made again.
    pub(crate) fn note_observation(&mut self, ask: &FileAsk, observation: &Observation) -> Result<(), Stop> {
        match (&observation.refused, ask, &observation.answer) {
            (Some(reason), ..) => self.refusal(&Ask::File(ask.clone()), reason.clone())?,
            (None, FileAsk::Open(open), FileAnswer::Opened { file, .. }) => {
                if self.mode == Mode::Resume {
                    self.opens(file.0, open);
                }
                self.next_file = self.next_file.max(file.0 + 1);
            }
            (None, FileAsk::Close { file }, _) => self.closes(file.0),
            (None, ..) => {}
        }
        if observation.refused.is_none() {
            self.sum.note(ask, &observation.answer);
        }
        if self.sum.is_due() { self.close_sums() } else { Ok(()) }
    }

    fn opens(&mut self, file: u64, how: &FileOpen) {
        if let Some(through) = self.opened.get_mut(&how.dir.0) {
            through.leads_to += 1;
        }
        self.opened.insert(file, OpenedFile { how: how.clone(), leads_to: 0 });
        self.open.insert(file);
    }

    /// BOUND: files that are closed and lead to no open one are forgotten, so that a guest that opens and closes without end fills no
    /// memory.
    fn closes(&mut self, file: u64) {
        self.open.remove(&file);
        let mut next = file;
        while !self.open.contains(&next) && self.opened.get(&next).is_some_and(|opened| opened.leads_to == 0) {
            let Some(opened) = self.opened.remove(&next) else { return };
            next = opened.how.dir.0;
            if let Some(through) = self.opened.get_mut(&next) {
                through.leads_to -= 1;
            }
        }
    }

    pub(crate) fn say(&mut self, claim: &Claim) -> Result<CursorStep<()>, Stop> {
        let mut progress = self.progress.clone();
        let Some(now) = progress.offer(claim.clone(), self.mono_ns) else {
            let written_at_the_end = self.at.said < self.recorded.said.len();
            if written_at_the_end && self.drained() && self.mode == Mode::Audit && !self.recorded.came_to_its_end() {
                return Err(Stop::RecordEnds);
            }
            self.progress = progress;
            return Ok(CursorStep::Served(()));
        };
        match self.recorded.said.get(self.at.said) {
            Some((_, then)) if stars::is_same_claim(then, &now) => {
                self.at.said += 1;
                self.progress = progress;
                Ok(CursorStep::Served(()))
            }
            Some(_) if !self.drained() => Err(self.diverged("another claim")),
            Some(_) | None => self.end(|| "a further claim".to_owned()),
        }
    }

    pub(crate) fn timer(&mut self, deadline_ns: u64) -> OpId {
        let op = self.next_op;
        self.next_op += 1;
        self.timers.insert(op, deadline_ns);
        OpId(op)
    }

    pub(crate) fn abandon(&mut self, op: OpId) {
        self.timers.remove(&op.0);
        if let Some(op) = self.ops.get_mut(&op.0) {
            op.abandoned = true;
        }
    }

    pub(crate) fn poll(&mut self) -> Result<CursorStep<Option<Release>>, Stop> {
        if self.at.delivered == self.recorded.delivered.len() {
            // Polls after the last release are not on the record. As long as the record has anything else, they found nothing.
            let ended = self.recorded.came_to_its_end() && self.mode == Mode::Audit;
            if self.drained() && !ended {
                return self.end(String::new);
            }
            self.found_nothing += 1;
            return Ok(CursorStep::Served(None));
        }
        if self.empty > 0 {
            self.empty -= 1;
            self.found_nothing += 1;
            return Ok(CursorStep::Served(None));
        }
        self.release().map(|release| CursorStep::Served(Some(release)))
    }

    pub(crate) fn wait(&mut self) -> Result<CursorStep<Release>, Stop> {
        if self.at.delivered == self.recorded.delivered.len() {
            return self.end(|| "a wait".to_owned());
        }
        if self.empty > 0 {
            return Err(self.diverged("a wait instead of a poll"));
        }
        self.release().map(CursorStep::Served)
    }

    pub(crate) fn jump(&mut self) -> Result<CursorStep<Release>, Stop> {
        match self.recorded.delivered.get(self.at.delivered) {
            Some(one) if one.release.event == GuestEvent::Clock && self.empty == 0 => self.release().map(CursorStep::Served),
            Some(_) => Err(self.diverged("reads of the clock")),
            None => self.end(|| "reads of the clock".to_owned()),
        }
    }

    fn release(&mut self) -> Result<Release, Stop> {
        let Some(one) = self.recorded.delivered.get(self.at.delivered) else { return Err(self.diverged("a wait")) };
        let release = one.release.clone();
        // Asks that were recorded before it must have been made again.
        if self.next_ask().is_some_and(|ask| ask.delivered <= self.at.delivered) || release.mono_ns < self.mono_ns {
            return Err(self.diverged("a wait"));
        }
        let op = release.op.0;
        let known = match (&release.event, self.ops.get_mut(&op)) {
            (GuestEvent::Clock, _) => op == 0,
            (GuestEvent::Timer { deadline_ns }, _) => self.timers.remove(&op) == Some(*deadline_ns),
            (_, Some(seen)) if seen.abandoned => false,
            (GuestEvent::Head(head), Some(op)) => {
                op.seen.status = Some(head.status);
                true
            }
            (GuestEvent::Chunk(bytes), Some(op)) => {
                op.seen.bytes += bytes.len() as u64;
                op.seen.hash.update(bytes);
                true
            }
            (GuestEvent::End(_) | GuestEvent::Answer(_) | GuestEvent::Failed(_), Some(_)) => self.ops.remove(&op).is_some(),
            (_, None) => false,
        };
        if !known {
            return Err(self.diverged(format!("a wait without operation {op}")));
        }
        self.at.delivered += 1;
        self.empty = self.recorded.delivered.get(self.at.delivered).map_or(0, |next| next.empty);
        self.mono_ns = release.mono_ns;
        self.found_nothing = 0;
        Ok(release)
    }
}
