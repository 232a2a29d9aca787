//! `--settle` of `resume` and `stop`: a person's statement on acts with an unknown outcome.

use std::str::FromStr;

use ::run::{Settlement, Which};
use vocabulary::{RunId, UnknownAct};

use crate::err::CliError;
use crate::{out, words};
use service::HostHandle;

/// A person's statement on acts with an unknown outcome.
#[derive(Debug, clap::Args)]
pub(crate) struct WordArgs {
    /// Whether an act with an unknown outcome happened, as you found out
    #[arg(long, value_enum)]
    settle: Option<Settle>,
    /// The operations, if there are several: `6`, `6,8`, `6-9` (`bailiwick ps` names them)
    #[arg(long, value_name = "N", requires = "settle")]
    op: Option<Ops>,
    /// Settle all operations that wait for it
    #[arg(long, requires = "settle", conflicts_with = "op")]
    all: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Settle {
    /// It happened
    Did,
    /// It did not happen
    DidNot,
}

/// Numbers of operations, from one argument.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Ops(Vec<u64>);

/// BOUND: operations in one command.
const OPS_MAX: u64 = 10_000;

impl FromStr for Ops {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut ops = Vec::new();
        for part in text.split(',') {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            let number =
                |text: &str| text.trim().parse::<u64>().map_err(|_| format!("`{part}` is not an operation: write `6`, `6,8` or `6-9`"));
            let (first, last) = (number(first)?, number(last)?);
            if last < first {
                return Err(format!("`{part}` ends before it begins"));
            }
            if last - first >= OPS_MAX || ops.len() as u64 + (last - first) >= OPS_MAX {
                return Err(format!("these are more than {} operations", words::count(OPS_MAX)));
            }
            ops.extend((first..=last).filter(|op| !ops.contains(op)).collect::<Vec<_>>());
        }
        Ok(Self(ops))
    }
}

impl WordArgs {
    fn word(&self) -> Option<Settlement> {
        let acts = match (&self.op, self.all) {
            (Some(Ops(ops)), _) => Which::Ops(ops.clone()),
            (None, true) => Which::All,
            (None, false) => Which::Only,
        };
        self.settle.map(|settle| Settlement { acts, did: settle == Settle::Did })
    }
}

/// Records the statement, if there is one, and returns the acts that it settles.
pub(super) async fn settle(host: &HostHandle, run: RunId, args: &WordArgs) -> Result<Vec<UnknownAct>, CliError> {
    let Some(word) = args.word() else { return Ok(Vec::new()) };
    let did = if word.did { "did happen" } else { "did not happen" };
    let settling = host.settle(run, word).await?;
    for act in &settling.settled {
        out::words(&format!("recorded: op {} {did}: {}", act.op, words::safe(act.what.as_str())));
    }
    Ok(settling.settled)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn operations_are_read_one_by_one_and_in_ranges_and_each_once() {
        for (text, ops) in [("6", &[6][..]), ("6,8", &[6, 8]), ("6-9", &[6, 7, 8, 9]), ("8, 6-8", &[8, 6, 7])] {
            assert_eq!(text.parse::<Ops>().unwrap().0, ops, "{text}");
        }
        for bad in ["", "x", "6,", "-1", "6-", "9-6", "1-99999999999", "0-10000", "1-6000,7000-12000"] {
            assert!(bad.parse::<Ops>().is_err(), "{bad}");
        }
    }
}
