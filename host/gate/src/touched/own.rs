//! Rows for what is not a request of the agent: acts on credentials, and what the host asked on its own behalf.

use std::collections::BTreeMap;

use effect::SafeText;
use effect::record::{AnswerClass, Answered, HostAnswered, HostAsked, HostPurpose, Sent};
use serde::{Deserialize, Serialize};

use super::row::add_peers;

/// One act on one credential that is not a request of the agent's: `set key`, `identify *`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TouchedAct {
    /// How often it was asked for.
    pub asked: u64,
    /// The credential under which it was asked for.
    pub credential: Option<String>,
    /// How often it was done.
    pub done: u64,
    /// How often it was refused after its intent, or its outcome is unknown.
    pub failed: u64,
    /// How often it was not done: it came at the wrong step, or the target did not accept it.
    pub not_done: u64,
    /// The step, and the credential.
    pub resource: SafeText,
}

/// What the host asked on its own behalf.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TouchedOwn {
    /// How often.
    pub asked: u64,
    /// For which credential.
    pub credential: SafeText,
    /// Answers that never came, or failed.
    pub failed: u64,
    /// Addresses that were really spoken to.
    pub peers: Vec<String>,
    /// What for.
    pub purpose: HostPurpose,
    /// Bytes of bodies that arrived.
    pub received: u64,
    /// Method and URL, without the values in its query.
    pub resource: SafeText,
    /// Bytes that were sent: request lines, header fields and bodies.
    pub sent: u64,
    /// How often each status came.
    pub statuses: BTreeMap<u16, u64>,
}

impl TouchedAct {
    pub(super) fn new(resource: SafeText, credential: Option<String>) -> Self {
        Self { asked: 0, credential, done: 0, failed: 0, not_done: 0, resource }
    }

    pub(super) fn answered(&mut self, answered: &Answered) {
        match answered.outcome {
            AnswerClass::Done | AnswerClass::Response => self.done += 1,
            AnswerClass::NotDone => self.not_done += 1,
            AnswerClass::RefusedAddress
            | AnswerClass::RefusedCredential
            | AnswerClass::Failed
            | AnswerClass::Unknown
            | AnswerClass::Abandoned => self.failed += 1,
        }
    }

    pub(super) fn join(&mut self, other: &Self) {
        self.asked += other.asked;
        self.done += other.done;
        self.failed += other.failed;
        self.not_done += other.not_done;
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
        }
    }

    pub(super) fn answered(&mut self, answered: &HostAnswered) {
        self.received += answered.bytes;
        self.sent += answered.sent.map_or(0, Sent::bytes);
        self.peers.extend(answered.peer.map(|peer| peer.to_string()));
        self.statuses.extend(answered.status.map(|status| (status, 1)));
        self.failed += u64::from(answered.outcome != AnswerClass::Response);
    }

    pub(super) fn join(&mut self, other: &Self) {
        self.asked += other.asked;
        self.failed += other.failed;
        self.received += other.received;
        self.sent += other.sent;
        add_peers(&mut self.peers, &other.peers);
        other.statuses.iter().for_each(|(status, times)| *self.statuses.entry(*status).or_default() += times);
    }
}
