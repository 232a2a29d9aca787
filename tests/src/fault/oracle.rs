//! Checks from outside after a fault: nothing that was acknowledged is lost, nothing happened without an intent or twice, the program
//! is not stuck in a state that no verb can leave, and each error says its cause.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs;
use std::path::Path;

use rustix::io::Errno;
use serde_json::Value;

use super::call::{Call, plain};
use super::lab::{Lab, Said};
use super::plan::{Fault, Plan};
use super::trace::{End, Traced};
use super::verbs::{Doing, Row};

/// The allowed exit codes: `docs/operations.md` has the table.
const CODES: [i32; 11] = [0, 1, 2, 3, 4, 5, 6, 8, 9, 10, 143];

/// The kinds of errors that are looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Wrong {
    /// Something that was acknowledged is not on the record.
    Lost,
    /// Something happened without an intent on the record.
    WithoutIntent,
    /// Something happened twice.
    Twice,
    /// The home is in a state that no verb can leave.
    Stuck,
    /// The record was found damaged, although the disk did nothing beyond the fault.
    Damaged,
    /// A change is not on the record.
    Unrecorded,
    /// An error does not say its cause.
    NoCause,
    /// The program ended with an exit code that is not in the table, by a signal, or never.
    Code,
    /// A file is left over.
    Leftover,
    /// The report claims more than the record.
    Report,
    /// The tracer can't follow how the program writes.
    Unseen,
}

/// All kinds; those that must be 0 in any case come first.
pub const WRONGS: [Wrong; 11] = [
    Wrong::Lost,
    Wrong::WithoutIntent,
    Wrong::Twice,
    Wrong::Stuck,
    Wrong::Damaged,
    Wrong::Unrecorded,
    Wrong::NoCause,
    Wrong::Code,
    Wrong::Leftover,
    Wrong::Report,
    Wrong::Unseen,
];

impl fmt::Display for Wrong {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Lost => "acknowledged records lost",
            Self::WithoutIntent => "effects without an intent",
            Self::Twice => "acts done twice",
            Self::Stuck => "states that no verb leaves",
            Self::Damaged => "records called damaged",
            Self::Unrecorded => "changes without a record",
            Self::NoCause => "errors without their cause",
            Self::Code => "ends outside of the table",
            Self::Leftover => "files left over",
            Self::Report => "reports beyond the record",
            Self::Unseen => "writes that were not followed",
        })
    }
}

/// One error that was found.
#[derive(Clone, Debug)]
pub struct Finding {
    /// The kind of error.
    pub wrong: Wrong,
    /// The observation that shows it.
    pub seen: String,
}

/// The state before the verb.
#[derive(Clone, Debug)]
pub struct Before {
    leaves: Vec<String>,
    shown: String,
    changes: usize,
    /// The requests that the server received before it.
    heard: Vec<String>,
    /// The names of all files after the verb and all following steps, without a fault.
    names: BTreeSet<String>,
    /// Errors that occur without any fault.
    pub wrong: Vec<Finding>,
    /// The calls of the verb at which a fault can be made.
    pub calls: Vec<Call>,
}

/// One round that is in progress.
pub struct Round<'a> {
    lab: &'a Lab,
    row: &'a Row,
    before: &'a Before,
    first: usize,
    /// The requests that the server had received when the start of this round was made.
    world: Vec<String>,
    /// Whether the verb is known to have ended by itself.
    ended: bool,
    /// Whether a record is still owed, which the next process that opens the home has to make.
    is_owed: bool,
    findings: Vec<Finding>,
}

fn leaves(records: &[Value]) -> Vec<String> {
    records.iter().filter_map(|record| record.get("leaf")?.as_str().map(str::to_owned)).collect()
}

fn kind(record: &Value) -> &str {
    record.pointer("/record/kind").and_then(Value::as_str).unwrap_or_default()
}

fn changes(row: &Row, records: &[Value]) -> usize {
    row.changes.map_or(0, |(_, wanted)| records.iter().filter(|record| kind(record) == wanted).count())
}

fn shown(lab: &Lab, row: &Row) -> String {
    let Some((words, _)) = row.changes else { return String::new() };
    let said = lab.say(words);
    if words == ["audit", "verify"] { said.code.to_string() } else { said.out }
}

/// The names of all files in folders, without the parts that differ between homes.
fn names(folders: &[&Path]) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for folder in folders {
        for entry in fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok) {
            let name = plain(&entry.file_name().to_string_lossy());
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                found.extend(names(&[&entry.path()]).into_iter().map(|inner| format!("{name}/{inner}")));
            } else {
                found.insert(name);
            }
        }
    }
    found
}

impl Before {
    /// The state before the verb, and the result of a round without a fault.
    pub fn of(lab: &Lab, row: &Row) -> Self {
        lab.put_back(row.start);
        let (_, records) = lab.records();
        let mut before = Self {
            leaves: leaves(&records),
            shown: shown(lab, row),
            changes: changes(row, &records),
            heard: lab.heard_before(row.start),
            names: BTreeSet::new(),
            wrong: Vec::new(),
            calls: Vec::new(),
        };
        let first = lab.server().count();
        let (traced, said) = lab.act(row, None, &mut super::trace::Nobody);
        let mut round =
            Round { lab, row, before: &before, first, world: before.heard.clone(), ended: false, is_owed: false, findings: Vec::new() };
        round.ended(&traced, &said, None);
        round.go_on(&said);
        let mut wrong = round.findings;
        wrong.retain(|finding| finding.wrong != Wrong::Leftover);
        before.wrong = wrong;
        before.calls = traced.calls;
        before.names = names(&[&lab.home(), &lab.state(), &lab.here()]);
        before
    }
}

impl<'a> Round<'a> {
    /// Restores the start, does the verb with this fault, and then the steps that a person would take. Returns the errors that were
    /// found, the trace (which says whether the fault happened), and the output.
    pub fn of(lab: &'a Lab, row: &'a Row, before: &'a Before, plan: Plan) -> (Vec<Finding>, Traced, Said) {
        lab.put_back(row.start);
        let first = lab.server().count();
        let (traced, said) = lab.act(row, Some(plan), &mut super::trace::Nobody);
        let mut round = Self { lab, row, before, first, world: before.heard.clone(), ended: true, is_owed: false, findings: Vec::new() };
        if traced.hit.is_some() {
            round.ended(&traced, &said, Some(plan));
            round.go_on(&said);
        }
        (round.findings, traced, said)
    }

    /// Checks what a loss of power has left, and takes the steps that a person would take. `said` is the output before the loss, `sent` the
    /// requests that were on their way to the server.
    pub fn after_power(lab: &'a Lab, row: &'a Row, before: &'a Before, said: &Said, sent: Vec<String>) -> Vec<Finding> {
        let world = before.heard.iter().cloned().chain(sent).collect();
        let ended = said.code == 0;
        let mut round = Self { lab, row, before, first: lab.server().count(), world, ended, is_owed: false, findings: Vec::new() };
        round.go_on(said);
        round.findings
    }

    fn find(&mut self, wrong: Wrong, seen: impl Into<String>) {
        self.findings.push(Finding { wrong, seen: seen.into() });
    }

    fn go_on(&mut self, said: &Said) {
        let records = self.looked_at();
        self.acknowledged(said, &records);
        self.again();
        if self.is_owed && changes(self.row, &self.lab.records().1) <= self.before.changes {
            self.find(Wrong::Unrecorded, format!("{} changed something, and the next opening made no record of it", self.row.name));
        }
        self.closed();
        self.run_after(&records);
        if !self.before.names.is_empty() {
            let now = names(&[&self.lab.home(), &self.lab.state(), &self.lab.here()]);
            let left: Vec<_> = now.difference(&self.before.names).cloned().collect();
            if !left.is_empty() {
                self.find(Wrong::Leftover, left.join(", "));
            }
        }
    }

    /// Checks how the program with the fault ended.
    fn ended(&mut self, traced: &Traced, said: &Said, plan: Option<Plan>) {
        for call in traced.unseen() {
            self.find(Wrong::Unseen, format!("{} {}", call.name, call.path.display()));
        }
        match traced.end {
            End::Hung => self.find(Wrong::Code, "it hung"),
            End::Killed(signal) if plan.is_none_or(|plan| !plan.fault.kills()) => {
                self.find(Wrong::Code, format!("ended by signal {signal}"))
            }
            End::Killed(_) => {}
            End::Code(code) if !CODES.contains(&code) => self.find(Wrong::Code, format!("{code}: {}", said.err)),
            End::Code(_) => {}
        }
        let Some(Plan { fault: Fault::Fail(errno, _), .. }) = plan else {
            if plan.is_some_and(|plan| plan.fault == Fault::Short) && said.code != self.well() {
                self.find(Wrong::NoCause, format!("a short write is not an error, but the program ended with {}: {}", said.code, said.err));
            }
            return;
        };
        let cause = match errno {
            Errno::NOSPC => "no space left on the file system at `",
            Errno::DQUOT => "a quota of user ",
            Errno::ROFS => "is mounted read-only",
            _ => "the disk failed: ",
        };
        let fails = traced.end != End::Code(self.well());
        if fails && !said.err.contains(cause) {
            self.find(Wrong::NoCause, format!("{} without `{cause}`: {}", said.code, said.err));
        } else if fails
            && ![self.lab.home(), self.lab.state(), self.lab.here()].iter().any(|folder| said.err.contains(&*folder.display().to_string()))
        {
            self.find(Wrong::NoCause, format!("{} without the file: {}", said.code, said.err));
        }
    }

    /// The exit code of the verb if nothing is wrong.
    fn well(&self) -> i32 {
        if self.row.doing == Doing::Stopped { 143 } else { 0 }
    }

    /// Reads and checks the record right after the fault.
    fn looked_at(&mut self) -> Vec<Value> {
        for words in [["audit", "verify"].as_slice(), &["ps"]] {
            let said = self.lab.say(words);
            if !self.row.between.contains(&said.code) {
                let wrong = if said.code == 6 { Wrong::Damaged } else { Wrong::Code };
                self.find(wrong, format!("`{}` ends with {}: {}{}", words.join(" "), said.code, said.out, said.err));
            }
        }
        let (_, records) = self.lab.records();
        if !self.row.shortens() && !leaves(&records).starts_with(&self.before.leaves) {
            self.find(Wrong::Lost, format!("of {} records from before the fault, not all are there", self.before.leaves.len()));
        }
        records
    }

    /// Checks that everything that was reported, and every change, is on the record.
    fn acknowledged(&mut self, said: &Said, records: &[Value]) {
        let asked = by_resource(records, "asked");
        let answered: BTreeSet<(String, u64)> = records.iter().filter(|record| kind(record) == "answered").filter_map(op).collect();
        for url in told(&said.out).chain(told(&said.err)) {
            let on_record = asked.iter().any(|(resource, ops)| resource.ends_with(&url) && ops.iter().any(|op| answered.contains(op)));
            if !on_record {
                self.find(Wrong::Lost, format!("the answer of {url} was reported, but is not on the record"));
            }
        }
        if let Some((asks, answers)) = reported(&said.err) {
            let run = said.err.lines().find_map(|line| line.strip_prefix("run ")).unwrap_or_default().trim().to_owned();
            let of_run = |wanted: &str| {
                records.iter().filter(|record| kind(record) == wanted && record.get("run").and_then(Value::as_str) == Some(&run)).count()
            };
            if !run.is_empty() && (of_run("asked") < asks || of_run("answered") < answers) {
                self.find(
                    Wrong::Report,
                    format!("{asks} asked, {answers} answered; on the record {}, {}", of_run("asked"), of_run("answered")),
                );
            }
        }
        if self.row.changes.is_some() {
            let (is_changed, is_recorded) =
                (shown(self.lab, self.row) != self.before.shown, changes(self.row, records) > self.before.changes);
            if is_changed && !is_recorded && self.row.owes {
                self.is_owed = true;
            } else if is_changed && !is_recorded {
                self.find(Wrong::Unrecorded, format!("{} changed something", self.row.name));
            }
            if said.code == 0 && self.ended && !(is_changed && is_recorded) {
                self.find(Wrong::Lost, format!("{} said that all is well: changed {is_changed}, recorded {is_recorded}", self.row.name));
            }
        }
        self.heard(records);
    }

    /// Checks that every request of the server has its intent, and that no act arrived twice.
    fn heard(&mut self, records: &[Value]) {
        let asked = by_resource(records, "asked");
        let mut posts: BTreeMap<String, usize> = BTreeMap::new();
        // Requests from before the verb have their intents, unless the verb has set that part of the record aside.
        let mine = self.world.iter().skip(self.before.heard.len()).cloned();
        let heard: Vec<String> = mine.chain(self.lab.server().heard_from(self.first)).collect();
        for one in &heard {
            let (method, path) = one.split_once(' ').unwrap_or_default();
            if !asked.contains_key(&format!("{method} {}", self.lab.server().url(path))) {
                self.find(Wrong::WithoutIntent, one.clone());
            }
            if method == "POST" {
                *posts.entry(one.clone()).or_default() += 1;
            }
        }
        for (post, times) in posts {
            let before = self.before.heard.contains(&post);
            if times > 1 || before {
                self.find(Wrong::Twice, format!("{post} was heard {times} times, and before: {before}"));
            }
        }
    }

    /// Does the verb once more.
    fn again(&mut self) {
        let words = self.lab.words(self.row);
        // A run that waits to be stopped is not repeated, and requests that were settled before must not be asked again.
        if self.row.doing == Doing::Stopped {
            let (_, said) = self.lab.act(self.row, None, &mut super::trace::Nobody);
            if said.code != 143 {
                self.find(Wrong::Stuck, format!("the verb again ends with {}: {}", said.code, said.err));
            }
            return;
        }
        let is_latest = self.row.words.contains(&"latest");
        let said =
            if is_latest { return } else { self.lab.say_with(&words.iter().map(String::as_str).collect::<Vec<_>>(), self.row.input) };
        if !self.row.again.contains(&said.code) {
            self.find(Wrong::Stuck, format!("the verb again ends with {}: {}", said.code, said.err));
        }
    }

    /// Brings every open run to its end with the verbs that `ps` names, and with settlements that are right according to the server.
    fn closed(&mut self) {
        let mut told = Vec::new();
        for _ in 0..12 {
            let said = self.lab.say(&["ps", "--json"]);
            let rows: Vec<Value> = serde_json::from_str(&said.out).unwrap_or_default();
            let Some(row) = rows.first() else {
                if said.code != 0 && !self.row.between.contains(&said.code) {
                    self.find(Wrong::Stuck, format!("ps ends with {}: {}", said.code, said.err));
                }
                return;
            };
            let text = |key: &str| row.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
            let (run, state) = (text("run"), text("state"));
            let first = row.pointer("/unsettled/0");
            let op = first.and_then(|op| op.get("op")).and_then(Value::as_u64).unwrap_or(0).to_string();
            let did = first.and_then(|op| op.get("what")).and_then(Value::as_str).is_some_and(|what| self.was_heard(what));
            let word = if did { "did" } else { "did-not" };
            let said = match state.as_str() {
                "needs-settling" => self.lab.say(&["resume", &run, "--settle", word, "--op", &op]),
                "cut-off-for-good" => self.lab.say(&["stop", &run]),
                _ => self.lab.say(&["resume", &run]),
            };
            told.push(format!("{state} {op}: {} {}", said.code, said.err.lines().last().unwrap_or_default()));
        }
        self.find(Wrong::Stuck, format!("runs stay open: {}", told.join("; ")));
    }

    fn was_heard(&self, resource: &str) -> bool {
        let now = self.lab.server().heard_from(self.first);
        self.world.iter().chain(&now).any(|heard| {
            heard.split_once(' ').is_some_and(|(method, path)| resource == format!("{method} {}", self.lab.server().url(path)))
        })
    }

    /// Checks that a new run succeeds, and that the record is complete and whole.
    fn run_after(&mut self, records: &[Value]) {
        let said = self.lab.run();
        if said.code != 0 {
            self.find(Wrong::Stuck, format!("a run after it ends with {}: {}", said.code, said.err));
        }
        let said = self.lab.say(&["audit", "verify"]);
        if said.code != 0 {
            self.find(Wrong::Stuck, format!("`audit verify` ends with {} after all: {}{}", said.code, said.out, said.err));
        }
        let (_, after) = self.lab.records();
        if !self.row.shortens() && !leaves(&after).starts_with(&leaves(records)) {
            self.find(Wrong::Lost, "records that were shown after the fault are gone");
        }
        self.heard(&after);
    }
}

/// The operations in records of one kind, by their resource.
fn by_resource(records: &[Value], wanted: &str) -> BTreeMap<String, Vec<(String, u64)>> {
    let mut found: BTreeMap<String, Vec<(String, u64)>> = BTreeMap::new();
    for record in records.iter().filter(|record| kind(record) == wanted) {
        if let (Some(resource), Some(op)) = (crate::seen::resource(record), op(record)) {
            found.entry(resource).or_default().push(op);
        }
    }
    found
}

fn op(record: &Value) -> Option<(String, u64)> {
    Some((record.get("run")?.as_str()?.to_owned(), record.pointer("/record/op")?.as_u64()?))
}

/// The URLs whose answers an agent printed.
fn told(text: &str) -> impl Iterator<Item = String> {
    text.lines().filter_map(|line| {
        let line: Value = serde_json::from_str(line.get(line.find('{')?..)?).ok()?;
        line.pointer("/answer/status")?;
        Some(line.get("url")?.as_str()?.to_owned())
    })
}

/// How many requests were asked and answered according to a report.
fn reported(text: &str) -> Option<(usize, usize)> {
    let line = text.lines().find_map(|line| line.trim_start().strip_prefix("network "))?;
    let number = |what: &str| line.split(',').find_map(|part| part.trim().strip_suffix(what)?.trim().parse().ok());
    Some((number("asked")?, number("answered").unwrap_or(0)))
}
