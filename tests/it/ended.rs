//! Ctrl-C, SIGTERM and SIGHUP during long commands: they end with a message and the exit code of the signal, and no half-made file stays.

use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use journal::Journal;
use rustix::fs::{FlockOperation, flock};
use rustix::process::Signal;
use tests::guests::guest;
use tests::program::{Program, config};
use vocabulary::Grants;
use vocabulary::record::{Record, RecordKind, Recovered, VERSION};

use crate::damaged::{both, ends};
use crate::ignored::{bit, masks};
use crate::terminals::Terminal;

const ENDS: [(Signal, i32, &str); 3] = [(Signal::INT, 130, "Ctrl-C"), (Signal::TERM, 143, "SIGTERM"), (Signal::HUP, 129, "SIGHUP")];

/// A home with a record and a vault, without an active run.
fn program() -> Program {
    let program = Program::new(&config("exits-with", &guest("exits_with"), &Grants::default()));
    ends(&program, &["trust"], 0);
    let set = program.run_with(&["credentials", "set", "api", "--for", "https://api.example.com"], "correct-horse-battery-staple-7\n");
    assert!(set.status.success(), "{}", both(&set));
    program
}

fn word(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// Locks a file of the home, so that processes that need it wait.
fn locked(path: &Path) -> File {
    let file = File::options().read(true).write(true).open(path).unwrap();
    flock(&file, FlockOperation::LockExclusive).unwrap();
    file
}

/// The same command, with a signal ignored as `nohup` does.
fn ignoring(program: &Program, signal: &str, args: &[&str]) -> Command {
    program.command(&["/bin/sh", "-c", &format!("trap '' {signal}; exec \"$@\""), "sh"], args)
}

/// The signal comes when the record is in the backup and the process waits for the vault.
#[test]
fn a_backup_that_is_ended_leaves_no_file_and_says_so() {
    let program = program();
    let disk = program.folder().join("disk");
    fs::create_dir(&disk).unwrap();
    let file = disk.join("monday");
    let vault = locked(&program.place().home.join("vault.lock"));
    for (signal, code, name) in ENDS {
        let mut terminal = Terminal::start(program.command(&[], &["backup", word(&file)]));
        terminal.until("which has locked the vault");
        assert_eq!(names(&disk).len(), 1, "the control: the backup is being made");
        terminal.signal(signal);
        let (ended, said) = terminal.ends_saying();
        assert_eq!((ended, names(&disk)), (code, Vec::<String>::new()), "{said}");
        assert_eq!(said.trim(), format!("error: the command was ended by {name} before it was done; what it had made was removed"));
    }
    // An ignored signal stays ignored, and the backup is made once the vault is free.
    let mut terminal = Terminal::start(ignoring(&program, "HUP", &["backup", word(&file)]));
    terminal.until("which has locked the vault");
    terminal.signal(Signal::HUP);
    drop(vault);
    let (ended, said) = terminal.ends_saying();
    assert_eq!((ended, names(&disk)), (0, vec!["monday".to_owned()]), "{said}");
}

/// A home with a file so large that a restore takes longer than a signal needs to arrive.
fn large() -> (Program, PathBuf) {
    let program = program();
    let file = File::create(program.place().home.join("large")).unwrap();
    file.set_len(256 << 20).unwrap();
    file.set_permissions(fs::Permissions::from_mode(0o600)).unwrap();
    let backup = program.folder().join("monday");
    ends(&program, &["backup", word(&backup)], 0);
    (program, backup)
}

/// Starts a restore, and returns when it is unpacking into this folder.
fn unpacking(program: &Program, home: &Path, backup: &Path, folder: &Path) -> Terminal {
    let mut command = program.command(&[], &["restore", word(backup)]);
    command.env("BAILIWICK_HOME", home);
    let terminal = Terminal::start(command);
    while !folder.join("large").exists() {
        assert!(!home.join("form").exists(), "the restore was faster than this test");
        std::thread::yield_now();
    }
    terminal
}

#[test]
fn a_restore_that_is_ended_leaves_nothing_beside_the_home_or_in_it() {
    let (program, backup) = large();
    let there = program.folder().join("there");
    fs::create_dir(&there).unwrap();
    let home = there.join("home");
    for (signal, code, name) in ENDS {
        let terminal = unpacking(&program, &home, &backup, &there.join("home.restoring"));
        terminal.signal(signal);
        let (ended, said) = terminal.ends_saying();
        assert_eq!((ended, names(&there)), (code, Vec::<String>::new()), "{said}");
        assert!(said.contains(&format!("ended by {name} before it was done; what it had made was removed")), "{said}");
    }
    // A home that can't be replaced is filled from inside.
    fs::create_dir_all(home.join("lost+found")).unwrap();
    fs::set_permissions(&home, fs::Permissions::from_mode(0o700)).unwrap();
    fs::set_permissions(home.join("lost+found"), fs::Permissions::from_mode(0o700)).unwrap();
    let terminal = unpacking(&program, &home, &backup, &home.join("restoring"));
    terminal.signal(Signal::INT);
    assert_eq!((terminal.ends(), names(&home)), (130, vec!["lost+found".to_owned()]));
    // A killed restore leaves its folder for the next restore, and no verb uses the home meanwhile.
    unpacking(&program, &home, &backup, &home.join("restoring")).kill();
    let mut ps = program.command(&[], &["ps"]);
    let output = ps.env("BAILIWICK_HOME", &home).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", both(&output));
    assert!(both(&output).contains("only a part of it is in its place") && both(&output).contains("`bailiwick restore FILE`"));
    let mut restore = program.command(&[], &["restore", word(&backup)]);
    let output = restore.env("BAILIWICK_HOME", &home).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", both(&output));
    assert!(names(&home).contains(&"large".to_owned()) && !names(&home).contains(&"restoring".to_owned()), "{:?}", names(&home));
}

/// Starts a command, and returns when it has set its signal handlers.
fn listening(program: &Program, args: &[&str]) -> Terminal {
    let terminal = Terminal::start(program.command(&[], args));
    while masks(terminal.pid()).1 & bit(Signal::INT) == 0 {
        std::thread::yield_now();
    }
    terminal
}

/// Adds so many records that reading them takes longer than a signal needs to arrive.
fn lengthened(program: &Program) {
    let place = program.place();
    let (journal, _) = Journal::open(&place.home, Some(&place.state), journal::Options::default()).unwrap();
    let filler: Record = Recovered { at: 1, bytes: 1, kind: RecordKind::Recovered, v: VERSION }.into();
    for _ in 0..200_000 {
        drop(journal.append(journal::log_run(), filler.to_bytes(), Vec::new()).unwrap());
    }
    journal.close().unwrap();
}

#[test]
fn what_reads_for_long_says_that_it_was_ended_and_has_changed_nothing() {
    let program = program();
    lengthened(&program);
    let (home, archive) = (program.place().home.clone(), program.folder().join("archive"));
    let before = names(&home);
    let prune = ["prune", "--older-than", "0s", "--to", word(&archive), "--yes"];
    for args in [&["audit", "verify"][..], &prune] {
        for (signal, code, name) in ENDS {
            let terminal = listening(&program, args);
            terminal.signal(signal);
            let (ended, said) = terminal.ends_saying();
            assert_eq!((ended, said.trim()), (code, &*format!("error: the command was ended by {name} before it was done")), "{args:?}");
        }
    }
    assert!(names(&home) == before && !archive.exists());
    ends(&program, &["audit", "verify"], 0);
}

#[test]
fn what_is_not_to_be_cut_in_two_is_finished_first() {
    let program = program();
    for _ in 0..3 {
        for args in [&["keys", "rotate", "journal"][..], &["keys", "rotate", "home"], &["audit", "accept-rollback"]] {
            let terminal = listening(&program, args);
            terminal.signal(Signal::INT);
            let (ended, said) = terminal.ends_saying();
            assert_eq!(ended, 0, "{args:?}: {said}");
            assert!(said.contains("now  "), "{said}");
        }
    }
    assert!(!names(&program.place().home).iter().any(|name| name.ends_with(".next")), "{:?}", names(&program.place().home));
    ends(&program, &["run", "exits-with", "--", "0"], 0);
    ends(&program, &["audit", "verify"], 0);
}

/// A build whose code never ends.
#[test]
fn a_build_is_ended_with_its_tools_by_a_signal() {
    let program = Program::new("[agents.x]\ncomponent = \"x\"\n");
    let source = program.config().with_file_name("x");
    fs::create_dir_all(source.join("src")).unwrap();
    for (name, text) in [
        ("agent.toml", "[agent]\nname = \"x\"\nversion = \"0.1.0\"\ndescription = \"Is never built.\"\n"),
        ("Cargo.toml", "[package]\nname = \"x\"\nedition = \"2024\"\n[workspace]\n"),
        ("src/main.rs", "fn main() {}\n"),
        ("build.rs", "fn main() { loop { std::thread::park() } }\n"),
    ] {
        fs::write(source.join(name), text).unwrap();
    }
    for (args, (signal, code, name)) in [&["build", "x", "--trust"][..], &["run", "x", "--trust"]].into_iter().zip(ENDS) {
        let mut terminal = Terminal::start(program.command(&[], args));
        terminal.until("building x");
        terminal.signal(signal);
        let (ended, said) = terminal.ends_saying();
        assert_eq!(ended, code, "{args:?}: {said}");
        assert!(said.contains(&format!("ended by {name} before it began")), "{args:?}: {said}");
    }
}
