//! What others than its guest do to a run that goes on.

use std::sync::Arc;

use effects::Effects;
use vocabulary::{Principal, Stop};

use super::inbox::Inbox;
use crate::run::RunGate;

/// Ends a run from outside.
#[derive(Clone)]
pub struct LiveHandle {
    pub(super) acts: Option<(RunGate, Arc<dyn Effects>)>,
    pub(super) inbox: Inbox,
}

impl LiveHandle {
    /// No intent is written after this, and every wait ends with [`Stop::Ordered`].
    pub fn stop(&self) {
        if let Some((gate, _)) = &self.acts {
            gate.stop();
        }
        self.inbox.end(Stop::Ordered);
    }

    /// No intent is written after this. What is under way goes on, and a guest that asks for more ends with [`Stop::Leaving`].
    pub fn ask_no_more(&self) {
        if let Some((gate, _)) = &self.acts {
            gate.ask_no_more();
        }
    }

    /// Whether anything was asked whose end the guest has not seen, or the host itself is talking to a server for the run.
    pub fn is_under_way(&self) -> bool {
        self.acts.as_ref().is_some_and(|(gate, effects)| gate.is_under_way() || effects.is_under_way())
    }

    /// Returns when all exchanges that the host has begun for the run at other servers are over. They are finished, and are on the record
    /// before the end of the run is.
    pub async fn finished(&self) {
        if let Some((gate, effects)) = &self.acts {
            // None of its own requests are sent any more.
            gate.guest_ended();
            effects.finished().await;
        }
    }

    /// Ends the run's leases of a credential, or of all: it is on the record, what waits for an answer under them is told, what streams is cut, and
    /// what is connected under them is closed. Gives the names of those that were not ended before.
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
