//! The messages of the control socket.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncWrite, AsyncWriteExt as _};
use vocabulary::record::SealedUnder;
use vocabulary::{Means, RunId, SafeText, UnknownAct};

use run::{
    CredentialWord, HoldSaid, PruneDone, PruneOrder, Revoking, RunEvent, SettleReport, Settlement, Status, TrustSaid, VoteOrder, VoteReport,
};

use crate::request::{Continuation, ResumeRequest, RunRequest};

/// The form of these messages. It is raised with every change that another version would not understand.
pub(super) const WIRE_FORM: u32 = 4;

/// The request of a client. There is one request for each connection, except that `Stop` may follow a run. No field says who the client is,
/// because the kernel does. No field grants anything, because the host itself reads what was trusted.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "verb", rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) enum Request {
    Run {
        request: Box<RunRequest>,
    },
    Resume {
        request: ResumeRequest,
    },
    /// Continues a run of the client whose host is gone.
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
    Vote {
        order: Box<VoteOrder>,
    },
    RevokeApproval {
        run: RunId,
        op: u64,
    },
    Revoke {
        revoking: Revoking,
        word: Option<CredentialWord>,
    },
}

/// A message of the host. It is externally tagged, like [`RunEvent`].
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Response {
    /// The first line to every client. The host now reads the client's request, and does not leave the home before it has answered.
    ///
    /// INVARIANT: this line keeps its form, so that any two versions can report that they don't understand each other.
    Welcome {
        /// The host's version.
        #[serde(default)]
        version: String,
        /// The forms of home, record, keys and vault that it uses.
        #[serde(default)]
        forms: String,
        /// The form of these messages.
        #[serde(default)]
        wire: u32,
    },
    /// The host is alive. It sends this from when it has read a request until it has answered, and while it reports a run.
    Alive {
        /// How long the record has been waiting for the disk, in milliseconds; 0 if it does not.
        disk_ms: u64,
    },
    /// An event of a run.
    Event { event: RunEvent },
    /// Whether the request did anything.
    Done { done: bool },
    /// The active runs, with their agents.
    Going { going: Vec<(RunId, SafeText)> },
    /// The status of the host.
    Status { status: Box<Status> },
    /// What was removed.
    Pruned { done: PruneDone },
    /// The leases that were ended.
    Ended { leases: Vec<SafeText> },
    /// What an approval lacks after a vote.
    Voted { report: VoteReport },
    /// The result of a settlement.
    Settled { settling: SettleReport },
    /// A person must settle these acts first.
    Unsettled { run: RunId, acts: Vec<UnknownAct> },
    /// The run is active, or somebody already listens to it.
    Attended { run: RunId },
    /// There is no such run, or it has ended.
    NotOpen { run: RunId },
    /// The request failed.
    Failed { exit: u8, message: String, help: Option<String> },
}

pub(super) async fn send<T: Serialize>(to: &mut (impl AsyncWrite + Unpin), what: &T) -> std::io::Result<()> {
    to.write_all(&line(what)?).await?;
    to.flush().await
}

/// One message as a line, with its end.
pub(super) fn line<T: Serialize>(what: &T) -> std::io::Result<Vec<u8>> {
    let mut line = serde_json::to_vec(what)?;
    line.push(b'\n');
    Ok(line)
}

/// How a host and a client understand a line: each result is the message as that side would write it, or `None` if the line is not valid
/// for it. For the fuzzer.
pub async fn understood(line: &[u8]) -> [Option<Vec<u8>>; 2] {
    async fn rewritten<T: Serialize + DeserializeOwned>(mut from: &[u8]) -> Option<Vec<u8>> {
        let what: T = super::lines::receive(&mut from).await.ok()??;
        self::line(&what).ok()
    }
    [rewritten::<Request>(line).await, rewritten::<Response>(line).await]
}
