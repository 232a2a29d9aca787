//! `status`: the state of the process that holds the home.

use std::time::Duration;

use ::run::{HomePlace, Status};
use home::patience;
use serde::Serialize;
use vocabulary::exit;

use crate::err::CliError;
use crate::out::OutError;
use crate::signals::Signals;
use crate::{out, place, words};
use service::{HostHandle, ServiceError};

/// BOUND: how long the host may take to answer, unless `--wait` says otherwise.
const ANSWER_MAX: Duration = Duration::from_secs(3);
/// The time in milliseconds after which a disk that does not answer is a fault.
const DISK_MAX_MS: u64 = 5000;

/// Show the state of the process that holds the home
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Print it as one JSON document
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  bailiwick status
  bailiwick status --json | jq .host.disk.p99_us

Exit: 0 it answers and can write its record, 1 it does not answer in time (3 s, or --wait) or its disk has not answered for 5 s, 6 its \
record can't be written any more, 11 no process holds the home, so no run is active.";

/// The JSON document. `host` is null if no process holds the home.
#[derive(Serialize)]
struct Document<'a> {
    host: Option<&'a Status>,
}

pub(crate) async fn run(args: &Args) -> Result<u8, CliError> {
    let place = place::place()?;
    let mut signals = Signals::new()?;
    let status = signals.or(ask(&place)).await?;
    if args.json {
        out::json(&Document { host: status.as_ref() })?;
    } else {
        print(status.as_ref())?;
    }
    Ok(code(status.as_ref()))
}

/// Asks the host. One that exits before it has answered no longer holds the home.
async fn ask(place: &HomePlace) -> Result<Option<Status>, ServiceError> {
    let Some(host) = HostHandle::ask_within(place, patience().max_or(ANSWER_MAX)).await? else { return Ok(None) };
    match host.status().await {
        Err(ServiceError::HostGone(_)) => Ok(None),
        status => status.map(Some),
    }
}

fn code(status: Option<&Status>) -> u8 {
    match status {
        None => exit::IDLE,
        Some(status) if status.record.broken.is_some() => exit::RECORD,
        Some(status) if status.disk.waiting_ms >= DISK_MAX_MS => exit::HOST,
        Some(_) => exit::DONE,
    }
}

fn print(status: Option<&Status>) -> Result<(), OutError> {
    let Some(status) = status else {
        out::words("no process holds the home: no run is active");
        return Ok(());
    };
    lines(status).iter().try_for_each(|line| out::line(line))?;
    if status.runs.is_empty() {
        return Ok(());
    }
    let mut table = vec![["RUN", "AGENT", "BY", "OPENED", "ASKED", "IN FLIGHT", "STATE"].map(str::to_owned).to_vec()];
    table.extend(status.runs.iter().map(|run| {
        let by = run.by.as_ref().map_or_else(String::new, ToString::to_string);
        let opened = run.opened_ms.map_or_else(String::new, words::utc);
        let state = if run.is_ending { "ending" } else { "running" };
        vec![run.run.to_string(), run.agent.to_string(), by, opened, words::count(run.asked), words::count(run.in_flight), state.to_owned()]
    }));
    out::table(&table)
}

fn lines(status: &Status) -> Vec<String> {
    let Status { pid, version, forms, uptime_ms, runs, suspended, record, disk, machine } = status;
    let ms = |us: u64| format!("{}.{} ms", words::count(us / 1000), us % 1000 / 100);
    let of = machine.descriptors_max.map_or_else(String::new, |max| format!(" of {}", words::count(max)));
    let mut lines = vec![
        format!("process {pid} holds the home for {}", words::seconds(*uptime_ms)),
        format!("program      bailiwick {}, {}", words::safe(version), words::safe(forms)),
        format!("runs         {} in memory, {} suspended", words::count(runs.len() as u64), words::count(*suspended)),
        format!(
            "record       {}; {} with {} wait to be written",
            words::many(record.size, "record", "records"),
            words::many(record.queued_batches, "batch", "batches"),
            words::bytes(record.queued_bytes)
        ),
        format!("disk         half within {}, 99 of 100 within {}, at most {}", ms(disk.p50_us), ms(disk.p99_us), ms(disk.max_us)),
        format!("memory       {}", words::bytes(machine.memory_bytes)),
        format!("descriptors  {}{of}", words::count(machine.descriptors)),
        format!("threads      {}", words::count(machine.threads)),
    ];
    if disk.waiting_ms >= DISK_MAX_MS {
        lines.push(format!("fault        the disk has not answered for {}", words::seconds(disk.waiting_ms)));
    }
    if let Some(why) = &record.broken {
        lines.push(format!("fault        nothing more can be recorded: {}", words::safe(why)));
    }
    lines
}

#[cfg(test)]
mod tests {
    use ::run::{DiskStatus, MachineStatus, RecordStatus};

    use super::*;

    fn status(waiting_ms: u64, broken: Option<&str>) -> Status {
        Status {
            pid: 1,
            version: "0.1.0".to_owned(),
            forms: "home 1".to_owned(),
            uptime_ms: 90_000,
            runs: Vec::new(),
            suspended: 3,
            record: RecordStatus { size: 1, queued_batches: 2, queued_bytes: 3000, broken: broken.map(str::to_owned) },
            disk: DiskStatus { waiting_ms, batches: 5, p50_us: 450, p99_us: 3100, max_us: 12_345_678 },
            machine: MachineStatus { memory_bytes: 84_200_000, descriptors: 31, descriptors_max: Some(65_536), threads: 14 },
        }
    }

    #[test]
    fn a_monitor_learns_from_the_number_what_is_wrong() {
        assert_eq!(code(None), exit::IDLE);
        assert_eq!(code(Some(&status(0, None))), exit::DONE);
        assert_eq!(code(Some(&status(DISK_MAX_MS - 1, None))), exit::DONE);
        assert_eq!(code(Some(&status(DISK_MAX_MS, None))), exit::HOST);
        assert_eq!(code(Some(&status(DISK_MAX_MS, Some("no space")))), exit::RECORD);
    }

    #[test]
    fn each_line_has_its_unit() {
        let lines = lines(&status(6000, Some("no space"))).join("\n");
        for part in [
            "1 record; 2 batches with 3.0 kB",
            "half within 0.4 ms, 99 of 100 within 3.1 ms, at most 12,345.6 ms",
            "84.2 MB",
            "31 of 65,536",
        ] {
            assert!(lines.contains(part), "{part}: {lines}");
        }
        assert!(lines.contains("has not answered for 6.00 s") && lines.contains("no space"), "{lines}");
    }
}
