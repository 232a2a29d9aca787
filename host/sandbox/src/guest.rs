//! The data of a guest's store, and how a guest waits.

use std::future::poll_fn;

use bytes::Bytes;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng as _;
use vocabulary::{Claim, ClosedAsk, FileId, Function, GuestEvent, Limits, OpId, Release, SafeText, Stop, World};
use wasmtime::component::{Resource, ResourceTable};

use crate::clock::GuestClock;
use crate::drafts::Drafts;
use crate::holding::Account;
use crate::limiter::Limiter;
use crate::ops::Ops;
use crate::printed::PrintedLines;
use crate::start::{CredentialInfo, EntryPoint, Start};

/// BOUND: how many of the last bytes on standard error are kept to explain a trap.
const LAST_WORDS_BYTES: usize = 2048;

/// The data of a store.
pub(crate) struct Guest {
    pub(crate) world: Box<dyn World>,
    pub(crate) limits: Limits,
    pub(crate) limiter: Limiter,
    pub(crate) account: Account,
    pub(crate) table: ResourceTable,
    pub(crate) ops: Ops,
    pub(crate) drafts: Drafts,
    pub(crate) files: std::collections::HashMap<FileId, u32>,
    pub(crate) clock: GuestClock,
    pub(crate) random: ChaCha20Rng,
    pub(crate) env: Vec<(String, String)>,
    pub(crate) args: Vec<String>,
    pub(crate) mounts: Vec<String>,
    pub(crate) credentials: Vec<CredentialInfo>,
    pub(crate) stdin: Bytes,
    /// An agent's input, until it is passed to the agent.
    pub(crate) input_text: String,
    /// What a command printed: its output.
    pub(crate) printed: Vec<u8>,
    stdout: PrintedLines,
    stderr: PrintedLines,
    stdout_is_output: bool,
    said_bytes: u64,
    pub(crate) findings: u64,
    pub(crate) last_words: Vec<u8>,
}

impl Guest {
    pub(crate) fn new(world: Box<dyn World>, start: Start, entry: EntryPoint) -> Self {
        let mut table = ResourceTable::new();
        table.set_max_capacity(usize::try_from(start.limits.handles).unwrap_or(usize::MAX));
        let command = entry == EntryPoint::Command;
        Self {
            clock: GuestClock::new(world.mono_ns()),
            random: ChaCha20Rng::from_seed(world.seed()),
            world,
            limiter: Limiter::new(&start.limits),
            account: Account::new(start.limits.held_bytes),
            limits: start.limits,
            table,
            ops: Ops::default(),
            drafts: Drafts::default(),
            files: std::collections::HashMap::new(),
            env: start.env,
            args: start.args,
            mounts: start.mounts,
            credentials: start.credentials,
            input_text: if command { String::new() } else { String::from_utf8_lossy(&start.input).into_owned() },
            stdin: if command { start.input } else { Bytes::new() },
            printed: Vec::new(),
            stdout: PrintedLines::default(),
            stderr: PrintedLines::default(),
            stdout_is_output: command,
            said_bytes: 0,
            findings: 0,
            last_words: Vec::new(),
        }
    }

    /// Applies a release. This is the only way in which anything that a guest can see changes without its own action.
    pub(crate) fn take(&mut self, release: Release) -> Result<(), Stop> {
        self.clock.release(release.mono_ns, release.event == GuestEvent::Clock);
        self.ops.release(release.op, release.event)
    }

    /// Polls the world without waiting. At most one event is released.
    pub(crate) fn poll_world(&mut self) -> Result<(), Stop> {
        if let Some(release) = self.world.poll()? {
            self.take(release)?;
        }
        Ok(())
    }

    /// Waits until the condition holds. Events are released one after the other meanwhile.
    pub(crate) async fn wait_until(&mut self, holds: impl Fn(&Self) -> bool) -> Result<(), Stop> {
        while !holds(self) {
            let release = poll_fn(|ctx| self.world.poll_release(ctx)).await?;
            self.take(release)?;
        }
        Ok(())
    }

    /// Waits until the listener has room for more claims. The guest can only notice that time passes.
    pub(crate) async fn heard(&mut self) {
        poll_fn(|ctx| self.world.poll_heard(ctx)).await;
    }

    /// The guest drops an operation. The rest of the operation is abandoned.
    pub(crate) fn let_go(&mut self, op: OpId) -> Result<(), Stop> {
        if self.ops.close(op) { self.world.abandon(op) } else { Ok(()) }
    }

    /// Puts an object into the table. A full table ends the run.
    pub(crate) fn push<T: Send + 'static>(&mut self, object: T) -> Result<Resource<T>, Stop> {
        self.table.push(object).map_err(|_| Stop::Limit(vocabulary::Limit::Handles))
    }

    /// Refuses an ask that no grant can allow, and has that recorded.
    pub(crate) fn refuse(&mut self, function: Function, what: &str, malformed: bool) -> Result<(), Stop> {
        self.world.refuse(ClosedAsk { function, what: SafeText::new(what, 512), malformed })
    }

    /// Counts one more use of a file.
    pub(crate) fn hold_file(&mut self, file: FileId) {
        *self.files.entry(file).or_insert(0) += 1;
    }

    /// Counts printed bytes. Beyond the limit the run ends.
    pub(crate) fn count_said(&mut self, bytes: usize) -> Result<(), Stop> {
        self.said_bytes = self.said_bytes.saturating_add(u64::try_from(bytes).unwrap_or(u64::MAX));
        if self.said_bytes > self.limits.log_bytes { Err(Stop::Limit(vocabulary::Limit::LogBytes)) } else { Ok(()) }
    }

    /// Takes bytes for standard output: the output of a command, or lines that an agent prints.
    pub(crate) fn print_out(&mut self, bytes: &[u8]) -> Result<(), Stop> {
        if !self.stdout_is_output {
            self.count_said(bytes.len())?;
            let Self { stdout, world, .. } = self;
            return stdout.push(bytes, |line| world.say(Claim::Stdout(SafeText::from_bytes(line, LINE_MAX))));
        }
        let total = u64::try_from(self.printed.len() + bytes.len()).unwrap_or(u64::MAX);
        if total > self.limits.output_bytes {
            return Err(Stop::Limit(vocabulary::Limit::OutputBytes));
        }
        self.printed.extend_from_slice(bytes);
        Ok(())
    }

    /// Takes bytes for standard error, which become printed lines.
    pub(crate) fn print_err(&mut self, bytes: &[u8]) -> Result<(), Stop> {
        self.count_said(bytes.len())?;
        self.last_words.extend_from_slice(bytes);
        let surplus = self.last_words.len().saturating_sub(2 * LAST_WORDS_BYTES);
        if surplus > 0 {
            self.last_words.drain(..surplus + LAST_WORDS_BYTES);
        }
        let Self { stderr, world, .. } = self;
        stderr.push(bytes, |line| world.say(Claim::Stderr(SafeText::from_bytes(line, LINE_MAX))))
    }

    /// Passes on the last lines if they have no end. To be called at the end of a run.
    pub(crate) fn say_open_lines(&mut self) -> Result<(), Stop> {
        if let Some(line) = self.stdout.take_open() {
            self.world.say(Claim::Stdout(SafeText::from_bytes(&line, LINE_MAX)))?;
        }
        if let Some(line) = self.stderr.take_open() {
            self.world.say(Claim::Stderr(SafeText::from_bytes(&line, LINE_MAX)))?;
        }
        Ok(())
    }
}

const LINE_MAX: usize = vocabulary::LINE_BYTES_MAX;
