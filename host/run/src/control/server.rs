//! The holder's end of the control socket.

use std::future::Future;
use std::io;
use std::time::Duration;

use effect::{Means, Principal, RunId, Stopping};
use rustix::process::geteuid;
use tokio::io::BufReader;
use tokio::net::unix::OwnedWriteHalf;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinHandle;

use super::wire::{Answer, WIRE_FORM, Wish, lines, send};
use super::{NAME, short_path};
use crate::err::RunError;
use crate::forms::{FORMS, spoken};
use crate::house::House;
use crate::life::Running;
use crate::principal::principal_of;

/// BOUND: clients spoken to at once, and how long one may take to say what it wants: silent ones must not keep others out.
#[derive(Clone, Copy)]
struct Bounds {
    clients_max: usize,
    wish_max: Duration,
}

/// What holds for every holder.
const BOUNDS: Bounds = Bounds { clients_max: 256, wish_max: Duration::from_secs(30) };
/// How long it is waited where no client can be accepted.
const ACCEPT_AGAIN: Duration = Duration::from_millis(50);

type Wishes = mpsc::Receiver<io::Result<Wish>>;

/// Serves until it is dropped.
pub(crate) struct Server(JoinHandle<()>);

impl Drop for Server {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Binds the socket of a home whose lock is held: one that lies there is left over from a process that died.
pub(crate) fn serve(house: &House) -> io::Result<Server> {
    serve_within(house, BOUNDS)
}

#[expect(clippy::disallowed_methods, reason = "door: the control socket")]
fn serve_within(house: &House, bounds: Bounds) -> io::Result<Server> {
    let home = house.place().home.clone();
    let path = short_path(&home)?;
    match std::fs::remove_file(home.join(NAME)) {
        Err(err) if err.kind() != io::ErrorKind::NotFound => return Err(err),
        _ => {}
    }
    let listener = UnixListener::bind(&path.path)?;
    Ok(Server(tokio::spawn(accept(listener, house.clone(), bounds))))
}

async fn accept(listener: UnixListener, house: House, bounds: Bounds) {
    let places = std::sync::Arc::new(Semaphore::new(bounds.clients_max));
    loop {
        let Ok(place) = std::sync::Arc::clone(&places).acquire_owned().await else { return };
        let Ok((stream, _)) = listener.accept().await else {
            // Out of descriptors, most likely: let others end before the next try.
            tokio::time::sleep(ACCEPT_AGAIN).await;
            continue;
        };
        let Some(by) = stream.peer_cred().ok().and_then(|peer| client(peer.uid(), geteuid().as_raw())) else { continue };
        // A client that is not welcomed looks for another holder.
        let Some(attending) = house.attend() else { continue };
        let house = house.clone();
        tokio::spawn(async move {
            // A client that goes away in the middle is told nothing more.
            let _ = speak(stream, &house, by, bounds.wish_max).await;
            drop((place, attending));
        });
    }
}

fn welcome() -> Answer {
    Answer::Welcome { version: FORMS.program.to_owned(), forms: spoken(), wire: WIRE_FORM }
}

/// The user behind a connection, as the kernel noted it when the connection was made (SO_PEERCRED, unix(7)). `None` if it is not the user
/// of this process.
///
/// SECURITY: the folder's mode keeps others out already. This check also holds if somebody has widened the mode, and for an open descriptor
/// that was passed on.
fn client(peer: u32, own: u32) -> Option<Principal> {
    (peer == own).then(|| principal_of(peer))
}

async fn speak(stream: UnixStream, house: &House, by: Principal, wish_max: Duration) -> io::Result<()> {
    let (from, mut to) = stream.into_split();
    send(&mut to, &welcome()).await?;
    let mut wishes = lines(BufReader::new(from));
    let wish = match tokio::time::timeout(wish_max, wishes.recv()).await {
        Ok(Some(Ok(wish))) => wish,
        Ok(None) | Err(_) => return Ok(()),
        Ok(Some(Err(err))) => return send(&mut to, &Answer::Failed { exit: 2, message: format!("not understood: {err}") }).await,
    };
    let answer = match wish {
        Wish::Run { order } => match wanted(house.start(*order, by.clone()), &mut wishes).await {
            Some(Ok(running)) => return attend(running, wishes, to, by).await,
            Some(Err(err)) => failed(&err),
            None => return Ok(()),
        },
        Wish::Resume { run, network } => match wanted(house.resume(run, by.clone(), &network), &mut wishes).await {
            Some(Ok(running)) => return attend(running, wishes, to, by).await,
            Some(Err(err)) => failed(&err),
            None => return Ok(()),
        },
        Wish::Settle { run, word } => match house.settle(run, &word, &by).await {
            Ok(settling) => Answer::Settled { settling },
            Err(err) => failed(&err),
        },
        Wish::Stop { run, means } => match house.end(run, Stopping { by, means }).await {
            Ok(done) => Answer::Done { done },
            Err(err) => failed(&err),
        },
        Wish::Going {} => Answer::Going { going: house.going() },
        Wish::RecordCredential { word } => match house.record_credential(&word, &by).await {
            Ok(()) => Answer::Done { done: true },
            Err(err) => failed(&err),
        },
        Wish::RecordSealed { under } => match house.record_sealed(under, &by).await {
            Ok(()) => Answer::Done { done: true },
            Err(err) => failed(&err),
        },
        Wish::Release { run } => match house.release(run, &by).await {
            Ok(()) => Answer::Done { done: true },
            Err(err) => failed(&err),
        },
        Wish::Revoke { revoking, word } => match house.take_back(&revoking, word.as_ref(), &by).await {
            Ok(leases) => Answer::Ended { leases },
            Err(err) => failed(&err),
        },
        Wish::RecordTrust { said } => match house.record_trust(&said, &by).await {
            Ok(()) => Answer::Done { done: true },
            Err(err) => failed(&err),
        },
    };
    send(&mut to, &answer).await
}

/// Begins a run as long as its client is there: one that goes away while a component is compiled wants no run.
async fn wanted(begun: impl Future<Output = Result<Running, RunError>>, wishes: &mut Wishes) -> Option<Result<Running, RunError>> {
    tokio::select! {
        biased;
        running = begun => Some(running),
        _ = wishes.recv() => None,
    }
}

fn failed(err: &RunError) -> Answer {
    match err {
        RunError::Unsettled { run, acts } => Answer::Unsettled { run: *run, acts: acts.clone() },
        err => Answer::Failed { exit: err.exit(), message: err.chain() },
    }
}

/// Tells a client of its run. A client that stops it, or goes away, ends it.
async fn attend(mut running: Running, mut wishes: Wishes, mut to: OwnedWriteHalf, by: Principal) -> io::Result<()> {
    let stopping = |means| Stopping { by: by.clone(), means };
    let mut listening = true;
    loop {
        tokio::select! {
            event = running.events.next() => match event {
                Some(event) => send(&mut to, &Answer::Event { event }).await.inspect_err(|_| running.stop(stopping(Means::ClientGone)))?,
                None => return Ok(()),
            },
            wish = wishes.recv(), if listening => match wish {
                Some(Ok(Wish::Stop { run, means, .. })) if run_is(&running, run) => running.stop(stopping(means)),
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
