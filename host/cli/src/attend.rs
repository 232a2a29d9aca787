//! Attends runs until they have ended: displays their events, passes signals on, prints the report.

use std::path::PathBuf;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use run::{RunError, RunEvent, RunReport, Running, own_principal};
use vocabulary::exit::{self, Strictness};
use vocabulary::{Means, RunId, Severity, Stopping};

use service::{Admitted, Continuation, HostHandle, ResumeRequest, ServiceError};

use crate::err::CliError;
use crate::screen::Screen;
use crate::signals::Signals;
use crate::suspended::{self, Detach, WaitingDocument};
use crate::{leave, out, place, report, sarif, words};

/// How the end of a run is shown.
#[derive(Clone, Debug)]
pub(crate) struct Showing {
    pub(crate) json: bool,
    pub(crate) strictness: Strictness,
    /// Whether it is an agent. The output of a command is text, which is printed unchanged.
    pub(crate) is_agent: bool,
    /// The file for the findings as SARIF.
    pub(crate) sarif: Option<PathBuf>,
    /// The least severity of a finding that makes the program end with `FINDINGS`.
    pub(crate) fail_on: Option<Severity>,
    /// When a run that is suspended is left waiting.
    pub(crate) detach: Detach,
}

/// How a run begins: it is started, resumed, or continued after its host was gone.
pub(crate) enum Beginning {
    Start(Box<Admitted>),
    Resume(ResumeRequest),
    /// A run that may have ended. If so, its report is shown.
    Continue(RunId, Continuation),
}

/// What became of a run that was attended.
enum AttendedEnd {
    Report(Box<RunReport>),
    Waits(WaitingDocument),
}

/// BOUND: how often one run is continued after its host was gone. The run itself may be what ends its hosts.
const TAKEN_OVER_MAX: u32 = 5;

/// The time between two looks at a run that the new host resumed by itself.
const RESUMED_LOOK: Duration = Duration::from_secs(1);

/// Prints which runs lack their key. A copy of a home that was made while it was in use may have fewer keys than its record needs.
fn say_lacking(runs: &[RunId]) {
    let Some(first) = runs.first() else { return };
    let more = if runs.len() > 1 { format!(" and {} more", runs.len() - 1) } else { String::new() };
    out::words(&format!(
        "this home lacks the key of run {first}{more}, because it is a copy that was made while the home was in use: without its key, a \
         run can't be resumed or replayed"
    ));
    out::words("help: `bailiwick backup` makes copies in the right order; `bailiwick stop RUN` closes the run");
}

/// Begins a run, or the shards of one, attends them and leaves the home when they have ended. Returns the exit code.
pub(crate) async fn attend(
    mut host: HostHandle,
    beginnings: Vec<Beginning>,
    agent: &str,
    showing: Showing,
    signals: &mut Signals,
) -> Result<u8, CliError> {
    if let HostHandle::Here(session, _) = &host {
        say_lacking(session.local().lacking());
    }
    let mut attended =
        Attended { agent, detach: showing.detach, going: Vec::new(), screen: Screen::new(), told_to_end: None, disk_is_told: false };
    let (ends, failed, haste) = attended.all(&mut host, beginnings, signals).await;
    drop(attended);
    // The reports of some runs are shown even if others failed.
    let shown = if ends.is_empty() { Ok(exit::HOST) } else { show(ends, &showing) };
    // Runs of other processes may be active in this one, however its own runs have ended.
    let left = match (haste, &host) {
        (Haste::Leaves, HostHandle::Here(session, _)) => leave::hand_over(session.local(), signals).await,
        _ => leave::leave(host, signals).await,
    };
    if let Some(failed) = failed {
        return Err(failed);
    }
    let code = shown?;
    // The report has said why the record can't be written.
    if code != exit::RECORD {
        left?;
    }
    Ok(code)
}

/// Whether the user wants this process to end at once, even if runs are active.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Haste {
    Stays,
    Leaves,
}

/// The runs that this process began.
struct Attended<'a> {
    agent: &'a str,
    detach: Detach,
    going: Vec<AttendedRun>,
    screen: Screen,
    told_to_end: Option<Means>,
    disk_is_told: bool,
}

/// One run, with its result once it has ended.
struct AttendedRun {
    running: Running,
    ended: Option<Result<AttendedEnd, CliError>>,
    /// Whether its host is gone and the run has not ended.
    is_left: bool,
    taken_over: u32,
    /// Whether the user was told that its host is gone.
    is_told: bool,
    /// Whether the new host has resumed it by itself, so that this process only waits for its end.
    is_elsewhere: bool,
    /// How it was begun, to continue it with another host.
    as_begun: Continuation,
}

impl Attended<'_> {
    /// Attends each run to its end. Returns the reports and the first error. If one run can't begin, the others are told to end.
    async fn all(
        &mut self,
        host: &mut HostHandle,
        beginnings: Vec<Beginning>,
        signals: &mut Signals,
    ) -> (Vec<AttendedEnd>, Option<CliError>, Haste) {
        let begun = self.begin(host, beginnings, signals).await;
        // After its own runs have begun: one of them may be a run that is due.
        host.wake_runs(leave::not_resumed);
        if let Err(err) = &begun {
            self.stop(if let CliError::EndedEarly { means } = err { *means } else { Means::ShardFailed });
        }
        let mut haste = Haste::Stays;
        while self.going.iter().any(|going| going.ended.is_none()) {
            if let Some(at) = self.left() {
                self.continue_here(at, host, signals).await;
                continue;
            }
            tokio::select! {
                (at, event) = next(&mut self.going) => self.take(at, event),
                means = signals.next() => if self.told_to_end.is_some() {
                    haste = Haste::Leaves;
                    self.give_up(means);
                } else {
                    self.stop(means);
                },
                () = tokio::time::sleep(DISK_CHECK_EVERY) => self.check_disk(host),
            }
        }
        let (mut ends, mut failed) = (Vec::new(), begun.err());
        for ended in self.going.drain(..).filter_map(|going| going.ended) {
            match ended {
                Ok(end) => ends.push(end),
                Err(err) => failed = failed.or(Some(err)),
            }
        }
        (ends, failed, haste)
    }

    async fn begin(&mut self, host: &mut HostHandle, beginnings: Vec<Beginning>, signals: &mut Signals) -> Result<(), CliError> {
        self.screen.quietly(&format!("starting {}", self.agent));
        for beginning in beginnings {
            // A component that was never compiled takes a while, and nothing is on the record yet.
            let going = tokio::select! {
                going = begin(beginning, host) => going?,
                means = signals.next() => return Err(CliError::EndedEarly { means }),
            };
            self.going.push(going);
        }
        Ok(())
    }

    fn take(&mut self, at: usize, event: Option<RunEvent>) {
        let Some(going) = self.going.get_mut(at) else { return };
        let run = going.running.run;
        going.ended = Some(match event {
            Some(RunEvent::Opened { run }) => return self.screen.step(&format!("run {run}")),
            Some(RunEvent::Said { claim }) => return self.screen.said(self.agent, &claim),
            Some(RunEvent::Progress { progress }) => return self.screen.progress(self.agent, &progress),
            Some(RunEvent::Refused { ask, reason }) => return self.screen.refused(&ask, &reason),
            Some(RunEvent::Left {}) => {
                going.is_left = true;
                return;
            }
            Some(RunEvent::Suspended { approvals, waits_for }) if self.detach.leaves(&waits_for) => {
                // From now on the run has no caller.
                going.running = Running::elsewhere(run).0;
                Ok(AttendedEnd::Waits(WaitingDocument { run, agent: self.agent.to_owned(), waits_for, approvals }))
            }
            Some(RunEvent::Suspended { approvals, waits_for }) => {
                going.taken_over = 0;
                approvals.iter().for_each(|approval| self.screen.line(&suspended::asked_of(approval)));
                return self.screen.line(&format!("run {run} {}; {} stops it", words::waits(&waits_for), Means::CtrlC));
            }
            Some(RunEvent::Resumed {}) => return self.screen.line(&format!("run {run} continues")),
            Some(RunEvent::Closed { report }) => Ok(AttendedEnd::Report(report)),
            Some(RunEvent::Failed { exit, message, help }) => Err(CliError::Failed { exit, message, help }),
            Some(RunEvent::Lost { message }) => {
                Err(CliError::Lost { run, why: message, exit: self.told_to_end.map_or(exit::HOST, exit::of_means) })
            }
            None => Err(CliError::HostGone),
        });
    }

    /// The index of a run whose host is gone.
    fn left(&self) -> Option<usize> {
        self.going.iter().position(|going| going.is_left && going.ended.is_none())
    }

    /// Continues a run whose host is gone, in this process or with another host. If that is not possible, it ends with the error that
    /// `resume` would report.
    async fn continue_here(&mut self, at: usize, host: &mut HostHandle, signals: &mut Signals) {
        let Some(going) = self.going.get_mut(at) else { return };
        let run = going.running.run;
        let cut_off = |why: &str, exit| CliError::CutOff { run, why: why.to_owned(), exit };
        going.is_left = false;
        if !going.is_elsewhere {
            going.taken_over += 1;
        }
        if let Some(means) = self.told_to_end {
            going.ended = Some(Err(cut_off("the process that held the home was gone before it had ended the run", exit::of_means(means))));
            return;
        }
        if going.taken_over > TAKEN_OVER_MAX {
            going.ended = Some(Err(cut_off(
                &format!("{} processes ran it one after the other, and each of them exited before the run had ended", going.taken_over),
                exit::HOST,
            )));
            return;
        }
        if !std::mem::replace(&mut going.is_told, true) {
            self.screen.line(&format!("the process that held the home is gone; continuing run {run}"));
        }
        let again = async {
            host.find_again(&place::host_options()).await?;
            let running = host.continue_run(run, &going.as_begun).await.map(Running::gone_ahead);
            if let Err(ServiceError::Run(RunError::Running(_) | RunError::Taken(_))) = &running {
                tokio::time::sleep(RESUMED_LOOK).await;
            }
            // This process may be the host now.
            host.wake_runs(leave::not_resumed);
            running
        };
        let taken = tokio::select! {
            taken = again => Ok(taken),
            means = signals.next() => Err(means),
        };
        let taken = match taken {
            Ok(taken) => taken,
            Err(_) if going.is_elsewhere => {
                // Its end is shown when the host has ended it.
                let _ = host.stop(run).await;
                going.is_left = true;
                return;
            }
            Err(means) => {
                going.ended = Some(Err(cut_off(&format!("{means} arrived before it could be continued"), exit::of_means(means))));
                return;
            }
        };
        match taken {
            Ok(running) => {
                if running.run != run {
                    self.screen.line(&format!("nothing of run {run} had left this machine, so it starts again as run {}", running.run));
                }
                (going.running, going.is_told, going.is_elsewhere) = (running, false, false);
            }
            // This host is gone as well.
            Err(ServiceError::HostGone(_) | ServiceError::Run(RunError::Leaving)) => going.is_left = true,
            // The new host has resumed it already. Its end is shown when it has come.
            Err(ServiceError::Run(RunError::Running(_) | RunError::Taken(_))) => {
                (going.is_left, going.is_elsewhere) = (true, true);
            }
            Err(err) => going.ended = Some(Err(err.into())),
        }
    }

    /// Tells each run to end, in the name of this process.
    fn stop(&mut self, means: Means) {
        self.told_to_end = Some(means);
        let stopping = Stopping { by: own_principal(), means };
        self.going.iter().for_each(|going| going.running.stop(stopping.clone()));
    }

    /// Stops waiting for runs.
    fn give_up(&mut self, means: Means) {
        for going in self.going.iter_mut().filter(|going| going.ended.is_none()) {
            let why = format!("{means} arrived again before it had ended");
            going.ended = Some(Err(CliError::CutOff { run: going.running.run, why, exit: exit::of_means(means) }));
        }
    }

    /// Says once that the disk does not answer, if this process holds the home.
    fn check_disk(&mut self, host: &HostHandle) {
        let HostHandle::Here(session, _) = host else { return };
        let waits_ms = session.local().disk_ms();
        if waits_ms > DISK_MAX_MS && !std::mem::replace(&mut self.disk_is_told, true) {
            self.screen
                .line(&format!("the disk of the home has not answered for {}; nothing happens until it does", words::seconds(waits_ms)));
        } else if waits_ms == 0 {
            self.disk_is_told = false;
        }
    }
}

/// The time between two checks whether the disk answers, and how long the disk may take, in milliseconds.
const DISK_CHECK_EVERY: Duration = Duration::from_millis(500);
const DISK_MAX_MS: u64 = 1000;

/// Begins one run. If the host is gone before it has returned the id of the run, nothing was asked, and the run begins with another host.
async fn begin(beginning: Beginning, host: &mut HostHandle) -> Result<AttendedRun, ServiceError> {
    let mut tries = 0;
    loop {
        let begun = match &beginning {
            Beginning::Start(run) => host.start(run).await,
            Beginning::Resume(request) => host.resume(request).await,
            Beginning::Continue(run, as_begun) => host.continue_run(*run, as_begun).await,
        };
        tries += 1;
        match begun.map(Running::gone_ahead) {
            Err(ServiceError::HostGone(_) | ServiceError::Run(RunError::Leaving)) if tries <= TAKEN_OVER_MAX => {
                host.find_again(&place::host_options()).await?;
            }
            begun => {
                let as_begun = match beginning {
                    Beginning::Start(run) => Continuation::Started(Box::new(run.request().clone())),
                    Beginning::Resume(request) => Continuation::Resumed { config: request.config },
                    Beginning::Continue(_, as_begun) => as_begun,
                };
                return Ok(AttendedRun {
                    running: begun?,
                    ended: None,
                    is_left: false,
                    taken_over: 0,
                    is_told: false,
                    is_elsewhere: false,
                    as_begun,
                });
            }
        }
    }
}

/// The next event of any run that has not ended. `None` if no more can come. Cancel-safe.
async fn next(going: &mut [AttendedRun]) -> (usize, Option<RunEvent>) {
    let open = going.iter_mut().enumerate().filter(|(_, going)| going.ended.is_none());
    let each = open.map(|(at, going)| async move { (at, going.running.events.next().await) });
    each.collect::<FuturesUnordered<_>>().next().await.unwrap_or((0, None))
}

fn show(ends: Vec<AttendedEnd>, showing: &Showing) -> Result<u8, CliError> {
    let (mut reports, mut waits) = (Vec::new(), Vec::new());
    for end in ends {
        match end {
            AttendedEnd::Report(report) => reports.push(*report),
            AttendedEnd::Waits(document) => waits.push(document),
        }
    }
    for waiting in &waits {
        if showing.json {
            out::json(waiting)?;
        }
        waiting.approvals.iter().for_each(|approval| out::words(&suspended::asked_of(approval)));
        let (run, waits_for) = (waiting.run, words::waits(&waiting.waits_for));
        out::words(&format!("run {run} {waits_for}\nhelp: `bailiwick wait {run}` waits for its end, `bailiwick stop {run}` ends it"));
    }
    if reports.is_empty() {
        return Ok(exit::WAITING);
    }
    show_reports(&reports, showing)?;
    let codes = reports.iter().map(|report| number(report, showing)).chain(waits.iter().map(|_| exit::WAITING));
    Ok(worst(codes.collect::<Vec<_>>().into_iter()))
}

fn show_reports(reports: &[RunReport], showing: &Showing) -> Result<(), CliError> {
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
    Ok(())
}

/// The exit code of several shards: one that failed matters more than one with findings.
fn worst(codes: impl Iterator<Item = u8> + Clone) -> u8 {
    let not_done = codes.clone().find(|code| ![exit::DONE, exit::FINDINGS].contains(code));
    let mut found = codes;
    not_done.or_else(|| found.find(|code| *code == exit::FINDINGS)).unwrap_or(exit::DONE)
}

fn number(report: &RunReport, showing: &Showing) -> u8 {
    let was_refused = !report.evidence.touched.refused.is_empty();
    let code = exit::of_outcome(&report.outcome, was_refused, showing.strictness);
    // A finding that the report has no room for may have any severity.
    let found = |least| report.claims.findings_more > 0 || report.claims.findings.iter().any(|finding| finding.severity >= least);
    if code == exit::DONE && showing.fail_on.is_some_and(found) { exit::FINDINGS } else { code }
}

#[cfg(test)]
mod tests {
    use super::worst;
    use vocabulary::exit::{AGENT, DONE, FINDINGS, INTERRUPTED, LIMIT};

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
