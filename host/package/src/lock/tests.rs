//! Claims about the lock.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

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
        let accepted = Accepted { authority, by: "alice".to_owned(), when: 1 };
        let mut lock = AcceptanceLock::load(&config).unwrap();
        lock.accept(&config, name, accepted.clone()).unwrap();
        let back = AcceptanceLock::load(&config).unwrap();
        assert_eq!(back.accepted(name), Some(&accepted));
        assert_eq!(back.accepted(name).unwrap().digest().unwrap(), accepted.digest().unwrap());
    }
    let text = std::fs::read_to_string(path(&config)).unwrap();
    let here = folder.path().canonicalize().unwrap().display().to_string();
    assert!(!text.contains(&here), "nothing hangs on where the checkout lies: {text}");
    let mut lock = AcceptanceLock::load(&config).unwrap();
    assert!(lock.forget(&config, "probe").unwrap() && !lock.forget(&config, "probe").unwrap());
    assert!(AcceptanceLock::load(&config).unwrap().accepted("probe").is_none());
}

#[test]
fn a_lock_that_is_broken_accepts_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (config, _) = whole(folder.path(), EVERYTHING);
    assert!(AcceptanceLock::load(&config).unwrap().agents().next().is_none(), "one that is not there pins nobody");
    for bad in ["agents = 1\n", "[agents.x]\nby = \"a\"\n", "other = 1\n"] {
        std::fs::write(path(&config), bad).unwrap();
        assert!(matches!(AcceptanceLock::load(&config), Err(LockError::Broken { .. })), "{bad}");
    }
    std::fs::write(path(&config), b"\xff").unwrap();
    assert!(matches!(AcceptanceLock::load(&config), Err(LockError::NotText(_))));
    std::fs::remove_file(path(&config)).unwrap();
    rustix::fs::mknodat(rustix::fs::CWD, path(&config), rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
    assert!(matches!(AcceptanceLock::load(&config), Err(LockError::File(_))), "nobody waits for a pipe");
}
