//! `run`: an agent, from its name to its report.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use ::run::{Holder, NetworkOrder, RunOrder};
use effect::Severity;

use super::ConfigArg;
use crate::agent::{self, Configured, Obtained, TrustWord};
use crate::attend::{self, Beginning, Showing};
use crate::err::CliError;
use crate::exit::Strictness;
use crate::place;
use crate::screen::Screen;
use crate::signals::Signals;

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
    /// Print the report as one JSON document
    #[arg(long)]
    json: bool,
    /// Write the findings as SARIF 2.1.0
    #[arg(long, value_name = "FILE")]
    sarif: Option<PathBuf>,
    /// End with 10 when something this bad or worse was found
    #[arg(long, value_name = "SEVERITY", value_parser = severity)]
    fail_on: Option<Severity>,
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
  bailiwick run wordcount --input - -- --lines < words   a command: arguments and standard input

The report goes to stderr, what a command prints to stdout. Ctrl-C ends the run, recorded.";

pub(crate) async fn run(args: Args) -> Result<u8, CliError> {
    let place = place::place()?;
    let configured = Configured::load(args.config.config.as_deref(), &place)?;
    let agent = configured.agent(&args.agent)?;
    let trusted = configured.trusted(&place, TrustWord::of_flag(args.trust))?;
    agent::admit_early(&args.agent, agent)?;
    let mut screen = Screen::new();
    let obtained = agent::obtain(&place, (&args.agent, agent), &trusted, &mut screen).await?;
    drop(screen);
    let effective = obtained.admit(&args.agent, agent)?;
    super::accept::check(&configured, &args.agent, obtained.component.digest, &effective.grants)?;
    if obtained.is_agent() && !args.args.is_empty() {
        return Err(CliError::ArgumentsForAgent { agent: args.agent });
    }
    let network = if effective.grants.http.is_empty() { NetworkOrder::default() } else { agent::network(&configured.resolved.network)? };
    let order = RunOrder {
        agent: obtained.reference(&args.agent),
        args: args.args,
        by: place::by(),
        config: Some(trusted.digest()),
        durable: args.durable || agent.durable,
        grants: effective.grants,
        input: input(args.input.as_deref(), &obtained, agent.limits.input_bytes)?,
        input_schema: obtained.component.manifest.as_ref().and_then(|manifest| manifest.input.clone()),
        is_agent: obtained.is_agent(),
        limits: agent.limits.clone(),
        network,
    };
    order.check_input()?;
    package::store::put(&place.home, &obtained.bytes)?;
    let strictness = if args.strict { Strictness::Strict } else { Strictness::Lenient };
    let showing = Showing { json: args.json, strictness, is_agent: obtained.is_agent(), sarif: args.sarif, fail_on: args.fail_on };
    drop(obtained);
    let signals = Signals::new()?;
    let holder = Holder::find(&place, &place::house_options()).await?;
    attend::attend(holder, Beginning::Start(Box::new(order)), &args.agent, showing, signals).await
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
