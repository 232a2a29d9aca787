//! `accept`: pins an agent and everything that it may cause in `bailiwick.lock`. `run` refuses anything else.

use std::path::{Path, PathBuf};

use ::run::{HomePlace, TrustChange, TrustSaid, own_principal};
use package::lock::{self, AcceptanceLock, Accepted};
use package::trust::{Acceptance, HeldComponent};
use package::{ComponentSource, Difference, config, trust};
use serde::Serialize;
use vocabulary::{Digest, exit};

use super::ConfigArg;
use crate::building::{self, HeldAgent};
use crate::err::CliError;
use crate::out::OutError;
use crate::screen::Screen;
use crate::{out, place, trusting, words};
use service::{Configured, TrustWord, held, now_s};

/// Pin an agent and everything that it may cause, and show what has changed
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES, args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(crate) struct Args {
    #[command(subcommand)]
    what: Option<What>,
    /// The name of the agent in `bailiwick.toml`
    #[arg(required = true)]
    agent: Option<String>,
    #[command(flatten)]
    config: ConfigArg,
    /// Use this configuration for this command, although `bailiwick trust` was not run for it
    #[arg(long)]
    trust: bool,
    /// Print the difference as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// List the accepted agents: in the lock of this folder, and in this home
    #[command(after_help = LS)]
    Ls {
        #[command(flatten)]
        config: ConfigArg,
        /// Print them as JSON
        #[arg(long)]
        json: bool,
    },
    /// Withdraw an acceptance, so that the agent is no longer pinned
    #[command(after_help = RM)]
    Rm {
        /// The name of the agent in `bailiwick.toml`
        agent: String,
        #[command(flatten)]
        config: ConfigArg,
        /// Print what is no longer pinned as JSON
        #[arg(long)]
        json: bool,
    },
}

const EXAMPLES: &str = "\
Examples:
  bailiwick inspect leak-scan            first look at it
  bailiwick accept leak-scan             then pin it in bailiwick.lock
  bailiwick accept ls
  bailiwick accept rm leak-scan

From then on, any change is refused until it is accepted: another component or source, other grants, variables, limits, certificates. \
An agent that was never accepted is not pinned. The decision is recorded.";
const LS: &str = "\
Example:
  bailiwick accept ls --json";
const RM: &str = "\
Example:
  bailiwick accept rm leak-scan";

#[derive(Serialize)]
struct Pinned {
    agent: String,
    digest: Digest,
    authority: Vec<String>,
    /// Absent for an agent that was not pinned before.
    difference: Option<Difference>,
}

pub(crate) async fn run(args: Args) -> Result<u8, CliError> {
    let place = place::place()?;
    match args.what {
        Some(What::Ls { config, json }) => ls(&place, &config, json),
        Some(What::Rm { agent, config, json }) => rm(&place, &agent, &config, json).await,
        None => accept(&place, args.agent.as_deref().unwrap_or_default(), &args).await,
    }
}

async fn accept(place: &HomePlace, name: &str, args: &Args) -> Result<u8, CliError> {
    let configured = Configured::load(args.config.config.as_deref(), place)?;
    let agent = configured.agent(name)?;
    let trusted = trusting::recorded(trusting::proof(&configured, place, TrustWord::of_flag(args.trust), &[name])?, place).await?;
    let (mut authority, pin) = service::of_source(&configured, name)?;
    let mut screen = Screen::new();
    let holding = HeldAgent { expected: pin.as_ref(), ..HeldAgent::default() };
    let obtained = building::obtain(place, (name, agent), &trusted, &mut screen, holding).await?;
    drop(screen);
    obtained.admit(name, agent)?;
    if let Some(built) = &obtained.pin {
        // The source is accepted as it was built: the build may have created a `Cargo.lock`.
        authority = authority.held_to_source(built.source, built.tools.clone());
    }
    let component = match &agent.component {
        ComponentSource::File(_) => Some(HeldComponent::of(&obtained.component)),
        ComponentSource::Folder(_) => None,
    };
    authority = held(&authority, component.as_ref());
    let config = &configured.authored.file;
    let mut lock = AcceptanceLock::load(config)?;
    let spelling = &configured.spelling;
    let difference = lock.accepted(name).map(|was| Difference::between(&was.authority, &authority, spelling));
    let pinned = Pinned { agent: name.to_owned(), digest: obtained.component.digest, authority: authority.lines(spelling), difference };
    let (by, when) = (own_principal().to_string(), now_s());
    let accepted = Accepted::new(authority, &by, when)?;
    let digest = accepted.digest;
    lock.put(name, accepted);
    let (lock_path, text) = (lock::path(config), lock.text()?);
    let here = Acceptance { agent: name.to_owned(), authority: digest, by, path: String::new(), when };
    let said = configured.said(TrustChange::Accepted { agent: name.to_owned(), authority: digest });
    trusting::decide(place, said, Some((&lock_path, &text)), |witness| {
        trust::accept(&place.home, (&configured.authored, &configured.whole), here, component, witness)?;
        Ok(lock.write(config)?)
    })
    .await?;
    show(&pinned, config, args.json)?;
    Ok(exit::DONE)
}

fn show(pinned: &Pinned, config: &Path, json: bool) -> Result<(), OutError> {
    if json {
        return out::json(pinned);
    }
    out::line(&format!("{}  {}", pinned.agent, pinned.digest))?;
    let told = match &pinned.difference {
        None => pinned.authority.iter().map(|line| format!("+ {line}")).collect(),
        Some(difference) => difference.lines(),
    };
    words::wrapped(&told, "  ").iter().try_for_each(|line| out::line(line))?;
    out::words(&format!("pinned in {}", words::safe(&lock::path(config).to_string_lossy())));
    Ok(())
}

/// One row of `accept ls`.
#[derive(Serialize)]
struct Listed {
    agent: String,
    /// The path of its configuration.
    config: String,
    /// The digest of everything that was accepted.
    authority: Digest,
    by: String,
    /// When it was accepted, in seconds since 1970.
    when: u64,
    /// Whether the lock beside the configuration has it; absent for other configurations than the present one.
    in_lock: Option<bool>,
    /// Whether it was accepted in this home.
    here: bool,
    /// Whether its configuration does not exist any more.
    gone: bool,
}

/// The path of the configuration. It need not exist any more.
fn config_file(config: &ConfigArg) -> Result<PathBuf, CliError> {
    let named = match &config.config {
        Some(file) => file.clone(),
        None => config::find(Path::new("."))?,
    };
    named.canonicalize().or_else(|_| std::path::absolute(&named)).map_err(CliError::file("find", &named))
}

fn ls(place: &HomePlace, config: &ConfigArg, json: bool) -> Result<u8, CliError> {
    let file = match (config_file(config), &config.config) {
        (Ok(file), _) => Some(file),
        (Err(err), Some(_)) => return Err(err),
        (Err(_), None) => None,
    };
    let lock = file.as_deref().map_or(Ok(AcceptanceLock::default()), AcceptanceLock::load)?;
    let here = trust::acceptance(&place.home)?;
    let mut listed = Vec::new();
    for (agent, accepted) in lock.agents() {
        let config = file.as_deref().unwrap_or(Path::new(""));
        let known = here.iter().any(|it| it.is_of(config, agent));
        let (by, when, authority) = (accepted.by.clone(), accepted.when, accepted.digest);
        let config = config.to_string_lossy().into_owned();
        listed.push(Listed { agent: agent.to_owned(), config, authority, by, when, in_lock: Some(true), here: known, gone: false });
    }
    for it in here {
        let is_of_file = file.as_deref().is_some_and(|file| it.is_of(file, &it.agent));
        if !is_of_file || lock.accepted(&it.agent).is_none() {
            let Acceptance { agent, authority, by, path: config, when } = it;
            let gone = !Path::new(&config).exists();
            listed.push(Listed { agent, config, authority, by, when, in_lock: is_of_file.then_some(false), here: true, gone });
        }
    }
    if json {
        out::json(&listed)?;
        return Ok(exit::DONE);
    }
    if listed.is_empty() {
        out::words("no agent was accepted, here or in the lock of this folder");
        return Ok(exit::DONE);
    }
    let mut table = vec![["AGENT", "AUTHORITY", "WHEN", "BY", "WHERE", "CONFIGURATION"].map(str::to_owned).to_vec()];
    table.extend(listed.iter().map(row));
    out::table(&table)?;
    if let Some(gone) = listed.iter().find(|it| it.gone) {
        let (agent, config) = (words::safe(&gone.agent), words::safe(&gone.config));
        out::command(&format!(
            "help: if a configuration is gone for good, withdraw the acceptance: `bailiwick accept rm {agent} --config {config}`"
        ));
    }
    Ok(exit::DONE)
}

fn row(listed: &Listed) -> Vec<String> {
    let place = match (listed.in_lock, listed.here) {
        _ if listed.gone => "home, CONFIGURATION GONE",
        (Some(true), true) => "lock and home",
        (Some(true), false) => "lock",
        (Some(false), _) => "home, GONE FROM THE LOCK",
        (None, _) => "home",
    };
    let (by, config) = (words::safe(&listed.by), words::safe(&listed.config));
    vec![
        words::safe(&listed.agent),
        words::digest(&listed.authority),
        words::utc(listed.when.saturating_mul(1000)),
        by,
        place.to_owned(),
        config,
    ]
}

async fn rm(place: &HomePlace, agent: &str, config: &ConfigArg, json: bool) -> Result<u8, CliError> {
    let file = config_file(config)?;
    let mut lock = AcceptanceLock::load(&file)?;
    let here = trust::acceptance(&place.home)?.into_iter().find(|accepted| accepted.is_of(&file, agent));
    let in_lock = lock.accepted(agent).map(|accepted| accepted.digest);
    let Some(authority) = here.map(|here| here.authority).or(in_lock) else {
        return Err(CliError::NeverAccepted { agent: agent.to_owned(), config: file });
    };
    let path = file.to_string_lossy().into_owned();
    let change = TrustChange::Unaccepted { agent: agent.to_owned(), authority: Some(authority) };
    let was_pinned = lock.take_out(agent);
    let (lock_path, text) = (lock::path(&file), lock.text()?);
    let pinned = was_pinned.then_some((lock_path.as_path(), text.as_str()));
    trusting::decide(place, TrustSaid { path: path.clone(), change }, pinned, |witness| {
        trust::unaccept(&place.home, &file, agent, witness)?;
        if was_pinned { Ok(lock.write(&file)?) } else { Ok(()) }
    })
    .await?;
    if json {
        out::json(&serde_json::json!({ "agent": agent, "authority": authority, "config": path }))?;
    } else {
        out::words(&format!("no longer pinned: {} of {}", words::safe(agent), words::safe(&path)));
    }
    Ok(exit::DONE)
}
