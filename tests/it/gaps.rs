//! Records that were set aside, removed or lost by a person's order are missing in every view that would show them, and each view says
//! so: a part is never presented as everything. The record is whole nevertheless, so the program ends with 0.

use std::fs;

use serde_json::Value;
use tests::program::Program;

use crate::damaged::{both, ends, flip, places, ran_asking, segment};
use crate::parts::Home;

const WORDS: &str = "incomplete: ";

/// Checks which views of the whole record, and of two runs, say that a part is missing.
#[track_caller]
fn views(program: &Program, run: &str, other: &str, words: Option<&str>) {
    let of_run: [&[&str]; 7] = [
        &["show", run],
        &["show", run, "--json"],
        &["logs", run],
        &["logs", run, "--json"],
        &["audit", "touched", run],
        &["audit", "diff", other, run],
        &["audit", "show", "--run", run],
    ];
    for args in of_run {
        let said = ends(program, args, 0);
        match words {
            Some(words) => assert!(said.contains(WORDS) && said.contains(words), "{args:?}: {said}"),
            None => assert!(!said.contains(WORDS) && !said.contains("\"gaps\":[{"), "{args:?}: {said}"),
        }
    }
}

#[track_caller]
fn whole_record(program: &Program, words: &str) {
    for args in [&["audit", "touched"][..], &["audit", "touched", "--json"], &["audit", "show"], &["audit", "show", "--json"], &["ps"]] {
        let said = ends(program, args, 0);
        assert!(said.contains(WORDS) && said.contains(words), "{args:?}: {said}");
    }
}

fn gaps(program: &Program, args: &[&str]) -> Vec<Value> {
    let output = program.run(args);
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    let last = serde_json::from_str::<Value>(&text).ok().or_else(|| serde_json::from_str(text.lines().last()?).ok());
    last.unwrap_or_else(|| panic!("{}", both(&output)))["gaps"].as_array().cloned().unwrap_or_default()
}

#[test]
fn what_was_set_aside_is_missed_by_each_view_that_would_have_it() {
    let (program, ids) = ran_asking(3);
    for args in [&["audit", "touched"][..], &["ps"], &["show", &ids[1]]] {
        assert!(!ends(&program, args, 0).contains(WORDS), "the control");
    }
    assert!(gaps(&program, &["audit", "touched", "--json"]).is_empty(), "the control");
    flip(&segment(&program), places(&program, &ids[1]).last().unwrap().offset + 40);
    ends(&program, &["audit", "reanchor", "--reason", "a failing disk"], 0);
    let aside = program.place().home.join("set-aside-0001");
    let path = format!("it is in {}", aside.display());
    whole_record(&program, &path);
    views(&program, &ids[1], &ids[1], Some(&path));
    assert!(ends(&program, &["audit", "touched"], 0).contains("by root") | ends(&program, &["ps"], 0).contains("(a failing disk)"));
    // A run that had ended before the cut, and a run that began later, are complete.
    ends(&program, &["run", "get", "--", "http://127.0.0.1:9/"], 0);
    views(&program, &ids[0], "latest", None);
    views(&program, "latest", &ids[0], None);
    // A run in the missing part is not known, and the message says where it may be.
    assert!(ends(&program, &["show", &ids[2]], 2).contains(&path));
    assert!(ends(&program, &["audit", "touched", "--agent", "gets"], 2).contains(&path));
    for args in [
        &["audit", "touched", "--json"][..],
        &["audit", "touched", &ids[1], "--json"],
        &["show", &ids[1], "--json"],
        &["audit", "show", "--json"],
    ] {
        let found = gaps(&program, args);
        let [gap] = &found[..] else { panic!("{args:?}: {found:?}") };
        assert_eq!((gap["what"]["kind"].as_str(), gap["path"].as_str()), (Some("set-aside"), aside.to_str()), "{gap}");
        assert_eq!((gap["is_there"].as_bool(), gap["what"]["reason"].as_str()), (Some(true), Some("a failing disk")), "{gap}");
        assert!(gap["what"]["was_size"].as_u64() > gap["what"]["now_size"].as_u64(), "{gap}");
    }
    assert!(gaps(&program, &["show", &ids[0], "--json"]).is_empty());
    fs::rename(&aside, program.folder().join("away")).unwrap();
    whole_record(&program, "is NOT, in");
    // This does not depend on the index that the home keeps.
    fs::remove_file(program.place().home.join("journal.index")).unwrap();
    whole_record(&program, "were set aside");
}

#[test]
fn what_was_taken_away_is_missed_and_what_is_left_of_the_record_is_not() {
    let home = Home::new();
    let archive = home.program.folder().join("archive");
    ends(&home.program, &["prune", "--older-than", "0s", "--to", archive.to_str().unwrap(), "--drop-accepted", "--yes"], 0);
    whole_record(&home.program, &format!("were removed and archived in {}", archive.display()));
    views(&home.program, &home.last, &home.last, None);
    assert!(ends(&home.program, &["show", &home.first], 2).contains("were removed"));
    assert_eq!(gaps(&home.program, &["audit", "touched", "--json"])[0]["what"]["kind"], "taken-away");
}

#[test]
fn what_was_lost_with_an_older_copy_is_missed() {
    let (program, _) = ran_asking(2);
    let (home, old) = (program.place().home.clone(), program.folder().join("old"));
    assert!(std::process::Command::new("cp").arg("-a").args([&home, &old]).status().unwrap().success());
    ends(&program, &["run", "get", "--", "http://127.0.0.1:9/"], 0);
    fs::remove_dir_all(&home).unwrap();
    fs::rename(&old, &home).unwrap();
    ends(&program, &["audit", "accept-rollback"], 0);
    whole_record(&program, "the others are not here");
    assert_eq!(gaps(&program, &["audit", "touched", "--json"])[0]["what"]["kind"], "rolled-back");
}
