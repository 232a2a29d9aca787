//! Leaves a home. A holder stays as long as runs of others go on, or leaves them to others.

use effect::{Means, RunId, SafeText};
use run::{ANSWERS_MAX, Holder, House};

use crate::err::CliError;
use crate::out;
use crate::signals::Signals;

/// Leaves the home. A holder waits for the runs of others and says so. With a signal it leaves them to others.
pub(crate) async fn leave(holder: Holder, signals: &mut Signals) -> Result<(), CliError> {
    let house = match &holder {
        Holder::Here(house, _) => house.clone(),
        Holder::There(_) => return Ok(()),
    };
    let others = house.going();
    if !others.is_empty() {
        out::words(&format!("staying until runs of others have ended: {}; {} leaves them to their owners", named(&others), Means::CtrlC));
    }
    tokio::select! {
        left = holder.leave() => Ok(left?),
        _ = signals.next() => hand_over(&house, signals).await,
    }
}

/// Leaves the home although runs go on in it. Their clients go on with them. A further signal leaves at once.
pub(crate) async fn hand_over(house: &House, signals: &mut Signals) -> Result<(), CliError> {
    house.ask_no_more();
    let going = house.going();
    if !going.is_empty() {
        out::words(&format!(
            "leaving {} to their owners, once what was asked is answered, in {} s at most",
            named(&going),
            ANSWERS_MAX.as_secs()
        ));
    }
    tokio::select! {
        biased;
        left = house.hand_over() => left.map(drop).map_err(CliError::from),
        _ = signals.next() => Ok(()),
    }
}

fn named(runs: &[(RunId, SafeText)]) -> String {
    runs.iter().map(|(run, agent)| format!("{agent} ({run})")).collect::<Vec<_>>().join(", ")
}
