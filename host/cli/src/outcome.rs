//! How a run ended, in words, and what a person can do about acts with an unknown outcome.

use vocabulary::{Outcome, RunId, UnknownAct};

/// How a run ended, as a short label.
pub(crate) fn word(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Done => "DONE",
        Outcome::Failed { .. } => "FAILED",
        Outcome::Trapped { .. } => "TRAPPED",
        Outcome::Limit { .. } => "LIMIT REACHED",
        Outcome::Stopped(_) => "STOPPED",
        Outcome::Unsettled { .. } => "UNSETTLED",
        Outcome::RecordBroken => "RECORD BROKEN",
        Outcome::SetAside => "SET ASIDE",
        Outcome::HostFailed { .. } => "HOST FAILED",
    }
}

/// Why a run ended, where the label does not say it all; `None` for a run that is done.
pub(crate) fn words(outcome: &Outcome) -> Option<String> {
    match outcome {
        Outcome::Done => None,
        Outcome::Failed { code, message } => Some(format!("the agent says: {code}: {message}")),
        Outcome::Trapped { message } => Some(format!("trap: {message}")),
        Outcome::Limit { limit } => Some(format!("the limit `{limit}` was reached")),
        Outcome::Stopped(stopping) => Some(format!("stopped by {stopping}")),
        Outcome::Unsettled { acts } => {
            let acts: Vec<String> = acts.iter().map(ToString::to_string).collect();
            Some(format!("it is unknown whether this happened: {}", acts.join(", ")))
        }
        Outcome::RecordBroken => Some("the record could not be written, so nothing further was done".to_owned()),
        Outcome::SetAside => Some(
            "the part of the record that was set aside has the rest of this run: what it did then, and how it ended, is not known here"
                .to_owned(),
        ),
        Outcome::HostFailed { message } => Some(format!("the host failed: {message}")),
    }
}

/// What to do about acts with an unknown outcome.
pub(crate) fn settle_advice(run: RunId, acts: &[UnknownAct]) -> String {
    let ops: Vec<String> = acts.iter().map(|act| act.op.to_string()).collect();
    let word = format!("{run} --settle did --op {}", ops.join(","));
    format!(
        "ask the server whether it happened, then `bailiwick resume {word}` (or `--settle did-not`) continues the run, or `bailiwick stop \
         {word}` closes it"
    )
}
