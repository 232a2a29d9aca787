//! Passes on the events of a client's run from the host, and the client's order to end the run. Watches whether the host is alive.

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

/// After how long a silence a person is told that the host does not answer. A host usually sends something four times a second.
const TELL_AFTER: Duration = Duration::from_secs(3);
/// BOUND: how long a host that has a run may be silent, unless the user has set another time. A machine that swaps may be slow for that
/// long, and a client that gives up loses the run.
const SILENCE_MAX: Duration = Duration::from_secs(120);
/// BOUND: how long the host may be silent once the client has ordered the end of the run.
const SILENCE_AT_END_MAX: Duration = Duration::from_secs(1);

/// What is known of whether the host is alive.
struct Pulse {
    heard: Instant,
    /// How long the host's record has been waiting for the disk.
    disk: Duration,
    is_told: bool,
    max: Duration,
}

impl Pulse {
    fn beats(&mut self, disk: Duration) {
        (self.heard, self.disk) = (now(), disk);
        self.is_told &= disk >= TELL_AFTER;
    }

    /// For how long nothing has happened, and what the host is doing.
    fn still(&self) -> (Duration, &'static str) {
        let silent = self.heard.elapsed();
        if self.disk > silent { (self.disk, "waits for the disk of the home") } else { (silent, "runs it") }
    }

    /// Tells a person once that the host does not answer. Returns the error when the time is over.
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

/// Passes on events and the order to end. Returns after the last event.
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
                // The other branch notices if the host is gone.
                let _ = send(&mut line.to, &Request::Stop { run, means }).await;
                stopped = watch::channel(None).1;
                pulse.max = SILENCE_AT_END_MAX;
            },
            () = tokio::time::sleep(super::BEAT), if !ended => {
                if !sender.has_room() {
                    // Nothing is read now because the listener is slow, so silence says nothing about the host.
                    pulse.beats(pulse.disk);
                } else if let Some(gave_up) = pulse.check(&line) {
                    return sender.tell(RunEvent::Lost { message: gave_up.to_string() });
                }
            }
        }
    }
}

/// Waits for the order to end the run, and returns how it is to be ended. Dropping the `Running` does not end the run.
async fn requested(stopped: &mut watch::Receiver<Option<Stopping>>) -> Means {
    let means = stopped.wait_for(Option::is_some).await.map(|stopping| stopping.as_ref().map(|stopping| stopping.means));
    match means {
        Ok(Some(means)) => means,
        Ok(None) | Err(_) => std::future::pending().await,
    }
}
