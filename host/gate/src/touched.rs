//! What a run, or several, touched: every path, host and refusal, with counts and bytes, from the records alone.

mod own;

use std::collections::BTreeMap;

use effect::SafeText;
use effect::record::{AnswerClass, Record, Touch};
use serde::{Deserialize, Serialize};

use crate::lease::lease_id;
use own::OwnPlaces;

pub use own::{TouchedAct, TouchedOwn};

/// The sum over the records that were taken in.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Touched {
    /// Acts on credentials that are not requests of the agent's.
    #[serde(default)]
    pub acts: Vec<TouchedAct>,
    /// Names of credentials that went along with a request, or would have.
    pub credentials: Vec<String>,
    /// By path as the guest saw it.
    pub files: Vec<TouchedFile>,
    /// By method and resource.
    pub http: Vec<TouchedHttp>,
    /// Of credentials, in the order in which they began.
    #[serde(default)]
    pub leases: Vec<TouchedLease>,
    /// What the host asked on its own behalf: for tokens, at servers that keep values, for rotations.
    #[serde(default)]
    pub own: Vec<TouchedOwn>,
    /// In order.
    pub refused: Vec<TouchedRefusal>,
    #[serde(skip)]
    places: Places,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Places {
    files: BTreeMap<(SafeText, Touch), usize>,
    http: BTreeMap<SafeText, usize>,
    /// Which line an operation of a run belongs to, until it is over.
    ops: BTreeMap<(effect::RunId, u64), usize>,
    own: OwnPlaces,
}

/// One object of a mount.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TouchedFile {
    /// Bytes read, or names listed.
    pub amount: u64,
    /// As the guest saw it.
    pub path: SafeText,
    /// How often.
    pub times: u64,
    /// Names in it that are not UTF-8, and of which no guest can be told.
    pub untold: u64,
    /// What was done.
    pub what: Touch,
}

/// One resource that was asked for over HTTP.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TouchedHttp {
    /// How often it was asked for, repetitions after a crash too.
    pub asked: u64,
    /// Bytes of bodies that the guest was given.
    pub bytes: u64,
    /// Names of credentials that went along, or would have.
    #[serde(default)]
    pub credentials: Vec<String>,
    /// Answers that never came, or came to nothing.
    pub failed: u64,
    /// Addresses that were really spoken to.
    pub peers: Vec<String>,
    /// Method and URL, without the values in its query.
    pub resource: SafeText,
    /// Bytes that were sent: request lines, header fields and bodies.
    #[serde(default)]
    pub sent: u64,
    /// How often each status came.
    pub statuses: BTreeMap<u16, u64>,
    /// Asks of which nobody knows whether they had an effect.
    pub unknown: u64,
}

/// One run's use of one credential.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TouchedLease {
    /// The credential's name.
    pub credential: SafeText,
    /// The run and the credential.
    pub lease: SafeText,
    /// Old values that were tried at their target.
    pub probes: Vec<TouchedProbe>,
    /// Whether it was ended before its run.
    pub revoked: bool,
    /// Asks under it.
    pub uses: u64,
}

/// An old value that was tried at its target.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TouchedProbe {
    /// Whether it was refused.
    pub refused: bool,
    /// Of the response; none where none came.
    pub status: Option<u16>,
    /// Which value.
    pub version: u64,
}

/// One refusal, or several alike.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TouchedRefusal {
    /// How many it stands for.
    pub alike: u64,
    /// The stable code.
    pub code: String,
    /// Interface and function.
    pub function: SafeText,
    /// Why, for people.
    pub reason: String,
    /// What was asked for.
    pub resource: SafeText,
    /// Which run.
    pub run: effect::RunId,
    /// Its number in the run.
    pub seq: u64,
}

/// BOUND: addresses named for one resource.
const PEERS_MAX: usize = 16;

impl Touched {
    /// Takes one record in, in the log's order.
    pub fn take(&mut self, run: effect::RunId, seq: u64, record: &Record) {
        match record {
            Record::Observed(observed) => observed.objects.iter().for_each(|object| {
                let effect::record::Object { amount, times, untold, what, .. } = *object;
                self.take_file(TouchedFile { amount, path: object.path.clone(), times, untold, what });
            }),
            Record::Asked(asked) => {
                self.credentials.extend(asked.bounds.credential.clone().filter(|name| !self.credentials.contains(name)));
                if let Some(name) = asked.bounds.credential.as_ref().filter(|_| !asked.again) {
                    self.with_lease(&lease_id(run, name), |lease| lease.uses += 1);
                }
                if asked.ask.capability.as_str() == "credentials" {
                    return self.places.own.act(&mut self.acts, (run, asked.op), &asked.ask.resource);
                }
                let next = self.http.len();
                let place = *self.places.http.entry(asked.ask.resource.clone()).or_insert(next);
                if place == next {
                    self.http.push(TouchedHttp::new(asked.ask.resource.clone()));
                }
                self.places.ops.insert((run, asked.op), place);
                self.with_op(run, asked.op, |http| {
                    http.asked += 1;
                    let new = asked.bounds.credential.clone().filter(|name| !http.credentials.contains(name));
                    http.credentials.extend(new);
                });
            }
            Record::Answered(answered) => {
                self.places.own.acted(&mut self.acts, run, answered);
                self.with_op(run, answered.op, |http| {
                    match answered.outcome {
                        AnswerClass::Response | AnswerClass::Done | AnswerClass::NotDone => {
                            *http.statuses.entry(answered.status.unwrap_or(0)).or_default() += 1
                        }
                        AnswerClass::RefusedAddress | AnswerClass::RefusedCredential | AnswerClass::Failed | AnswerClass::Abandoned => {
                            http.failed += 1
                        }
                        AnswerClass::Unknown => http.unknown += 1,
                    }
                    let peer = answered.peer.map(|peer| peer.to_string());
                    http.peers.extend(peer.filter(|peer| http.peers.len() < PEERS_MAX && !http.peers.contains(peer)));
                    http.sent += answered.sent.map_or(0, effect::record::Sent::bytes);
                });
            }
            Record::HostAsked(asked) => self.places.own.asked(&mut self.own, run, asked),
            Record::HostAnswered(answered) => self.places.own.answered(&mut self.own, run, answered),
            Record::Received(received) => self.with_op(run, received.op, |http| http.bytes += received.bytes),
            Record::Refused(refused) => self.refused.push(TouchedRefusal {
                alike: refused.alike,
                code: refused.reason.code().to_owned(),
                function: refused.ask.function.clone(),
                reason: refused.reason.to_string(),
                resource: refused.ask.resource.clone(),
                run,
                seq,
            }),
            Record::RunClosed(_) => {
                self.places.ops.retain(|(of, _), _| *of != run);
                self.places.own.closed(run);
            }
            Record::Delivered(_)
            | Record::Said(_)
            | Record::RunOpened(_)
            | Record::RunResumed(_)
            | Record::ConfigTrusted(_)
            | Record::RollbackAccepted(_)
            | Record::Recovered(_)
            | Record::ValueMet(_)
            | Record::CredentialChanged(_) => {}
            Record::LeaseIssued(issued) => self.lease(&issued.lease, &issued.credential),
            Record::LeaseRevoked(revoked) => {
                self.lease(&revoked.lease, &revoked.credential);
                self.with_lease(&revoked.lease, |lease| lease.revoked = true);
            }
            Record::LeaseProbed(probed) => self.with_lease(&lease_id(run, probed.credential.as_str()), |lease| {
                lease.probes.push(TouchedProbe { refused: probed.refused, status: probed.status, version: probed.version });
            }),
        }
        if let Record::Answered(effect::record::Answered { reason: Some(reason), op, .. }) = record {
            let resource = self.places.ops.get(&(run, *op)).and_then(|place| self.http.get(*place)).map(|http| http.resource.clone());
            self.refused.push(TouchedRefusal {
                alike: 1,
                code: reason.code().to_owned(),
                function: SafeText::new("wasi:http/outgoing-handler#handle", 64),
                reason: reason.to_string(),
                resource: resource.unwrap_or_else(|| SafeText::new("?", 1)),
                run,
                seq,
            });
        }
    }

    /// What one run touched.
    ///
    /// # Errors
    /// The log can't be read.
    pub fn of_run(reader: &journal::Reader, run: effect::RunId) -> Result<Self, journal::ReadError> {
        let mut touched = Self::default();
        for record in reader.of_run(run) {
            let record = record?;
            // A kind that this version does not know is nothing that it could sum up.
            if let Ok(body) = Record::parse(&record.body) {
                touched.take(run, record.seq, &body);
            }
        }
        Ok(touched)
    }

    /// Adds what another run touched, to what these did.
    pub fn join(&mut self, other: &Self) {
        other.files.iter().for_each(|file| self.take_file(file.clone()));
        for http in &other.http {
            let next = self.http.len();
            let place = *self.places.http.entry(http.resource.clone()).or_insert(next);
            match self.http.get_mut(place) {
                Some(here) => here.join(http),
                None => self.http.push(http.clone()),
            }
        }
        let new: Vec<String> = other.credentials.iter().filter(|name| !self.credentials.contains(name)).cloned().collect();
        self.credentials.extend(new);
        self.places.own.join((&mut self.own, &mut self.acts), (&other.own, &other.acts));
        self.leases.extend(other.leases.iter().cloned());
        self.refused.extend(other.refused.iter().cloned());
    }

    fn lease(&mut self, lease: &SafeText, credential: &SafeText) {
        if !self.leases.iter().any(|known| known.lease == *lease) {
            let (lease, credential) = (lease.clone(), credential.clone());
            self.leases.push(TouchedLease { credential, lease, probes: Vec::new(), revoked: false, uses: 0 });
        }
    }

    fn with_lease(&mut self, lease: &SafeText, change: impl FnOnce(&mut TouchedLease)) {
        if let Some(lease) = self.leases.iter_mut().find(|known| known.lease == *lease) {
            change(lease);
        }
    }

    fn with_op(&mut self, run: effect::RunId, op: u64, change: impl FnOnce(&mut TouchedHttp)) {
        if let Some(http) = self.places.ops.get(&(run, op)).and_then(|place| self.http.get_mut(*place)) {
            change(http);
        }
    }

    fn take_file(&mut self, new: TouchedFile) {
        let next = self.files.len();
        let place = *self.places.files.entry((new.path.clone(), new.what)).or_insert(next);
        match self.files.get_mut(place) {
            Some(file) => {
                file.amount += new.amount;
                file.times += new.times;
                file.untold += new.untold;
            }
            None => self.files.push(new),
        }
    }
}

impl TouchedHttp {
    fn new(resource: SafeText) -> Self {
        Self {
            asked: 0,
            bytes: 0,
            credentials: Vec::new(),
            failed: 0,
            peers: Vec::new(),
            resource,
            sent: 0,
            statuses: BTreeMap::new(),
            unknown: 0,
        }
    }

    fn join(&mut self, other: &Self) {
        self.asked += other.asked;
        self.bytes += other.bytes;
        self.sent += other.sent;
        self.failed += other.failed;
        self.unknown += other.unknown;
        let new: Vec<String> = other.credentials.iter().filter(|name| !self.credentials.contains(name)).cloned().collect();
        self.credentials.extend(new);
        let new: Vec<String> = other.peers.iter().filter(|peer| !self.peers.contains(peer)).cloned().collect();
        self.peers.extend(new.into_iter().take(PEERS_MAX.saturating_sub(self.peers.len())));
        other.statuses.iter().for_each(|(status, times)| *self.statuses.entry(*status).or_default() += times);
    }
}
