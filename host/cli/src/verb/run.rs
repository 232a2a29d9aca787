//! `run`: runs an agent and shows its report.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use ::run::{HomePlace, TrustSaid};
use package::trust::HeldComponent;
use package::{ComponentSource, ResolvedAgent, Trusted};
use vocabulary::Severity;
use vocabulary::exit::Strictness;

use super::ConfigArg;
use crate::attend::{self, Beginning, Showing};
use crate::building::{self, HeldAgent};
use crate::err::CliError;
use crate::screen::Screen;
use crate::signals::Signals;
use crate::suspended::Detach;
use crate::{files, out, place, trusting};
use service::{Admitted, Call, Configured, HostHandle, Obtained, Proof, TrustWord};

mod shard;
mod watch;

/// Run an agent and show what it claims and what it did
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The name of the agent in `bailiwick.toml`
    agent: String,
    /// Its input: JSON for an agent, text for a command; `@FILE` reads a file, `-` standard input
    #[arg(long, value_name = "JSON|@FILE|-", allow_hyphen_values = true)]
    input: Option<String>,
    #[command(flatten)]
    config: ConfigArg,
    /// Use this configuration for this run, although `bailiwick trust` was not run for it
    #[arg(long)]
    trust: bool,
    /// End with 4 if anything was refused, even if the agent continued
    #[arg(long)]
    strict: bool,
    /// Keep what it sees, so that it can be resumed even if it only reads
    #[arg(long)]
    durable: bool,
    /// Run under this engagement of the configuration, which limits everything that the agent asks for
    #[arg(long, value_name = "NAME")]
    engagement: Option<String>,
    /// Print the report as one JSON document
    #[arg(long)]
    json: bool,
    /// Write the findings as SARIF 2.1.0
    #[arg(long, value_name = "FILE")]
    sarif: Option<PathBuf>,
    /// End with 10 if there is a finding of this severity or a higher one
    #[arg(long, value_name = "SEVERITY", value_parser = severity)]
    fail_on: Option<Severity>,
    /// Split the work among this many runs at once, for an agent whose input has the key `shard`
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=64), default_value_t = 1)]
    shard: u32,
    /// Build and run it again whenever its source has changed, until Ctrl-C; the configuration is read only once
    #[arg(long)]
    watch: bool,
    /// End with 7 when the run is suspended because its agent sleeps for long, and leave it; a run that only reads also needs `--durable`.
    /// A run that is left writes no `--sarif` and ignores `--fail-on`
    #[arg(long, conflicts_with = "watch")]
    detach: bool,
    /// For a command: its arguments
    #[arg(last = true)]
    args: Vec<String>,
}

const EXAMPLES: &str = "\
Examples:
  bailiwick run leak-scan                                with what bailiwick.toml grants it, and no more
  bailiwick run leak-scan --trust                        in a fresh checkout: trust this file once
  bailiwick run leak-scan --input '{\"root\": \"/src/docs\"}'
  bailiwick run leak-scan --input @input.json --json > report.json
  bailiwick run leak-scan --sarif found.sarif --fail-on high
  bailiwick run leak-scan --shard 4                      on four cores, with one report
  bailiwick run my-agent --watch                         while you write it
  bailiwick run nightly --durable --detach               leave it when it sleeps; `wait` shows its end
  bailiwick run wordcount --input - -- --lines < words   a command: arguments and standard input

The report goes to stderr, what a command prints goes to stdout. Ctrl-C ends the run, and this is recorded.";

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
    let Proof { trusted, to_record } = trusting::proof_with(&configured, &place, word, &[&args.agent], components)?;
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

/// What the command line asks for, and what is needed to do it.
struct Job<'a> {
    args: &'a Args,
    agent: &'a ResolvedAgent,
    configured: &'a Configured,
    place: &'a HomePlace,
    trusted: &'a Trusted,
}

impl Job<'_> {
    /// Builds, runs and reports. Returns the exit code. A signal ends the build, and later the run. A decision on the command line is
    /// recorded before anything of the agent is built or run.
    async fn once(&self, signals: &mut Signals, First { ready, mut to_record }: First) -> Result<u8, CliError> {
        let name = &self.args.agent;
        service::admit_early(name, self.agent)?;
        let expected = service::check_before_build(self.configured, self.place, name)?;
        if let ComponentSource::Folder(_) = &self.agent.component
            && let Some(said) = to_record.take()
        {
            trusting::record(self.place, said).await?;
        }
        let mut screen = Screen::new();
        let holding = HeldAgent { expected: expected.as_ref(), signals: Some(&mut *signals) };
        let obtained = match ready {
            Some(ready) => ready,
            None => building::obtain(self.place, (name, self.agent), self.trusted, &mut screen, holding).await?,
        };
        drop(screen);
        if let Some(means) = signals.pending() {
            return Err(CliError::EndedEarly { means });
        }
        // If the decision is still to be recorded, the host records it with the run.
        let runs = self.runs(&obtained, to_record.is_some())?;
        obtained.keep(self.place)?;
        let showing = self.showing(obtained.is_agent());
        drop(obtained);
        let host = signals.or(HostHandle::find(self.place, &place::host_options())).await?;
        let beginnings = runs.into_iter().map(|run| Beginning::Start(Box::new(run))).collect();
        attend::attend(host, beginnings, name, showing, signals).await
    }

    /// One run, or one for each shard.
    fn runs(&self, obtained: &Obtained, is_to_be_recorded: bool) -> Result<Vec<Admitted>, CliError> {
        let Args { agent: name, args, durable, engagement, .. } = self.args;
        let input = input(self.args.input.as_deref(), obtained, self.agent.limits.input_bytes)?;
        let call = Call { args: args.clone(), durable: *durable, engagement: engagement.clone(), input };
        let mut run = service::admit(self.place, self.configured, self.trusted, (name, obtained), call)?;
        if !is_to_be_recorded {
            run = run.recorded();
        }
        let runs: Vec<Admitted> = match self.args.shard {
            1 => vec![run],
            many => shard::inputs(name, &run, many)?.into_iter().map(|input| run.with_input(input)).collect(),
        };
        runs.iter().try_for_each(Admitted::check_input)?;
        Ok(runs)
    }

    fn showing(&self, is_agent: bool) -> Showing {
        let Args { json, strict, sarif, fail_on, detach, .. } = self.args;
        let strictness = if *strict { Strictness::Strict } else { Strictness::Lenient };
        let detach = match (*detach, out::words_to_terminal()) {
            (true, _) => Detach::Always,
            (false, true) => Detach::Never,
            (false, false) => Detach::ForPeople,
        };
        Showing { json: *json, strictness, is_agent, sarif: sarif.clone(), fail_on: *fail_on, detach }
    }
}

/// A severity by its name.
fn severity(text: &str) -> Result<Severity, String> {
    serde_json::from_value(text.into()).map_err(|_| "one of info, low, medium, high, critical".to_owned())
}

/// The input as text. One byte more than allowed is read, to notice an input that is too large.
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
            Some(file) => files::read_some(Path::new(file), max.saturating_add(1))?,
            None => return Ok(given.to_owned()),
        },
    };
    // Checked first: an input that was cut may be neither text nor JSON.
    let read = bytes.len() as u64;
    if read > max {
        return Err(::run::RunError::InputTooLarge { bytes: read, max }.into());
    }
    String::from_utf8(bytes).map_err(|_| CliError::InputNotText)
}
