//! The state of a run's acts that are under way.

use std::sync::Arc;

use effects::Trail;
use vocabulary::{ActKind, SafeText};

use crate::resume_point::SeenAnswer;

/// An act that was permitted and whose end the guest has not seen.
pub(crate) struct OpState {
    pub(crate) answered: bool,
    /// The kind of act. Its answer, its fault and its record of the outcome are of this kind.
    pub(crate) kind: ActKind,
    /// The name of the credential that is sent with it.
    pub(crate) credential: Option<String>,
    /// How much of it was handed to a connection, once it was begun.
    pub(crate) trail: Option<Arc<Trail>>,
    /// Whether a response came. What the guest gets of it is then recorded at its end.
    pub(crate) responded: bool,
    /// How many secrets were taken out of its answer.
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
