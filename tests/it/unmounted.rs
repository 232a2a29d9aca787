//! A disk that is not mounted: the home or its second state seems to be gone. The program says so, and begins nothing anew in its
//! place. A new home, a copy, and a home on a new machine are used.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use run::HomePlace;
use tests::guests::guest;
use tests::program::{Program, config};
use vocabulary::Grants;

use crate::damaged::{ends, ends_at};
use crate::troubles::{InMemory, not_here};

const RUN: [&str; 5] = ["run", "exits-with", "--trust", "--", "0"];

fn program() -> Program {
    Program::new(&config("exits-with", &guest("exits_with"), &Grants::default()))
}

/// A home with a run.
fn ran() -> Program {
    let program = program();
    ends(&program, &["trust"], 0);
    ends(&program, &RUN, 0);
    program
}

fn private_folder(path: &Path) {
    fs::create_dir(path).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o700)).unwrap();
}

fn copied(from: &Path, to: &Path) {
    assert!(std::process::Command::new("cp").arg("-a").args([from, to]).status().unwrap().success());
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn a_state_that_is_gone_is_missed_and_not_begun_anew() {
    let program = ran();
    let (state, away) = (program.place().state.clone(), program.folder().join("away"));
    fs::rename(&state, &away).unwrap();
    for is_there in [true, false] {
        if is_there {
            private_folder(&state);
        }
        for args in [&RUN[..], &["trust"], &["audit", "verify"], &["doctor"], &["doctor", "--home"], &["ps"], &["keys", "rotate", "home"]] {
            let said = ends(&program, args, 6);
            assert!(said.contains("findmnt") && said.contains("accept-rollback") && said.contains("remembered"), "{args:?}: {said}");
        }
        assert!(if is_there { names(&state).is_empty() } else { !state.exists() }, "nothing was begun there");
        if is_there {
            fs::remove_dir(&state).unwrap();
        }
    }
    // The disk is mounted again; and a person may say that it is gone for good.
    fs::rename(&away, &state).unwrap();
    ends(&program, &RUN, 0);
    fs::remove_dir_all(&state).unwrap();
    ends(&program, &["audit", "accept-rollback"], 0);
    ends(&program, &RUN, 0);
    assert!(ends(&program, &["audit", "verify"], 0).contains("WHOLE"));
    // From then on it counts as missing again.
    fs::remove_dir_all(&state).unwrap();
    ends(&program, &RUN, 6);
}

#[test]
fn a_record_that_is_damaged_where_the_state_is_gone_too_can_be_set_right() {
    let program = ran();
    fs::remove_dir_all(&program.place().state).unwrap();
    let segment = program.place().home.join("journal/00000001.seg");
    let mut bytes = fs::read(&segment).unwrap();
    bytes[400] ^= 1;
    fs::write(&segment, bytes).unwrap();
    ends(&program, &RUN, 6);
    ends(&program, &["audit", "reanchor", "--reason", "a bad disk"], 0);
    ends(&program, &RUN, 0);
    assert!(ends(&program, &["audit", "verify"], 0).contains("WHOLE"));
}

#[test]
fn a_home_that_is_not_mounted_is_not_begun_anew_and_that_is_said_first() {
    let program = ran();
    let (home, away) = (program.place().home.clone(), program.folder().join("away"));
    fs::rename(&home, &away).unwrap();
    for is_there in [true, false] {
        if is_there {
            private_folder(&home);
        }
        for args in [&RUN[..], &["run", "exits-with", "--", "0"], &["trust"], &["ps"], &["audit", "verify"], &["doctor"]] {
            let said = ends(&program, args, 6);
            assert!(said.contains("findmnt") && said.contains(&home.display().to_string()), "{args:?}: {said}");
        }
        assert!(if is_there { names(&home).iter().all(|name| name == "components") } else { true }, "{:?}", names(&home));
        let _ = fs::remove_dir_all(&home);
    }
    // A mount point often belongs to root, and everybody may read it.
    private_folder(&home);
    fs::set_permissions(&home, fs::Permissions::from_mode(0o755)).unwrap();
    let said = ends(&program, &["ps"], 2);
    assert!(said.contains("if a disk belongs there, mount that first (`findmnt`): the folder is empty"), "{said}");
    fs::remove_dir(&home).unwrap();
    fs::rename(&away, &home).unwrap();
    ends(&program, &["run", "exits-with", "--", "0"], 0);
}

/// The control: nothing was lost in any of these cases.
#[test]
fn what_is_new_or_a_copy_or_was_put_back_is_used_without_a_word() {
    let program = program();
    // The first run on a new machine, with and without folders.
    for (number, is_there) in [false, true].into_iter().enumerate() {
        let folder = program.folder().join(format!("new{number}"));
        fs::create_dir(&folder).unwrap();
        let place = HomePlace { home: folder.join("home"), state: folder.join("state") };
        if is_there {
            private_folder(&place.home);
            private_folder(&place.state);
        }
        ends_at(&program, &place, &RUN, 0);
    }
    ends(&program, &RUN, 0);
    // A copy in another place, with another state folder.
    let copy = HomePlace { home: program.folder().join("copy"), state: program.folder().join("copy-state") };
    copied(&program.place().home, &copy.home);
    ends_at(&program, &copy, &RUN, 0);
    // A home that was restored from a backup, on a machine without second state of it.
    let backup = program.folder().join("monday");
    ends(&program, &["backup", backup.to_str().unwrap()], 0);
    fs::remove_dir_all(&program.place().home).unwrap();
    fs::remove_dir_all(&program.place().state).unwrap();
    ends(&program, &["restore", backup.to_str().unwrap()], 0);
    ends(&program, &RUN, 0);
}

#[test]
fn a_backup_is_put_back_onto_a_disk_of_its_own() {
    let program = ran();
    let backup = program.folder().join("monday");
    ends(&program, &["backup", backup.to_str().unwrap()], 0);
    let there = program.folder().join("there");
    private_folder(&there);
    let place = HomePlace { home: there.join("home"), state: there.join("state") };
    let Some(disk) = InMemory::at(&place.home, "64m") else { return not_here("this user may not mount") };
    for has_lost_found in [false, true] {
        if has_lost_found {
            private_folder(&place.home.join("lost+found"));
        }
        ends_at(&program, &place, &["restore", backup.to_str().unwrap()], 0);
        assert_eq!(names(&there), ["home"], "nothing beside it");
        ends_at(&program, &place, &RUN, 0);
        assert!(ends_at(&program, &place, &["audit", "verify"], 0).contains("WHOLE"));
        ends_at(&program, &place, &["backup", there.join("again").to_str().unwrap()], 0);
        assert!(ends_at(&program, &place, &["restore", backup.to_str().unwrap()], 2).contains("is not empty"));
        for name in names(&place.home) {
            let path = place.home.join(name);
            if path.is_dir() { fs::remove_dir_all(path).unwrap() } else { fs::remove_file(path).unwrap() }
        }
        fs::remove_dir_all(&place.state).unwrap();
        fs::remove_file(there.join("again")).unwrap();
    }
    // A disk without enough space is left unchanged.
    disk.remount("size=20k");
    let said = ends_at(&program, &place, &["restore", backup.to_str().unwrap()], 1);
    assert!(said.contains("no space left on the file system at `") && names(&place.home).is_empty(), "{said}: {:?}", names(&place.home));
}

/// Like a new disk whose file system has a `lost+found`; the folder above belongs to another user.
#[test]
fn a_backup_is_put_back_into_a_folder_that_can_not_be_replaced() {
    let program = ran();
    let backup = program.folder().join("monday");
    ends(&program, &["backup", backup.to_str().unwrap()], 0);
    let place = HomePlace { home: program.folder().join("there"), state: program.folder().join("there-state") };
    private_folder(&place.home);
    private_folder(&place.home.join("lost+found"));
    ends_at(&program, &place, &["restore", backup.to_str().unwrap()], 0);
    assert!(names(&place.home).contains(&"lost+found".to_owned()) && !names(&place.home).contains(&"restoring".to_owned()));
    ends_at(&program, &place, &RUN, 0);
    // Files that a person has put there meanwhile stay.
    let other = HomePlace { home: program.folder().join("other"), state: program.folder().join("other-state") };
    private_folder(&other.home);
    private_folder(&other.home.join("lost+found"));
    fs::write(other.home.join("mine"), "mine").unwrap();
    fs::set_permissions(other.home.join("mine"), fs::Permissions::from_mode(0o600)).unwrap();
    assert!(ends_at(&program, &other, &["restore", backup.to_str().unwrap()], 2).contains("is not empty"));
    private_folder(&other.home.join("restoring"));
    fs::write(other.home.join("restoring/mine"), "mine").unwrap();
    assert!(ends_at(&program, &other, &["restore", backup.to_str().unwrap()], 2).contains("restoring` is not empty"));
    assert_eq!(names(&other.home), ["lost+found", "mine", "restoring"]);
}
