//! `approvals stats`: how much people are asked, and how they decide. From the record alone.
//!
//! Somebody who approves everything within seconds does not look. So quick votes and the share of approvals are shown.

use std::collections::{BTreeMap, BTreeSet};

use ::run::HomePlace;
use gate::{PastApproval, PastApprovals, PastState};
use serde::Serialize;
use vocabulary::record::Record;
use vocabulary::{RunId, Vote, exit};

use crate::err::CliError;
use crate::words::{count, many, seconds};
use crate::{log, out};

/// A vote that was given sooner than this after people were asked is counted as quick, in milliseconds.
const QUICK_MS: u64 = 5000;

/// How much people were asked, and how they decided.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct Counts {
    /// Acts that people were asked about.
    asked: u64,
    /// Of these, acts that people have approved, whether they were used or not.
    approved: u64,
    /// The share of the approved ones among the decided ones, in percent. Absent if none was decided.
    #[serde(skip_serializing_if = "Option::is_none")]
    approved_percent: Option<u64>,
    /// How long people took until they had decided, in milliseconds. Absent if they decided about none.
    #[serde(skip_serializing_if = "Option::is_none")]
    decided_after_ms: Option<Spread>,
    /// Acts about which nobody decided in time.
    expired: u64,
    /// Acts about which people can still decide, or that wait for their turn.
    open: u64,
    /// Votes that were given less than five seconds after people were asked.
    quick_votes: u64,
    /// Acts that people have rejected.
    rejected: u64,
    /// Runs that had such acts.
    runs: u64,
    /// How many acts a run had. Absent if no run had one.
    #[serde(skip_serializing_if = "Option::is_none")]
    per_run: Option<Spread>,
    /// Votes.
    votes: u64,
}

/// The middle and the upper end of some numbers: of all numbers, half are not above the first, and 95 % are not above the second.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Spread {
    median: u64,
    p95: u64,
}

impl Spread {
    fn of(mut numbers: Vec<u64>) -> Option<Self> {
        numbers.sort_unstable();
        let at = |percent: usize| numbers.get((numbers.len() * percent).div_ceil(100).saturating_sub(1)).copied();
        Some(Self { median: at(50)?, p95: at(95)? })
    }
}

impl Counts {
    fn of<'a>(all: impl Iterator<Item = &'a PastApproval>) -> Self {
        let (mut counts, mut decided, mut runs) = (Self::default(), Vec::new(), BTreeMap::<RunId, u64>::new());
        for past in all {
            counts.asked += 1;
            *runs.entry(past.run).or_default() += 1;
            let rejected = past.votes.iter().any(|vote| vote.vote == Vote::Reject);
            counts.rejected += u64::from(rejected);
            counts.approved += u64::from(!rejected && past.decided_after_ms.is_some());
            counts.expired += u64::from(past.state == PastState::Expired);
            counts.open += u64::from(!past.state.is_over());
            counts.votes += past.votes.len() as u64;
            counts.quick_votes += past.votes.iter().filter(|vote| vote.after_ms < QUICK_MS).count() as u64;
            decided.extend(past.decided_after_ms);
        }
        counts.runs = runs.len() as u64;
        counts.per_run = Spread::of(runs.into_values().collect());
        counts.decided_after_ms = Spread::of(decided);
        counts.approved_percent = (counts.approved * 100).checked_div(counts.approved + counts.rejected);
        counts
    }

    fn cells(&self, name: &str) -> Vec<String> {
        let time = |of: fn(Spread) -> u64| self.decided_after_ms.map_or_else(|| "-".to_owned(), |spread| seconds(of(spread)));
        let cells = [
            name.to_owned(),
            count(self.asked),
            self.per_run.map_or_else(|| "-".to_owned(), |spread| count(spread.median)),
            self.approved_percent.map_or_else(|| "-".to_owned(), |percent| format!("{percent} %")),
            time(|spread| spread.median),
            time(|spread| spread.p95),
            format!("{} of {}", count(self.quick_votes), count(self.votes)),
        ];
        cells.to_vec()
    }
}

#[derive(Serialize)]
struct Document {
    /// The moment from which on asks are counted, in milliseconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    since_ms: Option<u64>,
    all: Counts,
    by_agent: BTreeMap<String, Counts>,
    by_policy: BTreeMap<String, Counts>,
}

impl Document {
    fn of(all: &[PastApproval], since_ms: Option<u64>) -> Self {
        let agents: BTreeSet<&str> = all.iter().map(|past| past.agent.as_str()).collect();
        let policies: BTreeSet<&str> = all.iter().flat_map(|past| &past.policies).map(|policy| policy.id.as_str()).collect();
        let of_agent = |name: &str| Counts::of(all.iter().filter(|past| past.agent.as_str() == name));
        let is_of = |past: &PastApproval, id: &str| past.policies.iter().any(|policy| policy.id.as_str() == id);
        let of_policy = |id: &str| Counts::of(all.iter().filter(|past| is_of(past, id)));
        Self {
            since_ms,
            all: Counts::of(all.iter()),
            by_agent: agents.into_iter().map(|name| (name.to_owned(), of_agent(name))).collect(),
            by_policy: policies.into_iter().map(|id| (id.to_owned(), of_policy(id))).collect(),
        }
    }
}

pub(super) fn run(place: &HomePlace, since_ms: Option<u64>, json: bool) -> Result<u8, CliError> {
    let all = read(place, since_ms)?;
    let document = Document::of(&all, since_ms);
    if json {
        out::json(&document)?;
        return Ok(exit::DONE);
    }
    if all.is_empty() {
        out::words("people were not asked about any act");
        return Ok(exit::DONE);
    }
    lines(&document.all).iter().try_for_each(|line| out::line(line))?;
    for (head, rows) in [("POLICY", &document.by_policy), ("AGENT", &document.by_agent)] {
        out::line("")?;
        let heads = [head, "ASKED", "A RUN", "APPROVED", "MEDIAN", "P95", "QUICK"].map(str::to_owned).to_vec();
        let rows: Vec<Vec<String>> = std::iter::once(heads).chain(rows.iter().map(|(name, counts)| counts.cells(name))).collect();
        out::table(&rows)?;
    }
    Ok(exit::DONE)
}

/// The approvals that people were asked for since a moment. Moments on the record are taken by the machine's clock as it is now.
fn read(place: &HomePlace, since_ms: Option<u64>) -> Result<Vec<PastApproval>, CliError> {
    let reader = match log::reader(place) {
        Err(CliError::Read(journal::ReadError::NoLog { .. })) => return Ok(Vec::new()),
        reader => reader?,
    };
    let times = log::times(&reader)?;
    let (mut past, mut asked) = (PastApprovals::default(), BTreeSet::new());
    for record in reader.records() {
        let record = record?;
        let Ok(body) = Record::parse(&record.body) else { continue };
        for (at, _) in past.take(record.run, &body) {
            if let Record::ApprovalAsked(it) = &body
                && since_ms.is_none_or(|since| times.of(record.at.index, it.at) >= since)
            {
                asked.insert(at);
            }
        }
    }
    Ok(past.all.into_iter().enumerate().filter(|(at, _)| asked.contains(at)).map(|(_, past)| past).collect())
}

fn lines(all: &Counts) -> Vec<String> {
    let row = |name: &str, text: String| format!("{name:<9} {text}");
    let per_run = all
        .per_run
        .map_or_else(String::new, |per_run| format!(": {} a run (median), {} (95 %)", count(per_run.median), count(per_run.p95)));
    let mut lines = vec![row("asked", format!("{} in {}{per_run}", many(all.asked, "act", "acts"), many(all.runs, "run", "runs")))];
    let share = all.approved_percent.map_or_else(String::new, |percent| format!(" ({percent} % of those decided)"));
    lines.push(row("approved", format!("{}{share}", count(all.approved))));
    lines.push(row("rejected", count(all.rejected)));
    lines.push(row("expired", format!("{}: nobody decided in time, so they were refused", count(all.expired))));
    lines.push(row("open", count(all.open)));
    if let Some(took) = all.decided_after_ms {
        lines.push(row("decided", format!("within {} (median), {} (95 %)", seconds(took.median), seconds(took.p95))));
    }
    let quick = many(all.quick_votes, "was", "were");
    lines.push(row("votes", format!("{}, of which {quick} given in less than 5 s", count(all.votes))));
    lines
}

#[cfg(test)]
mod tests {
    use super::Spread;

    #[test]
    fn half_of_the_numbers_are_not_above_the_median() {
        assert_eq!(Spread::of(Vec::new()), None);
        for (numbers, median, p95) in [(vec![7], 7, 7), (vec![9, 1], 1, 9), (vec![3, 1, 2], 2, 3), ((1..=100).collect(), 50, 95)] {
            assert_eq!(Spread::of(numbers), Some(Spread { median, p95 }));
        }
    }
}
