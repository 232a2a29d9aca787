//! The payload codec: how requests, answers and looks are written as bytes beside a record, so that a rebuild can show them again.
//!
//! A `delivered` payload has, for each head, chunk, end and answer among its releases and in their order: a chunk's length and bytes; a
//! head's status and fields; an end's fields; an answer in one piece, as JSON. An `observed` payload has, for each look at a mount in order: eight bytes that tell the
//! ask from others, the answer, and the reason where it was refused. Integers are little-endian.

use bytes::Bytes;
use effects::Observation;
use serde::{Deserialize, Serialize};
use vocabulary::record::{DeliveredEvent, DeliveredOne};
use vocabulary::{DirEntry, FileAnswer, FileAsk, FileFault, FileId, FileKind, FileStat, GuestEvent, Header, HttpHead, Reason};

/// BOUND: bytes of one payload, well below the limit of a journal.
const PAYLOAD_PIECE_BYTES: usize = 8 << 20;

/// Splits bytes into the payloads of one record.
pub(crate) fn in_pieces(bytes: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    bytes.chunks(PAYLOAD_PIECE_BYTES).map(<[u8]>::to_vec)
}

/// Whether an event has bytes that are kept.
pub(crate) fn has_content(event: &GuestEvent) -> bool {
    matches!(event, GuestEvent::Head(_) | GuestEvent::Chunk(_) | GuestEvent::End(_) | GuestEvent::Answer(_))
}

/// Appends an event's content.
pub(crate) fn put_event(to: &mut Vec<u8>, event: &GuestEvent) {
    match event {
        GuestEvent::Head(head) => {
            to.extend_from_slice(&head.status.to_le_bytes());
            put_headers(to, &head.headers);
        }
        GuestEvent::Chunk(bytes) => put_bytes(to, bytes),
        GuestEvent::End(trailers) => put_headers(to, trailers),
        GuestEvent::Answer(answer) => put_bytes(to, &vocabulary::canon::to_vec(answer)),
        GuestEvent::Failed(_) | GuestEvent::Timer { .. } | GuestEvent::Clock => {}
    }
}

/// Reads the event of one release back. `None` if the content does not match the release.
pub(crate) fn take_event(from: &mut Cursor, one: &DeliveredOne) -> Option<GuestEvent> {
    Some(match one.event {
        DeliveredEvent::Head => GuestEvent::Head(HttpHead { status: from.u16()?, headers: from.headers()? }),
        DeliveredEvent::Chunk => {
            let bytes = from.bytes()?;
            (bytes.len() as u64 == one.bytes).then_some(GuestEvent::Chunk(bytes))?
        }
        DeliveredEvent::End => GuestEvent::End(from.headers()?),
        DeliveredEvent::Answer => GuestEvent::Answer(serde_json::from_slice(&from.bytes()?).ok()?),
        DeliveredEvent::Failed(fault) => GuestEvent::Failed(fault),
        DeliveredEvent::Timer(deadline_ns) => GuestEvent::Timer { deadline_ns },
        DeliveredEvent::Clock => GuestEvent::Clock,
    })
}

/// Eight bytes that distinguish a look at a mount from others, so that the first look that differs is reported promptly. They are not for
/// security: everything that was looked at is compared again, as a whole, with the `observed` records.
pub(crate) fn mark(ask: &FileAsk) -> [u8; 8] {
    let mut hasher = blake3::Hasher::new();
    hasher.update(ask.function().as_str().as_bytes());
    hasher.update(&[0]);
    hasher.update(ask.resource().as_bytes());
    let mut mark = [0; 8];
    for (to, from) in mark.iter_mut().zip(hasher.finalize().as_bytes()) {
        *to = *from;
    }
    mark
}

#[derive(Serialize, Deserialize)]
enum Small<'a> {
    Opened(FileId, FileKind, Option<std::borrow::Cow<'a, str>>),
    Stat(FileStat),
    List(std::borrow::Cow<'a, [DirEntry]>, u64),
    Link(std::borrow::Cow<'a, str>),
    Closed,
    Fault(FileFault, Option<Reason>),
}

const RAW: u8 = 1;
const SMALL: u8 = 2;

/// Appends one look.
pub(crate) fn put_observation(to: &mut Vec<u8>, ask: &FileAsk, observation: &Observation) {
    to.extend_from_slice(&mark(ask));
    let small = match &observation.answer {
        FileAnswer::Bytes(bytes) => {
            to.push(RAW);
            put_bytes(to, bytes);
            return;
        }
        FileAnswer::Opened { file, kind, real } => Small::Opened(*file, *kind, real.as_deref().map(Into::into)),
        FileAnswer::Stat(stat) => Small::Stat(*stat),
        FileAnswer::List { entries, unreadable } => Small::List(entries.into(), *unreadable),
        FileAnswer::Link(target) => Small::Link(target.into()),
        FileAnswer::Closed => Small::Closed,
        FileAnswer::Fault(fault) => Small::Fault(*fault, observation.refused.clone()),
    };
    to.push(SMALL);
    put_bytes(to, &vocabulary::canon::to_vec(&small));
}

/// Reads one look back.
pub(crate) fn take_observation(from: &mut Cursor) -> Option<([u8; 8], Observation)> {
    let mark = from.array()?;
    let observation = match from.u8()? {
        RAW => FileAnswer::Bytes(from.bytes()?).into(),
        SMALL => match serde_json::from_slice(&from.bytes()?).ok()? {
            Small::Opened(file, kind, real) => FileAnswer::Opened { file, kind, real: real.map(std::borrow::Cow::into_owned) }.into(),
            Small::Stat(stat) => FileAnswer::Stat(stat).into(),
            Small::List(entries, unreadable) => FileAnswer::List { entries: entries.into_owned(), unreadable }.into(),
            Small::Link(target) => FileAnswer::Link(target.into_owned()).into(),
            Small::Closed => FileAnswer::Closed.into(),
            Small::Fault(fault, refused) => Observation { answer: FileAnswer::Fault(fault), refused },
        },
        _ => return None,
    };
    Some((mark, observation))
}

fn put_bytes(to: &mut Vec<u8>, bytes: &[u8]) {
    // BOUND: everything that is kept is far below 4 GiB: chunks and reads have at most 64 KiB, and `listing-entries` bounds listings.
    to.extend_from_slice(&u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_le_bytes());
    to.extend_from_slice(bytes);
}

fn put_headers(to: &mut Vec<u8>, headers: &[Header]) {
    to.extend_from_slice(&u32::try_from(headers.len()).unwrap_or(u32::MAX).to_le_bytes());
    for header in headers {
        put_bytes(to, header.name.as_bytes());
        put_bytes(to, &header.value);
    }
}

/// Reads a payload from front to back without copying large parts.
pub(crate) struct Cursor(Bytes);

impl Cursor {
    pub(crate) fn new(bytes: Bytes) -> Self {
        Self(bytes)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn take(&mut self, len: usize) -> Option<Bytes> {
        (len <= self.0.len()).then(|| self.0.split_to(len))
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.as_ref().try_into().ok()
    }

    fn u8(&mut self) -> Option<u8> {
        self.array().map(u8::from_le_bytes)
    }

    fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_le_bytes)
    }

    fn u32(&mut self) -> Option<usize> {
        self.array().map(u32::from_le_bytes).and_then(|n| usize::try_from(n).ok())
    }

    fn bytes(&mut self) -> Option<Bytes> {
        let len = self.u32()?;
        self.take(len)
    }

    fn headers(&mut self) -> Option<Vec<Header>> {
        let count = self.u32()?;
        let mut headers = Vec::new();
        for _ in 0..count {
            let name = String::from_utf8(self.bytes()?.to_vec()).ok()?;
            headers.push(Header { name, value: self.bytes()?.to_vec() });
        }
        Some(headers)
    }
}
