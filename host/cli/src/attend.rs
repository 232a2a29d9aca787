//! Stays with runs until they have ended: displays their events, passes signals on, prints the report.

use std::path::PathBuf;

use effect::{Means, RunId, Severity, Stopping};
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use run::{Event, Holder, NetworkOrder, Report, RunError, RunOrder, Running, own_principal};

use crate::err::CliError;
use crate::exit::{self, Strictness};
use crate::screen::Screen;
use crate::signals::Signals;
use crate::{out, report, sarif};

/// How the end of a run is shown.
#[derive(Clone, Debug)]
pub(crate) struct Showing {
    pub(crate) json: bool,
    pub(crate) strictness: Strictness,
    /// Whether its output is text, to be passed on as it is.
    pub(crate) is_agent: bool,
    /// Where the findings are written as SARIF.
    pub(crate) sarif: Option<PathBuf>,
    /// Findings this bad or worse are what the program ends with.
    pub(crate) fail_on: Option<Severity>,
}

/// How a run begins here.
pub(crate) enum Beginning {
    Start(Box<RunOrder>),
    Resume { run: RunId, network: NetworkOrder },
}

impl Beginning {
    async fn begin(self, holder: &Holder) -> Result<Running, RunError> {
        match self {
            Self::Start(order) => holder.start(*order).await,
            Self::Resume { run, network } => holder.resume(run, network).await,
        }
    }
}

/// A copy of a home that was made while it was in use may have less keys than its record needs.
fn say_lacking(runs: &[RunId]) {
    let Some(first) = runs.first() else { return };
    let more = if runs.len() > 1 { format!(" and {} more", runs.len() - 1) } else { String::new() };
    out::words(&format!(
        "the key of run {first}{more} is not in this home, which is a copy made while it was in use: it can't be resumed or replayed"
    ));
    out::words("help: `bailiwick backup` makes copies in the right order; `bailiwick stop RUN` closes it");
}

/// Begins a run, or the shards of one, attends them and leaves the home when they have ended. The number is the program's.
pub(crate) async fn attend(
    holder: Holder,
    beginnings: Vec<Beginning>,
    agent: &str,
    showing: Showing,
    signals: &mut Signals,
) -> Result<u8, CliError> {
    if let Holder::Here(house, _) = &holder {
        say_lacking(house.lacking());
    }
    let mut attended = Attended { agent, going: Vec::new(), screen: Screen::new(), told_to_end: false };
    let (reports, failed) = attended.all(&holder, beginnings, signals).await;
    drop(attended);
    // Of several, what some have done is shown though others failed.
    let shown = if reports.is_empty() { Ok(exit::HOST) } else { show(&reports, &showing) };
    // Others' runs may go on in this process, whatever became of its own.
    let left = leave(holder, signals).await;
    if let Some(failed) = failed {
        return Err(failed);
    }
    let code = shown?;
    left?;
    Ok(code)
}

/// Runs that were begun here.
struct Attended<'a> {
    agent: &'a str,
    going: Vec<Going>,
    screen: Screen,
    told_to_end: bool,
}

/// One of them, with what it ended with.
struct Going {
    running: Running,
    ended: Option<Result<Report, CliError>>,
}

impl Attended<'_> {
    /// To the end of each: their reports, and the first thing that went wrong. Where one can't begin, those that have begun are told to end.
    async fn all(&mut self, holder: &Holder, beginnings: Vec<Beginning>, signals: &mut Signals) -> (Vec<Report>, Option<CliError>) {
        let begun = self.begin(holder, beginnings, signals).await;
        if let Err(err) = &begun {
            self.stop(if let CliError::EndedEarly { means } = err { *means } else { Means::ShardFailed });
        }
        while self.going.iter().any(|going| going.ended.is_none()) {
            tokio::select! {
                (at, event) = next(&mut self.going) => self.take(at, event),
                means = signals.next() => self.end(holder, means),
            }
        }
        let (mut reports, mut failed) = (Vec::new(), begun.err());
        for ended in self.going.drain(..).filter_map(|going| going.ended) {
            match ended {
                Ok(report) => reports.push(report),
                Err(err) => failed = failed.or(Some(err)),
            }
        }
        (reports, failed)
    }

    async fn begin(&mut self, holder: &Holder, beginnings: Vec<Beginning>, signals: &mut Signals) -> Result<(), CliError> {
        self.screen.quietly(&format!("starting {}", self.agent));
        for beginning in beginnings {
            // A component that was never compiled takes a while, in which nothing is on the record yet.
            let running = tokio::select! {
                running = beginning.begin(holder) => running?,
                means = signals.next() => return Err(CliError::EndedEarly { means }),
            };
            self.going.push(Going { running, ended: None });
        }
        Ok(())
    }

    fn take(&mut self, at: usize, event: Option<Event>) {
        let ended = match event {
            Some(Event::Opened { run }) => return self.screen.step(&format!("run {run}")),
            Some(Event::Said { claim }) => return self.screen.said(self.agent, &claim),
            Some(Event::Progress { progress }) => return self.screen.progress(self.agent, &progress),
            Some(Event::Refused { ask, reason }) => return self.screen.refused(&ask, &reason),
            Some(Event::Closed { report }) => Ok(*report),
            Some(Event::Failed { exit, message }) => Err(CliError::Failed { exit, message }),
            None => Err(CliError::HolderGone),
        };
        if let Some(going) = self.going.get_mut(at) {
            going.ended = Some(ended);
        }
    }

    /// Orders each to end, in the name of this process.
    fn stop(&self, means: Means) {
        let stopping = Stopping { by: own_principal(), means };
        self.going.iter().for_each(|going| going.running.stop(stopping.clone()));
    }

    /// The second time, everything that goes on in this process.
    fn end(&mut self, holder: &Holder, means: Means) {
        self.stop(means);
        if std::mem::replace(&mut self.told_to_end, true)
            && let Holder::Here(house, _) = holder
        {
            house.stop_all(means);
        }
    }
}

/// The next event of any run that has not ended. `None` if no more can come. Cancel-safe.
async fn next(going: &mut [Going]) -> (usize, Option<Event>) {
    let open = going.iter_mut().enumerate().filter(|(_, going)| going.ended.is_none());
    let each = open.map(|(at, going)| async move { (at, going.running.events.next().await) });
    each.collect::<FuturesUnordered<_>>().next().await.unwrap_or((0, None))
}

fn show(reports: &[Report], showing: &Showing) -> Result<u8, CliError> {
    if let Some(file) = &showing.sarif {
        out::file(file, &sarif::document(reports))?;
    }
    if showing.json {
        out::json(&report::documents(reports))?;
    } else {
        for report in reports.iter().filter(|_| !showing.is_agent) {
            if let Some(text) = report.claims.output.as_ref().and_then(|output| output.as_str()) {
                out::guest(report.agent.name.as_str(), text)?;
            }
        }
        report::lines(reports, showing.is_agent).iter().for_each(|line| out::words(line));
    }
    Ok(worst(reports.iter().map(|report| number(report, showing))))
}

/// Of shards: that one did not come to its end says more than that another one found something.
fn worst(codes: impl Iterator<Item = u8> + Clone) -> u8 {
    let not_done = codes.clone().find(|code| ![exit::DONE, exit::FINDINGS].contains(code));
    let mut found = codes;
    not_done.or_else(|| found.find(|code| *code == exit::FINDINGS)).unwrap_or(exit::DONE)
}

fn number(report: &Report, showing: &Showing) -> u8 {
    let was_refused = !report.evidence.touched.refused.is_empty();
    let code = exit::of_outcome(&report.outcome, was_refused, showing.strictness);
    // A finding without a row may be as bad as any other.
    let found = |least| report.claims.findings_more > 0 || report.claims.findings.iter().any(|finding| finding.severity >= least);
    if code == exit::DONE && showing.fail_on.is_some_and(found) { exit::FINDINGS } else { code }
}

/// Leaves the home. A holder waits for the runs of others, says so, and ends them when it is told a second time.
pub(crate) async fn leave(holder: Holder, signals: &mut Signals) -> Result<(), CliError> {
    let house = match &holder {
        Holder::Here(house, _) => Some(house.clone()),
        Holder::There(_) => None,
    };
    let others = house.as_ref().map(run::House::going).unwrap_or_default();
    if !others.is_empty() {
        let names: Vec<String> = others.iter().map(|(run, agent)| format!("{agent} ({run})")).collect();
        out::words(&format!("staying until runs of others have ended: {}; {} ends them", names.join(", "), Means::CtrlC));
    }
    let mut leaving = std::pin::pin!(holder.leave());
    loop {
        tokio::select! {
            left = &mut leaving => return Ok(left?),
            means = signals.next() => if let Some(house) = &house {
                house.stop_all(means);
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::worst;
    use crate::exit::{AGENT, DONE, FINDINGS, INTERRUPTED, LIMIT};

    #[test]
    fn findings_do_not_hide_a_shard_that_failed() {
        for (codes, expected) in [
            (&[DONE, DONE][..], DONE),
            (&[DONE, FINDINGS], FINDINGS),
            (&[FINDINGS, AGENT], AGENT),
            (&[FINDINGS, INTERRUPTED, DONE], INTERRUPTED),
            (&[LIMIT, AGENT], LIMIT),
        ] {
            assert_eq!(worst(codes.iter().copied()), expected, "{codes:?}");
        }
    }
}
