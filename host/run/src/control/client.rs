//! A client's end of the control socket.

use std::future::poll_fn;
use std::io;
use std::os::unix::fs::FileTypeExt as _;
use std::sync::Mutex;
use std::time::Duration;

use effect::record::SealedUnder;
use effect::{Means, RunId, SafeText, Stopping};
use rustix::process::geteuid;
use tokio::io::BufReader;
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::watch;

use super::short_path;
use super::wire::{Answer, WIRE_FORM, Wish, lines, receive, send};
use crate::err::RunError;
use crate::event::{self, Event, Teller};
use crate::forms::{FORMS, spoken};
use crate::house::{Place, held};
use crate::life::Running;
use crate::order::{NetworkOrder, RunOrder};
use crate::revoke::{CredentialWord, Revoking};
use crate::say_trust::TrustSaid;
use crate::settle::{Settling, Word};

/// BOUND: how long a holder may take to say that it listens.
const WELCOME_MAX: Duration = Duration::from_secs(10);

/// Speaks to the process that holds a home.
#[derive(Debug)]
pub(crate) struct Client {
    place: Place,
    /// Where the holder has said that it listens, for the first wish: it does not leave meanwhile.
    first: Mutex<Option<Line>>,
}

/// Another version of the program holds the home, and does not understand this one.
#[derive(Debug, thiserror::Error)]
#[error("it is bailiwick {0}")]
struct OtherVersion(String);

/// What became of a connection.
pub(crate) fn gone(err: &io::Error) -> RunError {
    match err.get_ref().and_then(|inner| inner.downcast_ref::<OtherVersion>()) {
        Some(OtherVersion(version)) => {
            // What another program says of itself is shown to a person.
            let theirs = SafeText::new(if version.is_empty() { "of an older version" } else { version }, 32).to_string();
            RunError::OtherVersion { theirs, own: FORMS.program }
        }
        None => RunError::Holder(err.to_string()),
    }
}

type Line = (BufReader<OwnedReadHalf>, OwnedWriteHalf);

impl Client {
    /// Whether somebody answers, and listens.
    #[expect(clippy::disallowed_methods, reason = "door: the control socket")]
    async fn dial(place: &Place) -> io::Result<Line> {
        let path = short_path(&place.home)?;
        // SECURITY: a link in its place would lead to another program's socket.
        if !std::fs::symlink_metadata(&path.path)?.file_type().is_socket() {
            return Err(io::Error::new(io::ErrorKind::ConnectionRefused, "what lies in its place is no socket"));
        }
        let stream = UnixStream::connect(&path.path).await?;
        // SECURITY: an order is sent only to a process of the same user, no matter who made the socket.
        if stream.peer_cred()?.uid() != geteuid().as_raw() {
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, "the socket of the home is another user's"));
        }
        let (from, to) = stream.into_split();
        let mut from = BufReader::new(from);
        let welcome = tokio::time::timeout(WELCOME_MAX, receive(&mut from)).await;
        match welcome.map_err(|_| io::Error::new(io::ErrorKind::TimedOut, "it does not answer"))?? {
            Some(Answer::Welcome { version, forms, wire }) => {
                if wire == WIRE_FORM && forms == spoken() {
                    Ok((from, to))
                } else {
                    Err(io::Error::new(io::ErrorKind::Unsupported, OtherVersion(version)))
                }
            }
            _ => Err(io::Error::new(io::ErrorKind::ConnectionAborted, "it is just leaving")),
        }
    }

    pub(crate) async fn connect(place: &Place) -> io::Result<Self> {
        let first = Mutex::new(Some(Self::dial(place).await?));
        Ok(Self { place: place.clone(), first })
    }

    async fn wish(&self, wish: &Wish) -> Result<(Line, Answer), RunError> {
        let first = held(&self.first).take();
        let (mut from, mut to) = match first {
            Some(line) => line,
            None => Self::dial(&self.place).await.map_err(|err| gone(&err))?,
        };
        send(&mut to, wish).await.map_err(|err| gone(&err))?;
        match receive(&mut from).await.map_err(|err| gone(&err))? {
            Some(Answer::Failed { exit, message }) => Err(RunError::Refused { exit, message }),
            Some(Answer::Unsettled { run, acts }) => Err(RunError::Unsettled { run, acts }),
            Some(answer) => Ok(((from, to), answer)),
            None => Err(RunError::Holder("it closed without an answer".to_owned())),
        }
    }

    pub(crate) async fn start(&self, order: RunOrder) -> Result<Running, RunError> {
        self.attended(&Wish::Run { order: Box::new(order) }).await
    }

    pub(crate) async fn resume(&self, run: RunId, network: NetworkOrder) -> Result<Running, RunError> {
        self.attended(&Wish::Resume { run, network }).await
    }

    pub(crate) async fn stop(&self, run: RunId) -> Result<bool, RunError> {
        let (_, answer) = self.wish(&Wish::Stop { run, means: Means::Stop }).await?;
        Ok(matches!(answer, Answer::Done { done: true }))
    }

    pub(crate) async fn settle(&self, run: RunId, word: Word) -> Result<Settling, RunError> {
        match self.wish(&Wish::Settle { run, word }).await?.1 {
            Answer::Settled { settling } => Ok(settling),
            other => Err(RunError::Holder(format!("it said {other:?}"))),
        }
    }

    pub(crate) async fn going(&self) -> Result<Vec<(RunId, SafeText)>, RunError> {
        match self.wish(&Wish::Going {}).await?.1 {
            Answer::Going { going } => Ok(going),
            other => Err(RunError::Holder(format!("it said {other:?}"))),
        }
    }

    pub(crate) async fn record_trust(&self, said: TrustSaid) -> Result<(), RunError> {
        self.wish(&Wish::RecordTrust { said }).await.map(drop)
    }

    pub(crate) async fn record_credential(&self, word: CredentialWord) -> Result<(), RunError> {
        self.wish(&Wish::RecordCredential { word }).await.map(drop)
    }

    pub(crate) async fn record_sealed(&self, under: SealedUnder) -> Result<(), RunError> {
        self.wish(&Wish::RecordSealed { under }).await.map(drop)
    }

    pub(crate) async fn release(&self, run: RunId) -> Result<(), RunError> {
        self.wish(&Wish::Release { run }).await.map(drop)
    }

    pub(crate) async fn take_back(&self, revoking: Revoking, word: Option<CredentialWord>) -> Result<Vec<SafeText>, RunError> {
        match self.wish(&Wish::Revoke { revoking, word }).await?.1 {
            Answer::Ended { leases } => Ok(leases),
            other => Err(RunError::Holder(format!("it said {other:?}"))),
        }
    }

    async fn attended(&self, wish: &Wish) -> Result<Running, RunError> {
        let (line, answer) = self.wish(wish).await?;
        let Answer::Event { event: Event::Opened { run } } = answer else {
            return Err(RunError::Holder(format!("it said {answer:?}")));
        };
        let (teller, events) = event::channel();
        teller.tell(Event::Opened { run });
        let (stop, stopped) = watch::channel(None);
        tokio::spawn(relay(line, run, teller, stopped));
        Ok(Running::new(run, events, stop))
    }
}

/// Passes on the events of a run, and the order to end it.
async fn relay((from, mut to): Line, run: RunId, teller: Teller, mut stopped: watch::Receiver<Option<Stopping>>) {
    let mut answers = lines(from);
    let mut ended = false;
    loop {
        tokio::select! {
            // The events of a run are sent as fast as the client reads them.
            answer = async { poll_fn(|ctx| teller.poll_room(ctx)).await; answers.recv().await } => match answer {
                Some(Ok(Answer::Event { event })) => {
                    ended |= matches!(event, Event::Closed { .. } | Event::Failed { .. });
                    teller.pass_on(event);
                }
                None if ended => return,
                Some(_) | None => {
                    teller.tell(Event::Failed { exit: 1, message: "the process that holds the home went away".to_owned() });
                    return;
                }
            },
            means = wished(&mut stopped), if !ended => {
                // A holder that is gone has ended the run too, and the other branch says so.
                let _ = send(&mut to, &Wish::Stop { run, means }).await;
                stopped = watch::channel(None).1;
            },
        }
    }
}

/// By which means the run is to be ended, once somebody wants to end it. A `Running` that was dropped does not end it.
async fn wished(stopped: &mut watch::Receiver<Option<Stopping>>) -> Means {
    let means = stopped.wait_for(Option::is_some).await.map(|stopping| stopping.as_ref().map(|stopping| stopping.means));
    match means {
        Ok(Some(means)) => means,
        Ok(None) | Err(_) => std::future::pending().await,
    }
}
