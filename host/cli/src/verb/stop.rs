//! `stop`: ends a run that is running in another terminal, or that was cut off; or stops agents as a whole.

use std::time::Duration;

use ::run::{RunError, StopReport, own_principal};
use serde::Serialize;
use vocabulary::{Digest, Principal, RunId, SafeText, Stoppable, UnknownAct, exit, is_name};

use super::settle::{WordArgs, settle};
use crate::err::{CliError, StopError};
use crate::signals::Signals;
use crate::{leave, log, out, place, words};
use service::{HostHandle, ServiceError};

/// The time between two checks whether the run has ended, and the number of checks.
const AGAIN: Duration = Duration::from_millis(5);
const TIMES: u32 = 2000;
/// BOUND: hosts that are asked one after the other.
const HOLDERS_MAX: u32 = 5;

/// Agents as a whole.
#[derive(Debug, clap::Args)]
pub(crate) struct What {
    /// The agents of this name
    #[arg(long, value_name = "NAME", value_parser = agent_name, conflicts_with_all = ["digest", "all"])]
    agent: Option<String>,
    /// The agents with this component, whatever their names
    #[arg(long, value_name = "DIGEST", value_parser = digest, conflicts_with = "all")]
    digest: Option<Digest>,
    /// Every agent
    #[arg(long)]
    all: bool,
}

impl What {
    /// What is named; `None` if nothing is.
    pub(crate) fn named(&self) -> Option<Stoppable> {
        named(self.agent.as_deref(), self.digest, self.all)
    }
}

fn named(agent: Option<&str>, digest: Option<Digest>, all: bool) -> Option<Stoppable> {
    let agent = agent.map(|name| Stoppable::Agent(SafeText::new(name, 64)));
    agent.or(digest.map(Stoppable::Digest)).or(all.then_some(Stoppable::All))
}

fn agent_name(text: &str) -> Result<String, String> {
    let form = "the name of an agent has lower-case letters, digits and hyphens, a letter first, 64 at most";
    if is_name(text) { Ok(text.to_owned()) } else { Err(form.to_owned()) }
}

fn digest(text: &str) -> Result<Digest, String> {
    text.parse().map_err(|_| "write the whole digest of the component: `sha256:` and 64 hexadecimal digits".to_owned())
}

/// End a run, or stop agents as a whole
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// A run; the first or last letters of its id are enough, or `latest`
    #[arg(conflicts_with_all = ["agent", "digest"])]
    run: Option<String>,
    /// Stop the agents of this name: end their runs, and start none until `bailiwick enable`
    #[arg(long, value_name = "NAME", value_parser = agent_name, conflicts_with_all = ["digest", "all", "settle"])]
    agent: Option<String>,
    /// Stop the agents with this component, whatever their names
    #[arg(long, value_name = "DIGEST", value_parser = digest, conflicts_with_all = ["all", "settle"])]
    digest: Option<Digest>,
    #[command(flatten)]
    word: WordArgs,
    /// Print what was stopped as JSON
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  bailiwick ps
  bailiwick stop 01K8M3
  bailiwick stop 01K8M3 --settle did-not          closes one that was cut off
  bailiwick stop 01K8M3 --settle did --op 6,8     where `ps` names several
  bailiwick stop --agent rotate-secret            all of its runs, and none starts again
  bailiwick stop --digest sha256:5f0c…            wherever this component runs
  bailiwick stop --all                            everything in this home

Returns when the run has ended. After that it asks for nothing more, and the record says who stopped it. A run that was cut off \
is closed even if it could not be resumed; the record says why it could not. If it is unknown whether an act of the run happened, say what \
you found out (`--settle`). Each answer is recorded at once, and the last one closes the run.

What is stopped with `--agent`, `--digest` or `--all` (without a run) does not run again until a person enables it: `bailiwick enable`. \
Leases are ended, requests are cut, and suspended runs are ended too. Exit: 8 if a run could not be ended, because acts of it must be settled.";

#[derive(Serialize)]
struct Stopped {
    run: RunId,
    by: Principal,
    /// The acts that were settled.
    settled: Vec<UnknownAct>,
}

pub(crate) async fn run(args: &Args) -> Result<u8, CliError> {
    let place = place::place()?;
    let Some(run) = &args.run else { return stop_agents(args, &place).await };
    let run = log::run_id(&log::reader(&place)?, run)?;
    let mut signals = Signals::new()?;
    // If no process holds the home, no run is active. Then this process takes the home, to close a run that was cut off.
    let mut host = signals.or(HostHandle::find(&place, &place::host_options())).await?;
    let ended = signals.or(end(&mut host, run, &args.word)).await;
    let left = leave::leave(host, &mut signals).await;
    let settled = ended?;
    left?;
    let words = format!("run {run} has ended");
    if args.json {
        out::json(&Stopped { run, by: own_principal(), settled })?
    } else {
        out::words(&words)
    }
    Ok(exit::DONE)
}

/// The JSON document of agents that were stopped.
#[derive(Serialize)]
struct StoppedAgents {
    by: Principal,
    what: Stoppable,
    #[serde(flatten)]
    report: StopReport,
}

async fn stop_agents(args: &Args, place: &::run::HomePlace) -> Result<u8, CliError> {
    let what = named(args.agent.as_deref(), args.digest, args.word.all && !args.word.is_said()).ok_or(StopError::StopWhat)?;
    let mut signals = Signals::new()?;
    // A signal does not take back half of it: what is recorded holds in any case.
    let mut host = signals.or(HostHandle::find(place, &place::host_options())).await?;
    let mut stopped = host.stop_agents(what.clone()).await;
    for _ in 0..HOLDERS_MAX {
        match stopped {
            Err(ServiceError::HostGone(_) | ServiceError::Run(RunError::Leaving)) => {
                host.find_again(&place::host_options()).await?;
                stopped = host.stop_agents(what.clone()).await;
            }
            other => {
                stopped = other;
                break;
            }
        }
    }
    let left = leave::leave(host, &mut signals).await;
    let report = stopped?;
    left?;
    let code = if report.left.is_empty() { exit::DONE } else { exit::UNSETTLED };
    if args.json {
        out::json(&StoppedAgents { by: own_principal(), what, report })?;
        return Ok(code);
    }
    let again = if report.was_stopped { " (it was stopped before)" } else { "" };
    out::words(&format!("{what} is stopped{again}"));
    let ended = words::many(report.ended.len() as u64, "run has ended", "runs have ended");
    out::words(&format!("  {ended}, {}", words::many(report.leases.len() as u64, "lease was revoked", "leases were revoked")));
    for left in &report.left {
        out::words(&format!("  run {} is left: {}", left.run, words::safe(left.why.as_str())));
    }
    out::words(&format!("  to let it run again: bailiwick enable {}", what.option()));
    Ok(code)
}

/// Records the statement on acts, if there is one, and ends the run. Returns the acts that were settled.
///
/// If the host exits meanwhile, the run has not ended: its client may continue it elsewhere, or it is closed here.
async fn end(host: &mut HostHandle, run: RunId, word: &WordArgs) -> Result<Vec<UnknownAct>, CliError> {
    let settled = settle(host, run, word).await?;
    let mut was_told = false;
    for _ in 0..HOLDERS_MAX {
        let ended = match host.stop(run).await {
            Ok(true) => {
                was_told = true;
                wait(host, run).await
            }
            // An earlier host was told to end the run and has done so.
            Ok(false) if was_told => return Ok(settled),
            Ok(false) => return Err(CliError::Ended(run)),
            Err(err) => Err(err.into()),
        };
        match ended {
            Err(err) if is_gone(&err) => host.find_again(&place::host_options()).await?,
            ended => return ended.map(|()| settled),
        }
    }
    Err(CliError::NotEnding(run))
}

/// Whether the host exited meanwhile. Then another process may hold the home.
fn is_gone(err: &CliError) -> bool {
    matches!(err, CliError::Run(RunError::Leaving)) || matches!(err.service(), Some(ServiceError::HostGone(_)))
}

async fn wait(host: &HostHandle, run: RunId) -> Result<(), CliError> {
    for _ in 0..TIMES {
        if !host.going().await?.iter().any(|(other, _)| *other == run) {
            return Ok(());
        }
        tokio::time::sleep(AGAIN).await;
    }
    Err(CliError::NotEnding(run))
}
