//! The holder's end of the control socket.

use std::io;

use effect::RunId;
use rustix::process::getuid;
use tokio::io::BufReader;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

use super::wire::{Answer, Wish, receive, send};
use super::{NAME, short_path};
use crate::err::RunError;
use crate::house::House;
use crate::life::Running;

/// BOUND: clients spoken to at once.
const CLIENTS_MAX: usize = 256;

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
            tokio::task::yield_now().await;
            continue;
        };
        // SECURITY: the folder's mode already keeps others out; this holds when somebody has widened it.
        if !stream.peer_cred().is_ok_and(|peer| peer.uid() == getuid().as_raw()) {
            continue;
        }
        let house = house.clone();
        tokio::spawn(async move {
            // A client that goes away in the middle is told nothing more.
            let _ = speak(stream, &house).await;
            drop(place);
        });
    }
}

async fn speak(stream: UnixStream, house: &House) -> io::Result<()> {
    let (from, mut to) = stream.into_split();
    let mut from = BufReader::new(from);
    let wish = match receive(&mut from).await {
        Ok(Some(wish)) => wish,
        Ok(None) => return Ok(()),
        Err(err) => return send(&mut to, &Answer::Failed { exit: 2, message: format!("not understood: {err}") }).await,
    };
    let answer = match wish {
        Wish::Run { order } => match house.start(*order).await {
            Ok(running) => return attend(running, from, to).await,
            Err(err) => failed(&err),
        },
        Wish::Resume { run, by, settled, network } => match house.resume(run, by, settled, &network).await {
            Ok(running) => return attend(running, from, to).await,
            Err(err) => failed(&err),
        },
        Wish::Stop { run, by } => match house.end(run, &by).await {
            Ok(done) => Answer::Done { done },
            Err(err) => failed(&err),
        },
        Wish::Going {} => Answer::Going { going: house.going() },
        Wish::RecordTrust { config, path, by } => match house.record_trust(config, &path, by).await {
            Ok(()) => Answer::Done { done: true },
            Err(err) => failed(&err),
        },
    };
    send(&mut to, &answer).await
}

fn failed(err: &RunError) -> Answer {
    Answer::Failed { exit: err.exit(), message: err.chain() }
}

/// Tells a client of its run. A client that stops it, or goes away, ends it.
async fn attend(mut running: Running, mut from: BufReader<OwnedReadHalf>, mut to: OwnedWriteHalf) -> io::Result<()> {
    let mut listening = true;
    loop {
        tokio::select! {
            event = running.events.next() => match event {
                Some(event) => send(&mut to, &Answer::Event { event }).await.inspect_err(|_| running.stop("its client went away"))?,
                None => return Ok(()),
            },
            wish = receive::<Wish>(&mut from), if listening => match wish {
                Ok(Some(Wish::Stop { run, by })) if run_is(&running, run) => running.stop(&by),
                Ok(Some(_)) => {}
                Ok(None) | Err(_) => {
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
