//! Tests of what is effective.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use vocabulary::{FilesGrant, FilesMode, Grants, HttpGrant, Method, SafeText, Scheme};

use super::{Refused, effective, served, table};
use crate::component::{Import, inspect};
use crate::testing::{AGENT, component, manifest};
use vocabulary::Capability;

fn grants() -> Grants {
    Grants {
        credentials: Vec::new(),
        env: [("LANG".to_owned(), "C".to_owned())].into(),
        files: vec![FilesGrant { guest: "/src".to_owned(), host: "/tmp".into(), mode: FilesMode::Read }],
        http: vec![http(&["GET", "POST"]), http(&["DELETE"])],
        ..Grants::default()
    }
}

fn http(methods: &[&str]) -> HttpGrant {
    HttpGrant {
        credential: None,
        addresses: Vec::new(),
        headers: Vec::new(),
        host: "api.example.com".parse().unwrap(),
        methods: methods.iter().map(|method| Method::new(method).unwrap()).collect(),
        paths: vec!["/**".parse().unwrap()],
        port: None,
        scheme: Scheme::Https,
        until: None,
        within: vocabulary::HttpBounds::default(),
    }
}

fn imports(names: &[&str]) -> Vec<Import> {
    inspect(&component(names, &[AGENT])).unwrap().imports
}

fn name(text: &str) -> SafeText {
    SafeText::new(text, 300)
}

#[test]
fn what_is_granted_and_not_declared_is_not_effective() {
    let all = effective(Some(&manifest(&[Capability::Files, Capability::Http])), &[], &grants()).unwrap();
    assert_eq!(all.grants, grants());
    let files = effective(Some(&manifest(&[Capability::Files])), &[], &grants()).unwrap();
    assert_eq!(files.grants, Grants { http: Vec::new(), ..grants() });
    let none = effective(Some(&manifest(&[])), &[], &grants()).unwrap();
    assert_eq!(none.grants, Grants { env: grants().env, ..Grants::default() });
}

#[test]
fn without_a_manifest_what_was_granted_counts() {
    assert_eq!(effective(None, &[], &grants()).unwrap().grants, grants());
    assert_eq!(effective(None, &[], &Grants::default()).unwrap().grants, Grants::default());
}

#[test]
fn what_is_declared_and_not_granted_is_refused() {
    let refused = effective(Some(&manifest(&[Capability::Files, Capability::Http])), &[], &Grants::default()).unwrap_err();
    let because = |capability| Refused::NotGranted { capability, why: format!("uses {capability}") };
    assert_eq!(refused, [because(Capability::Files), because(Capability::Http)]);
}

#[test]
fn an_agent_that_only_looks_gets_no_method_that_changes() {
    let mut manifest = manifest(&[Capability::Http]);
    manifest.declares[0].read_only = true;
    assert_eq!(effective(Some(&manifest), &[], &grants()).unwrap().grants.http, [http(&["GET"])]);
    let only_delete = Grants { http: vec![http(&["DELETE"])], ..Grants::default() };
    assert_eq!(effective(Some(&manifest), &[], &only_delete).unwrap_err(), [Refused::NothingLeft(Capability::Http)]);
}

#[test]
fn an_import_that_nobody_serves_is_refused_by_name() {
    let unserved =
        ["wasi:keyvalue/store@0.2.0", "plain", "evil:http/types@0.2.0", "wasi:http/incoming-handler@0.2.0", "bailiwick:agent/shell@0.1.0"];
    for import in unserved {
        assert_eq!(effective(None, &imports(&[import]), &grants()).unwrap_err(), [Refused::Unserved(name(import))]);
    }
    for import in [
        "wasi:http/types@9.0.0",
        "wasi:http/types@0.3.0",
        "wasi:http/types@0.2.0-rc-2023-11-10",
        "wasi:http/types",
        "bailiwick:agent/types@0.2.0",
    ] {
        assert_eq!(effective(None, &imports(&[import]), &grants()).unwrap_err(), [Refused::OtherVersion(name(import))]);
    }
    let undo = effective(None, &imports(&["bailiwick:agent/undo@0.1.0"]), &grants()).unwrap_err();
    assert!(matches!(undo[..], [Refused::Later { .. }]));
    let credentials = effective(None, &imports(&["bailiwick:agent/credentials@0.1.0"]), &grants()).unwrap_err();
    assert!(matches!(credentials[..], [Refused::ImportNotGranted(Capability::Credentials)]));
    // While an agent is built, only what is served counts: one that uses credentials could never be built otherwise.
    assert_eq!(served(&imports(&["bailiwick:agent/credentials@0.1.0"])), Ok(()));
    assert_eq!(served(&imports(&["plain"])), Err(vec![Refused::Unserved(name("plain"))]));
}

#[test]
fn wasi_and_claims_are_served_to_everybody() {
    let served = [
        "wasi:http/outgoing-handler@0.2.12",
        "wasi:sockets/tcp@0.2.0",
        "wasi:cli/environment@0.2.99",
        "bailiwick:agent/findings@0.1.0",
        "bailiwick:agent/progress@0.1.7",
    ];
    assert!(effective(None, &imports(&served), &Grants::default()).unwrap().grants.http.is_empty());
}

#[test]
fn every_reason_is_given_at_once() {
    let refused =
        effective(Some(&manifest(&[Capability::Http])), &imports(&["a:b/c@1.0.0", "d:e/f@1.0.0"]), &Grants::default()).unwrap_err();
    assert_eq!(refused.len(), 3);
}

#[test]
fn the_table_shows_the_four_columns() {
    let rows = table(Some(&manifest(&[Capability::Files])), &imports(&["wasi:http/outgoing-handler@0.2.0"]), &grants());
    assert!(!rows[0].imported && rows[1].imported);
    assert_eq!(rows[0].effective, ["read /tmp as /src"]);
    assert_eq!(rows[1].granted, ["GET, POST https://api.example.com:443 /**", "DELETE https://api.example.com:443 /**"]);
    assert_eq!((&rows[1].declared, rows[1].effective.len()), (&None, 0));
}
