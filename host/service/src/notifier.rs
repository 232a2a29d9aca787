//! Tells people of the acts that wait for them, at the channels of the configuration.
//!
//! Every process that holds the home does this. What was told is on the record, so the next process continues where this one ended. Nothing
//! here delays a run, a vote or a clock: if a channel fails, only its own notices are late.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use run::{LocalHost, NetworkOrder, Notice, NoticeOrder, PendingNotice, now};
use tokio::sync::{mpsc, oneshot};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::Instant;
use vocabulary::{ApprovalId, Binding, Digest, NoticeChannel, NoticeEnd, NoticeTo, SafeText};

use crate::admission::{network, opened, reading};
use crate::err::ServiceError;
use crate::notice::{self, Card};
use crate::policies::trusted_now;
use crate::recording::now_ms;

/// How long it takes until the ledger is looked at again.
const LOOK: Duration = Duration::from_millis(250);
/// How long it takes until a failed notice is tried again, the first time. Each time it takes four times as long.
const AGAIN: Duration = Duration::from_secs(1);
/// How long it takes until a configuration that can't be used is read again.
const UNREAD: Duration = Duration::from_secs(60);
/// BOUND: askings that are remembered before those that are over are forgotten.
const ASKINGS_MAX: usize = 10_000;
/// BOUND: attempts at once.
const AT_ONCE_MAX: usize = 8;
/// BOUND: how long a process that leaves the home waits for attempts. Each of them is bounded too.
const LEAVING_MAX: Duration = Duration::from_secs(15);

/// Tells people until it is dropped.
pub(crate) struct Notifier {
    task: JoinHandle<()>,
    ask: mpsc::UnboundedSender<oneshot::Sender<()>>,
}

impl Drop for Notifier {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Notifier {
    pub(crate) fn begin(host: LocalHost) -> Self {
        let (ask, asked) = mpsc::unbounded_channel();
        let telling = Telling {
            host,
            again: HashMap::new(),
            due: HashMap::new(),
            tasks: JoinSet::new(),
            under_way: HashSet::new(),
            listeners: Vec::new(),
            seen: None,
        };
        Self { task: tokio::spawn(telling.run(asked)), ask }
    }

    /// Returns when everything that is due was tried once, after a bounded time.
    pub(crate) async fn told(&self) {
        let (reply, told) = oneshot::channel();
        if self.ask.send(reply).is_ok() {
            // If it is not told in time, the next process continues.
            let _ = tokio::time::timeout(LEAVING_MAX, told).await;
        }
    }
}

/// One asking of people about one act.
type Asking = (ApprovalId, Digest);
/// That, at one channel.
type At = (Asking, String);

struct Telling {
    host: LocalHost,
    /// When an asking is looked at again; `None` if there is nothing more to tell about it.
    again: HashMap<Asking, Option<Instant>>,
    /// When a channel is tried again.
    due: HashMap<At, Instant>,
    tasks: JoinSet<(At, Option<NoticeEnd>, u64)>,
    under_way: HashSet<At>,
    /// Who waits until everything that is due was tried.
    listeners: Vec<oneshot::Sender<()>>,
    /// The size of the record at the last look.
    seen: Option<u64>,
}

/// The channels of a configuration.
struct Channels {
    channels: Vec<(NoticeChannel, Option<Binding>)>,
    network: NetworkOrder,
}

impl Telling {
    async fn run(mut self, mut asked: mpsc::UnboundedReceiver<oneshot::Sender<()>>) {
        loop {
            self.look().await;
            if self.tasks.is_empty() {
                // Who asked may have gone away.
                for listener in self.listeners.drain(..) {
                    let _ = listener.send(());
                }
            }
            tokio::select! {
                Some(listener) = asked.recv() => {
                    self.listeners.push(listener);
                    // What could not be read before is read again. Channels that failed keep their times.
                    self.again.retain(|_, again| again.is_none());
                    self.seen = None;
                }
                Some(told) = self.tasks.join_next() => self.told(told.ok()),
                () = tokio::time::sleep(LOOK) => {}
            }
        }
    }

    /// Begins what is due.
    async fn look(&mut self) {
        let (size, now) = (self.host.record_size(), now());
        let is_due = self.again.values().any(|again| again.is_some_and(|at| at <= now));
        if self.seen == Some(size) && !is_due {
            return;
        }
        self.seen = Some(size);
        let again = &self.again;
        let skip = |id: ApprovalId, digest: Digest| again.get(&(id, digest)).is_some_and(|again| again.is_none_or(|at| at > now));
        let due = self.host.pending_notices(&skip);
        for pending in due {
            self.begin(pending).await;
        }
        // Those that were due and are not pending any more.
        self.again.retain(|_, again| again.is_none_or(|at| at > now));
        if self.again.len() > ASKINGS_MAX {
            let open: HashSet<Asking> = self.host.pending_notices(&|_, _| false).iter().map(|it| (it.id, it.view.digest)).collect();
            self.again.retain(|asking, _| open.contains(asking));
            self.due.retain(|(asking, _), _| open.contains(asking));
        }
    }

    async fn begin(&mut self, pending: PendingNotice) {
        let asking = (pending.id, pending.view.digest);
        let channels = match channels_of(&self.host, pending.id).await {
            Ok(Some(channels)) => channels,
            // The run's first record is just being written.
            Ok(None) => {
                self.again.insert(asking, Some(now() + AGAIN));
                return;
            }
            Err(err) => {
                tracing::warn!(approval = %pending.id, error = err.chain(), "people can't be told: the configuration can't be used");
                self.again.insert(asking, Some(now() + UNREAD));
                return;
            }
        };
        let (now, mut next) = (now(), None);
        let mut look_at = |at: Instant| next = Some(next.map_or(at, |before: Instant| before.min(at)));
        for (channel, binding) in channels.channels {
            let before = pending.notices.get(&SafeText::new(&channel.name, 64));
            if before.is_some_and(|notice| matches!(notice.end, Some(NoticeEnd::Delivered | NoticeEnd::GaveUp))) {
                continue;
            }
            let at = (asking, channel.name.clone());
            // Another process may have tried it before.
            let due = self.due.get(&at).copied().unwrap_or_else(|| now + before.map_or(Duration::ZERO, still_waits));
            if due > now {
                look_at(due);
            } else if self.under_way.len() >= AT_ONCE_MAX && !self.under_way.contains(&at) {
                look_at(now + AGAIN);
            } else {
                // When an attempt has ended, it is looked at again at once.
                look_at(now + UNREAD);
                if self.under_way.insert(at.clone()) {
                    let attempts = before.map_or(0, |notice| notice.attempts);
                    let (host, pending, network) = (self.host.clone(), pending.clone(), channels.network.clone());
                    self.tasks.spawn(async move { (at, tell(&host, &pending, (channel, binding), network).await, attempts) });
                }
            }
        }
        self.again.insert(asking, next);
    }

    fn told(&mut self, told: Option<(At, Option<NoticeEnd>, u64)>) {
        let Some((at, end, attempts)) = told else { return };
        self.under_way.remove(&at);
        let wait = match end {
            Some(NoticeEnd::Again) => wait_after(attempts + 1),
            Some(NoticeEnd::Delivered | NoticeEnd::GaveUp) => Duration::ZERO,
            None => UNREAD,
        };
        self.again.insert(at.0, Some(now()));
        self.due.insert(at, now() + wait);
    }
}

/// How long it is waited after this number of attempts.
fn wait_after(attempts: u64) -> Duration {
    AGAIN * 4_u32.saturating_pow(u32::try_from(attempts.saturating_sub(1)).unwrap_or(u32::MAX).min(7))
}

/// For how long a channel still has to wait after its last attempt. If the clock was set back, it waits once more.
fn still_waits(notice: &Notice) -> Duration {
    let passed = Duration::from_millis(now_ms().saturating_sub(notice.at));
    wait_after(notice.attempts).saturating_sub(passed)
}

/// The channels for an act, from the configuration of now. `None` if the run has no record yet.
async fn channels_of(host: &LocalHost, id: ApprovalId) -> Result<Option<Channels>, ServiceError> {
    // The run may have been opened a moment ago. If this fails, nothing can be recorded any more, and the attempt fails too.
    let _ = host.durable().await;
    let place = host.place().clone();
    reading(move || {
        let Some(opened) = opened(&place, id.run)? else { return Ok(None) };
        let configured = trusted_now(&place, &opened)?;
        let binding = |channel: &NoticeChannel| match &channel.to {
            NoticeTo::Http { credential: Some(name), .. } => configured.resolved.credentials.get(name).cloned(),
            NoticeTo::Http { credential: None, .. } | NoticeTo::Mail { .. } => None,
        };
        let channels = configured.resolved.notify.iter().map(|channel| (channel.clone(), binding(channel))).collect();
        Ok(Some(Channels { channels, network: network(&configured) }))
    })
    .await
}

/// One attempt at one channel. `None` if it could not be made.
async fn tell(
    host: &LocalHost,
    pending: &PendingNotice,
    (channel, binding): (NoticeChannel, Option<Binding>),
    network: NetworkOrder,
) -> Option<NoticeEnd> {
    let (approval, digest) = (pending.id, pending.view.digest);
    let request = if channel.details { host.shown_request(approval, digest).await.ok()? } else { None };
    let card = Card::of(pending, request);
    let (headers, body) = match &channel.to {
        NoticeTo::Http { shape, .. } => notice::http(&card, *shape, &host.log_id()),
        NoticeTo::Mail { from, recipients, .. } => (Vec::new(), notice::mail(&card, from, recipients)),
    };
    let order = NoticeOrder { approval, binding, body: body.into(), channel, digest, headers, network };
    match host.tell(order).await {
        Ok(end) => end.or(Some(NoticeEnd::GaveUp)),
        Err(err) => {
            tracing::warn!(%approval, error = %err, "people were not told");
            None
        }
    }
}
