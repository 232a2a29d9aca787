//! One answer on its way to the guest: every part of it is looked through for all secrets that are known by then.

use std::sync::Arc;

use bytes::Bytes;
use effect::Header;
use vault::{Scrubber, Scrubbing};

use crate::leased::Leased;

/// See the module.
pub(crate) struct Wash {
    leased: Arc<Leased>,
    stream: Scrubbing,
    /// What was made for this request alone, and the stream that is looked through for it first.
    made: Option<(Scrubber, Scrubbing)>,
    told: u64,
}

impl Wash {
    pub(crate) fn new(leased: Arc<Leased>, made: Option<Scrubber>) -> Self {
        Self { leased, stream: Scrubbing::default(), made: made.map(|scrubber| (scrubber, Scrubbing::default())), told: 0 }
    }

    /// Header fields or trailers; how many secrets were in them.
    pub(crate) fn fields(&self, fields: &mut [Header]) -> u64 {
        let known = self.leased.scrubber();
        let scrubbers: Vec<&Scrubber> = known.as_deref().into_iter().chain(self.made.iter().map(|(made, _)| made)).collect();
        let mut hits = 0;
        for field in fields {
            let mut name = std::mem::take(&mut field.name).into_bytes();
            for scrubber in &scrubbers {
                hits += scrubber.scrub(&mut name) + scrubber.scrub(&mut field.value);
            }
            // A star is a letter of names, too.
            field.name = String::from_utf8_lossy(&name).into_owned();
        }
        hits
    }

    /// A piece of the body: what of it, and of what was held back, may be given out; and how many secrets that is more.
    pub(crate) fn piece(&mut self, piece: Bytes) -> (Bytes, u64) {
        let piece = match &mut self.made {
            Some((scrubber, stream)) => stream.push(scrubber, &piece),
            None => piece,
        };
        self.last(&piece, false)
    }

    /// What was held back, at the end of the body; nothing, once it was given out.
    pub(crate) fn rest(&mut self) -> (Bytes, u64) {
        let piece = self.made.as_mut().map_or_else(Bytes::new, |(_, stream)| stream.finish());
        self.last(&piece, true)
    }

    fn last(&mut self, piece: &Bytes, is_end: bool) -> (Bytes, u64) {
        let Some(known) = self.leased.scrubber() else { return (piece.clone(), self.more()) };
        let mut out = self.stream.push(&known, piece).to_vec();
        if is_end {
            out.extend_from_slice(&self.stream.finish());
        }
        (out.into(), self.more())
    }

    fn more(&mut self) -> u64 {
        let hits = self.stream.hits() + self.made.as_ref().map_or(0, |(_, stream)| stream.hits());
        hits - std::mem::replace(&mut self.told, hits)
    }
}
