//! The client's end of the control socket.
//!
//! A host may be stopped, swapped out or unresponsive at any moment. So each wait for it has a bound, and a long wait is reported
//! ([`crate::wait`]).

use std::io;
use std::os::unix::fs::FileTypeExt as _;
use std::sync::Mutex;
use std::time::Duration;

use home::{GaveUp, Other};
use rustix::process::geteuid;
use tokio::io::BufReader;
use tokio::net::UnixStream;
use tokio::net::unix::OwnedWriteHalf;
use vocabulary::record::SealedUnder;
use vocabulary::{ApprovalId, Means, RunId, SafeText};

use super::lines::Lines;
use super::relay::relay;
use super::short_path;
use super::wire::{Request, Response, WIRE_FORM, send};
use run::{
    CredentialWord, FORMS, HoldSaid, HomePlace, PruneDone, PruneOrder, Revoking, RunEvent, Running, SettleReport, Settlement, Status,
    TrustSaid, VoteOrder, VoteReport, held, spoken_forms,
};

use crate::admission::Admitted;
use crate::err::ServiceError;
use crate::host::{Host, HostFuture, PruneListener};
use crate::request::{Continuation, ResumeRequest};
use crate::wait::{Wait, gave_up, since};

/// A client of the process that holds a home.
#[derive(Debug)]
pub(crate) struct Client {
    place: HomePlace,
    /// BOUND: how long the client waits for each answer.
    max: Duration,
    /// A connection for the first request, on which the host has sent its welcome. The host does not leave while it is open.
    first: Mutex<Option<SocketLine>>,
}

/// A connection to a host that has sent its welcome.
#[derive(Debug)]
pub(crate) struct SocketLine {
    pub(crate) answers: Lines<Response>,
    pub(crate) to: OwnedWriteHalf,
    /// The process id of the host, from the kernel.
    pub(crate) pid: Option<u32>,
}

/// Why a host can't be reached.
#[derive(Debug)]
pub(crate) enum Unreached {
    /// Another try may succeed: the host may be just taking or leaving the home.
    NotYet(io::Error),
    /// Another try would fail in the same way.
    Never(io::Error),
    /// The host did not send its welcome in time.
    GaveUp(GaveUp),
    /// Another version of the program holds the home, and does not understand this one.
    OtherVersion(ServiceError),
}

/// The error for a host of another version. The version that it reports is shown to a person.
fn other_version(version: &str) -> ServiceError {
    let theirs = SafeText::new(if version.is_empty() { "of an older version" } else { version }, 32).to_string();
    ServiceError::OtherVersion { theirs, own: FORMS.program }
}

impl From<io::Error> for Unreached {
    fn from(err: io::Error) -> Self {
        Self::NotYet(err)
    }
}

/// How long a request may take.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Work {
    /// The host does it at once.
    Short,
    /// It may take long, for example compiling or rebuilding. The client waits as long as the host reports that it is alive.
    Long,
}

impl SocketLine {
    pub(crate) fn other(&self) -> Other {
        self.pid.map_or_else(Other::default, Other::of)
    }
}

impl Client {
    /// Connects to the host and waits for its welcome.
    #[expect(clippy::disallowed_methods, reason = "door: the control socket")]
    async fn dial(place: &HomePlace, wait: &mut Wait) -> Result<SocketLine, Unreached> {
        let path = short_path(&place.home)?;
        // SECURITY: a link in its place would lead to another program's socket.
        if !std::fs::symlink_metadata(&path.path)?.file_type().is_socket() {
            return Err(io::Error::new(io::ErrorKind::ConnectionRefused, "`host.sock` in the home is not a socket").into());
        }
        let unknown = || crate::wait::holder(&place.home).unwrap_or_default();
        let stream = wait.on(UnixStream::connect(&path.path), unknown).await.map_err(Unreached::GaveUp)??;
        // SECURITY: a request is sent only to a process of the same user, no matter who made the socket.
        let peer = stream.peer_cred()?;
        if peer.uid() != geteuid().as_raw() {
            let words = format!("the socket `host.sock` in the home belongs to uid {}", peer.uid());
            return Err(Unreached::Never(io::Error::new(io::ErrorKind::PermissionDenied, words)));
        }
        let pid = peer.pid().and_then(|pid| u32::try_from(pid).ok()).filter(|pid| *pid > 0);
        let (from, to) = stream.into_split();
        let mut line = SocketLine { answers: Lines::of(BufReader::new(from)), to, pid };
        let other = || since(&place.home, pid.map_or_else(unknown, Other::of));
        match wait.on(line.answers.recv(), other).await.map_err(Unreached::GaveUp)? {
            Some(Ok(Response::Welcome { forms, wire, .. })) if wire == WIRE_FORM && forms == spoken_forms() => Ok(line),
            Some(Ok(Response::Welcome { version, .. })) => Err(Unreached::OtherVersion(other_version(&version))),
            Some(Err(err)) => Err(err.into()),
            Some(Ok(_)) | None => Err(io::Error::new(io::ErrorKind::ConnectionAborted, "the host is just leaving the home").into()),
        }
    }

    pub(crate) async fn connect(place: &HomePlace, wait: &mut Wait) -> Result<Self, Unreached> {
        let first = Mutex::new(Some(Self::dial(place, wait).await?));
        Ok(Self { place: place.clone(), max: wait.max(), first })
    }

    pub(crate) fn place(&self) -> &HomePlace {
        &self.place
    }

    /// The process id of the host. It is known until the first request.
    pub(crate) fn pid(&self) -> Option<u32> {
        held(&self.first).as_ref().and_then(|line| line.pid)
    }

    /// The first connection, unless the host has closed it.
    fn take_first(&self) -> Option<SocketLine> {
        let mut line = held(&self.first).take()?;
        line.answers.is_quiet().then_some(line)
    }

    async fn line(&self) -> Result<SocketLine, ServiceError> {
        if let Some(line) = self.take_first() {
            return Ok(line);
        }
        let mut wait = Wait::of(self.max);
        loop {
            let home = &self.place.home;
            let unspoken = |other, cause| ServiceError::Unspoken { other, home: home.clone(), cause };
            match (Self::dial(&self.place, &mut wait).await, crate::wait::holder(home)) {
                (Ok(line), _) => return Ok(line),
                (Err(Unreached::GaveUp(gave_up)), _) => return Err(gave_up.into()),
                (Err(Unreached::OtherVersion(err)), _) => return Err(err),
                (Err(Unreached::Never(cause)), other) => return Err(unspoken(other.unwrap_or_default(), cause)),
                (Err(Unreached::NotYet(_)), None) => return Err(ServiceError::HostGone(Other::default())),
                // Another process has just taken the home.
                (Err(Unreached::NotYet(cause)), Some(other)) => {
                    wait.check(&|| other.clone()).map_err(|_| unspoken(other.clone(), cause))?;
                    tokio::time::sleep(super::PAUSE).await;
                }
            }
        }
    }

    async fn request(&self, request: &Request, work: Work) -> Result<(SocketLine, Response), ServiceError> {
        let mut line = self.line().await?;
        let (home, pid) = (&self.place.home, line.pid);
        let other = || since(home, pid.map_or_else(Other::default, Other::of));
        let gone = || ServiceError::HostGone(other());
        // Nothing is read while a large request is written, so the whole write has one time limit.
        if Wait::of(self.max).on(send(&mut line.to, request), other).await?.is_err() {
            return Err(gone());
        }
        let mut wait = Wait::of(self.max);
        loop {
            let answer = wait.on(line.answers.recv(), other).await?;
            match answer {
                Some(Ok(Response::Alive { disk_ms })) => {
                    let disk = Duration::from_millis(disk_ms);
                    if disk >= self.max {
                        return Err(gave_up(other(), "waits for the disk of the home", disk).into());
                    }
                    if work == Work::Long && disk.is_zero() {
                        wait = Wait::of(self.max);
                    }
                }
                Some(Ok(Response::Failed { exit, message, help })) => return Err(ServiceError::Refused { exit, message, help }),
                Some(Ok(Response::NotOpen { run })) => return Err(run::RunError::NoSuchRun(run).into()),
                Some(Ok(Response::Attended { run })) => return Err(run::RunError::Running(run).into()),
                Some(Ok(Response::Unsettled { run, acts })) => return Err(run::RunError::Unsettled { run, acts }.into()),
                Some(Ok(answer)) => return Ok((line, answer)),
                Some(Err(err)) if err.kind() == io::ErrorKind::InvalidData => return Err(ServiceError::Unexpected(err.to_string())),
                Some(Err(_)) | None => return Err(gone()),
            }
        }
    }

    /// Sends a request whose answer is [`Response::Done`].
    async fn done(&self, request: &Request, work: Work) -> Result<bool, ServiceError> {
        match self.request(request, work).await?.1 {
            Response::Done { done } => Ok(done),
            other => Err(unexpected(&other)),
        }
    }

    async fn attended(&self, request: &Request) -> Result<Running, ServiceError> {
        let (line, answer) = self.request(request, Work::Long).await?;
        let Response::Event { event: RunEvent::Opened { run } } = answer else {
            return Err(unexpected(&answer));
        };
        let (running, sender, stopped) = Running::elsewhere(run);
        tokio::spawn(relay(line, run, sender, stopped));
        Ok(running)
    }
}

fn unexpected(answer: &Response) -> ServiceError {
    ServiceError::Unexpected(format!("{answer:?}"))
}

impl Host for Client {
    fn start<'a>(&'a self, run: &'a Admitted) -> HostFuture<'a, Running> {
        Box::pin(async move { self.attended(&Request::Run { request: Box::new(run.request().clone()) }).await })
    }

    fn resume<'a>(&'a self, request: &'a ResumeRequest) -> HostFuture<'a, Running> {
        Box::pin(async move { self.attended(&Request::Resume { request: request.clone() }).await })
    }

    fn continue_run<'a>(&'a self, run: RunId, as_begun: &'a Continuation) -> HostFuture<'a, Running> {
        Box::pin(async move { self.attended(&Request::Continue { run, as_begun: as_begun.clone() }).await })
    }

    fn stop(&self, run: RunId) -> HostFuture<'_, bool> {
        // The host may have to read the record of a run that was cut off.
        Box::pin(async move { self.done(&Request::Stop { run, means: Means::Stop }, Work::Long).await })
    }

    fn settle(&self, run: RunId, word: Settlement) -> HostFuture<'_, SettleReport> {
        Box::pin(async move {
            match self.request(&Request::Settle { run, word }, Work::Short).await?.1 {
                Response::Settled { settling } => Ok(settling),
                other => Err(unexpected(&other)),
            }
        })
    }

    fn vote(&self, order: VoteOrder) -> HostFuture<'_, VoteReport> {
        Box::pin(async move {
            match self.request(&Request::Vote { order: Box::new(order) }, Work::Short).await?.1 {
                Response::Voted { report } => Ok(report),
                other => Err(unexpected(&other)),
            }
        })
    }

    fn revoke_approval(&self, id: ApprovalId) -> HostFuture<'_, ()> {
        Box::pin(async move { self.done(&Request::RevokeApproval { run: id.run, op: id.op.0 }, Work::Short).await.map(drop) })
    }

    fn release(&self, run: RunId) -> HostFuture<'_, ()> {
        Box::pin(async move { self.done(&Request::Release { run }, Work::Short).await.map(drop) })
    }

    fn going(&self) -> HostFuture<'_, Vec<(RunId, SafeText)>> {
        Box::pin(async move {
            match self.request(&Request::Going {}, Work::Short).await?.1 {
                Response::Going { going } => Ok(going),
                other => Err(unexpected(&other)),
            }
        })
    }

    fn status(&self) -> HostFuture<'_, Status> {
        Box::pin(async move {
            match self.request(&Request::Status {}, Work::Short).await?.1 {
                Response::Status { status } => Ok(*status),
                other => Err(unexpected(&other)),
            }
        })
    }

    fn record_trust(&self, said: TrustSaid) -> HostFuture<'_, ()> {
        Box::pin(async move { self.done(&Request::RecordTrust { said }, Work::Short).await.map(drop) })
    }

    fn record_hold(&self, said: HoldSaid) -> HostFuture<'_, ()> {
        // The host waits while the beginning of the record is being removed.
        Box::pin(async move { self.done(&Request::RecordHold { said }, Work::Long).await.map(drop) })
    }

    fn record_credential(&self, word: CredentialWord) -> HostFuture<'_, ()> {
        Box::pin(async move { self.done(&Request::RecordCredential { word }, Work::Short).await.map(drop) })
    }

    fn record_sealed(&self, under: SealedUnder) -> HostFuture<'_, ()> {
        Box::pin(async move { self.done(&Request::RecordSealed { under }, Work::Short).await.map(drop) })
    }

    fn revoke(&self, revoking: Revoking, word: Option<CredentialWord>) -> HostFuture<'_, Vec<SafeText>> {
        Box::pin(async move {
            match self.request(&Request::Revoke { revoking, word }, Work::Short).await?.1 {
                Response::Ended { leases } => Ok(leases),
                other => Err(unexpected(&other)),
            }
        })
    }

    fn prune(&self, order: PruneOrder, _: PruneListener) -> HostFuture<'_, PruneDone> {
        Box::pin(async move {
            match self.request(&Request::Prune { order: Box::new(order) }, Work::Long).await?.1 {
                Response::Pruned { done } => Ok(done),
                other => Err(unexpected(&other)),
            }
        })
    }
}
