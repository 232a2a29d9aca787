//! A random world: events come in any possible order.

use std::collections::{BTreeMap, VecDeque};
use std::task::{Context, Poll};

use bytes::Bytes;
use vocabulary::{
    Act, Claim, ClosedAsk, Digest, Door, FileAnswer, FileAsk, FileFault, FileId, FileKind, FileStat, GuestEvent, Header, HttpFault,
    HttpHead, OpId, Reason, Release, Stop, Timeline,
};

use effects::Observation;

use super::kit::{Chance, answered, now, unanswered};
use crate::ask::{Judgement, PendingIntent};
use crate::resume_plan::ResumePlan;
use crate::{LiveWorld, ResumePoint, RunGate, SeenAnswer};

/// The answer of a server. It depends only on the path, so that a repeated ask gets the same answer.
fn answer(act: &Act) -> (HttpHead, Vec<u8>) {
    let Act::Http(ask) = act else { panic!("this world has only servers") };
    let digest = Digest::of(ask.target.path.as_bytes());
    let status = 200 + u16::from(digest.as_bytes()[0] % 5);
    let body = digest.as_bytes().repeat(usize::from(digest.as_bytes()[1] % 8));
    let headers = vec![Header { name: "x-path".to_owned(), value: ask.target.path.clone().into_bytes() }];
    (HttpHead { headers, status }, body)
}

/// A world in which events come in a random order.
pub(super) struct World {
    pub(super) gate: Option<RunGate>,
    chance: Chance,
    coming: BTreeMap<OpId, VecDeque<GuestEvent>>,
    timers: BTreeMap<OpId, u64>,
    empty: u64,
    last_ns: u64,
    next_file: u64,
    paths: BTreeMap<u64, String>,
}

impl World {
    pub(super) fn new(gate: Option<RunGate>, seed: u64) -> Self {
        Self {
            gate,
            chance: Chance(seed),
            coming: BTreeMap::new(),
            timers: BTreeMap::new(),
            empty: 0,
            last_ns: 0,
            next_file: 2,
            paths: BTreeMap::from([(1, "/src".to_owned())]),
        }
    }

    fn gate(&self) -> Result<&RunGate, Stop> {
        self.gate.as_ref().ok_or(Stop::RecordEnds)
    }

    fn start(&mut self, pending: PendingIntent, seen: &SeenAnswer) -> Result<(), Stop> {
        let permit = now(pending.durable())?;
        let op = permit.op();
        let mut events = VecDeque::new();
        if self.chance.below(6) == 0 {
            unanswered(self.gate()?, op, HttpFault::TimedOut.into())?;
            events.push_back(GuestEvent::Failed(if seen.status.is_some() {
                HttpFault::Incomplete.into()
            } else {
                HttpFault::TimedOut.into()
            }));
        } else {
            let (head, body) = answer(permit.ask());
            answered(self.gate()?, op, head.status)?;
            if seen.status.is_none() {
                events.push_back(GuestEvent::Head(head));
            }
            self.gate()?.seen_before(op, seen);
            let mut rest = body.get(usize::try_from(seen.bytes).unwrap()..).unwrap();
            while !rest.is_empty() {
                let (piece, after) = rest.split_at(1 + self.chance.below(rest.len()));
                events.push_back(GuestEvent::Chunk(Bytes::copy_from_slice(piece)));
                rest = after;
            }
            events.push_back(GuestEvent::End(Vec::new()));
        }
        self.coming.insert(op, events);
        Ok(())
    }

    fn release(&mut self, op: OpId, event: GuestEvent) -> Result<Release, Stop> {
        let step = self.chance.next() % 400_000_000;
        self.last_ns += 1 + step;
        if let GuestEvent::Timer { deadline_ns } = &event {
            self.last_ns = self.last_ns.max(*deadline_ns);
        }
        let release = Release { op, event, mono_ns: self.last_ns };
        let empty = std::mem::take(&mut self.empty);
        self.gate()?.delivered(&release, empty)?;
        Ok(release)
    }

    fn any(&mut self) -> Result<Option<Release>, Stop> {
        let all: Vec<OpId> = self.coming.keys().chain(self.timers.keys()).copied().collect();
        if all.is_empty() {
            return Ok(None);
        }
        let op = all[self.chance.below(all.len())];
        let event = match self.timers.remove(&op) {
            Some(deadline_ns) => GuestEvent::Timer { deadline_ns },
            None => self.coming.get_mut(&op).unwrap().pop_front().unwrap(),
        };
        if event.is_last() {
            self.coming.remove(&op);
        }
        self.release(op, event).map(Some)
    }

    fn see(&mut self, ask: &FileAsk) -> Observation {
        let Some(path) = (match ask {
            FileAsk::Open(open) => self.paths.get(&open.dir.0).map(|dir| format!("{dir}/{}", open.path.as_str())),
            FileAsk::Read { file, .. } | FileAsk::Close { file } => self.paths.get(&file.0).cloned(),
            _ => Some("/src".to_owned()),
        }) else {
            return FileFault::Invalid.into();
        };
        match ask {
            FileAsk::Open(_) if path.contains("..") => Reason::LeavesMount.into(),
            FileAsk::Open(_) => {
                let file = FileId(self.next_file);
                self.next_file += 1;
                self.paths.insert(file.0, path);
                FileAnswer::Opened { file, kind: FileKind::File, real: None }.into()
            }
            FileAsk::Read { offset, len, .. } => {
                let content = Bytes::from(path.repeat(3));
                let from = content.len().min(usize::try_from(*offset).unwrap());
                let to = content.len().min(from + usize::try_from(*len).unwrap());
                FileAnswer::Bytes(content.slice(from..to)).into()
            }
            FileAsk::Close { file } => {
                self.paths.remove(&file.0);
                FileAnswer::Closed.into()
            }
            _ => FileAnswer::Stat(FileStat { identity: [1, 2], kind: FileKind::Directory, modified_ns: 3, size: 0 }).into(),
        }
    }
}

impl Door for World {
    fn submit(&mut self, ask: Act) -> Result<OpId, Stop> {
        match self.gate()?.ask(ask)? {
            Judgement::Permitted(pending) => {
                let op = pending.op();
                self.start(*pending, &SeenAnswer::default())?;
                Ok(op)
            }
            Judgement::Held { .. } => panic!("no policy holds anything back here"),
            Judgement::Refused { op, fault } => {
                self.coming.insert(op, VecDeque::from([GuestEvent::Failed(fault)]));
                Ok(op)
            }
        }
    }

    fn observe(&mut self, ask: FileAsk) -> Result<FileAnswer, Stop> {
        let observation = self.see(&ask);
        self.gate()?.note_observation(&ask, &observation)?;
        Ok(observation.answer)
    }

    fn refuse(&mut self, ask: ClosedAsk) -> Result<(), Stop> {
        self.gate()?.refuse(ask)
    }

    fn read_on(&mut self, _op: OpId) {}

    fn abandon(&mut self, op: OpId) -> Result<(), Stop> {
        self.coming.remove(&op);
        self.timers.remove(&op);
        self.gate()?.abandon(op)
    }

    fn say(&mut self, claim: Claim) -> Result<(), Stop> {
        let waits = self.gate()?.say(claim, self.last_ns)?;
        if waits && self.chance.below(3) == 0 {
            self.gate()?.flush()?;
        }
        Ok(())
    }
}

impl Timeline for World {
    fn mono_ns(&self) -> u64 {
        self.last_ns
    }

    fn opened_unix_ns(&self) -> u64 {
        1_800_000_000_000_000_000
    }

    fn seed(&self) -> [u8; 32] {
        [9; 32]
    }

    fn timer(&mut self, deadline_ns: u64) -> Result<OpId, Stop> {
        let op = self.gate()?.timer()?;
        self.timers.insert(op, deadline_ns);
        Ok(op)
    }

    fn poll(&mut self) -> Result<Option<Release>, Stop> {
        let found = if self.chance.below(2) == 0 { self.any()? } else { None };
        self.empty += u64::from(found.is_none());
        Ok(found)
    }

    fn poll_release(&mut self, _ctx: &mut Context<'_>) -> Poll<Result<Release, Stop>> {
        Poll::Ready(self.any().and_then(|found| found.ok_or(Stop::Stuck)))
    }

    fn jump(&mut self) -> Result<Release, Stop> {
        self.release(OpId(0), GuestEvent::Clock)
    }
}

impl LiveWorld for World {
    fn resume_at(&mut self, mut at: ResumePoint) -> Result<(), Stop> {
        self.last_ns = at.mono_ns;
        self.empty = at.empty;
        self.timers = at.timers.iter().copied().collect();
        self.next_file = at.next_file;
        let files = std::mem::take(&mut at.files);
        self.paths.extend(files.into_iter().map(|(file, open)| (file.0, format!("/src/{}", open.path.as_str()))));
        for plan in self.gate()?.clone().resume_at(&mut at)? {
            match plan {
                ResumePlan::Tell(op, fault) => {
                    self.coming.insert(op, VecDeque::from([GuestEvent::Failed(fault)]));
                }
                ResumePlan::Again(pending, seen) => self.start(*pending, &seen)?,
                ResumePlan::Hold(..) => panic!("no policy holds anything back here"),
            }
        }
        Ok(())
    }

    fn observe_unrecorded(&mut self, ask: &FileAsk) -> Result<Observation, Stop> {
        Ok(self.see(ask))
    }
}
