//! `keys rotate`: the record continues under its name, sealed payloads open, and copies verify with the old key and with the new one.

use std::fs;

use tests::guests::guest;
use tests::program::{Program, config};
use vocabulary::Grants;

use crate::damaged::{both, ends};

#[test]
fn a_rotated_home_goes_on_and_its_copies_verify_with_the_old_key_and_the_new() {
    let program = Program::new(&config("exits-with", &guest("exits_with"), &Grants::default()));
    let run = ["run", "exits-with", "--durable", "--", "0"];
    ends(&program, &["trust"], 0);
    ends(&program, &run, 0);
    let home = &program.place().home;
    let (old_public, old_key, old_home_key) = (program.folder().join("old.pub"), home.join("journal.key"), home.join("home.key"));
    fs::copy(home.join("journal.pub"), &old_public).unwrap();
    let (old_secret, old_wrap) = (fs::read(&old_key).unwrap(), fs::read(&old_home_key).unwrap());
    for key in ["journal", "home"] {
        let words = ends(&program, &["keys", "rotate", key], 0);
        assert!(words.contains("was") && words.contains("now"), "{words}");
        ends(&program, &run, 0);
        ends(&program, &["replay", "latest"], 0);
    }
    assert_ne!(fs::read(&old_key).unwrap(), old_secret);
    assert_ne!(fs::read(&old_home_key).unwrap(), old_wrap);
    assert!(ends(&program, &["audit", "verify"], 0).contains("WHOLE"));
    assert_eq!(ends(&program, &["audit", "show", "--kind", "key-rotated"], 0).matches("was rotated by").count(), 2);
    // Earlier payloads open.
    let first = gate::runs(&journal::Reader::open(home).unwrap()).unwrap()[0].run.to_string();
    ends(&program, &["replay", &first], 0);
    ends(&program, &["show", &first, "--input"], 0);
    // An auditor has the first public key, or the present ones; other keys prove nothing.
    let copy = program.folder().join("copy");
    assert!(std::process::Command::new("cp").arg("-a").args([home, &copy]).status().unwrap().success());
    for key in [&old_public, &home.join("journal.pub")] {
        let words = ends(&program, &["audit", "verify", copy.to_str().unwrap(), "--key", key.to_str().unwrap()], 0);
        assert!(words.contains("WHOLE") && words.contains("checked with the given key"), "{words}");
    }
    // A backup that is signed by the new key can be restored with a copy of the old public key.
    let backup = program.folder().join("monday");
    ends(&program, &["backup", backup.to_str().unwrap()], 0);
    fs::rename(home, program.folder().join("lost")).unwrap();
    ends(&program, &["restore", backup.to_str().unwrap(), "--key", old_public.to_str().unwrap()], 0);
    ends(&program, &run, 0);
    assert!(ends(&program, &["doctor", "--home"], 0).contains("rotated 1 time"));
    // The old key signs nothing any more.
    fs::write(&old_key, old_secret).unwrap();
    ends(&program, &run, 6);
}

/// A home with a run, whose key was rotated; with the old key and the old public key.
fn rotated() -> (Program, Vec<u8>, Vec<u8>) {
    let program = Program::new(&config("exits-with", &guest("exits_with"), &Grants::default()));
    ends(&program, &["trust"], 0);
    ends(&program, &["run", "exits-with", "--", "0"], 0);
    let read = |name: &str| fs::read(program.place().home.join(name)).unwrap();
    let old = (read("journal.key"), read("journal.pub"));
    ends(&program, &["keys", "rotate", "journal"], 0);
    (program, old.0, old.1)
}

#[test]
fn a_key_that_was_rotated_out_and_signs_on_is_found_out() {
    let (program, old_key, old_public) = rotated();
    let home = &program.place().home;
    let new = ["journal.key", "journal.pub"].map(|name| fs::read(home.join(name)).unwrap());
    // Both old keys are put back before the new key has signed anything, and the old one continues to sign.
    fs::write(home.join("journal.key"), &old_key).unwrap();
    fs::write(home.join("journal.pub"), &old_public).unwrap();
    let place = program.place();
    let (journal, _) = journal::Journal::open(&place.home, Some(&place.state), journal::Options::default()).unwrap();
    journal.append(journal::log_run(), b"{}".to_vec(), Vec::new()).unwrap().ticket.wait_blocking().unwrap();
    journal.close().unwrap();
    let said = ends(&program, &["audit", "verify"], 6);
    assert!(said.contains("another key signs") && said.contains("public keys"), "{said}");
    // According to the public keys that say from when on the new key signs, these signatures are invalid.
    let keys = program.folder().join("keys.pub");
    fs::write(&keys, &new[1]).unwrap();
    ends(&program, &["audit", "verify", home.to_str().unwrap(), "--key", keys.to_str().unwrap()], 6);
}

#[test]
fn a_key_that_the_old_one_did_not_sign_is_refused_and_nothing_is_changed() {
    let (program, old_key, _) = rotated();
    let home = &program.place().home;
    ends(&program, &["run", "exits-with", "--", "0"], 0);
    let (key, public) = (home.join("journal.key"), home.join("journal.pub"));
    let right = [fs::read(&key).unwrap(), fs::read(&public).unwrap()];
    let text = String::from_utf8(right[0].clone()).unwrap();
    let (head, secret) = text.split_once("secret ").unwrap();
    let other = format!("{head}secret {}\n", "5".repeat(secret.trim().len())).into_bytes();
    for slipped in [other, vec![7; 32], old_key, Vec::new(), right[0][..40].to_vec()] {
        fs::write(&key, &slipped).unwrap();
        for args in [["run", "exits-with", "--", "0"].as_slice(), &["keys", "rotate", "journal"], &["keys", "rotate", "home"]] {
            ends(&program, args, 6);
        }
        assert_eq!((fs::read(&key).unwrap(), fs::read(&public).unwrap()), (slipped, right[1].clone()));
    }
    fs::write(&key, &right[0]).unwrap();
    // A public key without a signature of the key before it does not count: the record has the right ones.
    let mut lines = String::from_utf8(right[1].clone()).unwrap();
    lines.push_str(lines.lines().last().unwrap().to_owned().as_str());
    fs::write(&public, lines).unwrap();
    ends(&program, &["run", "exits-with", "--", "0"], 0);
    assert_eq!(fs::read(&public).unwrap(), right[1]);
    // A new key that is not on the record is not used.
    fs::write(home.join("journal.key.next"), [9; 32]).unwrap();
    fs::set_permissions(home.join("journal.key.next"), std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    ends(&program, &["run", "exits-with", "--", "0"], 0);
    assert_eq!(fs::read(&key).unwrap(), right[0]);
    assert!(!home.join("journal.key.next").exists());
    assert!(ends(&program, &["audit", "verify"], 0).contains("WHOLE"));
}

#[test]
fn archives_and_backups_from_before_a_rotation_verify_after_it() {
    let home = crate::parts::Home::new();
    let program = &home.program;
    let (to, backup) = (program.folder().join("archive"), program.folder().join("before"));
    let (archive, word) = (to.to_str().unwrap(), backup.to_str().unwrap());
    let prune = ["prune", "--older-than", "0s", "--drop-accepted", "--yes", "--to", archive];
    ends(program, &["backup", word], 0);
    ends(program, &prune, 0);
    ends(program, &["keys", "rotate", "journal"], 0);
    ends(program, &["keys", "rotate", "home"], 0);
    for args in [["audit", "verify"].as_slice(), &["audit", "verify", "--with", archive], &["audit", "verify", archive]] {
        assert!(ends(program, args, 0).contains("WHOLE"), "{args:?}");
    }
    // Pruning continues into the same archive.
    tests::long::lengthen(program.place());
    crate::parts::run(program);
    ends(program, &prune, 0);
    for args in [["audit", "verify"].as_slice(), &["audit", "verify", "--with", archive], &["audit", "verify", archive]] {
        assert!(ends(program, args, 0).contains("WHOLE"), "{args:?}");
    }
    let there = run::HomePlace { home: program.folder().join("there"), state: program.folder().join("there.state") };
    let mut command = program.command(&[], &["restore", word, "--key", home.home().join("journal.pub").to_str().unwrap()]);
    let output = command.env("BAILIWICK_HOME", &there.home).env("BAILIWICK_STATE", &there.state).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", both(&output));
}

#[test]
fn while_something_runs_no_key_is_rotated() {
    let (program, ..) = rotated();
    let place = program.place();
    let before = fs::read(place.home.join("journal.key")).unwrap();
    let (journal, _) = journal::Journal::open(&place.home, Some(&place.state), journal::Options::default()).unwrap();
    for key in ["journal", "home"] {
        let said = ends(&program, &["keys", "rotate", key], 1);
        assert!(said.contains("another process holds") && said.contains("wait until nothing runs"), "{said}");
    }
    journal.close().unwrap();
    assert_eq!(fs::read(place.home.join("journal.key")).unwrap(), before);
    assert!(!place.home.join("journal.key.next").exists() && !place.home.join("home.key.next").exists());
}
