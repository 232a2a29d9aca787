//! Tests of the lock.
#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

use vocabulary::Digest;

use super::{AcceptanceLock, Accepted, LockError, path};
use crate::authority::tests::{EVERYTHING, whole};

#[test]
fn what_was_accepted_comes_back_from_the_lock_as_the_same_value() {
    let folder = tempfile::tempdir().unwrap();
    let (config, whole) = whole(folder.path(), EVERYTHING);
    for (name, authority) in &whole.agents {
        let authority = authority.clone().held_to_component(Digest::of(b"one"), vec!["wasi:io/poll@0.2.0".to_owned()]);
        let authority = authority.held_to_source(Digest::of(b"one"), "rustc".to_owned());
        let accepted = Accepted::new(authority, "alice", 1).unwrap();
        let mut lock = AcceptanceLock::load(&config).unwrap();
        lock.accept(&config, name, accepted.clone()).unwrap();
        let back = AcceptanceLock::load(&config).unwrap();
        assert_eq!(back.accepted(name), Some(&accepted));
        assert_eq!(back.accepted(name).unwrap().authority.digest().unwrap(), accepted.digest);
    }
    let text = std::fs::read_to_string(path(&config)).unwrap();
    let here = folder.path().canonicalize().unwrap().display().to_string();
    assert!(!text.contains(&here), "nothing depends on the path of the checkout: {text}");
    let mut lock = AcceptanceLock::load(&config).unwrap();
    assert!(lock.forget(&config, "probe").unwrap() && !lock.forget(&config, "probe").unwrap());
    assert!(AcceptanceLock::load(&config).unwrap().accepted("probe").is_none());
}

/// A lock with one entry, which names two folders of the project.
fn written(folder: &std::path::Path) -> std::path::PathBuf {
    let (config, whole) = whole(folder, EVERYTHING);
    let mut lock = AcceptanceLock::default();
    lock.accept(&config, "probe", Accepted::new(whole.agents["probe"].clone(), "alice", 1).unwrap()).unwrap();
    config
}

#[test]
fn an_entry_that_was_edited_by_hand_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let config = written(folder.path());
    let good = std::fs::read_to_string(path(&config)).unwrap();
    for (was, now) in [
        ("host = \"src\"", "host = \"../src\""),
        ("host = \"src\"", "host = \"/src\""),
        ("host = \"src\"", "host = \"./src\""),
        ("host = \"src\"", "host = \"Src\""),
        ("durable = true", "durable = false"),
        ("CHOSEN = \"one\"", "CHOSEN = \"two\""),
        ("concurrent = 8", "concurrent = 9"),
    ] {
        assert_eq!(good.matches(was).count(), 1, "{was} in {good}");
        std::fs::write(path(&config), good.replace(was, now)).unwrap();
        let Err(LockError::Altered { agent, .. }) = AcceptanceLock::load(&config) else { panic!("{now} was taken") };
        assert_eq!(agent.as_str(), "probe");
    }
    std::fs::write(path(&config), &good).unwrap();
    assert!(AcceptanceLock::load(&config).unwrap().accepted("probe").is_some(), "the control");
    // The person who accepted it and the time are not part of the authority.
    std::fs::write(path(&config), good.replace("alice", "bob")).unwrap();
    assert!(AcceptanceLock::load(&config).unwrap().accepted("probe").is_some());
}

/// The paths in it would be relative both to the folder of the link and to the folder of the file.
#[test]
fn a_lock_that_is_a_link_to_the_lock_of_another_folder_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (one, other) = (written(&folder.path().join("one")), written(&folder.path().join("other")));
    std::fs::remove_file(path(&other)).unwrap();
    std::os::unix::fs::symlink(path(&one), path(&other)).unwrap();
    let Err(err) = AcceptanceLock::load(&other) else { panic!("the link was followed") };
    assert!(matches!(err, LockError::Link(_)) && err.to_string().contains("is a link"), "{err}");
    // The control: a copy of the file is valid.
    std::fs::remove_file(path(&other)).unwrap();
    std::fs::copy(path(&one), path(&other)).unwrap();
    assert!(AcceptanceLock::load(&other).unwrap().accepted("probe").is_some());
}

#[test]
fn a_lock_that_is_broken_accepts_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (config, _) = whole(folder.path(), EVERYTHING);
    assert!(AcceptanceLock::load(&config).unwrap().agents().next().is_none(), "a lock that does not exist pins no agent");
    for bad in ["agents = 1\n", "[agents.x]\nby = \"a\"\n", "other = 1\n"] {
        std::fs::write(path(&config), bad).unwrap();
        assert!(matches!(AcceptanceLock::load(&config), Err(LockError::Broken { .. })), "{bad}");
    }
    std::fs::write(path(&config), b"\xff").unwrap();
    assert!(matches!(AcceptanceLock::load(&config), Err(LockError::NotText(_))));
    std::fs::remove_file(path(&config)).unwrap();
    rustix::fs::mknodat(rustix::fs::CWD, path(&config), rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
    assert!(matches!(AcceptanceLock::load(&config), Err(LockError::File(_))), "the pipe does not block");
}
