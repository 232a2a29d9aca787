//! The end of a record: what the live world must know to continue, and the verdict of an audit.

use std::collections::BTreeMap;

use vocabulary::{Divergence, Fault, FileId, FileOpen, OpId, Outcome, Stop};

use super::{ReplayCursor, stars};
use crate::resume_point::{GateState, InFlight, KeyedAct, RecordedEnd, ResumePoint};

impl ReplayCursor {
    /// Checks, in a rebuild for a resume, whether the guest may end here.
    pub(crate) fn check_ended(&mut self) -> Result<(), Stop> {
        if self.at.object < self.recorded.objects.len() {
            self.close_sums()?;
        }
        if self.drained() { Ok(()) } else { Err(self.diverged("its end")) }
    }

    /// The open files and directories, and the directories that led to them.
    fn files(&mut self) -> BTreeMap<u64, FileOpen> {
        let mut files = BTreeMap::new();
        for file in &self.open {
            let mut next = *file;
            while let Some(open) = self.opened.get(&next) {
                let dir = open.how.dir.0;
                if files.insert(next, open.how.clone()).is_some() {
                    break;
                }
                next = dir;
            }
        }
        files
    }

    /// Everything that the live world must know to continue.
    pub(crate) fn resume_at(&mut self, ended: bool) -> ResumePoint {
        let known = &self.recorded.known;
        let keyed: BTreeMap<u64, KeyedAct> = self.recorded.asks.iter().filter_map(|asked| Some((asked.op, asked.keyed.clone()?))).collect();
        let in_flight = std::mem::take(&mut self.ops).into_iter().map(|(op, state)| {
            // An act without a record was refused and only counted.
            let known = known.get(&op).copied().unwrap_or(RecordedEnd::Refused(Fault::denied(state.ask.kind())));
            InFlight { op: OpId(op), ask: state.ask, keyed: keyed.get(&op).cloned(), known, seen: state.seen, abandoned: state.abandoned }
        });
        let in_flight = in_flight.collect();
        let files = self.files();
        ResumePoint {
            ended,
            mono_ns: self.mono_ns,
            empty: self.found_nothing,
            in_flight,
            timers: std::mem::take(&mut self.timers).into_iter().map(|(op, deadline)| (OpId(op), deadline)).collect(),
            closed: files.keys().filter(|file| !self.open.contains(file)).map(|file| FileId(*file)).collect(),
            files: files.into_iter().map(|(file, open)| (FileId(file), open)).collect(),
            next_file: self.next_file,
            gate: GateState {
                alike: self.alike.clone(),
                kept_bytes: self.recorded.kept_bytes,
                requests_bytes: self.recorded.requests_bytes,
                next_op: self.next_op,
                observed: self.sum.clone(),
                owed: std::mem::take(&mut self.owed),
                progress: self.progress.clone(),
                words: self.recorded.words.clone(),
            },
        }
    }

    /// Compares the end of the guest with the recorded one.
    pub(crate) fn verdict(&mut self, outcome: &Outcome, output: Option<&[u8]>) -> Result<(), Divergence> {
        let unboxed = |stop: Stop| match stop {
            Stop::Diverged(divergence) => *divergence,
            other => Divergence { seq: 0, recorded: "a run".to_owned(), rebuilt: other.to_string() },
        };
        let Some(closed) = self.recorded.closed().filter(|_| self.recorded.came_to_its_end()).cloned() else {
            return if self.drained() { Ok(()) } else { Err(unboxed(self.diverged("its end"))) };
        };
        self.close_sums().map_err(unboxed)?;
        let last = self.progress.last();
        if let (Some(last), Some((_, then))) = (&last, self.recorded.said.get(self.at.said))
            && stars::is_same_claim(then, last)
        {
            self.at.said += 1;
        }
        let counted = self.recorded.counted == self.alike.unwritten();
        if !self.drained() || self.at.object != self.recorded.objects.len() || !counted {
            return Err(unboxed(self.diverged("its end")));
        }
        let seq = self.recorded.last_seq;
        if !stars::is_same_outcome(&closed.outcome, outcome) {
            let (recorded, rebuilt) = (format!("the end {:?}", closed.outcome), format!("{outcome:?}"));
            return Err(Divergence { seq, recorded, rebuilt });
        }
        let is_same = match (self.recorded.output(), output) {
            (Some(then), Some(now)) => stars::is_same(then, now),
            (then, now) => then.is_none() && now.is_none(),
        } && self.recorded.output().map(|then| self.recorded.keyed.digest(then)) == closed.output;
        if !is_same {
            return Err(Divergence { seq, recorded: "another output".to_owned(), rebuilt: "this output".to_owned() });
        }
        Ok(())
    }
}
