//! Passes on what a host tells of a client's run, and the client's order to end it. Watches whether the host goes on.

use std::future::poll_fn;
use std::time::Duration;

use home::{GaveUp, Waiting, patience};
use tokio::sync::watch;
use tokio::time::Instant;
use vocabulary::{Means, RunId, Stopping};

use super::client::SocketLine;
use super::wire::{Request, Response, send};
use run::{EventSender, RunEvent, now};

use crate::wait::gave_up;

/// After how long without a word a person is told that the host does not answer. It usually speaks four times a second.
const TELL_AFTER: Duration = Duration::from_secs(3);
/// BOUND: how long a host may say nothing while it has a run, where nobody has said anything else. A machine that swaps may be slow for
/// that long, and whoever gives up loses the run.
const SILENCE_MAX: Duration = Duration::from_secs(120);
/// BOUND: the same, once the client wants the end of the run.
const SILENCE_AT_END_MAX: Duration = Duration::from_secs(1);

/// What is known of whether the host goes on.
struct Pulse {
    heard: Instant,
    /// How long its record has been waiting for the disk.
    disk: Duration,
    is_told: bool,
    max: Duration,
}

impl Pulse {
    fn beats(&mut self, disk: Duration) {
        (self.heard, self.disk) = (now(), disk);
        self.is_told &= disk >= TELL_AFTER;
    }

    /// For how long nothing has happened, and what the host does.
    fn still(&self) -> (Duration, &'static str) {
        let silent = self.heard.elapsed();
        if self.disk > silent { (self.disk, "waits for the disk of the home") } else { (silent, "runs it") }
    }

    /// Tells a person once that the host does not go on; and returns the error when the time is over.
    fn check(&mut self, line: &SocketLine) -> Option<GaveUp> {
        let (still, what) = self.still();
        if still >= self.max {
            return Some(gave_up(line.other(), what, still));
        }
        if still >= TELL_AFTER && !std::mem::replace(&mut self.is_told, true) {
            (patience().say)(&Waiting { other: line.other(), what: what.to_owned(), left: self.max - still });
        }
        None
    }
}

/// Returns after the last event.
pub(crate) async fn relay(mut line: SocketLine, run: RunId, sender: EventSender, mut stopped: watch::Receiver<Option<Stopping>>) {
    let mut pulse = Pulse { heard: now(), disk: Duration::ZERO, is_told: false, max: patience().max_or(SILENCE_MAX) };
    let mut ended = false;
    loop {
        tokio::select! {
            // The events of a run are sent as fast as the client reads them.
            answer = async { poll_fn(|ctx| sender.poll_room(ctx)).await; line.answers.recv().await } => match answer {
                Some(Ok(Response::Alive { disk_ms })) => pulse.beats(Duration::from_millis(disk_ms)),
                Some(Ok(Response::Event { event })) => {
                    pulse.beats(pulse.disk);
                    ended |= matches!(event, RunEvent::Closed { .. } | RunEvent::Failed { .. });
                    sender.pass_on(event);
                }
                None if ended => return,
                Some(_) | None => return sender.tell(RunEvent::Left {}),
            },
            means = requested(&mut stopped), if !ended => {
                // A host that is gone is noticed by the other branch.
                let _ = send(&mut line.to, &Request::Stop { run, means }).await;
                stopped = watch::channel(None).1;
                pulse.max = SILENCE_AT_END_MAX;
            },
            () = tokio::time::sleep(super::BEAT), if !ended => {
                if !sender.has_room() {
                    // Nothing is read now because this client is slow.
                    pulse.beats(pulse.disk);
                } else if let Some(gave_up) = pulse.check(&line) {
                    return sender.tell(RunEvent::Lost { message: gave_up.to_string() });
                }
            }
        }
    }
}

/// By which means the run is to be ended, once somebody wants to end it. A `Running` that was dropped does not end it.
async fn requested(stopped: &mut watch::Receiver<Option<Stopping>>) -> Means {
    let means = stopped.wait_for(Option::is_some).await.map(|stopping| stopping.as_ref().map(|stopping| stopping.means));
    match means {
        Ok(Some(means)) => means,
        Ok(None) | Err(_) => std::future::pending().await,
    }
}
