//! Why a run does not start, or can't be gone on with.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use journal::PruneError;
use vocabulary::{RunId, UnknownAct, exit};

/// What goes wrong around a run; what goes wrong inside is its [`vocabulary::Outcome`].
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// Another process holds the home.
    #[error("the home `{}` is held by another process", .0.display())]
    Held(PathBuf),
    /// A home of another form than this program's.
    #[error(transparent)]
    Form(#[from] home::FormError),
    /// The record can't be opened, or is not what it should be.
    #[error("the record of the home can't be used")]
    Record(#[source] journal::OpenError),
    /// The record can't be written any more.
    #[error("the record can't be written, so nothing further is done")]
    RecordBroken {
        /// Which run was under way and is on the record, if one was.
        run: Option<RunId>,
        /// Which file, which step, and why.
        #[source]
        cause: Arc<dyn std::error::Error + Send + Sync>,
    },
    /// The beginning of the record can't be taken away.
    #[error("nothing of the record was taken away")]
    Prune(#[source] Box<PruneError>),
    /// A run was put on hold after the record was read that says what may go.
    #[error("run `{0}` was put on hold just now: nothing was taken away; say it again")]
    HeldMeanwhile(RunId),
    /// The run was taken away while somebody put it on hold.
    #[error(
        "run `{0}` is not on hold: it was taken away just now, with the beginning of the record (`bailiwick audit show --kind pruned`)"
    )]
    PrunedMeanwhile(RunId),
    /// The record can't be read.
    #[error("the record can't be read")]
    Read(#[from] journal::ReadError),
    /// A run can't be rebuilt.
    #[error("run `{run}` can't be rebuilt")]
    Load {
        /// Which.
        run: RunId,
        /// Why.
        #[source]
        cause: gate::LoadError,
    },
    /// A record that stands where it can't.
    #[error("the record is out of order")]
    Order(#[from] gate::OrderFault),
    /// What says that the home was put back from a backup is damaged.
    #[error("`{}` is damaged: it says from which backup this home was put back", .0.display())]
    MarkDamaged(PathBuf),
    /// The home can't be written.
    #[error("could not use `{}`", path.display())]
    Home {
        /// Which file of it.
        path: PathBuf,
        /// Why.
        #[source]
        cause: io::Error,
    },
    /// The component is not in the home.
    #[error("the component can't be taken from the home")]
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
    /// Too much input.
    #[error("the input has {bytes} bytes; `input-bytes` allows {max}")]
    InputTooLarge {
        /// How many.
        bytes: u64,
        /// How many there may be.
        max: u64,
    },
    /// Input that is not JSON.
    #[error("the input is not JSON: {0}")]
    InputNotJson(String),
    /// Input that is not of the agent's schema.
    #[error("the input does not fit the agent's schema: {0}")]
    InputUnfit(String),
    /// A grant that can't be meant.
    #[error("a grant can't be meant: {0}")]
    Grant(policy::grants::GrantProblem),
    /// A run that did not come to an end of its own.
    #[error("run `{0}` did not come to an end of its own: there is nothing to compare another one with")]
    NoEnd(RunId),
    /// Nobody knows this run.
    #[error("there is no run `{0}` that is open; see `bailiwick ps`")]
    NoSuchRun(RunId),
    /// Leases of a run that was cut off: nothing is under way under them.
    #[error("run `{0}` does not go on just now, so it has no lease that could be ended; `bailiwick stop {0}` closes it")]
    NotGoingHere(RunId),
    /// A credential that names its agents, and the one that is to use it is none of them.
    #[error("the credential `{credential}` is for other agents, or for another component of this one: {digest}")]
    CredentialOfOthers {
        /// Its name.
        credential: String,
        /// Of the component that is to use it.
        digest: vocabulary::Digest,
    },
    /// A credential whose value would be sent where its owner does not allow it.
    #[error("{0}")]
    Destination(policy::destination::OutsideError),
    /// The run goes on already.
    #[error("run `{0}` is running")]
    Running(RunId),
    /// Another command is about to go on with the run, to settle something in it, or to end it.
    #[error("another command is just going on with run `{0}`, or ending it")]
    Taken(RunId),
    /// The run was open in a copy of the home that was put back.
    #[error(
        "run `{0}` was open in a copy of the home that was put back: what it did after the copy was made is not known here, and may be done again"
    )]
    Restored(RunId),
    /// Several acts of which nobody knows, and one word.
    #[error(
        "nobody knows of several acts of run `{run}` whether they happened: {}; say which with `--op {}`, or `--all`",
        list(acts),
        ops(acts)
    )]
    SettleWhich {
        /// Which run.
        run: RunId,
        /// The acts.
        acts: Vec<UnknownAct>,
    },
    /// A word where none is missing.
    #[error("no act of run `{0}` waits for a word")]
    NothingToSettle(RunId),
    /// A word on an act that needs none.
    #[error("op {op} of run `{run}` needs no word: {why}")]
    NeedsNoWord {
        /// Which run.
        run: RunId,
        /// Which act.
        op: u64,
        /// Why.
        why: String,
    },
    /// A word against an earlier one.
    #[error(
        "that op {op} of run `{run}` did {}happen was said at {} UTC by {}; a word is not taken back",
        if said.did { "" } else { "not " }, vocabulary::utc(said.at), said.by
    )]
    SaidOtherwise {
        /// Which run.
        run: RunId,
        /// Which act.
        op: u64,
        /// The earlier word.
        said: gate::Said,
    },
    /// A run can't go on or be closed before somebody has said what became of an act.
    #[error("nobody knows of run `{run}` whether this happened: {}", list(acts))]
    Unsettled {
        /// Which run.
        run: RunId,
        /// The acts.
        acts: Vec<UnknownAct>,
    },
    /// A run did something else than its record says; it was left as it was.
    #[error("run `{run}` can't go on: {divergence}")]
    Diverged {
        /// Which run.
        run: RunId,
        /// Where.
        divergence: vocabulary::Divergence,
    },
    /// The key of the compiled components is not what it should be.
    #[error("`{}` is not a key that only its owner can read", .0.display())]
    CacheKey(PathBuf),
    /// The host is about to leave.
    #[error("the process that holds the home is just leaving")]
    Leaving,
    /// The system gave no random numbers.
    #[error("the system gave no random numbers")]
    Random,
    /// A task of this process ended without a result: it panicked.
    #[error("the task that {0} ended without a result")]
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
            // Nothing is known to be wrong with the record.
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
            Self::Destination(_) => exit::USAGE,
            Self::CredentialOfOthers { .. } => exit::REFUSED,
            Self::Sandbox(sandbox::SandboxError::Link { .. } | sandbox::SandboxError::NoEntryPoint | sandbox::SandboxError::Compile(_)) => {
                exit::REFUSED
            }
            Self::Held(_) | Self::Home { .. } | Self::Store(_) | Self::Sandbox(_) | Self::Random | Self::TaskLost(_) => exit::HOST,
            Self::CacheKey(_) | Self::Leaving | Self::Taken(_) => exit::HOST,
        }
    }

    /// What to do next about a file system, rights, or a record that could not be written; nothing for anything else.
    pub fn help(&self) -> Option<String> {
        let mend = journal::trouble_of(self).map(home::Trouble::mend);
        match self {
            Self::MarkDamaged(_) => Some(
                "`bailiwick audit accept-rollback` takes the home as it is: runs that were open in it then wait for `resume RUN --restored`, or `stop`"
                    .to_owned(),
            ),
            Self::RecordBroken { run, .. } => Some(next_step(mend, *run)),
            _ => mend.map(|mend| format!("{mend}, then say this again")),
        }
    }

    /// The error with its causes, each once.
    pub fn chain(&self) -> String {
        chain(self)
    }
}

/// Whether the record only can't be reached: for want of rights or of descriptors.
fn is_out_of_reach(err: &RunError) -> bool {
    let cause = journal::trouble_of(err).map(home::Trouble::cause);
    matches!(cause, Some(home::Cause::Permission | home::Cause::OpenFiles)) || journal::is_pruned(err)
}

/// What to do when the record can't be written. A run that is on the record is resumed: started again, it would ask everything again.
pub(crate) fn next_step(mend: Option<String>, run: Option<RunId>) -> String {
    let first = mend.map_or_else(String::new, |mend| format!("{mend}, then "));
    match run {
        Some(run) => format!("{first}`bailiwick resume {run}`; a new run would do again what this one did"),
        None => format!("{first}say this again"),
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

/// Operations as `--op` takes them.
fn ops(acts: &[UnknownAct]) -> String {
    acts.iter().map(|act| act.op.to_string()).collect::<Vec<_>>().join(",")
}

impl From<PruneError> for RunError {
    fn from(err: PruneError) -> Self {
        Self::Prune(Box::new(err))
    }
}
