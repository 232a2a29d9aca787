//! The holder's end of the control socket.

use std::future::Future;
use std::io;
use std::time::Duration;

use effect::RunId;
use rustix::process::getuid;
use tokio::io::BufReader;
use tokio::net::unix::OwnedWriteHalf;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinHandle;

use super::wire::{Answer, Wish, lines, send};
use super::{NAME, short_path};
use crate::err::RunError;
use crate::house::House;
use crate::life::Running;

/// BOUND: clients spoken to at once, and how long one may take to say what it wants: silent ones must not keep others out.
const CLIENTS_MAX: usize = 256;
const WISH_MAX: Duration = Duration::from_secs(30);
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
#[expect(clippy::disallowed_methods, reason = "door: the control socket")]
pub(crate) fn serve(house: &House) -> io::Result<Server> {
    let home = house.place().home.clone();
    let path = short_path(&home)?;
    match std::fs::remove_file(home.join(NAME)) {
        Err(err) if err.kind() != io::ErrorKind::NotFound => return Err(err),
        _ => {}
    }
    let listener = UnixListener::bind(&path.path)?;
    Ok(Server(tokio::spawn(accept(listener, house.clone()))))
}

async fn accept(listener: UnixListener, house: House) {
    let places = std::sync::Arc::new(Semaphore::new(CLIENTS_MAX));
    loop {
        let Ok(place) = std::sync::Arc::clone(&places).acquire_owned().await else { return };
        let Ok((stream, _)) = listener.accept().await else {
            // Out of descriptors, most likely: let others end before the next try.
            tokio::time::sleep(ACCEPT_AGAIN).await;
            continue;
        };
        // SECURITY: the folder's mode already keeps others out; this holds when somebody has widened it.
        if !stream.peer_cred().is_ok_and(|peer| peer.uid() == getuid().as_raw()) {
            continue;
        }
        // Whoever is not welcomed looks for another holder.
        let Some(attending) = house.attend() else { continue };
        let house = house.clone();
        tokio::spawn(async move {
            // A client that goes away in the middle is told nothing more.
            let _ = speak(stream, &house).await;
            drop((place, attending));
        });
    }
}

async fn speak(stream: UnixStream, house: &House) -> io::Result<()> {
    let (from, mut to) = stream.into_split();
    send(&mut to, &Answer::Welcome {}).await?;
    let mut wishes = lines(BufReader::new(from));
    let wish = match tokio::time::timeout(WISH_MAX, wishes.recv()).await {
        Ok(Some(Ok(wish))) => wish,
        Ok(None) | Err(_) => return Ok(()),
        Ok(Some(Err(err))) => return send(&mut to, &Answer::Failed { exit: 2, message: format!("not understood: {err}") }).await,
    };
    let answer = match wish {
        Wish::Run { order } => match wanted(house.start(*order), &mut wishes).await {
            Some(Ok(running)) => return attend(running, wishes, to).await,
            Some(Err(err)) => failed(&err),
            None => return Ok(()),
        },
        Wish::Resume { run, by, word, network } => match wanted(house.resume(run, by, word, &network), &mut wishes).await {
            Some(Ok(running)) => return attend(running, wishes, to).await,
            Some(Err(err)) => failed(&err),
            None => return Ok(()),
        },
        Wish::Stop { run, by, word } => match house.end(run, &by, word).await {
            Ok(done) => Answer::Done { done },
            Err(err) => failed(&err),
        },
        Wish::Going {} => Answer::Going { going: house.going() },
        Wish::RecordCredential { word } => match house.record_credential(&word).await {
            Ok(()) => Answer::Done { done: true },
            Err(err) => failed(&err),
        },
        Wish::Revoke { revoking, word } => match house.take_back(&revoking, word.as_ref()).await {
            Ok(leases) => Answer::Ended { leases },
            Err(err) => failed(&err),
        },
        Wish::RecordTrust { config, path, by } => match house.record_trust(config, &path, by).await {
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
    Answer::Failed { exit: err.exit(), message: err.chain() }
}

/// Tells a client of its run. A client that stops it, or goes away, ends it.
async fn attend(mut running: Running, mut wishes: Wishes, mut to: OwnedWriteHalf) -> io::Result<()> {
    let mut listening = true;
    loop {
        tokio::select! {
            event = running.events.next() => match event {
                Some(event) => send(&mut to, &Answer::Event { event }).await.inspect_err(|_| running.stop("its client went away"))?,
                None => return Ok(()),
            },
            wish = wishes.recv(), if listening => match wish {
                Some(Ok(Wish::Stop { run, by, .. })) if run_is(&running, run) => running.stop(&by),
                Some(Ok(_)) => {}
                None | Some(Err(_)) => {
                    listening = false;
                    running.stop("its client went away");
                }
            },
        }
    }
}

fn run_is(running: &Running, run: RunId) -> bool {
    running.run == run
}
