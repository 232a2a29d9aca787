//! Suspended runs: those whose callers still listen, and those that are to be woken.
//!
//! A suspended run has no memory, no thread and no connection. If its caller still listens, the two ends of their channel stay here.

use std::sync::Arc;
use std::time::Duration;

use gate::OpenRun;
use tokio::sync::oneshot;
use vocabulary::{Means, Principal, RunId, Stopping};

use crate::approval_view::ApprovalView;
use crate::err::RunError;
use crate::event::RunEvent;
use crate::local_host::LocalHost;
use crate::order::{NetworkOrder, Surroundings};
use crate::place::held;
use crate::run_channel::{Parked, Resumer, RunChannel};
use crate::running::Running;

/// A run that the host is to resume, and how long it still has to wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WaitingRun {
    /// The run.
    pub run: RunId,
    /// For how long it still has to wait; zero if it can continue.
    pub left: Duration,
}

impl LocalHost {
    /// The runs that the host is to resume: those that are suspended, and those that were cut off while nobody attended them. The shortest
    /// remaining wait comes first.
    pub fn waiting(&self) -> Vec<WaitingRun> {
        let now = self.now_mark();
        let mut waiting: Vec<WaitingRun> = self.inner.gate.with_ledger(|ledger| {
            let open = ledger.open_runs().filter(|(_, open)| !open.restored);
            let left =
                |open: &OpenRun| open.wait_left_ms(&now).map(Duration::from_millis).or_else(|| open.is_left().then_some(Duration::ZERO));
            open.filter_map(|(run, open)| Some(WaitingRun { run, left: left(open)? })).collect()
        });
        waiting
            .retain(|waiting| !held(&self.inner.going).contains_key(&waiting.run) && !held(&self.inner.taken).contains_key(&waiting.run));
        waiting.sort_by_key(|waiting| waiting.left);
        waiting
    }

    /// Returns when a run was suspended or a run has ended since the last call. To be called by one task only.
    pub async fn waits_changed(&self) {
        self.inner.waits_changed.notified().await;
    }

    /// Whether the run has not ended.
    pub fn is_open(&self, run: RunId) -> bool {
        self.inner.gate.with_ledger(|ledger| ledger.open_run(run).is_some())
    }

    /// Whether the run is suspended and must wait longer.
    pub(crate) fn must_wait(&self, run: RunId) -> bool {
        let now = self.now_mark();
        self.inner.gate.with_ledger(|ledger| {
            ledger.open_run(run).filter(|open| !open.restored).and_then(|open| open.wait_left_ms(&now)).is_some_and(|left_ms| left_ms > 0)
        })
    }

    /// Whether somebody listens to the suspended run.
    pub(crate) fn is_parked(&self, run: RunId) -> bool {
        held(&self.inner.parked).contains_key(&run)
    }

    /// Listens to a suspended run that must wait longer, for a caller that wants to resume it.
    pub(crate) fn listen(&self, run: RunId, network: &NetworkOrder) -> Running {
        let (channel, events) = RunChannel::new();
        channel.sender.tell(RunEvent::Opened { run });
        let running = Running::new(run, events, channel.stop.clone());
        self.park(run, channel, network.clone());
        running
    }

    /// Reports that a run was suspended, and keeps its channel as long as its caller listens.
    pub(crate) fn park(&self, run: RunId, channel: RunChannel, network: NetworkOrder) {
        let now = self.now_mark();
        let waits = self.inner.gate.with_ledger(|ledger| {
            let open = ledger.open_run(run)?;
            let approvals = open.approvals.iter().map(|(op, approval)| ApprovalView::of(run, open, (*op, approval), &now)).collect();
            Some((open.suspended.as_ref()?.waits_for, approvals))
        });
        // If there is nothing, somebody has just ended the run.
        if let Some((waits_for, approvals)) = waits {
            channel.sender.tell(RunEvent::Suspended { approvals, waits_for });
            let (here, gone) = oneshot::channel();
            let orders = Orders { host: self.clone(), run, channel: channel.clone(), gone };
            held(&self.inner.parked).insert(run, Parked { channel, network, _here: here });
            tokio::spawn(orders.wait());
            self.listens();
        }
        self.inner.waits_changed.notify_one();
    }

    /// Ends a run that was just suspended, if its end was ordered meanwhile. Returns what its caller hears.
    pub(crate) async fn ordered_meanwhile(&self, run: RunId, channel: &RunChannel) -> Option<RunEvent> {
        let order = channel.stop.borrow().clone().filter(|order| order.means != Means::ClientGone)?;
        Some(match self.close_suspended(run, order).await {
            Ok(()) => self.end_event(run).await,
            Err(err) => RunEvent::failed(&err),
        })
    }

    /// The end of a run, from its record.
    async fn end_event(&self, run: RunId) -> RunEvent {
        match self.ended(run).await {
            Ok(Some(report)) => RunEvent::Closed { report: Box::new(report) },
            Ok(None) => RunEvent::failed(&RunError::NoSuchRun(run)),
            Err(err) => RunEvent::failed(&err),
        }
    }

    /// Takes the channel of a suspended run whose caller listens.
    fn unpark(&self, run: RunId) -> Option<Parked> {
        held(&self.inner.parked).remove(&run)
    }

    /// Resumes a run that was suspended. Its caller, if one listens, hears of it.
    ///
    /// # Errors
    /// As [`LocalHost::resume`]. A caller that listens hears of the error too.
    pub async fn wake(&self, run: RunId, by: Principal, around: &Surroundings) -> Result<(), RunError> {
        // Its caller finds another host.
        if self.is_leaving() {
            return Err(RunError::Leaving);
        }
        // Taken first, so that its caller hears nothing if another one has it.
        let taken = self.take_cut_off(run)?;
        let Some(Parked { channel, network, .. }) = self.unpark(run) else {
            let (channel, _) = RunChannel::new();
            return self.load_again(taken, Resumer { by, unattended: true }, (channel, around.clone())).await.map(begin);
        };
        let sender = Arc::clone(&channel.sender);
        sender.tell(RunEvent::Resumed {});
        let around = Surroundings { network, policies: around.policies.clone() };
        let woken = self.load_again(taken, Resumer { by, unattended: false }, (channel, around)).await.map(begin);
        match &woken {
            Ok(()) | Err(RunError::Leaving) => {}
            Err(err) => sender.tell(RunEvent::failed(err)),
        }
        woken
    }

    /// Tells the caller of a suspended run that the run was ended.
    pub(crate) async fn tell_end(&self, run: RunId) {
        let Some(Parked { channel, .. }) = self.unpark(run) else { return };
        channel.sender.tell(self.end_event(run).await);
    }
}

/// Lets a guest begin.
fn begin(go: oneshot::Sender<()>) {
    // The receiver is gone if the run ended before its guest began.
    let _ = go.send(());
}

/// Waits for orders of the caller of a suspended run.
struct Orders {
    host: LocalHost,
    run: RunId,
    channel: RunChannel,
    gone: oneshot::Receiver<()>,
}

impl Orders {
    async fn wait(self) {
        let Self { host, run, channel, gone } = self;
        let mut stop = channel.stop.subscribe();
        let order = async { stop.wait_for(Option::is_some).await.ok().and_then(|order| order.clone()) };
        let order = tokio::select! {
            biased;
            // The run was woken or ended.
            _ = gone => return,
            order = order => order,
            () = channel.sender.unheard() => None,
        };
        match order {
            // The run needs nothing of its caller, so it stays suspended and is resumed without a caller.
            None | Some(Stopping { means: Means::ClientGone, .. }) => drop(host.unpark(run)),
            Some(stopping) => {
                // A host that is leaving ends nothing more: the caller finds another one.
                let Some(_attending) = host.attend() else { return drop(host.unpark(run)) };
                if let Err(err) = host.end(run, stopping).await
                    && let Some(parked) = host.unpark(run)
                {
                    parked.channel.sender.tell(RunEvent::failed(&err));
                }
            }
        }
    }
}
