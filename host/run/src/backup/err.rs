//! What goes wrong with backups.

use std::io;
use std::path::PathBuf;

use key::PassphraseError;
use vocabulary::exit;

/// Why a backup was not made, or not put back. Nothing of it stays.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// A file can't be used.
    #[error("could not {verb} `{}`", path.display())]
    File {
        /// What was tried.
        verb: &'static str,
        /// Which file.
        path: PathBuf,
        /// What the system said.
        #[source]
        cause: io::Error,
    },
    /// The record is not whole, or not the one that is remembered.
    #[error("the record of the home is not as it should be: a backup would not be, either")]
    Damaged(#[source] journal::LogFault),
    /// The record can't be read.
    #[error("the record of the home can't be read")]
    Unread(#[source] journal::ReadError),
    /// The keys are not those of the record.
    #[error("the keys of the home are not as they should be, and would not be in a backup: {0}")]
    Keys(String),
    /// What was unpacked can't be gone on with.
    #[error("the record in the backup can't be gone on with: nothing was put in place")]
    Record(#[source] journal::OpenError),
    /// That the home was put back can't be put on its record.
    #[error("that the home was put back could not be put on its record: nothing was put in place")]
    Unrecorded(#[source] journal::AppendError),
    /// The home has something that can't be kept.
    #[error("`{}` can't be in a backup: {why}", path.display())]
    NotKept {
        /// What it is.
        path: PathBuf,
        /// Why.
        why: &'static str,
    },
    /// The home has nothing that could be kept.
    #[error("nothing was recorded in `{}` yet", .0.display())]
    NoLog(PathBuf),
    /// The key of the record can't be used.
    #[error("the keys of the home can't be used, and a backup needs them")]
    Key(#[source] journal::OpenError),
    /// Something was changed while it was read.
    #[error("{0} while it was read: say it again")]
    Changed(&'static str),
    /// A change of an operator or an agent is not yet whole: its note is there.
    #[error("a change of a credential, of trust or of an acceptance is under way in the home, or was cut off")]
    ChangePending,
    /// The backup would lie in the home that it is of.
    #[error("`{}` lies in the home itself, which would be in the backup then", .0.display())]
    Within(PathBuf),
    /// There is something of that name.
    #[error("`{}` is there already", .0.display())]
    Exists(PathBuf),
    /// It is no backup, or was changed.
    #[error("`{}` is no backup as it was made: {why}", path.display())]
    Broken {
        /// Which file.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// It is of a newer form.
    #[error("`{}` was made by a newer program, in a form that this one does not know", .0.display())]
    Newer(PathBuf),
    /// It is sealed under a passphrase, and none was given.
    #[error("`{}` is sealed under a passphrase", .0.display())]
    Sealed(PathBuf),
    /// It does not open with this passphrase.
    #[error("`{}` does not open: another passphrase, or it was changed or cut short", .0.display())]
    OtherPassphrase(PathBuf),
    /// It is signed by another key than the one that was given.
    #[error("`{}` is not signed by the key that was given", .0.display())]
    OtherKey(PathBuf),
    /// Another process is just restoring into the same home.
    #[error("another process is just restoring into `{}`", .0.display())]
    Busy(PathBuf),
    /// The home has something in it.
    #[error("`{}` is not empty: a backup is put into an empty home only", .0.display())]
    NotEmpty(PathBuf),
    /// The home in the backup is of a form that this program does not know.
    #[error("the home in the backup can't be used by this program")]
    Form(#[source] home::FormError),
    /// The passphrase can't be used.
    #[error(transparent)]
    Passphrase(#[from] PassphraseError),
    /// The system gave no random numbers.
    #[error("the system gave no random numbers")]
    Random,
}

impl BackupError {
    /// The exit code that says so to a shell.
    pub fn exit(&self) -> u8 {
        match self {
            Self::Damaged(fault) if fault.unread().is_some() => exit::HOST,
            Self::Damaged(_) | Self::Keys(_) | Self::Record(_) | Self::Unrecorded(_) | Self::Broken { .. } | Self::OtherKey(_) => exit::RECORD,
            Self::Unread(journal::ReadError::NoLog { .. }) => exit::USAGE,
            Self::Unread(journal::ReadError::Io { .. } | journal::ReadError::Newer(_)) => exit::HOST,
            Self::Unread(_) => exit::RECORD,
            Self::NoLog(_) | Self::Within(_) | Self::Exists(_) | Self::NotEmpty(_) | Self::Sealed(_) | Self::OtherPassphrase(_) => exit::USAGE,
            Self::Passphrase(_) => exit::USAGE,
            Self::File { .. }
            | Self::NotKept { .. }
            | Self::Busy(_)
            | Self::Key(_)
            | Self::Changed(_)
            | Self::ChangePending
            | Self::Newer(_)
            | Self::Form(_)
            | Self::Random => exit::HOST,
        }
    }
}
