//! The events of an active run. They are for display, on this terminal or at the other end of the control socket.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, watch};
use vocabulary::record::{AskedFor, WaitsFor};
use vocabulary::{Claim, ClaimedProgress, Reason, RunId};

use crate::approval_view::ApprovalView;
use crate::err::RunError;
use crate::place::held;
use crate::report::RunReport;

/// One event. It crosses the control socket externally tagged: with an internal tag, serde would read maps with numeric keys as text.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RunEvent {
    /// The run was opened.
    Opened {
        /// The id of the run.
        run: RunId,
    },
    /// The agent printed a line or reported a finding.
    Said {
        /// The line or the finding.
        claim: Claim,
    },
    /// The agent reported progress. Only the newest progress is sent.
    Progress {
        /// The newest progress.
        progress: ClaimedProgress,
    },
    /// An ask was refused.
    Refused {
        /// The ask.
        ask: AskedFor,
        /// The reason for the refusal.
        reason: Reason,
    },
    /// The run waits for something that takes long. It was unloaded from memory, and continues when its wait is over.
    Suspended {
        /// The acts that are held back until people have approved them.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        approvals: Vec<ApprovalView>,
        /// What it waits for.
        waits_for: WaitsFor,
    },
    /// The wait of a suspended run is over, and the run continues.
    Resumed {},
    /// The run ended.
    Closed {
        /// How it ended, and what the record shows.
        report: Box<RunReport>,
    },
    /// The run failed with an error of the host.
    Failed {
        /// The exit code for this error.
        exit: u8,
        /// The error with its causes.
        message: String,
        /// What to do next, if that is known.
        help: Option<String>,
    },
    /// The process that ran it went away, and the run has not ended. It can be continued
    /// ([`crate::LocalHost::continue_here`]).
    Left {},
    /// The process that runs it does not answer any more. The run may continue if the process answers again.
    Lost {
        /// Which process does not answer, and for how long.
        message: String,
    },
}

/// BOUND: bytes of a run's events that may wait for the listener. Beyond it, a guest that prints more waits for the listener, and refusals
/// are not reported one by one, because the record and the report have them.
const TOLD_BYTES_MAX: usize = 1 << 20;
/// Bytes that each event counts for, besides its text.
const EVENT_BYTES: usize = 256;

/// How many bytes wait for the listener.
#[derive(Default)]
struct Waiting {
    bytes: AtomicUsize,
    /// Wakes the task that waits for room.
    waker: Mutex<Option<Waker>>,
}

impl Waiting {
    fn is_full(&self) -> bool {
        self.bytes.load(Ordering::Acquire) > TOLD_BYTES_MAX
    }

    fn taken(&self, bytes: usize) {
        self.bytes.fetch_sub(bytes, Ordering::AcqRel);
        self.wake();
    }

    fn wake(&self) {
        let waker = if self.is_full() { None } else { held(&self.waker).take() };
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

/// The receiver of a run's events, in order.
pub struct Events {
    told: mpsc::UnboundedReceiver<(RunEvent, usize)>,
    progress: watch::Receiver<Option<ClaimedProgress>>,
    waiting: Arc<Waiting>,
}

impl Events {
    /// The next event; `None` after the last one.
    pub async fn next(&mut self) -> Option<RunEvent> {
        loop {
            tokio::select! {
                biased;
                told = self.told.recv() => return self.taken(told),
                changed = self.progress.changed() => {
                    if changed.is_err() {
                        let told = self.told.recv().await;
                        return self.taken(told);
                    }
                    let newest = self.progress.borrow_and_update().clone();
                    if let Some(progress) = newest {
                        return Some(RunEvent::Progress { progress });
                    }
                }
            }
        }
    }

    fn taken(&self, told: Option<(RunEvent, usize)>) -> Option<RunEvent> {
        let (event, bytes) = told?;
        self.waiting.taken(bytes);
        Some(event)
    }
}

impl Drop for Events {
    fn drop(&mut self) {
        // There is no listener any more, so no sender has to wait for one.
        self.told.close();
        self.waiting.bytes.store(0, Ordering::Release);
        self.waiting.wake();
    }
}

/// The sender of a run's events, for the gate.
pub struct EventSender {
    told: mpsc::UnboundedSender<(RunEvent, usize)>,
    progress: watch::Sender<Option<ClaimedProgress>>,
    waiting: Arc<Waiting>,
}

pub(crate) fn channel() -> (EventSender, Events) {
    let (told, told_here) = mpsc::unbounded_channel();
    let (progress, progress_here) = watch::channel(None);
    let waiting = Arc::<Waiting>::default();
    let sender = EventSender { told, progress, waiting: Arc::clone(&waiting) };
    (sender, Events { told: told_here, progress: progress_here, waiting })
}

impl EventSender {
    /// Passes on an event from another process. `Left` and `Lost` are dropped, because only this side can tell what became of that process.
    pub fn pass_on(&self, event: RunEvent) {
        match event {
            RunEvent::Progress { progress } => {
                self.progress.send_replace(Some(progress));
            }
            RunEvent::Left {} | RunEvent::Lost { .. } => {}
            other => self.tell(other),
        }
    }

    /// Whether there is room for more events, or no listener any more.
    pub fn has_room(&self) -> bool {
        !self.waiting.is_full() || self.told.is_closed()
    }

    /// Sends an event. If there is no listener any more, nothing is lost, because the record has it.
    pub fn tell(&self, event: RunEvent) {
        let bytes = event.bytes();
        self.waiting.bytes.fetch_add(bytes, Ordering::AcqRel);
        let _ = self.told.send((event, bytes));
    }

    /// Returns when there is no listener any more.
    pub(crate) async fn unheard(&self) {
        self.told.closed().await;
    }

    /// Ready once there is room for more events, or no listener any more.
    pub fn poll_room(&self, ctx: &mut Context<'_>) -> Poll<()> {
        if self.has_room() {
            return Poll::Ready(());
        }
        *held(&self.waiting.waker) = Some(ctx.waker().clone());
        // The listener may have taken something meanwhile.
        if self.has_room() { Poll::Ready(()) } else { Poll::Pending }
    }
}

impl RunEvent {
    /// The run failed with this error.
    pub(crate) fn failed(err: &RunError) -> Self {
        Self::Failed { exit: err.exit(), message: err.chain(), help: err.help() }
    }

    /// The bytes that the event counts for while it waits. The end of a run is bounded where it is made, and never waits for room.
    fn bytes(&self) -> usize {
        let text = match self {
            Self::Said { claim: Claim::Stderr(text) | Claim::Stdout(text) } => text.as_str().len(),
            Self::Said { claim: Claim::Finding(finding) } => vocabulary::canon::to_vec(finding).len(),
            Self::Refused { ask, .. } => ask.resource.texts().map(|text| text.as_str().len()).sum(),
            Self::Said { claim: Claim::Progress(_) }
            | Self::Opened { .. }
            | Self::Progress { .. }
            | Self::Suspended { .. }
            | Self::Resumed {}
            | Self::Closed { .. }
            | Self::Failed { .. }
            | Self::Left {}
            | Self::Lost { .. } => 0,
        };
        text + EVENT_BYTES
    }
}

impl gate::Watcher for EventSender {
    fn on_said(&self, claim: &Claim) {
        match claim {
            Claim::Progress(progress) => {
                self.progress.send_replace(Some(progress.clone()));
            }
            Claim::Stderr(_) | Claim::Stdout(_) | Claim::Finding(_) => self.tell(RunEvent::Said { claim: claim.clone() }),
        }
    }

    fn on_refused(&self, ask: &AskedFor, reason: &Reason) {
        if !self.waiting.is_full() {
            self.tell(RunEvent::Refused { ask: ask.clone(), reason: reason.clone() });
        }
    }

    fn poll_room(&self, ctx: &mut Context<'_>) -> Poll<()> {
        Self::poll_room(self, ctx)
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use gate::Watcher as _;
    use vocabulary::SafeText;

    use super::*;

    fn line(of: usize) -> Claim {
        Claim::Stderr(SafeText::new(&"x".repeat(of), 1 << 16))
    }

    fn has_room(sender: &EventSender) -> bool {
        sender.poll_room(&mut Context::from_waker(Waker::noop())).is_ready()
    }

    /// Sends lines until there is no room. Returns how many it sent.
    fn until_full(sender: &EventSender) -> usize {
        let mut said = 0;
        while has_room(sender) && said < 100_000 {
            sender.on_said(&line(4000));
            said += 1;
        }
        said
    }

    #[tokio::test]
    async fn what_nobody_takes_is_held_up_to_a_bound_and_whoever_says_more_waits() {
        let (sender, mut events) = channel();
        let said = until_full(&sender);
        assert!((200..300).contains(&said), "{said}");
        // Refusals are reported only if there is room.
        let asked = AskedFor {
            headers: Vec::new(),
            placeholders: 0,
            capability: vocabulary::Capability::Http,
            function: vocabulary::Function::HttpHandle,
            resolved: None,
            resource: vocabulary::Resource::Words(SafeText::new("r", 8)),
        };
        (0..1000).for_each(|_| sender.on_refused(&asked, &Reason::NotServed));
        let room = poll_fn(|ctx| sender.poll_room(ctx));
        let (_, first) = tokio::join!(room, events.next());
        assert!(matches!(first, Some(RunEvent::Said { .. })));
        sender.tell(RunEvent::Failed { exit: 1, message: "end".to_owned(), help: None });
        drop(sender);
        let mut rest = 0;
        while let Some(event) = events.next().await {
            assert!(!matches!(event, RunEvent::Refused { .. }));
            rest += 1;
        }
        assert_eq!(rest, said, "all lines, in order, and the end");
    }

    #[tokio::test]
    async fn nobody_waits_for_whoever_has_gone() {
        let (sender, events) = channel();
        until_full(&sender);
        let room = poll_fn(|ctx| sender.poll_room(ctx));
        let ((), ()) = tokio::join!(room, async { drop(events) });
        sender.on_said(&line(4000));
        assert!(has_room(&sender));
    }
}
