//! Tests of which values the list has, for how long, and which callers wait for the disk.

use std::os::unix::fs::MetadataExt as _;

use super::*;
use crate::local::KeySource;
use crate::secret::Secret;

fn secret(text: &str) -> Secret {
    Secret::new(text.as_bytes().to_vec()).unwrap()
}

fn value(text: &str, until_s: Option<u64>) -> Outstanding {
    Outstanding { credential: "key".to_owned(), hosts: vec!["api.test".parse().unwrap()], until_s, secret: secret(text) }
}

fn found(register: &Register, now_s: u64) -> Vec<String> {
    register.after(0, now_s).iter().map(|it| String::from_utf8(it.value.secret.expose().to_vec()).unwrap()).collect()
}

/// A register as in the next process of the home.
fn next(folder: &tempfile::TempDir, now_s: u64) -> Vec<String> {
    let register = Register::new(Local::new(folder.path()));
    register.refresh(now_s).unwrap();
    found(&register, now_s)
}

#[test]
fn a_value_that_was_made_is_known_to_the_next_process_until_it_lapses_and_one_of_another_source_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let register = Register::new(Local::new(folder.path()));
    register.note(vec![value("token-of-an-hour", Some(3600)), value("from-elsewhere", None)], 1).unwrap();
    assert_eq!(found(&register, 1), ["token-of-an-hour", "from-elsewhere"]);
    assert_eq!(next(&folder, 3599), ["token-of-an-hour"]);
    assert!(next(&folder, 3600).is_empty());
    let file = std::fs::read(folder.path().join("vault.live")).unwrap();
    assert!(!file.windows(8).any(|window| window == b"token-of"), "never in clear text");
}

#[test]
fn where_there_is_no_room_no_other_value_is_noted_and_none_is_forgotten() {
    let folder = tempfile::tempdir().unwrap();
    let register = Register::with_room(Local::new(folder.path()), 2);
    register.note(vec![value("token-number-1", Some(10))], 1).unwrap();
    register.note(vec![value("token-number-2", Some(20))], 1).unwrap();
    assert!(matches!(register.note(vec![value("token-number-3", Some(30))], 1), Err(LocalError::FullOfLive)));
    assert_eq!(found(&register, 1), ["token-number-1", "token-number-2"], "no value is forgotten for lack of room");
    register.note(vec![value("token-number-2", Some(15))], 1).unwrap();
    assert_eq!(found(&register, 16), ["token-number-2"], "a known value takes no further room, and keeps its longer time");
    register.note(vec![value("token-number-3", Some(30))], 10).unwrap();
    assert_eq!(found(&register, 10), ["token-number-2", "token-number-3"], "values that have expired make room");
}

#[test]
fn what_is_replaced_given_up_or_revoked_in_the_vault_is_looked_for_and_what_is_in_use_is_not_kept_twice() {
    let folder = tempfile::tempdir().unwrap();
    let local = Local::new(folder.path());
    let now_s = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    local.set("key", secret("first-value"), 1).unwrap();
    local.send_to("key", &["https://api.test".parse().unwrap()]).unwrap();
    assert_eq!(next(&folder, now_s), ["first-value"], "what is in the vault");
    local.set("key", secret("second-value"), 2).unwrap();
    assert_eq!(next(&folder, now_s), ["first-value", "second-value"]);
    local.stage("key", secret("third-value")).unwrap();
    local.unstage("key").unwrap();
    local.revoke("key").unwrap();
    assert_eq!(next(&folder, now_s), ["first-value", "third-value", "second-value"]);
    let register = Register::new(Local::new(folder.path()));
    register.refresh(now_s).unwrap();
    assert!(register.after(0, now_s).iter().all(|it| it.value.hosts == ["api.test".parse().unwrap()]), "each with its hosts");
    assert!(next(&folder, now_s + 31 * 24 * 3600).is_empty());
}

#[test]
fn a_value_that_is_set_or_changed_by_another_process_is_known_with_the_next_look_and_a_private_key_is_none() {
    let folder = tempfile::tempdir().unwrap();
    let (local, register) = (Local::new(folder.path()), Register::new(Local::new(folder.path())));
    register.refresh(1).unwrap();
    assert!(found(&register, 1).is_empty());
    for n in 0..4 {
        // The values have the same length, so the test shows that a change is noticed by more than the file's size.
        local.set("key", secret(&format!("value-number-{n}")), 1).unwrap();
        register.refresh(1).unwrap();
        assert_eq!(found(&register, 1).last().unwrap(), &format!("value-number-{n}"));
    }
    let pem = "-----BEGIN PRIVATE KEY-----\nMAMCAQAwAwIBAA==\n-----END PRIVATE KEY-----\n";
    local.set("pem", Secret::of_text(pem.as_bytes().to_vec()).unwrap(), 1).unwrap();
    register.refresh(1).unwrap();
    assert!(!found(&register, 1).iter().any(|value| value.contains("PRIVATE KEY")));
}

#[test]
fn one_credential_does_not_take_the_room_of_all_others() {
    let folder = tempfile::tempdir().unwrap();
    let register = Register::with_room(Local::new(folder.path()), 8);
    let of = |name: &str, n: u32| Outstanding { credential: name.to_owned(), ..value(&format!("token-number-{n}"), Some(10)) };
    for n in 0..6 {
        register.note(vec![of("greedy", n)], 1).unwrap();
    }
    assert!(matches!(register.note(vec![of("greedy", 6)], 1), Err(LocalError::FullOfLive)));
    register.note(vec![of("modest", 7)], 1).unwrap();
    assert_eq!(found(&register, 1).len(), 7);
}

#[test]
fn a_list_that_was_changed_in_its_middle_is_refused_and_a_value_is_revoked_nevertheless() {
    let folder = tempfile::tempdir().unwrap();
    let (local, register) = (Local::new(folder.path()), Register::new(Local::new(folder.path())));
    local.set("key", secret("some-value-1"), 1).unwrap();
    register.note(vec![value("token-number-1", Some(u64::MAX))], 1).unwrap();
    let first = std::fs::read(folder.path().join("vault.live")).unwrap().len();
    register.note(vec![value("token-number-2", Some(u64::MAX))], 1).unwrap();
    let path = folder.path().join("vault.live");
    let whole = std::fs::read(&path).unwrap();
    // The file is changed in place, so that its owner and mode stay the same.
    let mut bent = whole.clone();
    bent[first - 5] ^= 1;
    std::fs::write(&path, &bent).unwrap();
    assert!(matches!(Register::new(Local::new(folder.path())).refresh(1), Err(LocalError::Sealed(_))));
    assert!(local.revoke("key").is_err(), "the error is returned");
    assert!(matches!(local.get("key"), Err(LocalError::Revoked(_))), "and the value is gone");
    std::fs::write(&path, &whole).unwrap();
    Register::new(Local::new(folder.path())).refresh(1).unwrap();
}

#[test]
fn a_process_sees_what_another_one_kept_meanwhile_and_a_vault_that_is_sealed_anew_keeps_all_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let (one, other) = (Register::new(Local::new(folder.path())), Register::new(Local::new(folder.path())));
    one.note(vec![value("token-number-1", Some(100))], 1).unwrap();
    other.note(vec![value("token-number-2", Some(100))], 1).unwrap();
    one.refresh(1).unwrap();
    assert_eq!(found(&one, 1), ["token-number-1", "token-number-2"]);
    Local::new(folder.path()).rekey(&KeySource::File).unwrap();
    one.note(vec![value("token-number-3", Some(100))], 1).unwrap();
    assert_eq!(next(&folder, 1), ["token-number-1", "token-number-2", "token-number-3"]);
}

#[test]
fn a_file_that_was_cut_off_while_it_was_written_loses_the_last_value_alone_and_a_changed_one_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let register = Register::new(Local::new(folder.path()));
    register.note(vec![value("token-number-1", Some(100))], 1).unwrap();
    register.note(vec![value("token-number-2", Some(100))], 1).unwrap();
    let path = folder.path().join("vault.live");
    let whole = std::fs::read(&path).unwrap();
    std::fs::write(&path, &whole[..whole.len() - 3]).unwrap();
    assert_eq!(next(&folder, 1), ["token-number-1"]);
    let again = Register::new(Local::new(folder.path()));
    again.note(vec![value("token-number-3", Some(100))], 1).unwrap();
    assert_eq!(next(&folder, 1), ["token-number-1", "token-number-3"], "nothing is written after what is broken");
    std::fs::write(&path, b"bailiwick live 1\nsomething else").unwrap();
    assert!(matches!(Register::new(Local::new(folder.path())).refresh(1), Err(LocalError::Sealed(_))));
}

/// Waits until a thread waits for the lock of this file, according to the kernel's table of locks (proc(5)).
fn until_it_waits_for(thread: &std::thread::JoinHandle<()>, file: &std::fs::File) {
    let inode = format!(":{} ", file.metadata().unwrap().ino());
    let waits = |line: &str| line.contains("-> FLOCK") && line.contains(&inode);
    while !std::fs::read_to_string("/proc/locks").unwrap().lines().any(waits) {
        assert!(!thread.is_finished(), "it does not wait");
        std::thread::yield_now();
    }
}

/// Holds the lock of the vault, as another process may do.
#[test]
fn whoever_asks_which_values_there_are_waits_for_no_other_process() {
    let folder = tempfile::tempdir().unwrap();
    let register = Arc::new(Register::new(Local::new(folder.path())));
    register.note(vec![value("token-number-1", Some(100))], 1).unwrap();
    let lock = std::fs::File::open(folder.path().join("vault.lock")).unwrap();
    rustix::fs::flock(&lock, rustix::fs::FlockOperation::LockExclusive).unwrap();
    let (tells, told) = std::sync::mpsc::channel();
    let notes = |text: &'static str| {
        let (register, tells) = (Arc::clone(&register), tells.clone());
        std::thread::spawn(move || {
            register.note(vec![value(text, Some(100))], 1).unwrap();
            tells.send(text.to_owned()).unwrap();
        })
    };
    let noting = notes("token-number-2");
    until_it_waits_for(&noting, &lock);
    let (asks, other) = (Arc::clone(&register), tells.clone());
    let asking = std::thread::spawn(move || found(&asks, 1).into_iter().for_each(|value| other.send(value).unwrap()));
    // A value that is not on disk yet is not in the list.
    let first = told.recv_timeout(std::time::Duration::from_secs(20));
    // A value that was added before needs no disk either.
    let known = notes("token-number-1");
    let second = told.recv_timeout(std::time::Duration::from_secs(20));
    drop(lock);
    [noting, asking, known].into_iter().for_each(|thread| thread.join().unwrap());
    assert_eq!((first.as_deref(), second.as_deref()), (Ok("token-number-1"), Ok("token-number-1")));
    assert_eq!(told.recv().as_deref(), Ok("token-number-2"));
    assert_eq!(next(&folder, 1), ["token-number-1", "token-number-2"]);
}

#[test]
fn a_value_is_among_them_once_it_is_on_disk_and_not_before() {
    let folder = tempfile::tempdir().unwrap();
    let register = Register::new(Local::new(folder.path()));
    register.note(vec![value("token-number-1", Some(100))], 1).unwrap();
    // The file can't be written, because a folder has its name.
    std::fs::remove_file(folder.path().join("vault.live")).unwrap();
    std::fs::create_dir(folder.path().join("vault.live")).unwrap();
    assert!(register.note(vec![value("token-number-2", Some(100))], 1).is_err());
    assert_eq!((found(&register, 1).len(), register.last()), (1, 1));
}

#[test]
fn one_value_for_several_places_and_times_is_one_of_each_place_with_its_longest_time() {
    let folder = tempfile::tempdir().unwrap();
    let register = Register::with_room(Local::new(folder.path()), 4);
    let at = |host: &str, until_s: u64| Outstanding { hosts: vec![host.parse().unwrap()], ..value("token-number-1", Some(until_s)) };
    for (host, until_s) in [("a.test", 10), ("b.test", 30), ("a.test", 20), ("b.test", 5), ("a.test", 20)] {
        register.note(vec![at(host, until_s)], 1).unwrap();
    }
    let lives = |now_s: u64| register.after(0, now_s).iter().map(|it| (it.id, it.value.hosts[0].to_string())).collect::<Vec<_>>();
    assert_eq!(lives(1), [(2, "b.test".to_owned()), (3, "a.test".to_owned())]);
    assert_eq!(lives(20), [(2, "b.test".to_owned())]);
    // An entry that has expired takes no room. One credential may have three of four entries.
    for n in 2..4 {
        register.note(vec![value(&format!("token-number-{n}"), Some(40))], 20).unwrap();
    }
    assert!(matches!(register.note(vec![value("token-number-4", Some(40))], 20), Err(LocalError::FullOfLive)));
    register.note(vec![value("token-number-4", Some(40))], 30).unwrap();
    assert_eq!(register.after(0, 30).len(), 3);
}

#[test]
fn a_value_of_another_process_is_known_although_noting_one_failed_meanwhile() {
    let folder = tempfile::tempdir().unwrap();
    let (here, there) = (Register::new(Local::new(folder.path())), Register::new(Local::new(folder.path())));
    here.note(vec![value("token-of-here", Some(3600))], 1).unwrap();
    there.note(vec![value("token-of-there", Some(3600))], 1).unwrap();
    // So many bytes cause a rewrite of the file, which needs the vault's key.
    let key = folder.path().join("vault.key");
    std::fs::rename(&key, folder.path().join("away")).unwrap();
    let long: Vec<Outstanding> = (0..1200).map(|n| value(&format!("{n:04000}"), Some(3600))).collect();
    here.note(long, 1).unwrap_err();
    std::fs::rename(folder.path().join("away"), &key).unwrap();
    here.refresh(1).unwrap();
    assert_eq!(found(&here, 1), ["token-of-here", "token-of-there"]);
}

#[test]
fn a_register_is_fresh_until_another_process_sets_or_keeps_a_value() {
    let folder = tempfile::tempdir().unwrap();
    let (local, register, other) =
        (Local::new(folder.path()), Register::new(Local::new(folder.path())), Register::new(Local::new(folder.path())));
    register.refresh(1).unwrap();
    assert!(register.is_fresh(), "the control: there are no files");
    other.note(vec![value("token-of-an-hour", Some(3600))], 1).unwrap();
    assert!(!register.is_fresh() && !register.knows(&[value("token-of-an-hour", Some(3600))]));
    register.refresh(1).unwrap();
    assert!(register.knows(&[value("token-of-an-hour", Some(3600))]) && register.knows(&[]));
    assert!(!register.knows(&[value("token-of-an-hour", Some(3601))]), "it is not known for as long");
    local.set("key", secret("value-number-1"), 1).unwrap();
    assert!(!register.is_fresh());
    register.refresh(1).unwrap();
    assert!(!register.is_fresh(), "the vault was changed just now, and could be changed again without a trace");
}
