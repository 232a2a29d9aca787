//! Many rounds, in some lanes at once: which, in what order, and what came of them.

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

/// What is swept.
#[derive(Clone, Debug)]
pub struct Sweep {
    /// Where; a folder for each lane is made in it.
    pub folder: PathBuf,
    /// The program that meets the faults.
    pub program: PathBuf,
    /// A binary that plays `launch::PART`.
    pub launcher: PathBuf,
    /// Decides which rounds are taken, and where writes are torn.
    pub seed: u64,
    /// How many rounds; all that there are without it.
    pub rounds: Option<usize>,
    /// Only these verbs; all without one.
    pub verbs: Vec<String>,
    /// Only these faults; all without one.
    pub faults: Vec<Fault>,
    /// How many at once.
    pub lanes: usize,
}

/// One round that went wrong.
#[derive(Clone, Debug)]
pub struct Broken {
    /// The verb, the fault and the place: what makes it happen again.
    pub what: String,
    /// The call that it befell.
    pub call: String,
    /// What the program said.
    pub said: Said,
    /// What was found.
    pub findings: Vec<Finding>,
}

/// What came of it.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// Rounds in which the fault came to pass, by verb and fault.
    pub rounds: BTreeMap<(&'static str, String), usize>,
    /// Rounds in which the verb was over before the fault came.
    pub missed: usize,
    /// What went wrong.
    pub broken: Vec<Broken>,
}

impl Tally {
    /// How many rounds there were.
    #[must_use]
    pub fn total(&self) -> usize {
        self.rounds.values().sum()
    }

    /// In how many rounds this went wrong.
    #[must_use]
    pub fn wrong(&self, wrong: Wrong) -> usize {
        self.broken.iter().filter(|broken| broken.findings.iter().any(|finding| finding.wrong == wrong)).count()
    }

    /// A table: a row for each verb, and what went wrong below.
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
    /// Does it. `progress` hears of each round: how many there were, and what went wrong in it.
    ///
    /// # Panics
    /// When this machine allows no tracing.
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

    /// Does this for each verb, in some lanes at once. A lane keeps a verb to its end: what is there before is looked at once.
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

    /// Losses of power: each verb is recorded byte by byte, again after each fifty disks, and disks are made of that.
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

    /// How many rounds there are for each verb, where not all are wanted.
    fn each(&self) -> Option<usize> {
        let rows = ROWS.iter().filter(|row| self.takes(row)).count().max(1);
        self.rounds.map(|rounds| rounds.div_ceil(rows))
    }

    fn lose_power_once(&self, lab: &Lab, row: &Row, before: &Before, recorded: (&Steps, &Said), round: usize) -> Option<Broken> {
        let (recorded, ended) = recorded;
        let dice = Dice::new(self.seed.wrapping_mul(1_000_003).wrapping_add(round as u64));
        let steps = recorded.steps.len();
        // One in ten after the end: what was said then counts most.
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

    /// Every place at which a fault can befall a verb; where fewer rounds are wanted, as many of them as the dice choose.
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

/// A verb without a fault, step by step.
fn recorded(lab: &Lab, row: &Row) -> (Steps, Said) {
    lab.put_back(row.start);
    let mut steps = Steps::of(lab.watched(), lab.streams());
    let (_, said) = lab.act(row, None, &mut steps);
    (steps, said)
}

/// What is there before a verb; what goes wrong without any fault is counted too.
fn before(lab: &Lab, row: &Row, tally: &Mutex<Tally>) -> Before {
    let before = Before::of(lab, row);
    if !before.wrong.is_empty() {
        let said = Said { code: 0, out: String::new(), err: String::new() };
        let broken = Broken { what: format!("{} without any fault", row.name), call: String::new(), said, findings: before.wrong.clone() };
        tally.lock().unwrap_or_else(PoisonError::into_inner).broken.push(broken);
    }
    before
}
