//! Errors of the command line, and the one place that prints them.

use std::io;
use std::path::{Path, PathBuf};

use package::{ConfigError, TrustError};
use service::{NotMade, ServiceError};
use vocabulary::RunId;

use crate::out::{self, OutError};
use crate::signals::{SignalError, WaitError};
use crate::words::{safe, wrapped};

pub(crate) mod advice;
mod exits;
mod keys;
mod vote;

pub(crate) use keys::KeysError;
pub(crate) use vote::{PolicyError, VoteError};

/// Why a verb could not do its work.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CliError {
    #[error(transparent)]
    Project(#[from] package::project::ProjectError),
    #[error("agent `{}` was never accepted for `{}`", safe(agent), safe(&config.to_string_lossy()))]
    NeverAccepted { agent: String, config: PathBuf },
    #[error("nothing trusted matches `{}`: write a path, or at least eight digits of a digest", safe(which))]
    NeverTrusted { which: String },
    #[error(transparent)]
    Vault(#[from] vault::LocalError),
    #[error("no destination is set for the value of `{}`", safe(name))]
    NoDestination { name: String, proposed: Vec<vocabulary::Destination> },
    #[error(
        "this is not a destination: write `https://HOST` or `http://HOST`, with `:PORT` and `/PATH/**` if needed; HOST may begin with `*.`"
    )]
    NotADestination,
    #[error("no value for `{}` was read: the input is empty", safe(name))]
    NoValue { name: String },
    #[error("`{}` already has this value: nothing was changed", safe(name))]
    SameValue { name: String },
    #[error("`{}` had this value before: it was replaced, revoked or removed in the last 30 days", safe(name))]
    FormerValue { name: String },
    #[error("the value of `{}` was removed from the vault when it was revoked: there is nothing to restore", safe(name))]
    ValueIsGone { name: String },
    #[error("{what}, but this is not recorded")]
    NotRecorded {
        what: String,
        #[source]
        cause: Box<CliError>,
    },
    #[error("the change is recorded, but not yet in place")]
    NotInPlace {
        #[source]
        cause: Box<CliError>,
    },
    #[error("say what to revoke")]
    RevokeWhat,
    #[error("nothing was revoked: {why}")]
    NothingRevoked { why: String },
    #[error("`run` would refuse what the configuration names")]
    WouldBeRefused(Vec<(String, CliError)>),
    #[error("a value would go to a destination that is not set for it")]
    Outside(Vec<run::OutsideError>),
    #[error("there is no credential `{}` in the vault, the configuration or the record: nothing was revoked", safe(name))]
    NoCredential { name: String, near: Vec<String> },
    #[error("`{}` is in use by runs that have not ended", safe(name))]
    InUse { name: String, leases: Vec<String> },
    #[error("what was typed the second time differs from the first, so nothing was changed; run the command again")]
    TypedTwice,
    #[error(transparent)]
    Policy(#[from] PolicyError),
    #[error(transparent)]
    Vote(#[from] VoteError),
    #[error("agent `{agent}` is not a folder of source: there is nothing to build")]
    NothingToBuild { agent: String },
    /// A host refused a request, or could not serve it.
    #[error(transparent)]
    Service(Box<ServiceError>),
    #[error(transparent)]
    Run(#[from] run::RunError),
    #[error("the run could not continue: {}", safe(message))]
    Failed { exit: u8, message: String, help: Option<String> },
    #[error("the run was ended by {means} before it began")]
    EndedEarly { means: vocabulary::Means },
    #[error("the command was ended by {means} before it was done")]
    EndedWaiting { means: vocabulary::Means },
    #[error("the command was ended by {means} before it was done; what it had made was removed")]
    Undone { means: vocabulary::Means },
    #[error("the command was ended by {means} before anything was removed; what is already archived stays, and is not copied again")]
    NotPruned { means: vocabulary::Means },
    #[error("run `{run}` was cut off: {why}")]
    CutOff { run: RunId, why: String, exit: u8 },
    #[error("run `{0}` was cut off: nothing continues it, so its end would never come")]
    WasCutOff(RunId),
    #[error("another process{} holds the home `{}`", pid.map_or_else(String::new, |pid| format!(" ({pid})")), safe(&home.to_string_lossy()))]
    HeldByOther { pid: Option<u32>, home: PathBuf },
    #[error("could not send `{state}` to the service manager, whose socket `NOTIFY_SOCKET` names")]
    Manager {
        state: &'static str,
        #[source]
        cause: io::Error,
    },
    #[error("the state of run `{run}` is not known here: {}", safe(why))]
    Lost { run: RunId, why: String, exit: u8 },
    #[error("`BAILIWICK_WAIT` must be a number of seconds, not `{}`", safe(.0))]
    NotSeconds(String),
    /// A variable of the environment names a log level or a log form that does not exist.
    #[error("`{variable}` is `{}`; it must be one of {}", crate::words::safe(text), words.join(", "))]
    NotALogWord {
        /// The name of the variable.
        variable: &'static str,
        /// Its value.
        text: String,
        /// The values that are allowed.
        words: Vec<String>,
    },
    #[error("the host stopped sending events before the run ended")]
    HostGone,
    #[error("the record can't be read")]
    Read(#[from] journal::ReadError),
    #[error("the record can't be accepted as it is")]
    Accept(#[source] journal::OpenError),
    #[error("could not {verb} `{}`", safe(&path.to_string_lossy()))]
    File {
        verb: &'static str,
        path: PathBuf,
        #[source]
        cause: io::Error,
    },
    #[error("`{}` has more than {max} bytes", safe(&path.to_string_lossy()))]
    TooLarge { path: PathBuf, max: u64 },
    #[error("`{}` is not a regular file", safe(&.0.to_string_lossy()))]
    NotAFile(PathBuf),
    #[error("the input is not UTF-8")]
    InputNotText,
    #[error("the input of agent `{agent}` has no key `shard`, so its work can't be split; run it without `--shard`")]
    NoShards { agent: String },
    #[error("`--shard` sets the key `shard`, but the input already has one: leave one of them out")]
    ShardTwice,
    #[error("standard input can be read only once, but `--watch` runs the agent again; give the input as `--input @FILE`")]
    InputTwice,
    #[error("`{}` is not a run: write the 26 letters and digits of its id, or the first or last few of them, or `latest`", safe(.0))]
    NotARun(String),
    #[error("there is no run `{}`", safe(.0))]
    NoSuchRun(String),
    #[error("{0} in the readable part of the record; it may be in the part that can't be read")]
    Unread(Box<CliError>),
    #[error("{0}")]
    OfAPart(#[source] Box<CliError>),
    #[error("say what to remove: `--older-than`, `--larger-than` or `--payloads-older-than`, here or in `home.toml`")]
    PruneWhat,
    #[error("say what to do with the removed data: `--to FOLDER` archives it, `--drop` deletes it")]
    PruneWhere,
    #[error("the record is damaged, so nothing was pruned")]
    PruneDamaged,
    #[error("say why the run is to be kept: `--reason TEXT`")]
    HoldWhy,
    #[error("run `{0}` is not on hold")]
    NotHeld(RunId),
    #[error(transparent)]
    Settings(#[from] package::settings::SettingsError),
    #[error(
        "several runs match `{}`: {}; write more letters of the id",
        safe(text),
        runs.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
    )]
    SeveralRuns { text: String, runs: Vec<RunId> },
    #[error("run `{run}` has no record {seq}; its last one is {last}")]
    NoSuchRecord { run: RunId, seq: u64, last: u64 },
    #[error("no record names the {what} `{}`", safe(name))]
    NotOnRecord { what: &'static str, name: String, near: Vec<String> },
    #[error("the sealed content can't be shown: {0}")]
    NotShown(gate::Missing),
    #[error("record {seq} has no body: only requests, answers, inputs and outputs have one")]
    HasNoBody { seq: u64 },
    #[error("`--body` is for one record: write RUN/SEQ")]
    OfOneRecord,
    #[error("`--input`, `--grants` and `--answers` are for a whole run: write RUN without /SEQ")]
    OfAWholeRun,
    #[error("`--raw` prints the bytes of one body or one input, and of nothing else")]
    RawOfMore,
    #[error("raw bytes are not written to a terminal")]
    RawToTerminal,
    #[error("the vault has more values than can be replaced by stars, so nothing sealed is shown")]
    TooManyValues,
    #[error("`{}` is not a lease: write RUN/NAME, as `bailiwick audit touched` shows it", safe(.0))]
    NotALease(String),
    #[error(
        "the value of `{}` can be guessed: it has about {bits} bits of entropy, and one from a generator has 128; \
         set a generated value, or accept this one with `--weak`",
        safe(.name)
    )]
    WeakValue { name: String, bits: u32 },
    #[error("run `{0}` is not running: it has ended, or it was cut off")]
    NotGoing(RunId),
    #[error("run `{0}` has ended already")]
    Ended(RunId),
    #[error("run `{0}` was told to stop, and has not ended yet")]
    NotEnding(RunId),
    #[error("`{}` is not a time: write 2026-10-02, 2026-10-02T14:00:00Z, or 2h for two hours ago", safe(.0))]
    NotAMoment(String),
    #[error("`{}` is not a kind of record; the kinds are {known}", safe(text))]
    NotAKind { text: String, known: String },
    #[error("`{}` is not a public key", safe(&path.to_string_lossy()))]
    PublicKey {
        path: PathBuf,
        #[source]
        cause: journal::PublicKeyError,
    },
    #[error("`{}` is not a case: {}", safe(&file.to_string_lossy()), safe(why))]
    Case { file: PathBuf, why: String },
    #[error("no agent has cases")]
    NoCases,
    #[error("`{}` is not a name of a case: use letters, digits, `-` and `_`", safe(.0))]
    NotACaseName(String),
    #[error("the home can't be used")]
    Home(#[source] io::Error),
    #[error(transparent)]
    Form(#[from] home::FormError),
    #[error(transparent)]
    Backup(#[from] run::BackupError),
    #[error(transparent)]
    Keys(#[from] KeysError),
    #[error("there is no home: neither `{own}` nor `HOME` is set")]
    NoHome { own: &'static str },
    #[error("the program could not start its threads or its handling of signals")]
    Runtime(#[source] io::Error),
    #[error("could not write to standard output")]
    Write(#[source] io::Error),
}

impl From<ServiceError> for CliError {
    fn from(err: ServiceError) -> Self {
        match err {
            ServiceError::Run(err) => Self::Run(err),
            ServiceError::Read(err) => Self::Read(err),
            ServiceError::EndedEarly { means } => Self::EndedEarly { means },
            other => Self::Service(Box::new(other)),
        }
    }
}

impl From<OutError> for CliError {
    fn from(err: OutError) -> Self {
        match err {
            OutError::Write(err) => Self::Write(err),
            OutError::NotAFile(path) => Self::NotAFile(path),
            OutError::File { path, cause } => Self::file("write", &path)(cause),
        }
    }
}

impl From<SignalError> for CliError {
    fn from(err: SignalError) -> Self {
        match err {
            SignalError::Listen(err) | SignalError::Thread(err) => Self::Runtime(err),
            SignalError::Ended { means } => Self::EndedWaiting { means },
            SignalError::Undone { means } => Self::Undone { means },
        }
    }
}

impl<E: Into<Self>> From<WaitError<E>> for CliError {
    fn from(err: WaitError<E>) -> Self {
        match err {
            WaitError::Ended { means } => Self::EndedWaiting { means },
            WaitError::Failed(err) => err.into(),
        }
    }
}

/// Errors of rooms that both a host and this program use: each becomes a [`ServiceError`].
macro_rules! of_service {
    ($($err:ty),+ $(,)?) => {
        $(impl From<$err> for CliError {
            fn from(err: $err) -> Self {
                Self::Service(Box::new(err.into()))
            }
        })+
    };
}

of_service!(
    ConfigError,
    TrustError,
    package::ManifestError,
    package::build::BuildError,
    package::store::StoreError,
    package::lock::LockError,
    home::GaveUp,
);

impl From<NotMade<Self>> for CliError {
    fn from(not_made: NotMade<Self>) -> Self {
        match not_made {
            NotMade::NotRecorded(err) => (*err).into(),
            NotMade::NotInPlace(cause) => Self::NotInPlace { cause: Box::new(cause) },
            NotMade::Failed(err) => err,
        }
    }
}

impl CliError {
    /// An error of the operating system at a path.
    pub(crate) fn file(verb: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |cause| Self::File { verb, cause: home::told(&path, cause), path }
    }

    /// The error of a host, if this is one.
    pub(crate) fn service(&self) -> Option<&ServiceError> {
        match self {
            Self::Service(err) => Some(err),
            _ => None,
        }
    }

    /// Why a wait for another process ended, if this error is about one.
    fn gave_up(&self) -> Option<&home::GaveUp> {
        match self.service() {
            Some(ServiceError::GaveUp(gave_up)) => Some(gave_up),
            _ => home::GaveUp::of(self),
        }
    }

    /// Whether the record could not be reached, without any sign that it is damaged.
    fn is_out_of_reach(&self) -> bool {
        let cause = journal::trouble_of(self).map(home::Trouble::cause);
        matches!(cause, Some(home::Cause::Permission | home::Cause::OpenFiles)) || journal::is_pruned(self)
    }

    /// The lines below the message, each with one detail.
    fn details(&self) -> Vec<String> {
        match (self, self.service()) {
            (_, Some(ServiceError::Trust(TrustError::Untrusted(untrusted)))) => crate::was_trusted::told(untrusted),
            (_, Some(ServiceError::NotAccepted { difference, files, .. })) => {
                difference.lines().into_iter().chain(files.iter().cloned()).collect()
            }
            (Self::WouldBeRefused(all), _) => all.iter().flat_map(|(agent, err)| err.told_of(agent)).collect(),
            (_, Some(ServiceError::Trust(TrustError::OtherComponent(other)))) => other.lines(),
            (Self::NotOnRecord { near, .. }, _) => near.iter().map(|name| format!("did you mean `{}`?", safe(name))).collect(),
            (Self::NoDestination { name, proposed }, _) => told_destinations(name, proposed),
            (Self::Outside(all), _) => all.iter().map(ToString::to_string).collect(),
            (Self::NoCredential { near, .. }, _) => near.iter().map(|name| format!("did you mean `{name}`?")).collect(),
            (Self::InUse { leases, .. }, _) => leases.clone(),
            (_, Some(ServiceError::NotAdmitted { reasons, .. })) => reasons.iter().map(ToString::to_string).collect(),
            _ => Vec::new(),
        }
    }

    /// The error as a JSON document, for programs.
    pub(crate) fn document(&self) -> serde_json::Value {
        serde_json::json!({ "error": {
            "exit": self.exit(),
            "what": safe(&self.to_string()),
            "why": self.causes(),
            "details": self.details(),
            "help": self.help(),
        } })
    }

    /// Prints the error: what happened, why (each cause once), and what to do.
    pub(crate) fn print(&self) {
        self.what_and_why().iter().for_each(|line| out::words(line));
        // A line with a command is not wrapped, so that the command can be copied.
        self.help_line().iter().for_each(|line| out::command(line));
    }

    /// Each cause that adds something to the one before, one line each, safe to print.
    fn causes(&self) -> Vec<String> {
        let (mut causes, mut said) = (Vec::new(), self.to_string());
        let mut cause = std::error::Error::source(self);
        while let Some(err) = cause {
            let words = err.to_string();
            if !said.contains(&words) {
                causes.extend(words.lines().take(20).map(safe));
                said = words;
            }
            cause = err.source();
        }
        causes
    }

    /// What happened, why, and what to do, all in one line.
    pub(crate) fn in_one_line(&self) -> String {
        let why = self.causes().into_iter().map(|cause| format!(": {cause}")).collect::<String>();
        let help = self.help().map_or_else(String::new, |help| format!("; {help}"));
        format!("{}{why}{help}", safe(&self.to_string()))
    }

    /// The error of one agent among several: what happened and why in one line, then the details.
    fn told_of(&self, agent: &str) -> Vec<String> {
        let why = self.causes().into_iter().map(|cause| format!(": {cause}")).collect::<String>();
        let first = format!("{}: {}{why}", safe(agent), safe(&self.to_string()));
        std::iter::once(first).chain(self.details().into_iter().map(|line| format!("  {line}"))).collect()
    }

    fn help_line(&self) -> Option<String> {
        self.help().map(|help| format!("help: {help}"))
    }

    fn what_and_why(&self) -> Vec<String> {
        let mut lines = vec![format!("error: {}", safe(&self.to_string()))];
        lines.extend(self.causes().iter().map(|cause| format!("  caused by: {cause}")));
        let details: Vec<String> = self.details().iter().map(|line| safe(line)).collect();
        lines.extend(wrapped(&details, "  "));
        lines
    }
}

/// The command that sets the destinations which the configuration proposes.
fn told_destinations(name: &str, proposed: &[vocabulary::Destination]) -> Vec<String> {
    let places: Vec<String> = proposed.iter().map(|destination| format!(" --for '{destination}'")).collect();
    let places = if places.is_empty() { " --for https://HOST".to_owned() } else { places.concat() };
    vec![format!("say where, for instance: bailiwick credentials set {name}{places}")]
}

#[cfg(test)]
mod tests {
    use package::trust::Untrusted;

    use super::*;
    use vocabulary::exit;

    fn lines(err: &CliError) -> Vec<String> {
        err.what_and_why().into_iter().chain(err.help_line()).collect()
    }

    #[test]
    fn an_error_says_what_why_once_and_what_to_do() {
        let cause = io::Error::new(io::ErrorKind::NotFound, "no such \u{1b}[31mfile");
        let err = CliError::File { verb: "read", path: "a\nb".into(), cause };
        assert_eq!(lines(&err), ["error: could not read `a\\u{a}b`", "  caused by: no such \\u{1b}[31mfile"]);
        let err = CliError::NotGoing(RunId::from_bytes([0; 16]));
        assert_eq!(lines(&err).len(), 2);
    }

    #[test]
    fn what_is_not_trusted_shows_what_it_asks_for() {
        let digest = vocabulary::Digest::of(b"");
        let untrusted = Untrusted { file: "bailiwick.toml".into(), digest, authority: vec!["agent x".to_owned()], before: None };
        let err = CliError::from(TrustError::from(Box::new(untrusted)));
        assert_eq!(err.exit(), exit::USAGE);
        assert!(lines(&err).contains(&"    agent x".to_owned()), "{:?}", lines(&err));
    }
}
