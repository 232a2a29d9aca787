//! A long-lived host: short runs one after the other, and its memory, descriptors and threads over time.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use tests::host::{bailiwick, place};

use crate::row;

/// The time between two samples.
const EVERY: Duration = Duration::from_secs(10);

/// The resources of a process at one moment.
struct Sample {
    s: f64,
    rss_kib: f64,
    descriptors: f64,
    threads: f64,
}

fn sample(process: u32, since: Instant) -> Option<Sample> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let number = |name: &str| status.lines().find_map(|line| line.strip_prefix(name)?.split_whitespace().next()?.parse().ok());
    let descriptors = std::fs::read_dir(format!("/proc/{process}/fd")).ok()?.count() as f64;
    Some(Sample { s: since.elapsed().as_secs_f64(), rss_kib: number("VmRSS:")?, descriptors, threads: number("Threads:")? })
}

/// The slope per hour of a line through the samples, by least squares, and its standard error.
fn an_hour(samples: &[Sample], of: impl Fn(&Sample) -> f64) -> (f64, f64) {
    let n = samples.len() as f64;
    let (mean_s, mean) = (samples.iter().map(|one| one.s).sum::<f64>() / n, samples.iter().map(&of).sum::<f64>() / n);
    let square = samples.iter().map(|one| (one.s - mean_s).powi(2)).sum::<f64>();
    let slope = samples.iter().map(|one| (one.s - mean_s) * (of(one) - mean)).sum::<f64>() / square;
    let rest = samples.iter().map(|one| (of(one) - mean - slope * (one.s - mean_s)).powi(2)).sum::<f64>();
    (slope * 3600.0, (rest / (n - 2.0) / square).sqrt() * 3600.0)
}

/// Samples a host for `BENCH_SECONDS` seconds (60). The first quarter does not count, because the host fills its pools then.
pub(crate) fn lasting() {
    let seconds = std::env::var("BENCH_SECONDS").ok().and_then(|text| text.parse().ok()).unwrap_or(60);
    let lasts = Duration::from_secs(seconds);
    let folder = tempfile::tempdir().unwrap();
    let home = place(folder.path());
    std::fs::write(folder.path().join("nothing.wasm"), crate::world::assembled(crate::world::NOTHING)).unwrap();
    std::fs::copy(tests::guests::guest("waits_for_ever"), folder.path().join("waits.wasm")).unwrap();
    let config = "[agents.nothing]\ncomponent = \"nothing.wasm\"\n\n[agents.waits]\ncomponent = \"waits.wasm\"\n\
                  limits = { active-timeout = \"86400s\" }\n";
    std::fs::write(folder.path().join("bailiwick.toml"), config).unwrap();
    let program = |args: &[&str]| {
        let mut command = Command::new(bailiwick());
        command.args(args).current_dir(folder.path()).env("BAILIWICK_HOME", &home.home).env("BAILIWICK_STATE", &home.state);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command
    };
    assert!(program(&["trust"]).status().unwrap().success());
    let mut waits = program(&["run", "waits"]).spawn().unwrap();
    let began = Instant::now();
    let (mut samples, mut runs, mut next) = (Vec::new(), 0_u64, EVERY);
    while began.elapsed() < lasts {
        assert!(program(&["run", "nothing"]).status().unwrap().success(), "run {runs}");
        runs += 1;
        if began.elapsed() >= next {
            samples.extend(sample(holder(&home).unwrap_or_else(|| waits.id()), began));
            next += EVERY;
        }
    }
    waits.kill().unwrap();
    waits.wait().unwrap();
    samples.drain(..samples.len() / 4);
    let last = samples.last().unwrap();
    for (what, of, unit) in [
        ("memory", (|one: &Sample| one.rss_kib) as fn(&Sample) -> f64, "KiB"),
        ("descriptors", |one| one.descriptors, ""),
        ("threads", |one| one.threads, ""),
    ] {
        let (slope, error) = an_hour(&samples, of);
        row(
            &format!("{what} of a holder over {seconds} s, in which others had {runs} short runs"),
            &format!("{slope:+.1} ± {error:.1} {unit} an hour, {:.0} {unit} at the end", of(last)),
            "within the error",
            "absolute",
        );
    }
}

/// The process that holds the home, found by its lock.
fn holder(home: &run::HomePlace) -> Option<u32> {
    use std::os::unix::fs::MetadataExt as _;
    let inode = std::fs::metadata(home.home.join("lock")).ok()?.ino();
    let locks = std::fs::read_to_string("/proc/locks").ok()?;
    let line =
        locks.lines().find(|line| line.contains("WRITE") && line.split_whitespace().any(|word| word.ends_with(&format!(":{inode}"))))?;
    line.split_whitespace().nth(4)?.parse().ok()
}
