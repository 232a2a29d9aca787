//! The rows of a sum: one for each object, resource, lease or refusal. Also joins two rows about the same thing.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use vocabulary::record::{Object, Touch};
use vocabulary::{Function, Resource, RunId, SafeText};

/// BOUND: number of addresses that are listed for one resource.
const PEERS_MAX: usize = 16;
/// BOUND: number of old values that are listed for one lease.
const PROBES_MAX: usize = 64;

/// How often something without a row was touched.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct More {
    /// As [`Touched::acts`](super::Touched::acts).
    pub acts: u64,
    /// As [`Touched::files`](super::Touched::files).
    pub files: u64,
    /// As [`Touched::http`](super::Touched::http).
    pub http: u64,
    /// As [`Touched::leases`](super::Touched::leases).
    pub leases: u64,
    /// As [`Touched::own`](super::Touched::own).
    pub own: u64,
    /// As [`Touched::refused`](super::Touched::refused).
    pub refused: u64,
}

/// Totals of requests, whether they have rows or not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TouchedTotals {
    /// Responses that came.
    pub answered: u64,
    /// Requests that the guest asked for, including those that were refused at once and repetitions after a crash.
    pub asked: u64,
    /// Bytes of bodies that the guest got.
    pub bytes: u64,
    /// Requests that certainly did not happen, for another reason than a refusal.
    pub failed: u64,
    /// Requests that were refused: at once, or later because of their address or their credential.
    pub refused: u64,
    /// Refusals of any kind.
    pub refusals: u64,
    /// Requests that a person has settled as happened.
    pub said: u64,
    /// Requests for which something left the host, or may have.
    pub sent: u64,
    /// Bytes of requests that were sent.
    pub sent_bytes: u64,
    /// Requests of which it is unknown whether they happened.
    pub unknown: u64,
}

/// One object of a mount.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TouchedFile {
    /// Bytes read, or names listed.
    pub amount: u64,
    /// The path as the guest saw it.
    pub path: SafeText,
    /// The real path when it was opened, if links led to another place.
    pub real: Option<SafeText>,
    /// How often it was touched.
    pub times: u64,
    /// Number of names in it that are not UTF-8, so that no guest can see them.
    pub untold: u64,
    /// What was done with it.
    pub what: Touch,
}

/// One resource that was asked for under one credential, or under none.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TouchedHttp {
    /// Responses that came.
    pub answered: u64,
    /// How often it was asked for and not refused at once, including repetitions after a crash.
    pub asked: u64,
    /// Bytes of bodies that the guest got.
    pub bytes: u64,
    /// The name of the credential that was sent, or should have been.
    pub credential: Option<String>,
    /// How often it certainly did not happen, for another reason than a refusal: nothing was sent, or a person has settled it so.
    pub failed: u64,
    /// Addresses that were connected to.
    pub peers: Vec<String>,
    /// Asks that were refused after their intent, because of their address or their credential.
    pub refused: u64,
    /// What was asked, without the values in its query.
    pub resource: Resource,
    /// How often its outcome was unknown, and a person has settled it as happened.
    pub said: u64,
    /// How often something left the host, or may have: an intent without an end counts.
    pub sent: u64,
    /// Bytes that were sent: request lines, header fields and bodies.
    pub sent_bytes: u64,
    /// How often each status came.
    pub statuses: BTreeMap<u16, u64>,
    /// Asks of which it is unknown whether they had an effect: a part of them was or may have been sent, and there is no answer.
    pub unknown: u64,
}

/// One run's use of one credential.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TouchedLease {
    /// Number of asks under it.
    pub asked: u64,
    /// The credential's name.
    pub credential: SafeText,
    /// The name of the lease: the run and the credential.
    pub lease: SafeText,
    /// Old values that were tried at their target.
    pub probes: Vec<TouchedProbe>,
    /// Asks under it that were refused, for instance because there was no value.
    pub refused: u64,
    /// Whether it was ended before its run.
    pub revoked: bool,
    /// Requests that were sent with the value, or may have been.
    pub sent: u64,
}

/// An old value that was tried at its target.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TouchedProbe {
    /// Whether it was refused.
    pub refused: bool,
    /// Status of the response; `None` if none came.
    pub status: Option<u16>,
    /// Version of the value.
    pub version: u64,
}

/// One refusal, or several similar ones.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TouchedRefusal {
    /// How many refusals this row stands for.
    pub alike: u64,
    /// The stable code of the reason.
    pub code: String,
    /// The credential that it was about.
    pub credential: Option<String>,
    /// The interface and function that were called.
    pub function: Function,
    /// Whether it was refused only after its intent.
    pub intended: bool,
    /// The reason in words for people.
    pub reason: String,
    /// Where the path leads, if it leads elsewhere than it says.
    pub resolved: Option<SafeText>,
    /// What was asked for, in the guest's words.
    pub resource: Resource,
    /// The run.
    pub run: RunId,
    /// Number in the run of the first refusal that this row stands for.
    pub seq: u64,
}

/// Adds new addresses, up to the bound.
pub(super) fn add_peers(peers: &mut Vec<String>, new: &[String]) {
    for peer in new {
        if peers.len() < PEERS_MAX && !peers.contains(peer) {
            peers.push(peer.clone());
        }
    }
}

impl TouchedFile {
    pub(super) fn of(object: &Object) -> Self {
        let Object { amount, times, untold, what, .. } = *object;
        Self { amount, path: object.path.clone(), real: object.real.clone(), times, untold, what }
    }
}

impl TouchedHttp {
    pub(super) fn new(resource: Resource, credential: Option<String>) -> Self {
        let (peers, statuses) = (Vec::new(), BTreeMap::new());
        Self {
            answered: 0,
            asked: 0,
            bytes: 0,
            credential,
            failed: 0,
            peers,
            refused: 0,
            resource,
            said: 0,
            sent: 0,
            sent_bytes: 0,
            statuses,
            unknown: 0,
        }
    }

    pub(super) fn join(&mut self, other: &Self) {
        self.answered += other.answered;
        self.asked += other.asked;
        self.bytes += other.bytes;
        self.failed += other.failed;
        self.refused += other.refused;
        self.said += other.said;
        self.sent += other.sent;
        self.unknown += other.unknown;
        self.sent_bytes += other.sent_bytes;
        add_peers(&mut self.peers, &other.peers);
        other.statuses.iter().for_each(|(status, times)| *self.statuses.entry(*status).or_default() += times);
    }
}

impl TouchedLease {
    pub(super) fn of(lease: SafeText, credential: SafeText) -> Self {
        Self { asked: 0, credential, lease, probes: Vec::new(), refused: 0, revoked: false, sent: 0 }
    }

    pub(super) fn join(&mut self, other: &Self) {
        self.asked += other.asked;
        self.refused += other.refused;
        self.revoked |= other.revoked;
        self.sent += other.sent;
        let room = PROBES_MAX.saturating_sub(self.probes.len());
        self.probes.extend(other.probes.iter().take(room).cloned());
    }
}

impl TouchedRefusal {
    pub(super) fn is_alike(&self, other: &Self) -> bool {
        (self.run, &self.function, &self.reason, self.intended) == (other.run, &other.function, &other.reason, other.intended)
            && (&self.resource, &self.resolved) == (&other.resource, &other.resolved)
    }
}

impl TouchedTotals {
    pub(super) fn add(&mut self, act: &TouchedHttp) {
        self.answered += act.answered;
        self.asked += act.asked;
        self.bytes += act.bytes;
        self.failed += act.failed;
        self.refused += act.refused;
        self.said += act.said;
        self.sent += act.sent;
        self.sent_bytes += act.sent_bytes;
        self.unknown += act.unknown;
    }

    pub(super) fn and(mut self, other: &Self) -> Self {
        self.answered += other.answered;
        self.asked += other.asked;
        self.bytes += other.bytes;
        self.refused += other.refused;
        self.failed += other.failed;
        self.refusals += other.refusals;
        self.said += other.said;
        self.sent += other.sent;
        self.sent_bytes += other.sent_bytes;
        self.unknown += other.unknown;
        self
    }
}

impl More {
    pub(super) fn and(mut self, other: &Self) -> Self {
        self.acts += other.acts;
        self.files += other.files;
        self.http += other.http;
        self.leases += other.leases;
        self.own += other.own;
        self.refused += other.refused;
        self
    }
}
