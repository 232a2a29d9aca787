//! A damaged record: a process that would write to it refuses it, readers read the whole part, and only a person can set the damaged part
//! aside.

use std::fs;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::process::Output;

use journal::{Position, Reader};
use serde_json::Value;
use tests::guests::guest;
use tests::program::{Program, config};
use vocabulary::Grants;
use vocabulary::record::Record;

/// A home with this many runs on its record, and their ids in order.
fn ran(runs: usize) -> (Program, Vec<String>) {
    ran_with(Program::new(&config("exits-with", &guest("exits_with"), &Grants::default())), &["exits-with", "--json", "--", "0"], runs)
}

/// The same for runs whose beginning is in an earlier batch than their end, because the intent of a request is durable before it is sent.
pub(crate) fn ran_asking(runs: usize) -> (Program, Vec<String>) {
    let grant = "[[agents.get.http]]\nhost = \"127.0.0.1\"\nport = 9\nscheme = \"http\"\nmethods = [\"GET\"]\npaths = [\"/**\"]\n";
    let text = format!("{}\n{grant}", config("get", &guest("get"), &Grants::default()));
    ran_with(Program::new(&text), &["get", "--json", "--", "http://127.0.0.1:9/"], runs)
}

fn ran_with(program: Program, args: &[&str], runs: usize) -> (Program, Vec<String>) {
    assert!(program.run(&["trust"]).status.success());
    let run = |_| {
        let output = program.run(&[&["run"], args].concat());
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        report["run"].as_str().unwrap().to_owned()
    };
    let ids = (0..runs).map(run).collect();
    (program, ids)
}

pub(crate) fn segment(program: &Program) -> PathBuf {
    program.place().home.join("journal/00000001.seg")
}

/// The places of a run's records.
pub(crate) fn places(program: &Program, run: &str) -> Vec<Position> {
    Reader::open(&program.place().home).unwrap().of_run(run.parse().unwrap()).map(|record| record.unwrap().at).collect()
}

/// Flips one bit in the middle of a record, as a disk or an editor would.
pub(crate) fn flip(file: &Path, at: u64) {
    let file = fs::OpenOptions::new().read(true).write(true).open(file).unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, at).unwrap();
    file.write_all_at(&[byte[0] ^ 1], at).unwrap();
}

pub(crate) fn both(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

/// Runs a command and returns its output; fails unless it ended with this exit code.
#[track_caller]
pub(crate) fn ends(program: &Program, args: &[&str], code: i32) -> String {
    ends_at(program, program.place(), args, code)
}

/// The same with another home and state.
#[track_caller]
pub(crate) fn ends_at(program: &Program, place: &run::HomePlace, args: &[&str], code: i32) -> String {
    let mut command = program.command(&[], args);
    let output = command.env("BAILIWICK_HOME", &place.home).env("BAILIWICK_STATE", &place.state).output().unwrap();
    assert_eq!(output.status.code(), Some(code), "{args:?}: {}", both(&output));
    both(&output)
}

#[test]
fn with_one_byte_flipped_anywhere_run_refuses_and_says_what_to_do() {
    let (program, ids) = ran(4);
    let whole = fs::read(segment(&program)).unwrap();
    for run in &ids[..3] {
        let at = places(&program, run)[0].offset + 40;
        flip(&segment(&program), at);
        for args in [&["run", "exits-with", "--", "0"][..], &["trust"]] {
            let words = ends(&program, args, 6);
            assert!(words.contains("the record is damaged") && words.contains("audit reanchor"), "{words}");
        }
        flip(&segment(&program), at);
        ends(&program, &["ps"], 0);
    }
    assert_eq!(fs::read(segment(&program)).unwrap(), whole, "nothing was written meanwhile");
    ends(&program, &["run", "exits-with", "--", "0"], 0);
}

#[test]
fn what_is_whole_stays_readable_and_what_is_not_is_said() {
    let (program, ids) = ran(3);
    let touched = program.run(&["audit", "touched", "--json"]);
    assert_eq!(serde_json::from_slice::<Value>(&touched.stdout).unwrap()["incomplete"], serde_json::json!([]), "the control");
    flip(&segment(&program), places(&program, &ids[1])[0].offset + 40);
    for args in [&["audit", "show"][..], &["ps"], &["audit", "touched"]] {
        let words = ends(&program, args, 6);
        assert!(words.contains("not read: segment 1") && words.contains("undamaged again from record"), "{words}");
    }
    for run in [&ids[0], &ids[2]] {
        let words = ends(&program, &["show", run], 6);
        assert!(words.contains("run-opened") && words.contains("run-closed"), "{words}");
    }
    // It can't be known whether there is such a run.
    let words = ends(&program, &["show", "01M83DA0REQ40DXRGC9AB0ZHM8"], 6);
    assert!(words.contains("it may be in the part that can't be read"), "{words}");
    let touched = program.run(&["audit", "touched", "--json"]);
    let document: Value = serde_json::from_slice(&touched.stdout).unwrap();
    assert_eq!((touched.status.code(), document["incomplete"].as_array().map(Vec::len)), (Some(6), Some(1)), "{document}");
    let replayed = program.run(&["replay", &ids[2]]);
    assert!(both(&replayed).contains("identical"), "{replayed:?}");
}

#[test]
fn reanchor_sets_the_damaged_part_aside_and_the_home_goes_on() {
    let (program, ids) = ran(3);
    ends(&program, &["audit", "reanchor", "--reason", "nothing"], 2);
    flip(&segment(&program), places(&program, &ids[1])[0].offset + 40);
    let damaged = fs::read(segment(&program)).unwrap();
    ends(&program, &["audit", "reanchor"], 2);
    for nothing in ["", " ", "\t\n", "\u{200b}", "--", "."] {
        let words = ends(&program, &["audit", "reanchor", &format!("--reason={nothing}")], 2);
        assert!(words.contains("give a reason"), "{words}");
    }
    assert_eq!(fs::read(segment(&program)).unwrap(), damaged, "nothing was set aside");
    let output = program.run(&["audit", "reanchor", "--reason", "a failing disk", "--json"]);
    assert_eq!(output.status.code(), Some(0), "{}", both(&output));
    let done: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(done["was"]["size"].as_u64() > done["now"]["size"].as_u64(), "{done}");
    let aside = program.place().home.join(done["aside"].as_str().unwrap()).join("00000001.seg");
    assert_eq!(fs::read(&aside).unwrap(), damaged, "the original is kept");
    // The log continues after the cut, which is on the record, and verifies.
    ends(&program, &["run", "exits-with", "--", "0"], 0);
    ends(&program, &["show", &ids[0]], 0);
    let words = ends(&program, &["audit", "verify"], 0);
    assert!(words.contains("WHOLE") && words.contains("a failing disk") && words.contains("is unchanged"), "{words}");
    let records = Reader::open(&program.place().home).unwrap().records();
    let record = records.filter_map(|record| Record::parse(&record.unwrap().body).ok()).find_map(|record| match record {
        Record::Reanchored(record) => Some(record),
        _ => None,
    });
    let record = record.expect("it is on the record");
    assert_eq!((record.by, record.reason.as_str()), (run::own_principal(), "a failing disk"));
    assert_eq!((record.was_size, record.now_size), (done["was"]["size"].as_u64(), done["now"]["size"].as_u64().unwrap()));
    flip(&aside, 100);
    assert!(ends(&program, &["audit", "verify"], 6).contains("MISSING OR CHANGED"), "records that were acknowledged are gone");
}

#[test]
fn a_damaged_header_a_lost_end_and_a_lost_segment_are_set_aside_too() {
    type Bend<'a> = &'a dyn Fn(&Program, &[String]);
    let bends: [(&str, Bend<'_>); 3] = [
        ("a header", &|program, _| flip(&segment(program), 9)),
        ("the last batch", &|program, ids| flip(&segment(program), places(program, &ids[1])[0].offset + 40)),
        ("the end", &|program, ids| {
            let at = places(program, &ids[1])[0].offset;
            fs::OpenOptions::new().write(true).open(segment(program)).unwrap().set_len(at + 20).unwrap();
        }),
    ];
    for (what, bend) in bends {
        let (program, ids) = ran(2);
        bend(&program, &ids);
        ends(&program, &["run", "exits-with", "--", "0"], 6);
        ends(&program, &["audit", "reanchor", "--reason", what], 0);
        ends(&program, &["run", "exits-with", "--", "0"], 0);
        assert!(ends(&program, &["audit", "verify"], 0).contains("WHOLE"), "{what}");
    }
}

#[test]
fn a_report_for_programs_says_what_was_not_searched() {
    let tree = tempfile::tempdir().unwrap();
    fs::write(tree.path().join("here"), "x").unwrap();
    let mount =
        vocabulary::FilesGrant { guest: "/src".to_owned(), host: tree.path().canonicalize().unwrap(), mode: vocabulary::FilesMode::Read };
    let grants = Grants { files: vec![mount], ..Grants::default() };
    let program = Program::new(&config("escapes-mount", &guest("escapes_mount"), &grants));
    let invocation = |paths: &[&str]| -> Value {
        let args: Vec<&str> = ["run", "escapes-mount", "--trust", "--sarif", "found.sarif", "--"].iter().chain(paths).copied().collect();
        assert!(program.run(&args).status.success());
        let text = fs::read(program.config().with_file_name("found.sarif")).unwrap();
        serde_json::from_slice::<Value>(&text).unwrap()["runs"][0]["invocations"][0].clone()
    };
    let told = invocation(&["../outside"]);
    assert_eq!(told["executionSuccessful"], true);
    let notifications = told["toolExecutionNotifications"].to_string();
    assert!(notifications.contains("not searched") && notifications.contains("outside"), "{notifications}");
    assert_eq!(invocation(&["here"])["toolExecutionNotifications"], serde_json::json!([]), "the control");
}

#[test]
fn a_run_that_is_closed_by_reanchoring_is_one_whose_end_is_not_among_what_is_kept() {
    let (program, ids) = ran_asking(3);
    let second = places(&program, &ids[1]);
    // The beginning of this run is kept, but not its end.
    flip(&segment(&program), second.last().unwrap().offset + 40);
    let words = ends(&program, &["audit", "reanchor", "--reason", "a failing disk"], 0);
    assert!(words.contains(&format!("run {}, whose end is not in the part that stays", ids[1])), "{words}");
    assert!(!words.contains(&ids[0]) && !words.contains(&ids[2]), "{words}");
    let words = ends(&program, &["show", &ids[1]], 0);
    let closed = words.lines().find(|line| line.contains("run-closed")).unwrap();
    assert!(closed.contains("SET ASIDE: the part of the record that was set aside has the rest of this run"), "{closed}");
    assert!(!closed.contains("nothing further was done") && !closed.contains("of memory"), "{closed}");
    let control = ends(&program, &["show", &ids[0]], 0);
    assert!(control.contains("DONE") && !control.contains("SET ASIDE"), "{control}");
    assert!(ends(&program, &["ps"], 0).contains("no run is open"));
    let help = ends(&program, &["audit", "reanchor", "--help"], 0).split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(help.contains("whose end is in that part") && help.contains("is not known here"), "{help}");
    assert!(ends(&program, &["audit", "verify"], 0).contains("WHOLE"));
}

#[test]
fn doctor_says_that_the_record_is_damaged_and_changes_nothing() {
    let (program, ids) = ran(3);
    assert!(ends(&program, &["doctor"], 0).contains("ok      record"), "the control");
    let at = places(&program, &ids[1])[0].offset + 40;
    flip(&segment(&program), at);
    let (damaged, before) = (fs::read(segment(&program)).unwrap(), listing(&program));
    let words = ends(&program, &["doctor"], 6);
    assert!(words.contains("BROKEN  record") && words.contains("the record is damaged") && words.contains("audit reanchor"), "{words}");
    assert_eq!((fs::read(segment(&program)).unwrap(), listing(&program)), (damaged, before));
    flip(&segment(&program), at);
    ends(&program, &["doctor"], 0);
    // The same for an older copy.
    let old = program.folder().join("old");
    copy(&program.place().home, &old);
    ends(&program, &["run", "exits-with", "--", "0"], 0);
    fs::remove_dir_all(&program.place().home).unwrap();
    copy(&old, &program.place().home);
    let words = ends(&program, &["doctor"], 6);
    assert!(words.contains("is behind what is known") && words.contains("audit accept-rollback"), "{words}");
    let fresh = Program::new("");
    assert!(ends(&fresh, &["doctor"], 0).contains("nothing was recorded yet"));
    assert!(!fresh.place().home.join("journal").exists(), "it made none");
}

/// The files of the home, with their times of change.
fn listing(program: &Program) -> Vec<(PathBuf, std::time::SystemTime)> {
    let entry = |entry: std::io::Result<fs::DirEntry>| {
        let entry = entry.unwrap();
        (entry.path(), entry.metadata().unwrap().modified().unwrap())
    };
    let mut all: Vec<_> = fs::read_dir(&program.place().home).unwrap().map(entry).collect();
    all.sort();
    all
}

fn copy(from: &Path, to: &Path) {
    assert!(std::process::Command::new("cp").arg("-a").args([from, to]).status().unwrap().success());
}

#[test]
fn verify_says_true_numbers_and_the_next_step() {
    let (program, ids) = ran(3);
    let whole = ends(&program, &["audit", "verify"], 0);
    assert!(whole.contains("which are here") && !whole.contains("help:"), "the control: {whole}");
    let size: u64 = Reader::open(&program.place().home).unwrap().records().count() as u64;
    let at = places(&program, &ids[1])[0];
    flip(&segment(&program), at.offset + 40);
    let output = program.run(&["audit", "verify", "--json"]);
    let verified: Value = serde_json::from_slice(&output.stdout).unwrap();
    let words = ends(&program, &["audit", "verify"], 6);
    let kept = verified["size"].as_u64().unwrap();
    assert!(kept <= at.index && kept < size, "{verified}");
    assert!(words.contains(&format!("{size} records in the state, of which at most the {kept} that could be read are here")), "{words}");
    assert!(words.contains(&format!("whole       {kept} record")) && !words.contains("which are here"), "{words}");
    assert!(words.contains("help: restore an undamaged copy of the home") && words.contains("audit reanchor"), "{words}");
    // In a copy, nothing can be set aside.
    let copied = program.folder().join("copied");
    copy(&program.place().home, &copied);
    let words = ends(&program, &["audit", "verify", copied.to_str().unwrap()], 6);
    assert!(words.contains("help: use an undamaged copy") && !words.contains("reanchor"), "{words}");
}

#[test]
fn a_record_that_is_longer_than_what_is_known_differs_and_is_not_behind() {
    let (program, ids) = ran(2);
    let old = program.folder().join("old");
    copy(&program.place().home, &old);
    // After the copy was made, the home continues differently.
    flip(&segment(&program), places(&program, &ids[0])[0].offset + 40);
    ends(&program, &["audit", "reanchor", "--reason", "a failing disk"], 0);
    fs::remove_dir_all(&program.place().home).unwrap();
    copy(&old, &program.place().home);
    for args in [&["run", "exits-with", "--", "0"][..], &["doctor"]] {
        let words = ends(&program, args, 6);
        assert!(words.contains("differs from what is known") && words.contains("are not those that are known"), "{words}");
        assert!(!words.contains("behind") && words.contains("audit accept-rollback"), "{words}");
    }
    let words = ends(&program, &["audit", "verify"], 6);
    assert!(words.contains("they are NOT the first") && words.contains("help: ") && words.contains("audit accept-rollback"), "{words}");
    ends(&program, &["audit", "accept-rollback"], 0);
    // The control: a shorter record is behind.
    ends(&program, &["run", "exits-with", "--", "0"], 0);
    fs::remove_dir_all(&program.place().home).unwrap();
    copy(&old, &program.place().home);
    let words = ends(&program, &["run", "exits-with", "--", "0"], 6);
    assert!(words.contains("is behind what is known") && !words.contains("differs"), "{words}");
}
