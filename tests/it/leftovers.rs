//! The next opening removes files that killed processes and full disks left in a home, and root leaves no files in a user's home.

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::Output;

use tests::guests::guest;
use tests::program::{Program, config};
use vocabulary::Grants;

/// A user that owns nothing here.
const NOBODY: u32 = 65_534;

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

/// Every file beneath a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    entries
        .map(|entry| entry.unwrap().path())
        .flat_map(|path| if path.is_dir() && !path.is_symlink() { files(&path) } else { vec![path] })
        .collect()
}

fn private(path: &Path) {
    std::fs::write(path, b"a part").unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
}

#[test]
fn what_was_left_aside_is_swept_by_the_next_opening_and_what_is_being_written_is_not() {
    let program = Program::new(&config("exits-with", &guest("exits_with"), &Grants::default()));
    let run = || program.run(&["run", "exits-with", "--trust", "--", "0"]);
    assert_eq!(run().status.code(), Some(0));
    let (home, lock) = (&program.place().home, program.config().with_extension("lock"));
    let left = [
        home.join("trust.toml.1.0.new"),
        home.join("vault.4194304.3.new"),
        home.join("cache.key.1.0.new"),
        home.join("cache/0123.cwasm.1.0.new"),
        home.join("components/0123.wasm.1.17.new"),
        home.join("journal/00000002.new"),
        home.join("journal.new"),
        home.join("home.new"),
        program.place().state.join(format!("{}.new", journal::Reader::open(home).unwrap().log())),
        lock.with_file_name("bailiwick.lock.1.0.new"),
    ];
    left.iter().for_each(|path| private(path));
    let others = [lock.with_file_name("notes.1.0.new"), home.join("components/0123.wasm.new")];
    others.iter().for_each(|path| private(path));
    let going = home::AsideFile::begin(&home.join("components/4567.wasm"), home::PRIVATE).unwrap();
    let in_the_making: Vec<_> = files(home).into_iter().filter(|path| path.to_string_lossy().contains("4567.wasm.")).collect();
    assert_eq!(in_the_making.len(), 1);
    assert_eq!(run().status.code(), Some(0));
    for path in &left {
        assert!(!path.exists(), "{}", path.display());
    }
    assert!(others.iter().all(|path| path.exists()), "the control: other files stay");
    assert!(in_the_making[0].exists(), "another process is writing it");
    going.put().unwrap();
    assert_eq!(program.run(&["audit", "verify"]).status.code(), Some(0));
}

#[test]
fn root_leaves_nothing_in_a_users_home_and_is_told_how_to_be_that_user() {
    if !rustix::process::geteuid().is_root() {
        eprintln!("skipped: this is not root");
        return;
    }
    let program = Program::new(&config("exits-with", &guest("exits_with"), &Grants::default()));
    let users = program.folder().join("users");
    std::fs::create_dir(&users).unwrap();
    std::fs::set_permissions(program.folder(), std::fs::Permissions::from_mode(0o755)).unwrap();
    chown(&users, Some(NOBODY), Some(NOBODY)).unwrap();
    let command = |before: &[&str], args: &[&str]| {
        let mut command = program.command(before, args);
        command.env("BAILIWICK_HOME", users.join("home")).env("BAILIWICK_STATE", users.join("state"));
        let stdin = program.folder().join("stdin");
        std::fs::write(&stdin, "Zr8vQ2mX5tL9wB4nH7kD1sF6").unwrap();
        command.stdin(std::fs::File::open(stdin).unwrap()).output().unwrap()
    };
    let set = ["credentials", "set", "key", "--for", "https://a.test"];
    let as_user = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"];
    let verbs: &[&[&str]] = &[
        &set,
        &["credentials", "revoke", "key"],
        &["credentials", "rm", "key"],
        &["credentials", "seal", "file"],
        &["trust"],
        &["accept", "exits-with", "--trust"],
        &["run", "exits-with", "--trust", "--", "0"],
        &["audit", "accept-rollback"],
    ];
    // Without a home, and with one.
    for round in ["none", "one"] {
        for args in verbs {
            let output = command(&[], args);
            let words = said(&output);
            assert!(output.status.code() == Some(2) && words.contains("`sudo -u '#65534' bailiwick`"), "{round} {args:?}: {words}");
        }
        let roots: Vec<_> = files(&users).into_iter().filter(|path| std::fs::symlink_metadata(path).unwrap().uid() == 0).collect();
        assert_eq!(roots, Vec::<PathBuf>::new(), "{round}");
        let output = command(&as_user, &set);
        assert_eq!(output.status.code(), Some(0), "the user is not locked out: {}", said(&output));
    }
    assert_eq!(command(&as_user, &["credentials", "revoke", "key"]).status.code(), Some(0));
}
