//! The part of a report that shows control: for each credential, what it was for, how often it was used, how its lease ended, and whether its
//! old value was tried; for each approval, who voted, when, and on what exactly.

use std::collections::BTreeMap;

use gate::{TouchedApproval, TouchedApprovalState, TouchedLease, TouchedProbe, TouchedVote};
use run::{Evidence, Scope};
use vocabulary::Vote;

use super::LINES_MAX;
use crate::words::{count, safe, short_hex, utc};

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
pub(crate) fn probed(probe: &TouchedProbe) -> String {
    let status = probe.status.map_or_else(|| "no answer".to_owned(), |status| status.to_string());
    if probe.refused {
        format!("version {} refused with {status}", probe.version)
    } else {
        format!("version {} NOT REFUSED: {status}", probe.version)
    }
}

/// The lines about approvals; none if nothing had to be approved.
pub(super) fn approvals(evidence: &Evidence) -> Vec<String> {
    let mut lines = Vec::new();
    for (at, one) in evidence.touched.approvals.iter().enumerate().take(LINES_MAX) {
        let label = if at == 0 { "approvals" } else { "" };
        lines.push(format!("  {label:<12} {} in {}: {}", one.resource, one.environment, state(one)));
        let because: Vec<String> = one.policies.iter().map(|policy| policy.id.to_string()).collect();
        let digest = short_hex(&one.digest);
        lines.push(format!("{:15}needs {}, because of {}; digest {digest}", "", needs(one), because.join(", ")));
        lines.extend(one.votes.iter().map(|vote| format!("{:15}{}", "", voted(vote))));
    }
    let all = usize::try_from(evidence.touched.more.approvals).unwrap_or(usize::MAX).saturating_add(evidence.touched.approvals.len());
    lines.extend(super::more(all, LINES_MAX));
    lines
}

/// What became of an approval, and when it was used.
pub(crate) fn state(one: &TouchedApproval) -> String {
    let used = one.used_ms.map_or_else(String::new, |at| format!(" at {} UTC", utc(at)));
    match one.state {
        TouchedApprovalState::Used => format!("approved, and used{used}"),
        state => state.as_str().to_owned(),
    }
}

/// The groups that had to approve.
pub(crate) fn needs(one: &TouchedApproval) -> String {
    let needs: Vec<String> = one.groups.iter().map(|need| format!("{} of {}", need.quorum, safe(&need.group))).collect();
    needs.join(" and ")
}

/// A vote: who, what, when, how.
pub(crate) fn voted(vote: &TouchedVote) -> String {
    let what = match vote.vote {
        Vote::Approve => "approved",
        Vote::Reject => "rejected",
    };
    let how = vote.key.as_ref().map_or_else(|| "not signed".to_owned(), |key| format!("signed with {key}"));
    let reason = if vote.reason.is_empty() { String::new() } else { format!(": {}", vote.reason) };
    format!("{} {what} it at {} UTC, {how}{reason}", vote.person, utc(vote.at))
}
