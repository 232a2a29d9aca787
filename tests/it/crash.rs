//! `kill -9` with requests in flight, at random points: each request that a server received has its intent on the record, the log
//! opens, and the run continues to the end that it would have had, or asks a person about acts with an unknown outcome.

use std::collections::{BTreeMap, HashSet};
use std::process::Stdio;
use std::time::Duration;

use gate::Ledger;
use run::{HomePlace, LocalHost, Rebuilding, RunError, RunOrder, RunReport, Settlement, Which};
use tests::dice::{Dice, server};
use tests::host::{TestHost, loopback, options, place, printed, records, report};
use tests::program::{Program, config};
use tests::seen::{answered, asked, ends};
use tests::server::{Server, Step, response};
use vocabulary::record::{Asked, Record};
use vocabulary::{Outcome, RunId, UnknownAct};

use crate::child;

fn is_post(asked: &Asked) -> bool {
    asked.ask.resource.http().is_some_and(|http| http.method.as_str() == "POST")
}

/// One guest, which is killed many times.
struct Case {
    guest: &'static str,
    args: &'static [&'static str],
    points: u64,
    /// Whether its output depends only on the answers.
    one_output: bool,
}

const CASES: [Case; 4] = [
    Case { guest: "many_gets", args: &["12", "4"], points: 90, one_output: true },
    Case { guest: "body_in_pieces", args: &["4", "500"], points: 110, one_output: true },
    Case { guest: "tells_of_each_piece", args: &[], points: 50, one_output: true },
    Case { guest: "three_requests_in_flight", args: &["2"], points: 50, one_output: false },
];

#[derive(Clone, Copy, Debug, Default)]
struct Tally {
    /// How often it was killed before anything of the run was on the record.
    before: u64,
    /// How often it was killed while it ran.
    within: u64,
    /// How many of those had an intent without an answer on the record.
    in_flight: u64,
    /// How often it was killed after its end was on the record.
    after: u64,
    /// How often a person had to settle a request.
    unsettled: u64,
    /// How often an answer to a POST had begun but was not kept to its end, so that the guest learns that no more will come.
    broken_off: u64,
    /// Requests that the server received before the kill.
    heard: u64,
}

/// A home, a server, and the result of an uninterrupted run.
struct Lane {
    place: HomePlace,
    server: Server,
    dice: Dice,
    order: RunOrder,
    /// How many events the server has in one run.
    events: u64,
    output: String,
    known: HashSet<RunId>,
    tally: Tally,
}

fn counted<T: Ord>(things: impl Iterator<Item = T>) -> BTreeMap<T, usize> {
    let mut counts = BTreeMap::new();
    things.for_each(|thing| *counts.entry(thing).or_default() += 1);
    counts
}

/// Whether each entry of `few` is in `many` at least as often.
fn covers(many: &BTreeMap<String, usize>, few: &BTreeMap<String, usize>) -> bool {
    few.iter().all(|(thing, count)| many.get(thing).is_some_and(|more| more >= count))
}

impl Lane {
    fn heard_since(&self, start: usize) -> BTreeMap<String, usize> {
        counted(self.server.heard()[start..].iter().map(|heard| format!("{} {}", heard.method, self.server.url(&heard.path))))
    }

    /// All intents of the whole log or of one run.
    fn intended(&self, run: Option<RunId>) -> BTreeMap<String, usize> {
        let runs: Vec<RunId> = run.map_or_else(|| self.known.iter().copied().collect(), |run| vec![run]);
        let all: Vec<Record> = runs.iter().flat_map(|run| records(&self.place.home, *run)).collect();
        counted(asked(&all).map(|asked| asked.ask.resource.to_string()))
    }

    /// The new run on the record, if there is one.
    fn new_run(&mut self) -> Option<RunId> {
        let reader = match journal::Reader::open(&self.place.home) {
            Ok(reader) => reader,
            Err(journal::ReadError::NoLog { .. }) => return None,
            Err(err) => panic!("{err}"),
        };
        let runs = reader.records().map(|record| record.unwrap().run).filter(|run| *run != journal::log_run());
        let new: Vec<RunId> = runs.filter(|run| self.known.insert(*run)).collect();
        assert!(new.len() <= 1, "{new:?}");
        new.first().copied()
    }

    async fn resume(&self, house: &LocalHost, run: RunId) -> Result<RunReport, RunError> {
        let running = house.resume(run, run::own_principal(), &run::Surroundings::default()).await?;
        Ok(report(running).await)
    }

    async fn kill_once(&mut self, case: &Case, folder: &std::path::Path) {
        let (start, counts) = (self.server.heard().len(), self.server.counts());
        let mut child = child::start(folder, &self.order);
        let point = self.dice.roll(self.events + 1);
        let so_far = |now: &tests::server::Counts| (now.heard + now.steps - counts.heard - counts.steps) as u64;
        tokio::select! {
            () = self.server.until(|now| so_far(now) >= point) => {}
            _ = child.wait() => {}
        }
        // The point lies between two events of the server, or anywhere in the start of the process; the checks below do not depend on it.
        let micros = self.dice.roll(if point == 0 { 80_000 } else { 1500 });
        tokio::time::sleep(Duration::from_micros(micros)).await;
        let _ = child.start_kill();
        child.wait().await.unwrap();

        let heard = self.heard_since(start);
        self.tally.heard += heard.values().sum::<usize>() as u64;
        let house = LocalHost::open(&self.place, &options()).unwrap();
        match self.new_run() {
            None => {
                self.tally.before += 1;
                assert!(heard.is_empty(), "asked without an intent: {heard:?}");
            }
            Some(run) => {
                let intended = self.intended(Some(run));
                assert!(covers(&intended, &heard), "heard {heard:?}, intended {intended:?}");
                self.go_on(case, &house, run).await;
                let rebuilt = house.rebuild(&Rebuilding { run, with: None }).await.unwrap();
                assert_eq!((rebuilt.divergence, rebuilt.outcome), (None, Some(Outcome::Done)), "{}", case.guest);
            }
        }
        house.idle().await;
        house.close().unwrap();
    }

    async fn go_on(&mut self, case: &Case, house: &LocalHost, run: RunId) {
        let cut = records(&self.place.home, run);
        let open: Vec<(u64, bool)> = asked(&cut)
            .filter(|asked| !answered(&cut).any(|answered| answered.op == asked.op))
            .map(|asked| (asked.op, is_post(asked)))
            .collect();
        let report = match self.resume(house, run).await {
            Ok(report) => report,
            Err(RunError::NoSuchRun(_)) => {
                assert!(matches!(cut.last(), Some(Record::RunClosed(closed)) if closed.outcome == Outcome::Done), "{:?}", cut.last());
                self.tally.after += 1;
                return;
            }
            Err(err) => panic!("{}", err.chain()),
        };
        self.tally.within += 1;
        self.tally.in_flight += u64::from(!open.is_empty());
        // A POST must not be asked again, so its answer can't be received to its end either.
        let begun = |op| answered(&cut).any(|answered| answered.op == op) && !ends(&cut).any(|ended| ended == op);
        let broken_off = asked(&cut).any(|asked| is_post(asked) && begun(asked.op));
        self.tally.broken_off += u64::from(broken_off);
        let did = self.dice.roll(2) == 0;
        let (report, told_it_did) = match report.outcome {
            Outcome::Unsettled { acts } => {
                self.tally.unsettled += 1;
                let [UnknownAct { op, .. }] = acts.as_slice() else { panic!("{acts:?}") };
                let op = *op;
                assert!(open.contains(&(op, true)), "only a POST without an answer has to be settled: {op} of {open:?}");
                let posts = |lane: &Self| lane.server.heard().iter().filter(|heard| heard.method == "POST").count();
                let before = posts(self);
                // Resuming again without a settlement gives the same error, and still nothing is sent.
                let again = self.resume(house, run).await.unwrap_err();
                assert!(matches!(&again, RunError::Unsettled { acts: left, .. } if *left == acts), "{again:?}");
                assert_eq!(posts(self), before);
                let word = Settlement { acts: Which::Ops(vec![op]), did };
                assert_eq!(house.settle(run, &word, &run::own_principal()).await.unwrap().left, []);
                let settled = self.resume(house, run).await.unwrap();
                assert_eq!(posts(self), before + usize::from(!did), "sent again only where it did not happen");
                (settled, did)
            }
            _ => {
                assert!(!open.iter().any(|(_, post)| *post), "the run continued past a POST without an answer: {open:?}");
                (report, false)
            }
        };
        assert_eq!(report.outcome, Outcome::Done, "{report:?}");
        if case.one_output && !told_it_did && !broken_off {
            assert_eq!(printed(&report), self.output, "{}", case.guest);
        }
    }
}

/// Kills one guest again and again in one home, whose log must verify in the end.
async fn killed(case: &Case, seed: u64) -> Tally {
    let host = TestHost::new();
    let dice = Dice::new(seed);
    let server = server(&dice).await;
    let url = server.url("");
    let args: Vec<&str> = std::iter::once(url.as_str()).chain(case.args.iter().copied()).collect();
    let mut order = host.order(case.guest, &args);
    loopback(&mut order.grants, server.port(), &["GET", "POST"], &["/**"]);
    let whole = host.run(order.clone()).await;
    assert_eq!(whole.outcome, Outcome::Done, "{whole:?}");
    let counts = server.counts();
    let folder = tempfile::tempdir().unwrap();
    let place = place(folder.path());
    package::store::put(&place.home, &std::fs::read(tests::guests::guest(case.guest)).unwrap()).unwrap();
    let mut lane = Lane {
        place,
        server,
        dice,
        order,
        events: (counts.heard + counts.steps) as u64,
        output: printed(&whole).to_owned(),
        known: HashSet::new(),
        tally: Tally::default(),
    };
    let start = lane.server.heard().len();
    for _ in 0..case.points {
        lane.kill_once(case, folder.path()).await;
    }
    // Late requests too: a request may arrive after its sender was killed.
    let (intended, heard) = (lane.intended(None), lane.heard_since(start));
    assert!(covers(&intended, &heard), "heard {heard:?}, intended {intended:?}");
    let mut ledger = Ledger::new();
    let state = journal::state_path(&lane.place.state, journal::Reader::open(&lane.place.home).unwrap().log());
    let report = journal::verify(&lane.place.home, None, Some(&state), &mut |leaf| ledger.fold(leaf.run, leaf.seq, leaf.body).unwrap());
    assert!(report.holds() && report.not_ended.is_empty(), "{report:?}");
    eprintln!("{}: {} kills, {:?}", case.guest, case.points, lane.tally);
    lane.tally
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_at_three_hundred_points_no_effect_is_without_intent_and_each_run_goes_on() {
    let lanes = CASES.iter().zip(1000..).map(|(case, seed)| tokio::spawn(killed(case, seed)));
    let mut tallies = Vec::new();
    for lane in lanes.collect::<Vec<_>>() {
        tallies.push(lane.await.unwrap());
    }
    let sum = |of: fn(&Tally) -> u64| tallies.iter().map(of).sum::<u64>();
    assert_eq!(sum(|tally| tally.before + tally.within + tally.after), 300);
    // Check that the kills met the intended situations. How often they do depends on the load of the machine.
    assert!(sum(|tally| tally.within) > 50, "{tallies:?}");
    assert!(sum(|tally| tally.in_flight) > 0, "{tallies:?}");
    assert!(sum(|tally| tally.unsettled) > 0, "{tallies:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_post_that_was_in_flight_waits_for_a_persons_word() {
    for did in [false, true] {
        // The first request is never answered.
        let server = Server::answering(|n, _| if n == 0 { vec![Step::Hang] } else { vec![Step::Say(response(201, b"made"))] }).await;
        let wasm = tests::guests::guest("post");
        let url = server.url("/things");
        let kit = TestHost::new();
        let mut order = kit.order("post", &[&url, "a thing"]);
        loopback(&mut order.grants, server.port(), &["POST"], &["/things"]);
        let program = Program::new(&config("post", &wasm, &order.grants));
        let mut child = tokio::process::Command::from(program.command(&[], &["run", "post", "--trust", "--", &url, "a thing"]));
        let mut child = child.stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true).spawn().unwrap();
        server.until(|counts| counts.heard == 1).await;
        child.start_kill().unwrap();
        child.wait().await.unwrap();

        let run = journal::Reader::open(&program.place().home)
            .unwrap()
            .records()
            .map(|record| record.unwrap().run)
            .find(|run| *run != journal::log_run())
            .unwrap()
            .to_string();
        let program = std::sync::Arc::new(program);
        let resumed = async |args: &[&str]| {
            let (program, args) = (program.clone(), args.iter().map(|arg| (*arg).to_owned()).collect::<Vec<_>>());
            let ran = tokio::task::spawn_blocking(move || program.run(&args.iter().map(String::as_str).collect::<Vec<_>>()));
            ran.await.unwrap()
        };
        for _ in 0..2 {
            let output = resumed(&["resume", &run]).await;
            assert_eq!(output.status.code(), Some(8), "{output:?}");
            assert_eq!(server.heard().len(), 1, "the outcome is unknown, so nothing is sent again");
        }
        let output = resumed(&["resume", &run, "--settle", if did { "did" } else { "did-not" }]).await;
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert_eq!((said.contains("made"), server.heard().len()), (!did, if did { 1 } else { 2 }), "{said}");
        let replayed = resumed(&["replay", &run]).await;
        assert_eq!(replayed.status.code(), Some(0), "{replayed:?}");
        let verified = resumed(&["audit", "verify"]).await;
        assert_eq!(verified.status.code(), Some(0), "{verified:?}");
    }
}
