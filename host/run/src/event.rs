//! What is told of a run while it goes: for drawing, on this terminal or on the other end of the control socket.

use effect::record::AskedFor;
use effect::{Claim, Progress, Reason, RunId};
use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, watch};

use crate::report::Report;

/// One thing told. Crosses the control socket tagged from outside: a tag within would make serde read maps with numbers for keys as text.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Event {
    /// The run has an id.
    Opened {
        /// Which.
        run: RunId,
    },
    /// The agent said a line or reported a finding.
    Said {
        /// What.
        claim: Claim,
    },
    /// How far the agent says it is; only the newest is told.
    Progress {
        /// How far.
        progress: Progress,
    },
    /// Something was refused.
    Refused {
        /// What.
        ask: AskedFor,
        /// Why.
        reason: Reason,
    },
    /// It ended.
    Closed {
        /// How, and what the record shows.
        report: Box<Report>,
    },
    /// It could not be run.
    Failed {
        /// The exit code that says so.
        exit: u8,
        /// The error with its causes.
        message: String,
    },
}

/// What is told, in order. Bounded by the run's own limits: `log-bytes`, and `asks` for refusals; progress is a slot.
pub struct Events {
    told: mpsc::UnboundedReceiver<Event>,
    progress: watch::Receiver<Option<Progress>>,
}

impl Events {
    /// The next one; `None` after the last.
    pub async fn next(&mut self) -> Option<Event> {
        loop {
            tokio::select! {
                biased;
                event = self.told.recv() => return event,
                changed = self.progress.changed() => {
                    if changed.is_err() {
                        return self.told.recv().await;
                    }
                    let newest = self.progress.borrow_and_update().clone();
                    if let Some(progress) = newest {
                        return Some(Event::Progress { progress });
                    }
                }
            }
        }
    }
}

/// The other end: what the gate tells.
pub(crate) struct Teller {
    told: mpsc::UnboundedSender<Event>,
    progress: watch::Sender<Option<Progress>>,
}

pub(crate) fn channel() -> (Teller, Events) {
    let (told, told_here) = mpsc::unbounded_channel();
    let (progress, progress_here) = watch::channel(None);
    (Teller { told, progress }, Events { told: told_here, progress: progress_here })
}

impl Teller {
    /// Tells what another process told: progress goes into its slot.
    pub(crate) fn pass_on(&self, event: Event) {
        match event {
            Event::Progress { progress } => {
                self.progress.send_replace(Some(progress));
            }
            other => self.tell(other),
        }
    }

    /// Tells; when nobody listens any more, nothing is lost: the record has it.
    pub(crate) fn tell(&self, event: Event) {
        let _ = self.told.send(event);
    }
}

impl gate::Watcher for Teller {
    fn on_said(&self, claim: &Claim) {
        match claim {
            Claim::Progress(progress) => {
                self.progress.send_replace(Some(progress.clone()));
            }
            Claim::Stderr(_) | Claim::Stdout(_) | Claim::Finding(_) => self.tell(Event::Said { claim: claim.clone() }),
        }
    }

    fn on_refused(&self, ask: &AskedFor, reason: &Reason) {
        self.tell(Event::Refused { ask: ask.clone(), reason: reason.clone() });
    }
}
