//! A damaged record: a process that would write to it refuses it, readers read the whole part, and only a person can set the damaged part
//! aside.

use std::fs;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::process::Output;

use effect::Grants;
use effect::record::Record;
use journal::{Position, Reader};
use serde_json::Value;
use tests::guests::guest;
use tests::program::{Program, config};

/// A home with these many runs on its record, and their ids in order.
fn ran(runs: usize) -> (Program, Vec<String>) {
    let program = Program::new(&config("exits-with", &guest("exits_with"), &Grants::default()));
    assert!(program.run(&["trust"]).status.success());
    let run = |_| {
        let output = program.run(&["run", "exits-with", "--json", "--", "0"]);
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        report["run"].as_str().unwrap().to_owned()
    };
    let ids = (0..runs).map(run).collect();
    (program, ids)
}

pub(crate) fn segment(program: &Program) -> PathBuf {
    program.place().home.join("journal/00000001.seg")
}

/// Where a run's records lie.
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

#[track_caller]
pub(crate) fn ends(program: &Program, args: &[&str], code: i32) -> String {
    let output = program.run(args);
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
        assert!(words.contains("not read: segment 1") && words.contains("whole again from record"), "{words}");
    }
    for run in [&ids[0], &ids[2]] {
        let words = ends(&program, &["show", run], 6);
        assert!(words.contains("run-opened") && words.contains("run-closed"), "{words}");
    }
    // Whether there is such a run can't be known.
    let words = ends(&program, &["show", "01M83DA0REQ40DXRGC9AB0ZHM8"], 6);
    assert!(words.contains("it may be in what can't"), "{words}");
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
    let output = program.run(&["audit", "reanchor", "--reason", "a failing disk", "--json"]);
    assert_eq!(output.status.code(), Some(0), "{}", both(&output));
    let done: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(done["was"]["size"].as_u64() > done["now"]["size"].as_u64(), "{done}");
    let aside = program.place().home.join(done["aside"].as_str().unwrap()).join("00000001.seg");
    assert_eq!(fs::read(&aside).unwrap(), damaged, "it is kept as it was");
    // It goes on, says so, and verifies.
    ends(&program, &["run", "exits-with", "--", "0"], 0);
    ends(&program, &["show", &ids[0]], 0);
    let words = ends(&program, &["audit", "verify"], 0);
    assert!(words.contains("WHOLE") && words.contains("a failing disk") && words.contains("is there as it was"), "{words}");
    let records = Reader::open(&program.place().home).unwrap().records();
    let record = records.filter_map(|record| Record::parse(&record.unwrap().body).ok()).find_map(|record| match record {
        Record::Reanchored(record) => Some(record),
        _ => None,
    });
    let record = record.expect("it is on the record");
    assert_eq!((record.by, record.reason.as_str()), (run::own_principal(), "a failing disk"));
    assert_eq!((record.was_size, record.now_size), (done["was"]["size"].as_u64(), done["now"]["size"].as_u64().unwrap()));
    flip(&aside, 100);
    assert!(ends(&program, &["audit", "verify"], 0).contains("NOT THERE as it was"));
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
    let mount = effect::FilesGrant { guest: "/src".to_owned(), host: tree.path().canonicalize().unwrap(), mode: effect::FilesMode::Read };
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
