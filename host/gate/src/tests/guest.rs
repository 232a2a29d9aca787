//! A guest whose every step depends on everything that it saw.

use vocabulary::{
    AskedPath, Claim, ClaimedProgress, ClosedAsk, Digest, FileAnswer, FileAsk, FileId, FileOpen, OpId, Release, SafeText, Stop,
};

use super::kit::{Chance, ask, now};

/// A program whose actions are determined by the hash of everything that it has seen.
pub(super) struct Guest {
    seen: Chance,
    open: Vec<OpId>,
    files: Vec<(FileId, u64)>,
}

impl Guest {
    pub(super) fn new(seed: u64) -> Self {
        Self { seen: Chance(seed), open: Vec::new(), files: Vec::new() }
    }

    fn note(&mut self, what: &str) {
        let digest = Digest::of(format!("{}{what}", self.seen.0).as_bytes());
        self.seen.0 = u64::from_le_bytes(digest.as_bytes()[..8].try_into().unwrap());
    }

    fn released(&mut self, release: &Release) {
        if release.event.is_last() {
            self.open.retain(|op| *op != release.op);
        }
        self.note(&format!("{release:?}"));
    }

    /// Runs for this number of steps. Its result depends on everything that it has seen.
    pub(super) fn run(&mut self, world: &mut dyn vocabulary::World, steps: usize) -> Result<Vec<u8>, Stop> {
        for _ in 0..steps {
            self.step(world)?;
        }
        Ok(self.seen.0.to_string().into_bytes())
    }

    fn step(&mut self, world: &mut dyn vocabulary::World) -> Result<(), Stop> {
        let path = format!("/p{}", self.seen.below(40));
        let text = |seen: u64| SafeText::new(&format!("saw {seen}"), 100);
        match self.seen.below(16) {
            0 | 1 => self.open.push(world.submit(ask("GET", "a.test", &path))?),
            2 => self.open.push(world.submit(ask("POST", "a.test", &path))?),
            3 => self.open.push(world.submit(ask("GET", "b.test", &path))?),
            4 => world.say(Claim::Stdout(text(self.seen.0)))?,
            5 => world.say(Claim::Progress(ClaimedProgress { done: self.seen.next() % 100, total: 100, what: text(1) }))?,
            6 => {
                let name = if self.seen.below(4) == 0 { "../x".to_owned() } else { format!("f{}", self.seen.below(300)) };
                let open = FileOpen { dir: FileId(1), directory: false, follow: true, path: AskedPath::new(&name).unwrap() };
                let answer = world.observe(FileAsk::Open(open))?;
                self.note(&format!("{answer:?}"));
                if let FileAnswer::Opened { file, .. } = answer {
                    self.files.push((file, 0));
                }
            }
            7 | 8 => {
                if let Some((file, at)) = self.files.pop() {
                    let answer = world.observe(FileAsk::Read { file, offset: at, len: 8 })?;
                    self.note(&format!("{answer:?}"));
                    match answer {
                        FileAnswer::Bytes(bytes) if bytes.len() == 8 => self.files.push((file, at + 8)),
                        _ => drop(world.observe(FileAsk::Close { file })?),
                    }
                }
            }
            9 => {
                let function = vocabulary::Function::TcpCreateSocket;
                world.refuse(ClosedAsk { function, what: text(2), malformed: false })?;
            }
            10 => {
                let deadline_ns = world.mono_ns() + self.seen.next() % 1_000_000_000;
                self.open.push(world.timer(deadline_ns)?);
            }
            11 | 12 => {
                let found = world.poll()?;
                match &found {
                    Some(release) => self.released(release),
                    None => self.note("nothing"),
                }
            }
            13 | 14 if !self.open.is_empty() => {
                let release = now(std::future::poll_fn(|ctx| world.poll_release(ctx)))?;
                self.released(&release);
            }
            15 if self.open.len() > 2 => {
                let at = self.seen.below(self.open.len());
                world.abandon(self.open.remove(at))?;
            }
            _ => {
                let release = world.jump()?;
                self.released(&release);
            }
        }
        Ok(())
    }
}
