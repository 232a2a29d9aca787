//! A simulated world: its answers depend only on the asks; their order, times and pieces depend on a seed. It writes down every
//! step. If it gets such a list, it answers from the list first. So one type records a run, rebuilds it, and continues where the
//! list ends.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use bytes::Bytes;
use vocabulary::{
    Act, Ask, Claim, ClosedAsk, DirEntry, Divergence, Door, FileAnswer, FileAsk, FileFault, FileId, FileKind, FileStat, GuestEvent, Header,
    HttpHead, OpId, Release, Stop, Timeline,
};

/// One event between the guest and its world, in either direction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// The guest asked for an act; all of its bytes.
    Asked(Vec<u8>),
    /// The guest looked at a mount.
    Observed(FileAsk),
    /// The guest asked for something that no grant can allow.
    Refused(String),
    /// The guest made a claim.
    Said(Claim),
    /// The guest dropped an operation.
    Abandoned(OpId),
    /// A timer was set.
    Timer(u64),
    /// A poll found nothing.
    Empty,
    /// A release became visible to the guest.
    Released(Release),
}

/// An operation under way.
struct Flight {
    body: Bytes,
    given: usize,
    head_given: bool,
    deadline_ns: Option<u64>,
}

/// The simulated world.
pub struct Scripted {
    dice: u64,
    /// The steps to answer from, as long as there are any.
    record: VecDeque<Step>,
    steps: Arc<Mutex<Vec<Step>>>,
    steps_max: usize,
    next_op: u64,
    mono_ns: u64,
    flights: BTreeMap<OpId, Flight>,
    files: BTreeMap<FileId, String>,
    next_file: u64,
}

/// The only mount: a small tree that never changes.
const TREE: &[(&str, &str)] = &[("a.txt", "alpha\n"), ("b/c.txt", "gamma gamma\n"), ("b/d/e.bin", "\0\u{1}\u{2}")];

impl Scripted {
    /// A world that answers from `record` first, and then at random from `seed`; it stops the run after `steps_max` steps.
    pub fn new(seed: u64, record: Vec<Step>, steps_max: usize) -> (Self, Arc<Mutex<Vec<Step>>>) {
        let steps = Arc::new(Mutex::new(Vec::new()));
        let world = Self {
            dice: seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1,
            record: record.into(),
            steps: Arc::clone(&steps),
            steps_max,
            next_op: 0,
            mono_ns: 0,
            flights: BTreeMap::new(),
            files: BTreeMap::from([(FileId(1), String::new())]),
            next_file: 1,
        };
        (world, steps)
    }

    fn roll(&mut self, sides: u64) -> u64 {
        // xorshift64: any sequence will do, as long as it depends only on the seed.
        self.dice ^= self.dice << 13;
        self.dice ^= self.dice >> 7;
        self.dice ^= self.dice << 17;
        (self.dice >> 11) % sides.max(1)
    }

    fn step(&mut self, step: Step) -> Result<(), Stop> {
        let mut steps = self.steps.lock().expect("no step panics");
        if steps.len() >= self.steps_max {
            return Err(Stop::RecordEnds);
        }
        if let Some(recorded) = self.record.pop_front()
            && recorded != step
        {
            let seq = steps.len() as u64;
            return Err(Stop::Diverged(Box::new(Divergence { seq, recorded: format!("{recorded:?}"), rebuilt: format!("{step:?}") })));
        }
        steps.push(step);
        Ok(())
    }

    fn open(&mut self, flight: Flight) -> OpId {
        self.next_op += 1;
        self.flights.insert(OpId(self.next_op), flight);
        OpId(self.next_op)
    }

    /// The next release, if there can be one: from the record, or at random.
    fn next_release(&mut self) -> Option<Release> {
        if let Some(recorded) = self.record.front() {
            return if let Step::Released(release) = recorded { Some(release.clone()) } else { None };
        }
        let lucky = self.roll(self.flights.len() as u64) as usize;
        let op = *self.flights.keys().nth(lucky)?;
        let piece = 1 + self.roll(900) as usize;
        self.mono_ns += 1 + self.roll(3_000_000);
        let flight = self.flights.get(&op)?;
        let event = match flight.deadline_ns {
            Some(deadline_ns) => GuestEvent::Timer { deadline_ns },
            None if !flight.head_given => GuestEvent::Head(head(flight.body.len())),
            None if flight.given == flight.body.len() => GuestEvent::End(Vec::new()),
            None => GuestEvent::Chunk(flight.body.slice(flight.given..(flight.given + piece).min(flight.body.len()))),
        };
        let mono_ns = self.mono_ns.max(flight.deadline_ns.unwrap_or(0));
        Some(Release { op, event, mono_ns })
    }

    fn give(&mut self, release: Release) -> Result<Release, Stop> {
        self.step(Step::Released(release.clone()))?;
        self.mono_ns = release.mono_ns;
        if release.event.is_last() {
            self.flights.remove(&release.op);
        } else if let Some(flight) = self.flights.get_mut(&release.op) {
            flight.head_given = true;
            flight.given += usize::try_from(release.event.body_bytes()).unwrap_or(0);
        }
        Ok(release)
    }

    fn path(&self, dir: FileId, path: &str) -> String {
        let base = self.files.get(&dir).map_or("", String::as_str);
        if path == "." { base.to_owned() } else { format!("{base}{}{path}", if base.is_empty() { "" } else { "/" }) }
    }

    fn stat(path: &str) -> Result<FileStat, FileFault> {
        let file = TREE.iter().find(|(name, _)| *name == path);
        let is_dir = path.is_empty() || TREE.iter().any(|(name, _)| name.starts_with(&format!("{path}/")));
        let (kind, size) = match file {
            Some((_, content)) => (FileKind::File, content.len() as u64),
            None if is_dir => (FileKind::Directory, 0),
            None => return Err(FileFault::NotFound),
        };
        Ok(FileStat { identity: [path.len() as u64, 7], kind, modified_ns: 1_700_000_000_000_000_000, size })
    }

    fn list(path: &str) -> Vec<DirEntry> {
        let prefix = if path.is_empty() { String::new() } else { format!("{path}/") };
        let mut names = BTreeMap::new();
        for rest in TREE.iter().filter_map(|(name, _)| name.strip_prefix(&prefix)) {
            match rest.split_once('/') {
                Some((dir, _)) => names.insert(dir.to_owned(), FileKind::Directory),
                None => names.insert(rest.to_owned(), FileKind::File),
            };
        }
        names.into_iter().map(|(name, kind)| DirEntry { kind, name }).collect()
    }

    fn answer(&mut self, ask: FileAsk) -> Result<FileAnswer, FileFault> {
        Ok(match ask {
            FileAsk::Open(open) => {
                let path = self.path(open.dir, open.path.as_str());
                let kind = Self::stat(&path)?.kind;
                self.next_file += 1;
                self.files.insert(FileId(self.next_file), path);
                FileAnswer::Opened { file: FileId(self.next_file), kind, real: None }
            }
            FileAsk::Read { file, offset, len } => {
                let path = self.files.get(&file).ok_or(FileFault::Invalid)?;
                let content = TREE.iter().find(|(name, _)| name == path).ok_or(FileFault::IsDirectory)?.1.as_bytes();
                let from = usize::try_from(offset).unwrap_or(usize::MAX).min(content.len());
                let to = (from + len as usize).min(content.len());
                FileAnswer::Bytes(Bytes::from_static(content).slice(from..to))
            }
            FileAsk::Stat { file } => FileAnswer::Stat(Self::stat(self.files.get(&file).ok_or(FileFault::Invalid)?)?),
            FileAsk::StatAt { dir, path, .. } => FileAnswer::Stat(Self::stat(&self.path(dir, path.as_str()))?),
            FileAsk::List { dir } => FileAnswer::List { entries: Self::list(&self.path(dir, ".")), unreadable: 0 },
            FileAsk::ReadLink { .. } => return Err(FileFault::Invalid),
            FileAsk::Close { file } => {
                self.files.remove(&file);
                FileAnswer::Closed
            }
            FileAsk::Change { .. } => return Err(FileFault::NotPermitted),
        })
    }
}

fn head(length: usize) -> HttpHead {
    HttpHead { headers: vec![Header { name: "content-length".to_owned(), value: length.to_string().into_bytes() }], status: 200 }
}

/// The answer of this world's server to a request: bytes that depend only on the request.
fn body_for(ask: &[u8]) -> Bytes {
    let seed = vocabulary::Digest::of(ask);
    let length = usize::from(seed.as_bytes()[0]) * 12;
    seed.as_bytes().iter().copied().cycle().take(length).collect()
}

impl Door for Scripted {
    fn submit(&mut self, act: Act) -> Result<OpId, Stop> {
        let Act::Http(ask) = act else { panic!("this world has only servers") };
        let bytes = Ask::Http(ask).canonical_bytes();
        let body = body_for(&bytes);
        self.step(Step::Asked(bytes))?;
        Ok(self.open(Flight { body, given: 0, head_given: false, deadline_ns: None }))
    }

    fn observe(&mut self, ask: FileAsk) -> Result<FileAnswer, Stop> {
        self.step(Step::Observed(ask.clone()))?;
        Ok(self.answer(ask).unwrap_or_else(FileAnswer::Fault))
    }

    fn refuse(&mut self, ask: ClosedAsk) -> Result<(), Stop> {
        self.step(Step::Refused(format!("{} {}", ask.function, ask.what)))
    }

    fn read_on(&mut self, _op: OpId) {}

    fn abandon(&mut self, op: OpId) -> Result<(), Stop> {
        self.flights.remove(&op);
        self.step(Step::Abandoned(op))
    }

    fn say(&mut self, claim: Claim) -> Result<(), Stop> {
        self.step(Step::Said(claim))
    }
}

impl Timeline for Scripted {
    fn mono_ns(&self) -> u64 {
        self.mono_ns
    }

    fn opened_unix_ns(&self) -> u64 {
        1_700_000_000_000_000_000
    }

    fn seed(&self) -> [u8; 32] {
        [9; 32]
    }

    fn timer(&mut self, deadline_ns: u64) -> Result<OpId, Stop> {
        self.step(Step::Timer(deadline_ns))?;
        Ok(self.open(Flight { body: Bytes::new(), given: 0, head_given: false, deadline_ns: Some(deadline_ns) }))
    }

    fn poll(&mut self) -> Result<Option<Release>, Stop> {
        let empty = match self.record.front() {
            Some(recorded) => *recorded == Step::Empty,
            None => self.roll(3) == 0,
        };
        match if empty { None } else { self.next_release() } {
            Some(release) => self.give(release).map(Some),
            None => self.step(Step::Empty).map(|()| None),
        }
    }

    fn poll_release(&mut self, ctx: &mut Context<'_>) -> Poll<Result<Release, Stop>> {
        if self.record.is_empty() && self.roll(3) == 0 {
            ctx.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(match self.next_release() {
            Some(release) => self.give(release),
            None => Err(Stop::Stuck),
        })
    }

    fn jump(&mut self) -> Result<Release, Stop> {
        let release = match self.record.front() {
            Some(Step::Released(release)) => release.clone(),
            _ => Release { op: OpId(0), event: GuestEvent::Clock, mono_ns: self.mono_ns + 1 + self.roll(50_000_000) },
        };
        self.give(release)
    }
}
