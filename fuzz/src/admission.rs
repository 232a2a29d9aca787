//! Inspecting a component before any of its code runs.

use std::path::Path;

use package::{AuthoredManifest, Manifest, freeze, inspect};

fn manifest() -> Manifest {
    let text = "[agent]\nname = \"a\"\nversion = \"0.1.0\"\ndescription = \"Does nothing.\"\n";
    AuthoredManifest::parse(Path::new("agent.toml"), text).expect("the manifest is valid").manifest
}

/// Small components: with and without an import, with a component inside, with nothing, a module, and one with a manifest.
pub(crate) fn seeds() -> Vec<Vec<u8>> {
    const RUN: &str = r#"(core module $m (func (export "run") (result i32) i32.const 0)) (core instance $i (instantiate $m))
        (func $run (result (result)) (canon lift (core func $i "run")))
        (instance $e (export "run" (func $run))) (export "wasi:cli/run@0.2.0" (instance $e))"#;
    let texts = [
        format!("(component {RUN})"),
        format!(r#"(component (import "wasi:io/poll@0.2.0" (instance (export "pollable" (type (sub resource))))) {RUN})"#),
        format!("(component (component (component)) {RUN})"),
        "(component)".to_owned(),
        "(module)".to_owned(),
    ];
    let mut seeds: Vec<_> = texts.iter().map(|text| wat::parse_str(text).expect("the text is valid")).collect();
    let frozen = seeds.first().and_then(|bytes| freeze(bytes, &manifest()).ok());
    seeds.extend(frozen);
    seeds
}

/// Inspects the bytes as a component, freezes a manifest into it if it has none, and inspects the result.
///
/// # Panics
/// A component that was accepted loses its manifest, or looks different when it is inspected again.
pub fn admission(bytes: &[u8]) {
    let Ok(component) = inspect(bytes) else { return };
    assert_eq!(component.size, bytes.len() as u64);
    let Some(manifest) = &component.manifest else {
        let Ok(frozen) = freeze(bytes, &manifest()) else { return };
        let again = inspect(&frozen).expect("the component is unchanged except for the manifest");
        assert_eq!(again.imports, component.imports);
        assert_eq!(again.manifest, Some(manifest()));
        return;
    };
    assert!(freeze(bytes, manifest).is_err(), "a second manifest was accepted");
}
