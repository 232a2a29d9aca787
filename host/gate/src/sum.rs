//! Sums up a run's records for its report. The sum is the same whether the records are read back or added as they are written.

use vocabulary::record::Record;
use vocabulary::{Claim, Finding, RunId};

use crate::touched::Touched;

/// BOUND: bytes that a run's sum holds in memory for what it touched, and for what it found. The record has everything.
const TOUCHED_BYTES_MAX: usize = 16 << 20;
const FINDINGS_BYTES_MAX: usize = 16 << 20;

/// The sum over one run's records.
#[derive(Clone, Debug)]
pub struct Sum {
    /// How many records the run has.
    pub entries: u64,
    /// The findings that the agent reported, as far as there is room.
    pub findings: Vec<Finding>,
    /// How many findings had no room.
    pub findings_more: u64,
    /// Index in the log of the first record.
    pub first: u64,
    /// Index in the log of the last record.
    pub last: u64,
    /// What the run touched: files, servers, refusals.
    pub touched: Touched,
    /// For how long it was suspended, in milliseconds.
    pub waited_ms: u64,
    findings_bytes: usize,
}

impl Default for Sum {
    fn default() -> Self {
        Self {
            entries: 0,
            findings: Vec::new(),
            findings_more: 0,
            first: 0,
            last: 0,
            touched: Touched::bounded(TOUCHED_BYTES_MAX),
            waited_ms: 0,
            findings_bytes: 0,
        }
    }
}

impl Sum {
    /// Adds one record: the `seq`th of its run, at `index` in the log.
    pub fn take(&mut self, run: RunId, seq: u64, index: u64, record: &Record) {
        if self.entries == 0 {
            self.first = index;
        }
        self.last = index;
        self.entries += 1;
        self.touched.take(run, seq, record);
        if let Record::RunResumed(resumed) = record {
            self.waited_ms = self.waited_ms.saturating_add(resumed.waited_ms);
        }
        if let Record::Said(said) = record {
            said.claims.iter().for_each(|claim| match claim {
                Claim::Finding(finding) => self.take_finding(finding),
                Claim::Stdout(_) | Claim::Stderr(_) | Claim::Progress(_) => {}
            });
        }
    }

    fn take_finding(&mut self, finding: &Finding) {
        // Once a finding had no room, all later ones are left out too, so that only the end of the list is missing.
        self.findings_bytes = self.findings_bytes.saturating_add(size_of::<Finding>() + vocabulary::canon::to_vec(finding).len());
        if self.findings_bytes <= FINDINGS_BYTES_MAX {
            self.findings.push(finding.clone());
        } else {
            self.findings_more += 1;
        }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use vocabulary::record::{AskedFor, Object, Observed, RecordKind, Refused, Said, Touch, VERSION};
    use vocabulary::{Digest, Reason, SafeText, Severity};

    use super::*;

    fn run() -> RunId {
        RunId::from_parts(1, [0; 10])
    }

    fn looked_at(path: &str) -> Record {
        let object = Object {
            amount: 0,
            digest: None,
            path: SafeText::new(path, 1024),
            real: None,
            times: 1,
            untold: 0,
            what: Touch::Look,
            whole: false,
        };
        Observed { kind: RecordKind::Observed, objects: vec![object], payload: None, unkept: false, v: VERSION }.into()
    }

    fn refused(what: &str) -> Record {
        let ask = AskedFor {
            headers: Vec::new(),
            placeholders: 0,
            capability: vocabulary::Capability::Http,
            function: vocabulary::Function::HttpHandle,
            resolved: None,
            resource: vocabulary::Resource::path(what, 512),
        };
        let params = Digest::of(b"");
        Refused {
            alike: 1,
            ask,
            at: 0,
            counted: None,
            kind: RecordKind::Refused,
            op: 0,
            params,
            policy: None,
            reason: Reason::NotServed,
            spent_ms: 0,
            v: VERSION,
        }
        .into()
    }

    /// Bytes that the rows hold, text alone.
    fn held(touched: &Touched) -> usize {
        let files: usize = touched.files.iter().map(|file| file.path.as_str().len()).sum();
        files + touched.refused.iter().flat_map(|one| one.resource.texts()).map(|text| text.as_str().len()).sum::<usize>()
    }

    #[test]
    fn a_run_that_looks_at_ever_new_names_is_summed_up_in_bounded_memory() {
        let mut sum = Sum::default();
        for n in 0..60_000u64 {
            sum.take(run(), n, n, &looked_at(&format!("/src/no/such/name/{n:0>400}")));
            sum.take(run(), n, n, &refused(&format!("GET http://host{n:0>400}/")));
        }
        assert!(held(&sum.touched) <= TOUCHED_BYTES_MAX);
        let listed: u64 = sum.touched.files.iter().map(|file| file.times).sum();
        assert_eq!(listed + sum.touched.more.files, 60_000, "what has no line is counted");
        assert_eq!(sum.touched.refused.len() as u64 + sum.touched.more.refused, 60_000);
        assert!(sum.touched.more.files > 0 && listed > 0);
    }

    #[test]
    fn a_name_that_has_a_line_is_added_to_it_though_no_new_one_finds_room() {
        let mut sum = Sum::default();
        sum.take(run(), 1, 1, &looked_at("/src/first"));
        for n in 0..60_000u64 {
            sum.take(run(), n, n, &looked_at(&format!("/src/no/such/name/{n:0>400}")));
        }
        let more = sum.touched.more.files;
        sum.take(run(), 2, 2, &looked_at("/src/first"));
        assert_eq!((sum.touched.files.first().unwrap().times, sum.touched.more.files), (2, more));
    }

    #[test]
    fn findings_without_room_are_counted_and_the_first_are_kept() {
        let text = |text: &str| SafeText::new(text, 4096);
        let finding = |n: u64| Finding {
            evidence: vec![text(&"x".repeat(4000)); 4],
            excerpt: None,
            fingerprint: text(&n.to_string()),
            location: None,
            rule: text("r"),
            severity: Severity::Low,
            taxa: Vec::new(),
            title: text("t"),
        };
        let mut sum = Sum::default();
        for n in 0..2000 {
            let claims = vec![Claim::Finding(Box::new(finding(n)))];
            sum.take(run(), n, n, &Said { claims, kind: RecordKind::Said, v: VERSION }.into());
        }
        assert!(sum.findings.len() > 500 && sum.findings.len() < 1100, "{}", sum.findings.len());
        assert_eq!(sum.findings.len() as u64 + sum.findings_more, 2000);
        assert_eq!(sum.findings.last().unwrap().fingerprint.as_str(), (sum.findings.len() - 1).to_string());
    }
}
