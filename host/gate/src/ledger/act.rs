//! Acts that are not over, and the settlements of them.

use serde::{Deserialize, Serialize};
use vocabulary::record::{Answered, AskedFor};
use vocabulary::{ActKind, Principal, Repeat};

use super::approval::UsedApproval;
use super::{OpenRun, OrderFaultKind};

/// An act that is not over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenAct {
    /// The approval that its intent used up, if people had to approve it.
    #[serde(default)]
    pub approval: Option<UsedApproval>,
    /// What was asked.
    pub ask: AskedFor,
    /// The kind of act.
    pub kind: ActKind,
    /// Whether it may be repeated without a settlement.
    pub repeat: Repeat,
    /// Whether a part of it is known to have left the host.
    pub(super) sent: bool,
    /// Its stage.
    pub stage: Stage,
    /// The settlement of its last attempt, if there is one.
    pub word: Option<Stated>,
}

/// A person's settlement of an act with an unknown outcome.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stated {
    /// When the person settled it, in milliseconds since 1970.
    pub at: u64,
    /// Who settled it.
    pub by: Principal,
    /// Whether the act happened.
    pub did: bool,
}

impl OpenAct {
    /// Whether the act has to be settled by a person: its outcome is unknown, it may not simply be repeated, and it is not settled yet.
    /// This applies only to runs that are not running: in an active run, an act may simply be under way.
    pub fn is_unsettled(&self) -> bool {
        self.stage != Stage::Answered && self.word.is_none() && self.repeat == Repeat::OnWord
    }

    /// Whether a part of it left the host, or may have. The outcome of an intent without an end is unknown, unless a person has settled it.
    pub(super) fn may_have_been_sent(&self) -> bool {
        let said = self.word.as_ref().is_none_or(|word| word.did);
        self.sent || (self.stage != Stage::Answered && said)
    }
}

impl OpenRun {
    /// Removes an act that is over, and counts whether it was sent.
    pub(super) fn end(&mut self, op: u64) -> Option<OpenAct> {
        let act = self.remove(op)?;
        self.sent += u64::from(act.may_have_been_sent());
        Some(act)
    }

    /// Removes an act that is over. Its approval stays until the agent has seen the end, because it may be repeated until then.
    fn remove(&mut self, op: u64) -> Option<OpenAct> {
        let act = self.pending.remove(&op)?;
        if let Some(approval) = &act.approval {
            self.used.insert(op, approval.clone());
        }
        Some(act)
    }

    pub(super) fn answer(&mut self, answered: &Answered) -> Result<(), OrderFaultKind> {
        let Some(pending) = self.pending.get_mut(&answered.op).filter(|pending| pending.stage != Stage::Answered) else {
            return Err(OrderFaultKind::NoIntent);
        };
        pending.sent = answered.was_sent();
        match answered.class() {
            class if class.has_answer() => pending.stage = Stage::Answered,
            // With a fault, the guest learned of it and decides itself what to do.
            _ if answered.waits_for_a_word() => pending.stage = Stage::Unknown,
            _ => {
                self.remove(answered.op);
                self.sent += u64::from(answered.may_have_been_sent());
            }
        }
        Ok(())
    }
}

/// The stage of an act.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    /// It has an intent and no answer.
    Asked,
    /// A response has begun, and its body is coming.
    Answered,
    /// It is unknown whether it happened.
    Unknown,
}
