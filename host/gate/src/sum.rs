//! What a run's records add up to, for its report: the same whether they are read back or taken as they are written.

use effect::record::Record;
use effect::{Claim, Finding, RunId};

use crate::touched::Touched;

/// The sum over one run's records.
#[derive(Clone, Debug, Default)]
pub struct Sum {
    /// How many there are.
    pub entries: u64,
    /// What the agent says it found.
    pub findings: Vec<Finding>,
    /// Index in the log of the first.
    pub first: u64,
    /// Index in the log of the last.
    pub last: u64,
    /// Files, hosts, refusals.
    pub touched: Touched,
}

impl Sum {
    /// Takes one record in: the `seq`th of its run, at `index` in the log.
    pub fn take(&mut self, run: RunId, seq: u64, index: u64, record: &Record) {
        if self.entries == 0 {
            self.first = index;
        }
        self.last = index;
        self.entries += 1;
        self.touched.take(run, seq, record);
        if let Record::Said(said) = record {
            self.findings.extend(said.claims.iter().filter_map(|claim| match claim {
                Claim::Finding(finding) => Some(Finding::clone(finding)),
                Claim::Stdout(_) | Claim::Stderr(_) | Claim::Progress(_) => None,
            }));
        }
    }
}
