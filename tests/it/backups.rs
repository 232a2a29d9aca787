//! Backups: they are made while runs are active, restored whole or not at all, and runs that were open in them do not continue by
//! themselves.

use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;

use run::{BackupError, CleanUp, Content, HomePlace, Signer};
use serde_json::Value;
use tests::guests::guest;
use tests::host::{TestHost, loopback};
use tests::program::{Program, config};
use tests::server::{Server, Step, response};
use vocabulary::Grants;

use crate::damaged::{both, ends, ends_at};

/// A home with a run.
fn ran() -> Program {
    let program = Program::new(&config("exits-with", &guest("exits_with"), &Grants::default()));
    ends(&program, &["trust"], 0);
    let set = program.run_with(&["credentials", "set", "api", "--for", "https://api.example.com"], "correct-horse-battery-staple-7\n");
    assert!(set.status.success(), "{}", both(&set));
    ends(&program, &["run", "exits-with", "--durable", "--", "0"], 0);
    program
}

/// Another home and state of the same person, as on another machine.
fn elsewhere(program: &Program, name: &str) -> HomePlace {
    let folder = program.folder().join(name);
    HomePlace { home: folder.join("home"), state: folder.join("state") }
}

fn path(program: &Program, name: &str) -> PathBuf {
    program.folder().join(name)
}

fn word(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_is_taken_while_a_run_goes_on_and_that_run_does_not_just_go_on_from_it() {
    let server = Server::answering(|number, _| if number == 0 { vec![Step::Hang] } else { vec![Step::Say(response(200, b"later"))] }).await;
    let kit = TestHost::new();
    let url = server.url("/");
    let mut order = kit.order("get", &[&url]);
    loopback(&mut order.grants, server.port(), &["GET"], &["/**"]);
    let program = Arc::new(Program::new(&config("get", &guest("get"), &order.grants)));
    let command = program.command(&[], &["run", "get", "--trust", "--durable", "--", &url]);
    let mut child = tokio::process::Command::from(command).stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true).spawn().unwrap();
    server.until(|counts| counts.heard == 1).await;
    let (there, asked) = (elsewhere(&program, "there"), Arc::clone(&program));
    let place = there.clone();
    let run = tokio::task::spawn_blocking(move || {
        let file = path(&asked, "monday");
        let made: Value = serde_json::from_str(ends(&asked, &["backup", word(&file), "--json"], 0).trim()).unwrap();
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(made["open"].as_array().unwrap().len(), 1, "{made}");
        let words = ends_at(&asked, &place, &["restore", word(&file)], 0);
        assert!(words.contains("this machine remembers nothing of this record") && words.contains("1 run was active"), "{words}");
        let run = made["open"][0].as_str().unwrap().to_owned();
        assert!(ends_at(&asked, &place, &["audit", "verify"], 0).contains("WHOLE"));
        let words = ends_at(&asked, &place, &["resume", &run], 8);
        assert!(words.contains("what it did after the copy was made") && words.contains("resume "), "{words}");
        // This stays so, however often it is asked and whichever process holds the home.
        ends_at(&asked, &place, &["resume", &run], 8);
        let words = ends_at(&asked, &place, &["ps"], 0);
        assert!(words.contains("open in a restored copy"), "{words}");
        run
    })
    .await
    .unwrap();
    assert_eq!(server.heard().len(), 1, "nothing was asked again");
    tokio::task::spawn_blocking(move || {
        ends_at(&program, &there, &["resume", &run, "--restored"], 0);
        let words = ends_at(&program, &there, &["audit", "show"], 0);
        assert!(words.contains("restored") && words.contains("run-released") && words.contains("was restored from a backup"), "{words}");
        assert!(ends_at(&program, &there, &["audit", "verify"], 0).contains("WHOLE"));
        ends_at(&program, &there, &["replay", &run], 0);
    })
    .await
    .unwrap();
    assert_eq!(server.heard().len(), 2, "after a person's word it was asked again");
    child.kill().await.unwrap();
}

#[test]
fn a_backup_has_what_can_not_be_made_again_and_the_home_works_from_it() {
    let program = ran();
    let file = path(&program, "monday");
    ends(&program, &["backup", word(&file)], 0);
    let there = elsewhere(&program, "there");
    let words = ends_at(&program, &there, &["restore", word(&file), "--key", word(&program.place().home.join("journal.pub"))], 0);
    assert!(words.contains("checked with the given key"), "{words}");
    for name in ["form", "journal.key", "home.key", "keys", "vault", "vault.key", "trust.toml", "journal/00000001.seg"] {
        assert_eq!(fs::read(there.home.join(name)).is_ok(), program.place().home.join(name).exists(), "{name}");
    }
    for name in ["cache", "cache.key", "journal.touched", "components"] {
        assert!(!there.home.join(name).exists(), "{name}");
    }
    ends_at(&program, &there, &["run", "exits-with", "--", "0"], 0);
    assert!(ends_at(&program, &there, &["credentials", "ls"], 0).contains("api"));
    assert!(ends_at(&program, &there, &["show", "latest"], 0).contains("DONE"));
    assert!(!there.home.join("restored").exists(), "it is on the record");
    // A backup replaces nothing, and is not written where a file exists.
    assert!(ends(&program, &["backup", word(&file)], 2).contains("already exists"));
    assert!(ends(&program, &["backup", word(&program.place().home.join("inside"))], 2).contains("lies in the home itself"));
    assert!(ends(&program, &["restore", word(&file)], 2).contains("is not empty"));
    let names: Vec<_> = fs::read_dir(program.folder()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(!names.iter().any(|name| name.to_string_lossy().ends_with(".new")), "{names:?}");
}

#[test]
fn a_backup_that_is_older_than_what_is_remembered_says_so_and_is_accepted_on_purpose() {
    let program = ran();
    let file = path(&program, "monday");
    ends(&program, &["backup", word(&file)], 0);
    ends(&program, &["run", "exits-with", "--", "0"], 0);
    fs::rename(&program.place().home, path(&program, "lost")).unwrap();
    assert!(ends(&program, &["restore", word(&file)], 0).contains("older than what is remembered"));
    assert!(ends(&program, &["run", "exits-with", "--", "0"], 6).contains("accept-rollback"));
    ends(&program, &["audit", "accept-rollback"], 0);
    ends(&program, &["run", "exits-with", "--", "0"], 0);
    assert!(ends(&program, &["audit", "verify"], 0).contains("WHOLE"));
}

/// Uses the library: a process for each byte would take minutes.
#[test]
fn of_a_backup_with_a_byte_changed_or_missing_nothing_is_put_in_place() {
    let program = ran();
    let file = path(&program, "monday");
    run::backup(program.place(), &file, Content::WithKeys, None, &CleanUp::default(), &mut |_| {}).unwrap();
    let whole = fs::read(&file).unwrap();
    let key = journal::public_key(&program.place().home).unwrap();
    let there = elsewhere(&program, "there");
    fs::create_dir_all(there.home.parent().unwrap()).unwrap();
    let refused = |bytes: &[u8], what: &str| {
        fs::write(&file, bytes).unwrap();
        let err = run::restore(&there, &file, Some(&key), None, &CleanUp::default()).unwrap_err();
        assert!(!there.home.exists() && !there.home.with_file_name("home.restoring").exists(), "{what}: {err}");
        err
    };
    for at in (0..whole.len()).step_by(whole.len() / 150).chain(whole.len() - 70..whole.len()) {
        let mut changed = whole.clone();
        changed[at] ^= 1;
        refused(&changed, &format!("byte {at}"));
    }
    for end in (0..whole.len()).step_by(whole.len() / 50) {
        refused(&whole[..end], &format!("cut at {end}"));
    }
    assert!(matches!(refused(&[&whole[..], b"x"].concat(), "longer"), BackupError::Broken { .. }));
    let newer = [b"bailiwick backup 2\n".as_slice(), &whole[19..]].concat();
    assert!(matches!(refused(&newer, "newer"), BackupError::Newer(_)));
    // A backup that is signed, but with another home's key.
    let other = ran();
    let others = journal::public_key(&other.place().home).unwrap();
    fs::write(&file, &whole).unwrap();
    assert!(matches!(run::restore(&there, &file, Some(&others), None, &CleanUp::default()), Err(BackupError::OtherKey(_))));
    // The folder of a process that died in the middle does not prevent a restore.
    fs::create_dir(there.home.with_file_name("home.restoring")).unwrap();
    fs::write(there.home.with_file_name("home.restoring").join("restored.0.0.new"), b"").unwrap();
    fs::write(there.home.with_file_name("home.restoring").join("keys"), b"half").unwrap();
    let restored = run::restore(&there, &file, None, None, &CleanUp::default()).unwrap();
    assert_eq!((restored.signer, restored.remembered), (Signer::InBackup, None), "the control");
    assert!(!there.home.with_file_name("home.restoring").exists());
}

#[test]
fn a_sealed_backup_opens_with_its_passphrase_alone_and_one_without_keys_with_the_keys() {
    let program = ran();
    let (words, others, file) = (path(&program, "words"), path(&program, "others"), path(&program, "sealed"));
    for (file, text) in [(&words, "several words of mine\n"), (&others, "several words of yours\n")] {
        fs::write(file, text).unwrap();
        fs::set_permissions(file, fs::Permissions::from_mode(0o600)).unwrap();
    }
    ends(&program, &["backup", word(&file), "--passphrase-file", word(&words)], 0);
    let (bytes, secret) = (fs::read(&file).unwrap(), fs::read(program.place().home.join("journal.key")).unwrap());
    assert!(!tests::tools::contains(&bytes, &secret) && !tests::tools::contains(&bytes, b"journal.key"));
    let there = elsewhere(&program, "there");
    assert!(ends_at(&program, &there, &["restore", word(&file)], 2).contains("is sealed under a passphrase"));
    let said = ends_at(&program, &there, &["restore", word(&file), "--passphrase-file", word(&others)], 2);
    assert!(said.contains("does not open"), "{said}");
    assert!(!there.home.exists());
    ends_at(&program, &there, &["restore", word(&file), "--passphrase-file", word(&words)], 0);
    ends_at(&program, &there, &["run", "exits-with", "--", "0"], 0);

    let keyless = path(&program, "keyless");
    assert!(ends(&program, &["backup", word(&keyless), "--without-keys"], 0).contains("not included"));
    assert!(!tests::tools::contains(&fs::read(&keyless).unwrap(), &secret));
    let there = elsewhere(&program, "keyless-there");
    assert!(ends_at(&program, &there, &["restore", word(&keyless)], 0).contains("keys      not in the backup"));
    let public = there.home.join("journal.pub");
    assert!(ends(&program, &["audit", "verify", word(&there.home), "--key", word(&public)], 0).contains("WHOLE"));
    ends_at(&program, &there, &["run", "exits-with", "--", "0"], 6);
    for name in ["journal.key", "home.key", "keys", "vault.key"] {
        fs::copy(program.place().home.join(name), there.home.join(name)).unwrap();
    }
    ends_at(&program, &there, &["run", "exits-with", "--", "0"], 0);
}

#[test]
fn a_damaged_record_is_not_backed_up() {
    let program = ran();
    let segment = program.place().home.join("journal/00000001.seg");
    let mut bytes = fs::read(&segment).unwrap();
    bytes[300] ^= 1;
    fs::write(&segment, bytes).unwrap();
    let file = path(&program, "monday");
    assert!(ends(&program, &["backup", word(&file)], 6).contains("would not be either"));
    assert!(!file.exists());
    let nothing = Program::new("");
    assert!(ends(&nothing, &["backup", word(&path(&nothing, "monday"))], 2).contains("nothing was recorded"));
}

/// Only the last run's slot in the file of keys is missing, as in a copy of a home in use that copied the keys first.
#[test]
fn a_copy_that_lacks_keys_of_runs_says_which() {
    let program = ran();
    let copy = path(&program, "copy");
    assert!(std::process::Command::new("cp").arg("-a").args([&program.place().home, &copy]).status().unwrap().success());
    let verify = |code| ends(&program, &["audit", "verify", word(&copy)], code);
    assert!(!verify(0).contains("MISSING"), "the control");
    let keys = copy.join("keys");
    let bytes = fs::read(&keys).unwrap();
    fs::write(&keys, &bytes[..bytes.len() - 128]).unwrap();
    let words = verify(0);
    assert!(words.contains("WHOLE") && words.contains("MISSING for 1 of 1 run: the home was copied while it was in use"), "{words}");
    // A forgotten key does not count as missing.
    fs::write(&keys, vec![0; bytes.len()]).unwrap();
    assert!(!verify(0).contains("MISSING"));
    fs::remove_file(&keys).unwrap();
    assert!(!verify(0).contains("MISSING"), "an auditor's copy has none");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_that_lacks_the_key_of_an_open_run_says_so_when_it_is_used() {
    let server = Server::doing(vec![Step::Hang]).await;
    let kit = TestHost::new();
    let url = server.url("/");
    let mut order = kit.order("get", &[&url]);
    loopback(&mut order.grants, server.port(), &["GET"], &["/**"]);
    let text = [config("get", &guest("get"), &order.grants), config("exits-with", &guest("exits_with"), &Grants::default())].concat();
    let program = Program::new(&text);
    let command = program.command(&[], &["run", "get", "--trust", "--durable", "--", &url]);
    let mut child = tokio::process::Command::from(command).stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true).spawn().unwrap();
    server.until(|counts| counts.heard == 1).await;
    child.kill().await.unwrap();
    let said = tokio::task::spawn_blocking(move || {
        fs::write(program.place().home.join("keys"), b"").unwrap();
        let words = ends(&program, &["run", "exits-with", "--trust", "--", "0"], 0);
        let again = ends(&program, &["resume", "latest"], 2);
        (words, again)
    });
    let (words, _) = said.await.unwrap();
    assert!(words.contains("lacks the key of run"), "{words}");
}

/// The documentation lists what is left out. Everything else is in the backup, or no backup is made.
#[test]
fn a_backup_leaves_nothing_out_without_a_word() {
    let program = ran();
    let home = &program.place().home;
    // Files with a second name are backed up, and so are copies that an editor left.
    let links = path(&program, "links");
    fs::create_dir(&links).unwrap();
    for name in ["home.key", "journal.key", "keys", "trust.toml", "form"] {
        fs::hard_link(home.join(name), links.join(name)).unwrap();
    }
    fs::copy(home.join("trust.toml"), home.join("trust.toml~")).unwrap();
    let file = path(&program, "monday");
    ends(&program, &["backup", word(&file)], 0);
    let there = elsewhere(&program, "there");
    ends_at(&program, &there, &["restore", word(&file)], 0);
    for name in ["home.key", "journal.key", "keys", "trust.toml", "trust.toml~", "form"] {
        assert_eq!(fs::read(there.home.join(name)).unwrap(), fs::read(home.join(name)).unwrap(), "{name}");
    }
    let refused = path(&program, "refused");
    let deep = home.join("a/b/c/d/e/f");
    fs::create_dir_all(&deep).unwrap();
    for folder in deep.ancestors().take(6) {
        fs::set_permissions(folder, fs::Permissions::from_mode(0o700)).unwrap();
    }
    let said = ends(&program, &["backup", word(&refused)], 1);
    assert!(said.contains("can't be in a backup: it lies too deep") && said.contains("move it out of the home"), "{said}");
    fs::remove_dir_all(home.join("a")).unwrap();
    let name = std::ffi::OsStr::from_bytes(b"no-text-\xff");
    fs::write(home.join(name), "").unwrap();
    fs::set_permissions(home.join(name), fs::Permissions::from_mode(0o600)).unwrap();
    assert!(ends(&program, &["backup", word(&refused)], 1).contains("its name is not UTF-8"));
    fs::remove_file(home.join(name)).unwrap();
    assert!(!refused.exists());
    ends(&program, &["backup", word(&refused)], 0);
}

/// Otherwise a nightly backup would replace good backups by one that can't be used.
#[test]
fn what_no_run_would_go_on_with_is_not_backed_up() {
    let program = ran();
    let home = program.place().home.clone();
    let file = path(&program, "monday");
    let key = home.join("home.key");
    let right = fs::read(&key).unwrap();
    let other = ran();
    fs::copy(other.place().home.join("home.key"), &key).unwrap();
    let said = ends(&program, &["backup", word(&file)], 6);
    assert!(!file.exists() && said.contains("home.key") && said.contains("help:"), "{said}");
    fs::write(&key, &right).unwrap();
    // Another home is in the place of this one.
    let own = path(&program, "own");
    fs::rename(&home, &own).unwrap();
    assert!(std::process::Command::new("cp").arg("-a").arg(&other.place().home).arg(&home).status().unwrap().success());
    assert!(ends(&program, &["ps"], 6).contains("audit accept-rollback"), "like other verbs");
    assert!(ends(&program, &["backup", word(&file)], 6).contains("audit accept-rollback"));
    fs::remove_dir_all(&home).unwrap();
    fs::rename(&own, &home).unwrap();
    assert!(!file.exists());
    ends(&program, &["backup", word(&file)], 0);
}

#[test]
fn a_backup_may_lie_where_a_link_leads_to() {
    let program = ran();
    fs::create_dir(path(&program, "disk")).unwrap();
    std::os::unix::fs::symlink(path(&program, "disk"), path(&program, "link")).unwrap();
    fs::write(path(&program, "disk").join("monday.1.0.new"), "left").unwrap();
    ends(&program, &["backup", word(&path(&program, "link").join("monday"))], 0);
    let names: Vec<_> = fs::read_dir(path(&program, "disk")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["monday"], "files that a killed process left are gone as well");
}

#[test]
fn two_that_restore_into_one_home_at_once_are_not_mixed() {
    let program = ran();
    let file = path(&program, "monday");
    ends(&program, &["backup", word(&file)], 0);
    let there = elsewhere(&program, "there");
    fs::create_dir_all(there.home.parent().unwrap()).unwrap();
    let restoring = there.home.with_file_name("home.restoring");
    fs::create_dir(&restoring).unwrap();
    fs::write(restoring.join("keys"), "half").unwrap();
    // A folder of that name that was not made by a restore stays.
    assert!(ends_at(&program, &there, &["restore", word(&file)], 2).contains("home.restoring` is not empty"));
    fs::write(restoring.join("restored.0.0.new"), "").unwrap();
    let first = fs::File::open(&restoring).unwrap();
    rustix::fs::flock(&first, rustix::fs::FlockOperation::LockExclusive).unwrap();
    assert!(ends_at(&program, &there, &["restore", word(&file)], 1).contains("is restoring into"));
    assert_eq!(fs::read(restoring.join("keys")).unwrap(), b"half", "it belongs to the other restore");
    drop(first);
    ends_at(&program, &there, &["restore", word(&file)], 0);
    assert!(!restoring.exists() && there.home.join("keys").exists());
}
