//! Turns each record into lines of what was touched. Lines can be added up in any grouping: by run, by resource, or under a filter.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use vocabulary::record::{AnswerClass, Answered, Asked, Counted, HostAnswered, HostAsked, Record, Refused, Sent};
use vocabulary::{ActKind, Function, Reason, Resource, RunId, SafeText};

use super::{TouchedAct, TouchedFile, TouchedHttp, TouchedLease, TouchedOwn, TouchedProbe, TouchedRefusal};
use crate::lease::lease_id;

/// Something that was touched, once or several times.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum TouchedLine {
    /// An object of a mount.
    File(TouchedFile),
    /// A request over HTTP.
    Http(TouchedHttp),
    /// An act on a credential.
    Act(TouchedAct),
    /// A host request.
    Own(TouchedOwn),
    /// A run's use of a credential.
    Lease(TouchedLease),
    /// A refusal.
    Refused(TouchedRefusal),
}

/// Bytes that a row takes besides its text, including its place in the table of rows and the addresses that may be added later.
const ROW_BYTES: usize = 384;

impl TouchedLine {
    /// Roughly how much memory a row of it takes.
    pub(super) fn bytes(&self) -> usize {
        let text = match self {
            Self::File(file) => file.path.as_str().len() + file.real.as_ref().map_or(0, |real| real.as_str().len()),
            Self::Http(act) => text_bytes(&act.resource),
            Self::Act(act) => text_bytes(&act.resource),
            Self::Own(own) => text_bytes(&own.resource),
            Self::Lease(lease) => lease.lease.as_str().len() + lease.credential.as_str().len(),
            Self::Refused(refused) => {
                let resolved = refused.resolved.as_ref().map_or(0, |resolved| resolved.as_str().len());
                text_bytes(&refused.resource) + resolved + refused.reason.len() + refused.function.as_str().len()
            }
        };
        text + ROW_BYTES
    }
}

fn text_bytes(resource: &Resource) -> usize {
    resource.texts().map(|text| text.as_str().len()).sum()
}

/// An act whose end is not on the record yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Open {
    credential: Option<String>,
    is_http: bool,
    resource: Resource,
    stage: LineStage,
}

/// The stage of an act.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum LineStage {
    /// It has only an intent. If the process died, the act may have been sent.
    Asked,
    /// It is unknown whether it happened, and a person may still settle it.
    Unknown {
        /// Whether it was counted as sent.
        is_counted: bool,
    },
    /// Its answer has begun.
    Answered,
}

/// Reads records in the log's order and returns what each touched. An answer names its act only by a number, so acts under way are
/// remembered.
///
/// INVARIANT: counts are never too low. An intent without an end counts as sent and unknown ([`TouchedLines::without_end`]), and so does an
/// attempt that was repeated. If a person has settled an act, the settlement counts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TouchedLines {
    open: BTreeMap<(RunId, u64), Open>,
    /// Host requests under way, by number.
    own: BTreeMap<(RunId, u64), TouchedOwn>,
}

impl TouchedLines {
    /// Reads one record, and passes each line to `to`.
    pub fn take(&mut self, run: RunId, seq: u64, record: &Record, to: &mut dyn FnMut(TouchedLine)) {
        match record {
            Record::Observed(observed) => observed.objects.iter().map(TouchedFile::of).map(TouchedLine::File).for_each(to),
            Record::Asked(asked) => self.asked(run, asked, to),
            Record::Answered(answered) => self.answered(run, seq, answered, to),
            Record::Received(received) => {
                if let Some(open) = self.open.remove(&(run, received.op)).filter(|open| open.is_http) {
                    to(open.http(|act| act.bytes = received.bytes));
                }
            }
            Record::Refused(refused) => {
                // An attempt before a crash may have been sent, although its repetition was refused.
                if let Some(before) = self.open.remove(&(run, refused.op)) {
                    before.without_end(run, to);
                }
                refusals(run, seq, refused, to);
            }
            Record::ActSettled(word) => {
                if let Some(open) = self.open.remove(&(run, word.op)) {
                    open.settled(run, word.did, to);
                }
            }
            Record::HostAsked(asked) => self.host_asked(run, asked, to),
            Record::HostAnswered(answered) => self.host_answered(run, answered, to),
            Record::RunClosed(_) => {
                forget(&mut self.open, run).for_each(|open| open.without_end(run, to));
                forget(&mut self.own, run).for_each(|own| to(own_without_end(own)));
            }
            Record::LeaseRevoked(revoked) => {
                to(TouchedLine::Lease(TouchedLease {
                    revoked: true,
                    ..TouchedLease::of(revoked.lease.clone(), revoked.credential.clone())
                }));
            }
            Record::LeaseProbed(probed) => {
                let probe = TouchedProbe { refused: probed.refused, status: probed.status, version: probed.version };
                let lease = TouchedLease::of(lease_id(run, probed.credential.as_str()), probed.credential.clone());
                to(TouchedLine::Lease(TouchedLease { probes: vec![probe], ..lease }));
            }
            Record::Delivered(_)
            | Record::Said(_)
            | Record::RunOpened(_)
            | Record::RunResumed(_)
            | Record::RunSuspended(_)
            | Record::ApprovalAsked(_)
            | Record::ApprovalVoted(_)
            | Record::ApprovalClosed(_)
            | Record::ClockChanged(_)
            | Record::ConfigTrusted(_)
            | Record::ConfigUntrusted(_)
            | Record::AgentAccepted(_)
            | Record::AgentUnaccepted(_)
            | Record::VaultSealed(_)
            | Record::RollbackAccepted(_)
            | Record::Restored(_)
            | Record::KeyRotated(_)
            | Record::RunReleased(_)
            | Record::Reanchored(_)
            | Record::Pruned(_)
            | Record::PayloadsForgotten(_)
            | Record::HoldSet(_)
            | Record::HoldLifted(_)
            | Record::Recovered(_)
            | Record::LeaseIssued(_)
            | Record::ValueMet(_)
            | Record::CredentialChanged(_) => {}
        }
    }

    fn asked(&mut self, run: RunId, asked: &Asked, to: &mut dyn FnMut(TouchedLine)) {
        let is_http = asked.ask.capability.act() == Some(ActKind::Http);
        let (credential, resource) = (asked.bounds.credential.clone(), asked.ask.resource.clone());
        let open = Open { credential, is_http, resource, stage: LineStage::Asked };
        match is_http {
            true => to(open.http(|act| act.asked = 1)),
            false => to(open.act(|act| act.asked = 1)),
        }
        if !asked.again {
            open.lease(run, to, |lease| lease.asked = 1);
        }
        if let Some(before) = self.open.insert((run, asked.op), open) {
            before.without_end(run, to);
        }
    }

    fn answered(&mut self, run: RunId, seq: u64, answered: &Answered, to: &mut dyn FnMut(TouchedLine)) {
        let key = (run, answered.op);
        let Some(mut open) = self.open.remove(&key) else { return };
        if answered.waits_for_a_word() {
            let is_counted = answered.was_sent();
            if open.is_http {
                to(open.http(|act| {
                    act.sent = u64::from(is_counted);
                    sent_to(act, answered);
                }));
            }
            open.lease(run, to, |lease| lease.sent = u64::from(is_counted));
            open.stage = LineStage::Unknown { is_counted };
            self.open.insert(key, open);
            return;
        }
        if answered.class().has_answer() {
            self.open.insert(key, Open { stage: LineStage::Answered, ..open.clone() });
        }
        match open.is_http {
            true => to(open.http(|act| http(act, answered))),
            false => to(open.act(|act| act.answered(answered))),
        }
        open.lease(run, to, |lease| {
            lease.sent = u64::from(answered.may_have_been_sent());
            lease.refused = u64::from(answered.was_refused());
        });
        if let Some(reason) = &answered.reason {
            to(TouchedLine::Refused(TouchedRefusal {
                alike: 1,
                code: reason.code().to_owned(),
                credential: open.credential.or_else(|| credential_of(reason)),
                function: Function::HttpHandle,
                intended: true,
                reason: reason.to_string(),
                resolved: None,
                resource: open.resource,
                run,
                seq,
            }));
        }
    }
}

impl TouchedLines {
    /// The lines for acts that are under way where the records end. They count as unknown.
    pub fn without_end(&self, to: &mut dyn FnMut(RunId, TouchedLine)) {
        for ((run, _), open) in &self.open {
            open.without_end(*run, &mut |line| to(*run, line));
        }
        self.own.iter().for_each(|((run, _), own)| to(*run, own_without_end(own.clone())));
    }

    fn host_asked(&mut self, run: RunId, asked: &HostAsked, to: &mut dyn FnMut(TouchedLine)) {
        let row = TouchedOwn::of(asked);
        to(TouchedLine::Own(TouchedOwn { asked: 1, ..row.clone() }));
        self.own.insert((run, asked.number), row);
    }

    fn host_answered(&mut self, run: RunId, answered: &HostAnswered, to: &mut dyn FnMut(TouchedLine)) {
        if let Some(mut row) = self.own.remove(&(run, answered.number)) {
            row.answered(answered);
            to(TouchedLine::Own(row));
        }
    }
}

/// Notes how much was sent, and to which address.
fn sent_to(act: &mut TouchedHttp, answered: &Answered) {
    act.sent_bytes = answered.sent().map_or(0, Sent::bytes);
    act.peers.extend(answered.peer().map(|peer| peer.to_string()));
}

/// Counts the outcome of a request.
fn http(act: &mut TouchedHttp, answered: &Answered) {
    act.sent = u64::from(answered.may_have_been_sent());
    sent_to(act, answered);
    match answered.class() {
        AnswerClass::Response | AnswerClass::Done | AnswerClass::NotDone => {
            act.answered = 1;
            act.statuses.extend(answered.status().map(|status| (status, 1)));
        }
        AnswerClass::RefusedAddress | AnswerClass::RefusedCredential | AnswerClass::RefusedLapsed => act.refused = 1,
        // A request that was abandoned after it was sent may have happened.
        AnswerClass::Failed | AnswerClass::Abandoned if act.sent == 0 => act.failed = 1,
        AnswerClass::Failed | AnswerClass::Abandoned | AnswerClass::Unknown => act.unknown = 1,
    }
}

/// Removes the acts under way of a run, and returns them.
fn forget<T>(open: &mut BTreeMap<(RunId, u64), T>, run: RunId) -> impl Iterator<Item = T> {
    let mut own = open.split_off(&(run, 0));
    if let Some(mut others) = own.keys().find(|(of, _)| *of != run).copied().map(|first| own.split_off(&first)) {
        open.append(&mut others);
    }
    own.into_values()
}

fn own_without_end(own: TouchedOwn) -> TouchedLine {
    TouchedLine::Own(TouchedOwn { unknown: 1, ..own })
}

impl Open {
    fn http(&self, count: impl FnOnce(&mut TouchedHttp)) -> TouchedLine {
        let mut act = TouchedHttp::new(self.resource.clone(), self.credential.clone());
        count(&mut act);
        TouchedLine::Http(act)
    }

    fn act(&self, count: impl FnOnce(&mut TouchedAct)) -> TouchedLine {
        let mut act = TouchedAct::new(self.resource.clone(), self.credential.clone());
        count(&mut act);
        TouchedLine::Act(act)
    }

    /// Counts an act whose outcome is unknown and not settled.
    fn without_end(&self, run: RunId, to: &mut dyn FnMut(TouchedLine)) {
        let new = match self.stage {
            LineStage::Answered => return,
            LineStage::Asked => 1,
            LineStage::Unknown { is_counted } => u64::from(!is_counted),
        };
        match self.is_http {
            true => to(self.http(|act| (act.sent, act.unknown) = (new, 1))),
            false => to(self.act(|act| act.unknown = 1)),
        }
        self.lease(run, to, |lease| lease.sent = new);
    }

    /// Counts an act that a person has settled.
    fn settled(&self, run: RunId, did: bool, to: &mut dyn FnMut(TouchedLine)) {
        let LineStage::Unknown { is_counted } = self.stage else { return };
        let new = u64::from(did && !is_counted);
        match (self.is_http, did) {
            (true, true) => to(self.http(|act| (act.sent, act.said) = (new, 1))),
            (true, false) => to(self.http(|act| act.failed = 1)),
            (false, true) => to(self.act(|act| act.done = 1)),
            (false, false) => to(self.act(|act| act.not_done = 1)),
        }
        self.lease(run, to, |lease| lease.sent = new);
    }

    fn lease(&self, run: RunId, to: &mut dyn FnMut(TouchedLine), count: impl FnOnce(&mut TouchedLease)) {
        if let Some(name) = &self.credential {
            let mut lease = TouchedLease::of(lease_id(run, name), SafeText::new(name, 64));
            count(&mut lease);
            to(TouchedLine::Lease(lease));
        }
    }
}

/// The lines of a refusal, or of each refusal that a counting record names.
fn refusals(run: RunId, seq: u64, refused: &Refused, to: &mut dyn FnMut(TouchedLine)) {
    let one = |alike: u64, resolved: &Option<SafeText>, resource: &Resource| {
        TouchedLine::Refused(TouchedRefusal {
            alike,
            code: refused.reason.code().to_owned(),
            credential: credential_of(&refused.reason),
            function: refused.ask.function,
            intended: false,
            reason: refused.reason.to_string(),
            resolved: resolved.clone(),
            resource: resource.clone(),
            run,
            seq,
        })
    };
    match &refused.counted {
        None => to(one(refused.alike, &refused.ask.resolved, &refused.ask.resource)),
        Some(Counted { names, .. }) => names.iter().map(|name| one(name.times, &name.resolved, &name.resource)).for_each(to),
    }
}

/// The credential that a refusal was about.
fn credential_of(reason: &Reason) -> Option<String> {
    match reason {
        Reason::CredentialNotBound(name)
        | Reason::CredentialExpired(name)
        | Reason::CredentialRevoked(name)
        | Reason::CredentialUnavailable(name)
        | Reason::CredentialUseNotGranted(name)
        | Reason::CredentialNotGranted(name)
        | Reason::PlaceholderMisplaced(name)
        | Reason::ValuesFull(name) => Some(name.to_string()),
        Reason::CredentialElsewhere(about) | Reason::CredentialOutside(about) | Reason::CredentialUnfit(about) => {
            Some(about.name.to_string())
        }
        _ => None,
    }
}
