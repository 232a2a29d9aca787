//! Claims about the store.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::os::unix::fs::PermissionsExt as _;

use effect::Digest;

use super::{StoreError, get, path, put};

#[test]
fn what_was_put_is_what_is_handed_back() {
    let home = tempfile::tempdir().unwrap();
    let digest = put(home.path(), b"component").unwrap();
    assert_eq!(put(home.path(), b"component").unwrap(), digest);
    assert_eq!(get(home.path(), digest).unwrap(), b"component");
    assert_eq!(std::fs::metadata(path(home.path(), digest)).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(matches!(get(home.path(), Digest::of(b"other")), Err(StoreError::Absent(_))));
}

#[test]
fn what_was_changed_is_not_handed_back_and_is_mended_by_putting_it_again() {
    let home = tempfile::tempdir().unwrap();
    let digest = put(home.path(), b"component").unwrap();
    std::fs::write(path(home.path(), digest), b"evil").unwrap();
    assert!(matches!(get(home.path(), digest), Err(StoreError::Changed { .. })));
    put(home.path(), b"component").unwrap();
    assert_eq!(get(home.path(), digest).unwrap(), b"component");
}

#[test]
fn nothing_but_the_component_is_left_in_the_folder() {
    let home = tempfile::tempdir().unwrap();
    put(home.path(), b"component").unwrap();
    assert_eq!(std::fs::read_dir(home.path().join("components")).unwrap().count(), 1);
}
