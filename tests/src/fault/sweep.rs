//! Runs many rounds, in several lanes at once: chooses and orders them, and collects the results.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use super::call::Call;
use super::lab::{Lab, Said};
use super::oracle::{Before, Finding, Round, WRONGS, Wrong};
use super::plan::{FAULTS, Fault, Plan};
use super::power::{known, make_disk};
use super::steps::Steps;
use super::verbs::{ROWS, Row};
use crate::dice::Dice;

/// The settings of a sweep.
#[derive(Clone, Debug)]
pub struct Sweep {
    /// The folder of the sweep; each lane has a folder in it.
    pub folder: PathBuf,
    /// The program in which faults are made.
    pub program: PathBuf,
    /// A binary that plays the part `launch::PART`.
    pub launcher: PathBuf,
    /// The seed that decides which rounds are chosen, and where writes are torn.
    pub seed: u64,
    /// How many rounds to do; all if `None`.
    pub rounds: Option<usize>,
    /// The verbs to try; all if empty.
    pub verbs: Vec<String>,
    /// The faults to make; all if empty.
    pub faults: Vec<Fault>,
    /// How many rounds run at once.
    pub lanes: usize,
}

/// One round that went wrong.
#[derive(Clone, Debug)]
pub struct Broken {
    /// The verb, the fault and the place, with which the round can be repeated.
    pub what: String,
    /// The call at which the fault was made.
    pub call: String,
    /// The output of the program.
    pub said: Said,
    /// The errors that were found.
    pub findings: Vec<Finding>,
}

/// The result of a sweep.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// Rounds in which the fault came to pass, by verb and fault.
    pub rounds: BTreeMap<(&'static str, String), usize>,
    /// How many rounds ended before the fault happened.
    pub missed: usize,
    /// The rounds that went wrong.
    pub broken: Vec<Broken>,
}

impl Tally {
    /// How many rounds there were.
    #[must_use]
    pub fn total(&self) -> usize {
        self.rounds.values().sum()
    }

    /// How many rounds had this error.
    #[must_use]
    pub fn wrong(&self, wrong: Wrong) -> usize {
        self.broken.iter().filter(|broken| broken.findings.iter().any(|finding| finding.wrong == wrong)).count()
    }

    /// A table with a row for each verb, followed by the rounds that went wrong.
    #[must_use]
    pub fn table(&self) -> String {
        let mut text = format!("{:<22}{:>8}{:>8}{:>8}{:>8}{:>8}{:>8}\n", "verb", "killed", "torn", "short", "failed", "power", "wrong");
        for row in ROWS {
            let count = |of: &[&str]| -> usize {
                let mine = self.rounds.iter().filter(|((verb, _), _)| *verb == row.name);
                mine.filter(|((_, fault), _)| of.iter().any(|prefix| fault.starts_with(prefix))).map(|(_, count)| count).sum()
            };
            let wrong = self.broken.iter().filter(|broken| broken.what.split(' ').next() == Some(row.name)).count();
            let counts = (count(&["kill"]), count(&["tear"]), count(&["short"]), count(&["e"]), count(&["power"]));
            if counts != (0, 0, 0, 0, 0) {
                let (killed, torn, short, failed, power) = counts;
                let _ = writeln!(text, "{:<22}{killed:>8}{torn:>8}{short:>8}{failed:>8}{power:>8}{wrong:>8}", row.name);
            }
        }
        let _ = writeln!(text, "\n{} rounds; in {} more the verb was over before the fault", self.total(), self.missed);
        for wrong in WRONGS {
            let _ = writeln!(text, "{:>6}  {wrong}", self.wrong(wrong));
        }
        text
    }
}

impl Sweep {
    /// Does the sweep. `progress` is called after each round, with the number of rounds so far and the result if the round went wrong.
    ///
    /// # Panics
    /// If this machine allows no tracing.
    pub fn go(&self, progress: &(impl Fn(usize, Option<&Broken>) + Sync)) -> Tally {
        self.in_lanes(|lab, row, number, tally| {
            let before = before(lab, row, tally);
            for plan in self.plans(number, &before) {
                let (findings, traced, said) = Round::of(lab, row, &before, plan);
                let call = traced.hit.as_ref().map_or_else(String::new, Call::label);
                let broken = (!findings.is_empty()).then_some(Broken { what: format!("{} {plan}", row.name), call, said, findings });
                let mut tally = tally.lock().unwrap_or_else(PoisonError::into_inner);
                if traced.hit.is_some() {
                    *tally.rounds.entry((row.name, plan.fault.to_string())).or_default() += 1;
                } else {
                    tally.missed += 1;
                }
                progress(tally.total(), broken.as_ref());
                tally.broken.extend(broken);
            }
        })
    }

    /// Does `of` for each verb, in several lanes at once. One lane does all rounds of a verb, so that its start is examined only once.
    fn in_lanes(&self, of: impl Fn(&Lab, &'static Row, u64, &Mutex<Tally>) + Sync) -> Tally {
        let rows: Vec<&'static Row> = ROWS.iter().filter(|row| self.takes(row)).collect();
        let (next, tally) = (AtomicUsize::new(0), Mutex::new(Tally::default()));
        std::thread::scope(|scope| {
            for lane in 0..self.lanes {
                let (next, tally, rows, of) = (&next, &tally, &rows, &of);
                scope.spawn(move || {
                    let lab = Lab::new(&self.folder.join(format!("lane{lane}")), &self.program, &self.launcher);
                    loop {
                        let number = next.fetch_add(1, Ordering::Relaxed);
                        let Some(row) = rows.get(number) else { return };
                        of(&lab, row, number as u64, tally);
                    }
                });
            }
        });
        tally.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    /// Losses of power: records each verb byte by byte, again after every fifty disks, and makes disks from the recording.
    ///
    /// # Panics
    /// As `go`.
    pub fn lose_power(&self, progress: &(impl Fn(usize, Option<&Broken>) + Sync)) -> Tally {
        let each = self.each().unwrap_or(400);
        self.in_lanes(|lab, row, _, tally| {
            let before = before(lab, row, tally);
            for first in (0..each).step_by(50) {
                let (recorded, said) = recorded(lab, row);
                for round in first..each.min(first + 50) {
                    let broken = self.lose_power_once(lab, row, &before, (&recorded, &said), round);
                    let mut tally = tally.lock().unwrap_or_else(PoisonError::into_inner);
                    *tally.rounds.entry((row.name, "power".to_owned())).or_default() += 1;
                    progress(tally.total(), broken.as_ref());
                    tally.broken.extend(broken);
                }
            }
        })
    }

    /// How many rounds each verb gets, if not all are done.
    fn each(&self) -> Option<usize> {
        let rows = ROWS.iter().filter(|row| self.takes(row)).count().max(1);
        self.rounds.map(|rounds| rounds.div_ceil(rows))
    }

    fn lose_power_once(&self, lab: &Lab, row: &Row, before: &Before, recorded: (&Steps, &Said), round: usize) -> Option<Broken> {
        let (recorded, ended) = recorded;
        let dice = Dice::new(self.seed.wrapping_mul(1_000_003).wrapping_add(round as u64));
        let steps = recorded.steps.len();
        // One in ten is after the end, when all output must be on the record.
        let until = if dice.roll(10) == 0 { steps } else { usize::try_from(dice.roll(steps as u64 + 1)).unwrap_or(steps) };
        lab.clear();
        make_disk(recorded, until, lab.folder(), &lab.kept(row.start), &dice);
        let (out, err, sent) = known(recorded, until);
        let said = Said { code: if until == steps { ended.code } else { -1 }, out, err };
        let findings = Round::after_power(lab, row, before, &said, sent);
        let last = until.checked_sub(1).and_then(|last| recorded.steps.get(last));
        let call = format!("{last:?}").chars().take(120).collect();
        let what = format!("{} power@{until}/{steps} round {round}", row.name);
        (!findings.is_empty()).then_some(Broken { what, call, said, findings })
    }

    fn takes(&self, row: &Row) -> bool {
        self.verbs.is_empty() || self.verbs.iter().any(|verb| verb == row.name)
    }

    /// All places at which a fault can be made in a verb. If fewer rounds are wanted, the dice choose that many of them.
    fn plans(&self, number: u64, before: &Before) -> Vec<Plan> {
        let dice = Dice::new(self.seed.wrapping_mul(1_000_003).wrapping_add(number));
        let mut plans = Vec::new();
        for (at, call) in (1..).zip(&before.calls) {
            let faults = FAULTS.into_iter().filter(|fault| self.faults.is_empty() || self.faults.contains(fault));
            let plan = |fault| Plan { at, fault, share: u8::try_from(dice.roll(256)).unwrap_or(128) };
            plans.extend(faults.filter(|fault| fault.befalls(call)).map(plan));
        }
        while self.each().is_some_and(|each| plans.len() > each) {
            let one = usize::try_from(dice.roll(plans.len() as u64)).unwrap_or(0);
            plans.swap_remove(one);
        }
        plans
    }
}

/// Records a verb without a fault, step by step.
fn recorded(lab: &Lab, row: &Row) -> (Steps, Said) {
    lab.put_back(row.start);
    let mut steps = Steps::of(lab.watched(), lab.streams());
    let (_, said) = lab.act(row, None, &mut steps);
    (steps, said)
}

/// The state before a verb. Errors that occur without a fault are counted too.
fn before(lab: &Lab, row: &Row, tally: &Mutex<Tally>) -> Before {
    let before = Before::of(lab, row);
    if !before.wrong.is_empty() {
        let said = Said { code: 0, out: String::new(), err: String::new() };
        let broken = Broken { what: format!("{} without any fault", row.name), call: String::new(), said, findings: before.wrong.clone() };
        tally.lock().unwrap_or_else(PoisonError::into_inner).broken.push(broken);
    }
    before
}
