//! Keys of the home that are sealed under a key in a file, a passphrase or a key of the kernel: with that key everything works; without it
//! nothing runs and nothing is changed.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use linux_keyutils::{KeyRing, KeyRingIdentifier};
use tests::guests::guest;
use tests::program::{Program, config};
use tests::tools::tool;
use vocabulary::Grants;

use crate::damaged::{both, ends};

const PASSPHRASE: &str = "correct horse battery staple";
const RUN: [&str; 5] = ["run", "exits-with", "--durable", "--", "0"];

/// A home with a run.
fn ran() -> Program {
    let program = Program::new(&config("exits-with", &guest("exits_with"), &Grants::default()));
    ends(&program, &["trust"], 0);
    ends(&program, &RUN, 0);
    program
}

fn written(program: &Program, name: &str, text: &str, mode: u32) -> PathBuf {
    let path = program.folder().join(name);
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    path
}

/// The same as [`ends`], with this file in the variable for the passphrase.
#[track_caller]
fn ends_under(program: &Program, passphrase: &Path, args: &[&str], code: i32) -> String {
    let output = program.command(&[], args).env("BAILIWICK_PASSPHRASE_FILE", passphrase).output().unwrap();
    assert_eq!(output.status.code(), Some(code), "{args:?}: {}", both(&output));
    both(&output).split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The files of a home that must not change while its keys can't be opened.
fn contents(home: &Path) -> Vec<Vec<u8>> {
    ["journal.key", "home.key", "journal.pub", "keys", "journal/00000001.seg"].map(|name| fs::read(home.join(name)).unwrap()).into()
}

/// Checks that all ways to use a home are refused with these words, and that none changes it.
#[track_caller]
fn nothing_goes_on(program: &Program, passphrase: &Path, why: &str) {
    let home = &program.place().home;
    let before = contents(home);
    let out = program.folder().join("backup");
    for args in [
        &RUN[..],
        &["keys", "rotate", "home"],
        &["keys", "rotate", "journal", "--in-home"],
        &["backup", out.to_str().unwrap()],
        &["audit", "accept-rollback"],
    ] {
        let said = ends_under(program, passphrase, args, 1);
        assert!(said.contains(why) && said.contains("does not open") && said.contains("help:"), "{args:?}: {said}");
    }
    let said = ends_under(program, passphrase, &["audit", "verify"], 1);
    assert!(said.contains("NOT READ") && said.contains("the records were read and are undamaged"), "{said}");
    let said = ends_under(program, passphrase, &["doctor", "--home"], 1);
    assert!(said.contains(why), "{said}");
    // Unsealed records can still be read.
    assert!(ends_under(program, passphrase, &["audit", "show", "--kind", "run-opened"], 0).contains("exits-with"));
    assert_eq!(contents(home), before);
    assert!(!out.exists());
}

#[test]
fn a_key_in_a_file_elsewhere_opens_the_home_and_without_it_nothing_goes_on() {
    let program = ran();
    let home = &program.place().home;
    let open = [fs::read(home.join("journal.key")).unwrap(), fs::read(home.join("home.key")).unwrap()];
    let disk = program.folder().join("disk");
    fs::create_dir(&disk).unwrap();
    let (file, away) = (disk.join("bailiwick.key"), disk.join("away"));
    let none = Path::new("/nonexistent");
    let said = ends(&program, &["keys", "rotate", "journal", "home", "--key-file", file.to_str().unwrap()], 0);
    assert!(said.contains("from now on each command needs"), "{said}");
    assert_eq!((fs::read(&file).unwrap().len(), fs::metadata(&file).unwrap().permissions().mode() & 0o777), (32, 0o600));
    assert_eq!(fs::read_dir(&disk).unwrap().count(), 1, "nothing is left over");
    ends(&program, &RUN, 0);
    ends(&program, &["replay", "latest"], 0);
    assert!(ends(&program, &["audit", "verify"], 0).contains("WHOLE"));
    let said = ends(&program, &["doctor", "--home"], 0);
    let words = said.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(words.contains("sealed under the key in `") && words.contains("bailiwick.key`"), "{words}");
    assert_eq!(ends(&program, &["audit", "show", "--kind", "key-rotated"], 0).matches("sealed under a key in a file").count(), 2);
    // The old keys are nowhere in the home.
    for old in &open {
        assert!(["journal.key", "home.key"].iter().all(|name| !tests::tools::contains(&fs::read(home.join(name)).unwrap(), old)));
    }
    // The file is gone; then another file is in its place; then others may read it.
    fs::rename(&file, &away).unwrap();
    nothing_goes_on(&program, none, "findmnt");
    assert!(!file.exists(), "no new key replaces a lost one");
    fs::write(&file, [7; 32]).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    nothing_goes_on(&program, none, "it is the wrong key");
    fs::remove_file(&file).unwrap();
    std::os::unix::fs::symlink(&away, &file).unwrap();
    nothing_goes_on(&program, none, "it is a link now");
    fs::remove_file(&file).unwrap();
    fs::rename(&away, &file).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
    nothing_goes_on(&program, none, "chmod 600");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    ends(&program, &RUN, 0);
    // When the key is in the home again, the file is not needed any more.
    ends(&program, &["keys", "rotate", "home", "journal", "--in-home"], 0);
    fs::remove_file(&file).unwrap();
    ends(&program, &RUN, 0);
    assert!(ends(&program, &["audit", "verify"], 0).contains("WHOLE"));
    let said = ends(&program, &["keys", "rotate", "home", "--key-file", home.join("other.key").to_str().unwrap()], 2);
    assert!(said.contains("must lie outside of the home") && !home.join("other.key").exists(), "{said}");
    ends(&program, &["keys", "rotate", "home", "--in-home", "--keyring"], 2);
}

#[test]
fn a_passphrase_opens_the_home_and_is_changed_and_a_wrong_one_opens_nothing() {
    let program = ran();
    let first = written(&program, "first", PASSPHRASE, 0o600);
    let second = written(&program, "second", "Tr0ub4dor&3 and more", 0o600);
    let said = ends(&program, &["keys", "rotate", "journal", "home", "--passphrase-file", first.to_str().unwrap()], 0);
    assert!(said.contains("from now on each command needs `BAILIWICK_PASSPHRASE_FILE`"), "{said}");
    ends_under(&program, &first, &RUN, 0);
    ends_under(&program, &first, &["replay", "latest"], 0);
    assert!(ends_under(&program, &first, &["doctor", "--home"], 0).contains("sealed under a passphrase"));
    assert!(ends(&program, &RUN, 1).contains("names no file"));
    nothing_goes_on(&program, &second, "it is the wrong passphrase");
    nothing_goes_on(&program, &written(&program, "short", "short", 0o600), "at least");
    nothing_goes_on(&program, &written(&program, "open", PASSPHRASE, 0o644), "chmod 600");
    nothing_goes_on(&program, &program.folder().join("gone"), "gone");
    let dir = &program.place().home;
    for name in fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_file()) {
        assert!(!tests::tools::contains(&fs::read(&name).unwrap(), PASSPHRASE.as_bytes()), "{}", name.display());
    }
    // A backup of it needs the passphrase of the home as well as its own.
    let backup = program.folder().join("monday");
    let own = written(&program, "own", "of the backup alone", 0o600);
    let said = ends_under(&program, &first, &["backup", backup.to_str().unwrap(), "--passphrase-file", own.to_str().unwrap()], 0);
    assert!(said.contains("needed a passphrase, which opens the keys of the home"), "{said}");
    // Change the passphrase: the present one is in the variable.
    ends_under(&program, &first, &["keys", "rotate", "home", "journal", "--passphrase-file", second.to_str().unwrap()], 0);
    ends_under(&program, &second, &RUN, 0);
    nothing_goes_on(&program, &first, "it is the wrong passphrase");
    assert!(ends_under(&program, &second, &["audit", "verify"], 0).contains("WHOLE"));
    // Later commands get one passphrase. So a new one for only one key, or for the keys but not the vault, is refused before anything
    // is changed.
    let keys = contents(dir);
    let said = ends_under(&program, &second, &["keys", "rotate", "journal", "--passphrase-file", first.to_str().unwrap()], 2);
    assert!(said.contains("sealed under a passphrase as well") && said.contains("keys rotate journal home"), "{said}");
    let set = ["credentials", "set", "api", "--for", "https://api.example.com"];
    fs::write(program.folder().join("stdin"), "correct-horse-battery-staple-7\n").unwrap();
    let stdin = || fs::File::open(program.folder().join("stdin")).unwrap();
    let output = program.command(&[], &set).env("BAILIWICK_PASSPHRASE_FILE", &second).stdin(stdin()).output().unwrap();
    assert!(output.status.success(), "{}", both(&output));
    let said = ends_under(&program, &second, &["keys", "rotate", "journal", "home", "--passphrase-file", first.to_str().unwrap()], 2);
    assert!(said.contains("the vault is sealed under another passphrase") && said.contains("credentials seal passphrase"), "{said}");
    let inside = dir.join("passphrase");
    fs::copy(&second, &inside).unwrap();
    let said = ends_under(&program, &second, &["keys", "rotate", "journal", "home", "--passphrase-file", inside.to_str().unwrap()], 2);
    assert!(said.contains("must lie outside of the home"), "{said}");
    fs::remove_file(&inside).unwrap();
    assert_eq!(contents(dir)[..3], keys[..3]);
    // Unseal one of the two keys; the other stays as before.
    ends_under(&program, &second, &["keys", "rotate", "home", "--in-home"], 0);
    let said = ends_under(&program, &second, &["doctor", "--home"], 0);
    assert!(said.contains("`journal.key` sealed under a passphrase, `home.key` unsealed"), "{said}");
    ends_under(&program, &second, &["keys", "rotate", "journal"], 0);
    assert!(ends(&program, &RUN, 1).contains("names no file"), "a rotated key stays sealed");
    ends_under(&program, &second, &RUN, 0);
    // The backup was made with the first passphrase.
    let there = run::HomePlace { home: program.folder().join("there"), state: program.folder().join("there.state") };
    let at = |passphrase: &Path, args: &[&str], code: i32| {
        let mut command = program.command(&[], args);
        command.env("BAILIWICK_HOME", &there.home).env("BAILIWICK_STATE", &there.state).env("BAILIWICK_PASSPHRASE_FILE", passphrase);
        let output = command.output().unwrap();
        assert_eq!(output.status.code(), Some(code), "{args:?}: {}", both(&output));
        both(&output)
    };
    let public = dir.join("journal.pub");
    let restore = ["restore", backup.to_str().unwrap(), "--key", public.to_str().unwrap(), "--passphrase-file", own.to_str().unwrap()];
    assert!(at(&first, &restore, 0).contains("needed    a passphrase, which opens the keys of the home"));
    assert!(at(&second, &["audit", "verify"], 1).contains("it is the wrong passphrase"));
    at(&first, &RUN, 0);
}

/// A key in the key ring of this session, set as an operator does; the program inherits the session. Without a key ring, only the
/// refusal is tested.
#[test]
fn a_key_of_the_kernel_opens_the_home_and_without_it_nothing_goes_on() {
    let program = ran();
    let home = &program.place().home;
    let none = Path::new("/nonexistent");
    let rotate = ["keys", "rotate", "journal", "home", "--keyring"];
    let before = contents(home);
    let said = ends(&program, &rotate, 2);
    assert!(said.contains("bailiwick-keys:") && said.contains("keyctl padd"), "{said}");
    assert_eq!(contents(home)[..2], before[..2]);
    ends(&program, &RUN, 0);
    let description = format!("bailiwick-keys:{}", home.display());
    let ring = KeyRing::from_special_id(KeyRingIdentifier::Session, true);
    let put = |bytes: &[u8]| ring.and_then(|ring| ring.add_key(&description, bytes));
    let key = match put(&[3; 32]) {
        Ok(key) => key,
        Err(err) => return eprintln!("the kernel gives no key ring here ({err:?})"),
    };
    ends(&program, &rotate, 0);
    ends(&program, &RUN, 0);
    ends(&program, &["replay", "latest"], 0);
    for wrong in [&[4; 32][..], &[3; 31]] {
        put(wrong).unwrap();
        nothing_goes_on(&program, none, "bailiwick-keys:");
    }
    key.invalidate().unwrap();
    nothing_goes_on(&program, none, "bailiwick-keys:");
    put(&[3; 32]).unwrap();
    ends(&program, &RUN, 0);
    assert!(ends(&program, &["audit", "verify"], 0).contains("WHOLE"));
    put(&[0; 32]).unwrap().invalidate().unwrap();
}

/// strace kills the program at the rename that would put the new key in place: the rotation is on the record, but not complete.
fn cut_off(program: &Program, strace: &Path, key: &str) {
    let waits = program.place().home.join(format!("{key}.key.next"));
    let tracer = [strace.to_str().unwrap(), "-f", "-qq", "-o", "/dev/null", "-P", waits.to_str().unwrap(), "-e", "trace=rename", "-e"];
    let tracer = [&tracer[..], &["inject=rename:signal=KILL:when=1"]].concat();
    let output = program.command(&tracer, &["keys", "rotate", key]).output().unwrap();
    assert!(!output.status.success() && waits.exists(), "{}", both(&output));
}

#[test]
fn a_backup_of_a_home_whose_rotation_was_cut_off_has_the_new_key_and_goes_on() {
    let Some(strace) = tool("strace") else { return };
    for key in ["journal", "home"] {
        let program = ran();
        cut_off(&program, &strace, key);
        for args in [&["audit", "verify"][..], &["ps"]] {
            ends(&program, args, 0);
        }
        let said = ends(&program, &["doctor", "--home"], 0);
        let words = said.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(words.contains("a rotation of a key was cut off") && !words.contains("half-written"), "{words}");
        let backup = program.folder().join("monday");
        ends(&program, &["backup", backup.to_str().unwrap()], 0);
        fs::rename(&program.place().home, program.folder().join("lost")).unwrap();
        ends(&program, &["restore", backup.to_str().unwrap()], 0);
        ends(&program, &RUN, 0);
        assert!(ends(&program, &["audit", "verify"], 0).contains("WHOLE"), "{key}");
    }
}
