//! `rollback`: takes back what a run did, with the requests that its agent registered.

use ::run::{HomePlace, RollbackOrder, RollbackView, RunError};
use journal::Reader;
use package::Trusted;
use vocabulary::record::{Happened, Record, UndoEnd};
use vocabulary::{RunId, exit};

use super::resume::Ready;
use super::settle::{WordArgs, settle};
use super::{ConfigArg, EndArgs};
use crate::attend::{self, Beginning, Showing};
use crate::building::{self, HeldAgent};
use crate::err::CliError;
use crate::screen::Screen;
use crate::signals::Signals;
use crate::suspended::Detach;
use crate::{log, out, place, trusting};
use service::{Admitted, Call, Configured, HostHandle, Proof, ResumeRequest, TrustWord};

/// Take back what a run did, with the requests that its agent registered for that
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The run, which must have ended; the first or last letters of its id are enough, or `latest`
    run: String,
    /// Take back what can be taken back, although some of it can't
    #[arg(long)]
    partial: bool,
    /// Only list what can and what can't be taken back
    #[arg(long, conflicts_with_all = ["partial", "settle"])]
    plan: bool,
    /// Roll back under this engagement of the configuration
    #[arg(long, value_name = "NAME")]
    engagement: Option<String>,
    #[command(flatten)]
    word: WordArgs,
    #[command(flatten)]
    config: ConfigArg,
    #[command(flatten)]
    end: EndArgs,
}

const EXAMPLES: &str = "\
Examples:
  bailiwick rollback 01K8M3 --plan             what can be taken back, and what can't
  bailiwick rollback 01K8M3
  bailiwick rollback 01K8M3 --partial          although some of it can't be taken back
  bailiwick rollback 01K8M3 --settle did-not   it was unknown whether an undo was done, and you found out that it was not

The undo of the last act comes first. Each is judged by the grants and policies of now, may wait for approvals (exit 7 without a terminal), and \
is recorded. The first one that is not done ends the rollback; the same command continues with what is left, and does nothing twice. What an undo \
does is the agent's word, so look at its result.";

pub(crate) async fn run(args: Args) -> Result<u8, CliError> {
    let place = place::place()?;
    let reader = log::reader(&place)?;
    let of = log::run_id(&reader, &args.run)?;
    let mut signals = Signals::new()?;
    let ledger = log::ledger(&reader, |_| {})?;
    let ends = ledger.rollback_of(of).map(|rollback| rollback.ends.clone()).unwrap_or_default();
    let view = RollbackView::read(&reader, of, &ends)?;
    if args.plan {
        return listed(&view, args.end.json);
    }
    let code = match ledger.open_rollback(of) {
        Some(open) => goes_on(&args, &place, (&reader, open), &mut signals).await?,
        None => {
            let order = RollbackOrder { of, partial: args.partial, word: args.word.did() };
            lines(&view).iter().for_each(|line| out::words(line));
            view.check(&order).map_err(|why| RunError::Rollback { run: of, why: Box::new(why) })?;
            begins(&args, &place, (&view, order), &mut signals).await?
        }
    };
    results(&place, of, code)
}

/// Starts a rollback, and attends it to its end.
async fn begins(
    args: &Args,
    place: &HomePlace,
    (view, order): (&RollbackView, RollbackOrder),
    signals: &mut Signals,
) -> Result<u8, CliError> {
    let name = view.agent.as_str();
    let configured = Configured::load(args.config.config.as_deref(), place)?;
    let Proof { trusted, .. } = trusting::proof(&configured, place, TrustWord::SaidBefore, &[name])?;
    let call = Call { engagement: args.engagement.clone(), rollback: Some(order), ..Call::default() };
    let admitted = admitted(place, (&configured, &trusted), (name, call), signals).await?;
    let host = signals.or(HostHandle::find(place, &place::host_options())).await?;
    attend::attend(host, vec![Beginning::Start(Box::new(admitted))], name, showing(&args.end), signals).await
}

/// The agent's grants of now. They depend on its component, which is built if its source changed, and does not run.
async fn admitted(
    place: &HomePlace,
    (configured, trusted): (&Configured, &Trusted),
    (name, call): (&str, Call),
    signals: &mut Signals,
) -> Result<Admitted, CliError> {
    let agent = configured.agent(name)?;
    service::admit_early(name, agent)?;
    let expected = service::check_before_build(configured, place, name)?;
    let mut screen = Screen::new();
    let holding = HeldAgent { expected: expected.as_ref(), signals: Some(&mut *signals) };
    let obtained = building::obtain(place, (name, agent), trusted, &mut screen, holding).await?;
    drop(screen);
    if let Some(means) = signals.pending() {
        return Err(CliError::EndedEarly { means });
    }
    let admitted = service::admit(place, configured, trusted, (name, &obtained), call)?.recorded();
    obtained.keep(place)?;
    Ok(admitted)
}

/// Continues a rollback that has not ended: it was cut off, or it waits.
async fn goes_on(args: &Args, place: &HomePlace, (reader, run): (&Reader, RunId), signals: &mut Signals) -> Result<u8, CliError> {
    out::words(&format!("its rollback {run} has not ended, and continues"));
    let Ready { agent, config, .. } = Ready::of(&args.config, place, (reader, run), &args.end)?;
    let host = signals.or(HostHandle::find(place, &place::host_options())).await?;
    match signals.or(settle(&host, run, &args.word)).await.map_err(CliError::from) {
        Ok(_) => attend::attend(host, vec![Beginning::Resume(ResumeRequest { config, run })], &agent, showing(&args.end), signals).await,
        Err(err) => {
            crate::leave::leave(host, signals).await?;
            Err(err)
        }
    }
}

fn showing(end: &EndArgs) -> Showing {
    let detach = if out::words_to_terminal() { Detach::Never } else { Detach::ForPeople };
    Showing { json: end.json, strictness: end.strictness(), is_agent: true, sarif: None, fail_on: None, detach }
}

fn listed(view: &RollbackView, as_json: bool) -> Result<u8, CliError> {
    if as_json {
        out::json(view)?;
    } else {
        lines(view).iter().try_for_each(|line| out::line(line))?;
    }
    Ok(exit::DONE)
}

fn perhaps(happened: Happened) -> &'static str {
    match happened {
        Happened::Yes => "",
        Happened::No | Happened::Perhaps => ", which may not have happened",
    }
}

/// What can't be taken back comes first.
fn lines(view: &RollbackView) -> Vec<String> {
    let mut all = Vec::new();
    if !view.irreversible.is_empty() {
        all.push("can't be taken back:".to_owned());
        all.extend(view.irreversible.iter().map(|act| format!("  op {}  {}{}", act.op, act.what, perhaps(act.happened))));
    }
    let (done, left): (Vec<_>, Vec<_>) = view.undos.iter().partition(|undo| undo.end == Some(UndoEnd::Done));
    if !done.is_empty() {
        all.push("was taken back before:".to_owned());
        all.extend(done.iter().map(|undo| format!("  undo {}  {}", undo.id, undo.takes_back)));
    }
    if !left.is_empty() {
        all.push("can be taken back, in this order:".to_owned());
    }
    for undo in left {
        let end = match undo.end {
            Some(UndoEnd::Unknown) => " (IT IS UNKNOWN whether this was done)",
            Some(UndoEnd::NotDone) => " (was tried before, and not done)",
            Some(UndoEnd::Done) | None => "",
        };
        all.push(format!("  undo {}  {}{end}", undo.id, undo.request));
        all.push(format!("      takes back {}{}", undo.takes_back, perhaps(undo.happened)));
        if !undo.words.is_empty() {
            all.push(format!("      the agent says (unverified): {}", undo.words));
        }
    }
    if view.undos.is_empty() {
        all.push("nothing can be taken back: its agent registered no undo for what it did".to_owned());
    }
    all
}

/// Says what became of each undo. An undo with an unknown outcome has its own exit code.
fn results(place: &HomePlace, of: RunId, code: u8) -> Result<u8, CliError> {
    let reader = log::reader(place)?;
    let ledger = log::ledger(&reader, |_| {})?;
    let Some(rollback) = ledger.rollback_of(of) else { return Ok(code) };
    for record in reader.of_run(rollback.last) {
        if let Ok(Record::UndoDone(done)) = Record::parse(&record?.body) {
            let status = done.status.map_or_else(String::new, |status| format!(", status {status}"));
            let by = done.by.as_ref().map_or_else(String::new, |by| format!(", says {by}"));
            out::words(&format!("undo {}: {}{status}{by}", done.id, end_word(done.end)));
        }
    }
    let has_ended = ledger.open_run(rollback.last).is_none();
    let is_unknown = rollback.ends.values().any(|end| *end == UndoEnd::Unknown);
    Ok(if code == exit::AGENT && has_ended && is_unknown { exit::UNSETTLED } else { code })
}

fn end_word(end: UndoEnd) -> &'static str {
    match end {
        UndoEnd::Done => "done",
        UndoEnd::NotDone => "NOT DONE",
        UndoEnd::Unknown => "UNKNOWN whether it was done",
    }
}
