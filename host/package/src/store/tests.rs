//! Tests of the store.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::os::unix::fs::PermissionsExt as _;

use vocabulary::Digest;

use super::{StoreError, get, inspect, path, put};
use crate::component::ComponentError;
use crate::testing::{AGENT, component};

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

#[test]
fn what_is_kept_is_not_gone_through_again_and_what_is_not_or_was_changed_is() {
    let home = tempfile::tempdir().unwrap();
    let whole = component(&[], &[AGENT]);
    assert!(!inspect(home.path(), &whole).unwrap().1);
    let digest = put(home.path(), &whole).unwrap();
    assert!(inspect(home.path(), &whole).unwrap().1);
    std::fs::write(path(home.path(), digest), b"evil").unwrap();
    assert!(!inspect(home.path(), &whole).unwrap().1, "it is known only while it is kept");

    // The engine has 64-bit memories turned off, which only validation detects.
    let mut memories = wasm_encoder::MemorySection::new();
    memories.memory(wasm_encoder::MemoryType { minimum: 1, maximum: Some(1), memory64: true, shared: false, page_size_log2: None });
    let mut module = wasm_encoder::Module::new();
    module.section(&memories);
    let mut unfit = whole;
    wasm_encoder::ComponentSection::append_to_component(&wasm_encoder::ModuleSection(&module), &mut unfit);
    assert!(matches!(inspect(home.path(), &unfit), Err(ComponentError::Invalid(_))));
}
