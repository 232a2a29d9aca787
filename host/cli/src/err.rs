//! What goes wrong at the command line, and the one place that says so.

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

pub(crate) use keys::KeysError;

/// Anything that keeps a verb from being done.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CliError {
    #[error(transparent)]
    Project(#[from] package::project::ProjectError),
    #[error("agent `{}` was never accepted for `{}`", safe(agent), safe(&config.to_string_lossy()))]
    NeverAccepted { agent: String, config: PathBuf },
    #[error("nothing that is trusted is called `{}`: write a path, or eight and more digits of a digest", safe(which))]
    NeverTrusted { which: String },
    #[error(transparent)]
    Vault(#[from] vault::LocalError),
    #[error("nobody has said where the value of `{}` may go", safe(name))]
    NoDestination { name: String, proposed: Vec<vocabulary::Destination> },
    #[error(
        "that is no destination: write `https://HOST` or `http://HOST`, with `:PORT` and `/PATH/**` if needed; HOST may begin with `*.`"
    )]
    NotADestination,
    #[error("nothing came in as the value of `{}`", safe(name))]
    NoValue { name: String },
    #[error("`{}` has that value already: nothing was changed", safe(name))]
    SameValue { name: String },
    #[error("that is a value that `{}` had before, and that was replaced, revoked or removed in the last 30 days", safe(name))]
    FormerValue { name: String },
    #[error("`{}` had its value in the vault, and lost it when it was revoked: there is nothing to restore", safe(name))]
    ValueIsGone { name: String },
    #[error("{what}, and that is not on the record")]
    NotRecorded {
        what: String,
        #[source]
        cause: Box<CliError>,
    },
    #[error("it is on the record, and not yet in place")]
    NotInPlace {
        #[source]
        cause: Box<CliError>,
    },
    #[error("nothing says what is to be revoked")]
    RevokeWhat,
    #[error("nothing was revoked: {why}")]
    NothingRevoked { why: String },
    #[error("`run` would refuse what the configuration names")]
    WouldBeRefused(Vec<(String, CliError)>),
    #[error("a value would go where its owner does not let it")]
    Outside(Vec<run::OutsideError>),
    #[error("there is no credential `{}`, here or on the record: nothing was revoked", safe(name))]
    NoCredential { name: String, near: Vec<String> },
    #[error("runs that go on have `{}`", safe(name))]
    InUse { name: String, leases: Vec<String> },
    #[error("what was typed is not the same twice")]
    TypedTwice,
    #[error("agent `{agent}` is no folder of source: there is nothing to build")]
    NothingToBuild { agent: String },
    /// What a host does not do, or what is wrong with what it was asked to do.
    #[error(transparent)]
    Service(Box<ServiceError>),
    #[error(transparent)]
    Run(#[from] run::RunError),
    #[error("the run could not go on: {}", safe(message))]
    Failed { exit: u8, message: String, help: Option<String> },
    #[error("ended by {means} before it began")]
    EndedEarly { means: vocabulary::Means },
    #[error("ended by {means} before it was done")]
    EndedWaiting { means: vocabulary::Means },
    #[error("ended by {means} before it was done; what it had made is removed again")]
    Undone { means: vocabulary::Means },
    #[error("ended by {means} before anything was taken away; what is archived already stays, and is not copied again")]
    NotPruned { means: vocabulary::Means },
    #[error("run `{run}` was cut off: {why}")]
    CutOff { run: RunId, why: String, exit: u8 },
    #[error("what becomes of run `{run}` is not known here: {}", safe(why))]
    Lost { run: RunId, why: String, exit: u8 },
    #[error("`BAILIWICK_WAIT` is a number of seconds, and not `{}`", safe(.0))]
    NotSeconds(String),
    /// A variable of the environment names a log level or a log form that does not exist.
    #[error("`{variable}` is `{}`; it can be {}", crate::words::safe(text), words.join(", "))]
    NotALogWord {
        /// Which variable.
        variable: &'static str,
        /// What it holds.
        text: String,
        /// What it may hold.
        words: Vec<String>,
    },
    #[error("the events of the run ended without its end")]
    HostGone,
    #[error("the record can't be read")]
    Read(#[from] journal::ReadError),
    #[error("the record can't be taken as it is")]
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
    #[error("agent `{agent}` takes no `shard` in its input, so its work can't be shared out")]
    NoShards { agent: String },
    #[error("the input has a `shard` already")]
    ShardTwice,
    #[error("standard input is read once, and `--watch` runs again")]
    InputTwice,
    #[error("`{}` is not a run: an id has 26 letters and digits, of which the first or last few are enough; `latest` is the last one begun", safe(.0))]
    NotARun(String),
    #[error("no run is called `{}`", safe(.0))]
    NoSuchRun(String),
    #[error("{0}, in what can be read of the record; it may be in what can't")]
    Unread(Box<CliError>),
    #[error("{0}")]
    OfAPart(#[source] Box<CliError>),
    #[error("say what is to be taken away: `--older-than`, `--larger-than` or `--payloads-older-than`, here or in `home.toml`")]
    PruneWhat,
    #[error("say what becomes of what is taken away: `--to FOLDER` archives it, `--drop` drops it")]
    PruneWhere,
    #[error("nothing is taken away of a record that is damaged")]
    PruneDamaged,
    #[error("say why it is to be kept: `--reason TEXT`")]
    HoldWhy,
    #[error("run `{0}` is not on hold")]
    NotHeld(RunId),
    #[error(transparent)]
    Settings(#[from] package::settings::SettingsError),
    #[error("several runs are called `{}`: {}", safe(text), runs.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "))]
    SeveralRuns { text: String, runs: Vec<RunId> },
    #[error("run `{run}` has no record {seq}; it has {last}")]
    NoSuchRecord { run: RunId, seq: u64, last: u64 },
    #[error("no record names the {what} `{}`", safe(name))]
    NotOnRecord { what: &'static str, name: String, near: Vec<String> },
    #[error("what lies sealed can't be shown: {0}")]
    NotShown(gate::Missing),
    #[error("record {seq} has no body: requests, answers, inputs and outputs have one")]
    HasNoBody { seq: u64 },
    #[error("a whole run has no such thing: say which record, RUN/SEQ")]
    OfOneRecord,
    #[error("one record has no such thing: say the run alone")]
    OfAWholeRun,
    #[error("`--raw` is for one body or one input, as bytes; nothing else has a form of its own")]
    RawOfMore,
    #[error("bytes as they are can't be shown on a terminal")]
    RawToTerminal,
    #[error("the vault holds more than can be starred")]
    TooManyValues,
    #[error("`{}` is no lease: write RUN/NAME, as `bailiwick audit touched` has it", safe(.0))]
    NotALease(String),
    #[error(
        "the value of `{}` can be guessed: it has about {bits} bits, and one from a generator has 128; \
         set one that nobody chose, or take this one with `--weak`",
        safe(.name)
    )]
    WeakValue { name: String, bits: u32 },
    #[error("run `{0}` does not go on: it has ended, or it was cut off")]
    NotGoing(RunId),
    #[error("run `{0}` has ended already")]
    Ended(RunId),
    #[error("run `{0}` was told to end, and has not yet")]
    NotEnding(RunId),
    #[error("`{}` is no moment: write 2026-10-02, 2026-10-02T14:00:00Z, or 2h for two hours ago", safe(.0))]
    NotAMoment(String),
    #[error("`{}` is not a kind of record; the kinds are {known}", safe(text))]
    NotAKind { text: String, known: String },
    #[error("`{}` is not a public key", safe(&path.to_string_lossy()))]
    PublicKey {
        path: PathBuf,
        #[source]
        cause: journal::PublicKeyError,
    },
    #[error("`{}` is no case: {}", safe(&file.to_string_lossy()), safe(why))]
    Case { file: PathBuf, why: String },
    #[error("no agent has cases")]
    NoCases,
    #[error("`{}` is no name of a case: letters, digits, `-` and `_`", safe(.0))]
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
    #[error("could not start")]
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

/// What goes wrong in a room that a host uses, and that this program uses by itself, too.
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
    /// A failure of the system at a path.
    pub(crate) fn file(verb: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |cause| Self::File { verb, cause: home::told(&path, cause), path }
    }

    /// What a host did not do, if that is what it is.
    pub(crate) fn service(&self) -> Option<&ServiceError> {
        match self {
            Self::Service(err) => Some(err),
            _ => None,
        }
    }

    /// Why a wait for another process has ended, if that is what it is.
    fn gave_up(&self) -> Option<&home::GaveUp> {
        match self.service() {
            Some(ServiceError::GaveUp(gave_up)) => Some(gave_up),
            _ => home::GaveUp::of(self),
        }
    }

    /// Whether the record only can't be reached, and nothing is known to be wrong with it.
    fn is_out_of_reach(&self) -> bool {
        let cause = journal::trouble_of(self).map(home::Trouble::cause);
        matches!(cause, Some(home::Cause::Permission | home::Cause::OpenFiles)) || journal::is_pruned(self)
    }

    /// What belongs to the error and is more than a line.
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

    /// The same for programs.
    pub(crate) fn document(&self) -> serde_json::Value {
        serde_json::json!({ "error": {
            "exit": self.exit(),
            "what": safe(&self.to_string()),
            "why": self.causes(),
            "details": self.details(),
            "help": self.help(),
        } })
    }

    /// Says it: what, why (each cause once), and what to do.
    pub(crate) fn print(&self) {
        self.what_and_why().iter().for_each(|line| out::words(line));
        // A command that repairs something is not broken, so that it can be copied.
        self.help_line().iter().for_each(|line| out::command(line));
    }

    /// Each cause that says something new, a line each, safe to print.
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

    /// What and why, and what to do, for those who have a line for it.
    pub(crate) fn in_one_line(&self) -> String {
        let why = self.causes().into_iter().map(|cause| format!(": {cause}")).collect::<String>();
        let help = self.help().map_or_else(String::new, |help| format!("; {help}"));
        format!("{}{why}{help}", safe(&self.to_string()))
    }

    /// The same of one agent among others, a line each.
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

/// The command that sets the destinations that the configuration at hand has.
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
