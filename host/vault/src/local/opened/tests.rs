//! When a vault is at hand, and that every change of its files is seen.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};

use key::KEY_BYTES;
use zeroize::Zeroizing;

use super::super::tests::{CHEAP, PASSPHRASE, home, passphrase, put, secret};
use super::*;
use crate::local::KeySource;
use crate::put::Put;

/// A look at a moment at which every change so far is long ago. Whether the vault is at hand after that.
fn looked_later(vault: &Local) -> bool {
    vault.look_at(disk::now() + Duration::from_secs(3600)).unwrap();
    vault.at_hand().is_some()
}

#[test]
fn a_vault_at_hand_is_not_read_again_and_every_change_of_it_or_its_key_is_seen_at_the_next_look() {
    let home = home();
    let (vault, other) = (Local::new(home.path()), Local::new(home.path()));
    let (file, key) = (home.path().join("vault"), home.path().join("vault.key"));
    assert!(!vault.is_revoked("a").unwrap() && vault.at_hand().is_some(), "a vault that is not there is at hand, too");
    other.set("a", secret("first-value"), 1).unwrap();
    assert!(vault.at_hand().is_none(), "it is there now");
    assert!(looked_later(&vault), "the control: nothing has changed");
    let older = fs::read(&file).unwrap();

    other.set("a", secret("other-value"), 2).unwrap();
    assert!(vault.at_hand().is_none());
    assert_eq!(vault.get("a").unwrap().0.expose(), b"other-value");
    assert!(vault.last().is_none(), "what was read before does not stay in memory");

    assert!(looked_later(&vault));
    put(&file, &older);
    assert!(vault.at_hand().is_none(), "written in place, with as many bytes");
    assert_eq!(vault.get("a").unwrap().0.expose(), b"first-value");

    assert!(looked_later(&vault));
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
    assert!(matches!(vault.get("a"), Err(LocalError::KeyIsOpen(_))));
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();

    assert!(looked_later(&vault));
    fs::set_permissions(&file, fs::Permissions::from_mode(0o604)).unwrap();
    assert!(vault.get("a").is_err(), "others may read it");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();

    assert!(looked_later(&vault));
    let aside = home.path().join("aside");
    fs::rename(&key, &aside).unwrap();
    assert!(matches!(vault.get("a"), Err(LocalError::NoKey { .. })));
    fs::rename(&aside, &key).unwrap();

    assert!(looked_later(&vault));
    other.revoke("a").unwrap();
    assert!(matches!(vault.get("a"), Err(LocalError::Revoked(_))));
}

#[test]
fn the_inode_number_of_a_vault_at_hand_is_given_to_no_other_file() {
    let home = home();
    let (vault, other) = (Local::new(home.path()), Local::new(home.path()));
    other.set("a", secret("first-value"), 1).unwrap();
    assert!(looked_later(&vault));
    let inode = || fs::metadata(home.path().join("vault")).unwrap().ino();
    let kept = vault.last().as_ref().unwrap().file.as_ref().unwrap().metadata().unwrap().ino();
    assert_eq!(kept, inode());
    for n in 2..6 {
        other.set("a", secret(&format!("value-{n}-value")), n).unwrap();
        assert_ne!(kept, inode());
    }
    assert_eq!(vault.last().as_ref().unwrap().file.as_ref().unwrap().metadata().unwrap().nlink(), 0, "it is kept open");
}

#[test]
fn a_vault_that_was_changed_just_now_is_read_again() {
    let home = home();
    let vault = Local::new(home.path());
    vault.set("a", secret("first-value"), 1).unwrap();
    let changed = |name: &str| {
        let found = fs::metadata(home.path().join(name)).unwrap();
        Duration::new(found.ctime().cast_unsigned(), u32::try_from(found.ctime_nsec()).unwrap())
    };
    let second = Duration::from_secs(1);
    let later = changed("vault").max(changed("vault.key"));
    for (now, is_at_hand) in [(Duration::ZERO, false), (later, false), (later + second, false), (later + 2 * second, true)] {
        vault.look_at(now).unwrap();
        assert_eq!(vault.at_hand().is_some(), is_at_hand, "{now:?} of {later:?}");
    }
    // The key was changed just now, and the vault long ago.
    fs::set_permissions(home.path().join("vault.key"), fs::Permissions::from_mode(0o600)).unwrap();
    vault.look_at(changed("vault.key") + second).unwrap();
    assert!(vault.at_hand().is_none());
}

#[test]
fn a_vault_under_a_passphrase_is_at_hand_until_it_is_sealed_anew() {
    let home = home();
    let (vault, other) = (Local::new(home.path()), Local::new(home.path()));
    vault.rekey_at(&passphrase(), CHEAP).unwrap();
    vault.set("a", secret("first-value"), 1).unwrap();
    assert!(looked_later(&vault));
    other.unlock(PASSPHRASE).unwrap();
    other.rekey_at(&KeySource::Passphrase(Zeroizing::new(b"another passphrase of words".to_vec())), CHEAP).unwrap();
    assert!(matches!(vault.get("a"), Err(LocalError::Locked(_))), "its key is not known here");
}

#[test]
fn a_vault_whose_key_is_in_the_key_ring_is_never_at_hand() {
    let home = home();
    let description = format!("bailiwick-vault:{}", home.path().canonicalize().unwrap().display());
    let Some(in_ring) = Put::new(&description, &[7; KEY_BYTES]) else { return };
    let vault = Local::new(home.path());
    vault.rekey(&KeySource::Keyring).unwrap();
    vault.set("a", secret("first-value"), 1).unwrap();
    assert!(!looked_later(&vault));
    drop(in_ring);
    assert!(matches!(vault.get("a"), Err(LocalError::Keyring { .. })));
}
