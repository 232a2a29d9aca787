//! Another log or other keys replace those of a home: this is noticed before anything is made or overwritten.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::kit::{bodies, check, copy, open_with, put, run, sample, segment, small};
use crate::{Inspection, OpenError, accept_rollback, check_unmade, inspect, log_run, state_path};

struct Homes {
    home: PathBuf,
    other: PathBuf,
    state: PathBuf,
    folder: tempfile::TempDir,
}

/// A home, and another home beside it.
fn homes() -> Homes {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let homes = Homes { home: at("home"), other: at("other"), state: at("state"), folder };
    sample(&homes.home, Some(&homes.state));
    sample(&homes.other, Some(&homes.state));
    homes
}

/// The content of a home, without the lock, which an inspection makes.
fn content(home: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut all = BTreeMap::new();
    let mut folders = vec![home.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if entry.is_dir() {
                folders.push(entry);
            } else if entry.file_name().unwrap() != "lock" {
                all.insert(entry.clone(), fs::read(entry).unwrap());
            }
        }
    }
    all
}

impl Homes {
    /// Checks that opening and inspecting are refused with the same error, and change nothing.
    #[track_caller]
    fn refused(&self) -> OpenError {
        let before = content(&self.home);
        let inspected = inspect(&self.home, Some(&self.state)).unwrap_err();
        let opened = open_with(&self.home, Some(&self.state), small()).unwrap_err();
        assert_eq!(inspected.to_string(), opened.to_string());
        assert_eq!(content(&self.home), before, "{opened}");
        opened
    }

    fn put_in(&self, names: &[&str]) {
        for name in names {
            let (from, to) = (self.other.join(name), self.home.join(name));
            if from.is_dir() {
                fs::remove_dir_all(&to).unwrap();
                copy(&from, &to);
            } else {
                fs::copy(from, to).unwrap();
            }
        }
    }
}

#[test]
fn a_home_that_was_removed_and_begun_anew_is_noticed_before_a_key_is_made() {
    let homes = homes();
    let was = check(&homes.home, None).log.unwrap();
    fs::remove_dir_all(&homes.home).unwrap();
    assert!(matches!(inspect(&homes.home, Some(&homes.state)), Err(OpenError::OtherLog { size: Some(5), now: None, .. })));
    let refused = open_with(&homes.home, Some(&homes.state), small()).unwrap_err();
    let OpenError::OtherLog { was: named, size: Some(5), now: None, .. } = refused else { panic!("{refused}") };
    assert_eq!(named, was);
    assert!(!homes.home.join("journal.key").exists() && !homes.home.join("home.key").exists());
    // The control: nothing is remembered of a home at another path.
    assert!(open_with(&homes.folder.path().join("third"), Some(&homes.state), small()).is_ok());
    let accepted = accept_rollback(&homes.home, Some(&homes.state), small(), |accepted| {
        format!("{} of {}", accepted.was.unwrap().size, accepted.was_log.unwrap()).into_bytes()
    });
    assert_eq!(accepted.unwrap().was_log, Some(was));
    assert_eq!(bodies(&homes.home), [format!("5 of {was}")]);
    let (journal, _) = open_with(&homes.home, Some(&homes.state), small()).unwrap();
    put(&journal, log_run(), "it goes on");
    assert!(state_path(&homes.state, was).exists(), "what is known of the earlier log stays known");
}

#[test]
fn the_log_and_the_keys_of_another_home_are_noticed() {
    let homes = homes();
    let was = check(&homes.home, None).log;
    homes.put_in(&["journal", "journal.key", "journal.pub", "home.key", "keys", "journal.index"]);
    let refused = homes.refused();
    assert!(matches!(&refused, OpenError::OtherLog { was: named, size: Some(5), now: Some(_), .. } if Some(*named) == was), "{refused}");
    accept_rollback(&homes.home, Some(&homes.state), small(), |_| b"accepted".to_vec()).unwrap();
    let (journal, _) = open_with(&homes.home, Some(&homes.state), small()).unwrap();
    put(&journal, run(2), "it goes on");
}

#[test]
fn the_public_key_is_not_overwritten_by_that_of_a_wrong_key() {
    for with_public in [true, false] {
        let homes = homes();
        homes.put_in(&["journal.key"]);
        if !with_public {
            fs::remove_file(homes.home.join("journal.pub")).unwrap();
        }
        let (log, of) = (check(&homes.other, None).log.unwrap(), was(&homes));
        let refused = homes.refused();
        assert!(matches!(&refused, OpenError::KeyOfOtherLog { log: key, of: here, .. } if (*key, *here) == (log, of)), "{refused}");
    }
    // The control: a public half that does not belong to the key is derived again.
    let homes = homes();
    homes.put_in(&["journal.pub"]);
    assert!(open_with(&homes.home, Some(&homes.state), small()).is_ok());
    assert!(check(&homes.home, None).holds());
}

fn was(homes: &Homes) -> crate::LogId {
    crate::Reader::open(&homes.home).unwrap().log()
}

#[test]
fn keys_that_are_lost_or_of_another_home_are_said_before_anything_is_written() {
    type Is = fn(&OpenError) -> bool;
    let cases: [(&[&str], &[&str], Is); 5] = [
        (&["home.key"], &[], |err| matches!(err, OpenError::Key { path } if path.ends_with("home.key"))),
        (&["journal.key"], &[], |err| matches!(err, OpenError::Key { path } if path.ends_with("journal.key"))),
        (&["keys"], &[], |err| matches!(err, OpenError::KeysGone { known: 1, .. })),
        (&[], &["home.key"], |err| matches!(err, OpenError::KeyOpensNothing { .. })),
        (&[], &["keys"], |err| matches!(err, OpenError::KeyOpensNothing { .. })),
    ];
    for (removed, foreign, is) in cases {
        for with_index in [true, false] {
            let homes = homes();
            if !with_index {
                fs::remove_file(homes.home.join("journal.index")).unwrap();
            }
            removed.iter().for_each(|name| fs::remove_file(homes.home.join(name)).unwrap());
            homes.put_in(foreign);
            let refused = homes.refused();
            assert!(is(&refused), "{removed:?} {foreign:?}: {refused}");
        }
    }
}

#[test]
fn a_home_goes_on_without_the_keys_of_runs_when_that_is_accepted() {
    for lost in [&["keys"][..], &["keys", "home.key"]] {
        let homes = homes();
        lost.iter().for_each(|name| fs::remove_file(homes.home.join(name)).unwrap());
        homes.refused();
        accept_rollback(&homes.home, Some(&homes.state), small(), |_| b"accepted".to_vec()).unwrap();
        let (journal, opened) = open_with(&homes.home, Some(&homes.state), small()).unwrap();
        assert!(opened.lacking.is_empty());
        // No slot is used again.
        journal.open_run_key(run(7)).unwrap();
        put(&journal, run(7), "with a key");
        journal.close().unwrap();
        assert_eq!(fs::metadata(homes.home.join("keys")).unwrap().len(), 256);
    }
}

#[test]
fn a_copy_that_lacks_the_last_keys_opens_and_says_so() {
    let homes = homes();
    let (journal, _) = open_with(&homes.home, Some(&homes.state), small()).unwrap();
    journal.open_run_key(run(5)).unwrap();
    journal.append(run(5), b"five".to_vec(), vec![b"sealed".to_vec().into()]).unwrap().ticket.wait_blocking().unwrap();
    journal.close().unwrap();
    fs::OpenOptions::new().write(true).open(homes.home.join("keys")).unwrap().set_len(128).unwrap();
    assert_eq!(inspect(&homes.home, Some(&homes.state)).unwrap(), Inspection::Opens { size: 6, keys_lacking: 1 });
    let (_, opened) = open_with(&homes.home, Some(&homes.state), small()).unwrap();
    assert_eq!(opened.lacking, [run(5)]);
}

#[test]
fn what_was_remembered_of_the_log_that_a_home_had_is_missed_when_it_is_gone() {
    let homes = homes();
    fs::remove_file(state_path(&homes.state, was(&homes))).unwrap();
    let refused = homes.refused();
    assert!(matches!(refused, OpenError::StateUnreadable { .. }), "{refused}");
    accept_rollback(&homes.home, Some(&homes.state), small(), |_| b"accepted".to_vec()).unwrap();
    assert!(open_with(&homes.home, Some(&homes.state), small()).is_ok());
}

#[test]
fn second_state_that_is_gone_altogether_is_missed_where_the_home_was_used_before() {
    for is_made_anew in [false, true] {
        let homes = homes();
        fs::remove_dir_all(&homes.state).unwrap();
        if is_made_anew {
            home::make_folder(&homes.state).unwrap();
        }
        let refused = homes.refused();
        assert!(matches!(refused, OpenError::StateUnreadable { .. }), "{refused}");
        assert!(inspect(&homes.home, Some(&homes.state)).is_err() && check_unmade(&homes.home, &homes.state).is_err() != is_made_anew);
        // The control: in another place, or without the file `used`, nothing is known to have been remembered, so nothing is missing.
        let elsewhere = homes.home.with_file_name("elsewhere");
        fs::rename(&homes.home, &elsewhere).unwrap();
        assert!(open_with(&elsewhere, Some(&homes.state), small()).is_ok());
        let homes = self::homes();
        fs::remove_dir_all(&homes.state).unwrap();
        fs::remove_file(homes.home.join("used")).unwrap();
        assert!(open_with(&homes.home, Some(&homes.state), small()).is_ok());
    }
}

#[test]
fn a_log_that_is_gone_is_missed_though_only_one_thing_knows_of_it() {
    // The folder of the log is gone or empty.
    for known in ["keys", "journal.index", "state"] {
        let homes = homes();
        fs::remove_file(segment(&homes.home, 1)).unwrap();
        for other in ["keys", "journal.index"].iter().filter(|name| **name != known) {
            fs::remove_file(homes.home.join(other)).unwrap();
        }
        if known != "state" {
            fs::remove_dir_all(&homes.state).unwrap();
        }
        let inspected = inspect(&homes.home, Some(&homes.state));
        assert!(inspected.is_err(), "{known}: {inspected:?}");
        let opened = open_with(&homes.home, Some(&homes.state), small());
        assert!(opened.is_err(), "{known}");
    }
}
