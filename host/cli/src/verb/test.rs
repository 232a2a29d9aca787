//! `test`: replays recorded runs of an agent, which are kept as cases beside its code, without a network.

use std::path::{Path, PathBuf};

use ::run::{Case, HomePlace, Rebuilt};
use package::{ComponentSource, ResolvedAgent};
use serde::Serialize;
use vocabulary::exit;

use super::ConfigArg;
use crate::building::{self, HeldAgent};
use crate::err::CliError;
use crate::out::OutError;
use crate::screen::Screen;
use crate::{files, log, out, place, trusting, words};
use service::{Configured, TrustWord};

/// BOUND: bytes of a case; a durable run keeps 64 MiB, and base 64 adds a third.
const CASE_BYTES_MAX: u64 = 256 << 20;

/// Replay an agent's cases without a network, to check that it still does the same
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The name of an agent in `bailiwick.toml`; without one, every agent that has cases
    agent: Option<String>,
    /// Keep this run as a case, and replay nothing
    #[arg(long, value_name = "RUN", requires = "agent")]
    keep: Option<String>,
    /// The name of the case
    #[arg(long, value_name = "NAME", requires = "keep", default_value = "first")]
    name: String,
    #[command(flatten)]
    config: ConfigArg,
    /// Use this configuration for this command, although `bailiwick trust` was not run for it
    #[arg(long)]
    trust: bool,
    /// Print one JSON document for each case
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  bailiwick run my-agent --durable       let it do something worth keeping
  bailiwick test my-agent --keep 01K8M3 --name two-pages
  bailiwick test my-agent                after a change: check that asks and end are the same
  bailiwick test --trust --json          in CI

A case is a file in the folder `cases` of the agent. It contains, unencrypted, everything that the run was shown: inputs, answers, files. \
The exit code is 9 if something differs.";

#[derive(Serialize)]
struct Played {
    agent: String,
    case: String,
    same: bool,
    differs: Option<String>,
}

pub(crate) async fn run(args: Args) -> Result<u8, CliError> {
    let place = place::place()?;
    let configured = Configured::load(args.config.config.as_deref(), &place)?;
    if let (Some(name), Some(run)) = (&args.agent, &args.keep) {
        return keep(&place, configured.agent(name)?, run, &args);
    }
    let names = match &args.agent {
        Some(name) => vec![name.as_str()],
        None => configured.resolved.agents.keys().map(String::as_str).collect(),
    };
    let trusted = trusting::recorded(trusting::proof(&configured, &place, TrustWord::of_flag(args.trust), &names)?, &place).await?;
    let (mut played, mut same) = (0_u64, true);
    for name in names {
        let agent = configured.agent(name)?;
        let cases = cases(agent)?;
        if cases.is_empty() {
            continue;
        }
        let expected = service::check_before_build(&configured, &place, name)?;
        let holding = HeldAgent { expected: expected.as_ref(), ..HeldAgent::default() };
        let obtained = building::obtain(&place, (name, agent), &trusted, &mut Screen::new(), holding).await?;
        configured.hold(&place, &trusted, name, &obtained)?;
        let component = obtained.keep(&place)?;
        for file in cases {
            let case = Case::parse(&files::read_bounded(&file, CASE_BYTES_MAX)?);
            let case = case.map_err(|why| CliError::Case { file: file.clone(), why })?;
            let rebuilt = case.play(&place, &place::host_options(), component).await?;
            same &= rebuilt.divergence.is_none();
            played += 1;
            tell(name, &file, &rebuilt, args.json)?;
        }
    }
    if played == 0 {
        return Err(CliError::NoCases);
    }
    Ok(if same { exit::DONE } else { exit::DIVERGED })
}

fn tell(agent: &str, file: &Path, rebuilt: &Rebuilt, json: bool) -> Result<(), OutError> {
    let case = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let differs = rebuilt.divergence.as_ref().map(ToString::to_string);
    if json {
        return out::json_line(&Played { agent: agent.to_owned(), case, same: differs.is_none(), differs });
    }
    let verdict = differs.map_or_else(|| "ok".to_owned(), |differs| format!("DIFFERS  {}", words::safe(&differs)));
    out::line(&format!("{agent}/{}  {verdict}", words::safe(&case)))
}

#[expect(clippy::disallowed_methods, reason = "door: an agent's cases, which the operator asked for")]
fn keep(place: &HomePlace, agent: &ResolvedAgent, run: &str, args: &Args) -> Result<u8, CliError> {
    let named_plainly = !args.name.is_empty() && args.name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
    if !named_plainly {
        return Err(CliError::NotACaseName(args.name.clone()));
    }
    let run = log::run_id(&log::reader(place)?, run)?;
    let folder = folder(agent);
    std::fs::create_dir_all(&folder).map_err(CliError::file("make", &folder))?;
    let file = folder.join(format!("{}.json", args.name));
    out::file(&file, &Case::keep(place, run)?)?;
    out::words(&format!("kept in {}", words::safe(&file.to_string_lossy())));
    Ok(exit::DONE)
}

/// The folder of the cases, beside the agent's code.
fn folder(agent: &ResolvedAgent) -> PathBuf {
    match &agent.component {
        ComponentSource::Folder(folder) => folder.join("cases"),
        ComponentSource::File(file) => file.with_extension("cases"),
    }
}

/// The cases in the order of their names; none if there is no such folder.
#[expect(clippy::disallowed_methods, reason = "door: an agent's cases, which the operator asked for")]
fn cases(agent: &ResolvedAgent) -> Result<Vec<PathBuf>, CliError> {
    let folder = folder(agent);
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    let entries = std::fs::read_dir(&folder).map_err(CliError::file("list", &folder))?;
    let mut cases =
        entries.map(|entry| entry.map(|entry| entry.path())).collect::<Result<Vec<_>, _>>().map_err(CliError::file("list", &folder))?;
    cases.retain(|case| case.extension().is_some_and(|extension| extension == "json"));
    cases.sort();
    Ok(cases)
}
