//! `audit touched`: every file, host and refusal, with counts and bytes, of one run or of many.

use std::path::PathBuf;

use gate::{FileName, Question, SearchResult, Searched, Times, Touched, Unknown, search};
use serde::Serialize;
use vocabulary::exit;

use super::show::since;
use crate::err::CliError;
use crate::gaps::GapLines;
use crate::{gaps, incomplete, log, out, place};

mod print;

/// Summarize every file, host and refusal, of one run or of many
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// A run; without one, all runs
    run: Option<String>,
    /// Only runs of this agent
    #[arg(long)]
    agent: Option<String>,
    /// Only runs that were opened at this time or later: `2026-10-02`, `2026-10-02T14:00:00Z`, `2h`
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Only requests to this host, with or without its port
    #[arg(long)]
    host: Option<String>,
    /// Only requests with this credential, and leases of it
    #[arg(long)]
    credential: Option<String>,
    /// Only this file, or what is in this folder: the agent's path, your path, or a path within a mount
    #[arg(long, value_name = "PATH")]
    file: Option<String>,
    /// Print it as one JSON document
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  bailiwick audit touched 01K8M3
  bailiwick audit touched --agent leak-scan --since 7d
  bailiwick audit touched --host api.example.com
  bailiwick audit touched --file /src/secrets --json

This is what the host recorded, not what agents say. A request is asked for; then it is refused or sent; what was sent is answered or not. \
An intent without an end counts as sent and as unknown, since it may have happened, until a person settles it. Then it counts under STATUS \
as `settled as happened`, or under FAILED if it did not happen. A name that is nowhere on the record is an error: for a misspelled name, \
an empty result would prove nothing.";

/// BOUND: names that are suggested for a name that does not exist.
const NEAR_MAX: usize = 3;
/// How similar a name must be to be suggested, from 0 to 1.
const NEAR: f64 = 0.7;

#[derive(Serialize)]
struct Document<'a> {
    #[serde(flatten)]
    touched: &'a Touched,
    /// What was searched.
    searched: Searched,
    /// The parts of the record that could not be read. What was touched there is not known.
    incomplete: Vec<String>,
    /// The parts of the record that a person had removed: set aside, pruned, or lost when an older copy was restored.
    gaps: Vec<gaps::Document>,
}

pub(crate) fn run(args: &Args) -> Result<u8, CliError> {
    let reader = log::reader(&place::place()?)?;
    let run = args.run.as_deref().map(|run| log::run(&reader, run)).transpose()?;
    let question = Question {
        agent: args.agent.clone(),
        credential: args.credential.clone(),
        file: args.file.as_deref().map(file_name),
        host: args.host.clone(),
        run: run.map(|(run, _)| run),
        since_ms: args.since.as_deref().map(since).transpose()?,
        times: if args.since.is_some() { log::times(&reader)? } else { Times::default() },
    };
    let SearchResult { touched, searched, unknown } = search(&reader, &question)?;
    if let (Some(text), 0) = (&args.run, searched.records)
        && args.agent.is_none()
        && args.since.is_none()
    {
        return Err(CliError::NoSuchRun(text.clone()));
    }
    if let Some(unknown) = unknown {
        return Err(not_on_record(unknown));
    }
    let gaps = run.map_or_else(|| GapLines::of(&reader), |run| GapLines::of_run(&reader, run))?.since(question.since_ms);
    gaps.say();
    if args.json {
        let incomplete = log::damage().iter().map(incomplete::damage_words).collect();
        out::json(&Document { touched: &touched, searched, incomplete, gaps: gaps.documents() })?;
        return Ok(exit::DONE);
    }
    print::touched(&touched)?;
    if touched.is_empty() {
        out::words(&format!("nothing was touched: {}", print::searched(&searched)));
    }
    Ok(exit::DONE)
}

/// What a person may mean by a path: also the file at that path on this machine, by its own name or by the name that a link leads to.
fn file_name(said: &str) -> FileName {
    let here = std::path::absolute(said).into_iter();
    let real = std::fs::canonicalize(said).into_iter();
    FileName { said: said.to_owned(), here: here.chain(real).collect::<Vec<PathBuf>>() }
}

fn not_on_record(unknown: Unknown) -> CliError {
    let Unknown { what, name, known } = unknown;
    let mut near: Vec<(f64, String)> = known.into_iter().map(|known| (strsim::jaro_winkler(&name, &known), known)).collect();
    near.retain(|(alike, _)| *alike >= NEAR);
    near.sort_by(|left, right| right.0.total_cmp(&left.0));
    CliError::NotOnRecord { what, name, near: near.into_iter().take(NEAR_MAX).map(|(_, name)| name).collect() }
}
