//! The report of a run, or of its shards, for people: first what the agent claims, then what the host recorded.

use std::collections::BTreeMap;

use gate::{More, Touched, TouchedRefusal, TouchedTotals};
use run::{Evidence, RunReport};
use serde_json::{Value, json};
use vocabulary::record::Touch;
use vocabulary::{Finding, Outcome, SafeText};

use crate::words::{bytes, clock_changed, count, digest, function, many, safe, seconds, severity, short_hex};
use crate::{out, outcome};

/// BOUND: findings that are listed one by one.
const FINDINGS_MAX: usize = 50;
/// BOUND: refusals, hosts and mounts that are listed one by one.
const LINES_MAX: usize = 20;
/// BOUND: bytes of the output that are shown.
const OUTPUT_BYTES_MAX: usize = 600;

/// The lines of the report of a run, or of its shards, safe to print.
pub(crate) fn lines(reports: &[RunReport], shows_output: bool) -> Vec<String> {
    let mut lines: Vec<String> = reports.first().map(|first| begins(first.agent.name.as_str())).into_iter().collect();
    for report in reports {
        lines.push(head(report));
        lines.extend(outcome::words(&report.outcome).map(|words| format!("  {words}")));
        if let Some(broken) = &report.broken {
            lines.push(format!("  {}", safe(&broken.why)));
            lines.push(format!("  help: {}", safe(&broken.help)));
        }
        if let Outcome::Unsettled { acts } = &report.outcome {
            lines.push(format!("  {}", outcome::settle_advice(report.run, acts)));
        }
    }
    let mut findings: Vec<&Finding> = reports.iter().flat_map(|report| &report.claims.findings).collect();
    if reports.len() > 1 {
        findings.sort_by_key(|finding| finding.location.as_ref().map(|location| (&location.uri, location.line, location.column)));
    }
    lines.push(format!("AGENT CLAIMS (unverified)  {}", findings_sum(&findings)));
    lines.extend(finding_lines(findings));
    lines.extend(reports.iter().filter(|report| report.claims.findings_more > 0).map(findings_left_out));
    for output in reports.iter().filter(|_| shows_output).filter_map(|report| report.claims.output.as_ref()) {
        let text = SafeText::new(&output.to_string(), OUTPUT_BYTES_MAX);
        lines.push(format!("  output       {}", unescaped_quotes(text.as_str())));
    }
    lines.push("HOST EVIDENCE".to_owned());
    lines.extend(joint(reports).iter().flat_map(evidence));
    lines.extend(reports.iter().filter_map(left_out));
    lines.extend(reports.iter().flat_map(record));
    lines
}

/// The beginning of the report. No line of a guest can begin like this, since each begins with the guest's name.
fn begins(agent: &str) -> String {
    format!("HOST REPORT. It has no line of the agent: those begin with `{}`", out::mark(agent).trim_end())
}

/// What the shards of a run did together. All of them have the same grants.
fn joint(reports: &[RunReport]) -> Option<Evidence> {
    let mut touched = Touched::default();
    reports.iter().for_each(|report| touched.join(&report.evidence.touched));
    Some(Evidence { touched, ..reports.first()?.evidence.clone() })
}

/// The document of `run --json --shard`.
pub(crate) fn documents(reports: &[RunReport]) -> Value {
    match reports {
        [report] => document(report),
        several => json!({ "shards": several.iter().map(document).collect::<Vec<_>>() }),
    }
}

/// The document of `run --json`: leases and refusals are beside what was touched, and lists of what no agent can touch yet are empty.
fn document(report: &RunReport) -> Value {
    let mut document = json!(report);
    if let Some(evidence) = document.get_mut("evidence").and_then(Value::as_object_mut) {
        let touched = evidence.get_mut("touched").and_then(Value::as_object_mut);
        let beside = touched.map(|touched| {
            touched.insert("agents".to_owned(), json!([]));
            ["leases", "refused"].map(|key| (key.to_owned(), touched.remove(key).unwrap_or_else(|| json!([]))))
        });
        evidence.extend(beside.into_iter().flatten());
    }
    document
}

/// Undoes the doubling of backslashes by `SafeText`: in JSON they are part of the text.
fn unescaped_quotes(text: &str) -> String {
    text.replace("\\\\", "\\")
}

fn head(report: &RunReport) -> String {
    let agent = &report.agent;
    let refused = report.evidence.touched.totals.refusals;
    let refused = if refused == 0 { String::new() } else { format!(", {}", many(refused, "refusal", "refusals")) };
    // A component without a manifest has no version.
    let version = if agent.version.as_str() == "-" { String::new() } else { format!(" {}", agent.version) };
    let waited = if report.waited_ms == 0 { String::new() } else { format!(" ({} suspended)", seconds(report.waited_ms)) };
    format!(
        "{}{version}  {}   run {}   by {}   {}{refused}, {}{waited}",
        agent.name,
        digest(&agent.digest),
        report.run,
        report.by,
        outcome::word(&report.outcome),
        seconds(report.active_ms),
    )
}

fn findings_sum(findings: &[&Finding]) -> String {
    if findings.is_empty() {
        return "no findings".to_owned();
    }
    let mut by_severity = BTreeMap::new();
    for finding in findings {
        *by_severity.entry(std::cmp::Reverse(finding.severity)).or_insert(0_u64) += 1;
    }
    let parts: Vec<String> = by_severity.iter().map(|(level, many)| format!("{} {}", count(*many), severity(level.0))).collect();
    format!("{} ({})", many(findings.len() as u64, "finding", "findings"), parts.join(", "))
}

fn finding_lines(mut sorted: Vec<&Finding>) -> Vec<String> {
    sorted.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    let mut lines: Vec<String> = sorted.iter().take(FINDINGS_MAX).map(|finding| finding_line(finding)).collect();
    lines.extend(more(sorted.len(), FINDINGS_MAX));
    lines
}

fn findings_left_out(report: &RunReport) -> String {
    let more = many(report.claims.findings_more, "finding", "findings");
    format!("  … and {more} that a report has no room for: bailiwick logs {} --json", report.run)
}

/// What was touched but has no row in the report. The report is held in memory; the record has everything.
fn left_out(report: &RunReport) -> Option<String> {
    let More { files, http, refused, .. } = report.evidence.touched.more;
    let parts = [(files, "look", "looks"), (http, "request", "requests"), (refused, "refusal", "refusals")];
    let parts: Vec<String> = parts.iter().filter(|(number, ..)| *number > 0).map(|(number, one, more)| many(*number, one, more)).collect();
    let more = parts.join(", ");
    (!more.is_empty()).then(|| format!("  {:<12} and {more} more: bailiwick audit touched {}", "…", report.run))
}

fn finding_line(finding: &Finding) -> String {
    let mut line = format!("  {:<12} {}", severity(finding.severity), finding.rule);
    if let Some(location) = &finding.location {
        line.push_str(&format!("  {}", location.uri));
        if location.line > 0 {
            line.push_str(&format!(":{}:{}", location.line, location.column));
        }
    }
    line.push_str(&format!("  {}", finding.title));
    if let Some(excerpt) = &finding.excerpt {
        line.push_str(&format!("  {excerpt}"));
    }
    line
}

fn more(all: usize, shown: usize) -> Option<String> {
    let rest = all.saturating_sub(shown);
    (rest > 0).then(|| format!("  … and {} more, with `--json`", count(rest as u64)))
}

fn evidence(evidence: &Evidence) -> Vec<String> {
    let mut lines = files(evidence);
    lines.extend(network(evidence));
    let leases: Vec<String> = leases(evidence);
    let named = if leases.is_empty() { "none".to_owned() } else { leases.join(", ") };
    lines.push(format!("  {:<12} {named}", "credentials"));
    lines.extend(refusals(evidence));
    lines
}

/// Each credential, with how often it was sent, and how often it was asked for but not sent. Each shard has its own lease.
fn leases(evidence: &Evidence) -> Vec<String> {
    let mut by_name: BTreeMap<&str, (u64, u64, bool)> = BTreeMap::new();
    for lease in &evidence.touched.leases {
        let (sent, refused, revoked) = by_name.entry(lease.credential.as_str()).or_default();
        *sent += lease.sent;
        *refused += lease.refused;
        *revoked |= lease.revoked;
    }
    let one = |(name, (sent, refused, revoked)): (&str, (u64, u64, bool))| {
        let refused = if refused > 0 { format!(", {} refused", count(refused)) } else { String::new() };
        let revoked = if revoked { ", revoked" } else { "" };
        let sent = if sent > 0 { format!(" ×{}", count(sent)) } else { ", never sent".to_owned() };
        format!("{}{sent}{refused}{revoked}", safe(name))
    };
    by_name.into_iter().map(one).collect()
}

fn record(report: &RunReport) -> Vec<String> {
    let evidence = &report.evidence;
    let record = &evidence.record;
    let root = record.root.as_ref().map_or_else(|| "unknown".to_owned(), short_hex);
    let entries = many(record.entries, "entry", "entries");
    let mut lines = vec![format!("  {:<12} {entries}, root {root}   bailiwick audit verify", "record")];
    lines.extend(record.clock_changes.iter().map(|change| format!("  {:<12} {}", "clock", clock_changed(change))));
    // A run that is still open is resumed from its record, so the count here does not matter.
    let is_open = matches!(report.outcome, Outcome::Unsettled { .. } | Outcome::RecordBroken);
    if !evidence.resumable && evidence.http_granted && !is_open {
        lines.push("               more was received than is kept, so the run could not have been resumed".to_owned());
    }
    lines
}

fn files(evidence: &Evidence) -> Vec<String> {
    if evidence.mounts.is_empty() {
        return vec![format!("  {:<12} none granted", "files")];
    }
    let mut lines = Vec::new();
    for (at, mount) in evidence.mounts.iter().enumerate().take(LINES_MAX) {
        let sum = Sum::of(&evidence.touched, mount, &evidence.mounts);
        let label = if at == 0 { "files" } else { "" };
        let mount = SafeText::new(mount, 4096);
        lines.push(format!(
            "  {label:<12} {mount}  {} read, {}, {} listed, 0 written",
            count(sum.files),
            bytes(sum.bytes),
            count(sum.listings)
        ));
        if sum.untold > 0 {
            let names = many(sum.untold, "name is", "names are");
            lines.push(format!("               {names} not UTF-8: the agent could not see them"));
        }
    }
    lines.extend(more(evidence.mounts.len(), LINES_MAX));
    lines
}

/// What was touched in one mount.
#[derive(Debug, Default, PartialEq, Eq)]
struct Sum {
    files: u64,
    bytes: u64,
    listings: u64,
    untold: u64,
}

impl Sum {
    fn of(touched: &Touched, mount: &str, mounts: &[String]) -> Self {
        let mut sum = Self::default();
        for file in touched.files.iter().filter(|file| owner(file.path.as_str(), mounts) == Some(mount)) {
            match file.what {
                Touch::File => {
                    sum.files += 1;
                    sum.bytes += file.amount;
                }
                Touch::Listing => {
                    sum.listings += 1;
                    sum.untold += file.untold;
                }
                Touch::Look => {}
            }
        }
        sum
    }
}

/// The mount that a path is in: the longest one that fits.
pub(crate) fn owner<'m>(path: &str, mounts: &'m [String]) -> Option<&'m str> {
    let fits =
        |mount: &&String| path.strip_prefix(mount.trim_end_matches('/')).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    mounts.iter().filter(fits).max_by_key(|mount| mount.len()).map(String::as_str)
}

fn network(evidence: &Evidence) -> Vec<String> {
    let http = &evidence.touched.http;
    let granted = if evidence.http_granted { "" } else { "none granted, " };
    let totals = &evidence.touched.totals;
    let counts = match totals.asked {
        0 => "0 asked".to_owned(),
        asked => {
            let [asked, refused, sent, answered] = [asked, totals.refused, totals.sent, totals.answered].map(count);
            let came_to_nothing = came_to_nothing(totals);
            format!("{asked} asked, {refused} refused, {sent} sent, {answered} answered{came_to_nothing}, {} received", bytes(totals.bytes))
        }
    };
    let mut lines = vec![format!("  {:<12} {granted}{counts}", "network")];
    for one in http.iter().take(LINES_MAX) {
        let statuses: Vec<String> = one.statuses.iter().map(|(status, times)| format!("{status} ×{}", count(*times))).collect();
        let mut line = format!("               {}  {}", one.resource, statuses.join(", "));
        for (number, word) in
            [(one.refused, "refused"), (one.failed, "failed"), (one.unknown, "unknown"), (one.said, "settled as happened")]
        {
            if number > 0 {
                line.push_str(&format!("  {} {word}", count(number)));
            }
        }
        lines.push(line);
    }
    lines.extend(more(rows_and_more(http.len(), evidence.touched.more.http), LINES_MAX));
    lines
}

/// The counts of requests without an answer, in words.
fn came_to_nothing(totals: &TouchedTotals) -> String {
    let counted = [(totals.failed, "failed"), (totals.unknown, "unknown"), (totals.said, "settled as happened")];
    counted.iter().filter(|(number, _)| *number > 0).map(|(number, word)| format!(", {} {word}", count(*number))).collect()
}

fn rows_and_more(rows: usize, more: u64) -> usize {
    rows.saturating_add(usize::try_from(more).unwrap_or(usize::MAX))
}

fn refusals(evidence: &Evidence) -> Vec<String> {
    let refused = &evidence.touched.refused;
    let sum = evidence.touched.totals.refusals;
    if sum == 0 {
        return vec![format!("  {:<12} 0", "refused")];
    }
    let mut lines: Vec<String> = Vec::new();
    for (at, one) in refused.iter().enumerate().take(LINES_MAX) {
        let label = if at == 0 { format!("refused {}", count(sum)) } else { String::new() };
        lines.push(format!("  {label:<12} {}", refusal(one, &evidence.mounts)));
    }
    lines.extend(more(rows_and_more(refused.len(), evidence.touched.more.refused), LINES_MAX));
    lines
}

fn refusal(one: &TouchedRefusal, mounts: &[String]) -> String {
    let times = if one.alike > 1 { format!(" (×{})", count(one.alike)) } else { String::new() };
    let what = in_mount(one, mounts).unwrap_or_else(|| one.resource.to_string());
    format!(
        "{} {what}: {}{times}   bailiwick show {}/{}",
        function(one.function),
        crate::words::reason(&one.reason, &one.resource),
        one.run,
        one.seq
    )
}

/// Shows `/src/../etc/passwd` as `../etc/passwd in /src`. `None` for a path that does not lead into a mount.
fn in_mount(one: &TouchedRefusal, mounts: &[String]) -> Option<String> {
    let resolved = one.resolved.as_ref()?;
    let mount = owner(resolved.as_str(), mounts)?;
    let path = resolved.as_str().strip_prefix(mount.trim_end_matches('/'))?.trim_start_matches('/');
    let mount = SafeText::new(mount, 4096);
    Some(if path.is_empty() { mount.to_string() } else { format!("{path} in {mount}") })
}

#[cfg(test)]
mod tests;
