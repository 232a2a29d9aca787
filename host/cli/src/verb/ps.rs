//! `ps`: runs that have not ended.

use std::collections::HashSet;
use std::time::Duration;

use ::run::{Holder, Place};
use effect::{Principal, RunId, SafeText, UnknownAct};
use gate::{Ledger, OpenRun};
use serde::Serialize;

use crate::err::CliError;
use crate::{exit, log, out, place, words};

/// Show runs that have not ended
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

A run goes on; or it was cut off (`bailiwick resume` goes on with it); or it was cut off while something was under way of which nobody \
knows whether it happened, and waits until somebody says so (`bailiwick resume RUN --settle did --op N`, or `did-not`). What was said is \
kept, and is not listed any more.";

/// A run is reported before its first record is on the disk. This is how often the record is looked for.
const LOOKS: u32 = 50;
const BETWEEN_LOOKS: Duration = Duration::from_millis(5);

#[derive(Serialize)]
struct Row {
    run: RunId,
    agent: SafeText,
    by: Principal,
    /// Milliseconds since 1970.
    opened_ms: u64,
    state: State,
    /// What was asked for, refused or not.
    asked: u64,
    refused: u64,
    /// Of which something left the host.
    sent: u64,
    /// To which a response came.
    answered: u64,
    /// What waits to be settled.
    unsettled: Vec<UnknownAct>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum State {
    Running,
    /// It can be resumed.
    CutOff,
    /// What it saw was not kept.
    CutOffForGood,
    NeedsSettling,
    /// It was open in a copy of the home that was put back.
    Restored,
}

pub(crate) async fn run(args: &Args) -> Result<u8, CliError> {
    let place = place::place()?;
    let going = match Holder::ask(&place).await {
        // A holder that is just leaving has no runs left.
        Some(holder) => holder.going().await.unwrap_or_default().into_iter().map(|(run, _)| run).collect(),
        None => HashSet::new(),
    };
    let open = on_record(&place, &going).await?;
    let rows: Vec<Row> = open.open_runs().map(|(run, open)| row(run, open, going.contains(&run))).collect();
    if args.json {
        out::json(&rows)?;
    } else {
        print(&rows)?;
    }
    Ok(exit::DONE)
}

/// Reads the log until all that goes on stands there; not for ever, as a holder may fail before it writes.
async fn on_record(place: &Place, going: &HashSet<RunId>) -> Result<Ledger, CliError> {
    let mut looks = 1;
    loop {
        let mut unseen = going.clone();
        let open = match log::reader(place) {
            // A home in which nothing ran has no runs.
            Err(CliError::Read(journal::ReadError::NoLog { .. })) => Ledger::new(),
            // It helps to see what goes on, and is no evidence of it: so it reads as little as it can.
            reader => log::ledger(&reader?.believing(), |run| {
                unseen.remove(&run);
            })?,
        };
        if looks == LOOKS || unseen.is_empty() {
            return Ok(open);
        }
        looks += 1;
        tokio::time::sleep(BETWEEN_LOOKS).await;
    }
}

fn row(run: RunId, open: &OpenRun, is_going: bool) -> Row {
    let unsettled = if is_going { Vec::new() } else { open.unsettled() };
    let state = match (is_going, unsettled.is_empty(), open.durable && open.kept) {
        (true, ..) => State::Running,
        _ if open.restored => State::Restored,
        (false, false, _) => State::NeedsSettling,
        (false, true, true) => State::CutOff,
        (false, true, false) => State::CutOffForGood,
    };
    let (agent, by) = (open.agent.clone(), open.by.clone());
    let (asked, refused) = (open.asked + open.refused, open.refused + open.refused_later);
    Row { run, agent, by, opened_ms: open.at, state, asked, refused, sent: open.sent, answered: open.answered, unsettled }
}

fn print(rows: &[Row]) -> Result<(), CliError> {
    if rows.is_empty() {
        out::words("no run is open");
        return Ok(());
    }
    let mut table = vec![["RUN", "AGENT", "BY", "OPENED", "ASKED", "REFUSED", "SENT", "ANSWERED", "STATE"].map(str::to_owned).to_vec()];
    for row in rows {
        let state = match row.state {
            State::Running => "running".to_owned(),
            State::CutOff => "cut off; `bailiwick resume` goes on".to_owned(),
            State::CutOffForGood => "cut off, and can't go on; `bailiwick stop` closes it".to_owned(),
            State::Restored => {
                "open in a copy that was put back: `bailiwick resume --restored` goes on, `bailiwick stop` closes it".to_owned()
            }
            State::NeedsSettling => {
                let list: Vec<String> = row.unsettled.iter().map(ToString::to_string).collect();
                format!("needs settling: {}", list.join("; "))
            }
        };
        let counts = [row.asked, row.refused, row.sent, row.answered].map(words::count);
        let cells: Vec<String> = [row.run.to_string(), row.agent.to_string(), row.by.to_string(), words::utc(row.opened_ms)]
            .into_iter()
            .chain(counts)
            .chain([state])
            .collect();
        table.push(cells);
    }
    out::table(&table)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use effect::record::{AgentRef, AnswerClass, Answered, Asked, AskedFor, EngineRef, Kind, Record, RunOpened, Uptime, VERSION};
    use effect::{Bounds, Digest, Limits};

    use super::*;

    fn text(text: &str) -> SafeText {
        SafeText::new(text, 100)
    }

    fn opened(run: RunId) -> Record {
        let zero = Digest::from_bytes([0; 32]);
        let agent = AgentRef { digest: zero, name: text("a"), version: text("1.0.0") };
        let engine = EngineRef { host: text("h"), profile: text("p"), wasmtime: text("w") };
        let (limits, kind, by) = (Limits::default(), Kind::RunOpened, Principal::new(1000, Some("b")));
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
            run,
            seed: zero,
            uptime: Uptime::default(),
            v: VERSION,
        };
        opened.into()
    }

    fn state(resource: &str, answer: Option<AnswerClass>, is_going: bool) -> State {
        let run = RunId::from_parts(1, [0; 10]);
        let ask = AskedFor {
            capability: text("http"),
            function: text("f"),
            headers: Vec::new(),
            placeholders: 0,
            resolved: None,
            resource: text(resource),
        };
        let params = Digest::from_bytes([0; 32]);
        let asked =
            Asked { again: false, ask, at: 2, bounds: Bounds::default(), kind: Kind::Asked, op: 7, params, spent_ms: 0, v: VERSION };
        let answered = answer.map(|outcome| Answered {
            at: 3,
            credential_version: None,
            fault: None,
            kind: Kind::Answered,
            op: 7,
            outcome,
            peer: None,
            reason: None,
            sent: None,
            spent_ms: 0,
            status: None,
            tls: None,
            v: VERSION,
        });
        let mut ledger = Ledger::new();
        let records = [Some(opened(run)), Some(asked.into()), answered.map(Into::into)];
        for (seq, record) in (1..).zip(records.iter().flatten()) {
            ledger.fold(run, seq, &record.to_bytes()).unwrap();
        }
        row(run, ledger.open_run(run).unwrap(), is_going).state
    }

    #[test]
    fn what_may_be_asked_again_needs_no_word_and_the_rest_does() {
        assert_eq!(state("GET http://a/", None, false), State::CutOff);
        assert_eq!(state("POST http://a/", None, false), State::NeedsSettling);
        assert_eq!(state("POST http://a/", Some(AnswerClass::Response), false), State::CutOff);
        assert_eq!(state("POST http://a/", Some(AnswerClass::Unknown), false), State::NeedsSettling);
        assert_eq!(state("POST http://a/", None, true), State::Running);
    }
}
