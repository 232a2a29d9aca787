//! A second process with a host in it, to be killed, starved or told to end. It is this same binary, started with a variable that
//! selects this part.

use std::path::Path;
use std::process::Stdio;

use run::{HomePlace, HostOptions, LocalHost, RunEvent, RunOrder, RunReport};
use tests::fault::plan::Plan;
use tests::fault::trace::{Nobody, Traced, trace};
use tokio::process::{Child, Command};
use vocabulary::Outcome;

/// The variable with the folder in which the child finds its order and its home.
const PART: &str = "BAILIWICK_TEST_CHILD";

/// Starts a process that takes the home in this folder and runs the order. It ends with the run's exit code, or is killed when dropped.
pub(crate) fn start(folder: &Path, order: &RunOrder) -> Child {
    spawn(folder, order, "trap '' XFSZ")
}

/// The same, with a limit of one kilobyte for the length of files.
pub(crate) fn start_starved(folder: &Path, order: &RunOrder) -> Child {
    spawn(folder, order, "trap '' XFSZ; ulimit -f 1")
}

fn spawn(folder: &Path, order: &RunOrder, first: &str) -> Child {
    prepare(folder, order);
    let mut command = Command::from(command(folder, first));
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).kill_on_drop(true).spawn().unwrap()
}

/// Puts the files that the child needs into its folder.
fn prepare(folder: &Path, order: &RunOrder) {
    // The component is compiled beforehand, so that the compiler is neither timed nor killed.
    tests::host::compiled(&package::store::get(&tests::host::place(folder).home, order.agent.digest).unwrap());
    // Links the code that was compiled just now.
    tests::host::place(folder);
    std::fs::write(folder.join("order.json"), to_bytes(order)).unwrap();
}

/// The command that starts the child.
fn command(folder: &Path, first: &str) -> std::process::Command {
    // In the child, a file that grows too large causes an error and not a signal. Its output goes into a pipe, to which the limit does
    // not apply.
    let mut command = std::process::Command::new("/bin/sh");
    command.args(["-c", &format!("{first}; exec \"$@\""), "sh"]).arg(format!("/proc/{}/exe", std::process::id()));
    command.args(["--exact", "child::plays_its_part", "--nocapture", "--test-threads", "1"]);
    command.env(PART, folder);
    command
}

/// The same, with a fault at one of its calls. Returns when the child has ended.
pub(crate) fn traced(folder: &Path, order: &RunOrder, plan: Option<Plan>) -> Traced {
    prepare(folder, order);
    let watched = [tests::host::place(folder).home];
    let streams = [Stdio::null(), Stdio::null(), Stdio::null()];
    trace(Path::new(env!("CARGO_BIN_EXE_campaign")), &command(folder, "trap '' XFSZ"), streams, &watched, plan, &mut Nobody).unwrap()
}

#[test]
fn plays_its_part() {
    let Some(folder) = std::env::var_os(PART) else { return };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let code = runtime.block_on(live(&tests::host::place(Path::new(&folder)), Path::new(&folder)));
    std::process::exit(code.into());
}

/// An order as a file. Orders have no serialized form in the program: only these tests pass one to another process.
fn to_bytes(order: &RunOrder) -> Vec<u8> {
    let RunOrder { agent, args, config, durable, grants, input, input_schema, is_agent, limits, network, policies } = order;
    assert!(*network == run::NetworkOrder::default() && policies.is_none(), "no test needs them");
    let document = serde_json::json!({
        "agent": agent, "args": args, "config": config, "durable": durable, "grants": grants, "input": input, "input_schema": input_schema,
        "is_agent": is_agent, "limits": limits,
    });
    serde_json::to_vec(&document).unwrap()
}

fn read(file: &Path) -> RunOrder {
    let mut document: serde_json::Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    let mut part = |name: &str| document[name].take();
    RunOrder {
        agent: serde_json::from_value(part("agent")).unwrap(),
        args: serde_json::from_value(part("args")).unwrap(),
        config: serde_json::from_value(part("config")).unwrap(),
        durable: serde_json::from_value(part("durable")).unwrap(),
        grants: serde_json::from_value(part("grants")).unwrap(),
        input: serde_json::from_value(part("input")).unwrap(),
        input_schema: serde_json::from_value(part("input_schema")).unwrap(),
        is_agent: serde_json::from_value(part("is_agent")).unwrap(),
        limits: serde_json::from_value(part("limits")).unwrap(),
        network: run::NetworkOrder::default(),
        policies: None,
    }
}

async fn live(place: &HomePlace, folder: &Path) -> u8 {
    let order = read(&folder.join("order.json"));
    let nothing_to_compile = HostOptions {
        compiler: ("/nonexistent".into(), Vec::new()),
        journal: journal::Options::default(),
        long_wait: run::LONG_WAIT,
        slots: 4,
        passphrase_file: None,
    };
    let started = match LocalHost::open(place, &nothing_to_compile) {
        Ok(house) => house.start(order, run::own_principal()).await,
        Err(err) => Err(err),
    };
    let mut running = match started {
        Ok(running) => running,
        Err(err) => {
            eprintln!("{}", err.chain());
            return err.exit();
        }
    };
    loop {
        match running.events.next().await {
            Some(RunEvent::Closed { report }) => match report.outcome {
                Outcome::Done => return 0,
                Outcome::RecordBroken | Outcome::SetAside => return 6,
                Outcome::Unsettled { .. } => return 8,
                _ => return 1,
            },
            Some(RunEvent::Failed { exit, message, .. }) => {
                eprintln!("{message}");
                return exit;
            }
            Some(_) => {}
            None => return 1,
        }
    }
}

/// Kills the child in the middle of its run, and continues the run in this process to its end.
pub(crate) async fn killed_and_resumed(child: &mut Child, place: &HomePlace) -> (LocalHost, RunReport) {
    child.start_kill().unwrap();
    child.wait().await.unwrap();
    let house = LocalHost::open(place, &tests::host::options()).unwrap();
    let records = journal::Reader::open(&place.home).unwrap();
    let run = records.records().map(|record| record.unwrap().run).find(|run| *run != journal::log_run()).unwrap();
    let running = house.resume(run, run::own_principal(), &run::Surroundings::default()).await.unwrap();
    (house, tests::host::report(running).await)
}
