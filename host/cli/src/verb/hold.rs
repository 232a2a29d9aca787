//! `hold` and `release`: keep the records of a run, whatever the rules of `prune` say.

use ::run::HoldSaid;
use serde::Serialize;
use vocabulary::{RunId, exit};

use crate::err::CliError;
use crate::{log, out, place, words};
use service::HostHandle;

/// Keep the records of a run, whatever the rules of `prune` say
#[derive(Debug, clap::Args)]
#[command(after_help = HOLD)]
pub(crate) struct Args {
    /// A run; the first or last letters of its id are enough, or `latest`. Without a run: list the runs on hold
    run: Option<String>,
    /// Why the run is kept; the text is recorded
    #[arg(long, value_name = "TEXT", requires = "run", value_parser = super::said)]
    reason: Option<String>,
    /// Print it as JSON
    #[arg(long)]
    json: bool,
}

/// Let `prune` remove the records of a run again
#[derive(Debug, clap::Args)]
#[command(after_help = RELEASE)]
pub(crate) struct ReleaseArgs {
    /// A run that is on hold
    run: String,
    /// Print it as JSON
    #[arg(long)]
    json: bool,
}

const HOLD: &str = "\
Examples:
  bailiwick hold 01K8M3 --reason 'case 4711'
  bailiwick hold                         which runs are on hold, and why
  bailiwick release 01K8M3

A hold keeps the segment in which the run begins, all segments after it, and what the run has sealed. The hold is recorded.";
const RELEASE: &str = "\
Example:
  bailiwick release 01K8M3";

#[derive(Serialize)]
struct HeldRun {
    run: RunId,
    reason: String,
}

pub(crate) async fn run(args: &Args) -> Result<u8, CliError> {
    let place = place::place()?;
    let reader = log::reader(&place)?;
    let Some(run) = &args.run else {
        let course = gate::Course::read(&reader, &mut |_| {})?;
        let held: Vec<HeldRun> = course.holds().iter().map(|(run, reason)| HeldRun { run: *run, reason: reason.to_string() }).collect();
        if args.json {
            out::json(&held)?;
            return Ok(exit::DONE);
        }
        if held.is_empty() {
            out::words("no run is on hold");
        }
        held.iter().try_for_each(|held| out::line(&format!("{}  {}", held.run, words::safe(&held.reason))))?;
        return Ok(exit::DONE);
    };
    let run = log::run_id(&reader, run)?;
    let reason = args.reason.clone().ok_or(CliError::HoldWhy)?;
    said(&place, HoldSaid { run, reason: Some(reason.clone()) }).await?;
    if args.json {
        out::json(&HeldRun { run, reason })?;
    } else {
        out::words(&format!("run {run} is on hold"));
    }
    Ok(exit::DONE)
}

pub(crate) async fn release(args: &ReleaseArgs) -> Result<u8, CliError> {
    let place = place::place()?;
    let reader = log::reader(&place)?;
    let run = log::run_id(&reader, &args.run)?;
    if !gate::Course::read(&reader, &mut |_| {})?.holds().contains_key(&run) {
        return Err(CliError::NotHeld(run));
    }
    said(&place, HoldSaid { run, reason: None }).await?;
    if args.json {
        out::json(&serde_json::json!({ "run": run }))?;
    } else {
        out::words(&format!("run {run} is no longer on hold"));
    }
    Ok(exit::DONE)
}

async fn said(place: &::run::HomePlace, said: HoldSaid) -> Result<(), CliError> {
    let host = HostHandle::find(place, &place::host_options()).await?;
    let recorded = host.record_hold(said).await;
    let left = host.leave().await;
    recorded?;
    Ok(left?)
}
