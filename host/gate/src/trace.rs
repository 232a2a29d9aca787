//! Buffers what a run saw, looked at and said, in the order in which it happened, until it is written.
//!
//! INVARIANT: it is written in this order, so that after a crash the record has a beginning of what happened, without gaps.

use std::collections::VecDeque;

use bytes::Bytes;
use vocabulary::record::{Delivered, DeliveredEvent, DeliveredOne, Observed, Record, RecordKind, Said, VERSION};
use vocabulary::{Claim, ClaimedProgress, GuestEvent, Release};

use crate::payload_codec::{has_content, put_event};

/// BOUND: number of releases in one record. Each has at most 150 bytes of JSON.
const RELEASES_MAX: usize = 350;
/// BOUND: bytes of content that are kept with one record, and that are held until it is written.
pub(crate) const PAYLOAD_BYTES_MAX: usize = 256 << 10;
/// BOUND: bytes of JSON of the claims in one record.
const SAID_BYTES_MAX: usize = 60_000;
/// A trace of this many bytes is written although nothing else happens.
const FLUSH_BYTES: usize = 32 << 10;
/// BOUND: the same for looks. It is higher, because looks are larger and nobody waits for their records.
const LOOKS_BYTES_MAX: usize = 1 << 20;
const SECOND_NS: u64 = 1_000_000_000;

enum TraceEntry {
    Delivered(DeliveredOne, Option<GuestEvent>),
    /// A look at a mount that is kept.
    Observation(Vec<u8>),
    /// From here on looks are not kept.
    Unkept,
    Said(Claim, usize),
}

/// A record without its payload's digest, which only the log can make.
pub(crate) struct TraceDraft {
    pub(crate) record: Record,
    pub(crate) payload: Option<Bytes>,
}

/// The buffer of a run's trace.
#[derive(Default)]
pub(crate) struct Trace {
    entries: VecDeque<TraceEntry>,
    bytes: usize,
    observation_bytes: usize,
}

pub(crate) fn delivered_one(release: &Release, empty: u64) -> DeliveredOne {
    let event = match &release.event {
        GuestEvent::Head(_) => DeliveredEvent::Head,
        GuestEvent::Chunk(_) => DeliveredEvent::Chunk,
        GuestEvent::End(_) => DeliveredEvent::End,
        GuestEvent::Answer(_) => DeliveredEvent::Answer,
        GuestEvent::Failed(fault) => DeliveredEvent::Failed(*fault),
        GuestEvent::Timer { deadline_ns } => DeliveredEvent::Timer(*deadline_ns),
        GuestEvent::Clock => DeliveredEvent::Clock,
    };
    DeliveredOne { bytes: release.event.body_bytes(), empty, event, mono_ns: release.mono_ns, op: release.op.0 }
}

/// Roughly the bytes of content that an event has.
pub(crate) fn content_bytes(event: &GuestEvent) -> usize {
    let fields = |fields: &[vocabulary::Header]| fields.iter().map(|field| field.name.len() + field.value.len() + 8).sum::<usize>() + 6;
    match event {
        GuestEvent::Head(head) => fields(&head.headers),
        GuestEvent::Chunk(bytes) => bytes.len() + 4,
        GuestEvent::End(trailers) => fields(trailers),
        GuestEvent::Answer(answer) => vocabulary::canon::to_vec(answer).len() + 4,
        GuestEvent::Failed(_) | GuestEvent::Timer { .. } | GuestEvent::Clock => 0,
    }
}

impl Trace {
    /// Notes a release. `keep` says whether its content is kept.
    pub(crate) fn delivered(&mut self, release: &Release, empty: u64, keep: bool) {
        let content = (keep && has_content(&release.event)).then(|| release.event.clone());
        self.bytes += 100 + content.as_ref().map_or(0, content_bytes);
        self.entries.push_back(TraceEntry::Delivered(delivered_one(release, empty), content));
    }

    /// Notes a claim. Returns `false` if it is too large for a record and was not noted.
    pub(crate) fn said(&mut self, claim: Claim) -> bool {
        let size = vocabulary::canon::to_vec(&claim).len() + 1;
        if size > SAID_BYTES_MAX {
            return false;
        }
        self.bytes += size;
        self.entries.push_back(TraceEntry::Said(claim, size));
        true
    }

    /// Notes that looks are not kept any more.
    pub(crate) fn unkept(&mut self) {
        self.entries.push_back(TraceEntry::Unkept);
    }

    /// Notes a look that is to be kept.
    pub(crate) fn observation(&mut self, observation: Vec<u8>) {
        self.observation_bytes += observation.len();
        self.entries.push_back(TraceEntry::Observation(observation));
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub(crate) fn is_due(&self) -> bool {
        self.bytes > FLUSH_BYTES || self.observation_bytes > LOOKS_BYTES_MAX
    }

    /// The next record to be written. Consecutive entries of one kind share a record.
    pub(crate) fn next(&mut self) -> Option<TraceDraft> {
        let draft = match self.entries.front()? {
            TraceEntry::Delivered(..) => self.next_delivered(),
            TraceEntry::Observation(_) => self.next_looks(),
            TraceEntry::Said(..) => self.next_said(),
            TraceEntry::Unkept => {
                self.entries.pop_front();
                let record = Observed { kind: RecordKind::Observed, objects: Vec::new(), payload: None, unkept: true, v: VERSION }.into();
                TraceDraft { record, payload: None }
            }
        };
        if self.entries.is_empty() {
            (self.bytes, self.observation_bytes) = (0, 0);
        }
        Some(draft)
    }

    fn next_delivered(&mut self) -> TraceDraft {
        let (mut releases, mut payload, mut any) = (Vec::new(), Vec::new(), false);
        while let Some(TraceEntry::Delivered(one, content)) = self.entries.front() {
            let size = content.as_ref().map_or(0, content_bytes);
            // A record's payload is whole or absent. So releases whose content was kept do not share a record with others.
            let has = one.event.has_content();
            let full = releases.len() >= RELEASES_MAX || payload.len() + size > PAYLOAD_BYTES_MAX;
            if !releases.is_empty() && (full || (has && any && content.is_none())) {
                break;
            }
            let lacks = has && content.is_none();
            if let Some(event) = content {
                put_event(&mut payload, event);
                any = true;
            }
            releases.push(*one);
            self.entries.pop_front();
            if lacks {
                break;
            }
        }
        let record = Delivered { kind: RecordKind::Delivered, payload: None, releases, v: VERSION }.into();
        TraceDraft { record, payload: any.then(|| payload.into()) }
    }

    fn next_looks(&mut self) -> TraceDraft {
        let mut payload: Vec<u8> = Vec::new();
        while let Some(TraceEntry::Observation(observation)) = self.entries.front_mut() {
            if !payload.is_empty() && payload.len() + observation.len() > 2 * LOOKS_BYTES_MAX {
                break;
            }
            payload.append(observation);
            self.entries.pop_front();
        }
        let record = Observed { kind: RecordKind::Observed, objects: Vec::new(), payload: None, unkept: false, v: VERSION }.into();
        TraceDraft { record, payload: Some(payload.into()) }
    }

    fn next_said(&mut self) -> TraceDraft {
        let (mut claims, mut bytes) = (Vec::new(), 0);
        while let Some(TraceEntry::Said(_, size)) = self.entries.front() {
            if !claims.is_empty() && bytes + size > SAID_BYTES_MAX {
                break;
            }
            bytes += size;
            if let Some(TraceEntry::Said(claim, _)) = self.entries.pop_front() {
                claims.push(claim);
            }
        }
        let record = Said { claims, kind: RecordKind::Said, v: VERSION }.into();
        TraceDraft { record, payload: None }
    }
}

/// The newest progress. At most one progress per second of the run's clock is recorded.
#[derive(Clone, Debug, Default)]
pub(crate) struct ProgressSlot {
    written_ns: Option<u64>,
    waiting: Option<ClaimedProgress>,
}

impl ProgressSlot {
    /// Takes a claim, and returns the claim that is to be recorded now, if any.
    pub(crate) fn offer(&mut self, claim: Claim, mono_ns: u64) -> Option<Claim> {
        let progress = match claim {
            Claim::Progress(progress) => progress,
            Claim::Stderr(_) | Claim::Stdout(_) | Claim::Finding(_) => return Some(claim),
        };
        if self.written_ns.is_some_and(|then| mono_ns < then.saturating_add(SECOND_NS)) {
            self.waiting = Some(progress);
            return None;
        }
        self.written_ns = Some(mono_ns);
        self.waiting = None;
        Some(Claim::Progress(progress))
    }

    /// The newest progress that was not written, for the end of the run.
    pub(crate) fn last(&mut self) -> Option<Claim> {
        self.waiting.take().map(Claim::Progress)
    }
}
