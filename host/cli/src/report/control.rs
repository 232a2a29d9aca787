//! The part of a report that shows control over credentials: what each was for, how often it was used, how its lease ended, and whether its old
//! value was tried.

use std::collections::BTreeMap;

use super::LINES_MAX;
use crate::words::{count, safe};
use gate::{TouchedLease, TouchedProbe};
use run::{Evidence, Scope};

/// The lines about credentials.
pub(super) fn credentials(evidence: &Evidence) -> Vec<String> {
    let leases = leases(evidence);
    let named = if leases.is_empty() { "none".to_owned() } else { leases.join(", ") };
    let mut lines = vec![format!("  {:<12} {named}", "credentials")];
    let tried = evidence.touched.leases.iter().filter(|lease| !lease.probes.is_empty());
    lines.extend(tried.take(LINES_MAX).map(|lease| format!("{:15}{}", "", rotated(evidence, lease))));
    lines
}

/// Each credential, with how often it was sent, and how often it was asked for but not sent. Each shard has its own lease.
fn leases(evidence: &Evidence) -> Vec<String> {
    let mut by_name: BTreeMap<&str, (u64, u64, bool)> = BTreeMap::new();
    let rotated = |name: &str| evidence.touched.leases.iter().any(|lease| lease.credential.as_str() == name && !lease.probes.is_empty());
    for lease in &evidence.touched.leases {
        let (sent, refused, revoked) = by_name.entry(lease.credential.as_str()).or_default();
        *sent += lease.sent;
        *refused += lease.refused;
        *revoked |= lease.revoked;
    }
    let one = |(name, (sent, refused, revoked)): (&str, (u64, u64, bool))| {
        let refused = if refused > 0 { format!(", {} refused", count(refused)) } else { String::new() };
        let revoked = if revoked { ", revoked" } else { "" };
        let sent = match sent {
            // It was sent, but by the host itself.
            0 if rotated(name) => ", rotated".to_owned(),
            0 => ", never sent".to_owned(),
            sent => format!(" ×{}", count(sent)),
        };
        format!("{}{sent}{refused}{revoked}", safe(name))
    };
    by_name.into_iter().map(one).collect()
}

/// A credential that was rotated: what it is for, whether its lease ended early, and what became of its old values.
fn rotated(evidence: &Evidence, lease: &TouchedLease) -> String {
    let scope = evidence.credentials.iter().find(|scope| scope.credential == lease.credential.as_str());
    let scope = scope.map_or_else(String::new, |scope| format!(" {},", scoped(scope)));
    let ended = if lease.revoked { "revoked during the run" } else { "ended with the run" };
    let own: u64 = evidence.touched.own.iter().filter(|own| own.credential == lease.credential).map(|own| own.asked).sum();
    let probes: Vec<String> = lease.probes.iter().map(probed).collect();
    format!("{}:{scope} used by the host ×{}, lease {ended}, {}", lease.credential, count(own), probes.join(", "))
}

fn scoped(scope: &Scope) -> String {
    let hosts: Vec<String> = scope.hosts.iter().map(|host| safe(host)).collect();
    let place = scope.environment.as_ref().map_or_else(String::new, |name| format!(" in {}", safe(name)));
    format!("for {}{place}", hosts.join(", "))
}

/// What became of an old value.
fn probed(probe: &TouchedProbe) -> String {
    let status = probe.status.map_or_else(|| "no answer".to_owned(), |status| status.to_string());
    if probe.refused {
        format!("version {} refused with {status}", probe.version)
    } else {
        format!("version {} NOT REFUSED: {status}", probe.version)
    }
}
