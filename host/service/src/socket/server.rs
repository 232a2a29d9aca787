//! The host's end of the control socket.

use std::future::Future;
use std::io;
use std::ops::ControlFlow;
use std::path::Path;
use std::pin::pin;
use std::time::Duration;

use rustix::process::geteuid;
use tokio::io::{AsyncWriteExt as _, BufReader};
use tokio::net::unix::OwnedWriteHalf;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use vocabulary::{Means, Principal, RunId, Stopping, exit};

use super::lines::Lines;
use super::wire::{Request, Response, WIRE_FORM, line, send};
use super::{BEAT, short_path};
use crate::wait::SOCKET;
use run::{FORMS, LocalHost, RunError, Running, principal_of, spoken_forms};

use crate::err::ServiceError;
use crate::host::Host;
use crate::session::Session;

/// BOUND: clients spoken to at once, and how long one may take to say what it wants: silent ones must not keep others out.
#[derive(Clone, Copy)]
struct SocketBounds {
    clients_max: usize,
    request_max: Duration,
}

/// What holds for every host.
const BOUNDS: SocketBounds = SocketBounds { clients_max: 256, request_max: Duration::from_secs(30) };
/// How long it is waited where no client can be accepted.
const ACCEPT_AGAIN: Duration = Duration::from_millis(50);
/// How often it is looked whether the socket is still there.
const LOOK_AGAIN: Duration = Duration::from_millis(500);

type Requests = Lines<Request>;

/// Serves until it is dropped.
pub(crate) struct Server(JoinHandle<()>);

impl Drop for Server {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Binds the socket of a home whose lock is held: one that lies there is left over from a process that died.
pub(crate) fn serve(host: &LocalHost) -> io::Result<Server> {
    serve_within(host, BOUNDS)
}

#[expect(clippy::disallowed_methods, reason = "door: the control socket")]
fn serve_within(host: &LocalHost, bounds: SocketBounds) -> io::Result<Server> {
    let home = &host.place().home;
    match std::fs::remove_file(home.join(SOCKET)) {
        Err(err) if err.kind() != io::ErrorKind::NotFound => return Err(err),
        _ => {}
    }
    Ok(Server(tokio::spawn(accept(bind(home)?, host.clone(), bounds))))
}

#[expect(clippy::disallowed_methods, reason = "door: the control socket")]
fn bind(home: &Path) -> io::Result<UnixListener> {
    UnixListener::bind(&short_path(home)?.path)
}

/// The next client. Where somebody has removed the socket, it is made again: otherwise nobody could speak to this process as long as it
/// holds the home. What lies there in its place is left alone.
async fn next(listener: &mut UnixListener, home: &Path) -> io::Result<UnixStream> {
    loop {
        tokio::select! {
            accepted = listener.accept() => return accepted.map(|(stream, _)| stream),
            () = tokio::time::sleep(LOOK_AGAIN) => {
                let there = std::fs::symlink_metadata(home.join(SOCKET));
                if there.is_err_and(|err| err.kind() == io::ErrorKind::NotFound)
                    && let Ok(again) = bind(home)
                {
                    *listener = again;
                }
            }
        }
    }
}

async fn accept(mut listener: UnixListener, host: LocalHost, bounds: SocketBounds) {
    let places = std::sync::Arc::new(Semaphore::new(bounds.clients_max));
    loop {
        let Ok(place) = std::sync::Arc::clone(&places).acquire_owned().await else { return };
        let Ok(stream) = next(&mut listener, &host.place().home).await else {
            // Out of descriptors, most likely: let others end before the next try.
            tokio::time::sleep(ACCEPT_AGAIN).await;
            continue;
        };
        let Some(by) = stream.peer_cred().ok().and_then(|peer| client(peer.uid(), geteuid().as_raw())) else { continue };
        // A client that is not welcomed looks for another host.
        let Some(attending) = host.attend() else { continue };
        let host = host.clone();
        tokio::spawn(async move {
            // A client that goes away in the middle is told nothing more.
            let _ = speak(stream, &Session::new(host, by.clone()), by, bounds.request_max).await;
            drop((place, attending));
        });
    }
}

fn welcome() -> Response {
    Response::Welcome { version: FORMS.program.to_owned(), forms: spoken_forms(), wire: WIRE_FORM }
}

/// The user behind a connection, as the kernel noted it when the connection was made (SO_PEERCRED, unix(7)). `None` if it is not the user
/// of this process.
///
/// SECURITY: the folder's mode keeps others out already. This check also holds if somebody has widened the mode, and for an open descriptor
/// that was passed on.
fn client(peer: u32, own: u32) -> Option<Principal> {
    (peer == own).then(|| principal_of(peer))
}

async fn speak(stream: UnixStream, session: &Session, by: Principal, request_max: Duration) -> io::Result<()> {
    let (from, mut to) = stream.into_split();
    send(&mut to, &welcome()).await?;
    let mut requests = Lines::of(BufReader::new(from));
    let request = match tokio::time::timeout(request_max, requests.recv()).await {
        Ok(Some(Ok(request))) => request,
        Ok(None) | Err(_) => return Ok(()),
        Ok(Some(Err(err))) => {
            return send(&mut to, &Response::Failed { exit: exit::USAGE, message: format!("not understood: {err}"), help: None }).await;
        }
    };
    let host = session.local();
    let begun = match request {
        Request::Run { request } => wanted(session.start_named(*request), &mut requests, (&mut to, host)).await,
        Request::Resume { request } => wanted(session.resume(&request), &mut requests, (&mut to, host)).await,
        Request::Continue { run, as_begun } => wanted(session.continue_run(run, &as_begun), &mut requests, (&mut to, host)).await,
        other => {
            let answer = beating(answer(other, session), (&mut to, host)).await;
            return send(&mut to, &answer.unwrap_or_else(|err| failed(&err))).await;
        }
    };
    match begun {
        Some(Ok(running)) => attend(running, requests, (to, host), by).await,
        // The client looks for another host.
        Some(Err(ServiceError::Run(RunError::Leaving))) | None => Ok(()),
        Some(Err(err)) => send(&mut to, &failed(&err)).await,
    }
}

/// Does what is done with one answer.
async fn answer(request: Request, host: &dyn Host) -> Result<Response, ServiceError> {
    let done = |()| Response::Done { done: true };
    Ok(match request {
        Request::Settle { run, word } => Response::Settled { settling: host.settle(run, word).await? },
        Request::Stop { run, .. } => Response::Done { done: host.stop(run).await? },
        Request::Going {} => Response::Going { going: host.going().await? },
        Request::Status {} => Response::Status { status: Box::new(host.status().await?) },
        Request::RecordCredential { word } => done(host.record_credential(word).await?),
        Request::RecordSealed { under } => done(host.record_sealed(under).await?),
        Request::Release { run } => done(host.release(run).await?),
        Request::Revoke { revoking, word } => Response::Ended { leases: host.revoke(revoking, word).await? },
        Request::RecordHold { said } => done(host.record_hold(said).await?),
        Request::Prune { order } => Response::Pruned { done: host.prune(*order, Box::new(|_, _| ControlFlow::Continue(()))).await? },
        Request::RecordTrust { said } => done(host.record_trust(said).await?),
        Request::Run { .. } | Request::Resume { .. } | Request::Continue { .. } => {
            Response::Failed { exit: exit::USAGE, message: "not understood: that has more answers than one".to_owned(), help: None }
        }
    })
}

/// Begins a run as long as its client is there: one that goes away while a component is compiled wants no run.
async fn wanted(
    begun: impl Future<Output = Result<Running, ServiceError>>,
    requests: &mut Requests,
    client: (&mut OwnedWriteHalf, &LocalHost),
) -> Option<Result<Running, ServiceError>> {
    tokio::select! {
        biased;
        running = beating(begun, client) => Some(running),
        _ = requests.recv() => None,
    }
}

/// Does this, and says meanwhile that the host goes on.
async fn beating<T>(done: impl Future<Output = T>, (to, host): (&mut OwnedWriteHalf, &LocalHost)) -> T {
    let mut done = pin!(done);
    let mut beats = tokio::time::interval(BEAT);
    loop {
        tokio::select! {
            biased;
            done = &mut done => return done,
            // Whoever has gone does not hear it. What it wanted is finished nevertheless.
            _ = beats.tick() => drop(beat(to, host).await),
        }
    }
}

/// Says that the host goes on. A client that does not read is told nothing: this must not wait for it.
async fn beat(to: &mut OwnedWriteHalf, host: &LocalHost) -> io::Result<()> {
    let line = line(&Response::Alive { disk_ms: host.disk_ms() })?;
    match to.try_write(&line) {
        Ok(written) => to.write_all(line.get(written..).unwrap_or_default()).await,
        Err(err) if err.kind() == io::ErrorKind::WouldBlock => Ok(()),
        Err(err) => Err(err),
    }
}

fn failed(err: &ServiceError) -> Response {
    match err {
        ServiceError::Run(RunError::Unsettled { run, acts }) => Response::Unsettled { run: *run, acts: acts.clone() },
        err => Response::Failed { exit: err.exit(), message: err.chain(), help: err.help() },
    }
}

/// Tells a client of its run. A client that stops it, or goes away, ends it.
///
/// INVARIANT: the guest begins once the client can read which run is its own. So if this process dies before, nothing was asked in a run
/// that nobody knows of.
async fn attend(
    mut running: Running,
    mut requests: Requests,
    (mut to, host): (OwnedWriteHalf, &LocalHost),
    by: Principal,
) -> io::Result<()> {
    let stopping = |means| Stopping { by: by.clone(), means };
    let (mut listening, mut heard) = (true, true);
    let mut beats = tokio::time::interval(BEAT);
    loop {
        tokio::select! {
            event = running.events.next() => match event {
                Some(event) => {
                    // What the client has said before it went away is still read, by the other branch.
                    heard = heard && send(&mut to, &Response::Event { event }).await.is_ok();
                    running.go();
                }
                None => return Ok(()),
            },
            _ = beats.tick(), if heard => heard = beat(&mut to, host).await.is_ok(),
            request = requests.recv(), if listening => match request {
                Some(Ok(Request::Stop { run, means, .. })) if run_is(&running, run) => running.stop(stopping(means)),
                Some(Ok(_)) => {}
                None | Some(Err(_)) => {
                    listening = false;
                    running.stop(stopping(Means::ClientGone));
                }
            },
        }
    }
}

fn run_is(running: &Running, run: RunId) -> bool {
    running.run == run
}

#[cfg(test)]
mod tests;
