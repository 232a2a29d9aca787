//! Why a run does not start, or can't be continued.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use journal::PruneError;
use vocabulary::{ApprovalEnd, ApprovalId, RunId, UnknownAct, exit};

/// An error around a run. An error inside a run is its [`vocabulary::Outcome`].
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// Another process holds the home.
    #[error("the home `{}` is held by another process", .0.display())]
    Held(PathBuf),
    /// The home has another form than this program uses.
    #[error(transparent)]
    Form(#[from] home::FormError),
    /// The record can't be opened, or is not what it should be.
    #[error("the record of the home can't be used")]
    Record(#[source] journal::OpenError),
    /// The record can't be written any more.
    #[error("the record can't be written, so nothing further is done")]
    RecordBroken {
        /// The run that was under way and is on the record, if there was one.
        run: Option<RunId>,
        /// The file, the step that failed, and the reason.
        #[source]
        cause: Arc<dyn std::error::Error + Send + Sync>,
    },
    /// The beginning of the record can't be removed.
    #[error("nothing was removed from the record")]
    Prune(#[source] Box<PruneError>),
    /// A run was put on hold after the caller had read the record and chosen what to remove.
    #[error("run `{0}` was put on hold just now, so nothing was removed; run the command again")]
    HeldMeanwhile(RunId),
    /// The run was pruned while somebody put it on hold.
    #[error("run `{0}` is not on hold: it was removed just now, with the beginning of the record (`bailiwick audit show --kind pruned`)")]
    PrunedMeanwhile(RunId),
    /// The record can't be read.
    #[error("the record can't be read")]
    Read(#[from] journal::ReadError),
    /// A run can't be rebuilt.
    #[error("run `{run}` can't be rebuilt")]
    Load {
        /// The run.
        run: RunId,
        /// Why not.
        #[source]
        cause: gate::LoadError,
    },
    /// A record is at a place where it can't be.
    #[error("the record is out of order")]
    Order(#[from] gate::OrderFault),
    /// The file which says that the home was restored from a backup is damaged.
    #[error("`{}` is damaged: this file says from which backup the home was restored", .0.display())]
    MarkDamaged(PathBuf),
    /// The home can't be written.
    #[error("could not use `{}`", path.display())]
    Home {
        /// The file in the home.
        path: PathBuf,
        /// What the system said.
        #[source]
        cause: io::Error,
    },
    /// The home has no usable copy of the component.
    #[error("the component can't be read from the home")]
    Store(#[from] package::store::StoreError),
    /// The component can't be run.
    #[error(transparent)]
    Sandbox(#[from] sandbox::SandboxError),
    /// A mount is gone.
    #[error(transparent)]
    Mount(#[from] broker::MountError),
    /// The network can't be set up as configured.
    #[error("the network can't be set up as configured")]
    Network(#[source] net::SetupError),
    /// The input is larger than `input-bytes`.
    #[error("the input has {bytes} bytes; `input-bytes` allows {max}")]
    InputTooLarge {
        /// Bytes of the input.
        bytes: u64,
        /// Bytes that are allowed.
        max: u64,
    },
    /// The input is not JSON.
    #[error("the input is not JSON: {0}")]
    InputNotJson(String),
    /// The input does not fit the agent's schema.
    #[error("the input does not fit the agent's schema: {0}")]
    InputUnfit(String),
    /// A grant makes no sense.
    #[error("a grant can't be used: {0}")]
    Grant(policy::grants::GrantProblem),
    /// The run was ended by something other than its agent.
    #[error("run `{0}` did not end by itself, so a replay has no end to compare with")]
    NoEnd(RunId),
    /// No open run has this id.
    #[error("there is no open run `{0}`; see `bailiwick ps`")]
    NoSuchRun(RunId),
    /// The run was cut off, so nothing is under way under its leases.
    #[error("run `{0}` is not running, so it has no lease that could be ended; `bailiwick stop {0}` closes the run")]
    NotGoingHere(RunId),
    /// A credential names the agents that may use it, and this agent is not one of them.
    #[error("the key `agents` of credential `{credential}` does not name this agent with its component {digest}")]
    CredentialOfOthers {
        /// Name of the credential.
        credential: String,
        /// Digest of the component that would use it.
        digest: vocabulary::Digest,
    },
    /// A value of a credential would be sent to a place that its owner does not allow.
    #[error("{0}")]
    Destination(policy::destination::OutsideError),
    /// The run is active, or it is suspended and another caller listens to it.
    #[error("another command attends run `{0}`: `bailiwick logs {0} -f` follows it, `bailiwick wait {0}` waits for its end")]
    Running(RunId),
    /// What the run was opened with can't be read.
    #[error("what run `{run}` was opened with can't be read: {why}")]
    Unreadable {
        /// The run.
        run: RunId,
        /// Why not.
        why: String,
    },
    /// Another command is about to resume the run, to settle something in it, or to end it.
    #[error("another command is resuming, settling or ending run `{0}` right now; run the command again")]
    Taken(RunId),
    /// The run was open in the copy from which the home was restored.
    #[error(
        "run `{0}` was open in the copy that was restored: what it did after the copy was made is unknown here, and a resume may repeat it"
    )]
    Restored(RunId),
    /// Several acts have an unknown outcome, and a settlement does not say which of them it is about.
    #[error(
        "it is unknown whether several acts of run `{run}` happened: {}; choose with `--op {}`, or settle them with `--all`",
        list(acts),
        ops(acts)
    )]
    SettleWhich {
        /// The run.
        run: RunId,
        /// The acts with an unknown outcome.
        acts: Vec<UnknownAct>,
    },
    /// A settlement for a run in which no act needs one.
    #[error("no act of run `{0}` needs to be settled")]
    NothingToSettle(RunId),
    /// A settlement of an act that needs none.
    #[error("op {op} of run `{run}` can't be settled: {why}")]
    NeedsNoWord {
        /// The run.
        run: RunId,
        /// Number of the operation.
        op: u64,
        /// Why it needs no settlement.
        why: String,
    },
    /// A settlement that contradicts an earlier one.
    #[error(
        "op {op} of run `{run}` was settled as {} at {} UTC by {}; this can't be changed",
        if said.did { "happened" } else { "not happened" }, vocabulary::utc(said.at), said.by
    )]
    SaidOtherwise {
        /// The run.
        run: RunId,
        /// Number of the operation.
        op: u64,
        /// The earlier settlement.
        said: gate::Stated,
    },
    /// A run can't be resumed or closed before a person has settled an act.
    #[error("it is unknown whether this happened in run `{run}`: {}", list(acts))]
    Unsettled {
        /// The run.
        run: RunId,
        /// The acts with an unknown outcome.
        acts: Vec<UnknownAct>,
    },
    /// The rebuilt run differs from its record. The run was left as it was.
    #[error("run `{run}` can't be resumed: {divergence}")]
    Diverged {
        /// The run.
        run: RunId,
        /// The first difference.
        divergence: vocabulary::Divergence,
    },
    /// The run began under policies, and none are trusted now.
    #[error("run `{0}` began under policies, and its configuration has none now: a run does not lose its policies")]
    NoPolicies(RunId),
    /// The act is not held back.
    #[error("no act is held back as `{0}`; see `bailiwick approvals ls`")]
    NotHeld(ApprovalId),
    /// It is approved already.
    #[error("`{0}` is approved already; see `bailiwick approvals show {0}`")]
    ApprovedAlready(ApprovalId),
    /// It is over.
    #[error("`{approval}` can't be decided any more: it is {end}")]
    ApprovalOver {
        /// The approval.
        approval: ApprovalId,
        /// How it ended.
        end: ApprovalEnd,
    },
    /// The vote is for another act than the one that is held back.
    #[error("`{approval}` is for {asked}, and the vote is for {seen}; look at it again with `bailiwick approvals show {approval}`")]
    OtherAsk {
        /// The approval.
        approval: ApprovalId,
        /// The digest of what is asked.
        asked: vocabulary::Digest,
        /// The digest of what the person has seen.
        seen: vocabulary::Digest,
    },
    /// The policies changed since people were asked.
    #[error("the policies have changed since `{0}` was asked, so the act is decided again; see `bailiwick approvals ls`")]
    PoliciesChanged(ApprovalId),
    /// The vote does not count.
    #[error("the vote on `{approval}` does not count")]
    Vote {
        /// The approval.
        approval: ApprovalId,
        /// Why not.
        #[source]
        cause: policy::vote::VoteFault,
    },
    /// The key of the component cache has the wrong length, or other users can read it.
    #[error("`{}` has the wrong length, or other users can read it", .0.display())]
    CacheKey(PathBuf),
    /// The host is leaving the home.
    #[error("the process that holds the home is leaving it right now; run the command again")]
    Leaving,
    /// The system gave no random numbers.
    #[error("the system gave no random numbers")]
    Random,
    /// A task of this process ended without a result: it panicked.
    #[error("the task that {0} ended without a result; this is a fault of the program, please report it")]
    TaskLost(&'static str),
}

impl From<gate::RecordBroken> for RunError {
    fn from(broken: gate::RecordBroken) -> Self {
        Self::RecordBroken { run: None, cause: broken.cause }
    }
}

impl From<journal::Broken> for RunError {
    fn from(broken: journal::Broken) -> Self {
        Self::RecordBroken { run: None, cause: Arc::new(broken) }
    }
}

/// This exit code of an error. [`exit::HOST`] in place of [`exit::USAGE`] where a disk, a quota or rights are at fault, and not what the user
/// wrote.
pub fn fair_exit(err: &(dyn std::error::Error + 'static), code: u8) -> u8 {
    let is_trouble = || home::Exposed::of(err).is_none() && journal::trouble_of(err).is_some();
    if code == exit::USAGE && is_trouble() { exit::HOST } else { code }
}

impl RunError {
    /// The exit code that says so to a shell.
    pub fn exit(&self) -> u8 {
        fair_exit(self, self.exit_by_kind())
    }

    fn exit_by_kind(&self) -> u8 {
        match self {
            Self::Form(_) => exit::HOST,
            Self::Record(journal::OpenError::Newer(_)) | Self::Read(journal::ReadError::Newer(_)) => exit::HOST,
            Self::Record(journal::OpenError::Unfit { .. }) => exit::HOST,
            Self::HeldMeanwhile(_) | Self::PrunedMeanwhile(_) => exit::HOST,
            Self::Prune(err) => match **err {
                PruneError::Io { .. } | PruneError::Ended => exit::HOST,
                PruneError::NoSuchSegment { .. } | PruneError::Open { .. } | PruneError::OtherArchive(_) | PruneError::ArchiveInHome(_) => {
                    exit::USAGE
                }
                PruneError::Fault(_) | PruneError::Unrecorded(_) => exit::RECORD,
            },
            Self::RecordBroken { .. } => exit::RECORD,
            // The record can't be reached. Nothing says that it is damaged.
            Self::Record(_) | Self::Read(_) | Self::Load { .. } if is_out_of_reach(self) => exit::HOST,
            Self::Record(_) | Self::Read(_) | Self::Order(_) => exit::RECORD,
            Self::Load { cause: gate::LoadError::NoRun(_) | gate::LoadError::Closed(_) | gate::LoadError::NotKept, .. } => exit::USAGE,
            Self::Load { .. } => exit::RECORD,
            Self::InputTooLarge { .. } => exit::LIMIT,
            Self::Restored(_) => exit::UNSETTLED,
            Self::MarkDamaged(_) => exit::RECORD,
            Self::Unsettled { .. } | Self::SettleWhich { .. } => exit::UNSETTLED,
            Self::Diverged { .. } => exit::DIVERGED,
            Self::InputNotJson(_) | Self::InputUnfit(_) | Self::NoSuchRun(_) | Self::Running(_) | Self::Mount(_) | Self::Network(_) => {
                exit::USAGE
            }
            Self::NothingToSettle(_)
            | Self::NeedsNoWord { .. }
            | Self::SaidOtherwise { .. }
            | Self::Grant(_)
            | Self::NoEnd(_)
            | Self::NotGoingHere(_) => exit::USAGE,
            Self::Destination(_) | Self::NotHeld(_) | Self::NoPolicies(_) => exit::USAGE,
            Self::ApprovedAlready(_) | Self::ApprovalOver { .. } | Self::OtherAsk { .. } | Self::PoliciesChanged(_) => exit::USAGE,
            Self::Vote { .. } => exit::REFUSED,
            Self::CredentialOfOthers { .. } => exit::REFUSED,
            Self::Sandbox(sandbox::SandboxError::Link { .. } | sandbox::SandboxError::NoEntryPoint | sandbox::SandboxError::Compile(_)) => {
                exit::REFUSED
            }
            Self::Held(_) | Self::Home { .. } | Self::Store(_) | Self::Sandbox(_) | Self::Random | Self::TaskLost(_) => exit::HOST,
            Self::CacheKey(_) | Self::Leaving | Self::Taken(_) | Self::Unreadable { .. } => exit::HOST,
        }
    }

    /// What to do next about a file system, rights, or a record that could not be written; `None` for all other errors.
    pub fn help(&self) -> Option<String> {
        let mend = journal::trouble_of(self).map(home::Trouble::mend);
        match self {
            Self::MarkDamaged(_) => Some(
                "`bailiwick audit accept-rollback` accepts the home as it is; then continue each open run with `bailiwick resume RUN \
                 --restored`, or close it with `bailiwick stop RUN`"
                    .to_owned(),
            ),
            Self::Order(_) => Some("`bailiwick audit verify` names the place".to_owned()),
            Self::RecordBroken { run, .. } => Some(next_step(mend, *run)),
            _ => mend.map(|mend| format!("{mend}, then run the command again")),
        }
    }

    /// The error with its causes, each once.
    pub fn chain(&self) -> String {
        chain(self)
    }
}

/// Whether the record is merely out of reach: rights or file descriptors are missing, or a part was pruned meanwhile.
fn is_out_of_reach(err: &RunError) -> bool {
    let cause = journal::trouble_of(err).map(home::Trouble::cause);
    matches!(cause, Some(home::Cause::Permission | home::Cause::OpenFiles)) || journal::is_pruned(err)
}

/// What to do when the record can't be written. A run that is on the record is to be resumed, because a new run would repeat all its asks.
pub(crate) fn next_step(mend: Option<String>, run: Option<RunId>) -> String {
    let first = mend.map_or_else(String::new, |mend| format!("{mend}, then "));
    match run {
        Some(run) => format!("{first}`bailiwick resume {run}`; a new run would repeat what this one did"),
        None => format!("{first}run the command again"),
    }
}

/// An error with its causes, each once.
pub fn chain(err: &dyn std::error::Error) -> String {
    let mut text = err.to_string();
    let mut cause = err.source();
    while let Some(err) = cause {
        let words = err.to_string();
        if !text.ends_with(&words) {
            text.push_str(": ");
            text.push_str(&words);
        }
        cause = err.source();
    }
    text
}

fn list(acts: &[UnknownAct]) -> String {
    acts.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// The numbers of the operations, in the form that `--op` takes.
fn ops(acts: &[UnknownAct]) -> String {
    acts.iter().map(|act| act.op.to_string()).collect::<Vec<_>>().join(",")
}

impl From<PruneError> for RunError {
    fn from(err: PruneError) -> Self {
        Self::Prune(Box::new(err))
    }
}
