//! Tests of manifests, as written and as frozen.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::path::Path;

use wasm_encoder::{CustomSection, NestedComponentSection, Section as _};

use super::{AuthoredManifest, FrozenError, SECTION, freeze, read};
use crate::testing::{AGENT, component, manifest};
use vocabulary::Capability;

const GOOD: &str = r#"
[agent]
name = "exposure-probe"
version = "0.1.0"
description = "Looks for what HTTP services show and should not."
[[declares]]
capability = "http"
why = "sends GET and HEAD to the targets in its input"
destructive = false
"#;

fn parse(text: &str) -> Result<AuthoredManifest, String> {
    AuthoredManifest::parse(Path::new("agent.toml"), text).map_err(|err| err.to_string())
}

#[test]
fn what_is_written_is_what_is_frozen() {
    let manifest = parse(GOOD).unwrap().manifest;
    assert_eq!(manifest.declares.len(), 1);
    let frozen = freeze(&component(&[], &[AGENT]), &manifest).unwrap();
    assert_eq!(read(&frozen).unwrap(), Some(manifest.clone()));
    assert_eq!(crate::inspect(&frozen).unwrap().manifest, Some(manifest));
}

#[test]
fn what_is_not_a_manifest_is_named_by_line_and_key() {
    let cases = [
        (GOOD.replace("licence", "x") + "color = 1\n", "agent.toml:10: declares[0].color: is not a key here"),
        (GOOD.replace("exposure-probe", "Exposure"), "agent.toml:3: agent.name: `Exposure` is not a valid agent name"),
        (GOOD.replace("exposure-probe", "../x"), "agent.toml:3: agent.name:"),
        (GOOD.replace("0.1.0", "1"), "agent.toml:4: agent.version:"),
        (GOOD.replace("version = \"0.1.0\"\n", ""), "agent.toml:2: agent.version: is missing"),
        (GOOD.replace("\"http\"", "\"htp\""), "agent.toml:7: declares[0].capability: `htp` is not a capability"),
        (GOOD.replace("\"http\"", "\"approvals\""), "agent.toml:7: declares[0].capability: is not part of this version"),
        (GOOD.replace("false", "1"), "agent.toml:9: declares[0].destructive: must be true or false, not integer"),
        (GOOD.replace("Looks for", "Looks\\u001b[2J"), "agent.toml:5: agent.description: must be one line"),
        (GOOD.replace("destructive = false", "destructive = true\nread-only = true"), "`read-only` and `destructive` exclude each other"),
        (format!("{GOOD}\n[[declares]]\ncapability = \"http\"\nwhy = \"again\"\n"), "declares[1].capability: is declared twice"),
        (GOOD.replace("name =", "name = \"a\"\nname ="), "agent.toml:4: "),
        (format!("{GOOD}\n[build]\npython = \"-o/etc/x\"\n"), "build.python: `-o/etc/x` is not a Python module"),
        ("agent = 1".to_owned(), "agent.toml:1: agent: must be a table"),
    ];
    for (text, said) in cases {
        let err = parse(&text).unwrap_err();
        assert!(err.contains(said), "{err} does not say {said}");
    }
}

#[test]
fn only_the_outermost_level_speaks_for_the_component() {
    let inner = freeze(&component(&[], &[AGENT]), &manifest(&[Capability::Http])).unwrap();
    let mut outer = component(&[], &[AGENT]);
    // A nested component: section 4, its length, its bytes.
    wasm_encoder::RawSection { id: 4, data: &inner }.append_to(&mut outer);
    assert_eq!(read(&outer).unwrap(), None);
    // After a nested component, the reader is back at the outermost level.
    let frozen = freeze(&outer, &manifest(&[])).unwrap();
    assert_eq!(read(&frozen).unwrap(), Some(manifest(&[])));
    let mut empty = wasm_encoder::Component::new();
    empty.section(&NestedComponentSection(&wasm_encoder::Component::new()));
    assert_eq!(read(&empty.finish()).unwrap(), None);
}

#[test]
fn two_manifests_are_none() {
    let mut frozen = freeze(&component(&[], &[AGENT]), &manifest(&[])).unwrap();
    assert!(matches!(freeze(&frozen, &manifest(&[])), Err(FrozenError::Several)));
    CustomSection { name: SECTION.into(), data: b"{}"[..].into() }.append_to(&mut frozen);
    assert!(matches!(read(&frozen), Err(FrozenError::Several)));
}

#[test]
fn a_section_written_by_hand_is_held_to_what_a_file_is_held_to() {
    let good = serde_json::to_value(manifest(&[Capability::Http])).unwrap();
    let cases: [(&str, serde_json::Value); 8] = [
        ("/name", "../../etc".into()),
        ("/version", "x".into()),
        ("/description", "\u{1b}[2J".into()),
        ("/description", "x".repeat(2000).into()),
        ("/declares/0/why", "two\nlines".into()),
        ("/declares/0/capability", "shell".into()),
        ("/declares/0/destructive", serde_json::Value::Null),
        ("/declares", serde_json::json!([good["declares"][0], good["declares"][0]])),
    ];
    for (at, value) in cases {
        let mut bad = good.clone();
        *bad.pointer_mut(at).unwrap() = value;
        let mut bytes = component(&[], &[AGENT]);
        CustomSection { name: SECTION.into(), data: serde_json::to_vec(&bad).unwrap().into() }.append_to(&mut bytes);
        assert!(read(&bytes).is_err(), "{at}");
    }
    let mut more = good;
    more["sudo"] = true.into();
    let mut bytes = component(&[], &[AGENT]);
    CustomSection { name: SECTION.into(), data: serde_json::to_vec(&more).unwrap().into() }.append_to(&mut bytes);
    assert!(matches!(read(&bytes), Err(FrozenError::Json(_))));
}
