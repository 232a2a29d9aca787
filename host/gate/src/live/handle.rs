//! What callers other than its guest do to an active run.

use std::sync::Arc;

use effects::Effects;
use vocabulary::record::Record;
use vocabulary::{OpId, Principal, Stop};

use super::inbox::Inbox;
use crate::ledger::ApprovalState;
use crate::log::LoggedBatch;
use crate::run::{MaySay, RunGate, RunPolicies};

/// A handle to end an active run, or its leases, from outside.
#[derive(Clone)]
pub struct LiveHandle {
    pub(super) acts: Option<(RunGate, Arc<dyn Effects>)>,
    pub(super) inbox: Inbox,
}

impl LiveHandle {
    /// Stops the run. No intent is written after this, and every wait ends with [`Stop::Ordered`].
    pub fn stop(&self) {
        if let Some((gate, _)) = &self.acts {
            gate.stop();
        }
        self.inbox.end(Stop::Ordered);
    }

    /// No intent is written after this. Acts under way continue, and a guest that asks for more ends with [`Stop::Leaving`].
    pub fn ask_no_more(&self) {
        if let Some((gate, _)) = &self.acts {
            gate.ask_no_more();
        }
    }

    /// Records what people said about an act that is held back, if it is still in such a state, and lets the run look at it again. The
    /// policies of now apply from then on. Returns the state of the act if it is another one.
    ///
    /// # Errors
    /// Only what ends the run.
    pub fn say_of_held(
        &self,
        op: OpId,
        record: Record,
        may: &MaySay<'_>,
        policies: Option<&RunPolicies>,
    ) -> Result<Result<LoggedBatch, Option<ApprovalState>>, Stop> {
        let Some((gate, _)) = &self.acts else { return Err(Stop::RecordEnds) };
        if let Some(policies) = policies {
            gate.set_policies(policies);
        }
        let said = gate.say_of_held(op, record, may)?;
        self.inbox.decided();
        Ok(said)
    }

    /// Whether there is an act whose end the guest has not seen, or a host request under way for the run.
    pub fn is_under_way(&self) -> bool {
        self.acts.as_ref().is_some_and(|(gate, effects)| gate.is_under_way() || effects.is_under_way())
    }

    /// Returns when all host requests that were begun for the run are finished. They are on the record before the end of the run.
    pub async fn finished(&self) {
        if let Some((gate, effects)) = &self.acts {
            // From now on no act of the run gets an intent.
            gate.guest_ended();
            effects.finished().await;
        }
    }

    /// Ends the run's lease of a credential, or all its leases, and records this. Acts that wait under them fail, answers that stream under
    /// them are cut, and their connections are closed. Returns the names of the leases that were not ended before.
    ///
    /// # Errors
    /// The record can't be written.
    pub fn revoke(&self, credential: Option<&str>, by: &Principal) -> Result<Vec<String>, Stop> {
        let Some((gate, effects)) = &self.acts else { return Ok(Vec::new()) };
        let ended = gate.revoke(credential, by)?;
        ended.iter().for_each(|name| effects.revoke(name));
        Ok(ended)
    }
}
