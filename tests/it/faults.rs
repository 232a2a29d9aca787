//! Faults of disks and machines: a sample of what `tests/campaign` does in full, and tests of the tracer.
//!
//! `SEED=7` takes another sample; the seed is printed.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rustix::io::Errno;
use tests::dice::Dice;
use tests::fault::oracle::WRONGS;
use tests::fault::plan::{Fault, Lasting, Plan};
use tests::fault::power::{known, make_disk};
use tests::fault::steps::Steps;
use tests::fault::sweep::{Sweep, Tally};
use tests::fault::trace::{End, Listener, Nobody, Traced, trace};
use tests::fault::verbs::ROWS;
use tests::host;

fn launcher() -> PathBuf {
    env!("CARGO_BIN_EXE_campaign").into()
}

fn seed() -> u64 {
    std::env::var("SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(0)
}

/// A sweep over some verbs, which depend on the seed; each verb costs an extra round.
fn sample(folder: &Path, rounds: usize) -> Sweep {
    let dice = Dice::new(seed());
    let verbs = (0..6).filter_map(|_| ROWS.get(dice.roll(ROWS.len() as u64) as usize)).map(|row| row.name.to_owned());
    Sweep {
        folder: folder.to_owned(),
        program: host::bailiwick(),
        launcher: launcher(),
        seed: seed(),
        rounds: Some(rounds),
        verbs: verbs.collect(),
        faults: Vec::new(),
        lanes: 2,
    }
}

fn holds(tally: &Tally, rounds: usize) {
    eprintln!("SEED={}\n{}", seed(), tally.table());
    assert!(tally.total() >= rounds, "{} rounds", tally.total());
    assert!(tally.broken.is_empty(), "SEED={}: {:#?}", seed(), tally.broken);
}

#[test]
fn after_a_fault_at_any_call_nothing_is_lost_done_twice_or_stuck() {
    let folder = tempfile::tempdir().unwrap();
    holds(&sample(folder.path(), 40).go(&|_, _| ()), 30);
}

#[test]
fn after_a_loss_of_power_at_any_step_nothing_is_lost_done_twice_or_stuck() {
    let folder = tempfile::tempdir().unwrap();
    let mut sample = sample(folder.path(), 24);
    sample.verbs = ["run", "credentials-set", "trust-first"].map(str::to_owned).to_vec();
    holds(&sample.lose_power(&|_, _| ()), 24);
}

#[test]
fn each_thing_that_goes_wrong_has_its_name() {
    let names: BTreeSet<_> = WRONGS.iter().map(ToString::to_string).collect();
    assert_eq!(names.len(), WRONGS.len());
}

/// Runs a script that writes in a folder, with a fault.
fn script(folder: &Path, text: &str, plan: Option<Plan>, listener: &mut impl Listener) -> (Traced, String) {
    let mut command = Command::new("/bin/sh");
    command.args(["-c", text]).current_dir(folder);
    let err = folder.with_extension("err");
    let streams = [Stdio::null(), Stdio::null(), File::create(&err).unwrap().into()];
    let traced = trace(&launcher(), &command, streams, &[folder.to_owned()], plan, listener).unwrap();
    (traced, fs::read_to_string(err).unwrap())
}

#[test]
fn what_is_planned_befalls_that_call_and_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let full = Fault::Fail(Errno::NOSPC, Lasting::Once);
    let stays_full = Fault::Fail(Errno::NOSPC, Lasting::FromThenOn);
    let killed = End::Killed(libc::SIGKILL);
    // The calls are: open f, write f, open g, write g.
    let cases = [
        (None, End::Code(0), Some("hello\n"), Some("there\n")),
        (Some((1, Fault::KillBefore)), killed, None, None),
        (Some((1, Fault::KillAfter)), killed, Some(""), None),
        (Some((2, Fault::KillBefore)), killed, Some(""), None),
        (Some((2, Fault::Tear)), killed, Some("hel"), None),
        (Some((2, Fault::KillAfter)), killed, Some("hello\n"), None),
        (Some((2, full)), End::Code(0), Some(""), Some("there\n")),
        (Some((2, stays_full)), End::Code(2), Some(""), None),
        (Some((3, full)), End::Code(2), Some("hello\n"), None),
    ];
    for (n, (plan, end, f, g)) in cases.into_iter().enumerate() {
        let here = folder.path().join(n.to_string());
        fs::create_dir(&here).unwrap();
        let plan = plan.map(|(at, fault)| Plan { at, fault, share: 128 });
        let (traced, said) = script(&here, "echo hello > f; echo there > g", plan, &mut Nobody);
        assert_eq!(traced.end, end, "{plan:?}: {said}");
        assert_eq!(traced.hit.is_some(), plan.is_some());
        let read = |name: &str| fs::read_to_string(here.join(name)).ok();
        assert_eq!((read("f").as_deref(), read("g").as_deref()), (f, g), "{plan:?}: {said}");
        // The shell prints its own message for a write that fails.
        assert_eq!(!said.is_empty(), matches!(plan, Some(Plan { fault: Fault::Fail(..), .. })), "{said}");
    }
}

#[test]
fn children_are_followed_and_what_lies_elsewhere_is_not_counted() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path().join("here");
    fs::create_dir(&here).unwrap();
    let text = "mkdir a; (mv a b; rmdir b) & wait; echo x > ../elsewhere; ln -s x y; rm y; chmod 700 .";
    let (traced, said) = script(&here, text, None, &mut Nobody);
    assert_eq!(traced.end, End::Code(0), "{said}");
    let calls: Vec<_> = traced.calls.iter().map(|call| call.name.trim_end_matches("at2").trim_end_matches("at")).collect();
    assert_eq!(calls, ["mkdir", "rename", "rmdir", "symlink", "unlink", "fchmod"]);
}

/// All disks that a loss of power after the script may leave, as the contents of `f` and `g`.
fn disks(text: &str) -> BTreeSet<(Option<String>, Option<String>)> {
    let folder = tempfile::tempdir().unwrap();
    let (here, kept) = (folder.path().join("here"), folder.path().join("kept"));
    fs::create_dir(&here).unwrap();
    fs::create_dir_all(kept.join("here")).unwrap();
    let mut steps = Steps::of(vec![here.clone()], [PathBuf::new(), PathBuf::new()]);
    let (traced, said) = script(&here, text, None, &mut steps);
    assert_eq!(traced.end, End::Code(0), "{said}");
    let mut found = BTreeSet::new();
    for seed in 0..300 {
        fs::remove_dir_all(&here).unwrap();
        make_disk(&steps, steps.steps.len(), folder.path(), &kept, &Dice::new(seed));
        let read = |name: &str| fs::read_to_string(here.join(name)).ok();
        found.insert((read("f"), read("g")));
    }
    assert_eq!(known(&steps, steps.steps.len()).2, Vec::<String>::new());
    found
}

#[test]
fn a_loss_of_power_takes_what_was_not_synced_and_nothing_else() {
    let some = |text: &str| Some(text.to_owned());
    // Neither bytes nor names are synced: any combination is possible.
    let loose = disks("echo one > f; echo two > g");
    assert!(loose.contains(&(None, None)) && loose.contains(&(some("one\n"), some("two\n"))), "{loose:?}");
    assert!(loose.contains(&(some(""), None)) && loose.contains(&(None, some("two\n"))), "{loose:?}");
    // The name of `f` and its first line are synced, its second is not.
    let firm = disks("echo one > f; sync f; sync .; echo more >> f; echo two > g");
    let first: BTreeSet<_> = firm.iter().map(|(f, _)| f.clone()).collect();
    assert!(first.iter().all(|f| f.as_ref().is_some_and(|f| f.starts_with("one\n"))), "{first:?}");
    assert!(first.contains(&some("one\n")) && first.contains(&some("one\nmore\n")), "{first:?}");
    // A name that is not synced may lead to the old file, but never to half of a file.
    let renamed = disks("echo old > f; sync f; sync .; echo new > g; sync g; mv g f");
    let both: BTreeSet<_> = renamed.iter().map(|(f, _)| f.clone()).collect();
    assert_eq!(both, BTreeSet::from([some("old\n"), some("new\n")]));
}
