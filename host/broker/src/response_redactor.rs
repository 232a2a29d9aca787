//! Searches one answer on its way to the guest. Every part of it is searched for all secrets that are known by then.

use std::sync::Arc;

use bytes::Bytes;
use vault::{Hits, PackedError, Scrubber, Scrubbing};
use vocabulary::Header;

use crate::context::RunContext;

/// The redactor of one answer. See the documentation of the module.
pub(crate) struct ResponseRedactor {
    context: Arc<RunContext>,
    stream: Scrubbing,
    is_over: bool,
    told: u64,
}

/// The result of one step.
pub(crate) struct Redacted {
    /// The bytes that may be passed on now. An error if packed data in them can't be searched.
    pub(crate) out: Result<Bytes, PackedError>,
    /// The number of secrets that were found in this step.
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

    /// Takes a piece of the body. Returns what may be passed on of it, and of what was held back.
    ///
    /// SECURITY: a piece may unpack to a hundred times its size. After each part, other tasks run on this thread, and the caller can give
    /// up.
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

    /// Returns what was held back, at the end of the body, and scrubs the trailers with it. Empty if everything was passed on before.
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
