//! The bindings, generated from the project's `wit/`, and the only place where they meet this crate's own types.
//!
//! Not for authors: `agent!` needs it to be reachable. Every conversion names each field and each case, so a change in
//! the contract does not compile until it has been mirrored.

use crate::{Refusal, RefusalCode, findings};

#[expect(clippy::mem_forget, reason = "generated: what the canonical ABI hands over is not dropped")]
mod generated {
    wit_bindgen::generate!({
        path: "../../wit",
        world: "agent-world",
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
