//! Leaves a home. A host stays while runs of other processes are active, or hands these runs over to their clients.

use run::{ANSWERS_MAX, LocalHost};
use vocabulary::{Means, RunId, SafeText};

use crate::err::CliError;
use crate::signals::Signals;
use crate::{out, words};
use service::HostHandle;

/// Reports a suspended run that can't be resumed.
pub(crate) fn not_resumed(run: RunId, why: &str) {
    out::words(&format!("run {run} was to continue and can't: {}; `bailiwick ps` shows it", words::safe(why)));
}

/// Leaves the home. A host waits for the runs of other processes and says so. On a signal it hands them over to their clients.
pub(crate) async fn leave(mut host: HostHandle, signals: &mut Signals) -> Result<(), CliError> {
    // Runs that wait for nothing any more are resumed by whichever command holds the home, after its own work.
    host.wake_runs(not_resumed);
    tokio::select! {
        () = host.woken() => {}
        _ = signals.next() => {}
    }
    let local = match &host {
        HostHandle::Here(session, _) => session.local().clone(),
        HostHandle::There(_) => return Ok(()),
    };
    let others = local.going();
    if !others.is_empty() {
        out::words(&format!(
            "staying until runs of other processes have ended or are suspended: {}; {} leaves them to the commands that attend them",
            named(&others),
            Means::CtrlC
        ));
    }
    tokio::select! {
        left = host.leave() => Ok(left?),
        _ = signals.next() => hand_over(&local, signals).await,
    }
}

/// Leaves the home although runs are active in it. Their clients continue them. A further signal leaves at once.
pub(crate) async fn hand_over(local: &LocalHost, signals: &mut Signals) -> Result<(), CliError> {
    local.ask_no_more();
    let going = local.going();
    if !going.is_empty() {
        out::words(&format!(
            "leaving {} to the commands that attend them, when open requests are answered, after {} s at the latest",
            named(&going),
            ANSWERS_MAX.as_secs()
        ));
    }
    tokio::select! {
        biased;
        left = local.hand_over() => left.map(drop).map_err(CliError::from),
        _ = signals.next() => Ok(()),
    }
}

fn named(runs: &[(RunId, SafeText)]) -> String {
    runs.iter().map(|(run, agent)| format!("{agent} ({run})")).collect::<Vec<_>>().join(", ")
}
