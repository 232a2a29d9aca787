//! The exit codes of the program: one table for scripts, the same for every verb.

use crate::{Means, Outcome};

/// Success.
pub const DONE: u8 = 0;
/// The host failed.
pub const HOST: u8 = 1;
/// The command line or the configuration is wrong, or the configuration is not trusted.
pub const USAGE: u8 = 2;
/// The agent failed.
pub const AGENT: u8 = 3;
/// The agent was not admitted, or it failed after a refusal.
pub const REFUSED: u8 = 4;
/// A limit was reached.
pub const LIMIT: u8 = 5;
/// The record is broken or can't be written.
pub const RECORD: u8 = 6;
/// `run --detach`: the run is suspended and was left.
pub const WAITING: u8 = 7;
/// The outcome of an act is unknown and must be settled.
pub const UNSETTLED: u8 = 8;
/// A replay diverged from the record.
pub const DIVERGED: u8 = 9;
/// There are findings at or above `--fail-on`.
pub const FINDINGS: u8 = 10;
/// `status`: no process has the home.
pub const IDLE: u8 = 11;
/// The program was ended by SIGHUP.
pub const HUNG_UP: u8 = 129;
/// The program was ended by Ctrl-C.
pub const INTERRUPTED: u8 = 130;
/// The program was ended by SIGTERM or `stop`.
pub const TERMINATED: u8 = 143;

/// Whether refusals that did not make the agent fail change the exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strictness {
    /// They are only in the report.
    Lenient,
    /// They set the exit code.
    Strict,
}

/// The exit code for the outcome of a run.
pub fn of_outcome(outcome: &Outcome, was_refused: bool, strictness: Strictness) -> u8 {
    match outcome {
        Outcome::Done if was_refused && strictness == Strictness::Strict => REFUSED,
        Outcome::Done => DONE,
        Outcome::Failed { .. } | Outcome::Trapped { .. } if was_refused => REFUSED,
        Outcome::Failed { .. } | Outcome::Trapped { .. } => AGENT,
        Outcome::Limit { .. } => LIMIT,
        Outcome::Stopped(stopping) => of_means(stopping.means),
        Outcome::Unsettled { .. } => UNSETTLED,
        Outcome::RecordBroken | Outcome::SetAside => RECORD,
        Outcome::HostFailed { .. } => HOST,
    }
}

/// The exit code for an order that ended a run, or the work before a run.
pub fn of_means(means: Means) -> u8 {
    match means {
        Means::CtrlC => INTERRUPTED,
        Means::Sighup => HUNG_UP,
        Means::Sigterm | Means::Stop | Means::ClientGone | Means::ShardFailed | Means::HolderGone => TERMINATED,
    }
}

#[cfg(test)]
mod tests {
    use crate::{Principal, SafeText, Stopping};

    use super::*;

    #[test]
    fn each_end_has_its_number() {
        let text = |text: &str| SafeText::new(text, 64);
        let stopped = |means| Outcome::Stopped(Stopping { by: Principal::new(1000, Some("alice")), means });
        let failed = Outcome::Failed { code: text("x"), message: text("y") };
        let cases = [
            (Outcome::Done, false, DONE),
            (Outcome::Done, true, DONE),
            (failed.clone(), false, AGENT),
            (failed, true, REFUSED),
            (Outcome::Trapped { message: text("unreachable") }, false, AGENT),
            (Outcome::Limit { limit: crate::Limit::Memory }, true, LIMIT),
            (stopped(Means::CtrlC), false, INTERRUPTED),
            (stopped(Means::Sigterm), false, TERMINATED),
            (stopped(Means::Sighup), false, HUNG_UP),
            (stopped(Means::Stop), true, TERMINATED),
            (Outcome::Unsettled { acts: Vec::new() }, false, UNSETTLED),
            (Outcome::RecordBroken, false, RECORD),
            (Outcome::SetAside, false, RECORD),
            (Outcome::HostFailed { message: text("z") }, false, HOST),
        ];
        for (outcome, was_refused, code) in cases {
            assert_eq!(of_outcome(&outcome, was_refused, Strictness::Lenient), code, "{outcome:?}");
        }
    }

    #[test]
    fn strict_turns_a_survived_refusal_into_one() {
        assert_eq!(of_outcome(&Outcome::Done, true, Strictness::Strict), REFUSED);
        assert_eq!(of_outcome(&Outcome::Done, false, Strictness::Strict), DONE);
    }
}
