//! `ps`: lists the runs that have not ended.

mod going;

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use ::run::HomePlace;
use gate::{Ledger, OpenRun};
use home::patience;
use serde::Serialize;
use vocabulary::record::WaitsFor;
use vocabulary::{Principal, RunId, SafeText, UnknownAct, exit};

use going::GoingRun;

use crate::err::CliError;
use crate::gaps::GapLines;
use crate::out::OutError;
use crate::signals::Signals;
use crate::{log, out, place, words};

/// List runs that have not ended
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Print them as JSON
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  bailiwick ps
  bailiwick ps --json

An open run is active, suspended, or was cut off. A suspended run is resumed when its wait is over: by `bailiwick serve`, or by the next \
command of those that `bailiwick serve --help` names. `bailiwick resume` continues a run that was cut off. If it was cut off during an act, it is \
unknown whether this act happened, and the run stays as it is until you say so (`bailiwick resume RUN --settle did --op N`, or `did-not`). Acts \
that were settled are not listed. If the process that holds the home does not answer, it is not known which runs are active, and `ps` says \
so.";

/// BOUND: how long the host may take to answer, unless `--wait` says otherwise. What is on the record is shown in any case.
const ANSWER_MAX: Duration = Duration::from_secs(3);

/// BOUND: how often the first record of a run is searched: the host reports a run before its first record is on the disk.
const LOOKS: u32 = 50;
const BETWEEN_LOOKS: Duration = Duration::from_millis(5);

#[derive(Serialize)]
pub(super) struct PsRow {
    run: RunId,
    agent: SafeText,
    /// Absent while the run is not on the record yet; so is the time, which is in milliseconds since 1970.
    by: Option<Principal>,
    opened_ms: Option<u64>,
    pub(super) state: RunState,
    /// Asks, refused or not.
    asked: u64,
    refused: u64,
    /// Asks of which something left the host, or may have left it: those in progress count.
    sent: u64,
    /// Asks to which a response arrived.
    answered: u64,
    /// Acts that wait to be settled.
    unsettled: Vec<UnknownAct>,
    /// What it waits for, if it is suspended.
    #[serde(skip_serializing_if = "Option::is_none")]
    waits_for: Option<WaitsFor>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum RunState {
    Running,
    /// A process holds the home and does not answer.
    Unknown,
    /// The run was cut off and can be resumed.
    CutOff,
    /// The run was cut off and can't be resumed, because what it saw was not kept.
    CutOffForGood,
    NeedsSettling,
    /// The run is unloaded from memory until its wait is over.
    Suspended,
    /// The run was open in a copy of the home that was restored.
    Restored,
}

pub(crate) async fn run(args: &Args) -> Result<u8, CliError> {
    let place = place::place()?;
    let mut signals = Signals::new()?;
    let (rows, unknown) = signals.or(rows(&place, patience().max_or(ANSWER_MAX))).await?;
    if let Some(why) = unknown {
        out::words(&format!("it is not known which runs are active: {why}"));
    }
    match log::reader(&place) {
        Err(CliError::Read(journal::ReadError::NoLog { .. })) => {}
        // A run may be open in a part of the record that is not here.
        reader => GapLines::of(&reader?)?.say(),
    }
    if args.json {
        out::json(&rows)?;
    } else {
        print(&rows)?;
    }
    Ok(exit::DONE)
}

/// Each run that has not ended; and, if it is not known which of them are active, why not.
///
/// A run that begins or ends meanwhile must not be taken for one that was cut off. So a run that seems to be cut off is checked again: it
/// was cut off if it was open before and is open after a moment at which no host had it.
pub(super) async fn rows(place: &HomePlace, max: Duration) -> Result<(Vec<PsRow>, Option<String>), CliError> {
    let before = GoingRun::ask(place, max).await;
    let (open, unseen) = on_record(place, before.runs()).await?;
    let seems: HashSet<RunId> = open.open_runs().map(|(run, _)| run).filter(|run| before.has(*run) == Some(false)).collect();
    if seems.is_empty() {
        let rows = open.open_runs().map(|(run, open)| row(run, open, before.has(run))).chain(unseen.into_iter().map(not_on_record));
        return Ok((rows.collect(), before.why_unknown()));
    }
    let after = GoingRun::ask(place, max).await;
    let (open, unseen) = on_record(place, after.runs()).await?;
    let goes_on = |run: RunId| match after.has(run) {
        // It was opened after the first look, so it has just been started.
        Some(false) if !seems.contains(&run) => Some(true),
        goes_on => goes_on,
    };
    let rows = open.open_runs().map(|(run, open)| row(run, open, goes_on(run))).chain(unseen.into_iter().map(not_on_record));
    Ok((rows.collect(), after.why_unknown()))
}

/// Reads the log until all active runs are on it, but not without end: a host may fail before it writes. Returns also the runs that are not
/// on the log. A thread of its own reads it, so that a signal ends the wait for a long log.
async fn on_record(place: &HomePlace, going: HashMap<RunId, SafeText>) -> Result<(Ledger, HashMap<RunId, SafeText>), CliError> {
    let mut looks = 1;
    loop {
        let (place, mut unseen) = (place.clone(), going.clone());
        let read = tokio::task::spawn_blocking(move || {
            let open = match log::reader(&place) {
                // A home without a log has no runs.
                Err(CliError::Read(journal::ReadError::NoLog { .. })) => Ledger::new(),
                // `ps` gives an overview and not evidence, so it reads as little as it can.
                reader => log::ledger(&reader?.believing(), |run| {
                    unseen.remove(&run);
                })?,
            };
            Ok::<_, CliError>((open, unseen))
        });
        let (open, unseen) = read.await.map_err(|lost| CliError::Runtime(lost.into()))??;
        if looks == LOOKS || unseen.is_empty() {
            return Ok((open, unseen));
        }
        looks += 1;
        tokio::time::sleep(BETWEEN_LOOKS).await;
    }
}

/// A run that was started and has no record on the disk yet.
fn not_on_record((run, agent): (RunId, SafeText)) -> PsRow {
    let (asked, refused, sent, answered) = (0, 0, 0, 0);
    PsRow {
        run,
        agent,
        by: None,
        opened_ms: None,
        state: RunState::Running,
        asked,
        refused,
        sent,
        answered,
        unsettled: Vec::new(),
        waits_for: None,
    }
}

fn row(run: RunId, open: &OpenRun, goes_on: Option<bool>) -> PsRow {
    let unsettled = if goes_on == Some(false) { open.unsettled() } else { Vec::new() };
    let state = match (goes_on, unsettled.is_empty(), open.durable && open.kept) {
        (None, ..) => RunState::Unknown,
        (Some(true), ..) => RunState::Running,
        _ if open.restored => RunState::Restored,
        _ if open.suspended.is_some() => RunState::Suspended,
        (Some(false), false, _) => RunState::NeedsSettling,
        (Some(false), true, true) => RunState::CutOff,
        (Some(false), true, false) => RunState::CutOffForGood,
    };
    let waits_for = open.suspended.as_ref().filter(|_| state == RunState::Suspended).map(|suspended| suspended.waits_for);
    let (agent, by, opened_ms) = (open.agent.clone(), Some(open.by.clone()), Some(open.at));
    let (asked, refused) = (open.asked + open.refused, open.refused + open.refused_later);
    PsRow { run, agent, by, opened_ms, state, asked, refused, sent: open.sent(), answered: open.answered, unsettled, waits_for }
}

fn print(rows: &[PsRow]) -> Result<(), OutError> {
    if rows.is_empty() {
        out::words("no run is open");
        return Ok(());
    }
    let mut table = vec![["RUN", "AGENT", "BY", "OPENED", "ASKED", "REFUSED", "SENT", "ANSWERED", "STATE"].map(str::to_owned).to_vec()];
    for row in rows {
        let state = match row.state {
            RunState::Running => "running".to_owned(),
            RunState::Unknown => "not known".to_owned(),
            RunState::CutOff => "cut off; `bailiwick resume` continues it".to_owned(),
            RunState::CutOffForGood => "cut off, and can't be resumed; `bailiwick stop` closes it".to_owned(),
            RunState::Restored => {
                "open in a restored copy: `bailiwick resume --restored` continues it, `bailiwick stop` closes it".to_owned()
            }
            RunState::Suspended => row.waits_for.as_ref().map_or_else(|| "suspended".to_owned(), words::waits),
            RunState::NeedsSettling => {
                let list: Vec<String> = row.unsettled.iter().map(ToString::to_string).collect();
                format!("needs settling: {}", list.join("; "))
            }
        };
        let counts = [row.asked, row.refused, row.sent, row.answered].map(words::count);
        let or_none = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
        let (by, opened) = (or_none(row.by.as_ref().map(ToString::to_string)), or_none(row.opened_ms.map(words::utc)));
        let cells: Vec<String> =
            [row.run.to_string(), row.agent.to_string(), by, opened].into_iter().chain(counts).chain([state]).collect();
        table.push(cells);
    }
    out::table(&table)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use vocabulary::record::{
        AgentRef, Answered, Asked, AskedFor, EngineRef, HttpOutcome, Record, RecordKind, RunOpened, Settled, Uptime, VERSION,
    };
    use vocabulary::{Bounds, Digest, HttpResource, Limits, Method, Resource};

    use super::*;

    fn text(text: &str) -> SafeText {
        SafeText::new(text, 100)
    }

    fn opened(run: RunId) -> Record {
        let zero = Digest::from_bytes([0; 32]);
        let agent = AgentRef { digest: zero, name: text("a"), version: text("1.0.0") };
        let engine = EngineRef { host: text("h"), profile: text("p"), wasmtime: text("w") };
        let (limits, kind, by) = (Limits::default(), RecordKind::RunOpened, Principal::new(1000, Some("b")));
        let opened = RunOpened {
            agent,
            at: 1,
            by,
            config: None,
            durable: true,
            engine,
            grants: zero,
            input: zero,
            kind,
            limits,
            parent: None,
            policy: None,
            run,
            seed: zero,
            uptime: Uptime::default(),
            v: VERSION,
        };
        opened.into()
    }

    fn state(method: &str, answer: Option<HttpOutcome>, goes_on: Option<bool>) -> RunState {
        let run = RunId::from_parts(1, [0; 10]);
        let ask = AskedFor {
            capability: vocabulary::Capability::Http,
            function: vocabulary::Function::HttpHandle,
            headers: Vec::new(),
            placeholders: 0,
            resolved: None,
            resource: Resource::Http(HttpResource::new(&Method::new(method).unwrap(), &"http://a/".parse().unwrap())),
        };
        let params = Digest::from_bytes([0; 32]);
        let asked = Asked {
            again: false,
            approval: None,
            ask,
            at: 2,
            bounds: Bounds::default(),
            kind: RecordKind::Asked,
            op: 7,
            params,
            policy: None,
            repeat: if method == "GET" { vocabulary::Repeat::Safe } else { vocabulary::Repeat::OnWord },
            spent_ms: 0,
            v: VERSION,
        };
        let answered = answer.map(|outcome| Answered {
            at: 3,
            detail: SafeText::default(),
            how: Settled::Http(outcome.into()),
            kind: RecordKind::Answered,
            op: 7,
            reason: None,
            spent_ms: 0,
            v: VERSION,
        });
        let mut ledger = Ledger::new();
        let records = [Some(opened(run)), Some(asked.into()), answered.map(Into::into)];
        for (seq, record) in (1..).zip(records.iter().flatten()) {
            ledger.fold(run, seq, &record.to_bytes()).unwrap();
        }
        row(run, ledger.open_run(run).unwrap(), goes_on).state
    }

    #[test]
    fn what_may_be_asked_again_needs_no_word_and_the_rest_does() {
        assert_eq!(state("GET", None, Some(false)), RunState::CutOff);
        assert_eq!(state("POST", None, Some(false)), RunState::NeedsSettling);
        assert_eq!(state("POST", Some(HttpOutcome::Response), Some(false)), RunState::CutOff);
        assert_eq!(state("POST", Some(HttpOutcome::Unknown), Some(false)), RunState::NeedsSettling);
        assert_eq!(state("POST", None, Some(true)), RunState::Running);
        assert_eq!(state("POST", None, None), RunState::Unknown);
    }
}
