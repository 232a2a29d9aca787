//! The status of the process that holds a home: its active runs, how its record and its disk keep up, and what it uses of the machine.

use gate::Stage;
use serde::{Deserialize, Serialize};
use vocabulary::{Principal, RunId, SafeText};

use crate::forms::{FORMS, spoken_forms};
use crate::local_host::LocalHost;
use crate::place::held;

/// The answer to `status`, and its form as JSON. A later version may add fields.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// The process id of the host.
    pub pid: u32,
    /// The version of its program.
    pub version: String,
    /// The forms of home, record, keys and vault that it uses.
    pub forms: String,
    /// Milliseconds since it took the home.
    pub uptime_ms: u64,
    /// Its active runs, the oldest first.
    pub runs: Vec<RunStatus>,
    /// How many runs are suspended.
    #[serde(default)]
    pub suspended: u64,
    /// How the record keeps up.
    pub record: RecordStatus,
    /// How the disk of the home answers.
    pub disk: DiskStatus,
    /// What the process uses of the machine.
    pub machine: MachineStatus,
}

/// An active run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunStatus {
    /// The id of the run.
    pub run: RunId,
    /// The agent's name.
    pub agent: SafeText,
    /// Who started it. Absent for an instant after it began.
    pub by: Option<Principal>,
    /// When it was opened, milliseconds since 1970; absent for an instant after it began.
    pub opened_ms: Option<u64>,
    /// Whether somebody has ordered its end.
    pub is_ending: bool,
    /// Acts that were permitted so far.
    pub asked: u64,
    /// Acts that have an intent on the record and no answer, and host requests for this run.
    pub in_flight: u64,
}

/// How the record keeps up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordStatus {
    /// Records that are on the disk.
    pub size: u64,
    /// Batches that wait to be written. One that is being written is not among them.
    pub queued_batches: u64,
    /// Bytes that are not on the disk yet.
    pub queued_bytes: u64,
    /// Why nothing more can be recorded; `None` if the record works.
    pub broken: Option<String>,
}

/// How the disk answers. The times are of the last batches, 1,024 at most.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DiskStatus {
    /// How long the batch that is being written has been waiting, in milliseconds; 0 if none is.
    pub waiting_ms: u64,
    /// Batches that were written since the process took the home.
    pub batches: u64,
    /// The median time of a batch, in microseconds.
    pub p50_us: u64,
    /// The 99th percentile, in microseconds.
    pub p99_us: u64,
    /// The longest time, in microseconds.
    pub max_us: u64,
}

/// What a process uses of the machine.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MachineStatus {
    /// Resident memory (RSS), in bytes.
    pub memory_bytes: u64,
    /// Number of open file descriptors.
    pub descriptors: u64,
    /// How many file descriptors the process may have open; `None` if there is no limit.
    pub descriptors_max: Option<u64>,
    /// Number of threads.
    pub threads: u64,
}

impl LocalHost {
    /// The status of this process. Does not wait for anything.
    pub fn status(&self) -> Status {
        let inner = &self.inner;
        let (queued, times) = (inner.journal.queued(), inner.journal.disk_times());
        Status {
            pid: std::process::id(),
            version: FORMS.program.to_owned(),
            forms: spoken_forms(),
            uptime_ms: u64::try_from(inner.began.elapsed().as_millis()).unwrap_or(u64::MAX),
            runs: self.runs(),
            suspended: u64::try_from(self.waiting().len()).unwrap_or(u64::MAX),
            record: RecordStatus {
                size: inner.journal.size(),
                queued_batches: queued.batches,
                queued_bytes: queued.bytes,
                broken: inner.journal.broken().map(|broken| broken.to_string()),
            },
            disk: DiskStatus {
                waiting_ms: self.disk_ms(),
                batches: times.batches,
                p50_us: times.p50_us,
                p99_us: times.p99_us,
                max_us: times.max_us,
            },
            machine: MachineStatus::own(),
        }
    }

    fn runs(&self) -> Vec<RunStatus> {
        let mut runs: Vec<RunStatus> = held(&self.inner.going)
            .iter()
            .map(|(run, going)| RunStatus {
                run: *run,
                agent: going.agent.clone(),
                by: None,
                opened_ms: None,
                is_ending: going.stop.borrow().is_some(),
                asked: 0,
                in_flight: 0,
            })
            .collect();
        self.inner.gate.with_ledger(|ledger| {
            for status in &mut runs {
                let Some(open) = ledger.open_run(status.run) else { continue };
                let unanswered = open.pending.values().filter(|pending| pending.stage == Stage::Asked).count() + open.own.len();
                (status.by, status.opened_ms) = (Some(open.by.clone()), Some(open.at));
                (status.asked, status.in_flight) = (open.asked, u64::try_from(unanswered).unwrap_or(u64::MAX));
            }
        });
        runs.sort_by_key(|status| (status.opened_ms, status.run));
        runs
    }
}

impl MachineStatus {
    /// The figures of this process, from proc(5). A figure that can't be read is 0.
    #[expect(clippy::disallowed_methods, reason = "door: what the system says of this process")]
    fn own() -> Self {
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let number = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
            line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok()).unwrap_or(0)
        };
        // The folder itself is open while it is listed.
        let open = std::fs::read_dir("/proc/self/fd").map_or(0, |entries| entries.count().saturating_sub(1));
        Self {
            memory_bytes: number("VmRSS").saturating_mul(1024),
            descriptors: u64::try_from(open).unwrap_or(u64::MAX),
            descriptors_max: rustix::process::getrlimit(rustix::process::Resource::Nofile).current,
            threads: number("Threads"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::MachineStatus;

    #[test]
    fn what_this_process_takes_is_counted() {
        let before = MachineStatus::own();
        assert!(before.memory_bytes > 1 << 20 && before.threads >= 1 && before.descriptors >= 3, "{before:?}");
        let held: Vec<_> = (0..50).filter_map(|_| rustix::fs::memfd_create("x", rustix::fs::MemfdFlags::CLOEXEC).ok()).collect();
        // Other tests open and close files at the same time.
        assert!(MachineStatus::own().descriptors >= before.descriptors + 25, "{} are held", held.len());
    }
}
