//! `kill -9` at random points of whole runs: of the commands that start them, vote, wait, resume and settle. Each run is continued to its
//! end, as a person would do it. The server must have seen each effect exactly once, and the result must be that of a run which nobody killed.
//! If it is unknown whether an act happened, the record says so and a person is asked: here, the server's own books answer.

mod books;
pub mod cases;
mod tally;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use gate::{Ledger, OpenRun};
use run::HomePlace;
use vocabulary::record::Record;
use vocabulary::{Claim, Function, RunId};

use crate::dice::Dice;
use crate::program::Program;
use crate::seen::{answered, asked, ends};
use crate::server::Server;
use cases::{CASES, Case};

pub use tally::Tally;

/// BOUND: commands until a run must have ended.
const COMMANDS_MAX: usize = 60;
/// The time between two looks at a command that may wait for people.
const LOOK: Duration = Duration::from_millis(30);
/// How long the server must have heard nothing new after a kill. What was sent before it arrives within that.
const QUIET: Duration = Duration::from_millis(40);

/// The settings of a campaign.
#[derive(Clone, Debug)]
pub struct Kills {
    /// The program that is killed.
    pub program: PathBuf,
    /// The seed of the points.
    pub seed: u64,
    /// How many points, over all cases.
    pub points: usize,
    /// The cases; all if empty.
    pub cases: Vec<String>,
    /// How many cases run at once.
    pub lanes: usize,
}

impl Kills {
    /// Does all points.
    ///
    /// # Panics
    /// If the machine lacks what a test needs.
    #[must_use]
    pub fn go(&self, progress: &(dyn Fn(&str) + Sync)) -> Tally {
        let chosen: Vec<&Case> =
            CASES.iter().filter(|case| self.cases.is_empty() || self.cases.iter().any(|name| name == case.name)).collect();
        let (next, tally) = (AtomicUsize::new(0), Mutex::new(Tally::default()));
        std::thread::scope(|scope| {
            for _ in 0..self.lanes.max(1) {
                scope.spawn(|| {
                    while let Some((n, case)) = Some(next.fetch_add(1, Ordering::Relaxed)).and_then(|n| Some((n, chosen.get(n)?))) {
                        let points = self.points / chosen.len() + usize::from(n < self.points % chosen.len());
                        let one = Lab::new(self, case, n as u64).killed(points);
                        progress(&format!("{}: {points} points, {} wrong", case.name, one.broken.len()));
                        tally.lock().unwrap_or_else(PoisonError::into_inner).add(one);
                    }
                });
            }
        });
        tally.into_inner().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Where a run stands, as its record says.
enum Stands {
    /// Nothing of it is on the record.
    Nowhere,
    /// This act waits for the vote of this person.
    Held {
        op: u64,
        digest: String,
        person: &'static str,
    },
    /// It waits, or the host continues it by itself.
    Waits,
    /// A person must settle these acts.
    Unknown(Vec<u64>),
    CutOff,
    Ended,
}

/// One case in a home of its own, with a server of its own.
struct Lab<'a> {
    case: &'a Case,
    program: Program,
    bailiwick: PathBuf,
    server: Server,
    /// The password that the server takes. Each point begins with the one that it hears first.
    good: Arc<Mutex<Option<String>>>,
    dice: Dice,
    known: Vec<RunId>,
    /// How long each verb takes if nobody kills it.
    took: BTreeMap<String, Duration>,
    tally: Tally,
    runtime: tokio::runtime::Runtime,
}

/// What a run that came to its end has done.
#[derive(Debug, PartialEq, Eq)]
struct Done {
    /// What changes something, and how often the server heard it.
    effects: BTreeMap<String, usize>,
    printed: Vec<String>,
}

impl<'a> Lab<'a> {
    fn new(kills: &Kills, case: &'a Case, number: u64) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
        let good = Arc::new(Mutex::new(None));
        let taken = Arc::clone(&good);
        let server = runtime.block_on(Server::answering(move |_, heard| books::answer(&taken, heard)));
        let program = Program::new("");
        let dice = Dice::new(kills.seed.wrapping_mul(1000).wrapping_add(number));
        let lab = Self {
            case,
            program,
            bailiwick: kills.program.clone(),
            server,
            good,
            dice,
            known: Vec::new(),
            took: BTreeMap::new(),
            tally: Tally::default(),
            runtime,
        };
        lab.prepare();
        lab
    }

    fn place(&self) -> &HomePlace {
        self.program.place()
    }

    fn key(&self, person: &str) -> PathBuf {
        self.program.folder().join(person)
    }

    fn prepare(&self) {
        let here = self.program.config().parent().map(Path::to_owned).unwrap_or_default();
        let mut keys = Vec::new();
        for person in ["alice", "bob"] {
            let made = Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(self.key(person)).status();
            assert!(made.expect("ssh-keygen starts").success(), "a key is made");
            keys.push((person, std::fs::read_to_string(self.key(person).with_extension("pub")).expect("a public key")));
        }
        std::fs::create_dir(here.join("policy")).expect("a folder");
        std::fs::write(here.join("policy/board.cedar"), cases::POLICY).expect("policies");
        std::fs::write(self.program.config(), cases::config(&self.server, &keys)).expect("a configuration");
        self.must(&["trust"], "");
        let bound = format!("http://127.0.0.1:{}", self.server.port());
        self.must(&["credentials", "set", "--weak", "broker", "--for", &bound], "first-password-61f0ce\n");
    }

    fn command(&self, args: &[&str]) -> Command {
        let bailiwick = self.bailiwick.display().to_string();
        let words: Vec<&str> = std::iter::once(bailiwick.as_str()).chain(args.iter().copied()).collect();
        self.program.beside(&words)
    }

    /// Runs a command that must succeed.
    fn must(&self, args: &[&str], input: &str) {
        let file = self.program.folder().join("stdin");
        std::fs::write(&file, input).expect("a file");
        let output = self.command(args).stdin(std::fs::File::open(&file).expect("a file")).output().expect("it starts");
        assert!(
            output.status.success(),
            "{args:?}: {}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
    }

    /// Does the run without a kill, and then kills it at so many points.
    fn killed(mut self, points: usize) -> Tally {
        let whole = match self.point(0) {
            Ok((whole, _)) => whole,
            Err(why) => {
                self.tally.broken.push(format!("{}, without a kill: {why}", self.case.name));
                return self.tally;
            }
        };
        for n in 0..points {
            let kills = 1 + usize::from(self.dice.roll(3) == 0);
            match self.point(kills) {
                Err(why) => self.tally.broken.push(format!("{}, point {n}: {why}", self.case.name)),
                Ok((done, is_told)) => self.compare(n, (&whole, &done), is_told),
            }
        }
        *self.tally.points.entry(self.case.name).or_default() += points;
        let verified = self.command(&["audit", "verify"]).output().expect("it starts");
        if !verified.status.success() || self.ledger().open_runs().next().is_some() {
            self.tally.broken.push(format!("{}: the record, at the end: {}", self.case.name, String::from_utf8_lossy(&verified.stdout)));
        }
        self.tally
    }

    fn compare(&mut self, n: usize, (whole, done): (&Done, &Done), is_told: bool) {
        if done.effects != whole.effects {
            self.tally.broken.push(format!("{}, point {n}: {:?}, and not {:?}", self.case.name, done.effects, whole.effects));
        }
        // An agent that learned that an answer is lost prints something else.
        if self.case.one_output && !is_told && done.printed != whole.printed {
            self.tally.broken.push(format!("{}, point {n}: {:?}, and not {:?}", self.case.name, done.printed, whole.printed));
        }
    }

    fn ledger(&self) -> Ledger {
        let mut ledger = Ledger::new();
        if let Ok(reader) = journal::Reader::open(&self.place().home) {
            for record in reader.records() {
                let record = record.expect("a record reads back");
                let _ = ledger.fold(record.run, record.seq, &record.body);
            }
        }
        ledger
    }

    /// The run that was begun since the last point, if it is on the record.
    fn new_run(&self) -> Option<RunId> {
        let reader = journal::Reader::open(&self.place().home).ok()?;
        let runs = reader.records().map(|record| record.expect("a record reads back").run);
        runs.filter(|run| *run != journal::log_run()).find(|run| !self.known.contains(run))
    }

    fn stands(&self, run: Option<RunId>) -> Stands {
        let Some(run) = run else { return Stands::Nowhere };
        let ledger = self.ledger();
        let Some(open) = ledger.open_run(run) else { return Stands::Ended };
        let unsettled: Vec<u64> = open.unsettled().iter().map(|act| act.op).collect();
        if !unsettled.is_empty() {
            return Stands::Unknown(unsettled);
        }
        match held(open) {
            Some((op, digest, person)) => Stands::Held { op, digest, person },
            None if open.suspended.is_some() || open.is_left() => Stands::Waits,
            None => Stands::CutOff,
        }
    }

    /// The run from its beginning to its end, with so many kills. Returns what was done, and whether the agent was told that an answer is lost.
    fn point(&mut self, kills: usize) -> Result<(Done, bool), String> {
        let (first, mut run, mut left, mut is_told) = (self.server.heard().len(), None, kills, false);
        *self.good.lock().unwrap_or_else(PoisonError::into_inner) = None;
        for _ in 0..COMMANDS_MAX {
            run = run.or_else(|| self.new_run());
            let stands = self.stands(run);
            let id = run.map(|run| run.to_string()).unwrap_or_default();
            let words: Vec<String> = match &stands {
                Stands::Ended => return Ok((self.done(run.ok_or("it has no run")?, first)?, is_told)),
                Stands::Nowhere => {
                    if self.server.heard().len() > first {
                        return Err("something was sent, and nothing is on the record".to_owned());
                    }
                    let options = self.case.options.iter().map(|word| (*word).to_owned());
                    let args = (self.case.args)(&self.server);
                    ["run", self.case.agent].map(str::to_owned).into_iter().chain(options).chain(["--".to_owned()]).chain(args).collect()
                }
                Stands::Held { op, digest, person } => self.ballot(&id, *op, (digest, person)),
                Stands::Waits => vec!["wait".to_owned(), id],
                Stands::CutOff => vec!["resume".to_owned(), id],
                Stands::Unknown(ops) => {
                    let run = run.ok_or("it has no run")?;
                    let (op, did) = self.settlement(run, ops, first);
                    is_told |= did;
                    self.tally.unknown += 1;
                    let word = if did { "did" } else { "did-not" };
                    vec!["resume".to_owned(), id, "--settle".to_owned(), word.to_owned(), "--op".to_owned(), op.to_string()]
                }
            };
            let is_killed = left > 0 && self.dice.roll(2) == 0;
            left -= usize::from(is_killed);
            self.does(&words, run, is_killed)?;
            if let Some(run) = run.or_else(|| self.new_run()) {
                is_told |= self.is_broken_off(run);
            }
        }
        Err(format!("it does not come to its end after {COMMANDS_MAX} commands"))
    }

    /// The command by which a person approves.
    fn ballot(&self, id: &str, op: u64, (digest, person): (&str, &str)) -> Vec<String> {
        let (approval, key) = (format!("{id}-{op}"), self.key(person).display().to_string());
        ["approvals", "approve", &approval, "--as", person, "--key", &key, "--digest", digest].map(str::to_owned).to_vec()
    }

    /// Waits for the end of a command. If it waits for people, they vote in another terminal.
    fn ended(&mut self, child: &mut Child, run: Option<RunId>) -> Result<ExitStatus, String> {
        loop {
            if let Some(status) = child.try_wait().map_err(|err| err.to_string())? {
                return Ok(status);
            }
            self.sleep(LOOK);
            if let (Some(id), Stands::Held { op, digest, person }) = (run, self.stands(run)) {
                let words = self.ballot(&id.to_string(), op, (&digest, person));
                let args: Vec<&str> = words.iter().map(String::as_str).collect();
                // The run may have moved on meanwhile, so that there is nothing to vote on.
                drop(self.command(&args).output().map_err(|err| err.to_string())?);
            }
        }
    }

    /// Runs a command, and kills it at a random moment.
    fn does(&mut self, words: &[String], run: Option<RunId>, is_killed: bool) -> Result<(), String> {
        let verb = words
            .iter()
            .take(if words.first().is_some_and(|word| word == "approvals") { 2 } else { 1 })
            .cloned()
            .collect::<Vec<_>>()
            .join(" ");
        let args: Vec<&str> = words.iter().map(String::as_str).collect();
        let (began, err) = (Instant::now(), self.program.folder().join("stderr"));
        let stderr = std::fs::File::create(&err).map_err(|err| err.to_string())?;
        let mut command = self.command(&args);
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(stderr).spawn().map_err(|err| err.to_string())?;
        if is_killed {
            let most = self.took.get(&verb).copied().unwrap_or(Duration::from_millis(300));
            let micros = self.dice.roll(u64::try_from(most.as_micros()).unwrap_or(u64::MAX).saturating_add(20_000));
            self.sleep(Duration::from_micros(micros));
            let _ = child.kill();
            child.wait().map_err(|err| err.to_string())?;
            *self.tally.kills.entry(verb).or_default() += 1;
            self.until_quiet();
            return Ok(());
        }
        // The command by which somebody votes ends by itself.
        let status = self.ended(&mut child, run.filter(|_| !verb.starts_with("approvals")))?;
        let took = self.took.entry(verb).or_default();
        *took = began.elapsed().max(*took);
        let said = std::fs::read_to_string(&err).unwrap_or_default();
        if may_end(status) { Ok(()) } else { Err(format!("{words:?} ended with {status}: {said}")) }
    }

    fn sleep(&self, time: Duration) {
        self.runtime.block_on(async { tokio::time::sleep(time).await });
    }

    fn until_quiet(&self) {
        loop {
            let heard = self.server.heard().len();
            self.sleep(QUIET);
            if self.server.heard().len() == heard {
                return;
            }
        }
    }

    /// Whether the first of these acts happened, as the server's books say.
    fn settlement(&self, run: RunId, ops: &[u64], first: usize) -> (u64, bool) {
        let op = ops.first().copied().unwrap_or_default();
        let records = crate::host::records(&self.place().home, run);
        let target = asked(&records).filter(|asked| asked.op == op).last();
        let heard = self.server.heard();
        let mut since = heard.iter().skip(first);
        let did = match target.and_then(|asked| asked.ask.resource.http()) {
            Some(http) => since.any(|heard| heard.method == http.method.as_str() && heard.path == http.path.as_str()),
            // A step of a rotation: only setting the value has an effect at the server.
            None => target.is_some_and(|asked| asked.ask.function == Function::RotationSet) && since.any(|heard| heard.method == "PUT"),
        };
        (op, did)
    }

    /// Whether the answer to an act that is not repeated had begun and did not come to its end.
    fn is_broken_off(&self, run: RunId) -> bool {
        let records = crate::host::records(&self.place().home, run);
        let is_act = |op: u64| {
            asked(&records).any(|asked| asked.op == op && asked.ask.resource.http().is_some_and(|http| http.method.as_str() != "GET"))
        };
        answered(&records).any(|answered| is_act(answered.op) && !ends(&records).any(|ended| ended == answered.op))
    }

    /// What a run has done that has come to its end.
    fn done(&mut self, run: RunId, first: usize) -> Result<Done, String> {
        self.known.push(run);
        let replayed = self.command(&["replay", &run.to_string()]).output().map_err(|err| err.to_string())?;
        if !replayed.status.success() {
            return Err(format!("its replay: {}", String::from_utf8_lossy(&replayed.stderr)));
        }
        let mut effects = BTreeMap::new();
        for heard in self.server.heard().iter().skip(first).filter(|heard| heard.method != "GET") {
            *effects.entry(format!("{} {}", heard.method, heard.path)).or_default() += 1;
        }
        let records = crate::host::records(&self.place().home, run);
        let said = records.iter().filter_map(|record| if let Record::Said(said) = record { Some(&said.claims) } else { None });
        let printed = said.flatten().filter_map(|claim| if let Claim::Stdout(line) = claim { Some(line.to_string()) } else { None });
        Ok(Done { effects, printed: printed.collect() })
    }
}

/// Whether a command may end in this way: the run is done, it failed because an answer was lost, it waits, or an act must be settled; or the
/// run has moved on, so that there is nothing to vote on or to wait for.
fn may_end(status: ExitStatus) -> bool {
    matches!(status.code(), Some(0 | 1 | 2 | 7 | 8))
}

/// The first act that is held back and not decided, and who votes next.
fn held(open: &OpenRun) -> Option<(u64, String, &'static str)> {
    let (op, open) = open.approvals.iter().find(|(_, open)| open.approved.is_none() && open.end.is_none())?;
    let cast = open.cast();
    let person = ["alice", "bob"].into_iter().find(|name| !cast.iter().any(|cast| cast.person == *name))?;
    let digest = open.digest.to_string();
    Some((*op, digest.get("sha256:".len()..).and_then(|digits| digits.get(..12)).unwrap_or_default().to_owned(), person))
}
