//! `check`: validates a configuration and shows what it would allow, without building or running anything.

use package::trust::HeldComponent;
use package::{AdmissionRow, AuthoredManifest, ComponentSource, Manifest, ResolvedAgent, Trusted, admission};
use run::{HomePlace, OutsideError};
use serde::Serialize;
use vocabulary::{Digest, SafeText, exit};

use super::ConfigArg;
use crate::err::CliError;
use crate::out::OutError;
use crate::{out, place, words};
use service::{Configured, Obtained, held};

/// Validate a configuration and show what each agent may do
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(flatten)]
    config: ConfigArg,
    /// Print the matrix as JSON
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  bailiwick check
  bailiwick check --config other.toml --json

Nothing is built, run or trusted. The configuration is checked like `run` checks it: against what was trusted, what was accepted, and what \
exists. The exit code is 2 if `run` would refuse an agent, and the error says why. Effective is what the agent declares and the file also \
grants. For a folder that was never built, `agent.toml` says what the agent declares.";

#[derive(Serialize)]
struct Matrix {
    file: String,
    digest: Digest,
    trusted: bool,
    agents: Vec<Agent>,
}

#[derive(Serialize)]
struct Agent {
    name: String,
    /// The digest of everything that the agent may cause, with its component or source: what `accept` pins. Absent if that could not be
    /// read, or if the agent is a folder of source in a configuration that is not trusted.
    authority: Option<Digest>,
    component: String,
    owner: Option<String>,
    purpose: Option<String>,
    expires: Option<String>,
    /// Whether the component, or its `agent.toml`, could be read. Otherwise it is unknown what the agent declares and imports.
    seen: bool,
    capabilities: Vec<AdmissionRow>,
    /// Why `run` would refuse the agent.
    problem: Option<String>,
}

pub(crate) fn run(args: &Args) -> Result<u8, CliError> {
    let place = place::place()?;
    let configured = Configured::load(args.config.config.as_deref(), &place)?;
    let proof = package::trust::find(&place.home, &configured.authored, &configured.whole)?;
    let trusted = proof.is_some();
    let (mut agents, mut refused) = (Vec::new(), Vec::new());
    for (name, agent) in &configured.resolved.agents {
        let seen = inspect(&place, (name, agent), &configured, proof.as_ref());
        agents.push(told((name, agent), &seen));
        refused.extend(seen.problem.map(|problem| (name.clone(), problem)));
    }
    let file = configured.authored.file.to_string_lossy().into_owned();
    let matrix = Matrix { file, digest: configured.authored.digest, trusted, agents };
    if args.json {
        out::json(&matrix)?;
    } else {
        print(&matrix)?;
        let words = if trusted { "trusted" } else { "not trusted: `bailiwick trust` allows it" };
        out::words(&format!("{} is well formed, and {words}", words::safe(&matrix.file)));
    }
    let outside = check_destinations(&place, &configured);
    match (refused.is_empty(), outside) {
        (true, outside) => outside.map(|()| exit::DONE),
        (false, Ok(())) => Err(CliError::WouldBeRefused(refused)),
        (false, Err(outside)) => {
            // The verb ends with one error, so the other one is printed before.
            outside.print();
            Err(CliError::WouldBeRefused(refused))
        }
    }
}

/// Fails if a value of the vault would be sent to a destination that is not set for it.
fn check_destinations(place: &HomePlace, configured: &Configured) -> Result<(), CliError> {
    let vault = run::local_vault(place, place::passphrase_file().as_deref());
    let agents = configured.resolved.agents.iter().map(|(name, agent)| (name.as_str(), &agent.grants));
    let bindings = run::outside(&vault, configured.resolved.credentials.values());
    let outside = match bindings.and_then(|found| Ok((found, run::outside_grants(&vault, agents)?))) {
        Ok((bindings, grants)) if bindings.is_empty() => {
            let (outside, in_part): (Vec<_>, Vec<_>) =
                grants.into_iter().partition(|it| matches!(it, OutsideError::Granted { wholly: true, .. }));
            in_part.iter().for_each(|it| out::words(&words::safe(&it.to_string())));
            outside
        }
        // If a binding leads elsewhere, the grants under it lead elsewhere too.
        Ok((bindings, _)) => bindings,
        Err(err) => {
            out::words(&format!("the destinations of values were not checked: {}", words::safe(&err.to_string())));
            return Ok(());
        }
    };
    if outside.is_empty() { Ok(()) } else { Err(CliError::Outside(outside)) }
}

/// What is known of an agent, and why `run` would refuse it.
struct CheckedAgent {
    /// `None` if the agent could not be read.
    rows: Option<Vec<AdmissionRow>>,
    authority: Option<Digest>,
    problem: Option<CliError>,
}

impl CheckedAgent {
    fn of(rows: Vec<AdmissionRow>, authority: Option<Digest>, holds: Result<(), CliError>) -> Self {
        Self { rows: Some(rows), authority, problem: holds.err() }
    }
}

fn inspect(place: &HomePlace, (name, agent): (&str, &ResolvedAgent), configured: &Configured, trusted: Option<&Trusted>) -> CheckedAgent {
    let held = match &agent.component {
        ComponentSource::Folder(folder) => AuthoredManifest::load(folder).map_err(CliError::from).map(|authored| {
            let holds =
                service::admit_early(name, agent).map_err(CliError::from).and_then(|()| hold_source(place, name, configured, trusted));
            // SECURITY: the digest of a source runs the operator's tools, which is only for trusted configurations.
            let authority = trusted.and_then(|_| service::of_source(configured, name).ok()?.0.digest().ok());
            CheckedAgent::of(rows(Some(&authored.manifest), &[], agent), authority, holds)
        }),
        ComponentSource::File(file) => Obtained::read(place, file).map_err(CliError::from).map(|it| {
            let holds = it.admit(name, agent).map_err(CliError::from).and_then(|_| hold_component(place, name, configured, trusted, &it));
            let component = HeldComponent::of(&it.component);
            let authority = configured.authority(name).ok().and_then(|authority| held(authority, Some(&component)).digest().ok());
            CheckedAgent::of(rows(it.component.manifest.as_ref(), &it.component.imports, agent), authority, holds)
        }),
    };
    held.unwrap_or_else(|problem| CheckedAgent { rows: None, authority: None, problem: Some(problem) })
}

/// Compares a folder of source with what was accepted of it. SECURITY: the comparison runs the operator's tools, which is only for trusted
/// configurations.
fn hold_source(place: &HomePlace, name: &str, configured: &Configured, trusted: Option<&Trusted>) -> Result<(), CliError> {
    configured.agent(name)?;
    match trusted {
        Some(_) => Ok(service::check_before_build(configured, place, name).map(drop)?),
        None => Ok(()),
    }
}

fn hold_component(
    place: &HomePlace,
    name: &str,
    configured: &Configured,
    trusted: Option<&Trusted>,
    obtained: &Obtained,
) -> Result<(), CliError> {
    configured.agent(name)?;
    Ok(trusted.map_or(Ok(()), |trusted| configured.hold(place, trusted, name, obtained))?)
}

fn told((name, agent): (&str, &ResolvedAgent), seen: &CheckedAgent) -> Agent {
    let (ComponentSource::File(source) | ComponentSource::Folder(source)) = &agent.component;
    Agent {
        authority: seen.authority,
        name: name.to_owned(),
        component: SafeText::new(&source.to_string_lossy(), 4096).to_string(),
        owner: agent.owner.clone(),
        purpose: agent.purpose.clone(),
        expires: agent.expires.map(|until| until.to_string()),
        seen: seen.rows.is_some(),
        capabilities: seen.rows.clone().unwrap_or_else(|| rows(None, &[], agent)),
        problem: seen.problem.as_ref().map(|err| words::safe(&err.to_string())),
    }
}

fn rows(manifest: Option<&Manifest>, imports: &[package::Import], agent: &ResolvedAgent) -> Vec<AdmissionRow> {
    admission::table(manifest, imports, &agent.grants)
}

fn print(matrix: &Matrix) -> Result<(), OutError> {
    if matrix.agents.is_empty() {
        out::words("the configuration names no agent");
        return Ok(());
    }
    let mut table = vec![["AGENT", "CAPABILITY", "DECLARED", "GRANTED", "EFFECTIVE"].map(str::to_owned).to_vec()];
    for agent in &matrix.agents {
        for row in &agent.capabilities {
            let declared = match (agent.seen, row.declared.is_some()) {
                (false, _) => "unknown",
                (true, true) => "yes",
                (true, false) => "no",
            };
            let is_same = agent.seen && row.granted == row.effective && !row.granted.is_empty();
            let lines = row.granted.len().max(row.effective.len()).max(1);
            for at in 0..lines {
                let first = |text: &str| if at == 0 { text.to_owned() } else { String::new() };
                let cell = |list: &[String]| list.get(at).cloned().unwrap_or_else(|| first("nothing"));
                table.push(vec![
                    first(&agent.name),
                    first(row.capability.as_str()),
                    first(declared),
                    cell(&row.granted),
                    match (agent.seen, is_same) {
                        (false, _) => first("unknown"),
                        (true, true) => first("as granted"),
                        (true, false) => cell(&row.effective),
                    },
                ]);
            }
        }
    }
    out::table(&table)
}
