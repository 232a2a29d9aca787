//! Disks and rights that keep an operator from changing a home or a project: the exit code says that the system is at fault and not the
//! command line, and the command in `help:` repairs it.

use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use tests::guests::guest;
use tests::program::{Program, config};
use vocabulary::Grants;

use crate::troubles::{InMemory, NOBODY, as_nobody, give, mode, not_here, said};

/// Fills a file system.
fn fill(folder: &Path) -> PathBuf {
    let file = folder.join("fill");
    std::fs::write(&file, vec![0; 24 << 20]).unwrap_err();
    file
}

fn program() -> Program {
    Program::new(&config("exits-with", &guest("exits_with"), &Grants::default()))
}

/// Every verb that writes a list of the home, in an order in which all succeed.
const WRITES: [&[&str]; 5] = [
    &["trust"],
    &["accept", "exits-with"],
    &["credentials", "set", "api", "--for", "https://api.example.com"],
    &["accept", "rm", "exits-with"],
    &["trust", "rm", "bailiwick.toml"],
];

#[test]
fn what_is_written_to_a_full_or_read_only_disk_ends_as_trouble_of_the_system() {
    let program = program();
    let small = program.folder().join("small");
    let Some(disk) = InMemory::at(&small, "24m") else { return not_here("this user may not mount") };
    let run = |args: &[&str]| -> Output {
        let value = program.folder().join("value");
        std::fs::write(&value, "q8Zr5vTn2Wc7Lm4Xp9Kd1Hs6Jf3Gb0Ya").unwrap();
        let mut command = program.command(&[], args);
        command.env("BAILIWICK_HOME", small.join("home")).stdin(std::fs::File::open(value).unwrap());
        command.output().unwrap()
    };
    let is_done = |args: &[&str]| {
        let output = run(args);
        assert!(output.status.success(), "{args:?}: {}", said(&output));
    };
    [&["trust"][..], &["accept", "exits-with"]].into_iter().for_each(is_done);
    let filled = fill(&small);
    let trouble = |cause: &str, help: &str| {
        for args in WRITES {
            let output = run(args);
            let words = said(&output);
            assert!([Some(1), Some(6)].contains(&output.status.code()), "{args:?}: {:?} {words}", output.status.code());
            assert!(
                words.contains(cause) && words.contains(help) && words.contains(&format!("`{}/home", small.display())),
                "{args:?}: {words}"
            );
        }
    };
    trouble("no space left on the file system at `", "help: free space there (`df -h ");
    disk.remount("ro");
    trouble(" is mounted read-only", "mount it for writing (`mount -o remount,rw ");
    disk.remount("rw");
    std::fs::remove_file(filled).unwrap();
    WRITES.into_iter().for_each(is_done);
}

#[test]
fn a_project_on_a_full_disk_is_no_wrong_word_either_and_no_part_of_a_file_stays() {
    let program = program();
    let here = program.config().parent().unwrap().to_owned();
    mode(&here, 0o700);
    let Some(disk) = InMemory::at(&here, "64k") else { return not_here("this user may not mount") };
    std::fs::write(program.config(), config("exits-with", &guest("exits_with"), &Grants::default())).unwrap();
    std::fs::create_dir(here.join("new")).unwrap();
    let sarif: &[&str] = &["run", "exits-with", "--trust", "--sarif", "found.sarif", "--", "0"];
    assert_eq!(program.run(&["trust"]).status.code(), Some(0));
    assert_eq!(program.run(sarif).status.code(), Some(0), "the control");
    let found = std::fs::read(here.join("found.sarif")).unwrap();
    // A temporary file of a killed process, and a file of another program.
    std::fs::write(here.join("found.sarif.4242.0.new"), "").unwrap();
    std::fs::write(here.join("mine.sarif.4242.0.new"), "").unwrap();
    let names = || {
        let mut names: Vec<_> = std::fs::read_dir(&here).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        names
    };
    fill(&here);
    for args in [sarif, &["accept", "exits-with"], &["init", "new"], &["new", "another"]] {
        let output = program.run(args);
        let words = said(&output);
        assert_eq!(output.status.code(), Some(1), "{args:?}: {words}");
        assert!(words.contains("no space left on the file system at `") && words.contains("`df -h "), "{args:?}: {words}");
    }
    assert_eq!(std::fs::read(here.join("found.sarif")).unwrap(), found, "it is as it was");
    assert_eq!(names(), ["bailiwick.toml", "fill", "found.sarif", "mine.sarif.4242.0.new", "new"]);
    assert_eq!(std::fs::read_dir(here.join("new")).unwrap().count(), 0);
    disk.remount("size=8m");
    for args in [&["accept", "exits-with"][..], sarif, &["init", "new"], &["new", "another"]] {
        let output = program.run(args);
        assert_eq!(output.status.code(), Some(0), "{args:?}: {}", said(&output));
    }
}

/// Executes the command of the help, without `sudo`.
fn mended(words: &str, command: &str) {
    let help = words.lines().find(|line| line.starts_with("help: ")).unwrap_or_else(|| panic!("{words}"));
    let told = help.split('`').find(|part| part.contains(command)).unwrap_or_else(|| panic!("no `{command}`: {words}"));
    assert!(Command::new("sh").args(["-c", told.trim_start_matches("sudo ")]).status().unwrap().success(), "{told}");
}

#[test]
fn a_file_of_another_owner_is_named_with_its_owner_and_the_command_that_mends_it() {
    if !rustix::process::geteuid().is_root() {
        return not_here("this is not root");
    }
    let program = program();
    assert!(program.run(&["trust"]).status.success());
    let home = program.place().home.clone();
    for name in ["trust.toml", "journal/00000001.seg", "changes", "keys"] {
        std::fs::File::options().append(true).create(name == "keys").open(home.join("keys")).unwrap();
        mode(&home.join("keys"), 0o600);
        let path = home.join(name);
        chown(&path, Some(NOBODY), Some(NOBODY)).unwrap();
        let output = program.run(&["trust"]);
        let words = said(&output);
        assert_eq!(output.status.code(), Some(2), "{name}: {words}");
        assert!(
            words.contains(&format!("`{}` belongs to uid {NOBODY} (nobody), and this process is uid 0 (root)", path.display())),
            "{words}"
        );
        mended(&words, "chown -R 0 ");
        let output = program.run(&["ps"]);
        assert_eq!(output.status.code(), Some(0), "{name}: {}", said(&output));
    }
    // A home that belongs to another user as a whole must be used by that user.
    give(&home, NOBODY);
    let words = said(&program.run(&["ps"]));
    assert!(words.contains("`sudo -u '#65534' bailiwick` repairs it") && !words.contains("chown"), "{words}");
    // A file of root in it must be given to that user.
    mode(program.folder(), 0o755);
    home::make_folder(&program.place().state).unwrap();
    give(&program.place().state, NOBODY);
    chown(home.join("trust.toml"), Some(0), Some(0)).unwrap();
    let words = said(&as_nobody(&program, &["ps"]));
    assert!(words.contains("trust.toml` belongs to uid 0 (root), and this process is uid 65534 (nobody)"), "{words}");
    mended(&words, "chown -R 65534 ");
    assert_eq!(as_nobody(&program, &["ps"]).status.code(), Some(0));
}

/// A file or folder that has this attribute until the value is dropped.
struct Marked<'a>(&'a Path, char);

impl<'a> Marked<'a> {
    fn new(path: &'a Path, letter: char) -> Option<Self> {
        let marked = Command::new("chattr").arg(format!("+{letter}")).arg(path).stderr(Stdio::null()).status();
        marked.is_ok_and(|status| status.success()).then_some(Self(path, letter))
    }
}

impl Drop for Marked<'_> {
    fn drop(&mut self) {
        let _ = Command::new("chattr").arg(format!("-{}", self.1)).arg(self.0).status();
    }
}

#[test]
fn a_file_that_nobody_may_change_is_called_so_and_neither_owner_nor_mode_is_blamed() {
    let program = program();
    assert!(program.run(&["trust"]).status.success());
    let home = program.place().home.clone();
    for name in ["trust.toml", "lock", "keys", "journal/00000001.seg", "changes", ""] {
        for (letter, mark) in [('i', "immutable"), ('a', "append-only")] {
            if name == "keys" {
                std::fs::File::options().append(true).create(true).open(home.join(name)).unwrap();
                mode(&home.join(name), 0o600);
            }
            let path = if name.is_empty() { home.clone() } else { home.join(name) };
            let Some(_marked) = Marked::new(&path, letter) else { return not_here("this user may not mark files here") };
            let output = program.run(&["trust"]);
            let words = said(&output);
            assert_eq!(output.status.code(), Some(1), "{name} {letter}: {words}");
            assert!(words.contains(&format!("`{}` is marked as {mark} (`lsattr -d`)", path.display())), "{name} {letter}: {words}");
            assert!(!words.contains("run this as that user") && !words.contains("belongs to"), "{name} {letter}: {words}");
            mended(&words, "chattr -");
            let output = program.run(&["trust"]);
            assert_eq!(output.status.code(), Some(0), "{name} {letter}: {}", said(&output));
        }
    }
}

/// The owner has removed its own right.
#[test]
fn a_mode_that_lacks_a_right_of_the_owner_is_mended_with_chmod() {
    if !rustix::process::geteuid().is_root() {
        return not_here("this is not root, which can become another user");
    }
    let program = program();
    mode(program.folder(), 0o755);
    home::make_folder(&program.place().state).unwrap();
    let component = program.folder().join("exits_with.wasm");
    std::fs::copy(guest("exits_with"), &component).unwrap();
    std::fs::write(program.config(), config("exits-with", &component, &Grants::default())).unwrap();
    [&program.place().home, &program.place().state].into_iter().for_each(|folder| give(folder, NOBODY));
    assert_eq!(as_nobody(&program, &["trust"]).status.code(), Some(0), "the control");
    for (name, bits) in [("trust.toml", 0o000), ("journal", 0o500), ("journal.key", 0o200)] {
        let path = program.place().home.join(name);
        mode(&path, bits);
        let output = as_nobody(&program, &["trust"]);
        if output.status.success() {
            // The verb did not need this right.
            mode(&path, std::fs::metadata(&path).unwrap().permissions().mode() | 0o700);
            continue;
        }
        let words = said(&output);
        assert_eq!(output.status.code(), Some(1), "{name}: {words}");
        mended(&words, "chmod u+");
        assert_eq!(as_nobody(&program, &["trust"]).status.code(), Some(0), "{name}: {words}");
    }
}
