//! Finds what a web service shows to anybody but should not show: files, consoles, pages and headers. Each is confirmed before it is
//! reported. The agent changes nothing: it uses only GET, logs in nowhere, and tries no password.

mod ask;
mod check;
mod dice;
mod pace;
mod page;
mod probe;
mod report;
mod show;
mod target;
mod why;

#[cfg(test)]
mod tests;

pub use crate::check::Group;

use crate::ask::{Asker, Means};
use crate::dice::Dice;
use crate::report::Reporter;
use crate::target::Target;
use bailiwick_sdk::{Failure, JsonSchema, log, progress};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// BOUND: how many targets one run may have.
const TARGETS_MAX: usize = 256;
/// BOUND: how many requests a run may ask for; the host's own limit on acts is about as high.
const REQUESTS_MAX: u32 = 100_000;
/// BOUND: how many requests may be in flight; each may bring a page of 256 KiB into the sandbox's memory.
const IN_FLIGHT_MAX: u32 = 32;
/// BOUND: how long one request may take.
const TIMEOUT_MS_MAX: u32 = 120_000;
/// BOUND: how many requests may be sent in a second.
const PER_SECOND_MAX: u32 = 10_000;

/// What is probed, and how far.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Input {
    /// URLs to probe: `https://HOST[:PORT]/FOLDER/`. All requests go below the folder. Names in a query are tried with values that
    /// no service expects.
    #[schemars(length(min = 1, max = 256), inner(length(min = 1, max = 2048)))]
    pub targets: Vec<String>,
    /// Groups of checks to make; all of them unless some are named.
    #[serde(default = "every_group")]
    #[schemars(length(min = 1))]
    pub groups: Vec<Group>,
    /// The most requests to one target.
    #[serde(default = "budget_per_target")]
    #[schemars(range(min = 1, max = 100_000))]
    pub requests_per_target: u32,
    /// The most requests in all.
    #[serde(default = "budget")]
    #[schemars(range(min = 1, max = 100_000))]
    pub requests: u32,
    /// The most requests under way at once.
    #[serde(default = "in_flight")]
    #[schemars(range(min = 1, max = 32))]
    pub in_flight: u32,
    /// The most requests in a second; 0 sends them as fast as they are answered.
    #[serde(default = "per_second")]
    #[schemars(range(max = 10_000))]
    pub per_second: u32,
    /// How long one request may take, in milliseconds.
    #[serde(default = "timeout_ms")]
    #[schemars(range(min = 1, max = 120_000))]
    pub timeout_ms: u32,
}

fn every_group() -> Vec<Group> {
    Group::ALL.to_vec()
}

const fn budget_per_target() -> u32 {
    500
}

const fn budget() -> u32 {
    5000
}

const fn in_flight() -> u32 {
    4
}

const fn per_second() -> u32 {
    50
}

const fn timeout_ms() -> u32 {
    10_000
}

/// What was probed, and what could not be decided.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Output {
    /// The result of each target, in the order of the input.
    pub targets: Vec<Probed>,
    /// Requests that were sent, for all targets together.
    pub asked: u64,
    /// Requests that the host refused.
    pub refused: u64,
    /// How many findings there are.
    pub findings: u64,
    /// How many of these findings the host did not accept.
    pub findings_unreported: u64,
}

/// The result of one target.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Probed {
    /// The target's origin and folder.
    pub target: String,
    /// Requests that were sent.
    pub asked: u64,
    /// Requests that the host refused.
    pub refused: u64,
    /// Checks that found something.
    pub findings: u64,
    /// Whether the target answers a path that can't exist, beside its own page, as if it existed.
    pub soft_404: bool,
    /// Checks that could not be decided, or not for all of their paths, by reason.
    pub undecided: BTreeMap<String, Vec<String>>,
}

fn run(input: Input) -> Result<Output, Failure> {
    let targets = checked(&input)?;
    let groups: BTreeSet<Group> = input.groups.iter().copied().collect();
    let timeout = Duration::from_millis(input.timeout_ms.into());
    let in_flight = usize::try_from(input.in_flight).unwrap_or(1);
    let mut means = Means::new(timeout, in_flight, input.per_second, input.requests.into());
    let (mut dice, mut reporter, mut output) = (Dice::new(), Reporter::default(), Output::default());
    let count = targets.len() as u64;
    for (done, target) in (0_u64..).zip(&targets) {
        let url = target.url(&target.path(""));
        progress::update(done, count, &url);
        let result = probe::probe(Asker::new(&mut means, target, input.requests_per_target.into()), &mut dice, &groups);
        reporter.report(target, &result.found);
        let probed = probed(url, &result);
        tell(&probed);
        output.asked += probed.asked;
        output.refused += probed.refused;
        output.findings += probed.findings;
        output.targets.push(probed);
    }
    output.findings_unreported = reporter.unreported();
    progress::update(count, count, "targets probed");
    Ok(output)
}

bailiwick_sdk::agent!(run);

/// Checks the input. The host checks it against the schema too; this check does not rely on that.
fn checked(input: &Input) -> Result<Vec<Target>, Failure> {
    let failure = |message: String| Failure::new(Failure::BAD_INPUT, message);
    let bad = |message: String| Err(failure(message));
    if !(1..=TARGETS_MAX).contains(&input.targets.len()) {
        return bad(format!("`targets` must have between 1 and {TARGETS_MAX} entries"));
    }
    if input.groups.is_empty() {
        return bad("`groups` is empty".to_owned());
    }
    let numbers = [
        ("requests-per-target", input.requests_per_target, 1, REQUESTS_MAX),
        ("requests", input.requests, 1, REQUESTS_MAX),
        ("in-flight", input.in_flight, 1, IN_FLIGHT_MAX),
        ("per-second", input.per_second, 0, PER_SECOND_MAX),
        ("timeout-ms", input.timeout_ms, 1, TIMEOUT_MS_MAX),
    ];
    for (name, value, min, max) in numbers {
        if !(min..=max).contains(&value) {
            return bad(format!("`{name}` must be between {min} and {max}"));
        }
    }
    input.targets.iter().map(|target| Target::parse(target).map_err(|err| failure(format!("`targets`: {err}")))).collect()
}

fn probed(target: String, result: &probe::Outcome) -> Probed {
    let undecided = result.undecided.iter();
    Probed {
        target,
        asked: result.asked,
        refused: result.refused,
        findings: result.found.len() as u64,
        soft_404: result.soft_404,
        undecided: undecided.map(|(why, checks)| (why.word().to_owned(), checks.iter().map(|id| (*id).to_owned()).collect())).collect(),
    }
}

/// Logs what could not be decided, so that a reader of the log knows how much a target without findings means.
fn tell(probed: &Probed) {
    log::info!("{}: {} requests, {} refused, {} findings", probed.target, probed.asked, probed.refused, probed.findings);
    if probed.soft_404 {
        log::warn!(
            "{}: soft-404: the target answers paths that can't exist as if they existed; hits that look the same are not reported",
            probed.target
        );
    }
    for (why, checks) in &probed.undecided {
        log::warn!("{}: {why}: not decided: {}", probed.target, checks.join(", "));
    }
}
