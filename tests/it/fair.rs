//! No guest starves the others: guests compute on threads of their own, and the memory that the host holds for one guest is bounded.

use std::sync::{Arc, Condvar, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use sandbox::{RunEnded, Start};
use tests::host::{TestHost, mount, prepared};
use vocabulary::{Act, Claim, ClosedAsk, Door, FileAnswer, FileAsk, FileFault, GuestEvent, Limits, OpId, Outcome, Release, Stop, Timeline};

use crate::ending::{done, lines, trapped};

/// A gate at which calls wait until it is open.
#[derive(Default)]
struct Gate {
    open: Mutex<bool>,
    opened: Condvar,
}

impl Gate {
    fn open(&self) {
        *self.open.lock().unwrap() = true;
        self.opened.notify_all();
    }

    fn pass(&self) {
        let open = self.open.lock().unwrap();
        drop(self.opened.wait_while(open, |open| !*open).unwrap());
    }
}

/// A world in which nothing happens, and a host call lasts until the test opens a gate.
struct Slow {
    gate: Arc<Gate>,
    threads: Arc<Mutex<Vec<String>>>,
}

impl Door for Slow {
    fn submit(&mut self, _: Act) -> Result<OpId, Stop> {
        Ok(OpId(1))
    }
    fn observe(&mut self, _: FileAsk) -> Result<FileAnswer, Stop> {
        Ok(FileAnswer::Fault(FileFault::NotFound))
    }
    fn refuse(&mut self, _: ClosedAsk) -> Result<(), Stop> {
        Ok(())
    }
    fn read_on(&mut self, _: OpId) {}
    fn abandon(&mut self, _: OpId) -> Result<(), Stop> {
        Ok(())
    }
    fn say(&mut self, _: Claim) -> Result<(), Stop> {
        self.threads.lock().unwrap().push(std::thread::current().name().unwrap_or_default().to_owned());
        self.gate.pass();
        Ok(())
    }
}

impl Timeline for Slow {
    fn mono_ns(&self) -> u64 {
        0
    }
    fn opened_unix_ns(&self) -> u64 {
        0
    }
    fn seed(&self) -> [u8; 32] {
        [0; 32]
    }
    fn timer(&mut self, _: u64) -> Result<OpId, Stop> {
        Ok(OpId(1))
    }
    fn poll(&mut self) -> Result<Option<Release>, Stop> {
        Ok(None)
    }
    fn poll_release(&mut self, _: &mut Context<'_>) -> Poll<Result<Release, Stop>> {
        Poll::Pending
    }
    fn jump(&mut self) -> Result<Release, Stop> {
        Ok(Release { op: OpId(0), event: GuestEvent::Clock, mono_ns: 0 })
    }
}

/// Runs a guest that makes one host call, which lasts until the gate is open.
async fn calls(gate: &Arc<Gate>, threads: &Arc<Mutex<Vec<String>>>) -> RunEnded {
    let world = Slow { gate: Arc::clone(gate), threads: Arc::clone(threads) };
    let args = ["floods_log", "1"].map(str::to_owned).to_vec();
    let start = Start { args, limits: Limits::default(), ..Start::default() };
    sandbox::enter(&prepared("floods_log"), start, Box::new(world), std::future::pending::<vocabulary::Stopping>()).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn guests_compute_on_threads_that_input_and_output_do_not_share() {
    let (gate, threads) = (Arc::<Gate>::default(), Arc::default());
    gate.open();
    assert_eq!(calls(&gate, &threads).await.outcome, Outcome::Done);
    assert_eq!(*threads.lock().unwrap(), ["guest"], "not on a thread of the runtime");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn host_calls_that_take_long_keep_no_other_guest_from_its_turn() {
    let (closed, threads) = (Arc::<Gate>::default(), Arc::<Mutex<Vec<String>>>::default());
    // More guests than there are threads at the front and at the back.
    let many = 4 * std::thread::available_parallelism().map_or(2, usize::from) + 4;
    let slow: Vec<_> = (0..many)
        .map(|_| {
            let (closed, threads) = (Arc::clone(&closed), Arc::clone(&threads));
            tokio::spawn(async move { calls(&closed, &threads).await.outcome })
        })
        .collect();
    let all_inside = async {
        while threads.lock().unwrap().len() < many {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), all_inside).await.expect("each has a thread, although no call returns");
    let open = Arc::<Gate>::default();
    open.open();
    let other = tokio::time::timeout(Duration::from_secs(60), calls(&open, &Arc::default())).await;
    assert_eq!(other.expect("another guest gets its turn").outcome, Outcome::Done);
    closed.open();
    for slow in slow {
        assert_eq!(slow.await.unwrap(), Outcome::Done);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_hostile_guests_of_ten_kinds_leave_ten_honest_ones_their_turn() {
    let host = TestHost::new();
    let folder = tempfile::tempdir().unwrap();
    for n in 0..5000 {
        std::fs::write(folder.path().join(format!("{n:0>40}")), "x").unwrap();
    }
    let kinds: [(&str, &[&str]); 10] = [
        ("spins_forever", &[]),
        ("fills_memory_forever", &[]),
        ("calls_host_many_times", &["1000000000"]),
        ("calls_host_many_times", &["1000000000", "wall"]),
        ("asks_huge_random", &["65536", "secure", "1000000000"]),
        ("lists_big_directory", &[".", "1000000000"]),
        ("spins_on_the_clock", &["1000000000"]),
        ("floods_log", &["1000000000", "1000"]),
        ("fills_record", &["changes"]),
        ("asks_new_hosts", &["1000000000"]),
    ];
    let mut hostile = Vec::new();
    for (guest, args) in kinds {
        let mut order = host.order(guest, args);
        mount(&mut order, "/src", folder.path());
        order.limits.active_timeout_ms = 600_000;
        order.limits.asks = 10_000_000;
        order.limits.log_bytes = 256 << 20;
        hostile.push((guest, host.start(order).await));
    }
    let mut honest = Vec::new();
    for _ in 0..10 {
        honest.push(host.start(host.order("measures_its_waits", &["nap", "20", "10"])).await);
    }
    for running in honest {
        let report = tests::host::report(running).await;
        assert_eq!(report.outcome, Outcome::Done);
        assert_eq!(lines(&report)[0]["waits_us"].as_array().unwrap().len(), 20);
    }
    for (guest, running) in hostile {
        running.stop(vocabulary::Stopping { by: run::own_principal(), means: vocabulary::Means::Stop });
        let outcome = tests::host::report(running).await.outcome;
        // Some reach one of their limits before.
        assert!(matches!(outcome, Outcome::Stopped { .. } | Outcome::Limit { .. } | Outcome::Done), "{guest}: {outcome:?}");
    }
}

/// The variable that tells a separate process what to run, so that the memory of that process can be measured.
const PART: &str = "BAILIWICK_TEST_MEASURED";
/// Far above the need of a host with bounded memory, and far below the need of the earlier host without bounds.
const PEAK_MIB: u64 = 256;

/// The greatest memory of this process so far.
fn peak_mib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches("kB").trim().parse::<u64>().unwrap() / 1024
}

/// Runs a guest in a separate process and checks that the memory of the process stays bounded. Returns the report and how many of the
/// guest's lines were reported.
fn measured(part: &[&str]) -> serde_json::Value {
    // The memory for compiling does not count.
    prepared(part[0]);
    let mut command = std::process::Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "fair::plays_the_measured_part", "--nocapture", "--test-threads", "1"]);
    let output = command.env(PART, part.join(" ")).output().unwrap();
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{told}{}", String::from_utf8_lossy(&output.stderr));
    let line = told.lines().find_map(|line| Some(&line[line.find("{\"told\"")?..])).unwrap_or_else(|| panic!("{told}"));
    serde_json::from_str(line).unwrap()
}

#[test]
#[expect(clippy::print_stdout, reason = "the process that started this one reads it")]
fn plays_the_measured_part() {
    let Some(part) = std::env::var_os(PART) else { return };
    let part: Vec<&str> = part.to_str().unwrap().split(' ').collect();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let (report, told) = runtime.block_on(async {
        let (host, folder) = (TestHost::new(), tempfile::tempdir().unwrap());
        let mut order = host.order(part[0], &part[1..]);
        mount(&mut order, "/src", folder.path());
        (order.limits.asks, order.limits.log_bytes, order.limits.active_timeout_ms) = (1_000_000, 128 << 20, 3_600_000);
        let (mut running, mut told) = (host.start(order).await, 0_u64);
        loop {
            match running.events.next().await.unwrap() {
                run::RunEvent::Said { .. } => told += 1,
                run::RunEvent::Closed { report } => break (report, told),
                run::RunEvent::Failed { message, .. } => panic!("{message}"),
                _ => {}
            }
        }
    });
    let peak = peak_mib();
    println!("{}", serde_json::json!({ "told": told, "report": report, "peak_mib": peak }));
    assert!(peak < PEAK_MIB, "{peak} MiB");
}

#[test]
fn an_agent_that_is_refused_ever_new_hosts_is_held_in_bounded_memory() {
    let report = measured(&["asks_new_hosts", "200000", "60"])["report"].take();
    assert_eq!(report["outcome"], "done", "{}", report["outcome"]);
    let touched = &report["evidence"]["touched"];
    let refused = touched["refused"].as_array().unwrap();
    let listed: u64 = refused.iter().map(|one| one["alike"].as_u64().unwrap()).sum();
    assert_eq!(listed + touched["more"]["refused"].as_u64().unwrap(), 200_000, "each is counted, with a row of its own or without");
    assert!((1000..20_000).contains(&refused.len()), "{}", refused.len());
}

#[test]
fn an_agent_that_looks_at_ever_new_names_is_held_in_bounded_memory() {
    let report = measured(&["looks_at_new_names", "300000", "600"])["report"].take();
    assert_eq!(report["outcome"], "done", "{}", report["outcome"]);
    let touched = &report["evidence"]["touched"];
    let files = touched["files"].as_array().unwrap();
    let listed: u64 = files.iter().filter(|file| file["what"] == "look").map(|file| file["times"].as_u64().unwrap()).sum();
    assert_eq!(listed + touched["more"]["files"].as_u64().unwrap(), 300_000, "each is counted, with a row of its own or without");
    assert!((1000..60_000).contains(&files.len()), "{}", files.len());
}

#[test]
fn what_a_guest_says_is_held_once_and_goes_on_as_it_is_read() {
    let came = measured(&["floods_log", "600000", "100"]);
    assert_eq!(came["report"]["outcome"], "done", "{}", came["report"]["outcome"]);
    assert_eq!(came["told"], 600_000, "each line was passed on");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_guest_that_goes_too_far_is_told_so_or_ended() {
    let host = TestHost::new();
    let ok = serde_json::json!({ "ok": "()" });
    for (what, most) in [("path", 16_383), ("authority", 16_384 - 1), ("method", 16_384)] {
        for (many, is_taken) in [(most - 10, true), (most + 2, false)] {
            let report = done(&host, host.order("goes_too_far", &[what, &many.to_string()])).await;
            assert_eq!(lines(&report)[0]["came"] == ok, is_taken, "{what} {many}: {}", lines(&report)[0]);
        }
    }
    let report = done(&host, host.order("goes_too_far", &["fields", "1024"])).await;
    assert_eq!(lines(&report)[0]["came"], ok);
    crate::ending::limit(&host, host.order("goes_too_far", &["fields", "1025"]), "header-bytes").await;
    for what in ["write", "zeroes"] {
        done(&host, host.order("goes_too_far", &[what, "65536"])).await;
        let words = trapped(&host, host.order("goes_too_far", &[what, "65537"])).await;
        assert!(words.contains("more was written than `check-write` allows"), "{what}: {words}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_said_is_counted_before_it_leaves_the_sandbox() {
    // A world without limits: the gate's own limit is tested elsewhere.
    let prepared = prepared("floods_log");
    let (world, _steps) = tests::scripted::Scripted::new(1, Vec::new(), usize::MAX);
    let args = ["floods_log", "10000", "64"].map(str::to_owned).to_vec();
    let start = Start { args, limits: Limits { log_bytes: 64 << 10, ..Limits::default() }, ..Start::default() };
    let ended = sandbox::enter(&prepared, start, Box::new(world), std::future::pending::<vocabulary::Stopping>()).await.unwrap();
    assert_eq!(ended.outcome, Outcome::Limit { limit: vocabulary::Limit::LogBytes });
}
