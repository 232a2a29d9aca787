//! What is said over the socket.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncWrite, AsyncWriteExt as _};
use vocabulary::record::SealedUnder;
use vocabulary::{Means, RunId, SafeText, UnknownAct};

use run::{CredentialWord, HoldSaid, PruneDone, PruneOrder, Revoking, RunEvent, SettleReport, Settlement, Status, TrustSaid};

use crate::request::{Continuation, ResumeRequest, RunRequest};

/// The form of what is said over the socket. Raised with every change that another version would not understand.
pub(super) const WIRE_FORM: u32 = 2;

/// What a client wants. There is one order for each connection, except that `Stop` may follow a run. Nothing in here says who the client
/// is: the kernel says that. Nothing grants anything either: the host reads by itself what was trusted.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "verb", rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) enum Request {
    Run {
        request: Box<RunRequest>,
    },
    Resume {
        request: ResumeRequest,
    },
    /// A run of the client whose host is gone.
    Continue {
        run: RunId,
        as_begun: Continuation,
    },
    Settle {
        run: RunId,
        word: Settlement,
    },
    Stop {
        run: RunId,
        means: Means,
    },
    Going {},
    Status {},
    RecordTrust {
        said: TrustSaid,
    },
    RecordHold {
        said: HoldSaid,
    },
    Prune {
        order: Box<PruneOrder>,
    },
    RecordCredential {
        word: CredentialWord,
    },
    RecordSealed {
        under: SealedUnder,
    },
    Release {
        run: RunId,
    },
    Revoke {
        revoking: Revoking,
        word: Option<CredentialWord>,
    },
}

/// What the host says; tagged from outside, as [`RunEvent`] is.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Response {
    /// The first line to every client: its request is heard, and the home is not left before it is answered.
    ///
    /// INVARIANT: this line keeps its form, so that any two versions can say that they don't understand each other.
    Welcome {
        /// The host's version.
        #[serde(default)]
        version: String,
        /// The forms of home, record, keys and vault that it uses.
        #[serde(default)]
        forms: String,
        /// The form of what is said here.
        #[serde(default)]
        wire: u32,
    },
    /// The host goes on. It says so from when it has heard a request until it has answered it, and while it tells of a run.
    Alive {
        /// How long the record has been waiting for the disk, in milliseconds; 0 if it does not.
        disk_ms: u64,
    },
    /// Of a run.
    Event { event: RunEvent },
    /// Whether it was done.
    Done { done: bool },
    /// Runs that go on.
    Going { going: Vec<(RunId, SafeText)> },
    /// How the host is doing.
    Status { status: Box<Status> },
    /// What was taken away.
    Pruned { done: PruneDone },
    /// Leases that were ended.
    Ended { leases: Vec<SafeText> },
    /// What a word did.
    Settled { settling: SettleReport },
    /// A person must say what became of these acts first.
    Unsettled { run: RunId, acts: Vec<UnknownAct> },
    /// It could not be done.
    Failed { exit: u8, message: String, help: Option<String> },
}

pub(super) async fn send<T: Serialize>(to: &mut (impl AsyncWrite + Unpin), what: &T) -> std::io::Result<()> {
    to.write_all(&line(what)?).await?;
    to.flush().await
}

/// One line, with its end.
pub(super) fn line<T: Serialize>(what: &T) -> std::io::Result<Vec<u8>> {
    let mut line = serde_json::to_vec(what)?;
    line.push(b'\n');
    Ok(line)
}

/// How a line is understood by a host, and by a client: each as it would write it. `None` where it is not one that may come. For the fuzzer.
pub async fn understood(line: &[u8]) -> [Option<Vec<u8>>; 2] {
    async fn rewritten<T: Serialize + DeserializeOwned>(mut from: &[u8]) -> Option<Vec<u8>> {
        let what: T = super::lines::receive(&mut from).await.ok()??;
        self::line(&what).ok()
    }
    [rewritten::<Request>(line).await, rewritten::<Response>(line).await]
}
