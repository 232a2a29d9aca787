//! The findings of a run as SARIF 2.1.0, for tools that show or collect them: the agent's claims, with their place on the record.
//!
//! All fields of a finding were bounded and escaped when the agent reported it.

use std::collections::{BTreeMap, BTreeSet};

use run::RunReport;
use serde_json::{Value, json};
use vocabulary::{Capability, Finding, Location, Outcome, SafeText, Severity};

use crate::outcome;
use crate::report::owner;
use crate::words::many;

const SCHEMA: &str = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json";

/// The document of a run, or of all shards of a run, which appear as one run.
pub(crate) fn document(reports: &[RunReport]) -> Value {
    json!({ "$schema": SCHEMA, "version": "2.1.0", "runs": reports.first().map(|first| run(first, reports)).as_slice() })
}

fn run(first: &RunReport, reports: &[RunReport]) -> Value {
    let findings: Vec<&Finding> = reports.iter().flat_map(|report| &report.claims.findings).collect();
    let rules: BTreeMap<&str, &Finding> = findings.iter().rev().map(|finding| (finding.rule.as_str(), *finding)).collect();
    let order: Vec<&str> = rules.keys().copied().collect();
    let results = findings.iter().map(|finding| result(finding, &order, &first.evidence.mounts));
    let mut run = json!({
        "tool": { "driver": driver(first, rules.values().copied()) },
        "automationDetails": { "id": format!("{}/{}", first.agent.name, first.run) },
        "columnKind": "unicodeCodePoints",
        "invocations": [invocation(reports)],
        "results": results.collect::<Vec<_>>(),
        "properties": {
            "unverified": "findings are the agent's claims; what it touched is on the record of the runs",
            "component": first.agent.digest,
            "findingsLeftOut": reports.iter().map(|report| report.claims.findings_more).sum::<u64>(),
            "runs": reports.iter().map(on_record).collect::<Vec<_>>(),
        },
    });
    let taxonomies = taxonomies(&findings);
    if !taxonomies.is_empty()
        && let Some(run) = run.as_object_mut()
    {
        run.insert("taxonomies".to_owned(), Value::Array(taxonomies));
    }
    run
}

/// Whether everything was searched, and what was not searched. If something is listed here, a document without findings does not mean that
/// there are none.
fn invocation(reports: &[RunReport]) -> Value {
    let notifications: Vec<Value> = reports.iter().flat_map(not_searched).collect();
    let done = reports.iter().all(|report| report.outcome == Outcome::Done);
    json!({ "executionSuccessful": done, "toolExecutionNotifications": notifications })
}

fn not_searched(report: &RunReport) -> Vec<Value> {
    let mounts = &report.evidence.mounts;
    let notification = |level: &str, text: String| json!({ "level": level, "message": { "text": text } });
    let at = |uri: &SafeText, text: String| {
        let location = Location { column: 0, line: 0, uri: uri.clone() };
        json!({ "level": "warning", "message": { "text": text }, "locations": [{ "physicalLocation": physical(&location, mounts) }] })
    };
    let ended = outcome::words(&report.outcome).map(|words| notification("error", format!("run {} ended early: {words}", report.run)));
    let refused = report.evidence.touched.refused.iter().filter(|one| one.function.capability() == Capability::Files);
    let refused = refused.map(|one| at(&one.resource.line(), format!("not searched: {} (×{})", one.reason, one.alike)));
    let untold = report.evidence.touched.files.iter().filter(|file| file.untold > 0);
    let untold = untold.map(|file| at(&file.path, format!("not searched: {} that are not UTF-8", many(file.untold, "name", "names"))));
    ended.into_iter().chain(refused).chain(untold).collect()
}

/// The place of a run on the record.
fn on_record(report: &RunReport) -> Value {
    let record = &report.evidence.record;
    json!({ "run": report.run, "first": record.first, "last": record.last, "root": record.root })
}

fn driver<'a>(report: &RunReport, rules: impl Iterator<Item = &'a Finding>) -> Value {
    let rule = |finding: &Finding| {
        json!({
            "id": finding.rule,
            "shortDescription": { "text": finding.title },
            "defaultConfiguration": { "level": level(finding.severity) },
        })
    };
    let mut driver = json!({ "name": report.agent.name, "rules": rules.map(rule).collect::<Vec<_>>() });
    // A component without a manifest has no version.
    if report.agent.version.as_str() != "-"
        && let Some(driver) = driver.as_object_mut()
    {
        driver.insert("version".to_owned(), json!(report.agent.version));
    }
    driver
}

fn result(finding: &Finding, rules: &[&str], mounts: &[String]) -> Value {
    let mut result = json!({
        "ruleId": finding.rule,
        "ruleIndex": rules.binary_search(&finding.rule.as_str()).unwrap_or_default(),
        "level": level(finding.severity),
        "message": { "text": message(finding) },
        "properties": { "severity": finding.severity, "evidence": finding.evidence },
    });
    let Some(fields) = result.as_object_mut() else { return result };
    if let Some(location) = &finding.location {
        fields.insert("locations".to_owned(), json!([{ "physicalLocation": physical(location, mounts) }]));
    }
    if !finding.fingerprint.as_str().is_empty() {
        fields.insert("partialFingerprints".to_owned(), json!({ "bailiwickFinding/v1": finding.fingerprint }));
    }
    let taxa: Vec<Value> = finding.taxa.iter().filter_map(|taxon| split(taxon.as_str())).map(reference).collect();
    if !taxa.is_empty() {
        fields.insert("taxa".to_owned(), Value::Array(taxa));
    }
    result
}

fn message(finding: &Finding) -> String {
    match &finding.excerpt {
        Some(excerpt) => format!("{}: {excerpt}", finding.title),
        None => finding.title.to_string(),
    }
}

/// A path relative to its mount, since tools know the folder but not the path of the mount for the agent; a URL unchanged.
fn physical(location: &Location, mounts: &[String]) -> Value {
    let uri = location.uri.as_str();
    let below = owner(uri, mounts).and_then(|mount| uri.strip_prefix(mount.trim_end_matches('/')));
    let uri = below.map_or_else(|| quoted(uri, b":?#[]@!$&'()*+,;="), |path| quoted(path.trim_start_matches('/'), b""));
    let mut physical = json!({ "artifactLocation": { "uri": uri } });
    if location.line > 0
        && let Some(physical) = physical.as_object_mut()
    {
        let mut region = json!({ "startLine": location.line });
        if location.column > 0
            && let Some(region) = region.as_object_mut()
        {
            region.insert("startColumn".to_owned(), json!(location.column));
        }
        physical.insert("region".to_owned(), region);
    }
    physical
}

/// RFC 3986: everything except unreserved characters, slashes and the characters in `besides` is written as `%XX`.
fn quoted(text: &str, besides: &[u8]) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/%".contains(&byte) || besides.contains(&byte);
    text.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Info => "note",
        Severity::Low | Severity::Medium => "warning",
        Severity::High | Severity::Critical => "error",
    }
}

/// Splits `cwe:CWE-798` into its two parts.
fn split(taxon: &str) -> Option<(&str, &str)> {
    taxon.split_once(':')
}

fn reference((scheme, id): (&str, &str)) -> Value {
    json!({ "id": id, "toolComponent": { "name": scheme.to_ascii_uppercase() } })
}

/// The taxonomies that the findings refer to, each once.
fn taxonomies(findings: &[&Finding]) -> Vec<Value> {
    let mut all: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
    for (scheme, id) in findings.iter().flat_map(|finding| &finding.taxa).filter_map(|taxon| split(taxon.as_str())) {
        all.entry(scheme.to_ascii_uppercase()).or_default().insert(id);
    }
    let taxonomy = |(name, ids): (String, BTreeSet<&str>)| json!({ "name": name, "taxa": ids.into_iter().map(|id| json!({ "id": id })).collect::<Vec<_>>() });
    all.into_iter().map(taxonomy).collect()
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn a_path_becomes_a_reference_and_a_url_stays_one() {
        assert_eq!(quoted("a b/ä?.txt", b""), "a%20b/%C3%A4%3F.txt");
        assert_eq!(quoted("http://a.test:80/x?y", b":?"), "http://a.test:80/x?y");
    }
}
