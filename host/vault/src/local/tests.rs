//! Tests of the vault of a home: what it keeps, what it refuses, and what its files contain.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use super::*;
use key::pinned;

use crate::put::Put;

/// A cost of Argon2 that is low enough to repeat it for each byte of a file.
pub(super) const CHEAP: Cost = Cost { memory_kib: 8, passes: 1, lanes: 1 };
pub(super) const PASSPHRASE: &[u8] = b"a passphrase of several words";

/// A vault of form 1, written by an old version of the program: `a` was set twice, at 7 and 9, and `gone` was revoked.
const FORM_1: &str = "6261696c697769636b207661756c7420310a6903ea945c8e1fe9bf07dcc6ebe153be123aa459e1c38c2d1330cedb22984bc69ff710161b092c92368e85214ebf\
    76a182195ec7de05cc6859158cad5798af43f3cf6c267710124576d649261f6db9722a3606ea2adcfe409e4be6accc31f2f570d4c06ba46f984c72062af97a7734\
    93b7f6195c17fe254e7f";

pub(super) fn secret(text: &str) -> Secret {
    Secret::new(text.as_bytes().to_vec()).unwrap()
}

pub(super) fn home() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

pub(super) fn passphrase() -> KeySource {
    KeySource::Passphrase(Zeroizing::new(PASSPHRASE.to_vec()))
}

/// Writes a file that only its owner may read.
pub(super) fn put(path: &Path, bytes: &[u8]) {
    fs::write(path, bytes).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}

/// The names in a home, except for the lock.
fn names(home: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(home).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.retain(|name| name != "vault.lock");
    names.sort();
    names
}

#[test]
fn what_was_set_is_there_under_its_newest_version_until_it_is_revoked() {
    let home = home();
    let vault = Local::new(home.path());
    assert!(matches!(vault.get("a"), Err(LocalError::Absent(_))));
    assert_eq!(vault.set("a", secret("first-value"), 7).unwrap(), 1);
    assert_eq!(vault.set("b", secret("other-value"), 8).unwrap(), 1);
    assert_eq!(vault.set("a", secret("second-value"), 9).unwrap(), 2);
    let (value, version) = Local::new(home.path()).get("a").unwrap();
    assert_eq!((value.expose(), version), (&b"second-value"[..], 2));
    vault.revoke("a").unwrap();
    assert!(matches!(vault.get("a"), Err(LocalError::Revoked(_))));
    let listed = vault.list().unwrap();
    assert_eq!(listed.iter().map(|it| (it.name.as_str(), it.version, it.revoked)).collect::<Vec<_>>(), [("a", 2, true), ("b", 1, false)]);
    assert_eq!(vault.set("a", secret("third-value"), 10).unwrap(), 3);
    for name in ["", "A", "a b", "../a", "a\n", "-a", "a-", &"a".repeat(65)] {
        assert!(matches!(vault.set(name, secret("some-value"), 7), Err(LocalError::NotAName(_))), "{name:?}");
        assert!(matches!(vault.revoke(name), Err(LocalError::NotAName(_))), "{name:?}");
    }
}

#[test]
fn a_name_that_never_had_a_value_here_is_revoked_and_restored_and_one_that_had_is_set_anew() {
    let home = home();
    let vault = Local::new(home.path());
    vault.revoke("elsewhere").unwrap();
    assert!(vault.is_revoked("elsewhere").unwrap() && !vault.is_revoked("other").unwrap());
    assert!(matches!(vault.get("elsewhere"), Err(LocalError::Revoked(_))));
    vault.restore("elsewhere").unwrap();
    assert!(!vault.is_revoked("elsewhere").unwrap());
    assert!(matches!(vault.restore("elsewhere"), Err(LocalError::Absent(_))));
    vault.set("a", secret("first-value"), 7).unwrap();
    assert!(matches!(vault.restore("a"), Err(LocalError::NotRevoked(_))));
    vault.revoke("a").unwrap();
    assert!(matches!(vault.restore("a"), Err(LocalError::Revoked(_))) && vault.is_revoked("a").unwrap());
}

#[test]
fn a_new_value_waits_unseen_until_it_is_taken_over_or_given_up() {
    let home = home();
    let vault = Local::new(home.path());
    assert!(matches!(vault.stage("a", secret("second-value")), Err(LocalError::Absent(_))));
    vault.set("a", secret("first-value"), 7).unwrap();
    assert!(matches!(vault.staged("a"), Err(LocalError::NotStaged(_))));
    assert!(matches!(vault.promote("a", 8), Err(LocalError::NotStaged(_))) && matches!(vault.unstage("a"), Err(LocalError::NotStaged(_))));
    assert_eq!(vault.stage("a", secret("second-value")).unwrap(), 2);
    let (present, waiting) = (vault.get("a").unwrap(), vault.staged("a").unwrap());
    assert_eq!(((present.0.expose(), present.1), (waiting.0.expose(), waiting.1)), ((&b"first-value"[..], 1), (&b"second-value"[..], 2)));
    assert!(matches!(vault.stage("a", secret("third-value")), Err(LocalError::Staged(_))), "it may be what the target has accepted");
    assert!(matches!(vault.set("a", secret("third-value"), 8), Err(LocalError::Staged(_))));
    assert_eq!(vault.promote("a", 9).unwrap().expose(), b"first-value");
    assert_eq!((vault.get("a").unwrap().0.expose(), vault.get("a").unwrap().1), (&b"second-value"[..], 2));
    let listed = |version, set_at, staged| {
        [Listed { name: "a".to_owned(), version, set_at, revoked: false, staged, destinations: Vec::new(), weak: true }]
    };
    assert_eq!(vault.list().unwrap(), listed(2, 9, false));
    assert_eq!(vault.stage("a", secret("third-value")).unwrap(), 3);
    assert_eq!(vault.list().unwrap(), listed(2, 9, true));
    vault.unstage("a").unwrap();
    assert_eq!(vault.stage("a", secret("fourth-value")).unwrap(), 4, "no version has two values");
    vault.revoke("a").unwrap();
    assert!(matches!(vault.staged("a"), Err(LocalError::Revoked(_))) && matches!(vault.promote("a", 9), Err(LocalError::Revoked(_))));
    assert_eq!(vault.set("a", secret("fifth-value"), 10).unwrap(), 5);
}

#[test]
fn a_vault_of_form_1_is_read_and_the_next_write_is_of_form_2() {
    let home = home();
    let vault = Local::new(home.path());
    let bytes: Vec<u8> = (0..FORM_1.len()).step_by(2).map(|at| u8::from_str_radix(&FORM_1[at..at + 2], 16).unwrap()).collect();
    put(&home.path().join("vault"), &bytes);
    put(&home.path().join("vault.key"), &(0..32).collect::<Vec<u8>>());
    let holds = || {
        let (value, version) = vault.get("a").unwrap();
        assert_eq!((value.expose(), version), (&b"second-value"[..], 2));
        assert!(matches!(vault.get("gone"), Err(LocalError::Revoked(_))));
        assert_eq!(vault.list().unwrap().iter().map(|it| it.set_at).collect::<Vec<_>>(), [9, 11]);
    };
    holds();
    assert_eq!(vault.stage("a", secret("third-value")).unwrap(), 3);
    holds();
    assert!(fs::read(home.path().join("vault")).unwrap().starts_with(b"bailiwick vault 2\n"));
    assert_eq!(names(home.path()), ["vault", "vault.key"]);
}

#[test]
fn no_value_is_in_any_file_and_none_may_be_read_by_others() {
    let home = home();
    let vault = Local::new(home.path());
    for source in [None, Some(KeySource::File), Some(passphrase())] {
        source.iter().for_each(|source| vault.rekey_at(source, CHEAP).unwrap());
        vault.set("a", secret("correct-horse-battery"), 7).unwrap();
        for entry in fs::read_dir(home.path()).unwrap() {
            let entry = entry.unwrap();
            let bytes = fs::read(entry.path()).unwrap();
            assert!(!bytes.windows(13).any(|window| window == b"correct-horse" || window == &PASSPHRASE[..13]), "{entry:?}");
            assert_eq!(entry.metadata().unwrap().permissions().mode() & 0o077, 0, "{entry:?}");
        }
    }
    assert!(!format!("{vault:?} {:?}", passphrase()).contains("several"));
}

/// The file is cut short at every length, and one bit is changed in every byte.
fn nothing_else_opens(vault: &Local, home: &Path, refusals: fn(&LocalError) -> bool) {
    let whole = fs::read(home.join("vault")).unwrap();
    let refused = |bytes: &[u8]| {
        fs::write(home.join("vault"), bytes).unwrap();
        let err = vault.get("a").unwrap_err();
        // If one bit of the form's digit changes, the file can look like one of a newer program.
        let is_newer = matches!(err, LocalError::Newer { form: 3, .. }) && bytes.starts_with(b"bailiwick vault 3\n");
        assert!(refusals(&err) || is_newer, "{} bytes: {err:?}", bytes.len());
        assert!(vault.set("b", secret("other-value"), 8).is_err());
        assert_eq!(fs::read(home.join("vault")).unwrap(), bytes);
    };
    (0..whole.len()).for_each(|end| refused(&whole[..end]));
    for at in 0..whole.len() {
        let mut changed = whole.clone();
        changed[at] ^= 1;
        refused(&changed);
    }
    fs::write(home.join("vault"), &whole).unwrap();
    assert_eq!(vault.get("a").unwrap().0.expose(), b"correct-horse-battery");
}

#[test]
fn a_vault_that_was_changed_cut_short_or_taken_elsewhere_does_not_open_and_is_not_written_over() {
    let home = home();
    let vault = Local::new(home.path());
    vault.set("a", secret("correct-horse-battery"), 7).unwrap();
    nothing_else_opens(&vault, home.path(), |err| matches!(err, LocalError::Sealed(_) | LocalError::NoKey { .. }));
    vault.rekey(&KeySource::File).unwrap();
    nothing_else_opens(&vault, home.path(), |err| matches!(err, LocalError::Sealed(_) | LocalError::NoKey { .. }));
    let key = home.path().join(names(home.path()).into_iter().find(|name| name.starts_with("vault.key.")).unwrap());
    fs::write(&key, [7; 32]).unwrap();
    assert!(matches!(vault.get("a"), Err(LocalError::Sealed(_))), "another home's key");
    fs::write(&key, [7; 31]).unwrap();
    assert!(matches!(vault.get("a"), Err(LocalError::Key(_))), "half a key");
    fs::remove_file(&key).unwrap();
    assert!(matches!(vault.get("a"), Err(LocalError::NoKey { .. })), "no key, and the error names its file");
    assert!(vault.set("b", secret("other-value"), 8).is_err() && vault.rekey(&KeySource::File).is_err(), "no new key for an old vault");
}

#[test]
fn under_a_passphrase_nothing_opens_that_is_not_the_vault_under_that_passphrase() {
    let (home, elsewhere) = (home(), home());
    let file = elsewhere.path().join("passphrase");
    put(&file, &[PASSPHRASE, b"\n"].concat());
    let vault = Local::new(home.path()).with_passphrase_file(&file);
    vault.rekey_at(&passphrase(), CHEAP).unwrap();
    vault.set("a", secret("correct-horse-battery"), 7).unwrap();
    assert_eq!(names(home.path()), ["vault"]);
    // A head with another kind of key, or with a higher cost than our vaults have, gives the corresponding error.
    nothing_else_opens(&vault, home.path(), |err| {
        use LocalError::{Costly, Keyring, NoKey, OtherPassphrase, Passphrase, Sealed};
        matches!(err, Sealed(_) | Costly(_) | Keyring { .. } | Passphrase | NoKey { .. } | OtherPassphrase { .. })
    });
    let other = Local::new(elsewhere.path());
    other.rekey_at(&KeySource::Passphrase(Zeroizing::new(b"the passphrase of another home".to_vec())), CHEAP).unwrap();
    fs::copy(elsewhere.path().join("vault"), home.path().join("vault")).unwrap();
    assert!(matches!(vault.get("a"), Err(LocalError::OtherPassphrase { .. })), "another home's vault");
}

#[test]
fn what_is_sealed_under_one_head_opens_under_no_other_even_with_the_same_key() {
    let key = Key::new([7; 32]);
    let cost = |memory_kib| Cost { memory_kib, ..CHEAP };
    let passphrase = |memory_kib, salt| SealHead::Passphrase(cost(memory_kib), [salt; 16]);
    let files = [SealHead::File([0; 8]), SealHead::File([1; 8])];
    let heads = [&files[..], &[SealHead::First, SealHead::Keyring, passphrase(8, 1), passphrase(9, 1), passphrase(8, 2)]].concat();
    for head in heads.iter().copied() {
        let file = seal::seal(&head, &key, b"what a vault holds").unwrap();
        let (read, sealed) = SealHead::of(&file).unwrap();
        assert_eq!(read, head);
        for other in heads.iter().copied() {
            assert_eq!(seal::open(&other, &key, sealed).is_some(), other == head, "{other:?} for {head:?}");
        }
    }
}

#[test]
fn a_head_that_asks_for_more_memory_time_or_lanes_than_a_vault_does_is_not_tried() {
    let home = home();
    let vault = Local::new(home.path());
    let mebibyte = 1 << 10;
    for (memory_kib, passes, lanes) in [
        (4096 * mebibyte, 3, 1),
        (u32::MAX, 1, 1),
        (64 * mebibyte + 1, 3, 1),
        (8, 4, 1),
        (8, u32::MAX, 1),
        (8, 1, 2),
        (1 << 30, 1, 1 << 24),
    ] {
        let head = SealHead::Passphrase(Cost { memory_kib, passes, lanes }, [7; 16]);
        put(&home.path().join("vault"), &[&head.bytes()[..], &[7; 99]].concat());
        assert!(matches!(vault.unlock(PASSPHRASE), Err(LocalError::Costly(_))), "{head:?}");
        assert!(matches!(vault.get("a"), Err(LocalError::Costly(_))), "{head:?}");
    }
    let head = SealHead::Passphrase(Cost { memory_kib: 0, passes: 0, lanes: 0 }, [7; 16]);
    put(&home.path().join("vault"), &[&head.bytes()[..], &[7; 99]].concat());
    assert!(vault.unlock(PASSPHRASE).is_err(), "and too little is an error too");
}

#[test]
fn a_vault_under_a_passphrase_opens_for_whoever_has_unlocked_it_or_can_read_the_passphrase() {
    let (home, elsewhere) = (home(), home());
    let vault = Local::new(home.path());
    assert!(matches!(vault.unlock(PASSPHRASE), Err(LocalError::NotLocked(_))), "there is no vault");
    vault.set("a", secret("correct-horse-battery"), 7).unwrap();
    assert!(matches!(vault.unlock(PASSPHRASE), Err(LocalError::NotLocked(_))));
    vault.rekey(&passphrase()).unwrap();
    assert!(
        SealHead::of(&fs::read(home.path().join("vault")).unwrap()).is_ok_and(|(head, _)| matches!(head, SealHead::Passphrase(COST, _)))
    );
    assert_eq!(names(home.path()), ["vault"], "there is no key beside it any more");
    let opens = |vault: &Local| vault.get("a").is_ok_and(|(value, _)| value.expose() == b"correct-horse-battery");
    assert!(opens(&vault), "the process that sealed it has the key");

    let fresh = Local::new(home.path());
    assert!(matches!(fresh.get("a"), Err(LocalError::Locked(_))) && matches!(fresh.revoke("a"), Err(LocalError::Locked(_))));
    assert!(matches!(fresh.unlock(b"another passphrase"), Err(LocalError::Sealed(_))));
    assert!(matches!(fresh.get("a"), Err(LocalError::Locked(_))), "a wrong passphrase is not kept");
    assert!(matches!(fresh.unlock(b"short"), Err(LocalError::Passphrase)));
    let clone = fresh.clone();
    fresh.unlock(PASSPHRASE).unwrap();
    assert!(opens(&fresh) && opens(&clone));

    let file = elsewhere.path().join("passphrase");
    let reads = Local::new(home.path()).with_passphrase_file(&file);
    assert!(matches!(reads.get("a"), Err(LocalError::Io { .. })));
    put(&file, &[PASSPHRASE, b"\r\n"].concat());
    for open in [0o644, 0o620, 0o602] {
        fs::set_permissions(&file, fs::Permissions::from_mode(open)).unwrap();
        assert!(matches!(reads.get("a"), Err(LocalError::PassphraseIsOpen(_))), "{open:o}");
    }
    fs::set_permissions(&file, fs::Permissions::from_mode(0o440)).unwrap();
    assert!(opens(&reads));

    // Another passphrase: a vault that was unlocked is locked again, and one with a passphrase file continues with the new one.
    let next = b"the passphrase after that one";
    vault.rekey_at(&KeySource::Passphrase(Zeroizing::new(next.to_vec())), CHEAP).unwrap();
    assert!(matches!(fresh.get("a"), Err(LocalError::Locked(_))) && matches!(reads.get("a"), Err(LocalError::OtherPassphrase { .. })));
    put(&file, next);
    assert!(opens(&reads));
}

#[test]
fn a_first_vault_is_sealed_under_the_passphrase_that_was_named() {
    let (home, elsewhere) = (home(), home());
    let vault = Local::new(home.path()).with_passphrase_file(elsewhere.path().join("passphrase"));
    assert!(vault.set("a", secret("correct-horse-battery"), 7).is_err() && names(home.path()).is_empty(), "no other key takes its place");
    put(&elsewhere.path().join("passphrase"), PASSPHRASE);
    vault.set("a", secret("correct-horse-battery"), 7).unwrap();
    assert_eq!(names(home.path()), ["vault"]);
    assert!(matches!(Local::new(home.path()).get("a"), Err(LocalError::Locked(_))));
}

#[test]
fn every_key_is_changed_for_every_other_and_the_old_one_goes() {
    let home = home();
    let vault = Local::new(home.path());
    vault.set("a", secret("correct-horse-battery"), 7).unwrap();
    vault.stage("a", secret("second-value")).unwrap();
    let canonical = home.path().canonicalize().unwrap();
    let put = Put::new(&format!("bailiwick-vault:{}", canonical.display()), &[7; 32]);
    let mut keys = Vec::new();
    for source in [KeySource::File, KeySource::File, passphrase(), passphrase(), KeySource::Keyring, KeySource::Keyring, KeySource::File] {
        let before = fs::read(home.path().join("vault")).unwrap();
        match (vault.rekey_at(&source, CHEAP), &source, &put) {
            (Ok(()), _, _) => {}
            (Err(LocalError::Keyring { .. }), KeySource::Keyring, None) => {
                assert_eq!(fs::read(home.path().join("vault")).unwrap(), before, "no key, no change");
                continue;
            }
            (err, _, _) => panic!("{source:?}: {err:?}"),
        }
        assert_eq!((vault.get("a").unwrap().1, vault.staged("a").unwrap().1), (1, 2), "{source:?}");
        let key: Vec<String> = names(home.path()).into_iter().filter(|name| name != "vault").collect();
        assert_eq!(key.len(), usize::from(matches!(source, KeySource::File)), "{source:?}: {key:?}");
        assert!(key.iter().all(|key| !keys.contains(key)));
        keys.extend(key);
    }
}

#[test]
fn a_vault_under_a_key_of_the_key_ring_opens_with_that_key_only() {
    let (home, other) = (home(), home());
    let vault = Local::new(home.path());
    assert!(matches!(vault.rekey(&KeySource::Keyring), Err(LocalError::Keyring { .. })), "no key is made there without a copy elsewhere");
    let description = |home: &Path| format!("bailiwick-vault:{}", home.canonicalize().unwrap().display());
    let Some(key) = Put::new(&description(home.path()), &[7; 32]) else { return };
    vault.rekey(&KeySource::Keyring).unwrap();
    vault.set("a", secret("correct-horse-battery"), 7).unwrap();
    assert_eq!(names(home.path()), ["vault"]);
    nothing_else_opens(&vault, home.path(), |err| matches!(err, LocalError::Sealed(_) | LocalError::Costly(_) | LocalError::NoKey { .. }));
    let _other = Put::new(&description(other.path()), &[8; 32]).unwrap();
    fs::copy(home.path().join("vault"), other.path().join("vault")).unwrap();
    assert!(matches!(Local::new(other.path()).get("a"), Err(LocalError::Sealed(_))), "another home's vault");
    drop(key);
    assert!(matches!(vault.get("a"), Err(LocalError::Keyring { cause: KeyringError::Absent, .. })));
    let _short = Put::new(&description(home.path()), &[7; 31]).unwrap();
    assert!(matches!(vault.get("a"), Err(LocalError::Keyring { cause: KeyringError::Length, .. })));
}

#[test]
fn nobody_waits_for_the_other_end_of_a_pipe() {
    let home = home();
    let pipe = home.path().join("pipe");
    rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
    let (tx, rx) = std::sync::mpsc::channel();
    std::thread::spawn(move || tx.send(pinned::open(&pipe).map_err(|err| err.kind())));
    let read = rx.recv_timeout(std::time::Duration::from_secs(10)).expect("it is answered at once");
    assert_eq!(read.map(|_| ()), Err(std::io::ErrorKind::InvalidInput));
}

#[test]
fn a_key_that_others_may_read_is_no_key() {
    let home = home();
    let vault = Local::new(home.path());
    vault.set("a", secret("correct-horse-battery"), 7).unwrap();
    fs::set_permissions(home.path().join("vault.key"), fs::Permissions::from_mode(0o640)).unwrap();
    assert!(matches!(vault.get("a"), Err(LocalError::KeyIsOpen(_))));
}

#[test]
fn what_a_write_left_behind_that_was_cut_off_goes_with_the_next_one_and_nothing_else_does() {
    let home = home();
    let vault = Local::new(home.path());
    vault.set("a", secret("correct-horse-battery"), 7).unwrap();
    let others = ["vault.new", "vault.newer", "vault.new1x", "vault.key.pub", "vault.key.0123", "vaults", "key"];
    // A vault that was half written, a key that was half written, and a key under which no vault is sealed yet.
    let left = ["vault.1.0.new", "vault.key.4194304.17.new", "vault.key.0123456789abcdef"];
    others.iter().chain(&left).for_each(|name| put(&home.path().join(name), b"bailiwick vault 2\n"));
    vault.set("b", secret("other-value"), 8).unwrap();
    let mut expected: Vec<&str> = others.into_iter().chain(["vault", "vault.key"]).collect();
    expected.sort_unstable();
    assert_eq!(names(home.path()), expected);
    assert_eq!(vault.get("a").unwrap().0.expose(), b"correct-horse-battery");
}

/// The key can be changed while others read, and none of them gets the error that the vault is broken.
#[test]
fn whoever_reads_while_the_key_is_changed_gets_the_value() {
    let home = home();
    let vault = Local::new(home.path());
    vault.set("a", secret("correct-horse-battery"), 7).unwrap();
    let over = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let mut failures = Vec::new();
            while !over.load(std::sync::atomic::Ordering::Relaxed) {
                failures.extend(Local::new(home.path()).get("a").err());
            }
            failures
        });
        let changed = (0..50).all(|_| vault.rekey(&KeySource::File).is_ok());
        over.store(true, std::sync::atomic::Ordering::Relaxed);
        let failures = reader.join().unwrap();
        assert!(changed && failures.is_empty(), "{failures:?}");
    });
}

#[test]
fn a_spent_value_is_replaced_only_while_it_is_the_present_one() {
    let home = tempfile::tempdir().unwrap();
    let vault = Local::new(home.path());
    let secret = |text: &str| Secret::new(text.as_bytes().to_vec()).unwrap();
    let replace = |spent: &str, new: &str| vault.replace("a", &secret(spent), secret(new), 7);
    assert!(matches!(replace("first-value", "second-value"), Err(LocalError::Absent(_))));
    vault.set("a", secret("first-value"), 1).unwrap();
    assert_eq!(replace("first-value", "second-value").unwrap(), 2);
    assert_eq!(vault.get("a").unwrap().0.expose(), b"second-value");
    assert!(matches!(replace("first-value", "third-value"), Err(LocalError::Changed(_))));
    vault.revoke("a").unwrap();
    assert!(matches!(replace("second-value", "third-value"), Err(LocalError::Revoked(_))));
    assert!(vault.is_revoked("a").unwrap());
}

#[test]
fn where_the_list_of_live_values_can_not_be_kept_nothing_is_changed_but_what_is_revoked() {
    let home = tempfile::tempdir().unwrap();
    let vault = Local::new(home.path());
    let secret = |text: &str| Secret::new(text.as_bytes().to_vec()).unwrap();
    vault.set("a", secret("first-value"), 1).unwrap();
    vault.set("a", secret("second-value"), 2).unwrap();
    let list = home.path().join("vault.live");
    let whole = fs::read(&list).unwrap();
    let bent = b"bailiwick live 1\nof nobody";
    fs::write(&list, bent).unwrap();
    vault.set("a", secret("third-value"), 3).unwrap_err();
    vault.remove("a").unwrap_err();
    vault.stage("a", secret("fourth-value")).unwrap();
    vault.promote("a", 4).unwrap_err();
    assert_eq!(vault.get("a").unwrap().0.expose(), b"second-value");
    fs::write(&list, &whole).unwrap();
    vault.promote("a", 3).unwrap();
    assert_eq!(vault.get("a").unwrap().0.expose(), b"fourth-value", "the control");
    fs::write(&list, bent).unwrap();
    vault.revoke("a").unwrap_err();
    assert!(vault.is_revoked("a").unwrap());
}
