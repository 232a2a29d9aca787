//! `resume`: goes on with a run that was cut off.

use ::run::{HomePlace, HostHandle, NetworkOrder};
use journal::Reader;
use vocabulary::RunId;
use vocabulary::record::{Record, RunOpened};

use super::ConfigArg;
use super::settle::{WordArgs, settle};
use crate::agent;
use crate::attend::{self, Beginning, Showing};
use crate::configured::Configured;
use crate::err::CliError;
use crate::exit::Strictness;
use crate::signals::Signals;
use crate::{leave, log, place};

/// Go on with a run that was cut off
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// A run; the first or last letters of its id are enough, or `latest`
    run: String,
    #[command(flatten)]
    word: WordArgs,
    /// Go on though the run was open in a copy of the home that was put back: what it did since may be done again
    #[arg(long)]
    restored: bool,
    #[command(flatten)]
    config: ConfigArg,
    /// End with 4 when anything was refused, though the agent went on
    #[arg(long)]
    strict: bool,
    /// Print the report as one JSON document
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  bailiwick ps                           which runs were cut off, and what waits to be settled
  bailiwick resume 01K8M3
  bailiwick resume 01K8M3 --settle did-not
  bailiwick resume 01K8M3 --settle did --op 6,8   where `ps` names several

What is on the record is answered from it, and what was under way is asked again only where that is harmless (GET, HEAD). Grants, limits \
and component are those that the run was opened with. A word on what nobody knows is kept as you say it, also where the run can't go on yet.";

pub(crate) async fn run(args: Args) -> Result<u8, CliError> {
    let place = place::place()?;
    let reader = log::reader(&place)?;
    let run = log::run_id(&reader, &args.run)?;
    let mut signals = Signals::new()?;
    let host = signals.or(HostHandle::find(&place, &place::host_options())).await?;
    // Each word is kept, whether or not the run can go on then.
    let ready = match signals.or(said(&host, run, &args)).await {
        Ok(()) => Ready::of(&args, &place, &reader, run),
        Err(err) => Err(err),
    };
    match ready {
        Ok(Ready { agent, network, showing }) => {
            attend::attend(host, vec![Beginning::Resume { run, network }], &agent, showing, &mut signals).await
        }
        Err(err) => {
            leave::leave(host, &mut signals).await?;
            Err(err)
        }
    }
}

/// Takes the person's words: on acts of which nobody knows, and on a run that was open in a copy.
async fn said(host: &HostHandle, run: RunId, args: &Args) -> Result<(), CliError> {
    settle(host, run, &args.word).await?;
    if args.restored {
        host.release(run).await?;
    }
    Ok(())
}

/// What is needed to go on with a run and to show its end.
struct Ready {
    agent: String,
    network: NetworkOrder,
    showing: Showing,
}

impl Ready {
    fn of(args: &Args, place: &HomePlace, reader: &Reader, run: RunId) -> Result<Self, CliError> {
        let opened = opened(reader, run)?;
        let network = network(&args.config, place, reader, &opened)?;
        let is_agent = package::store::get(&place.home, opened.agent.digest)
            .map_err(CliError::from)
            .and_then(|bytes| package::inspect(&bytes).map_err(|cause| CliError::Component { what: opened.agent.name.to_string(), cause }))
            .map(|component| component.kind == package::ComponentKind::Agent)?;
        let strictness = if args.strict { Strictness::Strict } else { Strictness::Lenient };
        let showing = Showing { json: args.json, strictness, is_agent, sarif: None, fail_on: None };
        Ok(Self { agent: opened.agent.name.to_string(), network, showing })
    }
}

/// What the run was opened with, as far as the record tells.
fn opened(reader: &Reader, run: RunId) -> Result<RunOpened, CliError> {
    for record in reader.of_run(run) {
        if let Ok(Record::RunOpened(opened)) = Record::parse(&record?.body) {
            return Ok(opened);
        }
    }
    Err(CliError::NoSuchRun(run.to_string()))
}

/// Name servers and certificates are not on the record. They are taken from the file that the run was started with, if it still allows what
/// was trusted for the run, or from a file that is trusted. Otherwise the system's are used.
fn network(config: &ConfigArg, place: &HomePlace, reader: &Reader, opened: &RunOpened) -> Result<NetworkOrder, CliError> {
    let configured = match (Configured::load(config.config.as_deref(), place), &config.config) {
        (Ok(configured), _) => configured,
        (Err(err), Some(_)) => return Err(err),
        (Err(_), None) => return Ok(NetworkOrder::default()),
    };
    let is_the_same = opened.config == Some(configured.authored.digest) && was_trusted(reader, &configured)?;
    if is_the_same || package::trust::find(&place.home, &configured.authored, &configured.whole)?.is_some() {
        return Ok(agent::network(&configured.resolved.network));
    }
    Ok(NetworkOrder::default())
}

/// Whether this configuration, with what it allows now, was trusted according to the record, even if only for one command.
fn was_trusted(reader: &Reader, configured: &Configured) -> Result<bool, CliError> {
    let (config, authority) = (configured.authored.digest, configured.whole.digest()?);
    for record in reader.of_run(journal::log_run()) {
        if let Ok(Record::ConfigTrusted(trusted)) = Record::parse(&record?.body)
            && (trusted.config, trusted.authority) == (config, authority)
        {
            return Ok(true);
        }
    }
    Ok(false)
}
