//! Rotating the keys of a home: if it is cut off at any change of a file, the next opening completes or undoes it.

use std::path::Path;
use std::sync::Arc;

use vocabulary::record::{KeyRotated, Record, RecordKind, RotatedKey, VERSION};
use vocabulary::{Principal, RunId, SafeText};

use super::kit::{Failing, Failure, Hasty};
use crate::disk::Disk;
use crate::key_paths::public_path;
use crate::keys::load_public;
use crate::open::open_on;
use crate::rotate::rotate_on;
use crate::rotations::{self, KeyRotation};
use crate::{Keep, LogId, OpenError, Options, Payload, PublicKey, Reader, kept, verify};

fn record(rotation: &KeyRotation) -> Vec<u8> {
    let text = |text: &str| SafeText::new(text, 256);
    let record = KeyRotated {
        at: 1,
        by: Principal::new(0, None),
        from: rotation.from,
        key: rotation.key,
        kind: RecordKind::KeyRotated,
        link: rotation.link.as_deref().map(text),
        now: text(&rotation.now),
        under: rotation.under,
        v: VERSION,
        was: text(&rotation.was),
    };
    Record::from(record).to_bytes()
}

fn run() -> RunId {
    RunId::from_bytes([5; 16])
}

fn options() -> Options {
    Options { segment_bytes: 1 << 20, ..Options::default() }
}

fn hasty() -> Arc<dyn Disk> {
    Arc::new(Hasty)
}

/// Makes a home with a run that has a payload, and returns its public key.
fn made(home: &Path) -> PublicKey {
    let (journal, _) = open_on(hasty(), home, None, options()).unwrap();
    journal.open_run_key(run()).unwrap();
    journal.append(run(), b"{}".to_vec(), vec![Payload(b"sealed".to_vec())]).unwrap().ticket.wait_blocking().unwrap();
    journal.close().unwrap();
    load_public(home).unwrap()
}

/// Checks that the home continues, verifies with its first key, and opens its payload.
fn goes_on(home: &Path, first: &PublicKey, what: &str) {
    let (journal, opened) = open_on(hasty(), home, None, options()).unwrap_or_else(|err| unreachable!("{what}: {err:?}"));
    assert_eq!(opened.log, first.log(), "{what}: the log keeps its name");
    journal.append(run(), b"{}".to_vec(), Vec::new()).unwrap().ticket.wait_blocking().unwrap();
    journal.close().unwrap();
    let report = verify(home, Some(first), None, &mut |_| {});
    assert!(report.holds(), "{what}: {:?}", report.fault);
    let reader = Reader::open(home).unwrap();
    let sealed = reader.of_run(run()).next().unwrap().unwrap();
    assert_eq!(reader.payload(&sealed, 0).unwrap(), b"sealed", "{what}");
    let left =
        std::fs::read_dir(home).unwrap().map(|entry| entry.unwrap().file_name()).filter(|name| name.to_string_lossy().ends_with(".next"));
    assert_eq!(left.count(), 0, "{what}");
}

#[test]
fn cut_off_at_any_change_of_a_file_a_rotation_is_completed_or_taken_back() {
    for key in [RotatedKey::Journal, RotatedKey::Home] {
        let (mut completed, mut taken_back) = (0, 0);
        for at in 0.. {
            let dir = tempfile::tempdir().unwrap();
            let first = made(dir.path());
            let (key_before, what) = (std::fs::read(dir.path().join("home.key")).unwrap(), format!("{key:?} failing at {at}"));
            let disk = Failing::new(at, Failure::Io);
            let done = rotate_on(&(disk.clone() as Arc<dyn Disk>), (dir.path(), None), (key, &Keep::AsNow), options(), record);
            copied_without_its_new_key(dir.path(), key, &what);
            goes_on(dir.path(), &first, &what);
            let is_new = match key {
                RotatedKey::Journal => load_public(dir.path()).unwrap().rotations() == 1,
                RotatedKey::Home => std::fs::read(dir.path().join("home.key")).unwrap() != key_before,
            };
            assert!(done.is_err() || is_new, "{what}: it was said to be done");
            if is_new {
                completed += 1
            } else {
                taken_back += 1
            }
            if !disk.failed() {
                assert!(done.is_ok() && is_new, "{what}: the control");
                break;
            }
        }
        assert!(completed > 1 && taken_back > 1, "{key:?}: {completed} completed, {taken_back} taken back");
    }
}

/// Copies a home whose rotation was cut off, without the waiting new key. If the record names the new key, the old key must be refused.
fn copied_without_its_new_key(home: &Path, key: RotatedKey, what: &str) {
    let copy = tempfile::tempdir().unwrap();
    assert!(std::process::Command::new("cp").arg("-a").arg(home).arg(copy.path().join("home")).status().unwrap().success());
    let copy = copy.path().join("home");
    let is_next = copy.join(if key == RotatedKey::Journal { "journal.key.next" } else { "home.key.next" }).exists();
    for name in ["journal.key.next", "home.key.next", "keys.next", "journal.index"] {
        let _ = std::fs::remove_file(copy.join(name));
    }
    let is_recorded = !rotations::rotations(&copy).is_empty();
    let opened = open_on(hasty(), &copy, None, options()).map(|(journal, _)| journal.close().unwrap());
    match opened {
        Ok(()) => assert!(!is_recorded || !is_next, "{what}: a key that was rotated out goes on"),
        Err(OpenError::Fault(crate::LogFault { what: crate::FaultKind::KeyNotHere { .. }, .. })) => {
            assert!(is_recorded && is_next, "{what}")
        }
        Err(OpenError::OtherHomeKey { .. } | OpenError::KeyOpensNothing { .. } | OpenError::Key { .. }) => {
            assert!(is_recorded && is_next, "{what}");
        }
        Err(err) => unreachable!("{what}: {err:?}"),
    }
}

#[test]
fn an_old_key_of_the_home_that_was_put_back_with_its_keys_of_runs_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let first = made(dir.path());
    let files = || ["home.key", "keys"].map(|name| (dir.path().join(name), std::fs::read(dir.path().join(name)).unwrap()));
    let put = |files: &[(std::path::PathBuf, Vec<u8>)]| files.iter().for_each(|(path, bytes)| std::fs::write(path, bytes).unwrap());
    let old = files();
    rotate_on(&hasty(), (dir.path(), None), (RotatedKey::Home, &Keep::AsNow), options(), record).unwrap();
    goes_on(dir.path(), &first, "rotated");
    let new = files();
    put(&old);
    assert!(matches!(open_on(hasty(), dir.path(), None, options()), Err(OpenError::OtherHomeKey { .. })));
    let state = tempfile::tempdir().unwrap();
    let keys = crate::verify_home(dir.path(), state.path(), None, &mut |_| {}).unwrap().keys;
    assert!(keys.as_ref().is_some_and(|keys| keys.contains("not the one that the record names")), "{keys:?}");
    put(&new);
    assert_eq!(crate::verify_home(dir.path(), state.path(), None, &mut |_| {}).unwrap().keys, None);
    goes_on(dir.path(), &first, "the control");
    // Both keys are lost and a person accepts that: another key of the home is made, and is used from then on.
    new.iter().for_each(|(path, _)| std::fs::remove_file(path).unwrap());
    assert!(open_on(hasty(), dir.path(), None, options()).is_err());
    let accepted = |it: &crate::AcceptedRollback| {
        let (at, by, kind) = (1, Principal::new(0, None), RecordKind::RollbackAccepted);
        let (now_root, now_size) = (it.now.root, it.now.size);
        let record = vocabulary::record::RollbackAccepted {
            at,
            by,
            kind,
            now_root,
            now_size,
            v: VERSION,
            was_home: None,
            was_log: None,
            was_root: None,
            was_size: None,
        };
        Record::from(record).to_bytes()
    };
    crate::accept_rollback(dir.path(), Some(state.path()), options(), accepted).unwrap();
    std::fs::remove_file(dir.path().join("journal.index")).unwrap();
    open_on(hasty(), dir.path(), None, options()).unwrap().0.close().unwrap();
}

#[test]
fn keys_are_followed_from_the_first_on_and_from_no_other() {
    let dir = tempfile::tempdir().unwrap();
    let first = made(dir.path());
    for key in [RotatedKey::Journal, RotatedKey::Home, RotatedKey::Journal] {
        rotate_on(&hasty(), (dir.path(), None), (key, &Keep::AsNow), options(), record).unwrap();
        goes_on(dir.path(), &first, "rotated");
    }
    let all = load_public(dir.path()).unwrap();
    assert_eq!((all.rotations(), all.to_string().parse::<PublicKey>()), (2, Ok(all.clone())));
    let newest: PublicKey = all.newest().parse().unwrap();
    assert!(verify(dir.path(), Some(&newest), None, &mut |_| {}).holds(), "by the last key alone, with those beside the log");
    // If the file of public keys is missing, the keys come from the record.
    let lines = std::fs::read(public_path(dir.path())).unwrap();
    std::fs::remove_file(public_path(dir.path())).unwrap();
    assert!(verify(dir.path(), Some(&first), None, &mut |_| {}).holds());
    goes_on(dir.path(), &first, "the file of public keys is derived");
    assert_eq!(std::fs::read(public_path(dir.path())).unwrap(), lines);
    // A chain is refused if the previous key did not sign a link, if a size was changed, or if a line was removed.
    let text = all.to_string();
    let (one, rest) = text.split_once('\n').unwrap();
    let (_, last) = rest.split_once('\n').unwrap();
    let digit = text.rfind('0').or(text.rfind('1')).unwrap();
    let mut flipped = text.clone();
    flipped.replace_range(digit..=digit, "f");
    for forged in [format!("{one}\n{last}"), text.replacen(" from ", " from 1", 1), flipped] {
        assert!(forged.parse::<PublicKey>().is_err(), "{forged}");
    }
    // The key of another log is refused.
    let other = tempfile::tempdir().unwrap();
    let others = made(other.path());
    assert!(!verify(dir.path(), Some(&others), None, &mut |_| {}).holds());
    assert_ne!(others.log(), LogId::from_bytes([0; 16]));
}

#[test]
fn an_old_key_that_was_put_back_signs_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let first = made(dir.path());
    let old = std::fs::read(dir.path().join("journal.key")).unwrap();
    rotate_on(&hasty(), (dir.path(), None), (RotatedKey::Journal, &Keep::AsNow), options(), record).unwrap();
    goes_on(dir.path(), &first, "rotated");
    let new = std::fs::read(dir.path().join("journal.key")).unwrap();
    std::fs::write(dir.path().join("journal.key"), old).unwrap();
    assert!(open_on(hasty(), dir.path(), None, options()).is_err());
    std::fs::write(dir.path().join("journal.key"), new).unwrap();
    goes_on(dir.path(), &first, "the control");
}

/// A path for the key under which both keys of a home are sealed, in another folder.
fn elsewhere() -> (tempfile::TempDir, std::path::PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().canonicalize().unwrap().join("wrapping.key");
    (folder, file)
}

#[test]
fn cut_off_while_it_is_sealed_under_a_file_a_key_is_open_or_sealed_and_is_put_right_without_that_file() {
    for key in [RotatedKey::Journal, RotatedKey::Home] {
        let (mut sealed, mut as_before) = (0, 0);
        for at in 0.. {
            let (dir, (_folder, file)) = (tempfile::tempdir().unwrap(), elsewhere());
            let first = made(dir.path());
            let (disk, what) = (Failing::new(at, Failure::Io), format!("{key:?} failing at {at}"));
            let keep = Keep::UnderFile(file.clone());
            let done = rotate_on(&(disk.clone() as Arc<dyn Disk>), (dir.path(), None), (key, &keep), options(), record);
            // The disk with the file is gone: the rotation is settled nevertheless, and no key is made in that place.
            let away = file.with_file_name("away");
            let was_made = std::fs::rename(&file, &away).is_ok();
            let opened = open_on(hasty(), dir.path(), None, options()).map(|(journal, _)| journal.close().unwrap());
            let is_sealed = kept(dir.path()).unwrap().iter().any(Option::is_some);
            match opened {
                Ok(()) => assert!(!is_sealed, "{what}: opened without its key"),
                Err(OpenError::KeySealed { .. }) => assert!(is_sealed, "{what}"),
                Err(err) => unreachable!("{what}: {err:?}"),
            }
            assert!(!dir.path().join("journal.key.next").exists() && !dir.path().join("home.key.next").exists(), "{what}: left over");
            if was_made {
                std::fs::rename(&away, &file).unwrap();
            }
            goes_on(dir.path(), &first, &what);
            assert!(done.is_err() || is_sealed, "{what}: it was said to be done");
            if is_sealed {
                sealed += 1
            } else {
                as_before += 1
            }
            if !disk.failed() {
                assert!(done.is_ok(), "{what}: the control");
                break;
            }
        }
        assert!(sealed > 1 && as_before > 1, "{key:?}: {sealed} sealed, {as_before} as before");
    }
}

#[test]
fn a_key_stays_sealed_until_it_is_said_otherwise_and_no_other_key_opens_it() {
    let (dir, (_folder, file)) = (tempfile::tempdir().unwrap(), elsewhere());
    let first = made(dir.path());
    let both = [RotatedKey::Journal, RotatedKey::Home];
    let rotated = |keep: &Keep| {
        for key in both {
            rotate_on(&hasty(), (dir.path(), None), (key, keep), options(), record).unwrap();
        }
        goes_on(dir.path(), &first, "rotated");
        kept(dir.path()).unwrap()
    };
    let under = Some(key::Under::File(file.clone()));
    assert_eq!(rotated(&Keep::UnderFile(file.clone())), [under.clone(), under.clone()]);
    assert_eq!(rotated(&Keep::AsNow), [under.clone(), under]);
    let right = std::fs::read(&file).unwrap();
    let files = || ["journal.key", "home.key", "keys"].map(|name| std::fs::read(dir.path().join(name)).unwrap());
    let before = files();
    for wrong in [vec![9; 32], right[..31].to_vec(), Vec::new()] {
        std::fs::write(&file, wrong).unwrap();
        let opened = open_on(hasty(), dir.path(), None, options());
        assert!(matches!(opened, Err(OpenError::KeySealed { .. })));
        assert!(both.iter().all(|key| rotate_on(&hasty(), (dir.path(), None), (*key, &Keep::InHome), options(), record).is_err()));
    }
    // A sealed key does not open if its name or place was changed.
    std::fs::write(&file, &right).unwrap();
    for name in ["journal.key", "home.key"] {
        let path = dir.path().join(name);
        let text = std::fs::read_to_string(&path).unwrap();
        let renamed = text.replacen("name ", "name x", 1);
        let elsewhere = text.replacen(file.to_str().unwrap(), file.with_file_name("copy").to_str().unwrap(), 1);
        std::fs::write(file.with_file_name("copy"), &right).unwrap();
        std::fs::set_permissions(file.with_file_name("copy"), std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        for changed in [renamed, elsewhere, text.replacen("sealed ", "sealed 00", 2), format!("{text}more\n")] {
            std::fs::write(&path, changed).unwrap();
            let opened = open_on(hasty(), dir.path(), None, options());
            assert!(matches!(opened, Err(OpenError::KeySealed { .. } | OpenError::Key { .. })), "{name}");
        }
        std::fs::write(&path, text).unwrap();
    }
    assert_eq!(files(), before);
    assert_eq!(rotated(&Keep::InHome), [None, None]);
}

#[test]
fn between_the_last_two_steps_the_waiting_key_is_asked_for_and_nothing_is_called_broken() {
    let (dir, (_folder, file)) = (tempfile::tempdir().unwrap(), elsewhere());
    let first = made(dir.path());
    let state = tempfile::tempdir().unwrap();
    let mut seen = 0;
    for at in 0.. {
        let copy = tempfile::tempdir().unwrap();
        assert!(std::process::Command::new("cp").arg("-a").arg(dir.path()).arg(copy.path().join("home")).status().unwrap().success());
        let home = copy.path().join("home");
        let disk = Failing::new(at, Failure::Io);
        let keep = Keep::UnderFile(file.clone());
        let done = rotate_on(&(disk.clone() as Arc<dyn Disk>), (&home, None), (RotatedKey::Home, &keep), options(), record);
        if !disk.failed() {
            done.unwrap();
            break;
        }
        if !home.join("keys.next").exists() && home.join("home.key.next").exists() {
            seen += 1;
            let report = crate::verify_home(&home, state.path(), None, &mut |_| {}).unwrap();
            assert!(report.holds(), "{at}: {:?} {:?}", report.fault, report.keys);
            let away = file.with_file_name("away");
            std::fs::rename(&file, &away).unwrap();
            let report = crate::verify_home(&home, state.path(), None, &mut |_| {}).unwrap();
            assert!(report.fault.is_some_and(|fault| fault.unread().is_some_and(|unread| unread.is_sealed)), "{at}: {:?}", report.keys);
            std::fs::rename(&away, &file).unwrap();
            goes_on(&home, &first, "completed");
        }
    }
    assert!(seen > 0);
}

#[test]
fn a_file_for_the_key_is_made_beside_others_and_never_in_their_place() {
    let (dir, (_folder, file)) = (tempfile::tempdir().unwrap(), elsewhere());
    let first = made(dir.path());
    let beside = file.with_extension("new");
    std::fs::write(&beside, "precious").unwrap();
    let rotated =
        |to: &Path| rotate_on(&hasty(), (dir.path(), None), (RotatedKey::Home, &Keep::UnderFile(to.to_owned())), options(), record);
    rotated(&file).unwrap();
    assert_eq!(std::fs::read_to_string(&beside).unwrap(), "precious");
    // A file that exists and can't be used is refused, and stays as it is. A new file that can't be used is removed again.
    let link = file.with_file_name("link");
    std::os::unix::fs::symlink("nowhere", &link).unwrap();
    let line = file.with_file_name("a\nb");
    for unfit in [&beside, &link, &line, &file.with_file_name("no folder").join("key")] {
        let refused = rotated(unfit);
        assert!(matches!(refused, Err(crate::RotateError::NotBegun(OpenError::NotSealed { .. } | OpenError::Io { .. }))), "{refused:?}");
    }
    assert!(!line.exists() && link.is_symlink());
    assert_eq!(std::fs::read_dir(file.parent().unwrap()).unwrap().count(), 3, "nothing is left over");
    goes_on(dir.path(), &first, "the earlier key stays");
}

#[test]
fn the_key_that_opens_those_of_the_home_does_not_lie_in_it() {
    let dir = tempfile::tempdir().unwrap();
    let first = made(dir.path());
    std::os::unix::fs::symlink(dir.path(), dir.path().with_extension("link")).unwrap();
    let link = dir.path().with_extension("link");
    for inside in [dir.path().join("wrapping.key"), dir.path().join("journal/wrapping.key"), link.join("wrapping.key")] {
        let done = rotate_on(&hasty(), (dir.path(), None), (RotatedKey::Home, &Keep::UnderFile(inside.clone())), options(), record);
        assert!(matches!(done, Err(crate::RotateError::NotBegun(OpenError::KeyInHome { .. }))), "{}", inside.display());
        assert!(!inside.exists());
    }
    std::fs::remove_file(link).unwrap();
    goes_on(dir.path(), &first, "nothing was changed");
}
