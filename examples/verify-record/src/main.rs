//! Verifies the record of a home, or of a copy of one, with a public key, and prints what it found.
//!
//! It opens no sealed payloads, needs no secret, and writes nothing.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "this program prints what it found")]

use std::collections::BTreeMap;
use std::error::Error;
use std::path::Path;
use std::process::ExitCode;

use journal::{Leaf, PublicKey, VerifyReport, log_run};
use vocabulary::RunId;
use vocabulary::record::Record;

/// What the record says about one run.
#[derive(Default)]
struct Run {
    agent: Option<String>,
    records: u64,
    outcome: Option<&'static str>,
}

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args_os().skip(1).collect();
    let [home, key] = arguments.as_slice() else {
        eprintln!("usage: verify-record HOME PUBLIC-KEY-FILE");
        return ExitCode::from(2);
    };
    match verify(home.as_ref(), key.as_ref()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(err) => {
            eprintln!("error: `{}` can't be used as a public key: {err}", key.display());
            ExitCode::from(2)
        }
    }
}

/// Prints what was found. Returns whether the record is whole.
fn verify(home: &Path, key: &Path) -> Result<bool, Box<dyn Error>> {
    let key: PublicKey = std::fs::read_to_string(key)?.parse()?;
    let mut runs = BTreeMap::new();
    // No file of second state is given, so this can't show that the end of the record was cut off at a checkpoint.
    let report = journal::verify(home, Some(&key), None, &mut |leaf| take(leaf, &mut runs));
    for (id, run) in &runs {
        let (agent, outcome) = (run.agent.as_deref().unwrap_or("(its beginning is not here)"), run.outcome.unwrap_or("not ended"));
        println!("run {id}  {agent}  {} records  {outcome}", run.records);
    }
    print(&report);
    Ok(report.holds())
}

/// Takes one record. It is called only for records that were proved to be as they were signed.
fn take(leaf: &Leaf<'_>, runs: &mut BTreeMap<RunId, Run>) {
    // The log also has records that belong to no run, for example of who trusted which configuration.
    if leaf.run == log_run() {
        return;
    }
    let run = runs.entry(leaf.run).or_default();
    run.records += 1;
    // A record that a newer version wrote is proved too, but its content is not known here.
    match Record::parse(leaf.body) {
        Ok(Record::RunOpened(opened)) => run.agent = Some(opened.agent.name.to_string()),
        Ok(Record::RunClosed(closed)) => run.outcome = Some(closed.outcome.word()),
        Ok(_) | Err(_) => {}
    }
}

fn print(report: &VerifyReport) {
    println!("{} records hold, root {}", report.size, report.root);
    match &report.fault {
        None => println!("the record is whole, and signed with this key"),
        Some(fault) => println!("the record is BROKEN after them: {fault}"),
    }
}
