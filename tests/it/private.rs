//! A home is private: tests with rights of other users, and with other things in place of its files.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, chown, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use rustix::fs::{CWD, FileType, Mode, mknodat};
use tests::guests::guest;
use tests::program::{Program, config};
use tests::tools::missing;
use vocabulary::Grants;

/// Verbs that together open all files of a home.
const VERBS: &[&[&str]] = &[
    &["ps"],
    &["run", "exits-with", "--trust", "--", "0"],
    &["trust"],
    &["audit", "show"],
    &["audit", "verify"],
    &["credentials", "ls"],
    &["check"],
];

/// A used home, with a record, a vault, a component and trust.
fn used() -> Program {
    let program = Program::new(&config("exits-with", &guest("exits_with"), &Grants::default()));
    for args in [&["trust"][..], &["run", "exits-with", "--", "0"]] {
        assert!(program.run(args).status.success());
    }
    let value = vault::Secret::of_text(b"a value of the vault 4711".to_vec()).unwrap();
    vault::Local::new(&program.place().home).set("key", value, 1).unwrap();
    program
}

fn mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Runs a verb, and kills it if it waits: no verb here takes that long.
fn bounded(program: &Program, args: &[&str]) -> Output {
    let output = program.command(&["timeout", "--signal=KILL", "120"], args).output().unwrap();
    assert!(output.status.code().is_some_and(|code| code != 137), "{args:?} waits forever");
    output
}

/// The command in the last line of help.
fn command(words: &str) -> String {
    let help = words.lines().rev().find_map(|line| line.strip_prefix("help: `")?.strip_suffix("` repairs it"));
    help.unwrap_or_else(|| panic!("no command repairs it: {words}")).to_owned()
}

#[test]
fn a_home_that_others_have_rights_on_is_refused_by_every_verb_with_the_command_that_mends_it() {
    let program = used();
    let (home, state) = (program.place().home.clone(), program.place().state.clone());
    let remembered = fs::read_dir(&state).unwrap().next().unwrap().unwrap().path();
    let bends = [
        (home.clone(), 0o755),
        (home.clone(), 0o770),
        (home.clone(), 0o701),
        (state.clone(), 0o755),
        (home.join("journal"), 0o750),
        (home.join("journal/00000001.seg"), 0o644),
        (home.join("keys"), 0o660),
        (home.join("home.key"), 0o604),
        (home.join("trust.toml"), 0o640),
        (remembered, 0o644),
        (program.folder().to_owned(), 0o777),
    ];
    for (path, bits) in bends {
        mode(&path, bits);
        for args in VERBS {
            let output = program.run(args);
            assert_eq!(output.status.code(), Some(2), "{args:?} at {path:?} {bits:o}: {output:?}");
            assert!(said(&output).contains(&format!("`{}`", path.display())), "{}", said(&output));
        }
        let mends = command(&said(&program.run(&["ps"])));
        assert!(Command::new("sh").args(["-c", &mends]).status().unwrap().success(), "{mends}");
        assert!(program.run(&["ps"]).status.success(), "the control: `{mends}` repairs it");
    }
}

#[test]
fn a_home_behind_a_link_of_another_user_or_in_anothers_folder_is_refused() {
    let program = used();
    let link = program.folder().join("link");
    symlink(program.folder(), &link).unwrap();
    let with = |home: PathBuf| program.command(&[], &["ps"]).env("BAILIWICK_HOME", home).output().unwrap();
    for home in [link.join("home"), link.join("new"), link.join("deep/er/new")] {
        let output = with(home);
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        assert!(said(&output).contains("symbolic link"), "{}", said(&output));
    }
    assert!(with(program.place().home.clone()).status.success(), "the control");
    if chown(program.folder(), Some(65_534), None).is_err() {
        missing("the right to give files to another user (root)");
        return;
    }
    let output = program.run(&["ps"]);
    assert!(output.status.code() == Some(2) && said(&output).contains("belongs to uid 65534"), "{output:?}");
    chown(program.folder(), Some(rustix::process::geteuid().as_raw()), None).unwrap();
    chown(&program.place().home, Some(65_534), None).unwrap();
    let output = program.run(&["run", "exits-with", "--", "0"]);
    assert_eq!(output.status.code(), Some(2), "root does not use the home of a user: {output:?}");
    assert_eq!(command(&said(&output)), "sudo -u '#65534' bailiwick");
}

/// Every file of a home and of its second state.
fn files(program: &Program) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![program.place().home.clone(), program.place().state.clone()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let entry = entry.unwrap();
            if entry.file_type().unwrap().is_dir() { folders.push(entry.path()) } else { found.push(entry.path()) }
        }
    }
    // Of the compiled code, only the part that this home's agent needs is ever read.
    found.retain(|path| path.parent().is_none_or(|folder| !folder.ends_with("cache")));
    found.sort();
    found
}

#[test]
fn no_fifo_link_or_folder_in_place_of_a_file_of_a_home_makes_anything_wait() {
    let program = used();
    let files = files(&program);
    assert!(files.len() >= 9, "{files:?}");
    let kept = tempfile::tempdir().unwrap();
    for file in &files {
        let aside = kept.path().join("aside");
        fs::rename(file, &aside).unwrap();
        let bends: [&dyn Fn(); 3] =
            [&|| mknodat(CWD, file, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap(), &|| symlink("/dev/zero", file).unwrap(), &|| {
                fs::create_dir(file).unwrap()
            }];
        for bend in bends {
            bend();
            for args in [&["run", "exits-with", "--trust", "--", "0"][..], &["trust"], &["credentials", "ls"], &["audit", "show"]] {
                let output = bounded(&program, args);
                let in_folder = file.strip_prefix(&program.place().home).is_ok_and(|path| path.components().count() == 1);
                if in_folder {
                    assert_eq!(output.status.code(), Some(2), "{args:?} with {file:?}: {output:?}");
                }
            }
            let _ = fs::remove_file(file).or_else(|_| fs::remove_dir(file));
        }
        fs::rename(&aside, file).unwrap();
    }
    assert!(program.run(&["run", "exits-with", "--", "0"]).status.success(), "the control");
}

#[test]
fn a_report_is_not_written_into_what_is_no_regular_file_and_nothing_waits() {
    let program = used();
    let here = program.config().parent().unwrap().to_owned();
    let write = || bounded(&program, &["run", "exits-with", "--sarif", "found.sarif", "--", "0"]);
    assert!(write().status.success(), "the control");
    fs::remove_file(here.join("found.sarif")).unwrap();
    mknodat(CWD, here.join("found.sarif"), FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    // The temporary file of an earlier version.
    mknodat(CWD, here.join("found.new"), FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    let output = write();
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert!(said(&output).contains("not a regular file"), "{}", said(&output));
}
