//! `replay`: runs a recorded run again without any effect, and says whether it is identical.

use std::path::Path;

use ::run::{HomePlace, Rebuilding, rebuild};
use journal::Reader;
use serde::Serialize;
use vocabulary::record::{Object, Record};
use vocabulary::{Digest, RunId, exit};

use super::ConfigArg;
use super::inspect::looks_like_file;
use crate::building::{self, HeldAgent};
use crate::err::CliError;
use crate::gaps::{self, GapLines};
use crate::out::OutError;
use crate::screen::Screen;
use crate::{log, out, place, trusting, words};
use service::{Configured, Obtained, Proof, TrustWord};

/// Run a recorded run again without any effect, and say whether it is identical
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// A run; the first or last letters of its id are enough, or `latest`
    run: String,
    /// Use another component, to see where it would have asked differently
    #[arg(long, value_name = "FILE|AGENT")]
    with: Option<String>,
    #[command(flatten)]
    config: ConfigArg,
    /// Print the verdict as one JSON document
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  bailiwick replay 01K8M3                says `identical`, or shows the first difference
  bailiwick replay 01K8M3 --with ./new.wasm
  bailiwick replay 01K8M3 --with leak-scan

The component is the one that ran, which the home has kept. Files that were read but not kept are read again, so a file that has changed \
since counts as a difference. The exit code is 9 if something differs.";

#[derive(Serialize)]
struct ReplayVerdict {
    run: RunId,
    with: Option<Digest>,
    identical: bool,
    /// How the recorded run ended; absent for a run that was cut off, which is compared as far as it goes.
    outcome: Option<vocabulary::Outcome>,
    differs: Option<Differs>,
    compared: Compared,
    /// Parts of the run that a person had removed from the record.
    gaps: Vec<gaps::Document>,
}

#[derive(Serialize)]
struct Differs {
    seq: u64,
    recorded: String,
    now: String,
}

/// How much of the record was compared.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
struct Compared {
    asked: u64,
    refused: u64,
    let_go_of: u64,
    objects: u64,
    said: u64,
}

pub(crate) async fn run(args: Args) -> Result<u8, CliError> {
    let place = place::place()?;
    let reader = log::reader(&place)?;
    let (run, from) = log::run(&reader, &args.run)?;
    let gaps = GapLines::of_run(&reader, (run, from))?;
    let with = match &args.with {
        Some(with) => Some(other(&place, with, &args.config).await?),
        None => None,
    };
    let rebuilt = rebuild(&place, &place::host_options(), &Rebuilding { run, with }).await?;
    let differs = rebuilt.divergence.map(|it| Differs { seq: it.seq, recorded: it.recorded, now: it.rebuilt });
    let compared = Compared::of(&reader, run)?;
    let verdict =
        ReplayVerdict { run, with, identical: differs.is_none(), outcome: rebuilt.outcome, differs, compared, gaps: gaps.documents() };
    gaps.say();
    if args.json {
        out::json(&verdict)?
    } else {
        print(&verdict)?
    }
    Ok(if verdict.identical { exit::DONE } else { exit::DIVERGED })
}

/// The component of `--with`, which is kept in the home so that the rebuild can use it.
async fn other(place: &HomePlace, with: &str, config: &ConfigArg) -> Result<Digest, CliError> {
    let obtained = if looks_like_file(with) {
        Obtained::read(place, Path::new(with))?
    } else {
        let configured = Configured::load(config.config.as_deref(), place)?;
        let Proof { trusted, .. } = trusting::proof(&configured, place, TrustWord::SaidBefore, &[with])?;
        let expected = service::check_before_build(&configured, place, with)?;
        let holding = HeldAgent { expected: expected.as_ref(), ..HeldAgent::default() };
        let obtained = building::obtain(place, (with, configured.agent(with)?), &trusted, &mut Screen::new(), holding).await?;
        configured.hold(place, &trusted, with, &obtained)?;
        obtained
    };
    Ok(obtained.keep(place)?)
}

impl Compared {
    fn of(reader: &Reader, run: RunId) -> Result<Self, CliError> {
        let mut compared = Self::default();
        for record in reader.of_run(run) {
            let record = record?;
            if let Ok(body) = Record::parse(&record.body) {
                compared.take(&body);
            }
            if record.ends {
                break;
            }
        }
        Ok(compared)
    }

    fn take(&mut self, record: &Record) {
        match record {
            Record::Asked(asked) if !asked.again => self.asked += 1,
            Record::Refused(refused) => self.refused += refused.alike,
            Record::Delivered(delivered) => self.let_go_of += delivered.releases.len() as u64,
            Record::Observed(observed) => self.objects += observed.objects.iter().map(|object: &Object| object.times).sum::<u64>(),
            Record::Said(said) => self.said += said.claims.len() as u64,
            Record::Asked(_)
            | Record::Answered(_)
            | Record::Received(_)
            | Record::RunOpened(_)
            | Record::RunResumed(_)
            | Record::RunSuspended(_)
            | Record::ApprovalAsked(_)
            | Record::ApprovalVoted(_)
            | Record::ApprovalClosed(_)
            | Record::ClockChanged(_)
            | Record::ActSettled(_)
            | Record::RunClosed(_)
            | Record::LeaseIssued(_)
            | Record::HostAsked(_)
            | Record::HostAnswered(_)
            | Record::ValueMet(_)
            | Record::LeaseRevoked(_)
            | Record::LeaseProbed(_)
            | Record::CredentialChanged(_)
            | Record::ConfigTrusted(_)
            | Record::ConfigUntrusted(_)
            | Record::AgentAccepted(_)
            | Record::AgentUnaccepted(_)
            | Record::VaultSealed(_)
            | Record::RollbackAccepted(_)
            | Record::Restored(_)
            | Record::KeyRotated(_)
            | Record::RunReleased(_)
            | Record::Reanchored(_)
            | Record::Pruned(_)
            | Record::PayloadsForgotten(_)
            | Record::HoldSet(_)
            | Record::HoldLifted(_)
            | Record::Recovered(_) => {}
        }
    }
}

fn print(verdict: &ReplayVerdict) -> Result<(), OutError> {
    match &verdict.differs {
        None => {
            let Compared { asked, refused, let_go_of, objects, said } = verdict.compared;
            let parts = [
                words::many(asked, "ask", "asks"),
                words::many(refused, "refusal", "refusals"),
                words::many(objects, "look at files", "looks at files"),
                words::many(let_go_of, "event", "events"),
                words::many(said, "claim", "claims"),
            ];
            let how = if verdict.outcome.is_some() { "" } else { ", as far as the record goes" };
            out::line(&format!("identical{how}: {}", parts.join(", ")))
        }
        Some(differs) => {
            out::line(&format!("differs at record {}", differs.seq))?;
            out::line(&format!("  recorded  {}", words::safe(&differs.recorded)))?;
            out::line(&format!("  now       {}", words::safe(&differs.now)))
        }
    }
}
