//! Leaves a home. A host stays as long as runs of others go on, or leaves them to others.

use run::{ANSWERS_MAX, LocalHost};
use vocabulary::{Means, RunId, SafeText};

use crate::err::CliError;
use crate::out;
use crate::signals::Signals;
use service::HostHandle;

/// Leaves the home. A host waits for the runs of others and says so. With a signal it leaves them to others.
pub(crate) async fn leave(host: HostHandle, signals: &mut Signals) -> Result<(), CliError> {
    let local = match &host {
        HostHandle::Here(session, _) => session.local().clone(),
        HostHandle::There(_) => return Ok(()),
    };
    let others = local.going();
    if !others.is_empty() {
        out::words(&format!("staying until runs of others have ended: {}; {} leaves them to their owners", named(&others), Means::CtrlC));
    }
    tokio::select! {
        left = host.leave() => Ok(left?),
        _ = signals.next() => hand_over(&local, signals).await,
    }
}

/// Leaves the home although runs go on in it. Their clients go on with them. A further signal leaves at once.
pub(crate) async fn hand_over(local: &LocalHost, signals: &mut Signals) -> Result<(), CliError> {
    local.ask_no_more();
    let going = local.going();
    if !going.is_empty() {
        out::words(&format!(
            "leaving {} to their owners, once what was asked is answered, in {} s at most",
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
