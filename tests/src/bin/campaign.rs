//! Makes faults of disks and machines at every place in the program; see `campaign --help`.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program for people")]

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use tests::fault::launch;
use tests::fault::sweep::{Broken, Sweep};
use tests::{host, tools};

const HELP: &str = "\
Faults of disks and machines at every place in the program.

  campaign faults [OPTIONS]     tears, shortens or fails the Nth call that changes a file, or kills the program there
  campaign power [OPTIONS]      makes disks as a loss of power may leave them at any point

  --program FILE    the program; without this, the one of the workspace
  --folder DIR      where homes are made: on the file system to be tested
  --seed N          decides which rounds are done, and where writes are torn [0]
  --rounds N        this many rounds, chosen by the seed; without this, all (for power: 400 for each verb)
  --verb NAME       only this verb; may be repeated
  --fault NAME      only this fault, such as tear or enospc-once; may be repeated
  --lanes N         this many rounds at once [2]

Ends with 1 when anything went wrong.";

fn main() -> ExitCode {
    let mut words = std::env::args_os().skip(1);
    let first = words.next().unwrap_or_default();
    if first == launch::PART {
        eprintln!("{}", launch::launch(words));
        return ExitCode::FAILURE;
    }
    let options: Option<Vec<String>> = words.map(|word| OsString::into_string(word).ok()).collect();
    match (first.to_str(), options) {
        (Some("faults"), Some(options)) => sweep(&options, false),
        (Some("power"), Some(options)) => sweep(&options, true),
        _ => Err(HELP.to_owned()),
    }
    .unwrap_or_else(|why| {
        eprintln!("{why}");
        ExitCode::from(2)
    })
}

fn sweep(options: &[String], is_power: bool) -> Result<ExitCode, String> {
    let mut sweep = Sweep {
        folder: tools::target().join("campaign"),
        program: PathBuf::new(),
        launcher: std::env::current_exe().map_err(|err| err.to_string())?,
        seed: 0,
        rounds: None,
        verbs: Vec::new(),
        faults: Vec::new(),
        lanes: 2,
    };
    for pair in options.chunks(2) {
        let [name, value] = pair else { return Err(HELP.to_owned()) };
        let number = || value.parse::<usize>().map_err(|err| format!("{name} {value}: {err}"));
        match name.as_str() {
            "--program" => sweep.program = Path::new(value).canonicalize().map_err(|err| format!("{value}: {err}"))?,
            "--folder" => sweep.folder = value.into(),
            "--seed" => sweep.seed = number()? as u64,
            "--rounds" => sweep.rounds = Some(number()?),
            "--verb" => sweep.verbs.push(value.clone()),
            "--fault" => sweep.faults.push(value.parse()?),
            "--lanes" => sweep.lanes = number()?,
            _ => return Err(HELP.to_owned()),
        }
    }
    if sweep.program.as_os_str().is_empty() {
        sweep.program = host::bailiwick();
    }
    println!("{} on {}, seed {}", sweep.program.display(), sweep.folder.display(), sweep.seed);
    let progress = |done: usize, broken: Option<&Broken>| {
        if let Some(broken) = broken {
            println!("{}", told(broken));
        }
        if done.is_multiple_of(50) {
            eprintln!("{done} rounds");
        }
    };
    let tally = if is_power { sweep.lose_power(&progress) } else { sweep.go(&progress) };
    for broken in tally.broken.iter().filter(|broken| broken.call.is_empty()) {
        println!("{}", told(broken));
    }
    println!("{}", tally.table());
    Ok(if tally.broken.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn told(broken: &Broken) -> String {
    let findings =
        broken.findings.iter().map(|finding| format!("\n    {:?}: {}", finding.wrong, finding.seen.trim().replace('\n', "\n      ")));
    format!("{} ({}){}", broken.what, broken.call, findings.collect::<String>())
}
