//! What was done with credentials, and what the host asked on its own behalf: neither is a request of the agent's.

use std::collections::BTreeMap;

use effect::SafeText;
use effect::record::{AnswerClass, Answered, HostAnswered, HostAsked, HostPurpose, Sent};
use serde::{Deserialize, Serialize};

/// BOUND: addresses named for one row.
const PEERS_MAX: usize = 16;

/// One act on one credential that is not a request of the agent's: `set key`, `identify *`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TouchedAct {
    /// How often it was asked for.
    pub asked: u64,
    /// How often it was done.
    pub done: u64,
    /// How often it was refused after its intent, or nobody knows.
    pub failed: u64,
    /// How often it was not done: it was not its turn, or the target did not accept it.
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
    /// Answers that never came, or came to nothing.
    pub failed: u64,
    /// Addresses that were really spoken to.
    pub peers: Vec<String>,
    /// What for.
    pub purpose: HostPurpose,
    /// Bytes of bodies that came.
    pub received: u64,
    /// Method and URL, without the values in its query.
    pub resource: SafeText,
    /// Bytes that were sent: request lines, header fields and bodies.
    pub sent: u64,
    /// How often each status came.
    pub statuses: BTreeMap<u16, u64>,
}

/// Which row a request of the host's own belongs to, until it is answered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct OwnPlaces {
    rows: BTreeMap<(SafeText, HostPurpose, SafeText), usize>,
    under_way: BTreeMap<(effect::RunId, u64), usize>,
    acts: BTreeMap<SafeText, usize>,
    acting: BTreeMap<(effect::RunId, u64), usize>,
}

/// Adds what is new of these names, up to the bound.
fn add_peer(peers: &mut Vec<String>, peer: Option<String>) {
    peers.extend(peer.filter(|peer| peers.len() < PEERS_MAX && !peers.contains(peer)));
}

impl TouchedAct {
    fn new(resource: &SafeText) -> Self {
        Self { asked: 0, done: 0, failed: 0, not_done: 0, resource: resource.clone() }
    }
}

impl TouchedOwn {
    fn join(&mut self, other: &Self) {
        self.asked += other.asked;
        self.failed += other.failed;
        self.received += other.received;
        self.sent += other.sent;
        other.peers.iter().for_each(|peer| add_peer(&mut self.peers, Some(peer.clone())));
        other.statuses.iter().for_each(|(status, times)| *self.statuses.entry(*status).or_default() += times);
    }
}

impl OwnPlaces {
    pub(super) fn asked(&mut self, rows: &mut Vec<TouchedOwn>, run: effect::RunId, asked: &HostAsked) {
        let key = (asked.credential.clone(), asked.purpose, asked.resource.clone());
        let place = *self.rows.entry(key).or_insert(rows.len());
        if place == rows.len() {
            rows.push(TouchedOwn {
                asked: 0,
                credential: asked.credential.clone(),
                failed: 0,
                peers: Vec::new(),
                purpose: asked.purpose,
                received: 0,
                resource: asked.resource.clone(),
                sent: 0,
                statuses: BTreeMap::new(),
            });
        }
        if let Some(row) = rows.get_mut(place) {
            row.asked += 1;
            self.under_way.insert((run, asked.number), place);
        }
    }

    pub(super) fn answered(&mut self, rows: &mut [TouchedOwn], run: effect::RunId, answered: &HostAnswered) {
        let Some(row) = self.under_way.remove(&(run, answered.number)).and_then(|place| rows.get_mut(place)) else { return };
        row.received += answered.bytes;
        row.sent += answered.sent.map_or(0, Sent::bytes);
        add_peer(&mut row.peers, answered.peer.map(|peer| peer.to_string()));
        if let Some(status) = answered.status {
            *row.statuses.entry(status).or_default() += 1;
        }
        row.failed += u64::from(answered.outcome != AnswerClass::Response);
    }

    pub(super) fn act(&mut self, acts: &mut Vec<TouchedAct>, (run, op): (effect::RunId, u64), resource: &SafeText) {
        let place = *self.acts.entry(resource.clone()).or_insert(acts.len());
        if place == acts.len() {
            acts.push(TouchedAct::new(resource));
        }
        if let Some(act) = acts.get_mut(place) {
            act.asked += 1;
            self.acting.insert((run, op), place);
        }
    }

    pub(super) fn acted(&mut self, acts: &mut [TouchedAct], run: effect::RunId, answered: &Answered) {
        let Some(act) = self.acting.remove(&(run, answered.op)).and_then(|place| acts.get_mut(place)) else { return };
        match answered.outcome {
            AnswerClass::Done | AnswerClass::Response => act.done += 1,
            AnswerClass::NotDone => act.not_done += 1,
            AnswerClass::RefusedAddress
            | AnswerClass::RefusedCredential
            | AnswerClass::Failed
            | AnswerClass::Unknown
            | AnswerClass::Abandoned => act.failed += 1,
        }
    }

    pub(super) fn closed(&mut self, run: effect::RunId) {
        self.under_way.retain(|(of, _), _| *of != run);
        self.acting.retain(|(of, _), _| *of != run);
    }

    /// Adds what another run did.
    pub(super) fn join(&mut self, (own, acts): (&mut Vec<TouchedOwn>, &mut Vec<TouchedAct>), other: (&[TouchedOwn], &[TouchedAct])) {
        for row in other.0 {
            let key = (row.credential.clone(), row.purpose, row.resource.clone());
            let place = *self.rows.entry(key).or_insert(own.len());
            match own.get_mut(place) {
                Some(here) => here.join(row),
                None => own.push(row.clone()),
            }
        }
        for act in other.1 {
            let place = *self.acts.entry(act.resource.clone()).or_insert(acts.len());
            if place == acts.len() {
                acts.push(TouchedAct::new(&act.resource));
            }
            if let Some(here) = acts.get_mut(place) {
                here.asked += act.asked;
                here.done += act.done;
                here.failed += act.failed;
                here.not_done += act.not_done;
            }
        }
    }
}
