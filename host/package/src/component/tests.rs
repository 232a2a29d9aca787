//! Tests of what counts as a component.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use wasm_encoder::{ComponentSection as _, CustomSection, ModuleSection, NestedComponentSection, Section as _};

use super::{ComponentError, ComponentKind, DEPTH_MAX, EXTERNS_MAX, inspect};
use crate::manifest::{self, FrozenError, freeze};
use crate::testing::{AGENT, COMMAND, component, manifest};
use vocabulary::Capability;

#[test]
fn an_agent_and_a_command_are_told_apart() {
    assert_eq!(inspect(&component(&[], &[AGENT])).unwrap().kind, ComponentKind::Agent);
    assert_eq!(inspect(&component(&[], &[COMMAND])).unwrap().kind, ComponentKind::Command);
    assert_eq!(inspect(&component(&[], &[COMMAND, AGENT])).unwrap().kind, ComponentKind::Agent);
    for exports in
        [&[][..], &["bailiwick:agent/agent@0.2.0"], &["wasi:cli/run@0.3.0"], &["bailiwick:agent/agent"], &["wasi:http/run@0.2.0"]]
    {
        assert!(matches!(inspect(&component(&[], exports)), Err(ComponentError::NotCallable)), "{exports:?}");
    }
}

#[test]
fn imports_are_listed_with_their_versions() {
    let bytes = component(&["wasi:http/types@0.2.4", "plain", "wasi:io/poll@0.2.0-rc-1"], &[AGENT]);
    let seen = inspect(&bytes).unwrap();
    let names: Vec<_> =
        seen.imports.iter().map(|import| (import.name.as_str(), import.interface.as_ref().and_then(|name| name.version))).collect();
    assert_eq!(names, [("wasi:http/types@0.2.4", Some((0, 2, 4))), ("plain", None), ("wasi:io/poll@0.2.0-rc-1", None)]);
    assert_eq!(seen.size, bytes.len() as u64);
    assert_eq!(seen.digest, vocabulary::Digest::of(&bytes));
}

#[test]
fn what_is_no_component_is_named_as_what_it_is() {
    let module = wasm_encoder::Module::new().finish();
    assert!(matches!(inspect(&module), Err(ComponentError::CoreModule)));
    for not_wasm in [&b""[..], b"\0asm", b"#!/bin/sh\n", b"\x7fELF\x02\x01\x01\0", b"<html>"] {
        assert!(matches!(inspect(not_wasm), Err(ComponentError::NotWasm | ComponentError::Invalid(_))), "{not_wasm:?}");
    }
}

#[test]
fn a_component_that_ends_early_is_refused_wherever_it_ends() {
    let whole = freeze(&component(&["wasi:io/poll@0.2.0"], &[AGENT]), &manifest(&[Capability::Http])).unwrap();
    let mut admitted = 0;
    for end in 0..whole.len() {
        admitted += usize::from(inspect(&whole[..end]).is_ok());
    }
    // This happens once, where the component ends and its manifest would begin.
    assert_eq!(admitted, 1);
}

#[test]
fn no_change_of_a_byte_makes_it_panic() {
    let whole = freeze(&component(&["wasi:io/poll@0.2.0"], &[AGENT]), &manifest(&[Capability::Http])).unwrap();
    let mut changed = whole.clone();
    for at in 0..whole.len() {
        for byte in 0..=u8::MAX {
            changed[at] = byte;
            let _ = inspect(&changed);
            let _ = manifest::read(&changed);
        }
        changed[at] = whole[at];
    }
}

#[test]
fn more_imports_than_any_toolchain_writes_are_refused_before_they_are_validated() {
    let names: Vec<String> = (0..100_000).map(|n| format!("a:b/c{n}@0.1.0")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    assert!(matches!(inspect(&component(&names, &[AGENT])), Err(ComponentError::TooMuch { what: "imports", .. })));
    assert!(inspect(&component(&names[..EXTERNS_MAX], &[AGENT])).is_ok());
    assert!(matches!(inspect(&component(&[], &names)), Err(ComponentError::TooMuch { what: "exports", .. })));
    let long = format!("a:{}/c@0.1.0", "b".repeat(300));
    assert!(matches!(inspect(&component(&[&long], &[AGENT])), Err(ComponentError::TooMuch { .. })));
}

#[test]
fn components_within_components_have_a_bottom() {
    let mut inner = wasm_encoder::Component::new();
    for _ in 0..=DEPTH_MAX {
        let mut outer = wasm_encoder::Component::new();
        outer.section(&NestedComponentSection(&inner));
        inner = outer;
    }
    assert!(matches!(inspect(&inner.finish()), Err(ComponentError::TooMuch { what: "levels of nesting", .. })));
}

#[test]
fn what_the_engine_has_turned_off_is_refused_here_already() {
    let memory = |memory64, shared| {
        let mut memories = wasm_encoder::MemorySection::new();
        memories.memory(wasm_encoder::MemoryType { minimum: 1, maximum: Some(1), memory64, shared, page_size_log2: None });
        memories
    };
    let within = |memories: &[wasm_encoder::MemorySection]| {
        let mut module = wasm_encoder::Module::new();
        memories.iter().for_each(|memories| {
            module.section(memories);
        });
        let mut bytes = component(&[], &[AGENT]);
        ModuleSection(&module).append_to_component(&mut bytes);
        inspect(&bytes)
    };
    assert!(within(&[memory(false, false)]).is_ok());
    for (memory64, shared) in [(true, false), (false, true)] {
        assert!(matches!(within(&[memory(memory64, shared)]), Err(ComponentError::Invalid(_))));
    }
}

#[test]
fn a_million_empty_sections_are_read_past() {
    let mut bytes = component(&[], &[AGENT]);
    for _ in 0..1_000_000 {
        bytes.extend_from_slice(&[0, 2, 1, b'x']);
    }
    assert!(inspect(&bytes).is_ok());
}

#[test]
fn a_broken_manifest_is_not_taken_for_none() {
    let with = |json: &[u8]| {
        let mut bytes = component(&[], &[AGENT]);
        CustomSection { name: manifest::SECTION.into(), data: json.into() }.append_to(&mut bytes);
        inspect(&bytes)
    };
    assert!(matches!(with(b"{"), Err(ComponentError::Manifest(FrozenError::Json(_)))));
    assert!(matches!(with(&b"[".repeat(500_000)), Err(ComponentError::Manifest(FrozenError::Json(_)))));
    assert!(matches!(with(&b" ".repeat((1 << 20) + 1)), Err(ComponentError::Manifest(FrozenError::TooLarge))));
}
