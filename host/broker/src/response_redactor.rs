//! Searches one answer on its way to the guest: every part of it, for all secrets that are known by then.

use std::sync::Arc;

use bytes::Bytes;
use vault::{Hits, PackedError, Scrubber, Scrubbing};
use vocabulary::Header;

use crate::context::RunContext;

/// See the module.
pub(crate) struct ResponseRedactor {
    context: Arc<RunContext>,
    stream: Scrubbing,
    is_over: bool,
    told: u64,
}

/// What came out of one step.
pub(crate) struct Redacted {
    /// What may be given out now. An error if what is packed in it can't be searched.
    pub(crate) out: Result<Bytes, PackedError>,
    /// How many secrets were found in this step.
    pub(crate) hits: u64,
}

impl ResponseRedactor {
    pub(crate) fn new(context: Arc<RunContext>) -> Self {
        Self { context, stream: Scrubbing::default(), is_over: false, told: 0 }
    }

    /// Takes the header fields.
    pub(crate) fn head(&mut self, fields: Vec<Header>) {
        self.stream.head(fields);
    }

    /// The header fields as they may be shown, once, as soon as enough of the body has arrived.
    pub(crate) fn take_head(&mut self) -> Option<Vec<Header>> {
        self.stream.take_head()
    }

    /// A piece of the body: what of it, and of what was held back, may be given out.
    ///
    /// SECURITY: a piece may unpack to a hundred times its size. After each part of it, other tasks run on this thread, and the caller can give up.
    pub(crate) async fn piece(&mut self, piece: &Bytes) -> Redacted {
        self.stream.take(piece);
        let out = loop {
            match self.with_known(Scrubbing::go_on).transpose() {
                Some(out) => break out,
                None => tokio::task::yield_now().await,
            }
        };
        Redacted { out, hits: self.more() }
    }

    /// Returns what was held back, at the end of the body, and scrubs the trailers with it. Empty if it was given out before.
    pub(crate) fn rest(&mut self, trailers: &mut [Header]) -> Redacted {
        if std::mem::replace(&mut self.is_over, true) {
            return Redacted { out: Ok(Bytes::new()), hits: 0 };
        }
        let out = self.with_known(|stream, known| stream.finish(known, trailers));
        Redacted { out, hits: self.more() }
    }

    /// What was found so far.
    pub(crate) fn hits(&self) -> &Hits {
        self.stream.hits()
    }

    fn with_known<T>(&mut self, redact: impl FnOnce(&mut Scrubbing, &[&Scrubber]) -> T) -> T {
        let known = self.context.scrubber();
        let known: Vec<&Scrubber> = known.as_deref().into_iter().collect();
        redact(&mut self.stream, &known)
    }

    fn more(&mut self) -> u64 {
        let hits = self.stream.hits().places;
        hits - std::mem::replace(&mut self.told, hits)
    }
}
