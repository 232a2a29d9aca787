//! The bindings, generated from the project's `wit/`, and all conversions between them and this crate's own types.
//!
//! This module is public only because `agent!` needs it; authors do not use it. Every conversion names each field and each case, so a
//! change of the WIT text does not compile until it has been mirrored.

use crate::{Refusal, RefusalCode, credentials, findings};

#[expect(clippy::mem_forget, reason = "generated: what the canonical ABI hands over is not dropped")]
mod generated {
    wit_bindgen::generate!({
        path: "../../wit",
        world: "agent-with-credentials",
        pub_export_macro: true,
        default_bindings_module: "bailiwick_sdk::wire",
        generate_unused_types: true,
    });
}

pub use generated::bailiwick::agent::types::Failure;
pub use generated::{bailiwick, export, exports};

#[must_use]
pub fn failure(failure: crate::Failure) -> Failure {
    let crate::Failure { code, message } = failure;
    Failure { code, message }
}

pub(crate) fn report(finding: findings::Finding) -> Result<(), Refusal> {
    use bailiwick::agent::findings::{Finding, Location, Taxon, report};
    let findings::Finding { rule, severity, title, location, excerpt, evidence, taxa, fingerprint } = finding;
    report(&Finding {
        rule,
        severity: severity_wire(severity),
        title,
        location: location.map(|findings::Location { uri, line, column }| Location { uri, line, column }),
        excerpt,
        evidence,
        taxa: taxa.into_iter().map(|findings::Taxon { scheme, id }| Taxon { scheme, id }).collect(),
        fingerprint,
    })
    .map_err(refusal)
}

fn severity_wire(severity: findings::Severity) -> bailiwick::agent::findings::Severity {
    use bailiwick::agent::findings::Severity;
    match severity {
        findings::Severity::Info => Severity::Info,
        findings::Severity::Low => Severity::Low,
        findings::Severity::Medium => Severity::Medium,
        findings::Severity::High => Severity::High,
        findings::Severity::Critical => Severity::Critical,
    }
}

fn refusal(refusal: bailiwick::agent::types::Refusal) -> Refusal {
    use bailiwick::agent::types::RefusalCode as Code;
    let bailiwick::agent::types::Refusal { code, hint } = refusal;
    let code = match code {
        Code::NotGranted => RefusalCode::NotGranted,
        Code::Malformed => RefusalCode::Malformed,
        Code::OverLimit => RefusalCode::OverLimit,
    };
    Refusal { code, hint }
}

pub(crate) fn granted() -> Vec<credentials::Credential> {
    use bailiwick::agent::credentials::{Credential, granted};
    let mirrored = |Credential { name, kind, hosts, may }| credentials::Credential { name, kind, hosts, may };
    granted().into_iter().map(mirrored).collect()
}

pub(crate) fn identify(value: &str) -> Result<Option<credentials::Identified>, Refusal> {
    use bailiwick::agent::credentials::{Identified, identify};
    let mirrored = |Identified { name, version }| credentials::Identified { name, version };
    identify(value).map(|found| found.map(mirrored)).map_err(refusal)
}

pub(crate) fn rotation_create(name: &str) -> Result<u64, Refusal> {
    bailiwick::agent::credentials::rotation_create(name).map_err(refusal)
}

pub(crate) fn rotation_set(name: &str) -> Result<credentials::Tried, Refusal> {
    bailiwick::agent::credentials::rotation_set(name).map(tried).map_err(refusal)
}

pub(crate) fn rotation_test(name: &str) -> Result<credentials::Tried, Refusal> {
    bailiwick::agent::credentials::rotation_test(name).map(tried).map_err(refusal)
}

fn tried(bailiwick::agent::credentials::Tried { accepted, status }: bailiwick::agent::credentials::Tried) -> credentials::Tried {
    credentials::Tried { accepted, status }
}

pub(crate) fn rotation_finish(name: &str) -> Result<credentials::Rotated, Refusal> {
    use bailiwick::agent::credentials::{Rotated, rotation_finish};
    let mirrored = |Rotated { version, old_refused, status }| credentials::Rotated { version, old_refused, status };
    rotation_finish(name).map(mirrored).map_err(refusal)
}
