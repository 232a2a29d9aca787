//! `audit show`: records, in the order of the log.

use gate::Times;
use journal::{Position, Reader, Records};
use vocabulary::exit;
use vocabulary::record::RecordKind;

use crate::err::CliError;
use crate::gaps::GapLines;
use crate::log::{self, Shown};
use crate::{line, out, place, words};
use service::now_s;

/// Show records in the order of the log
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Only records of this run
    #[arg(long)]
    run: Option<String>,
    /// Only records of this time or later: `2026-10-02`, `2026-10-02T14:00:00Z`, `2h`
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Only records of this kind
    #[arg(long)]
    kind: Option<String>,
    /// Print one JSON document per line
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  bailiwick audit show --kind refused --since 1d
  bailiwick audit show --kind asked --json
  bailiwick audit show --run 01K8M3

Kinds: run-opened, run-suspended, run-resumed, act-settled, run-closed, asked, approval-asked, approval-voted, approval-closed, refused, answered, received, observed, delivered, said, lease-issued, \
lease-revoked, lease-probed, host-asked, host-answered, value-met, credential-changed, config-trusted, config-untrusted, agent-accepted, \
agent-unaccepted, vault-sealed, key-rotated, rollback-accepted, restored, run-released, reanchored, pruned, payloads-forgotten, hold-set, \
hold-lifted, recovered, clock-changed.\n\n`--since` uses the clock as it is now: if the clock was set, the times of earlier records are \
shifted accordingly.";

const KINDS: &[RecordKind] = &[
    RecordKind::RunOpened,
    RecordKind::RunSuspended,
    RecordKind::RunResumed,
    RecordKind::ActSettled,
    RecordKind::RunClosed,
    RecordKind::Asked,
    RecordKind::ApprovalAsked,
    RecordKind::ApprovalVoted,
    RecordKind::ApprovalClosed,
    RecordKind::Refused,
    RecordKind::Answered,
    RecordKind::Received,
    RecordKind::Observed,
    RecordKind::Delivered,
    RecordKind::Said,
    RecordKind::LeaseIssued,
    RecordKind::LeaseRevoked,
    RecordKind::LeaseProbed,
    RecordKind::HostAsked,
    RecordKind::HostAnswered,
    RecordKind::ValueMet,
    RecordKind::CredentialChanged,
    RecordKind::ConfigTrusted,
    RecordKind::ConfigUntrusted,
    RecordKind::AgentAccepted,
    RecordKind::AgentUnaccepted,
    RecordKind::VaultSealed,
    RecordKind::RollbackAccepted,
    RecordKind::Restored,
    RecordKind::KeyRotated,
    RecordKind::RunReleased,
    RecordKind::Reanchored,
    RecordKind::Pruned,
    RecordKind::PayloadsForgotten,
    RecordKind::HoldSet,
    RecordKind::HoldLifted,
    RecordKind::Recovered,
    RecordKind::ClockChanged,
];

pub(crate) fn run(args: &Args) -> Result<u8, CliError> {
    let reader = log::reader(&place::place()?)?;
    let run = args.run.as_deref().map(|run| log::run(&reader, run)).transpose()?;
    let since = args.since.as_deref().map(since).transpose()?;
    let kind = args.kind.as_deref().map(kind).transpose()?;
    let wanted = Wanted { times: log::times(&reader)?, since, kind, json: args.json };
    match (run, since, kind) {
        (Some((run, from)), ..) => wanted.show(reader.of_run_from(run, from), None)?,
        (None, Some(since), _) => wanted.show(reader.records_from(begins(&reader, &wanted.times, since)?), None)?,
        // Most kinds are rare: stretches without any are not read.
        (None, None, Some(kind)) => {
            for (from, end) in gate::stretches_with(&reader, kind) {
                wanted.show(reader.records_from(from), end)?;
            }
        }
        (None, None, None) => wanted.show(reader.records(), None)?,
    }
    let gaps = run.map_or_else(|| GapLines::of(&reader), |run| GapLines::of_run(&reader, run))?;
    gaps.since(since).end(args.json)?;
    Ok(exit::DONE)
}

/// The records that are shown.
struct Wanted<'a> {
    times: Times,
    since: Option<u64>,
    kind: Option<&'a str>,
    json: bool,
}

impl Wanted<'_> {
    /// Prints the wanted records, up to the record with the index `end`.
    fn show(&self, mut records: Records, end: Option<u64>) -> Result<(), CliError> {
        let mut at_ms = 0;
        for record in records.by_ref() {
            let record = record?;
            if end.is_some_and(|end| record.at.index >= end) {
                break;
            }
            if self.since.is_none() && !self.may_be(&record.body) {
                continue;
            }
            let shown = Shown::new(&record);
            // A record without a time of its own was written after the one before it.
            at_ms = shown.at_ms().map_or(at_ms, |at| self.times.of(shown.index, at));
            if self.since.is_some_and(|since| at_ms < since) || self.kind.is_some_and(|kind| shown.kind() != kind) {
                continue;
            }
            if self.json { out::json_line(&shown)? } else { out::line(&line::of(&shown, line::Column::Index))? }
        }
        Ok(())
    }

    /// Whether a body may be of the wanted kind: the name of the kind is somewhere in it.
    fn may_be(&self, body: &[u8]) -> bool {
        self.kind.is_none_or(|kind| body.windows(kind.len()).any(|window| window == kind.as_bytes()))
    }
}

/// A position before which nothing was recorded at `since` or later: the beginning of the last run that was opened before `since`.
fn begins(reader: &Reader, times: &Times, since: u64) -> Result<Position, CliError> {
    let runs = gate::runs(&reader.clone().believing())?;
    let before = runs.iter().rev().find(|part| part.opened_ms(times) < since);
    Ok(before.map_or_else(Position::start, |part| part.at.into()))
}

/// Parses the time of `--since`, in milliseconds since 1970.
pub(super) fn since(text: &str) -> Result<u64, CliError> {
    words::moment(text, now_s()).ok_or_else(|| CliError::NotAMoment(text.to_owned()))
}

fn kind(text: &str) -> Result<&str, CliError> {
    let known: Vec<String> = KINDS.iter().filter_map(|kind| serde_json::to_value(kind).ok()?.as_str().map(str::to_owned)).collect();
    if known.iter().any(|kind| kind == text) {
        return Ok(text);
    }
    Err(CliError::NotAKind { text: text.to_owned(), known: known.join(", ") })
}
