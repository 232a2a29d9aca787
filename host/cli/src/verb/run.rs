//! `run`: an agent, from its name to its report.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use ::run::{HomePlace, HostHandle, NetworkOrder, RunOrder, TrustSaid};
use package::trust::HeldComponent;
use package::{ComponentSource, ResolvedAgent, Trusted};
use vocabulary::Severity;

use super::ConfigArg;
use crate::agent::{self, HeldAgent, Obtained};
use crate::attend::{self, Beginning, Showing};
use crate::configured::{Configured, Proof, TrustWord, record};
use crate::err::CliError;
use crate::exit::Strictness;
use crate::screen::Screen;
use crate::signals::Signals;
use crate::{acceptance, leave, place};

mod shard;
mod watch;

/// Run an agent and show what it claims and what it did
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Its name in `bailiwick.toml`
    agent: String,
    /// What it is given: JSON for an agent, text for a command; `@FILE` reads a file, `-` standard input
    #[arg(long, value_name = "JSON|@FILE|-", allow_hyphen_values = true)]
    input: Option<String>,
    #[command(flatten)]
    config: ConfigArg,
    /// Use this configuration for this run, though nobody has said `bailiwick trust`
    #[arg(long)]
    trust: bool,
    /// End with 4 when anything was refused, though the agent went on
    #[arg(long)]
    strict: bool,
    /// Keep what it sees, so that it can be resumed though it only looks
    #[arg(long)]
    durable: bool,
    /// Under this engagement of the configuration, which bounds everything that is asked
    #[arg(long, value_name = "NAME")]
    engagement: Option<String>,
    /// Print the report as one JSON document
    #[arg(long)]
    json: bool,
    /// Write the findings as SARIF 2.1.0
    #[arg(long, value_name = "FILE")]
    sarif: Option<PathBuf>,
    /// End with 10 when something this bad or worse was found
    #[arg(long, value_name = "SEVERITY", value_parser = severity)]
    fail_on: Option<Severity>,
    /// Share the work among this many runs at once, for an agent that takes a `shard` in its input
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=64), default_value_t = 1)]
    shard: u32,
    /// Build and run it again whenever its source has changed, until Ctrl-C; the configuration stays what it is now
    #[arg(long)]
    watch: bool,
    /// For a command: its arguments
    #[arg(last = true)]
    args: Vec<String>,
}

const EXAMPLES: &str = "\
Examples:
  bailiwick run leak-scan                                what bailiwick.toml grants it, and no more
  bailiwick run leak-scan --trust                        in a fresh checkout: this file, this once
  bailiwick run leak-scan --input '{\"root\": \"/src/docs\"}'
  bailiwick run leak-scan --input @input.json --json > report.json
  bailiwick run leak-scan --sarif found.sarif --fail-on high
  bailiwick run leak-scan --shard 4                      on as many cores, with one report
  bailiwick run my-agent --watch                         while it is written
  bailiwick run wordcount --input - -- --lines < words   a command: arguments and standard input

The report goes to stderr, what a command prints to stdout. Ctrl-C ends the run, recorded.";

pub(crate) async fn run(args: Args) -> Result<u8, CliError> {
    let place = place::place()?;
    let configured = Configured::load(args.config.config.as_deref(), &place)?;
    let agent = configured.agent(&args.agent)?;
    let word = TrustWord::of_flag(args.trust);
    let ready = match &agent.component {
        ComponentSource::File(file) if word == TrustWord::ThisOnce => Some(Obtained::read(&place, file)?),
        ComponentSource::File(_) | ComponentSource::Folder(_) => None,
    };
    let components = ready.iter().map(|ready| (args.agent.clone(), HeldComponent::of(&ready.component))).collect();
    let Proof { trusted, to_record } = configured.proof_with(&place, word, &[&args.agent], components)?;
    let first = First { ready, to_record };
    let job = Job { agent, args: &args, configured: &configured, place: &place, trusted: &trusted };
    let mut signals = Signals::new()?;
    if args.watch { watch::watch(&job, &mut signals, first).await } else { job.once(&mut signals, first).await }
}

/// What only the first of several runs needs.
#[derive(Default)]
struct First {
    /// Its component, if it was read already.
    ready: Option<Obtained>,
    /// What was decided on the command line and must still be put on the record.
    to_record: Option<TrustSaid>,
}

/// What was asked for, with what it takes to do it.
struct Job<'a> {
    args: &'a Args,
    agent: &'a ResolvedAgent,
    configured: &'a Configured,
    place: &'a HomePlace,
    trusted: &'a Trusted,
}

impl Job<'_> {
    /// Builds, runs and reports. Returns the exit code. A signal ends the build, and later the run. What was decided on the command line is on the record before anything of the agent is built or run.
    async fn once(&self, signals: &mut Signals, First { ready, mut to_record }: First) -> Result<u8, CliError> {
        let name = &self.args.agent;
        agent::admit_early(name, self.agent)?;
        let expected = acceptance::check_before_build(self.configured, self.place, name)?;
        if let ComponentSource::Folder(_) = &self.agent.component
            && let Some(said) = to_record.take()
        {
            record(self.place, said).await?;
        }
        let mut screen = Screen::new();
        let holding = HeldAgent { expected: expected.as_ref(), signals: Some(&mut *signals) };
        let obtained = match ready {
            Some(ready) => ready,
            None => agent::obtain(self.place, (name, self.agent), self.trusted, &mut screen, holding).await?,
        };
        drop(screen);
        if let Some(means) = signals.pending() {
            return Err(CliError::EndedEarly { means });
        }
        self.configured.hold(self.place, self.trusted, name, &obtained)?;
        let orders = self.orders(&obtained)?;
        obtained.keep(self.place)?;
        let showing = self.showing(obtained.is_agent());
        drop(obtained);
        let host = signals.or(HostHandle::find(self.place, &place::host_options())).await?;
        if let Some(said) = to_record
            && let Err(err) = signals.or(host.record_trust(said)).await
        {
            // If it can't be recorded, that error says more than the errors that follow from it.
            let _ = leave::leave(host, signals).await;
            return Err(err);
        }
        let beginnings = orders.into_iter().map(|order| Beginning::Start(Box::new(order))).collect();
        attend::attend(host, beginnings, name, showing, signals).await
    }

    /// One order, or one a shard.
    fn orders(&self, obtained: &Obtained) -> Result<Vec<RunOrder>, CliError> {
        let order = self.order(obtained)?;
        let inputs = match self.args.shard {
            1 => vec![order.input.clone()],
            many => shard::inputs(&self.args.agent, &order, many)?,
        };
        let orders: Vec<RunOrder> = inputs.into_iter().map(|input| RunOrder { input, ..order.clone() }).collect();
        orders.iter().try_for_each(RunOrder::check_input)?;
        Ok(orders)
    }

    fn order(&self, obtained: &Obtained) -> Result<RunOrder, CliError> {
        let Args { agent: name, args, .. } = self.args;
        let mut effective = obtained.admit(name, self.agent)?;
        let engagement = self.args.engagement.as_deref();
        effective.grants.engagement = engagement.map(|name| self.configured.resolved.engagement(name).cloned()).transpose()?;
        if obtained.is_agent() && !args.is_empty() {
            return Err(CliError::ArgumentsForAgent { agent: name.clone() });
        }
        let network = if effective.grants.http.is_empty() && effective.grants.may.is_empty() {
            NetworkOrder::default()
        } else {
            agent::network(&self.configured.resolved.network)
        };
        Ok(RunOrder {
            agent: obtained.reference(name),
            args: args.clone(),
            config: Some(self.trusted.digest()),
            durable: self.args.durable || self.agent.durable,
            grants: effective.grants,
            input: input(self.args.input.as_deref(), obtained, self.agent.limits.input_bytes)?,
            input_schema: obtained.component.manifest.as_ref().and_then(|manifest| manifest.input.clone()),
            is_agent: obtained.is_agent(),
            limits: self.agent.limits.clone(),
            network,
        })
    }

    fn showing(&self, is_agent: bool) -> Showing {
        let Args { json, strict, sarif, fail_on, .. } = self.args;
        let strictness = if *strict { Strictness::Strict } else { Strictness::Lenient };
        Showing { json: *json, strictness, is_agent, sarif: sarif.clone(), fail_on: *fail_on }
    }
}

/// A severity by its name.
fn severity(text: &str) -> Result<Severity, String> {
    serde_json::from_value(text.into()).map_err(|_| "one of info, low, medium, high, critical".to_owned())
}

/// The input, as text. One byte more than is allowed is read, so that too much is seen.
fn input(given: Option<&str>, obtained: &Obtained, max: u64) -> Result<String, CliError> {
    let bytes = match given {
        None => return Ok(if obtained.is_agent() { "{}".to_owned() } else { String::new() }),
        Some("-") => {
            let mut bytes = Vec::new();
            let stdin = std::io::stdin().lock();
            stdin.take(max.saturating_add(1)).read_to_end(&mut bytes).map_err(CliError::file("read", Path::new("standard input")))?;
            bytes
        }
        Some(given) => match given.strip_prefix('@') {
            Some(file) => agent::read_some(Path::new(file), max.saturating_add(1))?,
            None => return Ok(given.to_owned()),
        },
    };
    // Before anything else is said of it: what was cut is neither text nor JSON.
    let read = bytes.len() as u64;
    if read > max {
        return Err(::run::RunError::InputTooLarge { bytes: read, max }.into());
    }
    String::from_utf8(bytes).map_err(|_| CliError::InputNotText)
}
