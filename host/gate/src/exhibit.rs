//! Opens the payloads of a run for a user with the home's key: each request as the guest made it, and each answer as the guest got it.
//!
//! Values that were taken out of an answer before the guest got it are not in a payload, because they were never kept.

use std::collections::BTreeMap;
use std::error::Error;
use std::path::PathBuf;

use bytes::Bytes;
use journal::{Position, ReadError, Reader};
use vocabulary::record::{Delivered, MetIn, Record};
use vocabulary::{Answer, GuestEvent, Header, HttpAsk, HttpHead, Reason, RunId};

use crate::err::LoadError;
use crate::payload_codec::{Cursor, take_event};

/// Why something can't be shown.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Missing {
    /// There was nothing to keep, or more than is kept.
    #[error("it was not kept")]
    NotKept,
    /// The key of its run was overwritten, so nobody can open it any more.
    #[error("it was forgotten: the key of its run was overwritten")]
    Forgotten,
    /// This home lacks the key for it.
    #[error("its key is not here: `{}` is missing, or older than the record", .0.display())]
    NoKey(PathBuf),
    /// It, or its key, does not match its record.
    #[error("it is damaged: {0}")]
    Damaged(String),
    /// It, or its key, could not be read. It may still be intact.
    #[error("it could not be read: {0}")]
    Unreadable(String),
    /// The host found the value of a credential in it, which may be one that the vault does not have.
    #[error("it held the value of a credential, and is not shown")]
    HeldValue,
}

/// An answer, as far as the guest got it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Given {
    /// The body that the guest got.
    pub body: Vec<u8>,
    /// The answer to an act that is answered in one piece.
    pub answer: Option<Answer>,
    /// Status and fields.
    pub head: Option<HttpHead>,
    /// Whether the request that it answers held the value of a credential.
    pub held_value: bool,
    /// Whether the answer was complete.
    pub is_whole: bool,
    /// Whether a part of it was not kept, because there was too much.
    pub is_cut: bool,
    /// Why a part of it can't be shown, although it was kept.
    pub missing: Option<Missing>,
    /// Header fields after the body.
    pub trailers: Vec<Header>,
}

/// All payloads of a record, opened and joined.
///
/// # Errors
/// Why the payloads can't be shown.
pub fn sealed(reader: &Reader, record: &journal::StoredRecord) -> Result<Vec<u8>, Missing> {
    if record.payloads() == 0 {
        return Err(Missing::NotKept);
    }
    let mut whole = Vec::new();
    for number in 0..record.payloads() {
        whole.extend(reader.payload(record, number).map_err(|err| Missing::of_read(&err))?);
    }
    Ok(whole)
}

impl Missing {
    fn of_read(err: &ReadError) -> Self {
        match err {
            ReadError::KeyForgotten { .. } => Self::Forgotten,
            ReadError::KeyMissing { path, .. } => Self::NoKey(path.clone()),
            ReadError::Fault(fault) if fault.unread().is_none() => Self::Damaged(fault.to_string()),
            ReadError::KeyDamaged { .. } | ReadError::Sealed { .. } | ReadError::NotThere | ReadError::Newer(_) => {
                Self::Damaged(err.to_string())
            }
            ReadError::Fault(_) | ReadError::Io { .. } | ReadError::HomeKey(_) | ReadError::NoLog { .. } | ReadError::Gone { .. } => {
                Self::Unreadable(with_causes(err))
            }
        }
    }

    /// Why the beginning of a run can't be shown.
    pub fn of_load(err: &LoadError) -> Self {
        match err {
            LoadError::Read { cause, .. } => match cause.downcast_ref::<ReadError>() {
                Some(err) => Self::of_read(err),
                None => Self::Unreadable(with_causes(err)),
            },
            LoadError::NotKept => Self::NotKept,
            LoadError::NoRun(_) | LoadError::Body { .. } | LoadError::Payload { .. } | LoadError::Order { .. } | LoadError::Closed(_) => {
                Self::Damaged(with_causes(err))
            }
        }
    }
}

/// An error with its causes, in one line.
fn with_causes(err: &(dyn Error + 'static)) -> String {
    let (mut words, mut next) = (err.to_string(), err.source());
    while let Some(cause) = next {
        words.push_str(&format!(": {cause}"));
        next = cause.source();
    }
    words
}

/// The request whose intent this record is.
///
/// # Errors
/// Why it can't be shown.
pub fn request(reader: &Reader, asked: &journal::StoredRecord) -> Result<HttpAsk, Missing> {
    HttpAsk::from_canonical_bytes(&sealed(reader, asked)?).ok_or_else(|| Missing::Damaged("it is not a request".to_owned()))
}

/// The answers to a run's acts, by operation. The run begins at `from`.
///
/// # Errors
/// The log can't be read.
pub fn given(reader: &Reader, run: RunId, from: Position) -> Result<BTreeMap<u64, Given>, ReadError> {
    let mut all = BTreeMap::new();
    for record in reader.of_run_from(run, from) {
        let record = record?;
        match Record::parse(&record.body) {
            Ok(Record::Delivered(delivered)) => {
                let content = if delivered.payload.is_some() { sealed(reader, &record) } else { Err(Missing::NotKept) };
                take(&mut all, &delivered, content);
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

fn take(all: &mut BTreeMap<u64, Given>, delivered: &Delivered, content: Result<Vec<u8>, Missing>) {
    let missing = content.as_ref().err().filter(|missing| **missing != Missing::NotKept).cloned();
    let mut content = Cursor::new(Bytes::from(content.unwrap_or_default()));
    for one in &delivered.releases {
        let has_content = one.event.has_content();
        if !has_content {
            continue;
        }
        let given = all.entry(one.op).or_default();
        given.missing = given.missing.take().or_else(|| missing.clone());
        match take_event(&mut content, one) {
            Some(GuestEvent::Head(head)) => given.head = Some(head),
            Some(GuestEvent::Chunk(chunk)) => given.body.extend_from_slice(&chunk),
            Some(GuestEvent::End(trailers)) => {
                given.trailers = trailers;
                given.is_whole = true;
            }
            Some(GuestEvent::Answer(answer)) => {
                given.answer = Some(answer);
                given.is_whole = true;
            }
            Some(GuestEvent::Failed(_) | GuestEvent::Timer { .. } | GuestEvent::Clock) => {}
            None => given.is_cut |= missing.is_none(),
        }
    }
}
