//! `audit diff`: shows what two runs touched differently, and how their configuration and input differed.

use std::collections::BTreeMap;

use gate::{Missing, RunHeader, Touched, TouchedHttp};
use journal::{Position, Reader};
use serde::Serialize;
use vocabulary::record::Record;
use vocabulary::{RunId, exit};

use crate::err::CliError;
use crate::gaps::{self, GapLines};
use crate::words::{bytes, count, function, safe};
use crate::{line, log, out, outcome, place};

/// Show what two runs touched differently
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The first run
    #[arg(value_name = "RUN")]
    first: String,
    /// The run to compare it with
    #[arg(value_name = "RUN")]
    second: String,
    /// Print the differences as one JSON document
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  bailiwick audit diff 01K8M3 01K8M9
  bailiwick audit diff 01K8M3 latest --json

A line with - is only in the first run, one with + only in the second; one with ~ is in both and differs.";

/// One difference between the two runs.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Difference {
    what: &'static str,
    name: String,
    first: Option<String>,
    second: Option<String>,
}

#[derive(Serialize)]
struct Document {
    first: RunId,
    second: RunId,
    /// The differences. A value is absent if its run does not have it.
    differences: Vec<Difference>,
    /// What could not be compared because it was forgotten or too large to be kept.
    unknown: Vec<String>,
    /// Parts of the two runs that a person had removed from the record.
    gaps: Vec<gaps::Document>,
}

/// The facts of one run that are compared, by kind and name.
struct Side {
    facts: BTreeMap<(&'static str, String), String>,
    unknown: Vec<String>,
}

pub(crate) fn run(args: &Args) -> Result<u8, CliError> {
    let reader = log::reader(&place::place()?)?;
    let (first, second) = (log::run(&reader, &args.first)?, log::run(&reader, &args.second)?);
    let (left, right) = (Side::of(&reader, first)?, Side::of(&reader, second)?);
    let gaps = GapLines::of_run(&reader, first)?.and(GapLines::of_run(&reader, second)?);
    gaps.say();
    let unknown = [left.unknown, right.unknown].concat();
    let document =
        Document { first: first.0, second: second.0, differences: differences(left.facts, right.facts), unknown, gaps: gaps.documents() };
    if args.json {
        out::json(&document)?;
        return Ok(exit::DONE);
    }
    document.differences.iter().try_for_each(|one| out::line(&in_words(one)))?;
    document.unknown.iter().for_each(|what| out::words(&safe(what)));
    if document.differences.is_empty() {
        out::words("no difference in what could be compared");
    }
    Ok(exit::DONE)
}

fn differences(left: BTreeMap<(&'static str, String), String>, mut right: BTreeMap<(&'static str, String), String>) -> Vec<Difference> {
    let mut all = Vec::new();
    for ((what, name), first) in left {
        let second = right.remove(&(what, name.clone()));
        if second.as_ref() != Some(&first) {
            all.push(Difference { what, name, first: Some(first), second });
        }
    }
    all.extend(right.into_iter().map(|((what, name), second)| Difference { what, name, first: None, second: Some(second) }));
    all.sort_by(|left, right| (left.what, &left.name).cmp(&(right.what, &right.name)));
    all
}

fn in_words(one: &Difference) -> String {
    let name = safe(&one.name);
    let name = if name.is_empty() { String::new() } else { format!(" {name}") };
    match (&one.first, &one.second) {
        (Some(first), Some(second)) => format!("~ {}{name}: {} -> {}", one.what, safe(first), safe(second)),
        (Some(first), None) => format!("- {}{name}: {}", one.what, safe(first)),
        (None, second) => format!("+ {}{name}: {}", one.what, safe(second.as_deref().unwrap_or_default())),
    }
}

impl Side {
    fn of(reader: &Reader, (run, from): (RunId, Position)) -> Result<Self, CliError> {
        let mut side = Self { facts: BTreeMap::new(), unknown: Vec::new() };
        let mut touched = Touched::default();
        for record in reader.of_run_from(run, from) {
            let record = record?;
            let Ok(body) = Record::parse(&record.body) else {
                side.unknown.push(format!("record {} of run {run} is of a kind that this version does not know", record.seq));
                continue;
            };
            match &body {
                Record::RunOpened(opened) => {
                    side.fact("agent", "", format!("{} {} {}", opened.agent.name, opened.agent.version, opened.agent.digest));
                    side.fact("configuration", "", opened.config.map_or_else(|| "none".to_owned(), |digest| digest.to_string()));
                    side.fact("host", "", format!("{} {}", opened.engine.host, opened.engine.profile));
                    side.json("limit", &opened.limits);
                    side.header(reader, &record);
                }
                Record::RunClosed(closed) => side.fact("outcome", "", outcome::word(&closed.outcome).to_owned()),
                _ => {}
            }
            touched.take(run, record.seq, &body);
            if record.ends {
                break;
            }
        }
        side.touched(&touched.ended(), run);
        Ok(side)
    }

    fn fact(&mut self, what: &'static str, name: impl Into<String>, value: String) {
        self.facts.insert((what, name.into()), value);
    }

    /// Adds each field of a value, as JSON.
    fn json(&mut self, what: &'static str, value: &impl Serialize) {
        if let Ok(serde_json::Value::Object(fields)) = serde_json::to_value(value) {
            fields.into_iter().for_each(|(name, value)| self.fact(what, name, value.to_string()));
        }
    }

    fn header(&mut self, reader: &Reader, record: &journal::StoredRecord) {
        match RunHeader::load(reader, record) {
            Ok(header) => {
                self.json("grants", &header.spec.grants);
                self.fact("input", "", vocabulary::Digest::of(header.input.as_bytes()).to_string());
                self.fact("arguments", "", vocabulary::Digest::of(header.args.join("\0").as_bytes()).to_string());
            }
            Err(err) => {
                self.unknown.push(format!("input and grants of run {} are not compared: {}", record.run, Missing::of_load(&err)));
            }
        }
    }

    fn touched(&mut self, touched: &Touched, run: RunId) {
        for file in &touched.files {
            self.fact(line::touch(file.what), file.path.to_string(), format!("{} times, {}", count(file.times), bytes(file.amount)));
        }
        for act in &touched.http {
            let with = act.credential.as_ref().map_or_else(String::new, |name| format!(" with {name}"));
            self.fact("request", format!("{}{with}", act.resource), http_words(act));
        }
        for act in &touched.acts {
            let [asked, done, not_done, failed, unknown] = [act.asked, act.done, act.not_done, act.failed, act.unknown].map(count);
            let counts = format!("{asked} asked, {done} done, {not_done} not done, {failed} failed, {unknown} unknown");
            self.fact("act", act.resource.to_string(), counts);
        }
        for own in &touched.own {
            let name = format!("{} of {}: {}", own.purpose.as_str(), own.credential, own.resource);
            self.fact("host asked", name, format!("{} asked, {} failed, {} unknown", own.asked, own.failed, own.unknown));
        }
        for lease in &touched.leases {
            let counts = format!("{} asked, {} refused, {} sent", count(lease.asked), count(lease.refused), count(lease.sent));
            self.fact("credential", lease.credential.to_string(), counts);
        }
        for refused in &touched.refused {
            let name = format!("{} {}: {}", function(refused.function), refused.resource, refused.reason);
            self.fact("refused", name, format!("{} times", count(refused.alike)));
        }
        if touched.more != gate::More::default() {
            self.unknown.push(format!("run {run} touched more things than are compared by name"));
        }
    }
}

fn http_words(act: &TouchedHttp) -> String {
    let statuses: Vec<String> = act.statuses.iter().map(|(status, times)| format!("{status}×{}", count(*times))).collect();
    let [asked, refused, sent, answered] = [act.asked, act.refused, act.sent, act.answered].map(count);
    let [failed, unknown, said] = [act.failed, act.unknown, act.said].map(count);
    let answers = format!("{answered} answered {}", statuses.join(" "));
    let rest = format!("{failed} failed, {unknown} unknown, {said} settled as happened, {}", bytes(act.bytes));
    format!("{asked} asked, {refused} refused, {sent} sent, {answers}, {rest}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_one_run_has_alone_and_what_differs_is_told_apart() {
        let side = |facts: &[(&'static str, &str, &str)]| {
            facts.iter().map(|(what, name, value)| ((*what, (*name).to_owned()), (*value).to_owned())).collect()
        };
        let left = side(&[("file", "/a", "1 times"), ("file", "/b", "2 times"), ("outcome", "", "DONE")]);
        let right = side(&[("file", "/b", "3 times"), ("file", "/c", "1 times"), ("outcome", "", "DONE")]);
        let told: Vec<String> = differences(left, right).iter().map(in_words).collect();
        assert_eq!(told, ["- file /a: 1 times", "~ file /b: 2 times -> 3 times", "+ file /c: 1 times"]);
    }
}
