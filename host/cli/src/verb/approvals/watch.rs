//! `approvals watch`: follows the acts that wait for people, as the record gets them. It takes no lock, so it works while another process
//! holds the home.

use std::collections::BTreeSet;
use std::time::Duration;

use ::run::{ApprovalView, HomePlace, clock_now};
use gate::Ledger;
use journal::{Position, Reader, Records, StoredRecord};
use serde::Serialize;
use vocabulary::record::Record;
use vocabulary::{Digest, RunId, exit};

use crate::err::CliError;
use crate::signals::Signals;
use crate::{log, out, words};

/// How long it waits before it reads the log again.
const AGAIN: Duration = Duration::from_millis(200);

/// One line of `--json`.
#[derive(Serialize)]
struct Event<'a> {
    /// `pending` for an act that waited before this command began, and then `asked`, `voted` and `ended`.
    event: &'static str,
    /// How it ended: `used`, or the state. Only of `ended`.
    #[serde(skip_serializing_if = "Option::is_none")]
    how: Option<&'a str>,
    #[serde(flatten)]
    view: &'a ApprovalView,
}

struct Watching {
    json: bool,
    ledger: Ledger,
    records: Records,
    /// Approvals whose end was printed when their time was over. The record gets their end later, when a process holds the home.
    over: BTreeSet<(RunId, u64, Digest)>,
}

pub(super) async fn run(place: &HomePlace, json: bool) -> Result<u8, CliError> {
    let mut signals = Signals::new()?;
    let mut watching: Option<Watching> = None;
    if !json {
        out::words("following the acts that wait for people, until Ctrl-C");
    }
    loop {
        match &mut watching {
            Some(watching) => watching.look()?,
            None => watching = Watching::begin(place, json)?,
        }
        tokio::select! {
            _ = signals.next() => return Ok(exit::DONE),
            () = tokio::time::sleep(AGAIN) => {}
        }
    }
}

impl Watching {
    /// Prints what waits now. `None` if there is no record yet.
    fn begin(place: &HomePlace, json: bool) -> Result<Option<Self>, CliError> {
        let reader = match log::reader(place) {
            Err(CliError::Read(journal::ReadError::NoLog { .. })) => return Ok(None),
            reader => reader?,
        };
        let (ledger, records) = folded(&reader)?;
        let mut watching = Self { json, ledger, records, over: BTreeSet::new() };
        for view in ApprovalView::all(&watching.ledger, &clock_now()) {
            if is_over(&view) {
                watching.over.insert(key(&view));
            } else {
                watching.print("pending", None, &view)?;
            }
        }
        Ok(Some(watching))
    }

    /// Prints what the record got since the last look, and what was not decided or used in time.
    fn look(&mut self) -> Result<(), CliError> {
        while let Some(record) = self.records.next() {
            self.step(&record?)?;
        }
        self.tell_over(&ApprovalView::all(&self.ledger, &clock_now()))
    }

    /// Prints each of these that is over, once.
    fn tell_over(&mut self, views: &[ApprovalView]) -> Result<(), CliError> {
        for view in views.iter().filter(|view| is_over(view)) {
            if self.over.insert(key(view)) {
                self.print("ended", Some(view.state.as_str()), view)?;
            }
        }
        Ok(())
    }

    fn step(&mut self, record: &StoredRecord) -> Result<(), CliError> {
        let Ok(body) = Record::parse(&record.body) else {
            self.fold(record);
            return Ok(());
        };
        let before = self.of_run(record.run);
        self.fold(record);
        match &body {
            Record::ApprovalAsked(asked) => self.tell(record.run, asked.op, "asked")?,
            Record::ApprovalVoted(voted) => self.tell(record.run, voted.op, "voted")?,
            _ => {}
        }
        self.tell_over(&self.of_run(record.run))?;
        // What an intent has used, and what ended with its run, is not in the ledger any more.
        let after: Vec<(RunId, u64, Digest)> = self.of_run(record.run).iter().map(key).collect();
        for view in before.iter().filter(|view| !after.contains(&key(view))) {
            let how = match &body {
                Record::Asked(asked) if asked.approval == Some(view.digest) => "used",
                Record::ApprovalClosed(closed) if closed.digest == view.digest => closed.end.as_str(),
                _ => "cancelled",
            };
            if !self.over.remove(&key(view)) {
                self.print("ended", Some(how), view)?;
            }
        }
        Ok(())
    }

    fn fold(&mut self, record: &StoredRecord) {
        self.ledger.go_to(record.at.index);
        // `audit verify` reports records that are out of order.
        let _ = self.ledger.fold(record.run, record.seq, &record.body);
    }

    fn of_run(&self, run: RunId) -> Vec<ApprovalView> {
        let Some(open) = self.ledger.open_run(run) else { return Vec::new() };
        let now = clock_now();
        open.approvals.iter().map(|(op, approval)| ApprovalView::of(run, open, (*op, approval), &now)).collect()
    }

    fn tell(&self, run: RunId, op: u64, event: &'static str) -> Result<(), CliError> {
        self.of_run(run).iter().filter(|view| view.op == op).try_for_each(|view| self.print(event, None, view))
    }

    fn print(&self, event: &'static str, how: Option<&str>, view: &ApprovalView) -> Result<(), CliError> {
        if self.json {
            return Ok(out::json_line(&Event { event, how, view })?);
        }
        Ok(out::line(&line(event, how, view))?)
    }
}

fn is_over(view: &ApprovalView) -> bool {
    !["pending", "approved"].contains(&view.state.as_str())
}

fn key(view: &ApprovalView) -> (RunId, u64, Digest) {
    (view.run, view.op, view.digest)
}

/// The ledger up to now, and the records that follow.
fn folded(reader: &Reader) -> Result<(Ledger, Records), CliError> {
    let kept = reader.snapshot().and_then(|(bytes, from)| Some((Ledger::from_snapshot(&bytes)?, from)));
    let (mut ledger, from) = kept.unwrap_or_else(|| (Ledger::new(), Position::start()));
    let mut records = reader.records_from(from);
    for record in records.by_ref() {
        let record = record?;
        ledger.go_to(record.at.index);
        // `audit verify` reports records that are out of order.
        let _ = ledger.fold(record.run, record.seq, &record.body);
    }
    Ok((ledger, records))
}

fn line(event: &str, how: Option<&str>, view: &ApprovalView) -> String {
    let what = format!("{} of {}: {} in {}", view.approval, view.agent, view.asks, view.environment);
    match (event, how, view.votes.last()) {
        ("voted", _, Some(vote)) => {
            let signed = if vote.key.is_some() { "signed" } else { "not signed" };
            format!("voted    {} {} ({signed}); {what}; it is {}", words::safe(&vote.person), vote.vote, view.state)
        }
        (_, Some(how), _) => format!("ended    {how}; {what}"),
        _ => {
            let needs: Vec<String> = view.groups.iter().map(|need| format!("{} of {}", need.quorum, need.group)).collect();
            format!("{event:<8} {what}; needs {}; {} left", needs.join(", "), super::card::left(view.left_ms))
        }
    }
}
