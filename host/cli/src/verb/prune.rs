//! `prune`: removes the beginning of the record by rules, into an archive or for good, and forgets what old runs have sealed.

use std::ops::ControlFlow;
use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use ::run::{HomePlace, PruneOrder, PrunePayloads, PruneRecord, RunError};
use gate::{Course, Keeper, PruneVerdict, Rules};
use journal::PruneError;
use package::settings::{Settings, Size, Span};
use serde::Serialize;
use vocabulary::exit;

use crate::err::CliError;
use crate::screen::{Screen, SharedScreen};
use crate::signals::Signals;
use crate::{leave, log, out, place, words};
use service::{HostHandle, now_s};

/// Remove the beginning of the record, by age and size
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Remove records older than this: `180d`
    #[arg(long, value_name = "TIME")]
    older_than: Option<Span>,
    /// Remove the oldest records until the record is no larger than this: `10GiB`
    #[arg(long, value_name = "SIZE")]
    larger_than: Option<Size>,
    /// Forget what runs have sealed (inputs, requests, answers), of runs older than this
    #[arg(long, value_name = "TIME")]
    payloads_older_than: Option<Span>,
    /// Archive the removed records in this folder
    #[arg(long, value_name = "FOLDER", conflicts_with = "drop")]
    to: Option<PathBuf>,
    /// Delete the removed records
    #[arg(long)]
    drop: bool,
    /// Also remove the records by which an agent is still accepted
    #[arg(long)]
    drop_accepted: bool,
    /// Do it. Without this, the command only says what it would remove
    #[arg(long)]
    yes: bool,
    /// Print it as one JSON document
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  bailiwick prune --older-than 180d --to /archive/bailiwick          show what would be removed
  bailiwick prune --older-than 180d --to /archive/bailiwick --yes
  bailiwick prune --payloads-older-than 30d --yes
  bailiwick audit verify --with /archive/bailiwick                   verify the record with its archive

Rules that are not given come from `home.toml` of the home. Whole segments are removed, from the beginning on; the rest can still be \
verified. Runs that have not ended, runs on hold (`bailiwick hold`), the valid acceptances of agents, and everything after those are kept. \
What is removed, and where to, is recorded before it is removed.";

#[derive(Serialize)]
struct Told {
    /// Whether it was done; otherwise it would be done with `--yes`.
    done: bool,
    segments: Vec<Segment>,
    records: u64,
    bytes: u64,
    to: Option<PathBuf>,
    /// The number of runs whose sealed content is forgotten.
    payloads: u64,
    /// Why not more is removed, in words.
    kept: Option<String>,
}

#[derive(Serialize)]
struct Segment {
    segment: u32,
    records: u64,
    bytes: u64,
    from_ms: Option<u64>,
    to_ms: Option<u64>,
}

/// The rules of the command line, completed by those of the home.
struct Whole {
    rules: Rules,
    payloads_before_ms: Option<u64>,
    to: Option<PathBuf>,
    drop: bool,
}

impl Whole {
    fn of(args: &Args, place: &HomePlace) -> Result<Self, CliError> {
        let own = Settings::of(&place.home)?.prune;
        // The present second counts as over.
        let before = |span: Span| (now_s() + 1).saturating_sub(span.0).saturating_mul(1000);
        let to = if args.drop { None } else { args.to.clone().or(own.to) };
        let to = to.map(|to| std::path::absolute(&to).map_err(CliError::file("find", &to))).transpose()?;
        let rules = Rules {
            before_ms: args.older_than.or(own.older_than).map(before),
            bytes_max: args.larger_than.or(own.larger_than).map(|size| size.0),
            drops_accepted: args.drop_accepted || own.drop_accepted,
        };
        let payloads_before_ms = args.payloads_older_than.or(own.payloads_older_than).map(before);
        if rules.before_ms.is_none() && rules.bytes_max.is_none() && payloads_before_ms.is_none() {
            return Err(CliError::PruneWhat);
        }
        Ok(Self { rules, payloads_before_ms, drop: args.drop || own.drop && to.is_none(), to })
    }
}

/// The result of the rules for the record as it is now.
struct Read {
    size: u64,
    verdict: PruneVerdict,
    payloads: Option<PrunePayloads>,
}

impl Read {
    fn of(place: &HomePlace, rules: &Rules, payloads_before_ms: Option<u64>, screen: &SharedScreen) -> Result<Self, CliError> {
        let reader = log::reader(place)?;
        let course = Course::read(&reader, &mut |records| screen.quietly(&format!("read {} records", words::count(records))))?;
        // Damage has to be repaired first: until then, nothing is removed.
        if !log::damage().is_empty() {
            return Err(CliError::PruneDamaged);
        }
        let payloads = match payloads_before_ms {
            Some(before_ms) => {
                let keyed = reader.keyed_runs()?;
                let runs = course.ended_before(before_ms).filter(|run| keyed.contains(run)).collect();
                Some(PrunePayloads { before_ms, runs }).filter(|payloads: &PrunePayloads| !payloads.runs.is_empty())
            }
            None => None,
        };
        Ok(Self { size: course.size(), verdict: course.judge(rules), payloads })
    }
}

pub(crate) async fn run(args: &Args) -> Result<u8, CliError> {
    let mut signals = Signals::new()?;
    let place = place::place()?;
    let whole = Whole::of(args, &place)?;
    let screen = Screen::shared();
    let (asked, rules, before_ms, shown) = (place.clone(), whole.rules.clone(), whole.payloads_before_ms, screen.clone());
    let Read { size, verdict, payloads } = signals.reading(move || Read::of(&asked, &rules, before_ms, &shown)).await?;
    if !verdict.gone.is_empty() && whole.to.is_none() && !whole.drop {
        return Err(CliError::PruneWhere);
    }
    let told = Told {
        done: args.yes,
        segments: verdict.gone.iter().map(segment).collect(),
        records: verdict.gone.iter().map(|stretch| stretch.records).sum(),
        bytes: verdict.gone.iter().map(|stretch| stretch.bytes).sum(),
        to: whole.to.clone(),
        payloads: payloads.as_ref().map_or(0, |payloads| payloads.runs.len() as u64),
        kept: verdict.keeper.as_ref().map(keeper),
    };
    if args.yes && (!verdict.gone.is_empty() || payloads.is_some()) {
        let order = PruneOrder { read: size, record: record(&verdict, &whole), payloads };
        take(&place, order, &screen, &mut signals).await?;
    }
    screen.clear();
    if args.json {
        out::json(&told)?
    } else {
        print(&told, &whole)?
    }
    Ok(exit::DONE)
}

fn segment(stretch: &gate::Stretch) -> Segment {
    let gate::Stretch { segment, bytes, records, from_ms, to_ms } = *stretch;
    Segment { segment, records, bytes, from_ms, to_ms }
}

fn record(verdict: &PruneVerdict, whole: &Whole) -> Option<PruneRecord> {
    let (first, last) = (verdict.gone.first()?, verdict.gone.last()?);
    Some(PruneRecord { until: last.segment.saturating_add(1), to: whole.to.clone(), from_ms: first.from_ms, to_ms: last.to_ms })
}

/// Carries out the order. A signal ends it as long as nothing was removed.
async fn take(place: &HomePlace, order: PruneOrder, screen: &SharedScreen, signals: &mut Signals) -> Result<(), CliError> {
    let host = signals.or(HostHandle::find(place, &place::host_options())).await?;
    let (is_ended, shown) = (Arc::new(AtomicBool::new(false)), screen.clone());
    let asked = is_ended.clone();
    let progress = Box::new(move |what: &str, segment: u32| {
        shown.quietly(&format!("{what} segment {segment}"));
        if asked.load(Ordering::Relaxed) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    let done = {
        let mut done = pin!(host.prune(order, progress));
        tokio::select! {
            biased;
            done = &mut done => done.map_err(CliError::from),
            means = signals.next() => match &host {
                HostHandle::There(_) => {
                    out::words("the process that holds the home continues: see `bailiwick audit show --kind pruned`");
                    return Err(CliError::EndedWaiting { means });
                }
                HostHandle::Here(..) => {
                    is_ended.store(true, Ordering::Relaxed);
                    match signals.or(done).await.map_err(CliError::from) {
                        Err(CliError::Run(RunError::Prune(err))) if matches!(*err, PruneError::Ended) => Err(CliError::NotPruned { means }),
                        done => done,
                    }
                }
            },
        }
    };
    screen.clear();
    let left = leave::leave(host, signals).await;
    done?;
    left
}

fn print(told: &Told, whole: &Whole) -> Result<(), CliError> {
    if told.segments.is_empty() {
        out::words("these rules remove no segment of the record");
    } else {
        let mut rows = vec![["SEGMENT", "RECORDS", "SIZE", "FROM", "TO"].map(str::to_owned).to_vec()];
        let time = |ms: Option<u64>| ms.map_or_else(|| "-".to_owned(), words::utc);
        rows.extend(
            told.segments
                .iter()
                .map(|it| vec![it.segment.to_string(), words::count(it.records), words::bytes(it.bytes), time(it.from_ms), time(it.to_ms)]),
        );
        out::table(&rows)?;
        let verb = if told.done { "" } else { "would be " };
        let how =
            whole.to.as_ref().map_or_else(|| "deleted".to_owned(), |to| format!("archived in {}", words::safe(&to.to_string_lossy())));
        out::words(&format!("{} of {}: {verb}{how}", words::bytes(told.bytes), words::many(told.records, "record", "records")));
    }
    if whole.payloads_before_ms.is_some() {
        let verb = if told.done { "was forgotten" } else { "would be forgotten" };
        out::words(&format!("what {} sealed {verb}", words::many(told.payloads, "run has", "runs have")));
    }
    told.kept.iter().for_each(|kept| out::words(kept));
    if !told.done && (!told.segments.is_empty() || told.payloads > 0) {
        out::words("help: nothing was changed; `--yes` does it");
    }
    Ok(())
}

fn keeper(keeper: &Keeper) -> String {
    let more = "these rules would remove more, but it is kept";
    match keeper {
        Keeper::Open(run) => format!("{more}: run {run} has not ended (`bailiwick ps`)"),
        Keeper::Held(run, why) => format!("{more}: run {run} is on hold: {}", words::safe(why.as_str())),
        Keeper::Accepted(agent, path) => {
            let (agent, path) = (words::safe(agent.as_str()), words::safe(path.as_str()));
            format!(
                "{more}: it has the acceptance of agent {agent} of {path}; run `bailiwick accept {agent}` again, or use `--drop-accepted`"
            )
        }
        Keeper::Growing => format!("{more}: it is the segment that is being written"),
    }
}
