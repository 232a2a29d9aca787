//! Helpers that find things in the records of a run, and in the output of its guest.

use run::RunReport;
use serde_json::Value;
use vocabulary::record::{AnswerClass, Answered, Asked, DeliveredEvent, DeliveredOne, HostAnswered, HostAsked, Received, Record, Refused};
use vocabulary::{Fault, HttpFault};

use crate::host::printed;

/// The intents.
pub fn asked(records: &[Record]) -> impl Iterator<Item = &Asked> {
    records.iter().filter_map(|record| if let Record::Asked(asked) = record { Some(asked) } else { None })
}

/// The refusals.
pub fn refused(records: &[Record]) -> impl Iterator<Item = &Refused> {
    records.iter().filter_map(|record| if let Record::Refused(refused) = record { Some(refused) } else { None })
}

/// The answers.
pub fn answered(records: &[Record]) -> impl Iterator<Item = &Answered> {
    records.iter().filter_map(|record| if let Record::Answered(answered) = record { Some(answered) } else { None })
}

/// The host's own requests, in order, each with its answer.
#[must_use]
pub fn host_asks(records: &[Record]) -> Vec<(&HostAsked, Option<&HostAnswered>)> {
    let asked = records.iter().filter_map(|record| if let Record::HostAsked(asked) = record { Some(asked) } else { None });
    let answered = |number: u64| {
        records.iter().find_map(|record| match record {
            Record::HostAnswered(answered) if answered.number == number => Some(answered),
            _ => None,
        })
    };
    asked.map(|asked| (asked, answered(asked.number))).collect()
}

/// The records of bodies that were received completely.
pub fn received(records: &[Record]) -> impl Iterator<Item = &Received> {
    records.iter().filter_map(|record| if let Record::Received(received) = record { Some(received) } else { None })
}

/// The operations whose body the guest has seen to its end.
pub fn ends(records: &[Record]) -> impl Iterator<Item = u64> {
    delivered(records).filter(|release| release.event == DeliveredEvent::End).map(|release| release.op)
}

fn delivered(records: &[Record]) -> impl Iterator<Item = &DeliveredOne> {
    let delivered = records.iter().filter_map(|record| if let Record::Delivered(delivered) = record { Some(delivered) } else { None });
    delivered.flat_map(|delivered| &delivered.releases)
}

/// The codes of refusals; a record that counts several refusals gives its code that many times.
#[must_use]
pub fn codes(records: &[Record]) -> Vec<&'static str> {
    refused(records).flat_map(|refused| std::iter::repeat_n(refused.reason.code(), usize::try_from(refused.alike).unwrap_or(0))).collect()
}

/// The line that names the resource of an ask, from a record of `show --json`.
#[must_use]
pub fn resource(shown: &Value) -> Option<String> {
    let resource = shown.pointer("/record/ask/resource")?.clone();
    serde_json::from_value::<vocabulary::Resource>(resource).ok().map(|resource| resource.to_string())
}

/// The errors that the guest got, in order: instead of an answer, or within its body.
#[must_use]
pub fn faults(records: &[Record]) -> Vec<HttpFault> {
    delivered(records)
        .filter_map(|release| if let DeliveredEvent::Failed(Fault::Http(fault)) = release.event { Some(fault) } else { None })
        .collect()
}

/// The greatest number of requests under way at once: intents minus ended requests, in the order of the record.
#[must_use]
pub fn most_under_way(records: &[Record]) -> usize {
    let (mut under_way, mut most) = (0_usize, 0);
    for record in records {
        match record {
            Record::Asked(_) => under_way += 1,
            Record::Received(_) => under_way = under_way.saturating_sub(1),
            Record::Answered(answered) if answered.class() != AnswerClass::Response => under_way = under_way.saturating_sub(1),
            _ => {}
        }
        most = most.max(under_way);
    }
    most
}

/// Each request in the format of a server's log, `METHOD PATH STATUS BYTES`, in the order of the intents. Queries are without their values.
#[must_use]
pub fn log_lines(records: &[Record]) -> Vec<String> {
    let line = |asked: &Asked| {
        let Some(http) = asked.ask.resource.http() else { return asked.ask.resource.to_string() };
        let query = http.query.as_ref().map_or_else(String::new, |query| format!("?{query}"));
        let status = answered(records).find(|answered| answered.op == asked.op).and_then(Answered::status);
        let bytes = received(records).find(|received| received.op == asked.op).map(|received| received.bytes);
        format!("{} {}{query} {} {}", http.method, http.path, status.unwrap_or(0), bytes.unwrap_or(0))
    };
    asked(records).map(line).collect()
}

/// The lines of JSON that a guest printed.
///
/// # Panics
/// If a line is not JSON.
#[must_use]
pub fn lines(report: &RunReport) -> Vec<Value> {
    printed(report).lines().map(|line| serde_json::from_str(line).expect("a guest prints JSON")).collect()
}
