//! Stays with a run until it has ended: draws what is told of it, passes signals on, prints the report.

use std::path::PathBuf;

use effect::{RunId, Severity};
use run::{Event, Holder, NetworkOrder, Report, RunError, RunOrder, Running, Word};

use crate::err::CliError;
use crate::exit::{self, CTRL_C, Strictness};
use crate::screen::Screen;
use crate::signals::Signals;
use crate::{out, place, report, sarif, words};

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
    /// With a person's word on what nobody knows.
    Resume {
        run: RunId,
        word: Option<Word>,
        network: NetworkOrder,
    },
}

impl Beginning {
    async fn begin(self, holder: &Holder) -> Result<Running, RunError> {
        match self {
            Self::Start(order) => holder.start(*order).await,
            Self::Resume { run, word, network } => holder.resume(run, place::by(), word, network).await,
        }
    }
}

/// Begins a run, attends it and leaves the home when it has ended. The number is the program's.
pub(crate) async fn attend(
    holder: Holder,
    beginning: Beginning,
    agent: &str,
    showing: Showing,
    mut signals: Signals,
) -> Result<u8, CliError> {
    let ended = until_end(&holder, beginning, agent, &mut signals).await;
    // Others' runs may go on in this process, whatever became of its own.
    let shown = ended.and_then(|report| show(&report, &showing));
    let left = leave(holder, &mut signals).await;
    let code = shown?;
    left?;
    Ok(code)
}

async fn until_end(holder: &Holder, beginning: Beginning, agent: &str, signals: &mut Signals) -> Result<Report, CliError> {
    let mut screen = Screen::new();
    screen.quietly(&format!("starting {agent}"));
    // A component that was never compiled takes a while, in which nothing is on the record yet.
    let mut running = tokio::select! {
        running = beginning.begin(holder) => running?,
        name = signals.next() => return Err(CliError::EndedEarly { name }),
    };
    let mut told = false;
    loop {
        tokio::select! {
            event = running.events.next() => match event {
                Some(Event::Opened { run }) => screen.step(&format!("run {run}")),
                Some(Event::Said { claim }) => screen.said(agent, &claim),
                Some(Event::Progress { progress }) => screen.progress(&progress),
                Some(Event::Refused { ask, reason }) => screen.refused(&ask, &reason),
                Some(Event::Closed { report }) => return Ok(*report),
                Some(Event::Failed { exit, message }) => return Err(CliError::Failed { exit, message }),
                None => return Err(CliError::HolderGone),
            },
            name = signals.next() => {
                running.stop(name);
                if std::mem::replace(&mut told, true) && let Holder::Here(house, _) = holder {
                    house.stop_all(name);
                }
            }
        }
    }
}

fn show(report: &Report, showing: &Showing) -> Result<u8, CliError> {
    if let Some(file) = &showing.sarif {
        out::file(file, &sarif::document(report))?;
    }
    if showing.json {
        out::json(&report::document(report))?;
    } else {
        if !showing.is_agent
            && let Some(serde_json::Value::String(text)) = &report.claims.output
        {
            output(text)?;
        }
        report::lines(report, showing.is_agent).iter().for_each(|line| out::words(line));
    }
    let was_refused = !report.evidence.touched.refused.is_empty();
    let code = exit::of_outcome(&report.outcome, was_refused, showing.strictness);
    let found = |least| report.claims.findings.iter().any(|finding| finding.severity >= least);
    Ok(if code == exit::DONE && showing.fail_on.is_some_and(found) { exit::FINDINGS } else { code })
}

/// What a command printed: as it is for another program, without what a terminal obeys for a person.
fn output(text: &str) -> Result<(), CliError> {
    if out::is_terminal() {
        return text.lines().try_for_each(|line| out::line(&words::safe(line)));
    }
    out::bytes(text.as_bytes())
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
        out::words(&format!("staying until runs of others have ended: {}; {CTRL_C} ends them", names.join(", ")));
    }
    let mut leaving = std::pin::pin!(holder.leave());
    loop {
        tokio::select! {
            left = &mut leaving => return Ok(left?),
            name = signals.next() => if let Some(house) = &house {
                house.stop_all(name);
            },
        }
    }
}
