//! Acts that are not over, and a person's word on them.

use serde::{Deserialize, Serialize};
use vocabulary::record::AskedFor;
use vocabulary::{ActKind, Principal, Repeat};

/// An act that is not over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenAct {
    /// What was asked.
    pub ask: AskedFor,
    /// Which kind of act it is.
    pub kind: ActKind,
    /// Whether it may be made again without a person's word.
    pub repeat: Repeat,
    /// Whether something of it is known to have left the host.
    pub(super) sent: bool,
    /// How it stands.
    pub stage: Stage,
    /// What a person said of it since it was asked last.
    pub word: Option<Said>,
}

/// A person's word on an act of which nobody knew whether it happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Said {
    /// When, milliseconds since 1970.
    pub at: u64,
    /// Who.
    pub by: Principal,
    /// Whether it happened.
    pub did: bool,
}

impl OpenAct {
    /// Whether nobody knows if it happened, it may not be asked again without a person's word, and nobody has given that word. This holds
    /// for runs that do not go on: in a run that goes on, an act may simply be under way.
    pub fn is_unsettled(&self) -> bool {
        self.stage != Stage::Answered && self.word.is_none() && self.repeat == Repeat::OnWord
    }

    /// Whether something of it left the host, or may have: nobody knows of an intent without an end, unless a person has said so.
    pub(super) fn may_have_been_sent(&self) -> bool {
        let said = self.word.as_ref().is_none_or(|word| word.did);
        self.sent || (self.stage != Stage::Answered && said)
    }
}

/// How far an act is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    /// An intent and no answer.
    Asked,
    /// A response whose body is coming.
    Answered,
    /// Nobody knows whether it happened.
    Unknown,
}
