//! Pruning: the beginning of the record is archived or dropped by rules, the rest verifies, and records that are still needed stay.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use serde_json::Value;

use crate::damaged::{both, ends};
use crate::parts::{Home, run};

fn json(home: &Home, args: &[&str]) -> Value {
    let output = home.program.run(args);
    assert_eq!(output.status.code(), Some(0), "{args:?}: {}", both(&output));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The arguments that archive everything older than now into this folder.
fn archive<'a>(to: &'a Path, more: &[&'a str]) -> Vec<&'a str> {
    [&["prune", "--older-than", "0s", "--to", to.to_str().unwrap(), "--drop-accepted"], more].concat()
}

#[test]
fn the_beginning_of_the_record_is_archived_and_verifies_with_what_is_left() {
    let home = Home::new();
    let to = home.program.folder().join("archive");
    let before: Value = json(&home, &["audit", "verify", "--json"]);
    // Without `--yes` it only says what it would do.
    let told = json(&home, &archive(&to, &["--json"]));
    assert_eq!((told["done"].as_bool(), told["segments"].as_array().unwrap().len() as u32), (Some(false), home.segments - 1));
    assert!(!to.exists() && home.segment(1).exists());
    let said = ends(&home.program, &archive(&to, &[]), 0);
    assert!(said.contains("would be archived in") && said.contains("`--yes` does it"), "{said}");
    let told = json(&home, &archive(&to, &["--yes", "--json"]));
    assert!(!home.segment(1).exists() && to.join("journal/00000001.seg").exists());
    // The rest verifies and says where it begins; archive and rest together are the old record.
    let said = ends(&home.program, &["audit", "verify"], 0);
    assert!(said.contains("WHOLE") && said.contains("removed before it"), "{said}");
    let left = json(&home, &["audit", "verify", "--json"]);
    assert_eq!(left["begins"]["record"], told["records"]);
    let whole = json(&home, &["audit", "verify", "--with", to.to_str().unwrap(), "--json"]);
    assert!(whole["begins"].is_null() && whole["holds"] == true, "{whole}");
    assert_eq!(whole["size"].as_u64(), before["size"].as_u64().map(|size| size + 1), "plus the record of the cut");
    let archived = json(&home, &["audit", "verify", to.to_str().unwrap(), "--json"]);
    assert_eq!((archived["holds"].as_bool(), &archived["size"]), (Some(true), &told["records"]));
    let record = ends(&home.program, &["audit", "show", "--kind", "pruned"], 0);
    assert!(record.contains("archived in") && record.contains("the first"), "{record}");
    // Runs before the cut are gone, others are unchanged, and the home can be used.
    assert!(ends(&home.program, &["show", &home.first], 2).contains("there is no run"));
    for args in [vec!["show", &home.last], vec!["replay", &home.last], vec!["ps"], vec!["audit", "touched"], vec!["doctor"]] {
        ends(&home.program, &args, 0);
    }
    let next = run(&home.program);
    for name in ["journal.index", "journal.touched"] {
        let _ = fs::remove_file(home.home().join(name));
    }
    ends(&home.program, &["show", &next], 0);
    ends(&home.program, &["run", "exits-with", "--", "0"], 0);
    // If a part of the rest is missing, that is reported as usual.
    fs::remove_file(home.segment(home.segments)).unwrap();
    for args in [vec!["ps"], vec!["audit", "verify"], vec!["run", "exits-with", "--", "0"]] {
        ends(&home.program, &args, 6);
    }
}

/// The home with everything before its last segment dropped.
fn dropped() -> Home {
    let home = Home::new();
    ends(&home.program, &["prune", "--older-than", "0s", "--drop", "--drop-accepted", "--yes"], 0);
    home
}

#[test]
fn a_home_without_its_beginning_is_used_looked_at_backed_up_and_put_back_as_any_other() {
    let home = dropped();
    let program = &home.program;
    let rows = json(&home, &["doctor", "--home", "--json"]);
    assert!(rows.as_array().unwrap().iter().all(|row| row["state"] != "bad"), "{rows}");
    assert!(ends(program, &["doctor", "--home"], 0).contains("of them removed"));
    for args in [
        vec!["show", &home.last],
        vec!["show", "latest", "--input"],
        vec!["logs", &home.last],
        vec!["replay", &home.last],
        vec!["ps"],
        vec!["audit", "show"],
        vec!["audit", "touched"],
        vec!["hold"],
        vec!["home", "du"],
    ] {
        ends(program, &args, 0);
    }
    for verb in ["show", "logs", "replay", "resume"] {
        assert!(ends(program, &[verb, &home.first], 2).contains("there is no run"), "{verb}");
    }
    ends(program, &["status"], 11);
    // A backup begins where the home begins, even if a pruned segment is left over.
    fs::copy(home.segment(home.segments), home.segment(1)).unwrap();
    let file = program.folder().join("monday");
    ends(program, &["backup", file.to_str().unwrap()], 0);
    let there = program.folder().join("there");
    let ends_there = |args: &[&str], code: i32| {
        let mut command = program.command(&[], args);
        let output = command.env("BAILIWICK_HOME", there.join("home")).env("BAILIWICK_STATE", there.join("state")).output().unwrap();
        assert_eq!(output.status.code(), Some(code), "{args:?}: {}", both(&output));
        both(&output)
    };
    ends_there(&["restore", file.to_str().unwrap()], 0);
    assert!(!there.join("home/journal/00000001.seg").exists());
    let said = ends_there(&["audit", "verify"], 0);
    assert!(said.contains("WHOLE") && said.contains("removed before it"), "{said}");
    ends_there(&["show", &home.last], 0);
    ends_there(&["run", "exits-with", "--", "0"], 0);
    // The restored home can be pruned again.
    tests::long::lengthen(&run::HomePlace { home: there.join("home"), state: there.join("state") });
    ends_there(&["prune", "--older-than", "0s", "--drop", "--drop-accepted", "--yes"], 0);
    assert!(ends_there(&["audit", "verify"], 0).contains("WHOLE"));
}

#[test]
fn only_what_the_record_itself_says_makes_a_missing_beginning_right() {
    let home = Home::new();
    let base = home.home().join("journal.base");
    ends(&home.program, &["backup", home.program.folder().join("whole").to_str().unwrap()], 0);
    // No base says that the segment was pruned.
    let first = fs::read(home.segment(1)).unwrap();
    fs::remove_file(home.segment(1)).unwrap();
    for args in [vec!["ps"], vec!["audit", "verify"], vec!["audit", "show"], vec!["run", "exits-with", "--", "0"]] {
        ends(&home.program, &args, 6);
    }
    fs::write(home.segment(1), &first).unwrap();
    fs::set_permissions(home.segment(1), fs::Permissions::from_mode(0o600)).unwrap();
    ends(&home.program, &["audit", "verify"], 0);
    // The base is signed with the right key, but the record has no `pruned` for it: another record is in its place.
    let place = home.program.place();
    let (journal, _) = journal::Journal::open(&place.home, Some(&place.state), journal::Options::default()).unwrap();
    let other = |_: &journal::Pruned| {
        let record = vocabulary::record::Recovered {
            at: 1,
            bytes: 1,
            kind: vocabulary::record::RecordKind::Recovered,
            v: vocabulary::record::VERSION,
        };
        vocabulary::record::Record::from(record).to_bytes()
    };
    journal.prune(&journal::Pruning { until: 2, to: None }, other, &mut |_, _| std::ops::ControlFlow::Continue(())).unwrap();
    journal.close().unwrap();
    let said = ends(&home.program, &["audit", "verify"], 6);
    assert!(said.contains("BROKEN") && said.contains("no record here says"), "{said}");
    // A forged base, an empty one, and none.
    let signed = fs::read(&base).unwrap();
    let text = String::from_utf8(signed.clone()).unwrap();
    for forged in [text.replacen("\n2\n", "\n3\n", 1), String::new(), text.lines().take(5).map(|line| format!("{line}\n")).collect()] {
        fs::write(&base, forged).unwrap();
        for args in [vec!["ps"], vec!["audit", "verify"], vec!["run", "exits-with", "--", "0"]] {
            ends(&home.program, &args, 6);
        }
    }
    fs::remove_file(&base).unwrap();
    ends(&home.program, &["audit", "verify"], 6);
}

#[test]
fn what_second_state_remembers_of_a_part_that_was_taken_away_is_told_apart_from_another_record() {
    let home = Home::new();
    let log = json(&home, &["audit", "verify", "--json"])["log"].as_str().unwrap().to_owned();
    // Second state of an earlier day, as an auditor may have kept it.
    let old = home.program.folder().join("old");
    fs::copy(home.program.place().state.join(&log), &old).unwrap();
    tests::long::lengthen(home.program.place());
    run(&home.program);
    let to = home.program.folder().join("archive");
    ends(&home.program, &archive(&to, &["--yes"]), 0);
    let (folder, old, to) = (home.home().to_str().unwrap(), old.to_str().unwrap(), to.to_str().unwrap());
    let said = ends(&home.program, &["audit", "verify", folder, "--state", old], 6);
    assert!(said.contains("can't be compared") && said.contains("--with FOLDER"), "{said}");
    ends(&home.program, &["audit", "verify", folder, "--state", old, "--with", to], 0);
    // In the home's own place, nothing continues from it without a person's order.
    let own = home.program.place().state.join(&log);
    let now = fs::read(&own).unwrap();
    fs::write(&own, fs::read(old).unwrap()).unwrap();
    ends(&home.program, &["audit", "verify"], 6);
    ends(&home.program, &["audit", "verify", "--with", to], 0);
    fs::write(&own, now).unwrap();
    ends(&home.program, &["audit", "verify"], 0);
}

#[test]
fn an_archive_is_never_written_over_and_never_lies_in_the_home() {
    let home = Home::new();
    let program = &home.program;
    let link = program.folder().join("link");
    std::os::unix::fs::symlink(home.home(), &link).unwrap();
    for to in [home.home().to_owned(), home.home().join("archive"), link] {
        let said = ends(program, &archive(&to, &["--yes"]), 2);
        assert!(said.contains("lies in the home itself"), "{said}");
    }
    assert!(home.segment(1).exists());
    // The archive of another home, and one that has another file under the same name.
    let to = program.folder().join("archive");
    let other = Home::new();
    ends(&other.program, &archive(&to, &["--yes"]), 0);
    let theirs: Vec<_> = (1..other.segments).map(|number| fs::read(to.join(format!("journal/{number:08}.seg"))).unwrap()).collect();
    assert!(ends(program, &archive(&to, &["--yes"]), 2).contains("the archive has another"));
    let still: Vec<_> = (1..other.segments).map(|number| fs::read(to.join(format!("journal/{number:08}.seg"))).unwrap()).collect();
    assert!(theirs == still && fs::read_dir(to.join("journal")).unwrap().count() == theirs.len());
    assert!(home.segment(1).exists());
    assert!(ends(program, &["audit", "verify"], 0).contains("WHOLE"));
}

#[test]
fn what_is_on_hold_stays_until_it_is_released() {
    let home = Home::new();
    let to = home.program.folder().join("archive");
    ends(&home.program, &["hold", &home.first], 2);
    ends(&home.program, &["hold", &home.first, "--reason", " "], 2);
    ends(&home.program, &["hold", &home.first, "--reason", "case 4711"], 0);
    assert!(ends(&home.program, &["hold"], 0).contains("case 4711"));
    let said = ends(&home.program, &archive(&to, &["--yes", "--payloads-older-than", "0s"]), 0);
    assert!(said.contains("no segment") && said.contains("is on hold: case 4711"), "{said}");
    assert!(home.segment(1).exists());
    ends(&home.program, &["show", &home.first, "--input"], 0);
    ends(&home.program, &["release", &home.last], 2);
    ends(&home.program, &["release", &home.first], 0);
    assert!(ends(&home.program, &["hold"], 0).contains("no run is on hold"));
    ends(&home.program, &archive(&to, &["--yes"]), 0);
    assert!(!home.segment(1).exists());
}

#[test]
fn what_runs_have_sealed_is_forgotten_earlier_than_what_they_recorded() {
    let home = Home::new();
    ends(&home.program, &["show", &home.first, "--input"], 0);
    let said = ends(&home.program, &["prune", "--payloads-older-than", "0s"], 0);
    assert!(said.contains("what 2 runs have sealed would be forgotten"), "{said}");
    ends(&home.program, &["show", &home.first, "--input"], 0);
    ends(&home.program, &["prune", "--payloads-older-than", "0s", "--yes"], 0);
    assert_ne!(home.program.run(&["show", &home.first, "--input"]).status.code(), Some(0));
    ends(&home.program, &["show", &home.first], 0);
    assert!(ends(&home.program, &["audit", "show", "--kind", "payloads-forgotten"], 0).contains("2 runs"));
    assert!(ends(&home.program, &["audit", "verify"], 0).contains("WHOLE"));
    assert!(ends(&home.program, &["prune", "--payloads-older-than", "0s"], 0).contains("what 0 runs have sealed"));
    ends(&home.program, &["run", "exits-with", "--", "0"], 0);
}

#[test]
fn the_rules_come_from_the_settings_of_the_home() {
    let home = Home::new();
    ends(&home.program, &["prune"], 2);
    ends(&home.program, &["prune", "--older-than", "0s"], 2);
    ends(&home.program, &["prune", "--older-than", "soon"], 2);
    let settings = home.home().join("home.toml");
    let set = |text: &str| {
        fs::write(&settings, text).unwrap();
        fs::set_permissions(&settings, fs::Permissions::from_mode(0o600)).unwrap();
    };
    set("[prune]\nlarger-than = \"1KiB\"\ndrop = true\n");
    // The valid acceptance is kept.
    ends(&home.program, &["accept", "exits-with"], 0);
    ends(&home.program, &["prune", "--yes"], 0);
    assert!(!home.segment(1).exists() && home.segment(home.segments).exists());
    assert!(ends(&home.program, &["audit", "show", "--kind", "pruned"], 0).contains("deleted"));
    set("[prune]\nlarger = \"1KiB\"\n");
    let said = ends(&home.program, &["prune"], 2);
    assert!(said.contains("home.toml") && said.contains("larger"), "{said}");
}

#[test]
fn du_says_where_the_space_went() {
    let home = Home::new();
    let rows = json(&home, &["home", "du", "--json"]);
    let of = |what: &str| rows.as_array().unwrap().iter().find(|row| row["what"] == what).unwrap()["bytes"].as_u64().unwrap();
    assert!(of("the record") > 4096 && of("components") > 0 && of("keys of runs") > 0, "{rows}");
    let said = ends(&home.program, &["home", "du"], 0);
    assert!(said.contains("the record") && said.contains("`bailiwick prune`") && said.contains("in total"), "{said}");
}
