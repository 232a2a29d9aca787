//! What a run keeps of its acts that are under way.

use std::sync::Arc;

use effects::Trail;
use vocabulary::{ActKind, SafeText};

use crate::resume_point::SeenAnswer;

/// An act that was permitted and whose end the guest has not seen.
pub(crate) struct OpState {
    pub(crate) answered: bool,
    /// Its answer, its fault and its settled record are of this kind.
    pub(crate) kind: ActKind,
    /// The credential that is sent with it.
    pub(crate) credential: Option<String>,
    /// What of it was handed to a connection, once it was begun.
    pub(crate) trail: Option<Arc<Trail>>,
    /// A response came: what the guest is given of it is put on the record at its end.
    pub(crate) responded: bool,
    /// Secrets that were taken out of it.
    pub(crate) redactions: u64,
    pub(crate) seen: SeenAnswer,
    pub(crate) source: SafeText,
}

impl OpState {
    pub(crate) fn new(kind: ActKind) -> Self {
        Self {
            answered: false,
            kind,
            credential: None,
            trail: None,
            responded: false,
            redactions: 0,
            seen: SeenAnswer::default(),
            source: SafeText::default(),
        }
    }
}
