//! Rows for what is not a request of the agent: acts on credentials, and host requests.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use vocabulary::record::{AnswerClass, Answered, HostAnswered, HostAsked, HostPurpose, HttpOutcome, Sent};
use vocabulary::{Resource, SafeText};

use super::row::add_peers;

/// An act on a credential that is not an HTTP request of the agent, for example `set key` or `identify *`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TouchedAct {
    /// How often it was asked for.
    pub asked: u64,
    /// The credential under which it was asked for.
    pub credential: Option<String>,
    /// How often it was done.
    pub done: u64,
    /// How often it was refused after its intent, or failed before it began.
    pub failed: u64,
    /// How often it was not done: it came at the wrong step, the target did not accept it, or a person has settled it so.
    pub not_done: u64,
    /// The step and the credential.
    pub resource: Resource,
    /// How often it is unknown whether it was done.
    pub unknown: u64,
}

/// Host requests for one resource, credential and purpose.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TouchedOwn {
    /// How often it was asked for.
    pub asked: u64,
    /// The credential that it was for.
    pub credential: SafeText,
    /// How often nothing was sent.
    pub failed: u64,
    /// Addresses that were connected to.
    pub peers: Vec<String>,
    /// The purpose of the host request.
    pub purpose: HostPurpose,
    /// Bytes of bodies that arrived.
    pub received: u64,
    /// What was asked, without the values in its query.
    pub resource: Resource,
    /// Bytes that were sent: request lines, header fields and bodies.
    pub sent: u64,
    /// How often each status came.
    pub statuses: BTreeMap<u16, u64>,
    /// How often something was or may have been sent, and no answer came.
    pub unknown: u64,
}

impl TouchedAct {
    pub(super) fn new(resource: Resource, credential: Option<String>) -> Self {
        Self { asked: 0, credential, done: 0, failed: 0, not_done: 0, resource, unknown: 0 }
    }

    pub(super) fn answered(&mut self, answered: &Answered) {
        match answered.class() {
            AnswerClass::Done | AnswerClass::Response => self.done += 1,
            AnswerClass::NotDone => self.not_done += 1,
            // The outcome of an abandoned act is unknown too.
            AnswerClass::Unknown | AnswerClass::Abandoned => self.unknown += 1,
            AnswerClass::RefusedAddress | AnswerClass::RefusedCredential | AnswerClass::RefusedLapsed | AnswerClass::Failed => {
                self.failed += 1
            }
        }
    }

    pub(super) fn join(&mut self, other: &Self) {
        self.asked += other.asked;
        self.done += other.done;
        self.failed += other.failed;
        self.not_done += other.not_done;
        self.unknown += other.unknown;
    }
}

impl TouchedOwn {
    pub(super) fn of(asked: &HostAsked) -> Self {
        let HostAsked { credential, purpose, resource, .. } = asked;
        Self {
            asked: 0,
            credential: credential.clone(),
            failed: 0,
            peers: Vec::new(),
            purpose: *purpose,
            received: 0,
            resource: resource.clone(),
            sent: 0,
            statuses: BTreeMap::new(),
            unknown: 0,
        }
    }

    pub(super) fn answered(&mut self, answered: &HostAnswered) {
        self.received += answered.bytes;
        self.sent += answered.sent.map_or(0, Sent::bytes);
        self.peers.extend(answered.peer.map(|peer| peer.to_string()));
        self.statuses.extend(answered.status.map(|status| (status, 1)));
        let may_have_happened = answered.outcome == HttpOutcome::Unknown || self.sent > 0;
        match answered.outcome {
            HttpOutcome::Response => {}
            _ if may_have_happened => self.unknown += 1,
            _ => self.failed += 1,
        }
    }

    pub(super) fn join(&mut self, other: &Self) {
        self.asked += other.asked;
        self.failed += other.failed;
        self.unknown += other.unknown;
        self.received += other.received;
        self.sent += other.sent;
        add_peers(&mut self.peers, &other.peers);
        other.statuses.iter().for_each(|(status, times)| *self.statuses.entry(*status).or_default() += times);
    }
}
