//! Opens what is kept sealed beside the records of a run, for a user with the home's key: each request as the guest asked it, and each
//! answer as the guest was given it.
//!
//! What was taken out of an answer before the guest got it is in neither, because it was never kept.

use std::collections::BTreeMap;

use bytes::Bytes;
use effect::record::{Delivered, DeliveredEvent, MetIn, Record};
use effect::{Event, Header, HttpAsk, HttpHead, Reason, RunId};
use journal::{Position, ReadError, Reader};

use crate::kept::{Cursor, take_event};

/// Why something can't be shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Missing {
    /// There was nothing, or more than is kept.
    #[error("it was not kept")]
    NotKept,
    /// The run's key is gone, or the home's key is not here.
    #[error("it was forgotten, or the key of the home is not here")]
    Forgotten,
    /// Its content is not what its record says.
    #[error("it is not what its record says")]
    Damaged,
    /// The host found the value of a credential in it, which may be one that the vault does not have.
    #[error("it held the value of a credential, and is not shown")]
    HeldValue,
}

/// An answer, as far as the guest was given it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Given {
    /// The whole of it, in order.
    pub body: Vec<u8>,
    /// Status and fields.
    pub head: Option<HttpHead>,
    /// The request that it answers held the value of a credential.
    pub held_value: bool,
    /// Whether it was complete.
    pub is_whole: bool,
    /// Whether any of it was more than is kept.
    pub is_cut: bool,
    /// Fields after the body.
    pub trailers: Vec<Header>,
}

/// All payloads of a record, one after another.
///
/// # Errors
/// Why they can't be shown.
pub fn sealed(reader: &Reader, record: &journal::Record) -> Result<Vec<u8>, Missing> {
    if record.payloads() == 0 {
        return Err(Missing::NotKept);
    }
    let mut whole = Vec::new();
    for number in 0..record.payloads() {
        whole.extend(reader.payload(record, number).map_err(|err| match err {
            ReadError::NoKey { .. } => Missing::Forgotten,
            _ => Missing::Damaged,
        })?);
    }
    Ok(whole)
}

/// The request whose intent this record is.
///
/// # Errors
/// Why it can't be shown.
pub fn request(reader: &Reader, asked: &journal::Record) -> Result<HttpAsk, Missing> {
    HttpAsk::from_canonical_bytes(&sealed(reader, asked)?).ok_or(Missing::Damaged)
}

/// The answers to a run's acts, by operation; the run begins at that place.
///
/// # Errors
/// The log can't be read.
pub fn given(reader: &Reader, run: RunId, from: Position) -> Result<BTreeMap<u64, Given>, ReadError> {
    let mut all = BTreeMap::new();
    for record in reader.of_run_from(run, from) {
        let record = record?;
        match Record::parse(&record.body) {
            Ok(Record::Delivered(delivered)) => {
                let content = sealed(reader, &record).unwrap_or_default();
                take(&mut all, &delivered, &mut Cursor::new(Bytes::from(content)));
            }
            Ok(Record::ValueMet(met)) if met.place == MetIn::Request => all.entry(met.op).or_default().held_value = true,
            Ok(Record::Answered(answered)) if answered.reason == Some(Reason::SecretInRequest) => {
                all.entry(answered.op).or_default().held_value = true;
            }
            Ok(_) | Err(_) => {}
        }
        if record.ends {
            break;
        }
    }
    Ok(all)
}

fn take(all: &mut BTreeMap<u64, Given>, delivered: &Delivered, content: &mut Cursor) {
    for one in &delivered.releases {
        let has_content = matches!(one.event, DeliveredEvent::Head | DeliveredEvent::Chunk | DeliveredEvent::End);
        if !has_content {
            continue;
        }
        let given = all.entry(one.op).or_default();
        match take_event(content, one) {
            Some(Event::Head(head)) => given.head = Some(head),
            Some(Event::Chunk(chunk)) => given.body.extend_from_slice(&chunk),
            Some(Event::End(trailers)) => {
                given.trailers = trailers;
                given.is_whole = true;
            }
            Some(Event::Failed(_) | Event::Timer { .. } | Event::Clock) => {}
            None => given.is_cut = true,
        }
    }
}
