//! A copy of a home beside its original can be read like any home, but is continued only if a person says so. A home that was moved is
//! continued without a question.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use journal::{Journal, Options, log_run};
use tests::guests::guest;
use tests::program::{Program, config};
use vocabulary::Grants;

use crate::damaged::both;

fn ran() -> Program {
    let program = Program::new(&config("exits-with", &guest("exits_with"), &Grants::default()));
    ends_in(&program, &program.place().home, &["trust"], 0);
    ends_in(&program, &program.place().home, RUN, 0);
    program
}

const RUN: &[&str] = &["run", "exits-with", "--durable", "--", "0"];

#[track_caller]
fn ends_in(program: &Program, home: &Path, args: &[&str], code: i32) -> String {
    let output = program.command(&[], args).env("BAILIWICK_HOME", home).output().unwrap();
    assert_eq!(output.status.code(), Some(code), "{args:?} in {}: {}", home.display(), both(&output));
    both(&output)
}

fn copy(from: &Path, to: &Path) -> PathBuf {
    assert!(std::process::Command::new("cp").arg("-a").args([from, to]).status().unwrap().success());
    to.to_owned()
}

/// All files beneath a folder, with their contents.
fn all_of(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut all = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            all.extend(all_of(&path));
        } else if path.is_file() && !path.ends_with("lock") {
            all.insert(path.clone(), fs::read(&path).unwrap());
        }
    }
    all
}

#[test]
fn a_copy_beside_its_original_is_told_at_its_first_write_and_the_original_goes_on() {
    let program = ran();
    let home = program.place().home.clone();
    let second = copy(&home, &program.folder().join("second"));
    for args in [&["ps"][..], &["audit", "verify"], &["audit", "show"], &["audit", "touched"], &["show", "latest"], &["logs", "latest"]] {
        ends_in(&program, &second, args, 0);
    }
    let before = (all_of(&second), all_of(&program.place().state));
    for args in [RUN, &["doctor"], &["trust"], &["audit", "reanchor", "--reason", "none"], &["keys", "rotate", "home"]] {
        let said = ends_in(&program, &second, args, 6);
        assert!(said.contains(&format!("is continued in another home, `{}`", home.display())), "{args:?}: {said}");
        assert!(said.contains("audit accept-rollback"), "{args:?}: {said}");
    }
    assert_eq!((all_of(&second), all_of(&program.place().state)), before, "nothing was written");
    ends_in(&program, &home, RUN, 0);
    // A person's order accepts the copy in place of the other home. That is on the record, and the other home is the copy from now on.
    let said = ends_in(&program, &second, &["audit", "accept-rollback"], 0);
    assert!(said.contains(home.to_str().unwrap()), "{said}");
    ends_in(&program, &second, RUN, 0);
    let said = ends_in(&program, &second, &["audit", "show", "--kind", "rollback-accepted"], 0);
    assert!(said.contains(&format!("in place of the home {}", home.display())), "{said}");
    assert!(ends_in(&program, &home, RUN, 6).contains(second.to_str().unwrap()));
    assert!(ends_in(&program, &second, &["audit", "verify"], 0).contains("WHOLE"));
}

#[test]
fn a_copy_does_not_end_the_process_that_holds_the_original() {
    let program = ran();
    let place = program.place().clone();
    let (journal, _) = Journal::open(&place.home, Some(&place.state), Options::default()).unwrap();
    let second = copy(&place.home, &program.folder().join("second"));
    assert!(ends_in(&program, &second, RUN, 6).contains("is continued in another home"));
    let said = ends_in(&program, &second, &["audit", "accept-rollback"], 1);
    assert!(said.contains(&format!("another process holds `{}`", place.home.display())), "{said}");
    let appended = journal.append(log_run(), br#"{"kind":"later","v":1}"#.to_vec(), Vec::new()).unwrap();
    appended.ticket.wait_blocking().unwrap();
    journal.close().unwrap();
    ends_in(&program, &place.home, &["audit", "verify"], 0);
}

#[test]
fn a_home_that_was_moved_or_whose_original_is_gone_goes_on_without_a_word() {
    let program = ran();
    let home = program.place().home.clone();
    let moved = program.folder().join("moved");
    fs::rename(&home, &moved).unwrap();
    ends_in(&program, &moved, RUN, 0);
    let there = copy(&moved, &program.folder().join("there"));
    fs::remove_dir_all(&moved).unwrap();
    ends_in(&program, &there, RUN, 0);
    // A home with another record in the old place is not the original.
    copy(&ran().place().home, &moved);
    ends_in(&program, &there, RUN, 0);
    // On another machine, second state has nothing of it.
    let output =
        program.command(&[], RUN).env("BAILIWICK_HOME", &there).env("BAILIWICK_STATE", program.folder().join("other")).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", both(&output));
}
