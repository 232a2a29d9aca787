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
use vocabulary::{ApprovalId, Means, OpId, Principal, RunId, Stopping, exit};

use super::lines::Lines;
use super::wire::{Request, Response, WIRE_FORM, line, send};
use super::{BEAT, short_path};
use crate::wait::SOCKET;
use run::{FORMS, LocalHost, RunError, Running, principal_of, spoken_forms};

use crate::err::ServiceError;
use crate::host::Host;
use crate::session::Session;

/// BOUND: how many clients are served at once, and how long a client may take to send its request, so that silent clients don't keep others
/// out.
#[derive(Clone, Copy)]
struct SocketBounds {
    clients_max: usize,
    request_max: Duration,
}

/// The bounds of every host.
const BOUNDS: SocketBounds = SocketBounds { clients_max: 256, request_max: Duration::from_secs(30) };
/// How long the host waits before it tries again to accept a client, after that failed.
const ACCEPT_AGAIN: Duration = Duration::from_millis(50);
/// How often the host checks whether the file of the socket still exists.
const LOOK_AGAIN: Duration = Duration::from_millis(500);

type Requests = Lines<Request>;

/// Serves the control socket until it is dropped.
pub(crate) struct Server(JoinHandle<()>);

impl Drop for Server {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Binds the socket of a home whose lock this process holds. An existing socket was left by a process that died, so it is removed.
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

/// Waits for the next client. If somebody has removed the socket, it is made again, because otherwise no client could reach this process
/// while it holds the home. A file that was put in its place is left alone.
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
            // Most likely the process has no free descriptors: wait until other clients have ended.
            tokio::time::sleep(ACCEPT_AGAIN).await;
            continue;
        };
        let Some(by) = stream.peer_cred().ok().and_then(|peer| client(peer.uid(), geteuid().as_raw())) else { continue };
        // A client that gets no welcome looks for another host.
        let Some(attending) = host.attend() else { continue };
        let host = host.clone();
        tokio::spawn(async move {
            // An error means that the client went away. It gets no further messages.
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
/// SECURITY: the mode of the folder already keeps other users out. This check also protects if somebody has widened the mode, and against
/// an open descriptor that was passed on.
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

/// Handles a request that has exactly one answer.
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
        Request::Vote { order } => Response::Voted { report: host.vote(*order).await? },
        Request::RevokeApproval { run, op } => done(host.revoke_approval(ApprovalId { run, op: OpId(op) }).await?),
        Request::Revoke { revoking, word } => Response::Ended { leases: host.revoke(revoking, word).await? },
        Request::RecordHold { said } => done(host.record_hold(said).await?),
        Request::Prune { order } => Response::Pruned { done: host.prune(*order, Box::new(|_, _| ControlFlow::Continue(()))).await? },
        Request::RecordTrust { said } => done(host.record_trust(said).await?),
        Request::Run { .. } | Request::Resume { .. } | Request::Continue { .. } => {
            Response::Failed { exit: exit::USAGE, message: "not understood: this request has more than one answer".to_owned(), help: None }
        }
    })
}

/// Begins a run unless its client goes away meanwhile, for example while a component is compiled.
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

/// Waits for the future, and meanwhile reports that the host is alive.
async fn beating<T>(done: impl Future<Output = T>, (to, host): (&mut OwnedWriteHalf, &LocalHost)) -> T {
    let mut done = pin!(done);
    let mut beats = tokio::time::interval(BEAT);
    loop {
        tokio::select! {
            biased;
            done = &mut done => return done,
            // An error means that the client has gone. Its request is finished nevertheless.
            _ = beats.tick() => drop(beat(to, host).await),
        }
    }
}

/// Reports that the host is alive. A client that does not read gets no report, because this must not wait for it.
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
        ServiceError::Run(RunError::Running(run) | RunError::Taken(run)) => Response::Attended { run: *run },
        ServiceError::Run(RunError::NoSuchRun(run)) => Response::NotOpen { run: *run },
        ServiceError::Run(RunError::Unsettled { run, acts }) => Response::Unsettled { run: *run, acts: acts.clone() },
        err => Response::Failed { exit: err.exit(), message: err.chain(), help: err.help() },
    }
}

/// Sends a client the events of its run. The run is ended if the client stops it or goes away.
///
/// INVARIANT: the guest begins only after the id of the run was sent to the client. So if this process dies before, the run, which no
/// client knows, has asked for nothing.
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
                    // The other branch still reads what the client sent before it went away.
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
